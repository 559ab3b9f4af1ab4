"""The files that a corpus is read from, each as a corpus of its own."""

from __future__ import annotations

from dataclasses import replace

from mt.data.formats.text_files import TextFiles
from mt.data.pair import Corpus


def files_of(corpus: Corpus) -> list[Corpus]:
    """One corpus a file (or a file a side), in turn; none where a corpus is not made of files in lists."""
    if isinstance(corpus, TextFiles):
        links = corpus.links or [None] * len(corpus.source)
        columns = zip(corpus.source, corpus.target, links, strict=True)
        return [TextFiles(source=source, target=target, links=link) for source, target, link in columns]
    if isinstance(getattr(corpus, "path", None), tuple):
        return [replace(corpus, path=path) for path in corpus.path]
    return []
