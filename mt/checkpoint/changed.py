"""A changed copy of a checkpoint in a new folder; the one that it was made of stays."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mt.checkpoint.folder import NOTHING, LoadedModel, write_checkpoint
from mt.checkpoint.outline import kept_tensors
from mt.checkpoint.small_file import read_json
from mt.checkpoint.steps import PRIORS, SHORTLIST, WEIGHTS
from mt.checkpoint.tensor_file import TensorFile
from mt.data.lock import only_process
from mt.data.whole_folder import remove_unfinished

log = logging.getLogger(__name__)

ALIGNMENT = "alignment.json"
OF_TRANSLATIONS = ("confidence.json", "reranking.json")  # measured of the model's own translations


def has_bfloat16(folder: Path) -> bool:
    """Whether the matrices of a step folder are stored in bfloat16; loading makes them float32 again."""
    return torch.bfloat16 in TensorFile(folder / WEIGHTS).dtypes.values()


@contextmanager
def new_folder(output: Path) -> Iterator[None]:
    """Holds a new folder for this process, which may write a checkpoint there.

    Raises ValueError unless `output` does not exist or is an empty folder, which a killed process leaves.
    """
    with only_process(output):
        check_new(output)  # another process may have written it by now
        remove_unfinished(output.parent, output.name.__eq__)  # left by one that was killed
        yield


def check_new(output: Path) -> None:
    """Raises ValueError unless `output` does not exist or is an empty folder."""
    if output.is_symlink() or (output.exists() and not (output.is_dir() and not any(output.iterdir()))):
        raise ValueError(f"--output ({output}) must be a new folder: this one exists")


def write_changed(
    output: Path,
    loaded: LoadedModel,
    changes: Sequence[Mapping[str, Any]],
    *,
    in_bfloat16: bool | None = None,
    alignment: str | None = None,
    translates_alike: bool = True,
    report: Mapping[str, bytes] = NOTHING,
) -> None:
    """Writes the model of `loaded`, which these changes were made to, with what belongs to it: all of it or nothing.

    `in_bfloat16` says whether matrices are stored so; None: if they were before. `alignment` is another alignment.json
    ("" for none), `report` the content of a file beside it, by name. Unless it `translates_alike`, what is known of its
    translations is left out, with a warning. The scores stay those of the checkpoint before: they say where the model
    comes from.
    """
    weights = {name: tensor.detach().cpu() for name, tensor in kept_tensors(loaded.model).items()}
    if has_bfloat16(loaded.folder) if in_bfloat16 is None else in_bfloat16:
        weights = {name: one.bfloat16() if _is_matrix(one) else one for name, one in weights.items()}
    beside = dict(report)
    for name in ("search.yaml", SHORTLIST, *([ALIGNMENT] if alignment is None else []), *OF_TRANSLATIONS):
        if not (loaded.folder / name).is_file():
            continue
        if name in OF_TRANSLATIONS and not translates_alike:
            log.warning("%s is left out: it was measured of the model before", name)
            continue
        beside[name] = (loaded.folder / name).read_bytes()
    if alignment:
        beside[ALIGNMENT] = alignment.encode()
    write_checkpoint(
        output,
        card=replace(loaded.card, changes=[*loaded.card.changes, *changes]),
        weights=weights,
        tokenizers=loaded.tokenizers,
        scores=read_json(loaded.folder / "scores.json"),
        priors=loaded.folder / PRIORS,
        beside=beside,
    )


def _is_matrix(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.dim() > 1
