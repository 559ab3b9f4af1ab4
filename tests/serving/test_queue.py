"""The queue: who waits together, who is refused, who is dropped, and what is taken first."""

import asyncio

import pytest

from mt.serving.ask import Ask, Unit
from mt.serving.queue import Queue, Ticket
from mt.serving.refusal import Refused

PLAIN, WIDE = Ask(), Ask(beam_size=8)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def scene(run, *, max_lines=50, wait=0.0, batch_tokens=40, width=1):
    """Runs `run(queue, clock, put)` in a loop; `put` makes a ticket, or several with one call."""

    async def main():
        clock = Clock()
        queue = Queue(max_lines=max_lines, wait=wait, batch_tokens=batch_tokens, width=lambda ask: width, clock=clock)

        def put(*texts, ask=PLAIN, pieces=5, seconds=10.0):
            loop = asyncio.get_running_loop()
            new = [
                Ticket(Unit(text), ask, pieces, clock.now, clock.now + seconds, loop.create_future()) for text in texts
            ]
            queue.put(new)
            return new

        return await run(queue, clock, put)

    return asyncio.run(main())


def texts(batch):
    return [ticket.unit.text for ticket in batch]


def test_a_batch_has_lines_of_one_ask_the_oldest_first():
    async def run(queue, clock, put):
        put("a")
        clock.now += 1
        put("b", "c", ask=WIDE)
        clock.now += 1
        put("d")
        return [texts(await queue.take()) for _ in range(2)]

    assert scene(run) == [["a", "d"], ["b", "c"]]


@pytest.mark.parametrize("width, size", [(1, 8), (2, 4), (100, 1)])
def test_a_batch_holds_no_more_than_its_budget_of_padded_pieces_for_each_hypothesis(width, size):
    async def run(queue, clock, put):
        put(*"abcdefghij")
        return [len(await queue.take()) for _ in range(2)]

    assert scene(run, width=width)[0] == size


def test_a_long_line_makes_the_batch_shorter_but_is_taken_itself():
    async def run(queue, clock, put):
        put("a")
        put("long", pieces=500)
        put("b")
        return [texts(await queue.take()) for _ in range(3)]

    assert scene(run) == [["a"], ["long"], ["b"]]


def test_idle_workers_share_the_lines():
    async def run(queue, clock, put):
        takers = [asyncio.create_task(queue.take()) for _ in range(3)]
        await asyncio.sleep(0)
        put(*"abcdefg", pieces=1)
        return sorted(len(batch) for batch in await asyncio.gather(*takers))

    assert scene(run) == [2, 2, 3]


def test_a_line_waits_for_others_until_its_time_is_up():
    async def run(queue, clock, put):
        put("a")
        taker = asyncio.create_task(queue.take())
        await asyncio.sleep(0.01)
        was_waiting = not taker.done()
        clock.now += 5
        put("b")
        return was_waiting, texts(await taker)

    assert scene(run, wait=5.0) == (True, ["a", "b"])


def test_a_full_batch_does_not_wait():
    async def run(queue, clock, put):
        put(*"abcdefgh")
        return len(await queue.take())

    assert scene(run, wait=3600.0) == 8


def test_what_does_not_fit_is_refused_whole_with_the_time_to_come_again():
    async def run(queue, clock, put):
        put("a", "b")
        queue.finished(pieces=2, seconds=1.0)
        with pytest.raises(Refused) as refused:
            put("c", "d")
        put("e")
        return refused.value.status, refused.value.message, refused.value.headers, len(queue)

    status, message, headers, length = scene(run, max_lines=3)
    assert (status, length) == (503, 3) and "--max-queue 3" in message
    assert headers == {"Retry-After": "5"}  # ten pieces wait, two a second are translated


def test_lines_past_their_deadline_are_not_given_to_a_worker():
    async def run(queue, clock, put):
        put("late", seconds=1.0)
        clock.now += 2
        put("in time")
        return texts(await queue.take()), len(queue)

    assert scene(run) == (["in time"], 0)


def test_a_line_that_nobody_waits_for_leaves_its_place_at_once():
    async def run(queue, clock, put):
        gone, _ = put("a", "b")
        queue.drop(gone)
        queue.drop(gone)
        return len(queue), texts(await queue.take())

    assert scene(run) == (1, ["b"])


def test_lost_lines_come_back_first_and_alone_once_they_have_ended_two_workers():
    async def run(queue, clock, put):
        put("a", "bad")
        batch = await queue.take()
        put("c")
        batch[1].attempts = 2
        queue.put_back(batch)
        return [texts(await queue.take()) for _ in range(3)]

    assert scene(run) == [["a"], ["bad"], ["c"]]


def test_lines_that_come_back_are_kept_though_the_queue_is_full():
    async def run(queue, clock, put):
        put("a", "b")
        batch = await queue.take()
        put("c", "d")
        queue.put_back(batch)
        return len(queue), texts(await queue.take())

    assert scene(run, max_lines=2) == (4, ["a", "b", "c", "d"])


def test_a_taker_that_is_stopped_takes_nothing():
    async def run(queue, clock, put):
        taker = asyncio.create_task(queue.take())
        await asyncio.sleep(0)
        taker.cancel()
        put("a")
        await asyncio.wait({taker})
        return len(queue), texts(await queue.take())

    assert scene(run) == (1, ["a"])
