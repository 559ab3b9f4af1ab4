"""A worker's function without a model: reverses the words of a line, or does what the line says."""

import os
import signal
import time
from pathlib import Path

from mt.serving.messages import Broke, Failed, Load, ModelFacts


class Reverse:
    """Called like `mt.serving.engine.Engine`. A note of each record says how many lines its batch had.

    Lines that begin with these words: `slow` takes 0.3 seconds, `end` ends the process by SIGKILL, `end-once` only if
    no file marks that it did before, `wrong` is the client's mistake, `broken` the program's.
    """

    def __init__(self, folder, *, name="step_000001", marks=None, context=0, languages=(("de", "en"),)):
        self.folder, self.name, self.marks, self.context, self.languages = folder, name, marks, context, languages

    def __call__(self, message):
        if isinstance(message, Load):
            return [self.facts(source, target) for source, target in self.languages]
        time.sleep(0.3 if any(unit.text.startswith("slow") for unit in message.units) else 0)
        return [self.outcome(unit, message) for unit in message.units]

    def facts(self, source, target):
        return ModelFacts(
            checkpoint=Path(f"{source}-{target}"),
            folder=Path(self.folder),
            source_language=source,
            target_language=target,
            tags=(),
            reads_untagged=True,
            width=4,
            context_before=self.context,
            context_after=0,
        )

    def outcome(self, unit, message):
        word = unit.text.split()[0]
        if word == "end" or (word == "end-once" and not self.is_marked()):
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "wrong":
            return Failed("this line is wrong")
        if word == "broken":
            return Broke("somewhere")
        text = " ".join([*message.ask.prefix.split(), *reversed(unit.text.split())])
        found = [{"text": f"{text}{rank or ''}", "score": -float(rank)} for rank in range(message.ask.n_best)]
        notes = [f"{len(message.units)} lines", *unit.before]
        return {"line": 1, "source": unit.text, "translations": found, "notes": notes}

    def is_marked(self):
        mark = Path(self.marks) / "ended"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return True
        return False
