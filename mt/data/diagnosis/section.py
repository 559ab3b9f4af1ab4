"""What a measurement adds to the report: lines to read, numbers to store, and findings with remedies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How bad a finding is."""

    NOTE = 0  # good to know
    BUT = 1  # training will work, less well than it could
    STOP = 2  # training would fail, or learn something wrong


@dataclass(frozen=True)
class Finding:
    """Something that a person should know, and a remedy (which names a setting where there is one)."""

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
        """Adds a note."""
        self.findings.append(Finding(Level.NOTE, what, remedy))

    def but(self, what: str, remedy: str) -> None:
        """Adds a finding that makes training worse."""
        self.findings.append(Finding(Level.BUT, what, remedy))

    def stop(self, what: str, remedy: str) -> None:
        """Adds a finding that prevents useful training."""
        self.findings.append(Finding(Level.STOP, what, remedy))


def verdict(findings: Iterable[Finding]) -> tuple[Level, str]:
    """The worst level of all findings, and the verdict in words."""
    levels = [finding.level for finding in findings]
    worst = max(levels, default=Level.NOTE)
    count = levels.count(worst)
    things = f"{count} thing{'s' if count > 1 else ''}"
    if worst == Level.STOP:
        return worst, f"not ready: {things} must be fixed first"
    if worst == Level.BUT:
        return worst, f"ready, but {things} could be improved"
    return worst, "ready"


def report(title: str, sections: Sequence[Section]) -> str:
    """All sections as text, then the findings, then the verdict."""
    text = [title]
    for section in sections:
        if section.lines:
            text += ["", section.title, *(f"  {line}" for line in section.lines)]
    findings = [finding for section in sections for finding in section.findings]
    for level, heading in ((Level.STOP, "to fix first"), (Level.BUT, "to improve"), (Level.NOTE, "notes")):
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
    """A text shortened for a line of the report; unprintable characters are shown by their codes."""
    text = "".join(letter if letter.isprintable() else f"<U+{ord(letter):04X}>" for letter in text)
    return text if len(text) <= width else f"{text[: width - 1]}…"
