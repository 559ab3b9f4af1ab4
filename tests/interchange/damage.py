"""Damages a plan in ways that exporters do by mistake: what is written from it must not pass as the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mt.data.tokenizer import NUM_SPECIAL, Tokenizer, TokenizerPair
from mt.interchange.plan import Plan


def scaled_norm(plan: Plan) -> Plan:
    """A norm whose gain is 1 % too large."""
    return _with(plan, "decoder.layers.0.cross_residual.norm.weight", lambda gain_D: gain_D * 1.01)


def shifted_positions(plan: Plan) -> Plan:
    """A table of positions that begins with the second one."""
    assert plan.target_table is not None
    return replace(plan, target_table=np.roll(plan.target_table, -1, axis=0))


def swapped_heads(plan: Plan) -> Plan:
    """The queries of two heads in each other's place."""
    size = plan.decoder[0].heads[1][2]

    def swap(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows[size : 2 * size], rows[:size], rows[2 * size :]])

    name = f"decoder.layers.{len(plan.decoder) - 1}.cross_attention.query"
    return _with(_with(plan, f"{name}.weight", swap), f"{name}.bias", swap)


def other_epsilon(plan: Plan) -> Plan:
    """Norms with an epsilon of 1e-2."""
    return replace(plan, constants={**plan.constants, "norm_epsilon": 1e-2})


def other_piece(plan: Plan) -> Plan:
    """A vocabulary in which the first piece of several letters is spelled in another way."""
    tokenizer = plan.tokenizers.source
    pieces = tokenizer.pieces(range(NUM_SPECIAL, tokenizer.size))
    piece = next(one for one in pieces if one[1:].isalpha() and len(one) > 3)
    # the fields of the file have lengths: the new piece is as long as the old one
    changed = Tokenizer(tokenizer.to_bytes().replace(piece.encode(), f"{piece[:-1]}{'q'}".encode(), 1))
    return replace(plan, tokenizers=TokenizerPair(changed, changed))


def _with(plan: Plan, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Plan:
    return replace(plan, weights={**plan.weights, name: change(plan.weights[name])})


DAMAGES: dict[str, Callable[[Plan], Plan]] = {
    one.__name__: one for one in (scaled_norm, shifted_positions, swapped_heads, other_epsilon, other_piece)
}
