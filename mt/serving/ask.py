"""What is asked for a line: the model, the search, and what the answer holds. Lines with one ask share batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

NOT_OPTIONS = {"model", "terms", "distinct"}
NEEDS_OWN_ENGINE = {  # what an export for another engine cannot fulfil, and why
    **dict.fromkeys(("alignment", "coverage", "markup"), "attention is read in our own engine"),
    "confidence": "it tells no probabilities of pieces",
    **dict.fromkeys(("prefix", "terms", "distinct"), "it needs our own step-by-step search"),
    **dict.fromkeys(("min_length", "no_repeat_ngram"), "its search does not have it"),
}
FEATURES = ("n_best", "alignment", "coverage", "confidence", "markup", "prefix", "terms")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """How lines are translated; the names are those of `mt.inference.options.Options`. None: the checkpoint decides.

    `model` is the number of the checkpoint, `terms` are pairs of source and target.
    """

    model: int = 0
    tag: str | None = None
    n_best: int = 1
    distinct: bool = False  # the n best differ right after the prefix
    beam_size: int | None = None
    length_penalty: float | None = None
    max_length: int | None = None
    min_length: int | None = None
    no_repeat_ngram: int | None = None
    alignment: bool = False
    coverage: bool = False
    markup: bool = False
    confidence: bool = False
    by_sentence: bool = False
    prefix: str = ""
    terms: tuple[tuple[str, str], ...] = ()

    def options(self) -> Mapping[str, Any]:
        """Those that are options of `translate`, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in NOT_OPTIONS}


@dataclass(frozen=True)
class Unit:
    """A line to translate, and the sentences of its document before and after it."""

    text: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
