"""Words that a translation repeats in a loop, a typical failure of decoders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LEAST_TIMES = 3
LONGEST = 10  # words in the repeated phrase


@dataclass(frozen=True)
class Loop:
    """`size` words that occur `times` times in a row, from word `start` on."""

    start: int
    size: int
    times: int


def loops(source: Sequence[str], target: Sequence[str]) -> list[Loop]:
    """Phrases that the target repeats at least LEAST_TIMES in a row, and more often than the source repeats any."""
    allowed = max((loop.times for loop in _runs(source)), default=1)
    found: list[Loop] = []
    for loop in sorted(_runs(target), key=lambda loop: (loop.size, loop.start)):
        # "a a a a" is also "a a" twice
        is_new = all(
            loop.start >= old.start + old.size * old.times or old.start >= loop.start + loop.size * loop.times
            for old in found
        )
        if is_new and loop.times >= max(LEAST_TIMES, allowed + 1):
            found.append(loop)
    return sorted(found, key=lambda loop: loop.start)


def _runs(words: Sequence[str]) -> Iterator[Loop]:
    for size in range(1, min(LONGEST, len(words) // 2) + 1):
        start = 0
        for end in range(size, len(words) + 1):
            if end < len(words) and words[end] == words[end - size]:
                continue
            times = (end - start) // size
            if times > 1:
                yield Loop(start, size, times)
            start = end - size + 1
