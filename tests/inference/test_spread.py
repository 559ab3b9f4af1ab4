"""Windows of lines on several processes: rows in order, as soon as they are there, and every mistake told."""

import os
import signal
import threading

import pytest

from mt.inference.spread import MANY, SMALLEST_PIECE, in_order, pieces
from mt.inference.window import Rows, Window
from tests.children import PATIENCE_SECONDS


def whole_window(window):
    return Rows("".join(f"{window.first + i} {line}\n" for i, line in enumerate(window.lines)), [str(os.getpid())])


def fails(window):
    if window.first:
        raise ValueError("no such tag")
    return whole_window(window)


def dies(window):
    if window.first:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole_window(window)


def windows(*sizes):
    first = 0
    for size in sizes:
        yield Window(first, [f"line {number}" for number in range(first, first + size)])
        first += size


def text(found):
    return "".join(rows.text for rows in found)


@pytest.mark.parametrize("num_processes", [1, 2, 3])
@pytest.mark.parametrize("sizes", [(), (5,), (3, 2 * MANY, 1, MANY, 7), (3000, 3000, 1)], ids=str)
def test_rows_come_in_order(sizes, num_processes):
    expected = text(map(whole_window, windows(*sizes)))
    assert text(in_order(whole_window, windows(*sizes), num_processes)) == expected


def test_few_lines_start_no_process_and_many_do():
    here = str(os.getpid())
    few = [rows.notes for rows in in_order(whole_window, windows(1, MANY - 1, 5), 2)]
    assert few == [[here]] * 3
    many = [rows.notes[0] for rows in in_order(whole_window, windows(1, MANY, 5), 2)]
    assert many[0] == here and here not in many[1:]


def test_pieces_are_of_nearly_one_size_and_not_tiny():
    (window,) = windows(1000)
    assert [len(piece.lines) for piece in pieces(window, 3)] == [334, 334, 332]
    assert [piece.first for piece in pieces(window, 3)] == [0, 334, 668]
    assert len(list(pieces(window, 1000))) == -(-1000 // SMALLEST_PIECE)


def test_rows_are_given_out_while_the_writer_waits():
    answered = threading.Event()

    def writer():
        yield next(windows(MANY))
        assert answered.wait(PATIENCE_SECONDS), "the first rows were held back"
        yield Window(MANY, ["the last"])

    found = in_order(whole_window, writer(), 2)
    first = [next(found) for _ in range(2)]
    answered.set()
    assert text([*first, *found]).endswith(f"{MANY} the last\n")


@pytest.mark.parametrize("job, error", [(fails, "no such tag"), (dies, "a worker process ended by signal 9")])
def test_a_worker_that_fails_or_dies_is_reported(job, error):
    with pytest.raises((ValueError, OSError), match=error):
        list(in_order(job, windows(2 * MANY), 2))


def test_an_input_that_fails_is_reported():
    def torn():
        yield from windows(MANY)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(in_order(whole_window, torn(), 2))
