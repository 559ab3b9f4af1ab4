"""The service: takes what clients ask for, checks it, queues it, and gives the records that the workers made."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mt.serving.ask import FEATURES, NEEDS_OWN_ENGINE, Ask, Unit
from mt.serving.crew import Crew
from mt.serving.glossaries import Glossaries
from mt.serving.keys import Key, Keys, load_keys
from mt.serving.late import Late
from mt.serving.messages import ModelFacts
from mt.serving.metrics import Metrics
from mt.serving.models import Models, Pair, check_unicode
from mt.serving.queue import Queue, Ticket
from mt.serving.refusal import CLIENT_LEFT, Refused, bad_request, beyond, retry_later
from mt.serving.settings import Settings

log = logging.getLogger(__name__)

SAVE_SECONDS = 10.0  # between two writings of what keys have used
Record = dict[str, Any]
"""A line's record, as `translate --json` writes it."""


@dataclass
class Caller:
    """Who asks: its key, when its request arrived and must be answered, and how to learn that it has left."""

    key: Key
    arrived: float
    deadline: float
    gone: Callable[[], Any] | None = None  # an asynchronous function that returns when the client has left
    characters: int = 0  # of the request, which count once it is accepted


def _function(settings: Settings) -> Late:
    """What the workers run."""
    models = (settings.checkpoints, dict(settings.options))
    if settings.engine is None:
        return Late("mt.serving.engine", "Engine", *models)
    return Late("mt.serving.exports", "Exports", settings.engine, *models)


class Service:
    """Models, queue, workers, keys and metrics of one server. Everything but the translation itself runs here."""

    def __init__(self, settings: Settings, function: Callable[[Any], Any] | None = None):
        """`function` runs in the workers; by default it is `mt.serving.engine.Engine`, or `Exports` with an engine.

        Raises ValueError for files of keys and of state that cannot be used.
        """
        self.settings, self.limits = settings, settings.limits
        if settings.state is not None:
            settings.state.mkdir(parents=True, exist_ok=True)
        self.keys = Keys(None if settings.keys is None else load_keys(settings.keys), state=settings.state)
        self.glossaries = Glossaries(settings.state)
        self.metrics = Metrics()
        self.queue = Queue(
            max_lines=self.limits.max_queue,
            wait=settings.wait,
            batch_tokens=settings.batch_tokens,
            width=self._width,
            clock=time.monotonic,
        )
        self._crew = Crew(function or _function(settings), self.queue, self.metrics, count=settings.workers)
        self._models: Models | None = None
        self._saving: asyncio.Task[None] | None = None
        self.is_draining = False
        self._watch()

    @property
    def models(self) -> Models:
        """What is served. Raises `Refused` (503) until the workers have loaded it."""
        if self._models is None:
            raise retry_later(503, "the models are being loaded: try again", 1, reason="loading")
        return self._models

    @property
    def is_loaded(self) -> bool:
        """Whether there are models."""
        return self._models is not None

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered: some worker has its models, and the server is not about to end."""
        return self.is_loaded and self._crew.num_ready > 0 and not self.is_draining

    @property
    def features(self) -> list[str]:
        """The fields of a request that the engine can fulfil, of those that not every engine can."""
        return [name for name in FEATURES if self.settings.engine is None or name not in NEEDS_OWN_ENGINE]

    @property
    def takes_files(self) -> bool:
        """Whether the engine can keep the markup of files."""
        return "markup" in self.features

    @property
    def pids(self) -> list[int]:
        """Of the workers that run."""
        return [slot.pid for slot in self._crew.slots if slot.pid is not None]

    async def start(self) -> None:
        """Loads the models in all workers. Raises ValueError or OSError in one line."""
        try:
            self._accept(await self._crew.start())
        except BaseException:
            await self._crew.stop()
            raise
        self._saving = asyncio.create_task(self._save())

    async def stop(self) -> None:
        """Ends the workers; what keys have used is written."""
        if self._saving is not None:
            self._saving.cancel()
        await self._crew.stop()
        self.keys.save()

    async def reload(self) -> None:
        """Loads the models anew, such as a new `best`; the old ones translate until then, and if it fails."""

        def accept(facts: list[ModelFacts]) -> None:
            self.models.check_same(facts)
            found.append(facts)

        found: list[list[ModelFacts]] = []
        try:
            await self._crew.replace(accept)
        except (ValueError, OSError) as error:
            log.error("the models stay as they were: %s", error)
            self.metrics.reloads.labels("failed").inc()
            return
        self._accept(found[-1])
        self.metrics.reloads.labels("loaded").inc()

    def check_texts(self, texts: Sequence[str], caller: Caller) -> None:
        """Checks the texts of a request, whose characters count once it is accepted. Raises `Refused`."""
        limits, characters = self.limits, sum(map(len, texts))
        if len(texts) > limits.max_texts:
            raise beyond("texts", len(texts), limits.max_texts, "--max-texts", status=413)
        if characters > limits.max_characters:
            raise beyond("characters", characters, limits.max_characters, "--max-characters", status=413)
        for number, text in enumerate(texts, start=1):
            check_unicode(text, f"text {number}")
        caller.characters = characters

    def check_ask(self, ask: Ask) -> None:
        """Raises `Refused`, naming it, for what the engine cannot do, and for a search that is larger than allowed."""
        if self.settings.engine is not None:
            for name, why in NEEDS_OWN_ENGINE.items():
                if getattr(ask, name):
                    raise bad_request(f"{name}: --engine {self.settings.engine} does not give it: {why}")
        if ask.n_best > self.limits.max_n_best:
            raise beyond("n_best", ask.n_best, self.limits.max_n_best, "--max-n-best")
        width = max(ask.beam_size or 1, ask.n_best)
        if width > self.limits.max_beam:
            raise beyond("beam_size", width, self.limits.max_beam, "--max-beam")

    async def translate(self, units: Sequence[Unit], ask: Ask, pair: Pair, caller: Caller) -> list[Record]:
        """The record of each line, in order, all of them or none.

        Raises `Refused`: a line is too long (413) or cannot be translated as asked (400), the queue is full (503), the
        deadline has passed (504), the client has left (499).
        """
        tickets = self.admit(units, ask, pair, caller)
        try:
            return await self._answers(tickets, caller) if tickets else []
        except BaseException:
            self.keys.return_characters(caller.key, caller.characters)
            raise
        finally:
            self._drop(tickets)

    async def stream(self, tickets: Sequence[Ticket], caller: Caller) -> AsyncIterator[Record]:
        """The records of lines that were admitted, in order, each as soon as it is there. Raises `Refused`."""
        try:
            for ticket in tickets:
                yield (await self._answers([ticket], caller))[0]
        except BaseException:
            self.keys.return_characters(caller.key, caller.characters)
            raise
        finally:
            self._drop(tickets)

    def admit(self, units: Sequence[Unit], ask: Ask, pair: Pair, caller: Caller) -> list[Ticket]:
        """Puts lines into the queue, all of them or none, and counts the characters. Raises `Refused`."""
        self.check_ask(ask)
        if len(units) > self.limits.max_queue:
            raise beyond("lines", len(units), self.limits.max_queue, "--max-queue", status=413)
        if caller.deadline <= time.monotonic():
            raise self._late()
        loop, pieces = asyncio.get_running_loop(), self._pieces(units, pair)
        in_prefix = len(self.models.target_tokenizer(pair.model).encode(ask.prefix)) if ask.prefix else 0
        if in_prefix > self.limits.max_pieces:
            raise beyond("pieces of prefix", in_prefix, self.limits.max_pieces, "--max-pieces", status=413)
        tickets = [
            Ticket(unit, ask, count, caller.arrived, caller.deadline, loop.create_future())
            for unit, count in zip(units, pieces, strict=True)
        ]
        self.keys.characters(caller.key, caller.characters)
        try:
            self.queue.put(tickets)
        except Refused:
            self.keys.return_characters(caller.key, caller.characters)
            raise
        self.metrics.lines.labels(pair.source, pair.target).inc(len(units))
        self.metrics.characters.labels(pair.source, pair.target).inc(sum(len(unit.text) for unit in units))
        return tickets

    def _drop(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            ticket.answer.cancel()
            self.queue.drop(ticket)

    async def _answers(self, tickets: Sequence[Ticket], caller: Caller) -> list[Record]:
        """Waits for all answers, the first refusal, the deadline, or until the client has left."""
        answers = asyncio.gather(*(ticket.answer for ticket in tickets))
        answers.add_done_callback(lambda done: done.cancelled() or done.exception())
        waiting: set[asyncio.Future[Any]] = {answers}
        leaving = None
        if caller.gone is not None:
            leaving = asyncio.ensure_future(caller.gone())
            waiting.add(leaving)
        try:
            timeout = caller.deadline - time.monotonic()
            done, _ = await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if answers in done:
                return answers.result()
            if done:
                raise Refused(CLIENT_LEFT, "the client has left", reason="left")
            raise self._late()
        finally:
            answers.cancel()
            if leaving is not None:
                leaving.cancel()

    def _late(self) -> Refused:
        message = f"no answer within the deadline (--deadline {self.limits.deadline:g} seconds, or the request's own)"
        return Refused(504, message, reason="deadline")

    def _pieces(self, units: Sequence[Unit], pair: Pair) -> list[int]:
        tokenizer, most = self.models.tokenizer(pair.model), self.limits.max_pieces
        if not units:
            return []
        counts = [len(ids) for ids in tokenizer.encode_many([unit.text for unit in units])]
        longest = max(counts)
        if longest > most:
            raise beyond(f"pieces of line {counts.index(longest) + 1}", longest, most, "--max-pieces", status=413)
        around = [sum(len(text) for text in (*unit.before, *unit.after)) for unit in units]
        if max(around) > self.limits.max_characters:
            raise bad_request(f"characters of context must be at most {self.limits.max_characters} (--max-characters)")
        # context is read, too: about four characters a piece
        return [max(1, count + context // 4) for count, context in zip(counts, around, strict=True)]

    def _width(self, ask: Ask) -> int:
        own = self._models.facts[ask.model].width if self._models is not None else 1
        return max(ask.beam_size or own, ask.n_best)

    def _accept(self, facts: list[ModelFacts]) -> None:
        self._models = Models(facts)
        self.metrics.model.clear()
        for pair in self.models.pairs.values():
            step = facts[pair.model].folder.name
            self.metrics.model.labels(pair.source, pair.target, step).set(1)
            log.info("%s-%s: %s", pair.source, pair.target, facts[pair.model].folder)

    def _watch(self) -> None:
        watch, queue = self.metrics.watch, self.queue
        watch("mt_queue_lines", "Lines that wait.", lambda: len(queue))
        watch("mt_queue_pieces", "Source pieces that wait.", lambda: queue.pieces)
        watch("mt_queue_oldest_seconds", "Wait of the line that has waited longest.", self._oldest)
        watch("mt_queue_max_lines", "The bound of the queue.", lambda: queue.max_lines)
        watch("mt_workers", "Workers that run.", lambda: self._crew.num_ready)
        watch("mt_workers_busy", "Workers that translate now.", lambda: sum(one.is_busy for one in self._crew.slots))

    def _oldest(self) -> float:
        oldest = self.queue.oldest
        return 0.0 if oldest is None else time.monotonic() - oldest

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            self.keys.save()
