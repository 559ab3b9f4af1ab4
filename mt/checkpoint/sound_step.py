"""Whether a step folder of a run is sound, and what can be resumed from it."""

from __future__ import annotations

import errno
from collections.abc import Collection
from pathlib import Path

from mt.checkpoint.folder import TrainingState, read_training
from mt.checkpoint.manifest import has_manifest, verify
from mt.checkpoint.migrations import NewerFormat, format_of
from mt.checkpoint.small_file import read_json
from mt.checkpoint.steps import SMALL_FILES, TRAINING, WEIGHTS
from mt.data.tokenizer import TokenizerPair


def has_tokenizers(step: Path, tokenizers: TokenizerPair) -> bool:
    """Whether the step's tokenizers are these, byte for byte; True where they cannot be read."""
    try:
        own = TokenizerPair.load(step)
    except (OSError, ValueError):  # damaged: reported when it is resumed from
        return True
    return all(
        one.to_bytes() == other.to_bytes()
        for one, other in ((own.source, tokenizers.source), (own.target, tokenizers.target))
    )


def was_validated(folder: Path) -> bool:
    """Whether the step has scores; a step saved after a signal has none."""
    try:
        return bool(read_json(folder / "scores.json"))
    except (OSError, ValueError):  # damaged: reported when it is resumed from
        return False


def _problem(folder: Path, names: Collection[str] | None = None) -> str:
    """What is wrong with these files of a folder (None: with any), by its manifest; empty when they are sound."""
    try:
        verify(folder, names)
    except ValueError as error:
        return str(error)
    except OSError as error:
        if error.errno != errno.EIO:  # EIO: the disk lost it; other errors may be temporary, and need a person
            raise
        return str(error)
    return ""


def problem_of_model(folder: Path) -> str:
    """The same without what only resuming needs, which people may delete to save space."""
    return _problem(folder, (*SMALL_FILES, WEIGHTS))


def is_stripped(folder: Path) -> bool:
    """Whether the files that only resuming needs were deleted."""
    return not any((folder / name).exists() for name in TRAINING)


def _is_older_than_manifests(folder: Path) -> bool:
    try:
        return not has_manifest(folder) and format_of(TRAINING[1], read_json(folder / TRAINING[1])) == 1
    except (OSError, ValueError):
        return False


def read_sound(folder: Path) -> tuple[str, TrainingState | None]:
    """The training state of a sound folder, or what is wrong. Raises NewerFormat."""
    problem = "" if _is_older_than_manifests(folder) else _problem(folder)
    if problem:
        return problem, None
    try:
        return "", read_training(folder)
    except NewerFormat:  # the file is not damaged
        raise
    except ValueError as error:
        return str(error), None
