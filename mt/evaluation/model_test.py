"""A test set for finished models side by side: translations, BLEU and chrF, and the error of their alignments."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.alignment.gold import Gold, from_lines
from mt.data.held_out import HeldOut
from mt.evaluation.alignment_input import check_count, read, read_gold
from mt.evaluation.alignment_reference import LINES, LONGEST, Reference, ranked
from mt.evaluation.scores import Scores, score
from mt.evaluation.tokenization import ScoreSettings, Tokenization
from mt.inference.aligner import Aligner
from mt.inference.request import Request
from mt.words import num_words

log = logging.getLogger(__name__)

METRICS = ("bleu", "chrf")


@dataclass(frozen=True)
class ModelTest:
    """Sources, references, how they are scored, and reference links of some of them."""

    sources: Sequence[str]
    references: Sequence[str]
    tokenization: Tokenization
    links: Reference
    tag: str | None = None

    @classmethod
    def of(
        cls,
        source: str,
        target: str,
        *,
        target_language: str,
        gold: str | None = None,
        gold_base: int = 0,
        tag: str | None = None,
    ) -> ModelTest:
        """The test of two files; without a file of gold links, the statistical aligner learns some from them.

        Raises ValueError where the numbers of lines differ.
        """
        sources, references = read(source), read(target)
        check_count(target, references, sources, source)
        known = None if gold is None else read_gold(gold, sources, references, base=gold_base)
        tokenization = ScoreSettings().fitting(target_language).tokenization
        return cls(sources, references, tokenization, _links(sources, references, known), tag)

    @classmethod
    def of_held_out(cls, test: HeldOut, tokenization: Tokenization) -> ModelTest:
        """The test of a corpus, with its gold links if it has any, else with some that are learned from it.

        A warning says where there is no pair to learn links from: then alignments are not judged.
        """
        known = None if test.links is None else from_lines(test.links, len(test))
        try:
            links = _links(test.sources, test.targets, known)
        except ValueError as error:
            log.warning("links of %s: %s", test.name, error)
            links = Reference([], [], [], is_learned=True)
        return cls(test.sources, test.targets, tokenization, links)


def _links(sources: Sequence[str], references: Sequence[str], known: Sequence[Gold] | None) -> Reference:
    """Reference links of the first lines that are not too long."""
    fitting = [
        place
        for place, pair in enumerate(zip(sources, references, strict=True))
        if all(0 < num_words(side) <= LONGEST for side in pair)
    ]
    texts = [[side[place] for place in fitting] for side in (sources, references)]
    of_lines = None if known is None else [known[place] for place in fitting]
    return Reference.of(texts[0], texts[1], of_lines).first(LINES)


@dataclass(frozen=True)
class Tested:
    """What a model does on a test: its lines, their scores, and the least alignment error, 0 to 1 (None: no links)."""

    lines: Sequence[str]
    scores: Scores
    alignment_error: float | None


def tested(checkpoint: Path, test: ModelTest, *, device: str = "cpu", precision: str = "float32") -> Tested:
    """The checkpoint on the test, with its own search."""
    aligner = Aligner.load(checkpoint, device=device, precision=precision)
    requests = [Request(line, tag=test.tag) for line in test.sources]
    lines = [found.text for found in aligner.translator.translate(requests)]
    how = {"tokenize": test.tokenization.tokenize, "ter": test.tokenization.ter}
    return Tested(lines, score(lines, [test.references], metrics=METRICS, **how), _error(aligner, test))


def alignment_error(checkpoint: Path, test: ModelTest, *, precision: str = "float32") -> float | None:
    """The least alignment error of a checkpoint over layers, heads and shifts, 0 to 1; None without reference links."""
    return _error(Aligner.load(checkpoint, device="cpu", precision=precision), test)


def _error(aligner: Aligner, test: ModelTest) -> float | None:
    return ranked(aligner, test.links, tag=test.tag)[0].error_rate if test.links.has_links else None
