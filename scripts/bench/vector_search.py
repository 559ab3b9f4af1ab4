"""How long the search of an index takes, and what it holds in memory: `python scripts/bench/vector_search.py`.

One thread, CPU milliseconds; the index is written, and loaded again, before it is searched. Vectors are random, or,
with --clusters, around so many centres, as vectors of real things are; --approximate also searches by cells (faiss),
and says how many of the 10 nearest that finds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from mt.device import machine, peak_memory_mib
from mt.inference.vector_index import VectorIndex

ROWS = 50_000  # made at a time


def main() -> None:
    """Prints a line for each number of queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clusters", type=int, default=0, help="0: none")
    parser.add_argument("--spread", type=float, default=0.5, help="of a cluster, as a share of its centre's length")
    parser.add_argument("--approximate", action="store_true")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        centres_CD = torch.nn.functional.normalize(torch.randn(flags.clusters, flags.width), dim=-1)

        def drawn(count: int) -> torch.Tensor:
            rows = torch.randn(count, flags.width)
            if flags.clusters:
                of_rows = centres_CD[torch.randint(flags.clusters, (count,))]
                rows = of_rows + flags.spread * torch.nn.functional.normalize(rows, dim=-1)
            return torch.nn.functional.normalize(rows, dim=-1)

        vectors_ND = torch.empty(flags.vectors, flags.width, dtype=torch.float16)
        for start in range(0, flags.vectors, ROWS):
            rows = vectors_ND[start : start + ROWS]
            rows.copy_(drawn(len(rows)))
        VectorIndex(list(map(str, range(flags.vectors))), vectors_ND).save(Path(folder) / "index")
        del vectors_ND
        index = VectorIndex.load(Path(folder) / "index")
        megabytes = index.vectors_ND.nbytes / 1e6
        print(f"{machine(torch.device('cpu'))}; {flags.vectors:,} x {flags.width}: {megabytes:.0f} MB of vectors")
        queries_QD = drawn(32)
        measure("every vector", index, queries_QD, flags.repeats)
        if flags.approximate:
            start = time.process_time()
            index.approximated().save(Path(folder) / "cells")
            seconds = time.process_time() - start
            size = (Path(folder) / "cells" / "cells.faiss").stat().st_size / 1e6
            near = VectorIndex.load(Path(folder) / "cells")
            assert near.cells is not None
            probed, of = near.cells.num_probed, near.cells.index.nlist
            print(f"cells: {seconds:.0f} s to make, {size:.0f} MB more, {probed} of {of} are searched")
            measure("cells", near, queries_QD, 20 * flags.repeats)
            many_QD = drawn(1000)
            found_QK, nearest_QK = near.search(many_QD, 10)[1], index.search(many_QD, 10)[1]
            recall = (found_QK.unsqueeze(2) == nearest_QK.unsqueeze(1)).any(dim=2).float().mean()
            print(f"recall@10 of 1,000 other queries: {100 * recall:.1f} %")
        print(f"peak memory of the process, the making of the vectors included: {peak_memory_mib()} MiB")


def measure(title: str, index: VectorIndex, queries_QD: torch.Tensor, repeats: int) -> None:
    """Prints how long one query and all of them take."""
    for queries in (queries_QD[:1], queries_QD):
        index.search(queries, 10)
        start = time.process_time()
        for _ in range(repeats):
            index.search(queries, 10)
        milliseconds = 1000 * (time.process_time() - start) / repeats
        print(f"{title}, {len(queries)} at once: {milliseconds:.1f} ms, {milliseconds / len(queries):.2f} ms a query")


if __name__ == "__main__":
    main()
