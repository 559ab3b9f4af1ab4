"""Several training corpora as one, each with a name, and a tag before its source sentences if it has one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mt.data.fingerprint import fingerprint_of
from mt.data.pair import Corpus, Pair
from mt.data.tokenizer import RESERVED

NAME = re.compile(r"\w[\w.-]*")
TARGET_TAG = re.compile(r"<2([\w-]+)>")
LINK_START = re.compile(r"(?<!\S)\d+")
HEAD = re.compile(r"(?<!\S)0*[1-9]\d*(?!\S)")  # a head; a root, 0, stays 0


@dataclass(frozen=True, kw_only=True)
class Source:
    """A corpus with a tag: a symbol such as <2de> or <bt> before each source sentence, which controls the model.

    The tag becomes one piece of the tokenizer. `source_language` and `target_language` are for cleaning, where this
    corpus has other languages than `data`.
    """

    corpus: Corpus
    tag: str | None = None
    source_language: str | None = None
    target_language: str | None = None

    def __post_init__(self) -> None:
        if self.tag is not None and not RESERVED.fullmatch(self.tag):
            raise ValueError(f"tag ({self.tag}) must look like <2de>, without blanks")

    def __iter__(self) -> Iterator[Pair]:
        for pair in self.corpus:
            yield with_tag(pair, self.tag)

    def languages(self, of_data: tuple[str, str]) -> tuple[str, str]:
        """The languages of this corpus, where it is one of `of_data`."""
        return self.source_language or of_data[0], self.target_language or of_data[1]

    def fingerprint(self) -> str:
        """Changes with the corpus and the settings."""
        return fingerprint_of("Source", self.corpus.fingerprint(), self.tag, self.source_language, self.target_language)


class Sources:
    """Corpora by name, one after the other. Each is a `Source`, or a plain corpus if it has no tag."""

    def __init__(self, **sources: Corpus) -> None:
        if not sources:
            raise ValueError("sources: at least one is needed")
        for name, corpus in sources.items():
            if not NAME.fullmatch(name):
                raise ValueError(f"sources: a name ({name}) must be letters, digits, '_', '-' and '.'")
            if not hasattr(corpus, "fingerprint"):
                raise ValueError(f"sources: {name} ({corpus}) must be a corpus")
        self.sources = {
            name: corpus if isinstance(corpus, Source) else Source(corpus=corpus) for name, corpus in sources.items()
        }

    def __iter__(self) -> Iterator[Pair]:
        for source in self.sources.values():
            yield from source

    def fingerprint(self) -> str:
        """Changes with any of the sources, their names and their order."""
        return fingerprint_of("Sources", [[name, source.fingerprint()] for name, source in self.sources.items()])


def sources_of(corpus: Corpus, name: str = "train") -> dict[str, Source]:
    """The sources of a corpus; a corpus without sources is a single one of this name."""
    if isinstance(corpus, Sources):
        return corpus.sources
    return {name: corpus if isinstance(corpus, Source) else Source(corpus=corpus)}


def tags_of(*corpora: Corpus) -> list[str]:
    """The tags of some corpora, each once."""
    sources = (source for corpus in corpora for source in sources_of(corpus).values())
    return list(dict.fromkeys(source.tag for source in sources if source.tag is not None))


def reads_untagged(corpus: Corpus, sources: Iterable[str], symbols: Sequence[str]) -> bool | None:
    """Whether a model trained on the corpus also sees sources without a tag; None where that is not known.

    `sources` are some of its sentences, as the model reads them. `symbols` are the tokenizer's: they can be tags in
    the text itself.
    """
    if all(source.tag is not None for source in sources_of(corpus).values()):
        return False
    is_seen = not symbols or any(not source.startswith(tuple(symbols)) for source in sources)
    return True if is_seen else None


def target_languages(corpus: Corpus, of_data: str) -> list[str]:
    """The target languages of a corpus, each once: from its sources, or from tags such as <2de>, or `of_data`."""

    return list(
        dict.fromkeys(
            source.target_language or language_of_tag(source.tag) or of_data for source in sources_of(corpus).values()
        )
    )


def language_of_tag(tag: str | None) -> str | None:
    """The target language that a tag such as <2de> selects; None for any other tag."""
    named = TARGET_TAG.fullmatch(tag or "")
    return named[1] if named else None


def with_tag(pair: Pair, tag: str | None) -> Pair:
    """The pair with a tag before its source."""
    if tag is None:
        return pair
    return pair._replace(
        source=f"{tag} {pair.source}".rstrip(),  # of a picture there is nothing else
        links=pair.links and moved_links(pair.links),
        tree=pair.tree and moved_tree(pair.tree),
    )


def moved_links(links: str, by: int = 1) -> str:
    """Links (Pharaoh format) of a pair whose source has `by` more words at its start."""
    return LINK_START.sub(lambda position: str(int(position[0]) + by), links)


def moved_tree(tree: str, before: int = 1, after: int = 0) -> str:
    """The tree (`mt.data.pair.Pair`) of a source with additional words before and after it, which have no head.

    A blank one, of a source without a tree, stays blank; a head outside of the sentence stays outside.
    """
    heads = tree.split()
    if not heads:
        return tree

    def moved(head: re.Match[str]) -> str:
        place = int(head[0])
        return str(place + before + (after if place > len(heads) else 0))

    return " ".join(["0"] * before + [HEAD.sub(moved, head) for head in heads] + ["0"] * after)


def without_tag(source: str, tags: Sequence[str]) -> str:
    """A source sentence without its tag, if it begins with one of these."""
    for tag in tags:
        if source == tag or source.startswith(f"{tag} "):
            return source[len(tag) + 1 :]
    return source
