"""Lines of a document, or of a part of it, in windows, each with its neighbours as context."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from mt.checkpoint.card import described
from mt.checkpoint.steps import find_step
from mt.data.document import DocumentSettings, contexts
from mt.data.visible import is_visible
from mt.inference.window import Window


def document_of(checkpoint: Path) -> DocumentSettings:
    """The context that a checkpoint was trained with. Raises ValueError for a checkpoint trained without any."""
    document = described(find_step(checkpoint)).document
    if not document.is_on:
        raise ValueError(
            f"--document: {checkpoint} was trained on single sentences, without data.document.context_before or _after"
        )
    return document


def with_neighbours(chosen: range, document: DocumentSettings) -> range:
    """The lines that must be read so that each of the `chosen` ones has its context."""
    return range(max(0, chosen.start - document.context_before), min(sys.maxsize, chosen.stop + document.context_after))


def in_documents(
    windows: Iterable[tuple[int, list[str]]], chosen: range, document: DocumentSettings
) -> Iterator[Window]:
    """Windows of the `chosen` lines with the context of each; `windows` begin where `with_neighbours` says.

    A line is yielded once its context after it was read, or its document ended.
    """
    lines: list[str] = []  # from number `first` on
    first, done = with_neighbours(chosen, document).start, chosen.start
    for _, window in windows:
        lines += window
        ready = done
        while ready < min(first + len(lines), chosen.stop) and _is_complete(lines, ready - first, document):
            ready += 1
        if ready > done:
            yield _window(lines, first, range(done, ready), document)
            done = ready
            kept = max(first, done - document.context_before)
            lines, first = lines[kept - first :], kept
    end = min(first + len(lines), chosen.stop)
    if end > done:
        yield _window(lines, first, range(done, end), document)


def _window(lines: list[str], first: int, chosen: range, document: DocumentSettings) -> Window:
    places = range(chosen.start - first, chosen.stop - first)
    return Window(chosen.start, lines[places.start : places.stop], contexts(lines, document, places))


def _is_complete(lines: list[str], place: int, document: DocumentSettings) -> bool:
    """Whether all the context of a line was read."""
    after = lines[place + 1 : place + 1 + document.context_after]
    return len(after) == document.context_after or not all(map(is_visible, [lines[place], *after]))
