"""How long the exact search of an index takes, and what it holds in memory: `python scripts/bench/vector_search.py`.

Random vectors, one thread, CPU milliseconds; the index is written, and loaded again, before it is searched.
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
    flags = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        vectors_ND = torch.empty(flags.vectors, flags.width, dtype=torch.float16)
        for start in range(0, flags.vectors, ROWS):
            rows = vectors_ND[start : start + ROWS]
            rows.copy_(torch.nn.functional.normalize(torch.randn(rows.shape), dim=-1))
        VectorIndex(list(map(str, range(flags.vectors))), vectors_ND).save(Path(folder) / "index")
        del vectors_ND
        index = VectorIndex.load(Path(folder) / "index")
        megabytes = index.vectors_ND.nbytes / 1e6
        print(f"{machine(torch.device('cpu'))}; {flags.vectors:,} x {flags.width}: {megabytes:.0f} MB of vectors")
        for num_queries in (1, 32):
            start = time.process_time()
            for _ in range(flags.repeats):
                index.search(torch.randn(num_queries, flags.width), 10)
            milliseconds = 1000 * (time.process_time() - start) / flags.repeats
            print(f"{num_queries} queries at once: {milliseconds:.0f} ms, {milliseconds / num_queries:.1f} ms a query")
        print(f"peak memory of the process, the making of the vectors included: {peak_memory_mib()} MiB")


if __name__ == "__main__":
    main()
