"""Cleaning a corpus into a text store: each pair is kept, or counted under the first rule that it breaks.

Rules about single pairs run in several processes; rules that depend on earlier pairs run here, in the order of the
corpus. So the result is the same for any number of processes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mt.data.block import READ, Block, in_blocks
from mt.data.cleaning.repeats import Repeats, repeat_keys, repeat_rules, single_blanks
from mt.data.cleaning.rules import broken_rule
from mt.data.cleaning.settings import SAME, CleaningSettings
from mt.data.document import apart
from mt.data.held_out import HeldOut
from mt.data.images.decode import PictureFault, PictureReader
from mt.data.images.picture import Picture
from mt.data.images.settings import ImageSettings
from mt.data.ledger import Ledger
from mt.data.pair import Corpus, Pair
from mt.data.progress import Progress
from mt.data.settings import DataSettings
from mt.data.sources import Source, Sources, moved_links, moved_tree, sources_of, tags_of, without_tag
from mt.data.text_store import TextWriter
from mt.data.visible import is_visible
from mt.data.workers import map_in_order

log = logging.getLogger(__name__)

START = 24  # first characters of held-out pairs, compared first: most pairs differ there


@dataclass(frozen=True)
class Raw:
    """Pairs as they were read, and the faults of those that could not be read."""

    block: Block
    faults: dict[int, str]  # by the place in the block


@dataclass(frozen=True)
class Judged:
    """Pairs as they will be kept; `reasons` of those that break a rule; `keys` of the others, for `Repeats`."""

    block: Block
    reasons: dict[int, str]
    keys: list[np.ndarray]
    pictures: list[bytes | None] | None = None  # digests, a pair each; None: no pair has a picture
    pixels: dict[bytes, Picture] = field(default_factory=dict)  # by digest


class HeldOutPairs:
    """Keys that no training pair may share with valid and tests, independent of tags, case and blanks.

    No training pair may show a picture of theirs either, whatever its name and caption.
    """

    def __init__(self, parts: Sequence[HeldOut], data: DataSettings) -> None:
        self._same, tags = data.cleaning.held_out, tags_of(data.valid, *data.tests.values())
        self._keys = frozenset(
            key.casefold()
            for part in parts
            if part.pictures is None  # else the picture decides
            for source, target in zip(part.sources, part.targets, strict=True)
            for key in SAME[self._same](
                single_blanks(apart(without_tag(source, tags))[1].strip()), single_blanks(target.strip())
            )
        )
        self._pictures = frozenset(
            digest for part in parts if part.pictures is not None for digest in part.pictures.digests
        )
        # folding is slow, and the first letters exclude most pairs
        self._starts = frozenset(key[:START] for key in self._keys)

    def shows(self, picture: bytes) -> bool:
        """Whether a held-out pair has the picture with this digest."""
        return self._same != "none" and picture in self._pictures

    def holds(self, source: str, target: str) -> bool:
        """Whether a pair, with its runs of blanks collapsed, shares a key with a held-out pair."""
        return any(
            key[:START].casefold()[:START] in self._starts and key.casefold() in self._keys
            for key in SAME[self._same](source, target)
        )


class Judge:
    """The rules that need only a pair and the held-out sentences; runs in other processes.

    The context of a source is not checked; equal pairs in different contexts are different.
    """

    def __init__(
        self,
        settings: CleaningSettings,
        source: Source,
        languages: tuple[str, str],
        held_out: HeldOutPairs,
        decode: PictureReader,
    ) -> None:
        self._settings = settings
        self._tag = source.tag
        self._languages = languages
        self._held_out = held_out
        self._decode = decode

    def __call__(self, raw: Raw) -> Judged:
        block, reasons = raw.block, dict(raw.faults)
        seen = self._pictures(block, reasons)
        sources, targets = ([line.strip() for line in block.lines(side)] for side in ("source", "target"))
        texts = list(zip(map(single_blanks, sources), map(single_blanks, targets), strict=True))
        for place, pair in enumerate(map(Pair, (apart(source)[1].strip() for source in sources), targets)):
            if place in reasons:
                continue
            picture = None if seen is None else seen.digests[place]
            if picture is not None and not is_visible(pair.source):
                # a caption: the rules that compare both sides find nothing to compare
                pair = pair._replace(source=pair.target)
                reason = broken_rule(pair, self._of_captions, self._languages[1], self._languages[1])
            else:
                reason = broken_rule(pair, self._settings, *self._languages)
            if reason is not None:
                pass
            elif picture is not None:
                reason = "picture in valid or test" if self._held_out.shows(picture) else None
            elif self._held_out.holds(single_blanks(pair.source), texts[place][1]):
                reason = f"in valid or test (same {self._settings.held_out})"
            if reason is not None:
                reasons[place] = reason
        known = {name: None if getattr(block, name) is None else block.lines(name) for name in READ}
        if seen is not None:
            known["boxes"] = seen.boxes if any(seen.boxes) else None
            # equal sentences about two pictures are two pairs
            texts = [
                texts[place] if digest is None else (f"{digest.hex()} {texts[place][0]}", texts[place][1])
                for place, digest in enumerate(seen.digests)
            ]
        if self._tag is not None:
            sources = [f"{self._tag} {source}".rstrip() for source in sources]
            texts = [(f"{self._tag} {source}", target) for source, target in texts]
            known["links"] = known["links"] and [moved_links(line) for line in known["links"]]
            known["tree"] = known["tree"] and [moved_tree(line) for line in known["tree"]]
        keys = repeat_keys(repeat_rules(self._settings), [text for n, text in enumerate(texts) if n not in reasons])
        judged = Judged(Block.of(sources, targets, **known), reasons, keys)
        return judged if seen is None else replace(judged, pictures=seen.digests, pixels=seen.pixels)

    def _pictures(self, block: Block, reasons: dict[int, str]) -> _Seen | None:
        """Decodes the pictures of a block; those that cannot be read are added to `reasons`."""
        if block.image is None:
            return None
        seen = _Seen([None] * len(block), block.lines("boxes"), {})
        for place, name in enumerate(block.lines("image")):
            if place in reasons or not name:
                continue
            try:
                decoded = self._decode(name)
                seen.boxes[place] = decoded.boxes(seen.boxes[place])
            except PictureFault as error:
                reasons[place] = error.fault.reason
            except ValueError:
                reasons[place] = "malformed boxes"
            else:
                seen.digests[place] = decoded.digest
                seen.pixels[decoded.digest] = decoded.pixels
        return seen

    @property
    def _of_captions(self) -> CleaningSettings:
        """The rules for a text without another side."""
        return replace(
            self._settings,
            max_length_ratio=None,
            drop_identical=False,
            drop_address_mismatch=False,
            numbers="any",
            drop_wrong_language=False,
        )


class _Seen(NamedTuple):
    """The pictures of a block: digests and boxes, a pair each, and pixels by digest."""

    digests: list[bytes | None]
    boxes: list[str]
    pixels: dict[bytes, Picture]


def clean_corpus(
    corpus: Corpus,
    settings: CleaningSettings,
    *,
    languages: tuple[str, str],
    held_out: HeldOutPairs,
    folder: Path,
    images: ImageSettings | None = None,
    num_processes: int = 1,
) -> Ledger:
    """Writes the pairs of all sources that break no rule into a text store; the ledger counts all of them.

    `languages` are codes of the source and the target language; `images` say how pictures are prepared. A pair also
    repeats one from another source if their tags are the same. Raises ValueError if no pair is left.
    """
    rules = repeat_rules(settings)
    repeats = Repeats(rules)
    ledgers = {}
    with TextWriter(folder) as writer, Progress("cleaning") as progress:
        for name, source in sources_of(corpus).items():
            ledger = ledgers[name] = Ledger(name)
            writer.begin(name)
            decode = PictureReader(images or ImageSettings())
            judge = Judge(settings, source, source.languages(languages), held_out, decode)
            for judged in map_in_order(judge, _read(source.corpus, settings), num_processes):
                kept, is_kept = _kept(judged, repeats, [rule.reason for rule in rules], ledger)
                if judged.pictures is not None:
                    digests = compress(judged.pictures, is_kept)
                    kept = writer.with_pictures(
                        kept, [None if one is None else (one, judged.pixels[one]) for one in digests]
                    )
                writer.write(kept)
                progress.add(len(judged.block))
            if ledger.num_kept == 0 and isinstance(corpus, Sources):
                log.warning("data.train: no pair of %s is left of %d after cleaning", name, ledger.num_in)
    total = Ledger.total("train", ledgers)
    if total.num_kept == 0:
        reasons = ", ".join(f"{reason}: {drop.count}" for reason, drop in total.drops.items())
        raise ValueError(f"data.train: no pair is left of {total.num_in} after cleaning ({reasons})")
    return total


def _read(corpus: Corpus, settings: CleaningSettings) -> Iterator[Raw]:
    for pairs in in_blocks(corpus):
        faults = {}
        for place, pair in enumerate(pairs):
            if pair.fault is not None:
                if settings.malformed == "refuse":
                    raise ValueError(f"{pair.fault.message}; data.cleaning.malformed=drop drops and counts such lines")
                faults[place] = pair.fault.reason
        yield Raw(Block.of_pairs(pairs), faults)


def _kept(judged: Judged, repeats: Repeats, repeat_reasons: list[str], ledger: Ledger) -> tuple[Block, np.ndarray]:
    """The pairs to keep, and which ones they are; the ledger also counts the others."""
    block, reasons = judged.block, dict(judged.reasons)
    is_kept = np.ones(len(block), dtype=bool)
    is_kept[list(reasons)] = False
    open_ = np.flatnonzero(is_kept)
    broken = repeats.admit(judged.keys, len(open_))
    reasons |= {int(open_[place]): repeat_reasons[broken[place] - 1] for place in np.flatnonzero(broken)}
    is_kept[list(reasons)] = False
    sources, targets = (block.raw_lines(side) if reasons else [] for side in ("source", "target"))
    place = 0
    for dropped in sorted(reasons):
        ledger.keep(dropped - place)
        ledger.drop(reasons[dropped], Pair(sources[dropped].decode(), targets[dropped].decode()))
        place = dropped + 1
    ledger.keep(len(block) - place)
    return block.only(is_kept), is_kept
