"""Which layer, heads and shift to read alignments from: ranked by alignment error rate on gold links."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mt.alignment.alignment import SHIFTS, SPECIAL_PIECES, RawAttention, check_choice, without_specials
from mt.alignment.error_rate import ErrorRate
from mt.alignment.links import Gold, LinkRule, argmax_links
from mt.alignment.words import weights_by_words, words_of

# L layers, C candidates (each head, and the average of all), H heads, T target, S source

FILE_NAME = "alignment.json"


@dataclass(frozen=True)
class Choice:
    """Where alignments are read: layer and heads from 0, shift 0 or 1; the error rate (0 to 1) it had, and on what."""

    layer: int
    heads: tuple[int, ...]
    shift: int
    error_rate: float | None = None  # None: never measured
    measured_on: str | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Choice:
        """Reads what `to_json` wrote, leaving further keys alone. Raises ValueError saying what is wrong."""
        try:
            values = json.loads(text)
            error_rate = values.get("error_rate")
            return cls(
                layer=int(values["layer"]),
                heads=tuple(int(head) for head in values["heads"]),
                shift=int(values["shift"]),
                error_rate=None if error_rate is None else float(error_rate),
                measured_on=values.get("measured_on"),
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"{FILE_NAME} must hold layer, heads and shift: {type(error).__name__} {error}") from None

    @classmethod
    def load(cls, folder: str | Path, *, num_layers: int, num_heads: int) -> Choice:
        """The choice in the folder's alignment.json, checked against the model; without one, `default_choice`."""
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            return default_choice(num_layers, num_heads)
        try:
            choice = cls.from_json(path.read_text(encoding="utf-8"))
            check_choice(num_layers, num_heads, layer=choice.layer, heads=choice.heads, shift=choice.shift)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return choice


def default_choice(num_layers: int, num_heads: int) -> Choice:
    """What to read where nothing was measured: all heads of the middle layer (the later of two), at shift 0.

    On the project's own runs this is within a few points of what a measurement chooses. The literature's best, shift 1
    (Chen et al. 2020), holds for single heads of early layers; averages were one word off there.
    """
    return Choice(num_layers // 2, tuple(range(num_heads)), 0)


def rank(
    attentions: Iterable[RawAttention],
    gold: Iterable[Gold],
    *,
    sources: Iterable[str] | None = None,
    targets: Iterable[str] | None = None,
    links: LinkRule = argmax_links,
    is_partial: bool = False,
) -> list[Choice]:
    """Every choice of layer, heads (each one alone, and the average of all) and shift, least error rate first.

    Gold links count words: those of `sources` and `targets` where given, else of the text that the pieces spell. With
    `is_partial` gold, only target words that have a gold link are judged. One sentence is held at a time. Equal choices
    stay in order of layer, then shift 1 before 0, then the average before single heads. Raises ValueError when the
    sentences and gold lines are not equally many, or there are none.
    """
    counts: dict[tuple[int, tuple[int, ...], int], ErrorRate] = {}
    gold = list(gold)
    texts = ([None] * len(gold) if lines is None else lines for lines in (sources, targets))
    for raw, sentence_gold, source, target in zip(attentions, gold, *texts, strict=True):
        judged = {target for _, target in sentence_gold.possible}
        for key, weights_TS in _candidates(raw, source, target):
            found = {link for link in links(weights_TS) if not is_partial or link[1] in judged}
            counts[key] = counts.get(key, ErrorRate()) + ErrorRate.of(found, sentence_gold)
    if not counts:
        raise ValueError("sentences with gold links (0) must be 1 at least, to choose by them")
    choices = (Choice(*key, error_rate=round(count.aer, 6)) for key, count in counts.items())
    return sorted(choices, key=lambda choice: (choice.error_rate, choice.layer, -choice.shift, -len(choice.heads)))


def choose(attentions: Iterable[RawAttention], gold: Iterable[Gold], **how) -> Choice:
    """The first of `rank`."""
    return rank(attentions, gold, **how)[0]


def _candidates(
    raw: RawAttention, source_text: str | None, target_text: str | None
) -> Iterator[tuple[tuple[int, tuple[int, ...], int], np.ndarray]]:
    weights_LHTS = np.asarray(raw.weights_LHTS, dtype=np.float64)
    heads = [(head,) for head in range(raw.num_heads)]
    weights_LCTS = weights_LHTS
    if raw.num_heads > 1:
        heads.append(tuple(range(raw.num_heads)))
        weights_LCTS = np.concatenate([weights_LHTS, weights_LHTS.mean(axis=1, keepdims=True)], axis=1)
    source = words_of([piece for piece in raw.source_pieces if piece not in SPECIAL_PIECES], source_text)
    target = words_of([piece for piece in raw.target_pieces if piece not in SPECIAL_PIECES], target_text)
    for shift in SHIFTS:
        kept_LCTS, _ = without_specials(weights_LCTS, raw.source_pieces, raw.target_pieces, shift=shift)
        words_LCTS = weights_by_words(kept_LCTS, source, target)
        for layer in range(raw.num_layers):
            for candidate, chosen in enumerate(heads):
                yield (layer, chosen, shift), words_LCTS[layer, candidate]
