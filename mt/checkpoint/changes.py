"""What differs between the settings of a run's earlier start and those of this one, and what of it is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mt.checkpoint.moved import current_target

# What may always differ when a run goes on: how long it runs and what is shown, not what it computes.
MAY_CHANGE = (
    "trainer.max_steps",
    "trainer.max_epochs",
    "trainer.time_budget",
    "trainer.patience",
    "trainer.keep_last",
    "trainer.log_every",
    "trainer.device",
    "tracker",
    "search",
    "final",
    "fresh",
    "resume",
)


@dataclass(frozen=True)
class Change:
    """A setting by its full name, with what it was and is; None where it was or is not there."""

    name: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.name} was {self.old}, is {self.new}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Every setting that differs, by name; a run from before there was `scores` goes on with whatever they are now."""
    if "scores" not in old:
        new = {name: value for name, value in new.items() if name != "scores"}
    before, now = dict(_flat(old)), dict(_flat(new))
    found = (Change(name, before.get(name), now.get(name)) for name in sorted(before.keys() | now.keys()))
    return [change for change in found if change.old != change.new]


def is_among(name: str, beginnings: Sequence[str]) -> bool:
    """Whether a setting is one of those named, or stands below one: `optimizer` covers `optimizer.betas`."""
    return any(name == beginning or name.startswith(f"{beginning}.") for beginning in beginnings)


def check_allowed(allow: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raises ValueError unless `allow` is a list of settings, or beginnings of settings, that are or were there."""
    if isinstance(allow, str) or not isinstance(allow, Sequence):
        raise ValueError(f"resume.allow ({allow}) must be a list: resume.allow=[{allow}]")
    known = sorted({*_names(old), *_names(new)})
    for name in map(str, allow):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"resume.allow ({name}) must name a setting of the run, or where some begin{hint}")


def _flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    elif prefix.rpartition(".")[2] == "_target_":
        yield prefix, current_target(str(node))  # the same class at another place is no change
    else:
        yield prefix, node


def _names(node: Any, prefix: str = "") -> Iterator[str]:
    if prefix:
        yield prefix
    for key, value in node.items() if isinstance(node, Mapping) else ():
        yield from _names(value, f"{prefix}.{key}" if prefix else str(key))
