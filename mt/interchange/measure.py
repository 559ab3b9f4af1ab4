"""Measures an export: asks its engine what our own engine was asked, and says how far the answers differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mt.data.canonical import composed
from mt.evaluation.scores import metric
from mt.evaluation.significance import difference
from mt.evaluation.tokenization import ScoreSettings
from mt.interchange.engine import Candidate, Engine
from mt.interchange.evidence import Evidence

MOST_EXAMPLES = 10
METRICS = ("bleu", "chrf")


def measure(engine: Engine, evidence: Evidence) -> dict[str, Any]:
    """All measurements of a certificate, as plain values."""
    found = engine.translate(evidence.lines)
    return {
        "tokenizer": tokenizer(engine, evidence),
        "scores": scores(engine, evidence),
        "decoding": decoding(found, evidence),
        "quality": quality(found, evidence),
        "attention": attention(engine, evidence),
        **({} if evidence.shortlisted is None else {"shortlist": shortlist(engine, evidence)}),
        "constants": constants(engine, evidence),
    }


def tokenizer(engine: Engine, evidence: Evidence) -> dict[str, Any]:
    """Lines that the exported tokenizer reads as other pieces, and translations that it spells as another text."""
    different = _different(engine.tokenize(evidence.lines), evidence.source_ids)
    hostile = _different(engine.tokenize(evidence.hostile), evidence.hostile_ids)
    texts = engine.detokenize(evidence.found_ids)
    other = [n for n, (theirs, ours) in enumerate(zip(texts, evidence.texts, strict=True)) if theirs != ours]
    examples = [evidence.lines[n] for n in different] + [evidence.hostile[n] for n in hostile]
    return {
        "lines": len(evidence.lines),
        "different_ids": len(different),
        "hostile_lines": len(evidence.hostile),
        "hostile_different_ids": len(hostile),
        "different_text": len(other),
        "examples": [*examples, *(evidence.texts[n] for n in other)][:MOST_EXAMPLES],
    }


def _different(theirs: Sequence[Sequence[int]], ours: Sequence[Sequence[int]]) -> list[int]:
    return [n for n, (a, b) in enumerate(zip(theirs, ours, strict=True)) if list(a) != list(b)]


def scores(engine: Engine, evidence: Evidence) -> dict[str, Any]:
    """Differences of log-probabilities of given targets, in nats."""
    theirs = engine.log_probs(list(zip(evidence.source_ids, evidence.target_ids, strict=True)))
    if theirs is None:
        return {"not_measured": engine.without()["log_probs"]}
    pairs = list(zip(theirs, evidence.log_probs, strict=True))
    for given, ours in pairs:
        assert len(given) == len(ours), "an engine gives a log-probability of each target id and of EOS"
    of_tokens = np.abs(np.concatenate([np.subtract(given, ours) for given, ours in pairs]))
    of_sentences = [abs(math.fsum(given) - math.fsum(ours)) for given, ours in pairs]
    return {
        "pairs": len(pairs),
        "tokens": len(of_tokens),
        "max": float(of_tokens.max()),
        "median": float(np.median(of_tokens)),
        "p99.9": float(np.quantile(of_tokens, 0.999)),
        "max_of_a_sentence": max(of_sentences),
    }


def decoding(found: Sequence[Candidate], evidence: Evidence) -> dict[str, Any]:
    """How many translations are the same, and how far scores of the same pieces differ, in nats a token."""
    rows = list(zip(evidence.lines, evidence.found_ids, evidence.texts, evidence.scores, found, strict=True))
    different = [
        {"source": line, "model": text, "model_score": score, "export": theirs.text, "export_score": theirs.score}
        for line, _, text, score, theirs in rows
        if theirs.text != text
    ]
    a_token = [
        abs(theirs.log_prob - ours) / (len(ids) + 1)
        for theirs, ids, ours in zip(found, evidence.found_ids, evidence.found_log_probs, strict=True)
        if list(theirs.ids) == list(ids)
    ]
    return {
        "search": dict(evidence.search),
        "sentences": len(rows),
        "same_text": len(rows) - len(different),
        "max_a_token": max(a_token, default=math.inf),
        "different": different[:MOST_EXAMPLES],
    }


def quality(found: Sequence[Candidate], evidence: Evidence) -> dict[str, Any]:
    """BLEU and chrF of both, and the 95 % interval of the difference by paired bootstrap; empty without references."""
    if evidence.references is None:
        return {}
    how = ScoreSettings().fitting(evidence.target_language).tokenization
    references = [list(map(composed, evidence.references))]
    ours, theirs = (list(map(composed, texts)) for texts in (evidence.texts, [one.text for one in found]))
    body: dict[str, Any] = {}
    for name in METRICS:
        one = metric(name, how, references)
        of_both = [float(one.corpus_score(texts, None).score) for texts in (ours, theirs)]
        spread = difference(one, ours, theirs)
        body[name] = {
            "model": round(of_both[0], 4),
            "export": round(of_both[1], 4),
            "lost": round(of_both[0] - of_both[1], 4),
            "difference_95": {name: round(value, 4) for name, value in asdict(spread).items()},
            "signature": str(one.get_signature()),
        }
    return body


def attention(engine: Engine, evidence: Evidence) -> dict[str, Any]:
    """The largest difference of a weight of the alignment heads."""
    count = len(evidence.attention)
    theirs = engine.attention(list(zip(evidence.source_ids[:count], evidence.found_ids[:count], strict=True)))
    if theirs is None:
        return {"not_measured": engine.without()["attention"]}
    both = [(np.array(ours), one) for ours, one in zip(evidence.attention, theirs, strict=True) if one is not None]
    worst = [float(np.abs(ours - one).max()) if ours.shape == one.shape else math.inf for ours, one in both]
    return {"pairs": len(both), "max": max(worst, default=math.inf)}


def shortlist(engine: Engine, evidence: Evidence) -> dict[str, Any]:
    """How many translations with the shortlist are the same."""
    assert evidence.shortlisted is not None
    lines = evidence.lines[: len(evidence.shortlisted)]
    found = [one.text for one in engine.translate(lines, shortlist=True)]
    same = sum(theirs == ours for theirs, ours in zip(found, evidence.shortlisted, strict=True))
    return {"sentences": len(lines), "same_text": same}


def constants(engine: Engine, evidence: Evidence) -> dict[str, Mapping[str, float]]:
    """Small numbers in the exported configuration beside those of the model."""
    return {
        name: {"model": evidence.constants[name], "export": value}
        for name, value in engine.constants().items()
        if name in evidence.constants
    }
