"""What the service and its workers send each other: values that can be pickled, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt.serving.ask import Ask, Unit


@dataclass(frozen=True)
class Load:
    """Asks a worker to load its models and to give a `ModelFacts` for each."""


@dataclass(frozen=True)
class Batch:
    """Lines to translate with one ask."""

    ask: Ask
    units: Sequence[Unit]


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a worker knows of a model that it has loaded.

    `tags` are those of lines, `reads_untagged` whether a line may lack one; `width` are the hypotheses of its search.
    """

    checkpoint: Path
    folder: Path  # of the step
    source_language: str
    target_language: str
    tags: tuple[str, ...]
    reads_untagged: bool
    width: int
    context_before: int
    context_after: int


@dataclass(frozen=True)
class Failed:
    """A line that cannot be translated as asked, which is the client's mistake."""

    message: str


@dataclass(frozen=True)
class Broke:
    """A line on which the program failed: where, without anything of the text."""

    where: str


Outcome = dict[str, Any] | Failed | Broke
"""Of a line: its record as `translate --json` writes it, or why there is none."""
