"""The files that a corpus is read from, each as a separate corpus."""

from __future__ import annotations

from dataclasses import replace

from mt.data.block import COLUMNS
from mt.data.formats.text_files import TextFiles
from mt.data.pair import Corpus


def files_of(corpus: Corpus) -> list[Corpus]:
    """One corpus per file (or per pair of files), in order; none for a corpus that is not made of lists of files."""
    if isinstance(corpus, TextFiles):
        columns = (getattr(corpus, name) or [None] * len(corpus.source) for name in COLUMNS)
        return [TextFiles(**dict(zip(COLUMNS, paths, strict=True))) for paths in zip(*columns, strict=True)]
    if isinstance(getattr(corpus, "path", None), tuple):
        return [replace(corpus, path=path) for path in corpus.path]
    return []
