"""JSON Lines: every object a pair, every other line a fault that names it."""

import gzip
import json

import pytest

from mt.data.formats.jsonl import JsonLines
from mt.data.pair import Pair


def corpus(tmp_path, *lines, source_field="en", target_field="de", **settings) -> JsonLines:
    path = tmp_path / "pairs.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return JsonLines(path=path, source_field=source_field, target_field=target_field, **settings)


def test_objects_are_pairs_and_null_and_line_ends_are_nothing_special(tmp_path):
    rows = [{"en": "one", "de": "eins", "id": 7}, {"de": None, "en": "two\r\nlines\n"}, {"en": "😀 ü", "de": ""}]
    pairs = [Pair("one", "eins"), Pair("two lines", ""), Pair("😀 ü", "")]
    assert list(corpus(tmp_path, *rows)) == pairs
    assert list(corpus(tmp_path, rows[0], "", "  ", *rows[1:])) == pairs  # blank lines are no pairs


@pytest.mark.parametrize(
    "row, text",
    [
        ({"a": {"b": {"c": "deep"}}}, "deep"),
        ({"a.b.c": "whole", "a": {"b": {"c": "deep"}}}, "whole"),
        ({"a.b": {"c": "longest"}, "a": {"b.c": "shorter"}}, "longest"),
        ({"a": {"b.c": "dotted", "b": {"c": "deep"}}}, "dotted"),
        ({"a": {"b": None}}, ""),
        ({"a": None}, ""),
    ],
    ids=["deep", "whole-key", "longest-key", "dotted-inside", "null-inside", "null"],
)
def test_dotted_fields_reach_into_objects_by_the_longest_key(tmp_path, row, text):
    assert list(corpus(tmp_path, row | {"de": "x"}, source_field="a.b.c")) == [Pair(text, "x")]


def test_links_are_read_where_they_are_asked_for(tmp_path):
    rows = [{"en": "a b", "de": "c", "links": "0-0 1-0"}, {"en": "a", "de": "b", "links": None}]
    assert [pair.links for pair in corpus(tmp_path, *rows, links_field="links")] == ["0-0 1-0", None]
    assert [pair.links for pair in corpus(tmp_path, *rows)] == [None, None]


@pytest.mark.parametrize(
    "line, reason, message",
    [
        (
            '{"en": "one" "de": "x"}',
            "not a JSON object",
            r"not a JSON object (Expecting ',' delimiter at character 14)",
        ),
        ("just text", "not a JSON object", "not a JSON object (Expecting value at character 1)"),
        ('"text"', "not a JSON object", "not a JSON object (it is str)"),
        ('["one", "eins"]', "not a JSON object", "(it is list; `jq -c '.[]' FILE` writes a list as lines)"),
        ("[", "not a JSON object", "(Expecting value at character 2; `jq -c '.[]' FILE` writes a list as lines)"),
        ("[" * 100_000, "not a JSON object", "recursion"),
        (f'{{"en": {"9" * 5000}}}', "not a JSON object", "digits"),
        ({"de": "eins"}, "missing field", "field (en) must be one of: de"),
        ({}, "missing field", "field (en) must be one of: none is there"),
        ({"d\ne": "eins"} | dict.fromkeys(map(str, range(99))), "missing field", "must be one of: d\\ne, 0, 1, 2,"),
        ({"en": 3, "de": "x"}, "not text", "field (en) must be text, it is int"),
        ({"en": {"text": "a"}, "de": "x"}, "not text", "field (en) must be text, it is dict"),
        ('{"en": "\\ud83d", "de": "x"}', "not text", "field (en) holds half a character (\\ud83d)"),
    ],
    ids="comma text string list open-list deep digits missing many empty number object half".split(),
)
def test_any_other_line_is_a_fault_and_the_next_ones_are_read(tmp_path, line, reason, message):
    first, fault, last = corpus(tmp_path, {"en": "a", "de": "b"}, line, {"en": "c", "de": "d"})
    assert (first, last) == (Pair("a", "b"), Pair("c", "d"))
    assert fault.fault.reason == reason
    assert fault.fault.message.startswith(f"{tmp_path}/pairs.jsonl line 2: ")
    assert message in fault.fault.message and "\n" not in fault.fault.message


@pytest.mark.parametrize(
    "field, message", [("a.x", "x in a must be one of: b"), ("a.b.c", "field (a.b.c): a.b must hold fields, it is str")]
)
def test_a_field_that_is_missing_inside_says_where(tmp_path, field, message):
    (pair,) = corpus(tmp_path, {"a": {"b": "text"}, "de": "x"}, source_field=field)
    assert pair.fault.message == f"{tmp_path}/pairs.jsonl line 1: {message}"


def test_a_line_that_is_not_utf8_is_a_fault(tmp_path):
    reader = corpus(tmp_path, {"en": "a", "de": "b"})
    (tmp_path / "pairs.jsonl").write_bytes(b'{"en": "a", "de": "b"}\n{"en": "\xff", "de": "b"}\n')
    first, second = reader
    assert first == Pair("a", "b")
    assert second.fault == ("not UTF-8", f"{tmp_path}/pairs.jsonl: not UTF-8 at line 2, byte 31 (0xff)")


def test_files_may_be_packed_and_several(tmp_path):
    paths = []
    for name in ("one", "two"):
        paths.append(tmp_path / f"{name}.jsonl")
        line = json.dumps({"en": name, "de": name}).encode()
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(line))
    reader = JsonLines(path=paths, source_field="en", target_field="de")
    assert list(reader) == list(reader) == [Pair("one", "one"), Pair("two", "two")]
    before = reader.fingerprint()
    assert JsonLines(path=paths, source_field="de", target_field="en").fingerprint() != before
    (tmp_path / "two.jsonl.gz").write_bytes(gzip.compress(b'{"en": "2", "de": "2"}\n'))
    assert reader.fingerprint() != before


@pytest.mark.parametrize("path, message", [([], "empty list"), (3, r"path \(3\) must be a path or a list of paths")])
def test_paths_that_are_none_are_refused(path, message):
    with pytest.raises(ValueError, match=message):
        JsonLines(path=path, source_field="en", target_field="de")


def test_lists_of_languages_and_translations_are_read_by_language_and_the_first_counts(tmp_path):
    rows = [{"t": {"language": ["de", "en", "de"], "translation": ["A", "B", "C"]}}, {"t": {"en": "D", "de": "E"}}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = JsonLines(path=tmp_path / "a.jsonl", source_field="t.en", target_field="t.de")
    assert list(corpus) == [Pair("B", "A"), Pair("D", "E")]
