"""Weights of a plan under the names that transformers knows, and which of its classes computes what the model does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from mt.interchange.plan import Plan

# D model, H heads, G key-value heads, K size of a head

PEGASUS, MARIAN = "PegasusForConditionalGeneration", "MarianMTModel"
THEIR_EPSILON = 1e-5  # of the norms of both classes, whatever the configuration says
SLOTS = ("encoder.self_attention", "decoder.self_attention", "decoder.cross_attention")


def their_class(plan: Plan) -> str | None:
    """The class of transformers that computes exactly this model; None: there is none."""
    settings, heads = plan.settings, plan.uniform_heads()
    widths = [{layer.feed_forward_dim for layer in half} for half in (plan.encoder, plan.decoder)]
    is_theirs = (
        settings["layer.norm"] == "layer"
        and settings["layer.activation"] in ("relu", "gelu", "swish")
        and plan.source_table is not None
        and all(settings[slot].kind in ("dense", "chunked") for slot in SLOTS)
        and heads is not None
        and heads[0] * heads[2] == plan.dim
        and all(len(of) == 1 for of in widths)
        and plan.constants["norm_epsilon"] == THEIR_EPSILON
    )
    if not is_theirs:
        return None
    if plan.is_pre_norm:  # Pegasus has one matrix for both embeddings and the output
        return PEGASUS if settings["tie"] == "all" else None
    return MARIAN


def own_weights(plan: Plan) -> dict[str, np.ndarray]:
    """Those of modeling_mt.py: the model's own names, and the tables of positions."""
    tied = {"all": ("source_embedding.tokens.weight", "output.weight"), "target": ("output.weight",), "none": ()}
    left_out = (*tied[plan.settings["tie"]], *(f"{side}_embedding.positions.table.weight" for side in _SIDES))
    beside = ("decoder.alignment_head.",)  # reads attention, and changes no translation
    found = {
        name: array for name, array in plan.weights.items() if name not in left_out and not name.startswith(beside)
    }
    for side, table in zip(_SIDES, (plan.source_table, plan.target_table), strict=True):
        if table is not None:
            found[f"{side}_embedding.table.weight"] = table
    return found


_SIDES = ("source", "target")


def their_weights(plan: Plan, theirs: str) -> dict[str, np.ndarray]:
    """Those of Pegasus or Marian; key-value heads that are shared are repeated."""
    found = dict(_layers(plan))
    tokens = {half: plan.weights[f"{side}_embedding.tokens.weight"] for half, side in _HALVES.items()}
    if plan.settings["tie"] == "all":
        found["model.shared.weight"] = tokens["decoder"]
    else:
        found |= {f"model.{half}.embed_tokens.weight": array for half, array in tokens.items()}
        found["lm_head.weight"] = plan.weights["output.weight"]
    for half, table in (("encoder", plan.source_table), ("decoder", plan.target_table)):
        assert table is not None, "their_class takes no model without tables"
        found[f"model.{half}.embed_positions.weight"] = table
        if theirs == PEGASUS:
            found |= _both(plan.weights, f"{half}.norm", f"model.{half}.layer_norm")
    found["final_logits_bias"] = np.zeros((1, len(plan.weights["output.weight"])), np.float32)
    return found


_HALVES = {"encoder": "source", "decoder": "target"}


def _layers(plan: Plan) -> Iterator[tuple[str, np.ndarray]]:
    attentions = {
        "encoder": {"attention": ("self_attn", "attention_residual")},
        "decoder": {
            "self_attention": ("self_attn", "self_residual"),
            "cross_attention": ("encoder_attn", "cross_residual"),
        },
    }
    for half, layers in (("encoder", plan.encoder), ("decoder", plan.decoder)):
        for number in range(len(layers)):
            ours, theirs = f"{half}.layers.{number}", f"model.{half}.layers.{number}"
            for name, (slot, residual) in attentions[half].items():
                yield from _attention(plan, f"{ours}.{name}", f"{theirs}.{slot}")
                yield from _both(plan.weights, f"{ours}.{residual}.norm", f"{theirs}.{slot}_layer_norm").items()
            norm = f"{ours}.feed_forward_residual.norm"
            yield from _both(plan.weights, norm, f"{theirs}.final_layer_norm").items()
            for part, name in (("up", "fc1"), ("down", "fc2")):
                yield from _both(plan.weights, f"{ours}.feed_forward.{part}", f"{theirs}.{name}").items()


def _attention(plan: Plan, ours: str, theirs: str) -> Iterator[tuple[str, np.ndarray]]:
    heads, groups, size = plan.uniform_heads() or (0, 0, 0)
    yield from _both(plan.weights, f"{ours}.query", f"{theirs}.q_proj").items()
    yield from _both(plan.weights, f"{ours}.output", f"{theirs}.out_proj").items()
    for part in ("weight", "bias"):
        both = plan.weights[f"{ours}.key_value.{part}"]
        for name, array in zip(("k_proj", "v_proj"), np.split(both, 2), strict=True):
            of_groups = array.reshape(groups, size, *array.shape[1:])
            repeated = of_groups.repeat(heads // groups, axis=0).reshape(heads * size, *array.shape[1:])
            yield f"{theirs}.{name}.{part}", repeated


def _both(weights: Mapping[str, np.ndarray], ours: str, theirs: str) -> dict[str, np.ndarray]:
    return {f"{theirs}.{part}": weights[f"{ours}.{part}"] for part in ("weight", "bias")}


def write_weights(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Writes the file as transformers expects it."""
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, path, metadata={"format": "pt"})
