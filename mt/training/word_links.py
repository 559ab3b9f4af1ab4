"""The word links that guide a training: the corpus's own, or the statistical aligner's, which are stored with it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from mt.alignment.attention_from_links import AttentionFromLinks
from mt.alignment.lexicon_priors import LexiconPriors
from mt.alignment.links import to_pharaoh
from mt.alignment.statistical_aligner import StatisticalAligner
from mt.checkpoint.steps import PRIORS
from mt.data.block import joined, line_ends
from mt.data.document import apart, num_words_before
from mt.data.mapped import RunWriter, map_array
from mt.data.pair import Pair
from mt.data.prepare import Prepared
from mt.data.sources import moved_links
from mt.data.store import Store
from mt.data.tokenizer import TokenizerPair
from mt.data.whole_folder import whole_folder
from mt.objective.guided import Guidance
from mt.words import split_words

log = logging.getLogger(__name__)

VERSION = 3  # raise it when other links are found in the same text
FOLDER = "links"  # in the prepared folder
PART = 250_000  # pairs that are aligned together: some 1.2 GiB, and a minute at most
LOOKED_AT = 1000  # pairs, for links that should be there


def find_links(links: str | None, prepared: Prepared, *, setting: str = "guidance.links") -> None:
    """Checks that the corpus has links, or learns them if that is set and not done before.

    A corpus of more than 250,000 pairs is aligned in parts of that many, each learned separately. Raises ValueError for
    a corpus that has none, or that is in shards and has to learn them, naming the `setting`.
    """
    store = prepared.train
    if links == "given":
        if not prepared.is_in_shards and not any(pair.links for pair in store.sample(LOOKED_AT)):
            raise ValueError(
                f"{setting} (given) needs a corpus with word links, as data.train.links=FILE gives them; learned"
                " needs none"
            )
    elif links == "learned":
        check_links(links, is_in_shards=prepared.is_in_shards, setting=setting)
        assert isinstance(store, Store)
        _learn_links(store, prepared.folder / FOLDER, prepared.fingerprint)


def priors_of(links: Iterable[str | None], prepared: Prepared) -> Path | None:
    """The file of what the aligner learned for one of the kinds of `links`: a checkpoint carries it. Else None."""
    return prepared.folder / FOLDER / PRIORS if "learned" in links else None


def check_links(links: str | None, *, is_in_shards: bool, setting: str = "guidance.links") -> None:
    """Raises ValueError, naming the `setting`, for a corpus in shards that would have to learn its links."""
    if links == "learned" and is_in_shards:
        raise ValueError(f"{setting} (learned) needs a corpus prepared as a whole: data.keep_shards=null")


def guide_of(guidance: Guidance, prepared: Prepared) -> LinkGuide | None:
    """Makes the batches' guides from the links of `find_links`; None without guidance."""
    if not guidance.is_on:
        return None
    learned = LearnedLinks(prepared.folder / FOLDER) if guidance.links == "learned" else None
    return LinkGuide(prepared.tokenizers, shift=guidance.shift, learned=learned)


class LinkGuide:
    """Makes guides from the pairs' own links, or from the learned links of the pairs' numbers (`Guiding`)."""

    def __init__(self, tokenizers: TokenizerPair, *, shift: int, learned: LearnedLinks | None = None):
        vocabularies = (tokenizer.pieces(range(tokenizer.size)) for tokenizer in (tokenizers.source, tokenizers.target))
        self._guide, self._learned = AttentionFromLinks(*vocabularies, shift=shift), learned

    def linked(self, number: int, pair: Pair) -> Pair:
        """The pair with its learned links, or with its own."""
        return pair if self._learned is None else pair._replace(links=self._learned[number])

    def __call__(self, pairs: Sequence[Pair], source_BS: np.ndarray, target_BT: np.ndarray) -> np.ndarray:
        """guide_BTS: where each row of the targets should look."""
        sources, targets = ([pair.texts[side] for pair in pairs] for side in range(2))
        return self._guide(sources, targets, [pair.links for pair in pairs], source_BS, target_BT)


class LearnedLinks:
    """The links of pair `number`, in Pharaoh format, read from the folder that `find_links` wrote."""

    def __init__(self, folder: Path):
        self._text, self._index = (
            map_array(folder / "links.text", np.uint8),
            map_array(folder / "links.index", np.int64),
        )

    def __len__(self) -> int:
        return len(self._index) - 1

    def __getitem__(self, number: int) -> str:
        start, end = self._index[number : number + 2]
        return self._text[start : end - 1].tobytes().decode("ascii")


def _learn_links(pairs: Store, folder: Path, made_from: str) -> None:
    """Writes the links of all pairs to `folder`, unless it holds those of the same text (`made_from`)."""
    made = {"version": VERSION, "made_from": made_from}
    stamp = folder / "made_from.json"
    if stamp.is_file() and stamp.read_text("utf-8") == json.dumps(made):
        return
    start, count = time.perf_counter(), len(pairs)
    num_parts = -(-count // PART)
    priors = LexiconPriors({})
    with whole_folder(folder) as new:
        with RunWriter(new / "links.text", new / "links.index") as writer:
            for part in range(num_parts):
                numbers = range(count * part // num_parts, count * (part + 1) // num_parts)
                texts = [pairs.text(number) for number in numbers]
                sources = [pair.source for pair in texts]
                aligner = _learned([apart(source)[1] for source in sources], [pair.target for pair in texts])
                links = map(to_pharaoh, aligner.links())
                moved = (moved_links(*one) for one in zip(links, map(num_words_before, sources), strict=True))
                text = joined(list(moved))
                writer.write(text, line_ends(text))
                priors += aligner.priors()
        (new / PRIORS).write_bytes(save(priors.arrays()))
        (new / stamp.name).write_text(json.dumps(made), "utf-8")
    seconds = time.perf_counter() - start
    log.info("links of %d pairs found by the statistical aligner in %.1f s", count, seconds)


def learned_lines(
    sources: Sequence[str], targets: Sequence[str], tell: Callable[[str], None] | None = None
) -> list[str]:
    """The links that the statistical aligner finds in these pairs, in Pharaoh format."""
    return [to_pharaoh(links) for links in _learned(sources, targets, tell).links()]


def _learned(
    sources: Sequence[str], targets: Sequence[str], tell: Callable[[str], None] | None = None
) -> StatisticalAligner:
    aligner = StatisticalAligner(map(split_words, sources), map(split_words, targets)).fit(tell=tell)
    if aligner.certainty.is_noise:
        log.warning("the links that guide: %s", aligner.certainty.warning)
    return aligner
