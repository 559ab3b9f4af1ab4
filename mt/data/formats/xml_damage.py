"""Finds where to continue reading an XML file after an unreadable place: at the next unit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mt.data.pair import Fault, Pair

TAG_BYTES = 1024  # a tag that is cut by the end of a block begins in this many last bytes
REREAD_BYTES = 1 << 25  # that may be parsed again, in addition to twice the file; beyond it the rest is not read
SHOWN_BYTES = 200  # of a lost unit


@dataclass(frozen=True)
class Structure:
    """The elements of a format that hold its units.

    `ranks` are those elements by name: 0 is the outermost one, a larger rank is nested in a smaller one. `inside` names
    the element that must be open around one, `nested` those that may contain their own kind. `context` elements say
    how the units inside are to be read, so that after damage to one of them the next one is searched for.
    """

    ranks: Mapping[str, int]
    units: frozenset[str]
    inside: Mapping[str, str]
    nested: frozenset[str] = frozenset()
    context: frozenset[str] = frozenset()

    @property
    def root(self) -> str:
        """The outermost element."""
        return next(name for name, rank in self.ranks.items() if rank == 0)

    @cached_property
    def tag(self) -> re.Pattern[bytes]:
        """The start of a tag: is it an end tag, and of which element."""
        return re.compile(rb"<(/?)(?:[\w.-]{1,100}:)?(%s)(?=[\s/>])" % "|".join(self.ranks).encode())

    def open_at(self, is_end: bool, name: str, around: list[str]) -> list[str] | None:
        """The elements that are open before a tag, of those open around the damage; None: cannot continue here."""
        names = [one.rpartition(":")[2] for one in around]
        if is_end:
            return around[: len(names) - names[::-1].index(name)] if name in names else None
        inner = self.ranks[name] + (name in self.nested)
        depth = next((place for place, one in enumerate(names) if self.ranks.get(one, inner) >= inner), len(names))
        needed = self.inside.get(name)
        return around[:depth] if needed is None or needed in names[:depth] else None


@dataclass
class Damage:
    """A place that cannot be read, from `start` on, and the elements that are `open` around it."""

    fault: Fault
    start: int
    search_from: int = 0
    parsed_to: int = 0  # the parser has read up to here
    last_tag: int = -1  # the last start tag of the structure before it
    in_unit: bool = False
    is_rest: bool = False  # everything after it is lost
    open: list[str] = field(default_factory=list)
    highest_rank: int | None = None  # of the element to continue at; None: any
    num_units: int | None = None  # lost units; None: not counted yet
    shown: str = ""


class Window:
    """The bytes of a file that may still be needed, and the damage after which a place to continue is searched for."""

    def __init__(self) -> None:
        self.damage: Damage | None = None
        self._held = b""
        self._start = 0  # of the bytes in memory
        self._place, self._line, self._column = 0, 1, 1  # of the last counted place
        self._num_reread = 0
        self._went_on = -1  # the last place at which reading continued

    @property
    def end(self) -> int:
        """The bytes of the file so far."""
        return self._start + len(self._held)

    def add(self, block: bytes) -> None:
        """The next bytes of the file."""
        self._held += block

    def after(self, place: int) -> memoryview:
        """The bytes from a place on."""
        return memoryview(self._held)[place - self._start :]

    def has(self, place: int, content: bytes) -> bool:
        """Whether the bytes at the place are these."""
        return self._held.startswith(content, max(place - self._start, 0))

    def forget(self, before: int) -> None:
        """Frees the bytes before a place; while searching for a place to continue, those already searched."""
        if self.damage is not None:
            before = self.damage.search_from
        if before > self._start:
            self.line_and_column(before)
            self._held = self._held[before - self._start :]
            self._start = before

    def line_and_column(self, place: int) -> tuple[int, int]:
        """The line of a place and its column in characters, from 1. Places before the last one get its line."""
        if place > self._place:
            passed = self._held[self._place - self._start : place - self._start]
            self._line += passed.count(b"\n")
            if b"\n" in passed:
                passed, self._column = passed[passed.rindex(b"\n") + 1 :], 1
            self._column += len(passed.decode("utf-8", "replace"))
            self._place = place
        return self._line, self._column

    def next_place(self, structure: Structure, is_end: bool) -> int | None:
        """The next place to continue reading, None if it is after the bytes in memory; counts the units before it."""
        damage = self.damage
        assert damage is not None
        if damage.num_units is None:
            self._begin(damage, structure)
        assert damage.num_units is not None
        for tag in structure.tag.finditer(self._held, damage.search_from - self._start):
            place, name = self._start + tag.start(), tag[2].decode()
            around = None if damage.is_rest else structure.open_at(bool(tag[1]), name, damage.open)
            if around is not None and (damage.highest_rank is None or structure.ranks[name] <= damage.highest_rank):
                damage.open = around
                self._went_on = place
                return place
            damage.num_units += not tag[1] and name in structure.units
            damage.search_from = place + 1
        # the last tag may be cut off
        last = self._held.rfind(b"<", max(damage.search_from - self._start, len(self._held) - TAG_BYTES))
        damage.search_from = self.end if last < 0 or is_end else self._start + last
        return None

    def faults(self) -> Iterator[Pair]:
        """A pair with a fault for each lost unit, or one if something else was lost."""
        if self.damage is not None and self.damage.num_units is not None:
            for number in range(max(self.damage.num_units, 1)):
                yield Pair(self.damage.shown if number == 0 else "", "", fault=self.damage.fault)

    def _begin(self, damage: Damage, structure: Structure) -> None:
        """Counts the units from the start of the damage to the place where the search begins."""
        start, place = damage.start - self._start, damage.search_from - self._start
        if not damage.in_unit:
            first = max(damage.last_tag + 1, self._went_on, self._start) - self._start
            unseen = structure.tag.finditer(self._held, first, start + TAG_BYTES)
            context = [tag for tag in unseen if tag.start() <= start and tag[2].decode() in structure.context]
            if any(not tag[1] for tag in context):
                damage.highest_rank = 1
            start = context[0].start() if context else max(self._held.rfind(b"<", 0, start + 1), 0)
        # never continue twice at the same place
        place = max(place, self._went_on - self._start + 1, start + 1)
        damage.search_from = self._start + place
        damage.shown = " ".join(self._held[start : start + SHOWN_BYTES].decode("utf-8", "replace").split())
        tags = structure.tag.finditer(self._held, start, place + TAG_BYTES)
        damage.num_units = sum(not tag[1] and tag[2].decode() in structure.units for tag in tags if tag.start() < place)
        self._num_reread += max(damage.parsed_to - damage.search_from, 0)
        damage.is_rest = damage.is_rest or self._num_reread > REREAD_BYTES + 2 * self.end
