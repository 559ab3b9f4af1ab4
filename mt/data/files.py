"""The files that a corpus is read from, each as a separate corpus."""

from __future__ import annotations

from dataclasses import is_dataclass, replace

from mt.data.formats.paths import path_list
from mt.data.formats.text_files import TextFiles
from mt.data.pair import Corpus


def files_of(corpus: Corpus) -> list[Corpus]:
    """One corpus per file (or per pair of files), in order; none for a corpus that is not made of lists of files."""
    if isinstance(corpus, TextFiles):
        sources, targets = path_list(corpus.source), path_list(corpus.target)
        links, trees = (path_list(paths) if paths else [None] * len(sources) for paths in (corpus.links, corpus.tree))
        return [
            TextFiles(source=source, target=target, links=link, tree=tree)
            for source, target, link, tree in zip(sources, targets, links, trees, strict=True)
        ]
    paths = getattr(corpus, "path", None)
    if isinstance(paths, tuple) and is_dataclass(corpus):
        return [replace(corpus, path=path) for path in paths]
    return []
