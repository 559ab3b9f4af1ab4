"""One pass through a corpus: the number of pairs, unreadable lines, and an even sample of the rest."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mt.data.canonical import is_composed
from mt.data.pair import Pair
from mt.data.progress import Progress
from mt.data.sources import Source

MESSAGES_KEPT = 3  # of each reason why lines cannot be read


class Drawn(NamedTuple):
    """A pair of the sample: its number in the corpus (from 0), its source, its sentences with their ends stripped."""

    number: int
    source_name: str
    pair: Pair


@dataclass
class Unreadable:
    """Unreadable lines with the same reason: their number, and the messages of the first of them."""

    count: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass
class Survey:
    """The result of the pass."""

    name: str  # of the split: train, valid, test
    counts: dict[str, int] = field(default_factory=dict)  # pairs of each source, readable or not
    unreadable: dict[str, Unreadable] = field(default_factory=dict)  # by reason
    problem: str | None = None  # why the pass ended early
    num_not_nfc: int = 0  # readable pairs with a side that is not in Unicode's form NFC
    sample: list[Drawn] = field(default_factory=list)  # of the readable pairs, in their order

    @property
    def num_pairs(self) -> int:
        """All pairs, readable or not."""
        return sum(self.counts.values())

    @property
    def num_unreadable(self) -> int:
        """The number of unreadable lines."""
        return sum(one.count for one in self.unreadable.values())

    @property
    def num_readable(self) -> int:
        """Pairs that could be read."""
        return self.num_pairs - self.num_unreadable

    @property
    def is_whole(self) -> bool:
        """Whether every readable pair is in the sample."""
        return self.num_readable == len(self.sample)


def survey(
    name: str, sources: Mapping[str, Source], max_pairs: int, see: Callable[[Pair], None] | None = None
) -> Survey:
    """Reads the sources of a split and draws at most `max_pairs` pairs; `see` is called with every readable one.

    Faults of the files raise nothing. Memory holds only the sample.
    """
    found = Survey(name)
    random_ = random.Random(1)
    num_readable = 0
    with Progress(f"reading {name}") as progress:
        for number, (source_name, pair) in enumerate(_read(sources, found)):
            found.counts[source_name] += 1
            if number % 4096 == 4095:
                progress.add(4096)
            if pair.fault is not None:
                unreadable = found.unreadable.setdefault(pair.fault.reason, Unreadable())
                unreadable.count += 1
                unreadable.messages += [pair.fault.message][: MESSAGES_KEPT - len(unreadable.messages)]
                continue
            pair = pair._replace(source=pair.source.strip(), target=pair.target.strip())
            num_readable += 1
            found.num_not_nfc += not (is_composed(pair.source) and is_composed(pair.target))
            if see is not None:
                see(pair)
            if len(found.sample) < max_pairs:
                found.sample.append(Drawn(number, source_name, pair))
            elif (place := int(random_.random() * num_readable)) < max_pairs:
                # every pair so far has the same chance to be in the sample
                found.sample[place] = Drawn(number, source_name, pair)
    found.sample.sort(key=lambda drawn: drawn.number)
    return found


def _read(sources: Mapping[str, Source], found: Survey) -> Iterator[tuple[str, Pair]]:
    try:
        for name, source in sources.items():
            found.counts[name] = 0
            for pair in source.corpus:
                yield name, pair
    except (ValueError, OSError) as error:
        found.problem = " ".join(str(error).split())
