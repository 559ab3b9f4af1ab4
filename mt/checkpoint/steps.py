"""Step folders: their files, and where they are in a run. Never imports torch."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from mt.checkpoint.manifest import check_listed, has_manifest, verify, verify_sizes
from mt.checkpoint.small_file import check_files

log = logging.getLogger(__name__)

WEIGHTS, TRAINING = "model.safetensors", ("training.safetensors", "training.json")
SMALL_FILES = (
    *("manifest.json", "model.yaml", "tokenizer.model", "source.model", "target.model"),
    *("search.yaml", "alignment.json", "confidence.json", "scores.json"),
)
SHORTLIST = "shortlist.safetensors"
PRIORS = "priors.safetensors"


def check_small_files(folder: Path) -> None:
    """Raises ValueError for a file of a step folder that is not plain, is too large, or is not what the manifest says.

    Of the weights only the size is compared; `mt.checkpoint.manifest.verify` reads them.
    """
    check_files(folder, (*SMALL_FILES, WEIGHTS))
    if has_manifest(folder):
        check_listed(folder, (*SMALL_FILES, WEIGHTS, *TRAINING, SHORTLIST, PRIORS))
        verify_sizes(folder, (WEIGHTS,))
        verify(folder, SMALL_FILES)


def find_step(path: Path) -> Path:
    """The step folder at `path`: itself, or `best` (else `last`) of a run folder. Raises ValueError.

    In a run folder without these links (some ways of copying lose them) it is the newest step, with a warning.
    """
    if (path / "model.yaml").is_file():
        return path.resolve()
    for candidate in (path / "best", path / "last"):
        if (candidate / "model.yaml").is_file():
            if candidate.resolve().parent != path.resolve():
                raise ValueError(
                    f"{candidate} points outside the run, to {candidate.resolve()}: name that folder itself"
                )
            return candidate.resolve()
    for candidate in numbered_steps(path)[::-1]:
        if (candidate / "model.yaml").is_file() and not candidate.is_symlink():
            log.warning("%s has neither best nor last: using %s", path, candidate.name)
            return candidate.resolve()
    what = "is not a checkpoint: it holds neither model.yaml nor a step folder" if path.exists() else "does not exist"
    raise ValueError(f"checkpoint ({path}) {what}")


def step_number(path: Path) -> int | None:
    """The number in the name of a step folder; None for other names."""
    found = re.fullmatch(r"step_(\d{1,18})", path.name)
    return int(found[1]) if found else None


def numbered_steps(run: Path) -> list[Path]:
    """All numbered step folders of a run, oldest first, however many digits."""
    found = [path for path in run.glob("step_*") if step_number(path) is not None and path.is_dir()]
    return sorted(found, key=lambda path: step_number(path) or 0)


def newest_run(root: Path = Path("checkpoints")) -> Path:
    """The run folder under `root` that finished last. Raises ValueError when there is none."""
    found = [*root.glob("*/scores.json"), *root.glob("*/*/scores.json")]  # the second kind: runs of a multirun
    finished = [path.parent for path in found if (path.parent / "best").exists()]
    if not finished:
        raise ValueError(f"no finished run under {root}/: train one (make demo) or name one with --checkpoint")
    return max(finished, key=lambda run: (run / "scores.json").stat().st_mtime)
