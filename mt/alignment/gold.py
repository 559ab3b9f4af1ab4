"""Links made by people, in three formats.

Pharaoh   a line a sentence, "0-0 1?2": i-j sure, i?j or ipj possible only; positions from 0, in some sets from 1
NAACL     a line a link, "1 1 1 S": sentence, source and target position, all from 1; S sure (the
          default), P possible only; a confidence may follow and is ignored (Mihalcea and Pedersen 2003)
Blinker   a folder of files samp1.SentPair0, samp1.SentPair1, ...: a line a link, "1 1", from 1; lines
          with a 0 (no word) are no links; all links are sure (Melamed 1998)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.alignment.links import Link

PHARAOH = re.compile(r"(\d+)([-?p])(\d+)")
NAACL = re.compile(r"(\d+)\s+(\d+)\s+(\d+)(?:\s+([SP]))?(?:\s+[\d.eE+-]+)?")
BLINKER = re.compile(r"(\d+)\s+(\d+)")
BLINKER_FILE = re.compile(r".*\.SentPair(\d+)")


@dataclass(frozen=True)
class Gold:
    """The links of a sentence: sure ones, and possible ones, which include the sure (Och and Ney 2003)."""

    sure: frozenset[Link]
    possible: frozenset[Link]

    @classmethod
    def of(cls, sure: set[Link], possible_only: set[Link]) -> Gold:
        return cls(frozenset(sure), frozenset(sure | possible_only))


def from_pharaoh(line: str, base: int = 0) -> Gold:
    """The links of a line such as "0-0 1?2 1-3", positions counted from `base`.

    Raises ValueError naming a malformed entry.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for entry in line.split():
        found = PHARAOH.fullmatch(entry)
        link = (int(found[1]) - base, int(found[3]) - base) if found else (-1, -1)
        if not found or min(link) < 0:
            raise ValueError(f"link ({entry}) must be i-j (sure) or i?j (possible), positions counted from {base}")
        (sure if found[2] == "-" else possible).add(link)
    return Gold.of(sure, possible)


def from_lines(lines: Sequence[str], count: int, *, base: int = 0, is_beginning: bool = False) -> list[Gold]:
    """The links of `count` sentences in Pharaoh or NAACL format, recognised by the first line that is not blank.

    With `is_beginning` there may be links of the first sentences only. Raises ValueError, with the number of the line,
    for a line in neither format and for a sentence that does not exist.
    """
    first = next((line for line in lines if line.strip()), "")
    if NAACL.fullmatch(first.strip()):
        return _from_naacl(lines, count, is_beginning)
    if len(lines) > count or (len(lines) < count and not is_beginning):
        raise ValueError(f"{len(lines)} lines of links for {count} sentences: line n must belong to line n")
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(from_pharaoh(line, base))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return found


def _from_naacl(lines: Sequence[str], count: int, is_beginning: bool) -> list[Gold]:
    links: list[tuple[set[Link], set[Link]]] = [(set(), set()) for _ in range(count)]
    last = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = NAACL.fullmatch(line.strip())
        if not found or "0" in {str(int(position)) for position in found.groups()[:3]}:
            raise ValueError(
                f"line {number}: ({line.strip()}) must be sentence, source and target position, all from 1, and S or P"
            )
        sentence, source, target = (int(position) for position in found.groups()[:3])
        if sentence > count:
            raise ValueError(f"line {number}: sentence ({sentence}) must be at most {count}, the number of sentences")
        links[sentence - 1][found[4] == "P"].add((source - 1, target - 1))
        last = max(last, sentence)
    return [Gold.of(*both) for both in links[: last if is_beginning else count]]


def from_blinker(
    folder: Path, count: int, *, read: Callable[[Path], Iterable[str]], is_beginning: bool = False
) -> list[Gold]:
    """The links of `count` sentences in the files of a folder; with `is_beginning`, of as many as there are files.

    `read` gives the lines of a file. Raises ValueError for a file or a line that is wrong.
    """
    files = {int(found[1]): path for path in folder.iterdir() if (found := BLINKER_FILE.fullmatch(path.name))}
    count = min(count, len(files)) if is_beginning else count
    if sorted(files) != list(range(count)):
        raise ValueError(
            f"{folder} must hold a file NAME.SentPairN for each N from 0 to {count - 1}, it holds {len(files)}"
        )
    gold = []
    for number in range(count):
        sure = set()
        for line in read(files[number]):
            found = BLINKER.fullmatch(line.strip())
            if line.strip() and not found:
                raise ValueError(f"{files[number]}: ({line.strip()}) must be a source and a target position")
            if found and "0" not in found.groups():
                sure.add((int(found[1]) - 1, int(found[2]) - 1))
        gold.append(Gold.of(sure, set()))
    return gold


def check_gold(gold: Gold, num_source: int, num_target: int) -> None:
    """Raises ValueError for a link outside a sentence pair of so many words."""
    for source, target in sorted(gold.possible):
        if source >= num_source or target >= num_target:
            raise ValueError(
                f"link ({source}-{target}) must lie within the pair's {num_source} source and {num_target} target "
                "words, which are separated by blanks (U+0020)"
            )
