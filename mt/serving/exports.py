"""What a worker runs with `--engine`: exports of `mt.export` in their own engine, in place of checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mt.inference.job import Load
from mt.interchange.exported import read_settings
from mt.interchange.translating import load_models
from mt.serving.engine import Engine


class Exports(Engine):
    """Like `Engine`, with exports for the engine of that name (`mt.interchange.table.ENGINES`)."""

    def __init__(self, engine: str, checkpoints: Sequence[Path], options: Mapping[str, Any]):
        super().__init__(checkpoints, options)
        self.engine = engine

    def folder(self, checkpoint: Path) -> Path:
        return checkpoint

    @property
    def load(self) -> Load:
        return partial(load_models, engine=self.engine)

    def about(self, folder: Path) -> dict[str, Any]:
        """See `Engine`; an export translates lines alone."""
        settings = read_settings(folder)
        languages = {name: settings[name] for name in ("source_language", "target_language")}
        return {**languages, "context_before": 0, "context_after": 0}
