"""What a training run writes into its folder: deleting an earlier run deletes this list and nothing else.

Code that writes a new kind of file into a run folder adds it here; a test compares the list with a finished run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from mt.data.whole_folder import REPLACED, written_name

LINKS = ("best", "last")
LOCK = ".lock"
FILES = (
    *("config.yaml", "changes.jsonl", "metrics.jsonl", "ledger.json", "scores.json", "wandb_id.txt"),
    "started_from.json",
    *("curve.png", "curve.svg"),
)
STEP_FILES = (
    *("manifest.json", "model.yaml", "model.safetensors", "tokenizer.model", "source.model", "target.model"),
    *("scores.json", "search.yaml", "alignment.json", "confidence.json", "shortlist.safetensors", "priors.safetensors"),
    *("reranking.json", "training.safetensors", "training.json"),
)
STEP = re.compile(r"step_\d{1,18}|average|damaged_(step_\d{1,18}|average)(_\d+)?")
FOLDERS = {  # with the names in them; translations are named after the test sets of the settings
    "attention": re.compile(r"step_\d+\.(png|npz)"),
    "bad_batches": re.compile(r"step_\d+_\d+_\d+\.json"),
    "tensorboard": re.compile(r"events\.out\.tfevents\..+"),
    "wandb": re.compile(r"(offline-)?run-.+|latest-run|debug.*\.log|settings|wandb-resume\.json"),
    "translations": None,
}


def foreign(run: Path, tests: Collection[str]) -> list[str]:
    """Entries of a run's folder that no run with these `tests` writes, as sorted relative paths.

    A foreign folder is one entry, ending in a slash; a link belongs to the run where a run makes a link.
    """
    found = []
    for path in sorted(run.iterdir()):
        name = path.name
        is_temporary = _last_name(name) != name and is_name_of_run(_last_name(name))
        is_link = name in LINKS and path.is_symlink()
        if is_temporary or is_link or (_is_file(path) and name in (*FILES, LOCK)):
            continue
        if _is_folder(path) and STEP.fullmatch(name):
            found += [f"{name}/{other}" for other in foreign_in_step(path)]
        elif _is_folder(path) and name in FOLDERS:
            found += [f"{name}/{other}" for other in _foreign_in(path, tests)]
        else:
            found.append(_named(path))
    return found


def foreign_in_step(step: Path) -> list[str]:
    """Entries of a step folder that are not part of a checkpoint."""
    ours = (path.name for path in step.iterdir() if _is_file(path) and _last_name(path.name) in STEP_FILES)
    known = set(ours)
    return [_named(path) for path in sorted(step.iterdir()) if path.name not in known]


def own_links(run: Path) -> Iterator[Path]:
    """Links in places where a run writes files: it would write to other places through them."""
    for path in run.iterdir():
        name = path.name
        if path.is_symlink() and name not in LINKS and is_name_of_run(name):
            yield path
        elif name in FOLDERS and name != "wandb" and path.is_dir():
            yield from (inside for inside in path.iterdir() if inside.is_symlink())


def written_by_runs(folder: Path) -> list[str]:
    """The entries of a folder that have names which a run would write."""
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if is_name_of_run(name) and name != LOCK]


def is_name_of_run(name: str) -> bool:
    """Whether a run writes something of this name into its folder."""
    return name in (*FILES, *LINKS, *FOLDERS, LOCK) or STEP.fullmatch(name) is not None


def _foreign_in(folder: Path, tests: Collection[str]) -> list[str]:
    pattern = FOLDERS[folder.name]
    found = []
    for path in sorted(folder.iterdir()):
        whole = _last_name(path.name)
        is_known = pattern.fullmatch(whole) if pattern else whole in {f"{test}.txt" for test in tests}
        if not is_known or not (folder.name == "wandb" or _is_file(path)):
            found.append(_named(path))
    return found


def _last_name(name: str) -> str:
    """The final name of a temporary file; any other name unchanged."""
    if name.startswith(".") and name.endswith(REPLACED):
        return name[1:].removesuffix(REPLACED)
    return written_name(name) or name


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _named(path: Path) -> str:
    return f"{path.name}{os.sep}" if _is_folder(path) else path.name
