"""The workers: processes that translate batches from the queue, restarted when they end, replaced for a new model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mt.data.workers import Worker
from mt.serving.messages import Batch, Broke, Failed, Load, ModelFacts
from mt.serving.metrics import Metrics
from mt.serving.queue import Queue, Ticket
from mt.serving.refusal import Refused, bad_request

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # how often an idle worker is looked at
PATIENCE_SECONDS = 60.0  # after the last deadline of its batch a worker is taken for stuck
MOST_ATTEMPTS = 4  # workers that may end while they compute a line, before it is refused
PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before a worker is started again, by failures in a row


class Slot:
    """The place of one worker: the process that is there, and the one that is to replace it."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.next: Worker | None = None
        self.is_busy = False

    @property
    def pid(self) -> int | None:
        """Of the process that translates; None while there is none."""
        return self.worker.pid if self.worker is not None and self.worker.is_alive() else None


class Crew:
    """`count` workers that run `function` (`mt.serving.engine.Engine`, or another that takes the same messages)."""

    def __init__(self, function: Callable[[Any], Any], queue: Queue, metrics: Metrics, *, count: int):
        self.slots = [Slot() for _ in range(count)]
        self._function, self._queue, self._metrics = function, queue, metrics
        self._threads = ThreadPoolExecutor(2 * count, thread_name_prefix="worker")  # a new worker beside an old one
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def num_ready(self) -> int:
        """Workers that have loaded their models."""
        return sum(slot.pid is not None for slot in self.slots)

    async def start(self) -> list[ModelFacts]:
        """Starts all and gives what they have loaded. Raises the first one's ValueError or OSError."""
        started = await asyncio.gather(*(self._started() for _ in self.slots), return_exceptions=True)
        for slot, one in zip(self.slots, started, strict=True):
            if not isinstance(one, BaseException):
                slot.worker = one[0]
        if errors := [one for one in started if isinstance(one, BaseException)]:
            await self.stop()
            raise errors[0]
        self._tasks = [asyncio.create_task(self._serve(slot)) for slot in self.slots]
        return next(one[1] for one in started if not isinstance(one, BaseException))

    async def replace(self, accept: Callable[[list[ModelFacts]], None]) -> None:
        """Loads the models anew, worker by worker; each one translates until the new one in its place has loaded.

        `accept` gets what was loaded, and raises ValueError to keep the old models: so does a failure to load.
        """
        for slot in self.slots:
            worker, facts = await self._started()
            try:
                accept(facts)
            except ValueError:
                worker.kill()
                raise
            if slot.next is not None:
                slot.next.kill()
            slot.next = worker

    async def stop(self) -> None:
        """Ends all workers at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for slot in self.slots:
            for worker in filter(None, (slot.worker, slot.next)):
                worker.kill()
            slot.worker = slot.next = None
        self._threads.shutdown(wait=False)

    def _call(self, worker: Worker, message: Load | Batch) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(self._threads, worker.call, message)

    async def _started(self) -> tuple[Worker, list[ModelFacts]]:
        worker = Worker(self._function)
        try:
            return worker, await self._call(worker, Load())
        except BaseException:
            worker.kill()
            raise

    async def _serve(self, slot: Slot) -> None:
        """Takes batches for ever, with a new process whenever one ends."""
        failures = 0
        while True:
            try:
                if slot.worker is None:
                    await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                    slot.worker, _ = await self._started()
                await self._batches(slot)
            except ChildProcessError as error:
                log.warning("%s: it is started again", error)
                failures = failures + 1 if slot.worker is None else 0
            except (ValueError, OSError) as error:  # its checkpoint cannot be loaded now
                log.error("a worker cannot start: %s", error)
                failures += 1
            if slot.worker is not None:
                slot.worker.kill()
                slot.worker = None
            self._metrics.restarts.inc()

    async def _batches(self, slot: Slot) -> None:
        """Translates batches until the process ends: raises ChildProcessError then."""
        while True:
            batch = await self._next_batch(slot)
            if slot.next is not None:
                assert slot.worker is not None
                slot.worker.kill()
                slot.worker, slot.next = slot.next, None
            if batch:
                slot.is_busy = True
                try:
                    await self._translate(slot, batch)
                finally:
                    slot.is_busy = False

    async def _next_batch(self, slot: Slot) -> list[Ticket]:
        """A batch; empty where another process is to take this one's place. Raises ChildProcessError if it ended."""
        taking = asyncio.create_task(self._queue.take())
        try:
            while True:
                done, _ = await asyncio.wait({taking}, timeout=LOOK_SECONDS)
                if done:
                    return taking.result()
                if slot.next is not None:
                    return await self._given_up(taking)
                if slot.pid is None:
                    if batch := await self._given_up(taking):
                        self._queue.put_back(batch)
                    raise ChildProcessError("a worker process ended while it had nothing to do")
        except asyncio.CancelledError:
            self._queue.put_back(await self._given_up(taking))
            raise

    async def _given_up(self, taking: asyncio.Task[list[Ticket]]) -> list[Ticket]:
        """Stops taking a batch; gives the one that was taken in the same moment."""
        taking.cancel()
        await asyncio.wait({taking})
        return [] if taking.cancelled() else taking.result()

    async def _translate(self, slot: Slot, batch: Sequence[Ticket]) -> None:
        worker, begun = slot.worker, time.monotonic()
        assert worker is not None
        self._metrics.taken([begun - ticket.arrived for ticket in batch], [ticket.pieces for ticket in batch])
        call = asyncio.ensure_future(self._call(worker, Batch(batch[0].ask, [ticket.unit for ticket in batch])))
        try:
            patience = max(ticket.deadline for ticket in batch) - begun + PATIENCE_SECONDS
            if not (await asyncio.wait({call}, timeout=patience))[0]:
                worker.kill()
            outcomes = await call
        except ChildProcessError:
            self._again(batch)
            raise
        except asyncio.CancelledError:
            self._queue.put_back(batch)
            raise
        except Exception as error:  # of the pipe or of pickle: the process is of no use any more
            self._again(batch)
            raise ChildProcessError(f"a worker process failed ({type(error).__name__})") from error
        seconds = time.monotonic() - begun
        self._queue.finished(sum(ticket.pieces for ticket in batch), seconds)
        self._metrics.batch_seconds.observe(seconds)
        for ticket, outcome in zip(batch, outcomes, strict=True):
            answer(ticket, outcome)

    def _again(self, batch: Sequence[Ticket]) -> None:
        """Puts the lines of a lost batch back; refuses those that have ended several workers."""
        for ticket in batch:
            ticket.attempts += 1
            if ticket.attempts >= MOST_ATTEMPTS:
                answer(ticket, Broke("the worker processes that computed it ended"))
        self._queue.put_back(batch)


def answer(ticket: Ticket, outcome: dict[str, Any] | Failed | Broke) -> None:
    """Gives the outcome to who waits for it, if somebody still does."""
    if ticket.answer.done():
        return
    if isinstance(outcome, Failed):
        ticket.answer.set_exception(bad_request(outcome.message))
    elif isinstance(outcome, Broke):
        log.error("a line could not be translated: %s", outcome.where)
        ticket.answer.set_exception(Refused(500, "the line could not be translated", reason="broke"))
    else:
        ticket.answer.set_result(outcome)
