"""Source words that are hidden, so that a picture or the context must say what they were (Caglayan et al. 2019,
"Probing the Need for Visual Context in Multimodal Machine Translation").
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from random import Random

import numpy as np

from mt.data.fingerprint import fingerprint_of
from mt.data.pair import Corpus, Pair
from mt.data.scenes.lexicon import COLOURS, NOUNS
from mt.listing import listed

MASK = "<mask>"  # in place of a hidden word; must be a symbol of the tokenizer
KINDS = ("colours", "nouns", "all")
MARKS = ".,;:!?"  # at the end of a word, where they stay
ENDINGS = ("", "e", "em", "en", "er", "es")  # of German adjectives
OTHER_COLOURS = ("orange", "pink", "grey", "gray", "grau", "lila", "rosa", "gold", "silver", "silbern", "türkis")


@dataclass(frozen=True, kw_only=True)
class Masking:
    """The probability that a word of the source is hidden, by its kind, drawn word by word.

    `colours` are names of colours, `nouns` those of the drawn scenes, both in English and German; `all` are all words.
    What is drawn for a pair depends on its key alone, so a resumed run, another rank or another part of a batch draws
    the same. Tags are never hidden; punctuation, links and trees stay. `sources` are the training sources (data.train)
    of which words are hidden; None: all. Raises ValueError for a probability that is not from 0 to 1.
    """

    colours: float = 0.0
    nouns: float = 0.0
    all: float = 0.0
    sources: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for kind in KINDS:
            value = getattr(self, kind)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"masking.{kind} ({value}) must be from 0 to 1")

    @property
    def is_on(self) -> bool:
        """Whether any word can be hidden."""
        return any(getattr(self, kind) for kind in KINDS)

    def check(self, symbols: Collection[str], sources: Collection[str]) -> None:
        """Raises ValueError for a vocabulary without the symbol of a hidden word, and for an unknown source."""
        if self.is_on and MASK not in symbols:
            raise ValueError(f"masking needs the symbol {MASK}: tokenizer.reserved_symbols=['{MASK}']")
        for name in self.sources or ():
            if name not in sources:
                raise ValueError(f"masking.sources: there is no source {name}, only {listed(list(sources))}")

    def among(self, sources: Mapping[str, range], numbers: np.ndarray) -> np.ndarray:
        """Which pairs of a store, by their numbers, may have hidden words; `sources` are the store's."""
        is_among = np.full(len(numbers), self.sources is None)
        for name in self.sources or ():
            is_among |= (numbers >= sources[name].start) & (numbers < sources[name].stop)
        return is_among

    def __call__(self, pair: Pair, key: int, fixed: Collection[str] = ()) -> Pair:
        """The pair with the words hidden that `key` draws, or the pair itself; words in `fixed` stay as they are."""
        draw, words = Random(key), pair.source.split(" ")
        hidden = [
            MASK + word[len(word.rstrip(MARKS)) :]
            if word and word not in fixed and draw.random() < self._chance(word.rstrip(MARKS))
            else word
            for word in words
        ]
        return pair if hidden == words else pair._replace(source=" ".join(hidden))

    def _chance(self, word: str) -> float:
        """Of a word without its punctuation; 0 where nothing else is left of it."""
        if not word:
            return 0.0
        kinds = words_of_kinds()
        of_kind = max((getattr(self, kind) for kind in kinds if word.casefold() in kinds[kind]), default=0.0)
        return max(of_kind, self.all)


class Masked:
    """A corpus whose words are hidden by a seed, the same each time: a test of what a picture is good for."""

    def __init__(self, corpus: Corpus, masking: Masking, seed: int = 1):
        self.corpus, self.masking, self.seed = corpus, masking, seed

    def __iter__(self) -> Iterator[Pair]:
        for number, pair in enumerate(self.corpus):
            yield pair if pair.fault is not None else self.masking(pair, (self.seed << 40) + number)

    def fingerprint(self) -> str:
        """Changes with the corpus and the settings."""
        return fingerprint_of("Masked", self.corpus.fingerprint(), asdict(self.masking), self.seed)


@cache
def words_of_kinds() -> dict[str, frozenset[str]]:
    """The words of each kind (colours, nouns), with case folded."""
    german = (of.german + ending for of in COLOURS.values() for ending in ENDINGS)
    forms = [form for noun in NOUNS.values() for form in noun if form and len(form) > 1]
    datives = (f"{noun.german_plural}n" for noun in NOUNS.values())
    return {
        "colours": frozenset(word.casefold() for word in (*COLOURS, *german, *OTHER_COLOURS)),
        "nouns": frozenset(form.casefold() for form in (*forms, *datives)),
    }
