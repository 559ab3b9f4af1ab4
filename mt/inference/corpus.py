"""Translates a corpus into pairs, each with its log-probability: on every core, resumed after a kill.

Back-translation, distillation and self-training are this with other searches and other choices. Never imports torch.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from mt.checkpoint.steps import find_step
from mt.cores import num_threads
from mt.data.fingerprint import file_stamp, fingerprint_of
from mt.data.formats.lines import read_lines, scan_lines
from mt.data.unfinished import Unfinished
from mt.inference.input_lines import windows_of
from mt.inference.job import Job
from mt.inference.records import json_line
from mt.inference.request import Request
from mt.inference.spread import in_order
from mt.inference.translation import Candidate
from mt.inference.window import Rows, Window

log = logging.getLogger(__name__)

SCORE, LOG_PROB, NOTES = "score", "log_prob", "notes"  # fields of a pair, beside one for each language
ALL = range(2**62)
PROGRESS_SECONDS = 30.0


class Choice(Protocol):
    """Which of a line's translations is kept; it must be picklable."""

    def __call__(self, candidates: Sequence[Candidate], reference: str | None) -> Candidate: ...


def best(candidates: Sequence[Candidate], reference: str | None) -> Candidate:
    """The one that the search puts first; of a single sample that one."""
    return candidates[0]


@dataclass(frozen=True)
class PairMaker:
    """Lines to pairs, as lines of JSON: runs in a worker process.

    A pair has the line and its translation under the names of their languages, `log_prob` in nats, `score`, which is
    the mean log-probability of the target's pieces, EOS included, and `notes` if there are any (split, or stopped at
    the length limit).
    """

    job: Job
    source_language: str
    target_language: str
    choice: Choice = best

    def __call__(self, window: Window) -> Rows:
        tag = self.job.options.tag
        translations = self.job.translated([Request(line, tag=tag) for line in window.lines], window.first)
        references: Sequence[str | None] = window.references or [None] * len(window.lines)
        rows, notes = [], []
        for place, (line, found, reference) in enumerate(zip(window.lines, translations, references, strict=True)):
            kept = self.choice(found.candidates, reference)
            num_pieces = sum(len(part.ids) + part.is_finished for part in kept.parts)
            pair: dict[str, Any] = {
                self.source_language: line,
                self.target_language: kept.text,
                SCORE: round(kept.log_prob / max(1, num_pieces), 4),
                LOG_PROB: round(kept.log_prob, 4),
            }
            if found.notes:
                pair[NOTES] = list(found.notes)
                notes += [f"line {window.first + place + 1}: {note}" for note in found.notes]
            rows.append(json_line(pair))
        return Rows("".join(f"{row}\n" for row in rows), notes)


@dataclass(frozen=True)
class Made:
    """What a corpus of translations holds."""

    num_lines: int
    num_empty: int  # without a translation: a blank line, mostly
    num_noted: int  # split, or stopped at the length limit
    mean_score: float  # nats a piece

    def __str__(self) -> str:
        return (
            f"{self.num_lines} lines: {self.num_lines - self.num_empty} pairs, {self.num_empty} without a translation,"
            f" {self.num_noted} split or stopped at the length limit; mean score {self.mean_score:.3f} nats a piece"
        )


def translate_corpus(
    maker: PairMaker,
    lines: Path,
    output: Path,
    *,
    references: Path | None = None,
    num_workers: int | None = None,
    more: Sequence[Any] = (),
) -> Made:
    """Writes a pair for each of the `lines` to `output`, in their order (`PairMaker`), and says what was made.

    `num_workers` are processes: by default one a core, on a GPU one. An interrupted output is resumed if files, models
    and options are the same; `more` is what else the pairs depend on. Every line gives a line, so that line n stays
    line n: what has no translation is left to the cleaning of the training, which counts it. Raises ValueError where
    `references` have another number of lines, for an empty file, and for several workers on a GPU.
    """
    if not maker.job.is_on_cpu and num_workers not in (None, 1):
        raise ValueError(f"--workers ({num_workers}) is for the CPU: a GPU uses one process, --device cpu several")
    num_lines = sum(1 for _ in scan_lines(lines))
    if not num_lines:
        raise ValueError(f"{lines} has no line to translate")
    if references is not None and (found := sum(1 for _ in scan_lines(references))) != num_lines:
        raise ValueError(f"line counts must be equal: {lines} has {num_lines}, {references} has {found} lines")
    maker.job.load()  # what is wrong with the models is said before a file is begun
    num_workers = num_workers or (num_threads() if maker.job.is_on_cpu else 1)
    unfinished = Unfinished(output, _made_by(maker, [lines, *([references] if references else [])], more))
    with unfinished.open() as (num_done, file):
        if num_done:
            log.info("%s: resumes after line %d", output, num_done)
        windows = _windows(lines, references, num_done)
        progress = _Progress(num_done, num_lines)
        for rows in in_order(maker, windows, num_workers):
            for note in rows.notes:
                log.debug("%s", note)
            file.write(rows.text)
            file.flush()
            progress.add(rows.text.count("\n"))
    return _counted(output, maker.target_language)


def _windows(lines: Path, references: Path | None, num_done: int) -> Iterator[Window]:
    others = None if references is None else islice(read_lines(references), num_done, None)
    for first, window in windows_of(lines, range(num_done, ALL.stop)):
        found = Window(first, window)
        yield found if others is None else replace(found, references=list(islice(others, len(window))))


def _made_by(maker: PairMaker, files: Sequence[Path], more: Sequence[Any]) -> str:
    """A fingerprint of all that the pairs depend on."""
    job = maker.job
    models = [file_stamp(file) for folder in job.checkpoints for file in sorted(find_step(folder).iterdir())]
    options = {name: str(value) for name, value in vars(job.options).items()}
    languages = [maker.source_language, maker.target_language]
    return fingerprint_of([file_stamp(file) for file in files], models, options, languages, list(more))


def _counted(output: Path, target: str) -> Made:
    num_lines = num_empty = num_noted = 0
    total = 0.0
    with open(output, encoding="utf-8") as pairs:
        for line in pairs:
            pair = json.loads(line)
            num_lines += 1
            if not pair[target].strip():
                num_empty += 1
                continue
            num_noted += NOTES in pair
            total += pair[SCORE] or 0.0
    return Made(num_lines, num_empty, num_noted, total / max(1, num_lines - num_empty))


class _Progress:
    """Logs how far the translation is, now and then."""

    def __init__(self, num_done: int, num_lines: int) -> None:
        self.num_begun, self.num_done, self.num_lines = num_done, num_done, num_lines
        self.begun = self.said = time.monotonic()

    def add(self, count: int) -> None:
        self.num_done += count
        now = time.monotonic()
        if now - self.said < PROGRESS_SECONDS and self.num_done < self.num_lines:
            return
        self.said, seconds = now, max(1e-3, now - self.begun)
        rate = (self.num_done - self.num_begun) / seconds
        left = (self.num_lines - self.num_done) / max(rate, 1e-9) / 60
        log.info("%d of %d lines, %.0f a second, %.1f minutes left", self.num_done, self.num_lines, rate, left)
