"""Corpus scores of translations as sacrebleu computes them, each with the signature that says how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics import BLEU, CHRF, TER

from mt.data.canonical import composed

METRICS = ("bleu", "bleu_lowercase", "chrf", "chrf++", "ter")
DEFAULT_METRICS = ("bleu", "bleu_lowercase", "chrf", "ter")
TOKENIZERS = ("13a", "intl", "zh", "char", "none")

_NAMES = {"bleu": "BLEU", "bleu_lowercase": "BLEU lower-cased", "chrf": "chrF2", "chrf++": "chrF2++", "ter": "TER"}


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What was measured on one set of lines; a metric that was not asked for is not a number (nan).

    values             metric -> score from 0 to 100 (TER may be more); lower is better for TER, higher for the others
    signatures         metric -> sacrebleu's account of how it was computed, to be quoted with the number
    hypothesis_length  tokens of all hypotheses, cut as for BLEU
    reference_length   tokens of the references, of several the one nearest in length to the hypothesis
    """

    values: Mapping[str, float]
    signatures: Mapping[str, str]
    num_lines: int
    num_references: int
    hypothesis_length: int
    reference_length: int

    @property
    def bleu(self) -> float:
        """BLEU, cased."""
        return self.values.get("bleu", math.nan)

    @property
    def bleu_lowercase(self) -> float:
        """BLEU after lower-casing both sides."""
        return self.values.get("bleu_lowercase", math.nan)

    @property
    def chrf(self) -> float:
        """chrF2: character n-grams up to 6, recall twice as important."""
        return self.values.get("chrf", math.nan)

    @property
    def ter(self) -> float:
        """Translation edit rate in percent; lower is better."""
        return self.values.get("ter", math.nan)

    @property
    def length_ratio(self) -> float:
        """Hypothesis tokens for each reference token: below 1, translations are short."""
        return self.hypothesis_length / self.reference_length if self.reference_length else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            **{metric: round(value, 4) for metric, value in self.values.items()},
            "length_ratio": round(self.length_ratio, 4) if self.reference_length else None,
            "hypothesis_length": self.hypothesis_length,
            "reference_length": self.reference_length,
            "lines": self.num_lines,
            "references": self.num_references,
            "signatures": dict(self.signatures),
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Scores:
        """The scores that `to_dict` wrote; further keys are left alone."""
        return cls(
            values={metric: body[metric] for metric in body["signatures"]},
            signatures=body["signatures"],
            num_lines=body["lines"],
            num_references=body["references"],
            hypothesis_length=body["hypothesis_length"],
            reference_length=body["reference_length"],
        )

    def __str__(self) -> str:
        """One line for a log: `BLEU 38.51 | chrF2 63.20 | length ratio 0.987 | 1000 lines`."""
        parts = [f"{metric_name(metric)} {value:.2f}" for metric, value in self.values.items()]
        return " | ".join([*parts, f"length ratio {self.length_ratio:.3f}", f"{self.num_lines} lines"])


def score(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    tokenize: str = "13a",
) -> Scores:
    """Scores of detokenised hypotheses against one or more lists of references, all in Unicode's form NFC.

    `tokenize` is how BLEU cuts both sides into words: 13a for most languages, zh for Chinese, char where words are
    not separated, none for text that is tokenised already. Raises ValueError for an unknown metric or tokenizer, no
    lines at all, or lists of different lengths.
    """
    check_names(metrics, tokenize)
    _check_lines(hypotheses, references)
    # canonically equal texts are the same: a model writes NFC, whatever the references are written in
    hypotheses, references = list(map(composed, hypotheses)), [list(map(composed, lines)) for lines in references]
    # BLEU always, because it counts the lengths; it takes a fifth of a second for a thousand lines
    bleu = _metric("bleu", tokenize)
    cased = bleu.corpus_score(hypotheses, references)
    values, signatures = {}, {}
    for name in metrics:
        metric = bleu if name == "bleu" else _metric(name, tokenize)
        result = cased if name == "bleu" else metric.corpus_score(hypotheses, references)
        values[name] = float(result.score)
        signatures[name] = str(metric.get_signature())
    return Scores(
        values=values,
        signatures=signatures,
        num_lines=len(hypotheses),
        num_references=len(references),
        hypothesis_length=int(cased.sys_len),
        reference_length=int(cased.ref_len),
    )


def metric_name(metric: str) -> str:
    """What readers call a metric: `chrf` -> `chrF2`."""
    return _NAMES[metric]


def check_names(metrics: Sequence[str], tokenize: str) -> None:
    """Refuse metrics and tokenizers that there are not, in one line."""
    for metric in metrics:
        if metric not in METRICS:
            raise ValueError(f"metrics ({metric}) must be among {', '.join(METRICS)}")
    if not metrics:
        raise ValueError(f"metrics () must name at least one of {', '.join(METRICS)}")
    if tokenize not in TOKENIZERS:
        raise ValueError(f"tokenize ({tokenize}) must be one of {', '.join(TOKENIZERS)}")


def _metric(name: str, tokenize: str):
    if name == "bleu":
        # force: no warning about text that looks tokenised where the user has just said that it is
        return BLEU(tokenize=tokenize, force=tokenize == "none")
    if name == "bleu_lowercase":
        return BLEU(lowercase=True, tokenize=tokenize, force=True)  # warned of once is enough
    return TER() if name == "ter" else CHRF(word_order=2 if name == "chrf++" else 0)


def _check_lines(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if not references:
        raise ValueError("references (0) must be at least one list of lines")
    for number, lines in enumerate(references, start=1):
        if len(lines) != len(hypotheses):
            raise ValueError(f"reference {number} has {len(lines)} lines, the translations have {len(hypotheses)}")
    if not hypotheses:
        raise ValueError("there is nothing to score: 0 lines")
