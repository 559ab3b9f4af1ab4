"""Lines to measure an export with: files that are given, or the validation set of the checkpoint's run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.checkpoint.changes import CONFIG, read_settings
from mt.checkpoint.folder import LoadedModel
from mt.data.formats.lines import read_lines
from mt.data.held_out import HeldOut


@dataclass(frozen=True)
class Lines:
    """Sources, their references if there are any, and where they come from."""

    sources: Sequence[str]
    references: Sequence[str] | None
    origin: str


def given_lines(source: str, reference: str | None, limit: int) -> Lines:
    """The first `limit` lines of these files. Raises ValueError for files of different lengths, or without lines."""
    sources = list(read_lines(source))
    references = None if reference is None else list(read_lines(reference))
    if references is not None and len(references) != len(sources):
        raise ValueError(f"{reference} has {len(references)} lines, {source} has {len(sources)}")
    if not sources:
        raise ValueError(f"{source} has no lines: there is nothing to measure with")
    return Lines(sources[:limit], None if references is None else references[:limit], source)


def lines_of_run(loaded: LoadedModel, limit: int) -> Lines:
    """The first `limit` lines of the validation set of the checkpoint's run.

    Raises ValueError, asking for --source, where the run's settings or its prepared data are not there.
    """
    run, card = loaded.folder.parent, loaded.card
    prepared = None
    if (run / CONFIG).is_file():
        prepared = Path(str(read_settings(run)["data"]["prepared"]))
    if prepared is None or not (prepared / f"valid.{card.source_language}").is_file():
        where = f"{run} has no {CONFIG}" if prepared is None else f"{prepared} has no validation set"
        raise ValueError(f"--source FILE is needed, lines to measure the export with: {where}")
    valid = HeldOut.load(prepared, "valid", card.source_language, card.target_language)
    return Lines(valid.sources[:limit], valid.targets[:limit], f"{prepared}, valid")
