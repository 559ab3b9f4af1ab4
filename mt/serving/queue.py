"""The lines that wait: a bounded queue from which workers take batches of lines with one ask."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mt.serving.ask import Ask, Unit
from mt.serving.refusal import retry_later

LEAST_RATE_SECONDS = 1.0  # over which the rate of finished pieces is measured


@dataclass(eq=False)
class Ticket:
    """A line in the queue; `answer` gets its record, or the error that refuses it."""

    unit: Unit
    ask: Ask
    pieces: int
    arrived: float
    deadline: float
    answer: asyncio.Future[dict[str, Any]] = field(repr=False)
    attempts: int = 0  # workers that ended while they computed it


class Queue:
    """Lines in groups of one ask each, the oldest first.

    max_lines     the bound; what does not fit is refused whole, with 503
    wait          seconds that the first line of a batch waits for others
    batch_tokens  count x longest of a batch in source pieces, for one hypothesis a line
    width         ask -> hypotheses that are kept for a line
    clock         seconds, rising
    """

    def __init__(
        self,
        *,
        max_lines: int,
        wait: float,
        batch_tokens: int,
        width: Callable[[Ask], int],
        clock: Callable[[], float],
    ):
        self.max_lines, self.wait, self.batch_tokens = max_lines, wait, batch_tokens
        self._width, self._clock = width, clock
        self._groups: dict[Ask, dict[Ticket, None]] = {}  # dicts keep the order, and lose an entry at once
        self._takers: list[asyncio.Event] = []
        self._rate = 0.0  # pieces a second, of late

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    @property
    def pieces(self) -> int:
        """Source pieces that wait."""
        return sum(ticket.pieces for group in self._groups.values() for ticket in group)

    @property
    def oldest(self) -> float | None:
        """When the line arrived that has waited longest; None if none waits."""
        return min((next(iter(group)).arrived for group in self._groups.values()), default=None)

    def put(self, tickets: Sequence[Ticket]) -> None:
        """All of them, or none: raises `Refused` (503, with the seconds after which there should be room)."""
        if len(self) + len(tickets) > self.max_lines:
            seconds = min(60.0, self.pieces / self._rate) if self._rate else 1.0
            message = f"the queue is full ({len(self)} lines wait, --max-queue {self.max_lines}): try again later"
            raise retry_later(503, message, seconds, reason="queue")
        self._add(tickets)

    def put_back(self, tickets: Sequence[Ticket]) -> None:
        """Lines that were accepted before, at the front; the bound does not count."""
        waiting = {ask: list(group) for ask, group in self._groups.items()}
        self._groups.clear()
        self._add([ticket for ticket in tickets if not ticket.answer.done()])
        self._add([ticket for group in waiting.values() for ticket in group])

    def _add(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            self._groups.setdefault(ticket.ask, {})[ticket] = None
        for taker in self._takers:
            taker.set()

    def drop(self, ticket: Ticket) -> None:
        """Takes a line out that nobody waits for any more; none if a worker has it already."""
        group = self._groups.get(ticket.ask, {})
        if ticket in group:
            del group[ticket]
            if not group:
                del self._groups[ticket.ask]

    def finished(self, pieces: int, seconds: float) -> None:
        """A worker has translated so many pieces in this time: what `Retry-After` is estimated by."""
        rate, share = pieces / max(seconds, 1e-3), min(1.0, seconds / LEAST_RATE_SECONDS)
        self._rate = rate if not self._rate else (1 - share) * self._rate + share * rate

    async def take(self) -> list[Ticket]:
        """The next batch: waits for it. When cancelled, every line is still in the queue."""
        changed = asyncio.Event()
        self._takers.append(changed)
        try:
            while True:
                changed.clear()
                self._drop_expired()
                if not self._groups:
                    await changed.wait()
                    continue
                ask, group = min(self._groups.items(), key=lambda item: next(iter(item[1])).arrived)
                left = next(iter(group)).arrived + self.wait - self._clock()
                budget = self._budget(ask)
                if left <= 0 or sum(ticket.pieces for ticket in group) >= budget * len(self._takers):
                    return self._cut(ask, budget)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(changed.wait(), left)
        finally:
            self._takers.remove(changed)

    def _budget(self, ask: Ask) -> int:
        return max(1, self.batch_tokens // self._width(ask))

    def _drop_expired(self) -> None:
        """Lines past their deadline leave before they are computed; who waits for them has a clock of its own."""
        now = self._clock()
        for group in list(self._groups.values()):
            for ticket in [one for one in group if one.deadline <= now or one.answer.done()]:
                self.drop(ticket)

    def _cut(self, ask: Ask, budget: int) -> list[Ticket]:
        """The oldest lines of a group: as many as fit the budget, and no more than the share of each idle worker."""
        group = self._groups[ask]
        share = math.ceil(len(group) / max(1, len(self._takers)))
        batch: list[Ticket] = []
        longest = 0
        for ticket in group:
            longest = max(longest, ticket.pieces)
            is_again = ticket.attempts > 1  # it may be what ends workers: alone, it harms no other line
            if batch and ((len(batch) + 1) * longest > budget or len(batch) == share or is_again):
                break
            batch.append(ticket)
            if is_again:
                break
        for ticket in batch:
            self.drop(ticket)
        return batch
