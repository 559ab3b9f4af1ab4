"""The corpus object: splits, unseen test sentences, held-out combinations."""

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from random import Random
from zlib import crc32

from mt.data.bundled import (
    constructions_adjective,
    constructions_case,
    constructions_coordination,
    constructions_infinitive,
    constructions_main,
    constructions_passive,
    constructions_questions,
    constructions_relative,
    constructions_subordinate,
    constructions_wish,
)
from mt.data.bundled.construction import CONSTRUCTIONS
from mt.data.bundled.draw import Draw
from mt.data.bundled.draw_noun import SURNAMES
from mt.data.bundled.sentence import Word, pharaoh, typeset
from mt.data.pair import Pair

DEFAULT_SIZES = {"train": 30_000, "valid": 500, "test": 500, "test_compositional": 500}
# Which part of all sentences a split may take, in percent of the hash of the German side.
REGIONS = {"train": range(0, 80), "valid": range(80, 85), "test": range(85, 90), "test_compositional": range(90, 100)}
HELD_OUT_PERCENT = 4  # of all combinations of a word and a construction: absent from all splits but test_compositional
SHORT_DROPPED = 0.8  # of the sentences below seven words: there are too many of them
# Draws in a row without a new sentence after which a split is given up as exhausted: ten seconds. One that is not
# needs 2 draws for a sentence (train) to 100 (test_compositional), so no run of bad luck comes near this.
FRUITLESS_DRAWS = 200_000

# What a seed gives depends on this order, and on the order inside each file.
FAMILIES = (
    constructions_main,
    constructions_adjective,
    constructions_case,
    constructions_relative,
    constructions_subordinate,
    constructions_infinitive,
    constructions_wish,
    constructions_passive,
    constructions_coordination,
    constructions_questions,
)
TABLE = [entry for family in FAMILIES for entry in CONSTRUCTIONS.values() if entry.write.__module__ == family.__name__]
assert len(TABLE) == len(CONSTRUCTIONS), "a family is missing from FAMILIES"
BOUNDS = list(accumulate(entry.weight for entry in TABLE))  # of the roll that draws each construction


@cache
def is_held_out(lemma: str, construction: str) -> bool:
    """Whether this word never stands in this construction in train, valid and test."""
    return crc32(f"{lemma}|{construction}".encode()) % 100 < HELD_OUT_PERCENT


def normalized(text: str) -> str:
    """The text without case and punctuation, by which sentences are told apart."""
    return "".join(c for c in text.casefold() if c not in ",.?!")


class Bundled:
    """A split of the bundled corpus; the same settings give the same pairs.

    split: train, valid, test, test_compositional. size: pairs, None for the split's default. No sentence stands in two
    splits, whatever their sizes and seeds: the hash of its German side, which its English side determines, decides.
    Raises ValueError for an unknown split or a size below 1, and while iterating where the split runs out of sentences.
    """

    def __init__(self, split: str, size: int | None = None, seed: int = 1):
        if split not in DEFAULT_SIZES:
            raise ValueError(f"split ({split}) must be one of {', '.join(DEFAULT_SIZES)}")
        if size is not None and size < 1:
            raise ValueError(f"size ({size}) must be at least 1")
        self.split = split
        self.size = DEFAULT_SIZES[split] if size is None else size
        self.seed = seed

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Pair]:
        for pair, _, _ in self.derivations():
            yield pair

    def derivations(self) -> Iterator[tuple[Pair, str, tuple[str, ...]]]:
        """(pair, construction, lemmas) of each pair."""
        random = Random(f"{self.split} {self.seed}")
        draw = Draw(random)
        region = REGIONS[self.split]
        wants_held_out = self.split == "test_compositional"
        seen: set[str] = set()
        fruitless = 0
        while len(seen) < self.size:
            if fruitless == FRUITLESS_DRAWS:
                raise ValueError(
                    f"size ({self.size}) must be at most what split {self.split} can fill: "
                    f"{len(seen)} distinct sentences found, and no more in {FRUITLESS_DRAWS} draws"
                )
            fruitless += 1
            roll = random.random() * BOUNDS[-1]
            name, _, write = TABLE[next(i for i, bound in enumerate(BOUNDS) if roll < bound)]
            draw.start()
            roll = random.random()
            draw.address = "you, sir" if roll < 0.15 else "you all" if roll < 0.25 else "you"
            en, de, end = write(draw)
            if any(is_held_out(lemma, name) for lemma in draw.lemmas) != wants_held_out:
                continue
            if draw.has_you:
                en, de = address(draw, en, de)
            source, source_marks = typeset(en, end)
            words = len(source_marks)
            if words < 3 or (words < 7 and random.random() < SHORT_DROPPED):
                continue
            target, target_marks = typeset(de, end)
            if crc32(normalized(target).encode()) % 100 not in region:
                continue
            key = normalized(source)
            if key in seen:
                continue
            seen.add(key)
            fruitless = 0
            yield Pair(source, target, pharaoh(source_marks, target_marks)), name, tuple(draw.lemmas)

    def fingerprint(self) -> str:
        """Hash of the grammar's own files and of the settings."""
        digest = sha256(f"{self.split} {self.size} {self.seed}".encode())
        for path in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


TITLES = (("Mr.", "Herr"), ("Mrs.", "Frau"))
GROUPS = (("children", "Kinder"), ("my friends", "meine Freunde"), ("boys and girls", "Jungen und Mädchen"))


def address(d: Draw, en: list[Word], de: list[Word]) -> tuple[list[Word], list[Word]]:
    """Says whom `you` means: nothing for du, Herr Weber for Sie, Kinder for ihr."""
    if d.address == "you":
        return en, de
    if d.address == "you, sir":
        (title, titel), name = d.pick(TITLES), d.pick(SURNAMES)
        first, second = d.mark(), d.mark()
        vocative = [Word(title, first), Word(name, second)], [Word(titel, first), Word(name, second)]
    else:
        group, gruppe = d.pick(GROUPS)
        marks = [d.mark() for _ in group.split()]
        vocative = (
            [Word(w, m) for w, m in zip(group.split(), marks, strict=True)],
            [Word(w, m) for w, m in zip(gruppe.split(), marks, strict=True)],
        )
    if d.chance(0.5):
        return [*vocative[0], Word(","), *en], [*vocative[1], Word(","), *de]
    return [*en, Word(","), *vocative[0]], [*de, Word(","), *vocative[1]]
