"""What a training that starts from another model's checkpoint gains and forgets: both models on both runs' tests."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mt.checkpoint.changes import CONFIG, read_settings
from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.rebuild import build
from mt.data.held_out import HeldOut
from mt.data.pair import Pair
from mt.data.settings import DataSettings
from mt.evaluation.model_test import METRICS, ModelTest, Tested, tested
from mt.evaluation.report import table
from mt.evaluation.scores import Scores
from mt.evaluation.systems import Question, ask
from mt.evaluation.tokenization import ScoreSettings

log = logging.getLogger(__name__)

NEW, OLD = "this run", "the run it starts from"


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """The checkpoint that a run starts from and its own best one, to be compared."""

    before: Path
    after: Path
    device: str = "cpu"
    precision: str = "float32"

    def __call__(self, tests: Mapping[str, HeldOut], data: DataSettings, scores: ScoreSettings) -> dict[str, Any]:
        """For the tests of each run: scores and alignment error by model, and the p of the differences.

        Says in the log which tests cannot be compared, and why.
        """
        found: dict[str, Any] = {}
        try:
            card = load_checkpoint(self.before).card  # all of it: damage must not end a finished training
        except (ValueError, OSError) as error:  # it is gone, or of another program
            log.warning("gains: the model that this run started from cannot be read again: %s", error)
            return found
        languages = data.source_language, data.target_language
        if (card.source_language, card.target_language) != languages:
            known = f"{card.source_language}-{card.target_language}"
            log.warning("gains: the model that this run started from translates %s: nothing to compare", known)
            return found
        for whose, sets in ((NEW, tests), (OLD, self._old_tests())):
            for name, test in sets.items():
                if test.trees or test.images or test.sounds:
                    log.warning("gains: test %s of %s is left out: it has trees, pictures or sounds", name, whose)
                elif whose == NEW or not _is_same(test, tests.get(name)):
                    found.setdefault(whose, {})[name] = self._compared(test, data, scores)
        return found

    def _old_tests(self) -> dict[str, HeldOut]:
        """The tests of the run that the old checkpoint lies in; none where they cannot be read.

        `images` and `sounds` are the names of a test's pictures and sounds, which are not read.
        """
        folder = self.before.parent
        if not (folder / CONFIG).is_file():
            log.warning("gains: %s has no %s, which names the tests of the old model", folder, CONFIG)
            return {}
        try:
            tests = build(read_settings(folder)["data"]).tests
            return {name: _with_names(name, list(corpus)) for name, corpus in tests.items()}
        except (ValueError, OSError, KeyError) as error:
            log.warning("gains: the tests of %s cannot be read: %s", folder, error)
            return {}

    def _compared(self, test: HeldOut, data: DataSettings, scores: ScoreSettings) -> dict[str, Any]:
        of_test = ModelTest.of_held_out(test, scores.fitting(data.target_language).tokenization)
        before, after = (
            tested(checkpoint, of_test, device=self.device, precision=self.precision)
            for checkpoint in (self.before, self.after)
        )
        lines = {"before": before.lines, "after": after.lines}
        question = Question(metrics=METRICS, paired="bootstrap")
        answer = ask(question, lines, [of_test.references], tokenization=of_test.tokenization)
        return {"before": _record(before), "after": _record(after), "p": answer.p["after"]}


def _with_names(name: str, pairs: Sequence[Pair]) -> HeldOut:
    """The held-out set of these pairs, with the names of pictures and sounds where there are any."""
    images, sounds = [pair.image or "" for pair in pairs], [pair.sound or "" for pair in pairs]
    read = HeldOut.read(name, pairs)
    return replace(read, images=images if any(images) else None, sounds=sounds if any(sounds) else None)


def _is_same(test: HeldOut, other: HeldOut | None) -> bool:
    return other is not None and (test.sources, test.targets) == (other.sources, other.targets)


def _record(of_model: Tested) -> dict[str, Any]:
    error = of_model.alignment_error
    return {**of_model.scores.to_dict(), **({} if error is None else {"aer": round(error, 4)})}


def transfer_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """What `scores.json` holds under "transfer", two rows for each test."""
    rows, notes = {}, []
    for whose, tests in found.items():
        for name, both in tests.items():
            for which in ("before", "after"):
                rows[f"{name} of {whose}, {which}"] = Scores.from_dict(both[which])
            notes.append(f"{name} of {whose}: {_change(both)}")
    return "\n".join([table(rows, first_column="gains and losses"), *notes])


def _change(both: Mapping[str, Any]) -> str:
    before, after = both["before"], both["after"]
    parts = [f"BLEU {after['bleu'] - before['bleu']:+.2f} (p {both['p']['bleu']:.3f})"]
    if "aer" in before and "aer" in after:
        parts.append(f"AER {100 * (after['aer'] - before['aer']):+.1f}")
    return ", ".join(parts)
