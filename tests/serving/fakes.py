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


class Linked(Reverse):
    """Like `Reverse`, with all that a record may hold, for the page: the words reversed, in capitals.

    A prefix stands in front in place of as many words. The word `lost` is left out; every third word is sure, unsure
    and doubtful; `<b>` stays around its word; the candidates end in different numbers.
    """

    SURE = (0.95, 0.5, 0.1)

    def outcome(self, unit, message):
        found = super().outcome(unit, message)
        if not isinstance(found, dict):
            return found
        ask = message.ask
        plain = unit.text.replace("<b>", "").replace("</b>", "") if ask.markup else unit.text
        source = plain.split()
        places = [place for place in reversed(range(len(source))) if source[place] != "lost"]
        words = [source[place].upper() for place in places]
        terms = [
            {"source": term, "target": target, "times": 1, "found": found, "is_honoured": bool(found)}
            for term, target in ask.terms
            for found in [words.count(target)]
            if term in source
        ]
        prefix = ask.prefix.split()
        candidates = []
        for rank in range(ask.n_best):
            of_rank = [*prefix, *words[len(prefix) :]]
            if rank:
                of_rank[len(prefix)] += str(rank)
            marked = [f"<b>{word}</b>" if f"<b>{word.lower()}</b>" in unit.text else word for word in of_rank]
            candidates.append(
                {
                    "text": " ".join(marked if ask.markup else of_rank),
                    **({"plain_text": " ".join(of_rank)} if ask.markup else {}),
                    "score": -float(rank),
                    "links": " ".join(f"{place}-{target}" for target, place in enumerate(places)),
                    "confidence": [self.SURE[target % 3] for target in range(len(words))],
                    "omitted": [{"position": source.index("lost"), "word": "lost"}] if "lost" in source else [],
                    "repeated": [],
                    "terms": terms,
                }
            )
        shown = {"plain_source": plain} if ask.markup else {}
        return {"line": 1, "source": unit.text, **shown, "translations": candidates, "notes": []}
