"""The ledger of a corpus: the numbers of pairs read, kept, and dropped, by reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mt.data.pair import Pair
from mt.data.whole_folder import write_json

NUM_EXAMPLES = 3
EXAMPLE_CHARACTERS = (
    200  # an example is shortened to this, so that a broken line of a megabyte does not fill the ledger
)


@dataclass
class Drop:
    """Pairs dropped for one reason: their number, and the first three."""

    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Ledger:
    """Counts for one corpus: `num_in` = `num_kept` + every drop. With several sources it also has a ledger for each."""

    name: str
    num_in: int = 0
    num_kept: int = 0
    drops: dict[str, Drop] = field(default_factory=dict)
    sources: dict[str, Ledger] = field(default_factory=dict)

    @classmethod
    def total(cls, name: str, sources: Mapping[str, Ledger]) -> Ledger:
        """The ledger of a corpus from those of its sources; a single one is that ledger."""
        total = cls(name, sources=dict(sources) if len(sources) > 1 else {})
        for ledger in sources.values():
            total.add(ledger)
        return total

    def add(self, other: Ledger) -> None:
        """Adds the counts of another ledger, not by source."""
        self.num_in += other.num_in
        self.num_kept += other.num_kept
        for reason, drop in other.drops.items():
            own = self.drops.setdefault(reason, Drop())
            own.count += drop.count
            own.examples += drop.examples[: NUM_EXAMPLES - len(own.examples)]

    def keep(self, count: int = 1) -> None:
        """Counts pairs that were read and kept."""
        self.num_in += count
        self.num_kept += count

    def drop(self, reason: str, pair: Pair) -> None:
        """Counts one pair that was read and dropped, and stores it if it is among the first three."""
        self.num_in += 1
        self._note(reason, pair, self.num_in)

    def drop_kept(self, reason: str, pair: Pair) -> None:
        """Counts one pair, kept so far, that a later stage drops."""
        self.num_kept -= 1
        self._note(reason, pair, None)

    def _note(self, reason: str, pair: Pair, number: int | None) -> None:
        drop = self.drops.setdefault(reason, Drop())
        drop.count += 1
        if len(drop.examples) < NUM_EXAMPLES:
            example = {"pair": number, "source": pair.source, "target": pair.target}
            drop.examples.append(
                {
                    key: value[:EXAMPLE_CHARACTERS] + "…"
                    if isinstance(value, str) and len(value) > EXAMPLE_CHARACTERS
                    else value
                    for key, value in example.items()
                    if value is not None
                }
            )

    @property
    def num_dropped(self) -> int:
        """Pairs dropped for any reason."""
        return sum(drop.count for drop in self.drops.values())

    def to_json(self) -> dict[str, Any]:
        """A plain dict: name, in, kept, dropped: {reason: {count, examples}}; sources: {name: the same}, of several."""
        dropped = {reason: {"count": drop.count, "examples": drop.examples} for reason, drop in self.drops.items()}
        content = {"name": self.name, "in": self.num_in, "kept": self.num_kept, "dropped": dropped}
        if self.sources:
            content["sources"] = {name: ledger.to_json() for name, ledger in self.sources.items()}
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Ledger:
        """The ledger that `to_json` wrote."""
        drops = {reason: Drop(drop["count"], drop["examples"]) for reason, drop in content["dropped"].items()}
        sources = {name: cls.from_json(ledger) for name, ledger in content.get("sources", {}).items()}
        return cls(content["name"], content["in"], content["kept"], drops, sources)

    def save(self, path: str | Path) -> None:
        """Writes the ledger as a JSON file."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Ledger:
        """Reads a ledger that `save` wrote."""
        return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))

    def table(self) -> str:
        """A table for the terminal: pairs read, dropped by reason, and kept, with shares.

        Each source comes first, then the total.
        """
        ledgers = [*self.sources.values(), self]
        rows = [
            (ledger.name, label, count, ledger.num_in)
            for ledger in ledgers
            for label, count in [
                ("read", ledger.num_in),
                *((f"- {reason}", drop.count) for reason, drop in ledger.drops.items()),
                ("kept", ledger.num_kept),
            ]
        ]
        return "\n".join(_aligned(rows))


def _aligned(rows: list[tuple[str, str, int, int]]) -> Iterator[str]:
    names, labels, counts = (_longest(column) for column in list(zip(*rows, strict=True))[:3])
    for name, label, count, total in rows:
        share = f"{100 * count / total:6.2f} %" if total else ""
        yield f"{name:<{names}}  {label:<{labels}}  {count:>{counts},}  {share}".rstrip()


def _longest(values: Iterable[str | int]) -> int:
    return max(len(value) if isinstance(value, str) else len(f"{value:,}") for value in values)
