"""Progress is told now and then, in lines where there is no terminal, and not at all where nobody wants our log."""

import logging

from mt.data import progress
from mt.data.progress import Progress


def told(caplog, monkeypatch, level, total=None):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level(level, logger="mt.data.progress")
    with Progress("cleaning", total) as counted:
        for _ in range(3):
            counted.add(1500)
    return [record.getMessage() for record in caplog.records]


def test_lines_say_how_far_it_is(caplog, monkeypatch, capsys):
    lines = told(caplog, monkeypatch, logging.INFO, total=4500)
    assert [line.split(" pairs, ")[0] for line in lines] == [
        "cleaning: 1,500 of 4,500", "cleaning: 3,000 of 4,500", "cleaning: 4,500 of 4,500"
    ]  # fmt: skip
    assert all(line.endswith(" a second") for line in lines)
    assert not capsys.readouterr().err


def test_the_total_may_be_unknown(caplog, monkeypatch):
    assert told(caplog, monkeypatch, logging.INFO)[0].startswith("cleaning: 1,500 pairs, ")


def test_nothing_is_said_where_the_log_is_off_and_nothing_of_what_is_soon_done(caplog, monkeypatch, capsys):
    assert told(caplog, monkeypatch, logging.ERROR) == []
    monkeypatch.undo()
    caplog.set_level(logging.INFO, logger="mt.data.progress")
    with Progress("cleaning") as counted:
        counted.add(5)
    assert not caplog.records and not capsys.readouterr().err
