"""Finished models side by side: what each costs and what it gives, measured in turns."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.outline import kept_tensors
from mt.checkpoint.steps import SHORTLIST, find_step
from mt.comparison.model_turn import MODES
from mt.compression.quantization import is_storage
from mt.evaluation.model_test import ModelTest, alignment_error
from mt.evaluation.systems import Question, ask
from mt.model.rounded import float_tensors

log = logging.getLogger(__name__)

ENGINES = ("ctranslate2",)
PRECISIONS = ("float32", "bfloat16", "int8")
MODEL_ENDINGS = (".safetensors", ".bin", ".model", ".json", ".yaml", ".txt")
OF_TRAINING = ("training.safetensors", "training.json")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CT2_INTRA_THREADS": "1"}


@dataclass(frozen=True)
class Entry:
    """A model to measure: a checkpoint at a precision, with its shortlist or without, or an export and its engine."""

    name: str
    folder: Path
    precision: str = "float32"
    shortlist: bool = False
    engine: str | None = None

    @classmethod
    def of(cls, text: str) -> Entry:
        """FOLDER, FOLDER@int8, FOLDER@int8+shortlist, FOLDER@ctranslate2. Raises ValueError for another way.

        A checkpoint with 8-bit integers is measured at int8, another one at float32.
        """
        path, _, how = text.rpartition("@")
        if not path or "/" in how or Path(text).is_dir():  # a folder, whose path may hold an @
            path, how = text, ""
        words = how.split("+") if how else []
        unknown = [word for word in words if word not in (*PRECISIONS, *ENGINES, "shortlist")]
        if unknown:
            raise ValueError(f"{text}: {unknown[0]} must be one of {', '.join((*PRECISIONS, *ENGINES, 'shortlist'))}")
        engine = next((word for word in words if word in ENGINES), None)
        has_precision_and_list = len(words) == 2 and "shortlist" in words and len({*words} & {*PRECISIONS}) == 1
        if len(words) > 1 and not has_precision_and_list:
            raise ValueError(f"{text}: one of {', '.join((*PRECISIONS, *ENGINES))} can be asked for, not {how}")
        if engine:
            return cls(text, Path(path), engine=engine)
        folder = find_step(Path(path))
        precision = next((word for word in words if word in PRECISIONS), None)
        if precision is None:
            precision = "int8" if any(map(is_storage, load_checkpoint(folder).card.changes)) else "float32"
        if "shortlist" in words and not (folder / SHORTLIST).is_file():
            raise ValueError(f"{text}: there is no shortlist: python -m mt.shortlist writes one")
        return cls(text, folder, precision, "shortlist" in words)


@dataclass
class Measured:
    """What was found of an entry; `turns` are those of `mt.comparison.model_turn`, without the translations."""

    entry: Entry
    megabytes: float
    parameters: int | None
    lines: dict[str, list[str]] = field(default_factory=dict)  # by mode
    turns: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # by mode: bleu, chrf, p of each
    alignment_error: float | None = None

    def number(self, name: str) -> float:
        """The median of the turns."""
        return median(turn[name] for turn in self.turns)


def measure(entries: Sequence[Entry], test: ModelTest, *, rounds: int, lines: int, one_lines: int) -> list[Measured]:
    """Everything about the entries; p values are against the first. Each turn is a process with one thread.

    Speeds are of the first `lines` of the test, scores of all of it.
    """
    found = [Measured(entry, _megabytes(entry), _parameters(entry)) for entry in entries]
    for number in range(rounds):
        for one in found:
            log.info("round %d of %d: %s", number + 1, rounds, one.entry.name)
            is_first = number == 0
            some = test.sources if is_first else test.sources[:lines]
            turn = run_turn(one.entry, some, timed=lines, one_lines=one_lines, tag=test.tag)
            translations = {mode: turn.pop(f"{mode}_lines") for mode in MODES}
            if is_first:
                one.lines = translations
            one.turns.append(turn)
    for mode in MODES:
        question = Question(metrics=("bleu", "chrf"), paired="bootstrap" if len(found) > 1 else None)
        systems = {one.entry.name: one.lines[mode] for one in found}
        answer = ask(question, systems, [test.references], tokenization=test.tokenization)
        for one in found:
            scores = answer.scores[one.entry.name].values
            p = answer.p.get(one.entry.name, {})
            one.scores[mode] = {**scores, **{f"p_{name}": value for name, value in p.items()}}
    for one in found:
        if not one.entry.engine:
            one.alignment_error = alignment_error(one.entry.folder, test, precision=one.entry.precision)
    return found


def run_turn(
    entry: Entry, lines: Sequence[str], *, timed: int, one_lines: int, tag: str | None = None
) -> dict[str, Any]:
    """One turn in a new process. Raises ValueError with its last line where it fails."""
    told = {
        **{"folder": str(entry.folder), "engine": entry.engine, "precision": entry.precision},
        **{"shortlist": entry.shortlist, "lines": list(lines), "timed": timed, "one_lines": one_lines, "tag": tag},
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "specification.json"
        path.write_text(json.dumps(told), "utf-8")
        command = [sys.executable, "-m", "mt.comparison.model_turn", str(path)]
        done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise ValueError(f"{entry.name}: {re.sub(r'^[A-Za-z]+Error: ', '', last)}")
    return json.loads(done.stdout.strip().rpartition("\n")[2])


@dataclass(frozen=True)
class Point:
    """A model and a search on the map: sentences a second and BLEU."""

    name: str
    mode: str
    speed: float
    bleu: float


def points(found: Sequence[Measured]) -> list[Point]:
    """Two of each model: beam and greedy search."""
    return [
        Point(one.entry.name, mode, one.number(f"{mode}_per_second"), one.scores[mode]["bleu"])
        for one in found
        for mode in MODES
    ]


def front(all_points: Sequence[Point]) -> list[Point]:
    """Those that no other one beats: none is at least as fast and as good, and better in one of both; fastest first."""
    kept = [
        point
        for point in all_points
        if not any(
            other.speed >= point.speed
            and other.bleu >= point.bleu
            and (other.speed, other.bleu) != (point.speed, point.bleu)
            for other in all_points
        )
    ]
    return sorted(kept, key=lambda point: -point.speed)


def _megabytes(entry: Entry) -> float:
    """All that translating needs of the folder: without the state of training."""
    if entry.engine:
        return sum(file.stat().st_size for file in entry.folder.rglob("*") if file.is_file()) / 1e6
    files = [file for file in entry.folder.iterdir() if file.suffix in MODEL_ENDINGS and file.name not in OF_TRAINING]
    skipped = () if entry.shortlist else (SHORTLIST,)
    return sum(file.stat().st_size for file in files if file.name not in skipped) / 1e6


def _parameters(entry: Entry) -> int | None:
    """Numbers that the model multiplies with, the scales of rounded ones left out; None for an export."""
    if entry.engine:
        return None
    floats = float_tensors(kept_tensors(load_checkpoint(entry.folder).model))
    return sum(tensor.numel() for tensor in floats.values())
