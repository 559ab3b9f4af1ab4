"""What `translate` writes for a line: columns that hold any text, JSON that every parser takes, texts put together."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.inference.options import Options
from mt.inference.records import Text, in_column, json_line, rows, together
from mt.inference.translation import Candidate, Translation

ANY_TEXT = st.text(alphabet=st.sampled_from("ab \t\n\r\\n\\t\x0b\x0c\x1c\x85\u2028\u2029\ud800é{}\"'"), max_size=12)
OPTIONS = Options(n_best=2, scores=True, alignment=True)


def unescaped(column):
    """What a reader of the columns does, as --help says."""
    text, place = "", 0
    while place < len(column):
        sign = column[place : place + 2]
        if sign in (plain := {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}):
            text, place = text + plain[sign], place + 2
        elif sign == "\\u":
            text, place = text + chr(int(column[place + 2 : place + 6], 16)), place + 6
        else:
            text, place = text + column[place], place + 1
    return text


@given(ANY_TEXT)
def test_any_text_comes_back_out_of_its_column(text):
    column = in_column(text)
    assert len(f"x{column}x".splitlines()) == 1 and "\t" not in column
    assert unescaped(column) == text


@given(ANY_TEXT)
def test_a_line_has_as_many_columns_as_it_should_whatever_the_text(text):
    body = {"text": text, "score": -1.5, "links": "0-0"}
    (row,) = rows(7, "line", Translation("line", ()), [body], OPTIONS)
    number, score, column, links = row.split("\t")
    assert (number, score, links) == ("7", "-1.5000", "0-0")
    assert unescaped(column) == text


def test_a_line_without_columns_is_its_text():
    assert rows(1, "x", Translation("x", ()), [{"text": "a\tb\\n"}], Options()) == ["a\tb\\n"]


def refuse(name):
    raise AssertionError(f"{name} is not JSON")


@given(ANY_TEXT, st.floats() | st.just(float("nan")))
def test_json_is_one_valid_line(text, number):
    line = json_line({"text": text, "list": [number, (text, None)], "of": {text: number}})
    assert len(line.splitlines()) == 1
    assert line.encode("utf-8")
    found = json.loads(line, parse_constant=refuse)
    assert found["text"] == text.replace("\ud800", "\ufffd")
    assert (found["list"][0] is None) == (number != number or abs(number) == float("inf"))


def translation(source, *candidates, notes=()):
    return Translation(source, tuple(Candidate(text, score, score) for text, score in candidates), notes=notes)


def test_texts_of_a_line_are_one_translation():
    line = Text(translation("today", ("heute", -1.0), ("nun", -2.0), notes=("split",)), [])
    branch = Text(translation("a dog", ("ein Hund", -0.5), notes=("split",)), [])
    found = together([line, branch], ["markup: odd"])
    assert found.source == "today a dog"
    assert [(one.text, one.log_prob, one.score) for one in found.candidates] == [
        ("heute ein Hund", -1.5, -1.5),
        ("nun ein Hund", -2.5, -2.5),
    ]
    assert found.notes == ("split", "markup: odd")


@pytest.mark.parametrize("notes", [(), ("markup: odd",)])
def test_a_text_alone_is_itself(notes):
    alone = translation("a", ("b", -1.0))
    assert together([Text(alone, [])], notes) == translation("a", ("b", -1.0), notes=notes)
