"""Translates the texts of a file with a job."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence

from mt.data.progress import Progress
from mt.inference.files.translate_file import Text, Translate
from mt.inference.spread import MANY, in_order
from mt.inference.window import Rows, Window

log = logging.getLogger(__name__)

WINDOW = 128  # texts that are translated together, and lost by a kill
LINE = re.compile(r"line (\d+)(?=: )")


def shown(name: str) -> Callable[[int, int], None]:
    """What shows the progress of a file: a bar on a terminal, a line every few seconds elsewhere."""
    progress: list[Progress] = []
    done = 0

    def on_progress(num_done: int, total: int) -> None:
        nonlocal done
        if not progress:
            progress.append(Progress(name, total, unit="texts"))
        progress[0].add(num_done - done)
        done = num_done
        if done == total:
            progress[0].close()

    return on_progress


def translate_with(job: Callable[[Window], Rows], num_processes: int = 1) -> Translate:
    """A job (`mt.inference.job.Job` with `markup` and `by_sentence`) as what `translate_file` needs.

    Notes on texts are logged with their places.
    """
    size = MANY if num_processes > 1 else WINDOW

    def translate(texts: Sequence[Text], number: int) -> Iterator[str]:
        starts = range(0, len(texts), size)
        windows = (Window(number + start, [text.line for text in texts[start : start + size]]) for start in starts)
        for rows in in_order(job, windows, num_processes):
            for note in rows.notes:
                log.warning("%s", LINE.sub(lambda found: texts[int(found[1]) - 1 - number].place, note, count=1))
            yield from rows.text.split("\n")[:-1]

    return translate
