"""Migrations of file formats: files that an older version wrote are lifted to the format that this one writes.

Every kind of file has a format, a whole number from 1. `LIFTS` has for each kind one function per step: the first one
turns format 1 into format 2, and so on; a file is lifted as often as needed, so that no reader handles old formats.

To change a format: write the new one, add the function that lifts the old one at the end of its row, and store a file
of the old one in tests/checkpoint/fixtures. A class that moves gets a line in `MOVED`; a setting whose default changes
one in `DEFAULTS`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

Body = dict[str, Any]

# Classes that have moved inside the package: settings, checkpoints and users' own YAML files may use the old name.
MOVED = {
    "mt.attention.reduced.LowRank": "mt.attention.low_rank.LowRank",
    "mt.attention.reduced.MultiScale": "mt.attention.multi_scale.MultiScale",
    "mt.attention.reduced.Pooled": "mt.attention.pooled.Pooled",
    "mt.training.objective.LabelSmoothedCrossEntropy": "mt.objective.label_smoothing.LabelSmoothedCrossEntropy",
    "mt.training.guidance.Guidance": "mt.objective.guided.Guidance",
    "mt.training.trainer.TrainerSettings": "mt.training.settings.TrainerSettings",
    "mt.model.gated_unit.gated_layer": "mt.model.gated_unit.GatedLayers",
    "mt.data.cleaning.CleaningSettings": "mt.data.cleaning.settings.CleaningSettings",
    "mt.data.hub.HubDataset": "mt.data.formats.hub.HubDataset",
    "mt.data.jsonl.JsonLines": "mt.data.formats.jsonl.JsonLines",
    "mt.data.parquet.Parquet": "mt.data.formats.parquet.Parquet",
    "mt.data.po.Po": "mt.data.formats.po.Po",
    "mt.data.text_files.TextFiles": "mt.data.formats.text_files.TextFiles",
    "mt.data.tmx.Tmx": "mt.data.formats.tmx.Tmx",
    "mt.data.tsv.Tsv": "mt.data.formats.tsv.Tsv",
    "mt.data.xliff.Xliff": "mt.data.formats.xliff.Xliff",
}


def current_target(path: str) -> str:
    """The current name of a `_target_`."""
    return MOVED.get(path, path)


def with_current_targets(node: Any) -> Any:
    """The same plain values with every `_target_`, at any depth, under its current name."""
    if isinstance(node, Mapping):
        return {
            key: current_target(value) if key == "_target_" and isinstance(value, str) else with_current_targets(value)
            for key, value in node.items()
        }
    return [with_current_targets(item) for item in node] if isinstance(node, (list, tuple)) else node


class NewerFormat(ValueError):
    """Raised for a file that a newer version of this program wrote: undamaged, but not readable here."""


def _model_1(body: Body) -> Body:
    """From model.yaml 1. During format 1 came documents, sentence-aware attention, kinds of dropout, and tags."""
    model = body["model"]
    if _is(model, "mt.model.seq2seq.Seq2Seq"):
        layer = model.get("layer")
        if _is(layer, "mt.model.layer.LayerSettings"):
            model = {**model, "layer": {"attention_dropout_of": "weights", **layer}}
        model = {"separator": None, "separator_after": None, **model}
    # null: the longest source, and whether some came without a tag, are not known
    new = {"max_pieces": None, "document": {"context_before": 0, "context_after": 0}, "reads_untagged": None}
    return {**new, **body, "model": model}


def _training_1(body: Body) -> Body:
    """From training.json 1: its place counts batches of an order that no longer exists, so the epoch begins again."""
    new = {key: value for key, value in body.items() if key not in ("epoch", "batch")}
    return {**new, "cursor": {"stage": 0, "epoch": body["epoch"], "block": 0, "batch": 0}}


def _training_2(body: Body) -> Body:
    """From training.json 2: it did not state its format, and counters were added during it."""
    counts = {"skipped": 0, "skipped_in_a_row": 0, "rollbacks": 0, "logged_loss_nats": 0.0, "logged_tokens": 0}
    return {**counts, **body, "cursor": {"unread": 0.0, **body["cursor"]}}


def _tensors_1(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """From training.safetensors 1: it held states of random generators; now every update is seeded by its number."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("random.")}


# Settings missing in format 1, with the values that reproduce what was done then; defaults of null are left out.
_UNSAID: dict[str, Body] = {
    "data.cleaning": {
        **{"malformed": "refuse", "drop_html": False, "drop_address_mismatch": False, "drop_mojibake": False},
        **{"drop_control_characters": False, "numbers": "any", "drop_wrong_language": False},
    },
    "data.document": {"_target_": "mt.data.document.DocumentSettings", "context_before": 0, "context_after": 0},
    "tokenizer": {"max_megabytes": 1_000_000},
    "model.layer": {"attention_dropout_of": "weights"},
    "resume": {"allow": []},
    "batches.mixture": {"_target_": "mt.data.mixture.Mixture", "temperature": 1.0},
    "guidance": {
        **{"_target_": "mt.objective.guided.Guidance", "links": None, "weight": 0.05},
        **{"layer": None, "head": 0, "shift": 1},
    },
    "lexicon": {"links": None},
    "scores": {"_target_": "mt.evaluation.tokenization.ScoreSettings", "tokenize": "13a", "ter": "tercom"},
    "trainer": {"skip_limit": 5, "shard": False},  # runs whose updates were all finite never reached the limit
    "validation": {"attention_lines": 100},  # only adds numbers to a run, changes none
}


# Settings missing in format 2, likewise.
_UNSAID_2: dict[str, Body] = {
    "batches.noise": {
        **{"_target_": "mt.data.noise.settings.Noise", "capitals": 0.0, "title": 0.0, "no_end": 0.0, "typing": 0.0},
        **{"copied": 0.0, "tagged": 0.0, "joined": 0.0, "cut": 0.0},
    },
}


def _settings_1(body: Body) -> Body:
    """From config.yaml 1. During format 1 came all of `_UNSAID`, and the corpus's fingerprint."""
    return {"begun": 1, **_with(_UNSAID, body)}


def _settings_2(body: Body) -> Body:
    """From config.yaml 2."""
    return _with(_UNSAID_2, body)


def _with(unsaid: Mapping[str, Body], body: Body) -> Body:
    for path, values in unsaid.items():
        body = _filled(body, path.split("."), values)
    return body


def _wandb_1(body: Body) -> Body:
    """From wandb_id.txt 1: only the id. What was sent is not known; W&B itself ignores steps that it has."""
    return {**body, "last_step": 0}


LIFTS: Mapping[str, tuple[Callable[[Body], Body], ...]] = {
    "model.yaml": (_model_1,),
    "training.json": (_training_1, _training_2),
    "config.yaml": (_settings_1, _settings_2),
    "wandb_id.txt": (_wandb_1,),
}
# training.safetensors has the format of its training.json; by the format that is lifted, where tensors change
TENSOR_LIFTS: Mapping[int, Callable[[Mapping[str, Any]], dict[str, Any]]] = {1: _tensors_1}
FORMATS = {kind: len(lifts) + 1 for kind, lifts in LIFTS.items()}  # that this program writes

# Settings whose default changed with a format of config.yaml, as (old default, current default).
DEFAULTS: Mapping[int, Mapping[str, tuple[Any, Any]]] = {
    1: {
        **{f"data.cleaning.{name}": (False, True) for name in ("drop_html", "drop_address_mismatch", "drop_mojibake")},
        **{f"data.cleaning.{name}": (False, True) for name in ("drop_control_characters", "drop_wrong_language")},
        "data.cleaning.max_foreign_letters": (None, 0.6),
        "tokenizer.normalization": ("identity", "nfc"),
        "tokenizer.max_sentences": (2_000_000, 1_000_000),
        "tokenizer.max_megabytes": (1_000_000, 64),
        "scores.tokenize": ("13a", "auto"),
        "scores.ter": ("tercom", "auto"),
    }
}


def lifted(kind: str, body: Mapping[str, Any], path: Path) -> Body:
    """A file's content in the current format, with current `_target_`s; its kind is a name in `LIFTS`.

    Raises NewerFormat, naming `path`, where this program is too old for it, and ValueError for an invalid format.
    """
    newest = FORMATS[kind]
    found = format_of(kind, body)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(f"{path}: format ({found}) must be a whole number from 1 to {newest}")
    if found > newest:
        raise NewerFormat(f"{path} has format {found}, this program reads up to {newest}: update it")
    new = with_current_targets(body)
    for lift in LIFTS[kind][found - 1 :]:
        new = lift(new)
    return {**new, "format": newest}


def lifted_tensors(tensors: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors under their current names; `training` is the content of training.json before it is lifted."""
    new = dict(tensors)
    for number in range(format_of("training.json", training), FORMATS["training.json"]):
        new = TENSOR_LIFTS.get(number, dict)(new)
    return new


def as_begun(old: Mapping[str, Any], settings: Mapping[str, Any], allow: Sequence[str] = ()) -> Body:
    """The settings for resuming a run whose settings were `old` (lifted): where a default has changed since the run
    began, and `settings` have the new default, the run keeps its old value, with a warning.

    Settings that `allow` names, in full or by their group, are left as they are.
    """
    new, kept = with_current_targets(settings), []
    for since, defaults in DEFAULTS.items():
        for name, (then, now) in defaults.items() if old.get("begun", FORMATS["config.yaml"]) <= since else ():
            is_allowed = any(f"{name}.".startswith(f"{beginning}.") for beginning in map(str, allow))
            if not is_allowed and _at(old, name) == then and _at(new, name, default=then) == now:
                *around, last = name.split(".")
                new = _put(new, around, last, then)
                kept.append(f"{name}={'null' if then is None else str(then).lower()}")
    if kept:
        log.warning("the run keeps the defaults of the version that began it: %s", " ".join(kept))
    return new


def format_of(kind: str, body: Mapping[str, Any]) -> Any:
    """The format number of a file; the oldest files have none."""
    if "format" in body:
        return body["format"]
    if kind == "training.json":
        return 2 if "cursor" in body else 1
    if kind == "wandb_id.txt":
        return 2 if "last_step" in body else 1
    return 1 if kind != "model.yaml" else None


def _is(node: Any, target: str) -> bool:
    return isinstance(node, Mapping) and node.get("_target_") == current_target(target)


def _filled(node: Any, path: Sequence[str], values: Body) -> Any:
    """Adds to the node, at this path, the values that it lacks; creates missing nodes of the path."""
    if not isinstance(node, Mapping):
        return node
    if not path:
        return {**values, **node}
    return {**node, path[0]: _filled(node.get(path[0], {}), path[1:], values)}


def _at(node: Any, name: str, default: Any = None) -> Any:
    for key in name.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return default
        node = node[key]
    return node


def _put(node: Mapping[str, Any], path: Sequence[str], last: str, value: Any) -> Body:
    if not path:
        return {**node, last: value}
    return {**node, path[0]: _put(node[path[0]], path[1:], last, value)}
