"""Shuffles a corpus without holding it in memory: lines are distributed over files, each of which is shuffled."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from mt.data.block import BLOCK_PAIRS, COLUMNS, Block, ended
from mt.data.images.store import PICTURES, SOUNDS
from mt.data.progress import Progress
from mt.data.text_store import TextStore, TextWriter

# Sources of more pairs are stored in random order, so that any run of neighbours is a fair sample of the source:
# batching reads an epoch in blocks of that many. Smaller ones are planned as a whole and keep the corpus's order.
SHUFFLED_ABOVE = 1 << 20
BUCKET_BYTES = 1 << 26  # approximate size of one file, and of what is in memory at a time
DEALT_BLOCKS = 16  # distributed together, so that each file is written in larger pieces
SEED = 1


def shuffle_large_sources(folder: Path) -> None:
    """Puts each large source of the text store in `folder` into a random but reproducible order."""
    text = TextStore(folder)
    large = {name for name, lines in text.sources.items() if len(lines) > SHUFFLED_ABOVE}
    if not large:
        return
    new = folder.with_name("shuffled")
    new.mkdir()
    num_pairs = sum(len(text.sources[name]) for name in large)
    with TextWriter(new) as writer, Progress("shuffling", num_pairs) as progress:
        for number, (name, lines) in enumerate(text.sources.items()):
            writer.begin(name)
            for block in _shuffled(text, lines, number, new) if name in large else text.blocks(lines):
                writer.write(block)
                progress.add(len(block) if name in large else 0)
    for kind in (PICTURES, SOUNDS):
        if (folder / kind.folder).is_dir():
            (folder / kind.folder).rename(new / kind.folder)  # their numbers stay
    shutil.rmtree(folder)
    new.rename(folder)


def _shuffled(text: TextStore, lines: range, source: int, folder: Path) -> Iterator[Block]:
    rng = np.random.default_rng([SEED, source])
    num_buckets = -(-text.num_bytes(lines) // BUCKET_BYTES)
    with tempfile.TemporaryDirectory(dir=folder, prefix="buckets.") as temporary:
        columns = _deal(text, lines, rng, num_buckets, Path(temporary))
        for bucket in range(num_buckets):
            rows = {}
            for column in columns:
                path = _path(Path(temporary), column, bucket)
                rows[column] = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
                path.unlink(missing_ok=True)
            order = rng.permutation(len(rows["source"])).tolist()
            for start in range(0, len(order), BLOCK_PAIRS):
                some = order[start : start + BLOCK_PAIRS]
                yield Block(len(some), **{column: ended([rows[column][n] for n in some]) for column in columns})


def _deal(text: TextStore, lines: range, rng: np.random.Generator, num_buckets: int, folder: Path) -> list[str]:
    """Writes each line to a random bucket, in order within the bucket; returns the existing columns."""
    blocks, columns = text.blocks(lines), []
    while some := list(islice(blocks, DEALT_BLOCKS)):
        buckets = rng.integers(num_buckets, size=sum(map(len, some)))
        order = np.argsort(buckets, kind="stable").tolist()
        bounds = np.searchsorted(buckets[order], np.arange(num_buckets + 1)).tolist()
        columns = [column for column in COLUMNS if getattr(some[0], column) is not None]
        for column in columns:
            rows = [row for block in some for row in block.raw_lines(column)]
            for bucket, (first, last) in enumerate(pairwise(bounds)):
                # opened again each time: there may be more files than a process may keep open
                with open(_path(folder, column, bucket), "ab") as file:
                    file.write(ended([rows[n] for n in order[first:last]]))
    return columns


def _path(folder: Path, column: str, bucket: int) -> Path:
    return folder / f"{column}.{bucket}"
