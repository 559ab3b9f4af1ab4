"""Cleaning a corpus into a text store: each pair is kept, or counted under the first rule that it breaks.

Rules about single pairs run in several processes; rules that depend on earlier pairs run here, in the order of the
corpus. So the result is the same for any number of processes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np

from mt.data.block import READ, Block, in_blocks
from mt.data.cleaning.checks.function_words import without_own_words
from mt.data.cleaning.plain import PlainPairs
from mt.data.cleaning.repeats import Repeats, repeat_keys, repeat_rules, single_blanks
from mt.data.cleaning.rules import broken_rule, wrong_language
from mt.data.cleaning.seen import Seen, caption_rules
from mt.data.cleaning.settings import SAME, CleaningSettings
from mt.data.document import apart
from mt.data.held_out import HeldOut
from mt.data.images.decode import PictureReader
from mt.data.images.settings import ImageSettings
from mt.data.images.store import PICTURES, SOUNDS
from mt.data.ledger import Ledger
from mt.data.pair import Corpus, Pair
from mt.data.progress import Progress
from mt.data.settings import DataSettings
from mt.data.sounds.decode import SoundReader
from mt.data.sounds.settings import SoundSettings
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
    seen: Seen | None = None  # pictures and sounds; None: no pair has one


class HeldOutPairs:
    """Keys that no training pair may share with valid and tests, independent of tags, case and blanks.

    No training pair may show a picture of theirs either, whatever its name and caption.
    """

    def __init__(self, parts: Sequence[HeldOut], data: DataSettings) -> None:
        self._same, tags = data.cleaning.held_out, tags_of(data.valid, *data.tests.values())
        texts = [
            (single_blanks(apart(without_tag(source, tags))[1].strip()), single_blanks(target.strip()))
            for part in parts
            if part.pictures is None  # else the picture decides
            for source, target in zip(part.sources, part.targets, strict=True)
        ]
        self._keys = frozenset(key.casefold() for key in SAME[self._same](texts))
        # folding is slow, and the first letters exclude most pairs
        self._starts = frozenset(key[:START] for key in self._keys)

        pictures = (part.pictures.digests for part in parts if part.pictures is not None)
        self._pictures = frozenset[bytes]().union(*pictures)

    def shows(self, picture: bytes | None) -> bool:
        """Whether a held-out pair has the picture with this digest."""
        return self._same != "none" and picture in self._pictures

    def held(self, texts: Sequence[tuple[str, str]]) -> list[int]:
        """The places of the pairs, with their runs of blanks collapsed, that share a key with a held-out pair."""
        keys = SAME[self._same](texts) if self._keys else []
        return [
            place * len(texts) // len(keys)
            for place, key in enumerate(keys)
            if key[:START].casefold()[:START] in self._starts and key.casefold() in self._keys
        ]


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
        decode_sound: SoundReader,
    ) -> None:
        self._settings, self._of_captions = settings, caption_rules(settings)
        self._decode, self._decode_sound = decode, decode_sound
        self._tag = source.tag
        self._languages = languages
        self._held_out = held_out
        self._plain = PlainPairs(settings, *languages)

    def __call__(self, raw: Raw) -> Judged:
        block, reasons, settings = raw.block, dict(raw.faults), self._settings
        seen = None
        if block.image is not None or block.sound is not None:
            seen = Seen.of(block, reasons, self._decode, self._decode_sound)
        sources, targets = block.lines("source"), block.lines("target")
        is_plain = self._plain(block)
        texts = list(zip(sources, targets, strict=True))  # with single blanks
        alone = texts.copy()  # without context
        has_changed = False
        for place in np.flatnonzero(~is_plain).tolist():
            source, target = sources[place].strip(), targets[place].strip()
            has_changed |= (source, target) != texts[place]
            sources[place], targets[place] = source, target
            sentence = apart(source)[1].strip()
            texts[place] = single_blanks(source), single_blanks(target)
            alone[place] = single_blanks(sentence), texts[place][1]
            if seen is not None and seen.shows(place) and not is_visible(sentence):
                # a caption: the rules that compare both sides find nothing to compare
                reason = broken_rule(Pair(target, target), self._of_captions, *self._languages[1:] * 2)
            else:
                reason = broken_rule(Pair(sentence, target), settings, *self._languages)
            if reason is not None:
                reasons.setdefault(place, reason)
        for place in without_own_words(texts, *self._languages) if settings.drop_wrong_language else ():
            reason = wrong_language(*texts[place], *self._languages) if is_plain[place] else None
            if reason is not None:
                reasons.setdefault(place, reason)
        for place in self._held_out.held(alone):
            reasons.setdefault(place, f"in valid or test (same {settings.held_out})")
        known = {name: None if getattr(block, name) is None else block.lines(name) for name in READ}
        if seen is not None:
            for place, digest in enumerate(seen.digests):
                if self._held_out.shows(digest):
                    reasons.setdefault(place, "picture in valid or test")
            known["boxes"] = seen.boxes if any(seen.boxes) else None
            texts = seen.keyed(texts)
        if self._tag is not None:
            sources = [f"{self._tag} {source}".rstrip() for source in sources]
            texts = [(f"{self._tag} {source}", target) for source, target in texts]
            known["links"] = known["links"] and [moved_links(line) for line in known["links"]]
            known["tree"] = known["tree"] and [moved_tree(line) for line in known["tree"]]
        good = [text for place, text in enumerate(texts) if place not in reasons] if reasons else texts
        keys = repeat_keys(repeat_rules(settings), good)
        is_same = self._tag is None and not has_changed and seen is None
        return Judged(block if is_same else Block.of(sources, targets, **known), reasons, keys, seen)


def clean_corpus(
    corpus: Corpus,
    settings: CleaningSettings,
    *,
    languages: tuple[str, str],
    held_out: HeldOutPairs,
    folder: Path,
    images: ImageSettings | None = None,
    sounds: SoundSettings | None = None,
    num_processes: int = 1,
) -> Ledger:
    """Writes the pairs of all sources that break no rule into a text store; the ledger counts all of them.

    `languages` are codes of the source and the target language; `images` and `sounds` say how these are prepared.
    A pair also repeats one from another source if their tags are the same. Raises ValueError if no pair is left.
    """
    rules = repeat_rules(settings)
    repeats = Repeats(rules)
    ledgers = {}
    with TextWriter(folder) as writer, Progress("cleaning") as progress:
        for name, source in sources_of(corpus).items():
            ledger = ledgers[name] = Ledger(name)
            writer.begin(name)
            decode = PictureReader(images or ImageSettings()), SoundReader(sounds or SoundSettings())
            judge = Judge(settings, source, source.languages(languages), held_out, *decode)
            for judged in map_in_order(judge, _read(source.corpus, settings), num_processes):
                kept, is_kept = _kept(judged, repeats, [rule.reason for rule in rules], ledger)
                if judged.seen is not None:
                    for column, kind, digests in (
                        ("picture", PICTURES, judged.seen.digests),
                        ("wave", SOUNDS, judged.seen.sound_digests),
                    ):
                        if any(digests):
                            stored = compress(judged.seen.stored(digests), is_kept)
                            kept = writer.with_stored(kept, column, kind, list(stored))
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
                if pair.fault.is_damage and settings.malformed == "refuse":
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
    place = 0
    for dropped, pair in zip(sorted(reasons), block.only(~is_kept).pairs(), strict=True):
        ledger.keep(dropped - place)
        ledger.drop(reasons[dropped], pair)
        place = dropped + 1
    ledger.keep(len(block) - place)
    return block.only(is_kept), is_kept
