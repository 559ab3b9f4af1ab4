"""A section of the report: lines to read, numbers for doctor.json, and findings with remedies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from mt.terminal import escaped


class Level(IntEnum):
    """How bad a finding is."""

    NOTE = 0  # good to know
    IMPROVE = 1  # training will work, but not as well as it could
    STOP = 2  # training would fail, or learn something wrong


@dataclass(frozen=True)
class Finding:
    """Something that a person should know, and what to do about it, with the setting's name if there is one."""

    level: Level
    what: str
    remedy: str = ""

    def line(self) -> str:
        """The finding in one line."""
        return f"{self.what} → {self.remedy}" if self.remedy else self.what


@dataclass
class Section:
    """A part of the report. `numbers` go into doctor.json under `name`."""

    name: str
    title: str
    lines: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def note(self, what: str, remedy: str = "") -> None:
        """Adds a finding that is good to know."""
        self.findings.append(Finding(Level.NOTE, what, remedy))

    def improve(self, what: str, remedy: str) -> None:
        """Adds a finding that makes training worse than it could be."""
        self.findings.append(Finding(Level.IMPROVE, what, remedy))

    def stop(self, what: str, remedy: str) -> None:
        """Adds a finding that must be repaired before training."""
        self.findings.append(Finding(Level.STOP, what, remedy))


def verdict(findings: Iterable[Finding]) -> tuple[Level, str]:
    """The worst level of all findings, and the verdict in words."""
    levels = [finding.level for finding in findings]
    worst = max(levels, default=Level.NOTE)
    count = levels.count(worst)
    things = f"{count} thing{'s' if count > 1 else ''}"
    if worst == Level.STOP:
        return worst, f"not ready: {things} must be repaired first"
    if worst == Level.IMPROVE:
        return worst, f"ready, but {things} could be better"
    return worst, "ready"


def report(title: str, sections: Sequence[Section]) -> str:
    """All sections as text, then what was found, then the verdict."""
    text = [title]
    for section in sections:
        if section.lines:
            text += ["", section.title, *(f"  {line}" for line in section.lines)]
    findings = [finding for section in sections for finding in section.findings]
    for level, heading in ((Level.STOP, "to repair first"), (Level.IMPROVE, "to improve"), (Level.NOTE, "to know")):
        lines = [f"  - {finding.line()}" for finding in findings if finding.level == level]
        if lines:
            text += ["", heading, *dict.fromkeys(lines)]
    return "\n".join([*text, "", verdict(findings)[1]])


def to_json(sections: Sequence[Section]) -> dict[str, Any]:
    """The verdict, the findings, and the numbers of every section by its name."""
    findings = [finding for section in sections for finding in section.findings]
    level, words = verdict(findings)
    return {
        "ready": level < Level.STOP,
        "verdict": words,
        "findings": [
            {"level": finding.level.name.lower(), "what": finding.what, "remedy": finding.remedy}
            for finding in findings
        ],
        **{section.name: section.numbers for section in sections},
    }


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned lines: the first column to the left, the others, numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))]).rstrip() for row in rows]


def share(count: float, total: float) -> str:
    """A part of a total in percent, with as many digits as make sense: 12 %, 1.2 %, 0.01 %."""
    percent = 100 * count / total if total else 0.0
    digits = 0 if percent >= 10 or percent == 0 else 1 if percent >= 1 else 2
    if 0 < percent < 0.01:
        return "under 0.01 %"
    return f"{percent:.{digits}f} %"


def shortened(text: str, width: int = 60) -> str:
    """A text that fits into a line of the report; characters that are not printable are escaped."""
    text = escaped(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"
