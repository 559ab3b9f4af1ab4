"""Checkpoint folders: finding, reading and writing them (completely or not at all).

    checkpoints/<run>/  config.yaml  metrics.jsonl  ledger.json  scores.json  step_001000/  best -> …  last -> …
      step_…/  model.safetensors  model.yaml  tokenizer.model  scores.json
               search.yaml  alignment.json  confidence.json      (chosen or measured at the end of a run)
               priors.safetensors                      (word links, where the training learned some)
               training.safetensors  training.json      (absent when exported)
               manifest.json                            (size and digest of every file)

A step folder may come from an untrusted source: nothing in it is unpickled, `model.yaml` and `search.yaml` may only
name classes of a few packages, and only the memory that the weight file's header justifies is allocated.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from mt.checkpoint.card import MAX_NUMBER, MAX_WEIGHT, ModelCard, described, one_short_line
from mt.checkpoint.manifest import has_manifest, verify, write_manifest
from mt.checkpoint.migrations import FORMATS, NewerFormat, lifted, lifted_tensors, with_current_targets
from mt.checkpoint.outline import Shape, Unfilled, check_memory, check_weights, kept_tensors, outline_of
from mt.checkpoint.rebuild import build, find_target, targets
from mt.checkpoint.small_file import check_files, read_json, read_yaml, yaml_text
from mt.checkpoint.steps import PRIORS, TRAINING, WEIGHTS, check_small_files, find_step
from mt.checkpoint.tensor_file import TensorFile, write_tensors
from mt.data.lock import shared
from mt.data.tokenizer import BOS, EOS, TokenizerPair
from mt.data.whole_folder import json_text, whole_folder

# What a checkpoint may name. The classes of these packages only hold values and tensors; the only functions that it
# may name are those that change a model.
MODEL_PARTS = ("mt.attention.", "mt.model.")
CHANGE_FUNCTIONS = ("mt.compression.pruning.", "mt.compression.quantization.", "mt.model.alignment_head.")
CHANGES = (*CHANGE_FUNCTIONS, *MODEL_PARTS)
SEARCHES = ("mt.search.",)
NOTHING: Mapping[str, bytes] = MappingProxyType({})
# Of a checkpoint's search; the command line may set more. Powers of larger length penalties overflow.
MOST_IN_SEARCH = {"n_best": 1000, "size": 1000, "length_penalty": 20}


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """What resuming needs in addition to the model: tensors by name, and plain numbers."""

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A loaded checkpoint: the model with its weights, on the CPU, and what belongs to it."""

    folder: Path
    card: ModelCard
    model: nn.Module
    tokenizers: TokenizerPair
    search: Any  # the search method that was chosen for it, or None


def write_checkpoint(
    folder: Path,
    *,
    card: ModelCard,
    weights: Mapping[str, Tensor],
    tokenizers: TokenizerPair,
    scores: Mapping[str, Any],
    training: TrainingState | None = None,
    priors: Path | None = None,
    beside: Mapping[str, bytes] = NOTHING,
) -> None:
    """Writes the folder completely or not at all, with its manifest. Raises OSError when writing fails.

    `priors`: a file of word links to copy if it exists, as `mt.checkpoint.priors_file` describes it. `beside`: the
    content of other files, by name.
    """
    with whole_folder(folder) as new:
        marks = {WEIGHTS: write_tensors(new / WEIGHTS, weights)}
        body = {
            "format": FORMATS["model.yaml"],
            "source_language": card.source_language,
            "target_language": card.target_language,
            "model": card.model,
            "changes": list(card.changes),
            "max_pieces": card.max_pieces,
            "document": asdict(card.document),
            "reads_untagged": card.reads_untagged,
            **({} if card.images is None else {"images": {"size": card.images.size, "fit": card.images.fit}}),
            **({} if card.sounds is None else {"sounds": {"rate": card.sounds.rate, "seconds": card.sounds.seconds}}),
        }
        (new / "model.yaml").write_text(yaml_text(body), "utf-8")
        tokenizers.save(new)
        (new / "scores.json").write_text(json_text(scores), "utf-8")
        if training is not None:
            marks[TRAINING[0]] = write_tensors(new / TRAINING[0], training.tensors)
            numbers = {"format": FORMATS[TRAINING[1]], **training.numbers}
            (new / TRAINING[1]).write_text(json_text(numbers), "utf-8")
        if priors is not None and priors.is_file():
            shutil.copyfile(priors, new / PRIORS)
        for name, content in beside.items():
            (new / name).write_bytes(content)
        write_manifest(new, marks)


def load_checkpoint(path: str | Path) -> LoadedModel:
    """The model of a step folder, or of a run folder's best step, strictly checked.

    Raises ValueError, in one line, for a folder that is not a checkpoint, is damaged or comes from a newer version.
    """
    folder = find_step(Path(path))
    with one_short_line():
        # cheap checks first: sizes, small files, the model's outline, then all bytes, then memory
        with shared(folder):
            check_small_files(folder)
            card, search = read_card(folder), _read_search(folder / "search.yaml")
            tokenizers = TokenizerPair.load(folder)
        weights = TensorFile(folder / WEIGHTS)
        stored = {name: Shape(weights.shapes[name], weights.dtypes[name]) for name in weights}
        outline = outline_of(lambda: _build(card, tokenizers), stored, folder / "model.yaml")
        check_weights(outline, stored, weights.path)
        check_memory(outline, weights.path)
        if has_manifest(folder):
            verify(folder, (WEIGHTS,))
        with Unfilled():
            model = _build(card, tokenizers)
        load_weights(model, weights, weights.path)
        _check_finite(model, weights.path)
    return LoadedModel(folder=folder, card=card, model=model, tokenizers=tokenizers, search=search)


def _build(card: ModelCard, tokenizers: TokenizerPair) -> nn.Module:
    model = build(card.model, source_vocab_size=tokenizers.source.size, target_vocab_size=tokenizers.target.size)
    return changed(model, card.changes)


def changed(model: nn.Module, changes: Iterable[Mapping[str, Any]]) -> nn.Module:
    """The model after these changes, each a `_target_` that is called with it."""
    for change in changes:
        model = build(change, model=model)
    return model


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], origin: Path) -> None:
    """Copies weights in; raises ValueError naming the first one that is missing, unknown or of another shape."""
    own = kept_tensors(model)
    stored = {name: Shape.of(weight) for name, weight in weights.items()}
    check_weights({name: Shape.of(tensor) for name, tensor in own.items()}, stored, origin)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])


def _check_finite(model: nn.Module, origin: Path) -> None:
    """Raises ValueError naming the first weight with numbers that are not finite, or so large that they overflow."""
    parameters = dict(model.named_parameters())
    for name, tensor in kept_tensors(model).items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        most = MAX_WEIGHT if name in parameters else torch.finfo(tensor.dtype).max
        low, high = (float(one) for one in torch.aminmax(tensor.detach()))
        if not (-most <= low and high <= most):
            value = high if not high <= most else low
            raise ValueError(
                f"{origin}: {name} holds {value:g}, must be finite and {most:g} at most: it is damaged or has diverged"
            )


def read_card(folder: Path) -> ModelCard:
    """The content of `model.yaml`, in which only classes of ours are named; raises ValueError as `described` does."""
    card, path = described(folder), folder / "model.yaml"
    _refuse_strangers(path, card.model, MODEL_PARTS)
    for change in card.changes:
        _refuse_strangers(path, change, CHANGES, functions=CHANGE_FUNCTIONS)
    return card


def _read_search(path: Path) -> Any:
    """The search in search.yaml, built; None where there is none."""
    if not path.exists():
        return None
    node = with_current_targets(read_yaml(path))  # has the format number of model.yaml; nothing in it has changed yet
    _refuse_strangers(path, node, SEARCHES)
    try:
        search = build(node)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except Exception as error:  # untrusted arguments can raise anything
        raise ValueError(f"{path} describes no search: {type(error).__name__} {error}") from error
    if not callable(search) or not hasattr(search, "n_best"):
        raise ValueError(f"{path} describes no search, but a {type(search).__name__}")
    check_search(search, str(path))
    return search


def check_search(search: Any, where: str) -> None:
    """Raises ValueError, beginning with `where`, for a search that a checkpoint may not hold."""
    for name, value in vars(search).items():
        most = MOST_IN_SEARCH.get(name, MAX_NUMBER)
        if isinstance(value, (int, float)) and not abs(value) <= most:
            raise ValueError(f"{where}: {name} ({value}) must be {most} at most")
    if (search.bos, search.eos) != (BOS, EOS):
        raise ValueError(f"{where}: bos and eos ({search.bos}, {search.eos}) must be {BOS} and {EOS}")


def _refuse_strangers(
    path: Path, node: Mapping[str, Any], packages: tuple[str, ...], *, functions: tuple[str, ...] = ()
) -> None:
    """Allows only classes of these packages in a node, or, as the node itself, a function in `functions`."""
    for target in targets(node):
        try:
            found = find_target(target) if target.startswith(packages) else None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        is_ours = found is not None and found.__module__ == target.rpartition(".")[0]  # not merely imported there
        is_change = node.get("_target_") == target and target.startswith(functions)
        is_wanted = inspect.isclass(found) or (
            is_change and found is not None and "model" in inspect.signature(found).parameters
        )
        if not (is_ours and is_wanted):
            known = ", ".join(package.rstrip(".") for package in packages)
            raise ValueError(f"{path}: _target_ ({target}) must be a public class inside {known}")


def read_training(folder: Path) -> TrainingState:
    """What resuming needs, from a step folder; `weights.NAME` are the model's weights where no other ones were stored.

    The tensors are mapped: they take memory as they are used. Raises ValueError for what is damaged.
    """
    try:
        check_files(folder, (WEIGHTS, *TRAINING))
        said = read_json(folder / TRAINING[1])
        numbers = lifted(TRAINING[1], said, folder / TRAINING[1])
        tensors = lifted_tensors(TensorFile(folder / TRAINING[0]), said)
        if not any(name.startswith("weights.") for name in tensors):
            tensors |= {f"weights.{name}": tensor for name, tensor in TensorFile(folder / WEIGHTS).items()}
        return TrainingState(tensors=tensors, numbers={key: numbers[key] for key in numbers if key != "format"})
    except NewerFormat:
        raise
    except (KeyError, TypeError, OSError, ValueError) as error:
        raise ValueError(f"{folder} cannot be resumed from: {error}") from error
