"""JSON Lines: one JSON object a line, the two sentences in two of its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt.data.fingerprint import fingerprint_of
from mt.data.formats.fields import WrongField, pair_at
from mt.data.formats.lines import FaultyLine, find_file, scan_lines
from mt.data.formats.paths import Paths, file_stamps, path_list
from mt.data.pair import Fault, Pair, Unwanted


@dataclass(frozen=True, kw_only=True)
class JsonLines:
    """Pairs from JSON Lines files, plain or compressed; `path` is one path or a list read in turn.

    A dotted field means a nested one ("translation.en"), unless a key with exactly this name exists. Null is an empty
    sentence, a line end inside a sentence becomes a blank, and a blank line is not a pair. A line that is not an
    object, or whose field is missing or not text, is a fault. `links_field` holds gold alignments in Pharaoh format.
    An object whose number in `score_field` is below `least_score`, or that has none there, is a fault too, so that the
    ledger counts what a model's translations lose to it.
    """

    path: Paths
    source_field: str
    target_field: str
    links_field: str | None = None
    score_field: str = "score"
    least_score: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_list(self.path))

    def __iter__(self) -> Iterator[Pair]:
        for path in path_list(self.path):
            yield from self._read(find_file(path))

    def fingerprint(self) -> str:
        """Changes with the paths, sizes and times of the files and with the settings."""
        # without a least score, the same fingerprint as in older versions
        scores = [] if self.least_score is None else [self.score_field, self.least_score]
        fields = [self.source_field, self.target_field, self.links_field]
        return fingerprint_of("JsonLines", file_stamps(path_list(self.path)), *fields, *scores)

    def _read(self, path: Path) -> Iterator[Pair]:
        for number, line in enumerate(scan_lines(path), start=1):
            if isinstance(line, FaultyLine):
                yield Pair(line.text, "", fault=line.fault)
            elif line.strip():
                yield self._pair(line, path, number)

    def _pair(self, line: str, path: Path, number: int) -> Pair:
        try:
            row = json.loads(line)
            if isinstance(row, dict):
                pair = pair_at(row, self.source_field, self.target_field, self.links_field)
                return pair._replace(fault=self._fault_of_score(row, f"{path} line {number}"))
            why = f"it is {type(row).__name__}"
        except WrongField as wrong:
            return Pair(line, "", fault=wrong.fault(f"{path} line {number}"))
        except json.JSONDecodeError as error:
            why = f"{error.msg} at character {error.pos + 1}"
        except (ValueError, RecursionError) as error:  # a number with thousands of digits, thousands of brackets
            why = str(error)
        if line.lstrip().startswith("["):
            why += "; `jq -c '.[]' FILE` writes a list as lines"
        return Pair(line, "", fault=Fault("not a JSON object", f"{path} line {number}: not a JSON object ({why})"))

    def _fault_of_score(self, row: dict[str, Any], place: str) -> Fault | None:
        if self.least_score is None:
            return None
        score = row.get(self.score_field)
        if isinstance(score, (int, float)) and not isinstance(score, bool) and score >= self.least_score:
            return None
        why = f"{place}: {self.score_field} ({score}) must be at least {self.least_score}"
        return Unwanted("score too low", why)
