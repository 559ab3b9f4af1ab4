"""Checkpoint folders: found, read, and written whole or not at all.

    checkpoints/<run>/  config.yaml  metrics.jsonl  ledger.json  scores.json  step_001000/  best -> …  last -> …
      step_…/  model.safetensors  model.yaml  tokenizer.model  scores.json
               search.yaml  alignment.json             (how to search and where to look, chosen at the end of a run)
               training.safetensors  training.json      (absent when exported)

Nothing in a step folder is unpickled, and `model.yaml` may only name things inside `mt.`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mt.checkpoint.rebuild import build, targets
from mt.data.tokenizer import TokenizerPair

FORMAT = 1
# what a checkpoint, perhaps a stranger's, may name: other packages of ours write and delete files
PACKAGES = ("mt.attention.", "mt.model.", "mt.search.", "mt.compression.")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What `model.yaml` says: how to build the fresh model, and what was done to it since, in order."""

    model: Mapping[str, Any]  # the `_target_` node
    source_language: str
    target_language: str
    changes: list[Mapping[str, Any]] = field(default_factory=list)  # each a `_target_` called with the model


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """What resuming needs beside the model: tensors by name, and plain numbers."""

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A checkpoint at hand: the model with its weights, on the CPU, and what belongs to it."""

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
) -> None:
    """Writes the folder whole or not at all: into a temporary neighbour, synced to disk, then renamed."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        save_file(_unshared(weights), temporary / "model.safetensors")
        body = {
            "format": FORMAT,
            "source_language": card.source_language,
            "target_language": card.target_language,
            "model": card.model,
            "changes": list(card.changes),
        }
        (temporary / "model.yaml").write_text(yaml.safe_dump(body, sort_keys=False, allow_unicode=True), "utf-8")
        tokenizers.save(temporary)
        write_json(temporary / "scores.json", scores)
        if training is not None:
            save_file(_unshared(training.tensors), temporary / "training.safetensors")
            write_json(temporary / "training.json", training.numbers)
        for path in temporary.iterdir():
            _sync(path)
        _sync(temporary)
        # a rename cannot replace a full folder: the old one steps aside first
        old = folder.with_name(f".{folder.name}.old")
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        _sync(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def point(run: Path, name: str, step_folder: Path) -> None:
    """Makes `run/name` a link to a step folder in it, in one move."""
    temporary = run / f".{name}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(step_folder.name)
    temporary.replace(run / name)


def load_checkpoint(path: str | Path) -> LoadedModel:
    """The model of a step folder, or of a run folder's best step, strictly checked.

    Raises ValueError, in one line, for a folder that is no checkpoint, is damaged or comes from a newer version.
    """
    folder = find_step(Path(path))
    card = read_card(folder)
    tokenizers = TokenizerPair.load(folder)
    search = _read_search(folder / "search.yaml")
    _refuse_strangers(folder, [card.model, card.changes, search])
    model = build(card.model, source_vocab_size=tokenizers.source.size, target_vocab_size=tokenizers.target.size)
    for change in card.changes:
        model = build(change, model=model)
    try:
        weights = load_file(folder / "model.safetensors")
    except Exception as error:  # safetensors raises a type of its own for torn files
        raise ValueError(f"{folder / 'model.safetensors'} cannot be read: {error}") from error
    load_weights(model, weights, folder / "model.safetensors")
    return LoadedModel(
        folder=folder,
        card=card,
        model=model,
        tokenizers=tokenizers,
        search=build(search),
    )


def _read_search(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8")) if path.exists() else None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no search description: {error!r}".replace("\n", " ")) from error


def _refuse_strangers(folder: Path, nodes: Any) -> None:
    for target in targets(nodes):
        if not target.startswith(PACKAGES):
            known = ", ".join(package.rstrip(".") for package in PACKAGES)
            raise ValueError(f"{folder}: _target_ ({target}) must be a public class or function inside {known}")


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], origin: Path) -> None:
    """Copies weights in; raises ValueError naming the first one that is missing, unknown or of another shape."""
    own = dict(model.named_parameters())
    for name, parameter in own.items():
        if name not in weights:
            raise ValueError(f"{origin} lacks the weight {name}")
        if weights[name].shape != parameter.shape:
            raise ValueError(
                f"{origin}: {name} has shape {list(weights[name].shape)}, the model needs {list(parameter.shape)}"
            )
    unknown = sorted(set(weights) - set(own))
    if unknown:
        raise ValueError(f"{origin} holds the weight {unknown[0]}, which the model does not have")
    for name, parameter in own.items():
        parameter.data.copy_(weights[name])


def read_card(folder: Path) -> ModelCard:
    """What `model.yaml` says; raises ValueError when it is missing, torn or from a newer version."""
    path = folder / "model.yaml"
    try:
        body = yaml.safe_load(path.read_text("utf-8"))
        if body["format"] > FORMAT:
            raise ValueError(f"{path} has format {body['format']}, this program reads up to {FORMAT}: update it")
        return ModelCard(
            model=body["model"],
            source_language=body["source_language"],
            target_language=body["target_language"],
            changes=body["changes"],
        )
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is no model description: {error!r}".replace("\n", " ")) from error


def read_training(folder: Path) -> TrainingState:
    """What resuming needs, from a step folder."""
    try:
        return TrainingState(
            tensors=load_file(folder / "training.safetensors"),
            numbers=json.loads((folder / "training.json").read_text("utf-8")),
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"{folder} cannot be resumed from: {error}") from error


def find_step(path: Path) -> Path:
    """The step folder that `path` means: itself, or `best` (else `last`) of a run folder. Raises ValueError."""
    for candidate in (path, path / "best", path / "last"):
        if (candidate / "model.yaml").is_file():
            return candidate.resolve()
    what = "is no checkpoint: it holds neither model.yaml nor a step folder" if path.exists() else "does not exist"
    raise ValueError(f"checkpoint ({path}) {what}")


def newest_run(root: Path = Path("checkpoints")) -> Path:
    """The run folder under `root` that finished last. Raises ValueError when there is none."""
    found = [*root.glob("*/scores.json"), *root.glob("*/*/scores.json")]  # the second kind: runs of a multirun
    finished = [path.parent for path in found if (path.parent / "best").exists()]
    if not finished:
        raise ValueError(f"no finished run under {root}/: train one (make demo) or name one with --checkpoint")
    return max(finished, key=lambda run: (run / "scores.json").stat().st_mtime)


def write_json(path: Path, body: Any) -> None:
    """JSON as people read it, written to a temporary file and renamed."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
