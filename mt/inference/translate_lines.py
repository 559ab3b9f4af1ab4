"""Translates lines: as many come out as go in, in their order, and an interrupted file is resumed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

from mt.data.fingerprint import file_stamp, fingerprint_of
from mt.data.unfinished import Unfinished
from mt.inference.input_lines import ALL, Input
from mt.inference.job import Job
from mt.inference.options import Options
from mt.inference.spread import in_order

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineTranslation:
    """A job and what it translates, in `num_processes` if that is long."""

    job: Job
    source: Input
    num_processes: int = 1

    def write(self, output: TextIO, lines: range = ALL) -> None:
        """Writes the translations, of a file or standard input only those of its `lines`, and logs notes on them."""
        if self.source.may_be_slow:
            self.job.load()  # while the first lines are being written
        for rows in in_order(self.job, self.source.windows(lines), self.num_processes):
            for note in rows.notes:
                log.warning("%s", note)
            output.write(rows.text)
            output.flush()

    def write_file(self, path: Path, made_by: str, lines: range = ALL, *, is_part: bool = False) -> None:
        """From file to file: resumes an interrupted output file if its `fingerprint`, `made_by`, is unchanged.

        With `is_part` the file is one of several that are joined (see `Unfinished`).
        """
        options = self.job.options
        is_numbered = options.n_best > 1 and not options.json
        unfinished = Unfinished(path, made_by, is_numbered=is_numbered, is_part=is_part)
        if is_part and unfinished.is_whole():
            return
        with unfinished.open(lines.start) as (num_done, output):
            if num_done > lines.start:
                log.info("%s: resumes after line %d", path, num_done)
            self.write(output, range(num_done, lines.stop))


def fingerprint(options: Options, files: Iterable[Path], *more: Any) -> str:
    """A fingerprint of all that a translation depends on: options, the files it reads (the model's, too), `more`."""
    plain = replace(options, terms=None, trees=None, images=None, sounds=None, rerank=None)  # files
    return fingerprint_of(list(map(file_stamp, files)), plain, *more)


def parts_of(path: Path, num_lines: int, count: int) -> list[tuple[Path, range]]:
    """Files beside `path` for `count` processes that share its lines, and the lines of each."""
    bounds = [num_lines * rank // count for rank in range(count + 1)]
    names = [f"{path.name}.part{rank + 1}of{count}" for rank in range(count)]
    return [(path.with_name(name), range(*ends)) for name, ends in zip(names, pairwise(bounds), strict=True)]
