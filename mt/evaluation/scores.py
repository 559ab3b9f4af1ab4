"""Corpus scores of translations as sacrebleu computes them, each with the signature that says how."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics import CHRF
from sacrebleu.metrics.base import Metric

from mt.data.canonical import composed
from mt.evaluation import tokenization
from mt.evaluation.edit_rate import MOST_WORDS
from mt.evaluation.tokenization import Tokenization, check_ter, check_tokenizer

METRICS = ("bleu", "bleu_lowercase", "chrf", "chrf++", "ter")  # computed from target lines only
DEFAULT_METRICS = ("bleu", "bleu_lowercase", "chrf", "ter")
COMET = "comet"  # by a learned model (mt.evaluation.comet), which also needs the sources
READABLE_CHRF = 20  # above, a translation is more than noise

_NAMES = {
    **{"bleu": "BLEU", "bleu_lowercase": "BLEU lower-cased", "chrf": "chrF2", "chrf++": "chrF2++", "ter": "TER"},
    COMET: "COMET",
}


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores on one set of lines; a metric that was not requested is not a number (nan).

    values             metric -> score from 0 to 100 (TER may be more); lower is better for TER, higher for the others;
                       COMET is given times 100
    signatures         metric -> sacrebleu's description of how it was computed, to be quoted with the number
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
            **self.about(),
        }

    def about(self) -> dict[str, Any]:
        """How the scores were computed: each one's signature, and the scores by their quotable names.

        Such a name has the signature in it: `BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`.
        """
        names = {f"{metric_name(name)}|{signature}": name for name, signature in self.signatures.items()}
        quoted = {quoted: round(self.values[name], 4) for quoted, name in names.items()}
        return {"signatures": dict(self.signatures), "with_signature": quoted}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Scores:
        """The scores that `to_dict` wrote; further keys are ignored."""
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
    ter: str = "tercom",
) -> Scores:
    """Scores of detokenised hypotheses against one or more lists of references, all in Unicode's form NFC.

    `tokenize` and `ter` say how BLEU and TER find words (`mt.evaluation.tokenization`, which chooses them by language).
    Raises ValueError for an unknown metric or tokenizer, no lines at all, or lists of different lengths.
    """
    check_names(metrics, METRICS)
    check_tokenizer(tokenize)
    check_ter(ter)
    check_lines(hypotheses, references)
    # canonically equal texts must count as equal: a model writes NFC, references may be in any form
    hypotheses, references = list(map(composed, hypotheses)), [list(map(composed, lines)) for lines in references]
    how = Tokenization(tokenize=tokenize, ter=ter)
    # BLEU always, because it counts the lengths; it takes a fifth of a second for a thousand lines
    bleu = metric("bleu", how)
    cased = bleu.corpus_score(hypotheses, references)
    values, signatures = {}, {}
    for name in metrics:
        one = bleu if name == "bleu" else metric(name, how)
        result = cased if name == "bleu" else one.corpus_score(hypotheses, references)
        values[name] = float(result.score)
        signatures[name] = str(one.get_signature())
    return Scores(
        values=values,
        signatures=signatures,
        num_lines=len(hypotheses),
        num_references=len(references),
        hypothesis_length=int(cased.sys_len),
        reference_length=int(cased.ref_len),
    )


def metric_name(metric: str) -> str:
    """The usual name of a metric: `chrf` -> `chrF2`."""
    return _NAMES[metric]


def zero_bleu(scores: Scores) -> str | None:
    """Explains a BLEU of 0 where chrF shows that the translations are not noise; None for other scores."""
    if not (round(scores.bleu, 2) == 0 and scores.chrf > READABLE_CHRF):
        return None
    return (
        f"BLEU is 0 while chrF2 is {scores.chrf:.1f}: BLEU ({scores.signatures['bleu']}) finds no line with four words,"
        " or no word that is right. Text without blanks between words needs another tokenizer (tokenize=char, or what"
        " fits the language); for lines of one to three words chrF is more informative than BLEU"
    )


def ter_without_moves(scores: Scores) -> str | None:
    """A note on TER where lines were too long for the search for moves; None where there were none."""
    found = re.search(r"\bno-moves:(\d+)", scores.signatures.get("ter", ""))
    if not found:
        return None
    return f"TER counts no moves in {found[1]} lines of more than {MOST_WORDS} words: it can only be too high"


def metric(name: str, how: Tokenization, references: Sequence[Sequence[str]] | None = None) -> Metric:
    """sacrebleu's object that computes one of METRICS; given `references`, it reads them once for many systems."""
    if name in ("bleu", "bleu_lowercase"):
        return tokenization.bleu(how, lowercase=name == "bleu_lowercase", references=references)
    if name == "ter":
        return tokenization.ter(how, references=references)
    return CHRF(word_order=2 if name == "chrf++" else 0, references=references)


def check_names(metrics: Sequence[str], known: Sequence[str]) -> None:
    """Raises ValueError for an unknown metric, or none at all."""
    for name in metrics:
        if name not in known:
            raise ValueError(f"metrics ({name}) must be among {', '.join(known)}")
    if not metrics:
        raise ValueError(f"metrics () must name at least one of {', '.join(known)}")


def check_lines(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Raises ValueError for no lines, no references, or references with another number of lines than the hypotheses."""
    if not references:
        raise ValueError("references (0) must be at least one list of lines")
    for number, lines in enumerate(references, start=1):
        if len(lines) != len(hypotheses):
            raise ValueError(f"reference {number} has {len(lines)} lines, the translations have {len(hypotheses)}")
    if not hypotheses:
        raise ValueError("there is nothing to score: 0 lines")
