"""What a worker runs: models are loaded once, and lines translated by the same code as the command `translate`."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mt.checkpoint.folder import read_card
from mt.checkpoint.steps import find_step
from mt.data.document import Context
from mt.inference.alternatives import alternatives
from mt.inference.job import Job, load_models
from mt.inference.job import Load as LoadModels
from mt.inference.options import Options
from mt.inference.terms import Glossary
from mt.inference.window import Window
from mt.serving.ask import Ask, Unit
from mt.serving.messages import Batch, Broke, Failed, Load, ModelFacts, Outcome
from mt.terminal import log_to_stderr

WARM_UP = "."  # a first line, so that what libraries set up once is not waited for by a client


class Engine:
    """The models of a worker. Called with `Load` it gives their facts, with a `Batch` an outcome for each line."""

    def __init__(self, checkpoints: Sequence[Path], options: Mapping[str, Any]):
        """`options` are those of `mt.inference.options.Options` that hold for all requests."""
        log_to_stderr()
        logging.getLogger("mt").setLevel(logging.ERROR)  # notes on lines go to the client, not to a log
        self.checkpoints, self.options = checkpoints, Options(**options, json=True)
        self._jobs: list[Job] = []

    def __call__(self, message: Load | Batch) -> list[ModelFacts] | list[Outcome]:
        return self.facts() if isinstance(message, Load) else self.outcomes(message.ask, message.units)

    def facts(self) -> list[ModelFacts]:
        """Loads the models. Raises ValueError in one line."""
        folders = list(map(self.folder, self.checkpoints))
        self._jobs = [Job([folder], self.options, self.load) for folder in folders]
        found: list[ModelFacts] = []
        for checkpoint, folder, job in zip(self.checkpoints, folders, self._jobs, strict=True):
            translator, about = job.load(), self.about(folder)
            if translator.images is not None or translator.sounds is not None:
                verb = "hears sounds" if translator.images is None else "sees pictures"
                raise ValueError(f"{checkpoint} {verb}, and the server translates text: use translate or mt.caption")
            reads_untagged = translator.tags.reads_untagged is not False or not translator.tags.known
            self.outcomes(Ask(model=len(found), tag=None if reads_untagged else translator.tags.known[0]), [WARM])
            found.append(
                ModelFacts(
                    checkpoint=checkpoint,
                    folder=folder,
                    tags=tuple(translator.tags.known),
                    reads_untagged=reads_untagged,
                    width=getattr(translator.search, "size", 1),
                    **about,
                )
            )
        return found

    def folder(self, checkpoint: Path) -> Path:
        """The folder to load: a fixed step, since `best` may move meanwhile."""
        return find_step(checkpoint)

    @property
    def load(self) -> LoadModels:
        """What loads a folder for a job."""
        return load_models

    def about(self, folder: Path) -> dict[str, Any]:
        """The languages of a model, and the context that it reads, named as in `ModelFacts`."""
        card = read_card(folder)
        return {
            "source_language": card.source_language,
            "target_language": card.target_language,
            "context_before": card.document.context_before,
            "context_after": card.document.context_after,
        }

    def outcomes(self, ask: Ask, units: Sequence[Unit]) -> list[Outcome]:
        """The records of lines. A line that fails does not affect the others: each is then translated alone."""
        try:
            return list(self._records(ask, units))
        except Exception as error:
            if len(units) > 1:
                return [outcome for unit in units for outcome in self.outcomes(ask, [unit])]
            return [Failed(" ".join(str(error).split())) if isinstance(error, ValueError) else Broke(_where(error))]

    def _records(self, ask: Ask, units: Sequence[Unit]) -> list[dict[str, Any]]:
        options = replace(self.options, **ask.options(), terms=Glossary(dict(ask.terms)) if ask.terms else None)
        job = self._jobs[ask.model].with_options(options)
        contexts = [Context(unit.before, unit.after) for unit in units]
        if ask.distinct:
            return [alternatives(job, unit.text, context) for unit, context in zip(units, contexts, strict=True)]
        rows = job(Window(0, [unit.text for unit in units], contexts))
        return [json.loads(row) for row in rows.text.split("\n")[:-1]]


WARM = Unit(WARM_UP)


def _where(error: Exception) -> str:
    """The kind of an error and the line of code that raised it; not its message, which may quote a text."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
