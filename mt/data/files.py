"""The files that a corpus is read from, each as a separate corpus."""

from __future__ import annotations

from dataclasses import is_dataclass, replace

from mt.data.formats.paths import path_list
from mt.data.formats.text_files import COLUMNS, TextFiles
from mt.data.pair import Corpus


def files_of(corpus: Corpus) -> list[Corpus]:
    """One corpus per file (or per pair of files), in order; none for a corpus that is not made of lists of files."""
    if isinstance(corpus, TextFiles):
        named = {name: getattr(corpus, name) for name in COLUMNS}
        lists = {name: path_list(paths) for name, paths in named.items() if paths}
        return [TextFiles(**dict(zip(lists, files, strict=True))) for files in zip(*lists.values(), strict=True)]
    paths = getattr(corpus, "path", None)
    if isinstance(paths, tuple) and is_dataclass(corpus):
        return [replace(corpus, path=path) for path in paths]
    return []
