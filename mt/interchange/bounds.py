"""The rules of a certificate: what may differ between a model and its export, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

EXACT, ROUNDED, REFUSED = "exact", "rounded", "refused"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The most that may differ.

    nats       of the log-probability of a token, by forced and by free decoding
    attention  of a weight of the alignment heads
    same_text  least share of lines with the same translation
    bleu_lost  by rounded weights
    """

    nats: float = 1e-4
    attention: float = 1e-5
    same_text: float = 0.99
    bleu_lost: float = 0.3


BOUNDS = Bounds()


def verdict_of(measured: Mapping[str, Any], *, quantization: str | None, bounds: Bounds = BOUNDS) -> dict[str, Any]:
    """The verdict on what `mt.interchange.measure` found: `verdict`, the `rule` of it, and `reasons` of a refusal.

    With a `quantization` an export may differ, and is exact all the same if it does not: where the model's own weights
    have as few bits.
    """
    reasons = [*_tokenizer(measured["tokenizer"]), *_constants(measured["constants"])]
    differences = _equal(measured, bounds)
    reasons += differences if quantization is None else _as_good(measured, bounds)
    verdict = REFUSED if reasons else ROUNDED if differences else EXACT
    return {"verdict": verdict, "reasons": reasons, "bounds": asdict(bounds)}


def _tokenizer(found: Mapping[str, Any]) -> list[str]:
    different = [f"{found[name]} {what}" for name, what in _TOKENIZER.items() if found[name]]
    return [f"tokenizer: {', '.join(different)}"] if different else []


_TOKENIZER = {
    "different_ids": "lines with other pieces",
    "hostile_different_ids": "hostile lines with other pieces",
    "different_text": "translations with another text of the same pieces",
}


def _constants(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [
        f"{name} is {pair['export']:g} in the export, {pair['model']:g} in the model"
        for name, pair in found.items()
        if abs(pair["export"] - pair["model"]) > 1e-6 * abs(pair["model"])
    ]


def _equal(measured: Mapping[str, Any], bounds: Bounds) -> list[str]:
    """Why an export with the weights of the model does not compute what the model does."""
    reasons = []
    scores, decoding, attention = (measured[name] for name in ("scores", "decoding", "attention"))
    if "not_measured" not in scores and not scores["max"] <= bounds.nats:
        reasons.append(f"a token's log-probability differs by {scores['max']:.2g}, at most {bounds.nats:g} is allowed")
    if not decoding["max_a_token"] <= bounds.nats:
        reasons.append(
            f"scores of decoding differ by {decoding['max_a_token']:.2g} a token, at most {bounds.nats:g} is allowed"
        )
    for name, how in (("decoding", ""), ("shortlist", " with the shortlist")):
        found = measured.get(name)
        if found and not found["same_text"] >= bounds.same_text * found["sentences"]:
            reasons.append(
                f"{found['same_text']} of {found['sentences']} lines have the same translation{how}, at least"
                f" {bounds.same_text:.0%} must"
            )
    if "not_measured" not in attention and not attention["max"] <= bounds.attention:
        reasons.append(f"attention differs by {attention['max']:.2g}, at most {bounds.attention:g} is allowed")
    return reasons


def _as_good(measured: Mapping[str, Any], bounds: Bounds) -> list[str]:
    """Why an export with rounded weights is not as good as the model."""
    bleu = measured["quality"]["bleu"]
    if bleu["lost"] <= bounds.bleu_lost:
        return []
    return [f"{bleu['lost']:.2f} BLEU are lost by rounding, at most {bounds.bleu_lost:g} is allowed"]
