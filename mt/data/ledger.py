"""The ledger of a corpus: how many pairs came in, how many were kept, and why the others were dropped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mt.data.pair import Pair

NUM_EXAMPLES = 3
EXAMPLE_CHARACTERS = 200  # an example is cut here, so that a broken line of a megabyte does not fill the ledger


@dataclass
class Drop:
    """Pairs dropped for one reason: how many, and the first three of them."""

    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Ledger:
    """Counts for one corpus: `num_in` = `num_kept` + every drop."""

    name: str
    num_in: int = 0
    num_kept: int = 0
    drops: dict[str, Drop] = field(default_factory=dict)

    def keep(self) -> None:
        """Count one pair that came in and stays."""
        self.num_in += 1
        self.num_kept += 1

    def drop(self, reason: str, pair: Pair) -> None:
        """Count one pair that came in and is dropped, and show it if it is among the first three."""
        self.num_in += 1
        self._note(reason, pair, self.num_in)

    def drop_kept(self, reason: str, pair: Pair) -> None:
        """Count one pair, kept so far, that a later stage drops."""
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
        """A plain dict: name, in, kept, dropped: {reason: {count, examples}}."""
        dropped = {reason: {"count": drop.count, "examples": drop.examples} for reason, drop in self.drops.items()}
        return {"name": self.name, "in": self.num_in, "kept": self.num_kept, "dropped": dropped}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Ledger:
        """The ledger that `to_json` wrote."""
        drops = {reason: Drop(drop["count"], drop["examples"]) for reason, drop in content["dropped"].items()}
        return cls(content["name"], content["in"], content["kept"], drops)

    def save(self, path: str | Path) -> None:
        """Write the ledger as a JSON file."""
        Path(path).write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Ledger:
        """Read a ledger that `save` wrote."""
        return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))

    def table(self) -> str:
        """A few aligned lines for the terminal: pairs read, dropped by reason, kept, each with its share."""
        rows = [("read", self.num_in), *((f"- {reason}", drop.count) for reason, drop in self.drops.items())]
        rows.append(("kept", self.num_kept))
        return "\n".join(_aligned(self.name, rows, total=self.num_in))


def _aligned(name: str, rows: list[tuple[str, int]], total: int) -> Iterable[str]:
    width = max(len(label) for label, _ in rows)
    digits = max(len(f"{count:,}") for _, count in rows)
    for label, count in rows:
        share = f"{100 * count / total:6.2f} %" if total else ""
        yield f"{name}  {label:<{width}}  {count:>{digits},}  {share}".rstrip()
