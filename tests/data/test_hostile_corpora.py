"""A corpus may hold anything: what can be read is kept or counted, and what was kept comes back letter by letter."""

import json
import os
from dataclasses import replace
from itertools import islice
from random import Random
from unittest.mock import ANY

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.canonical import composed
from mt.data.cleaning.settings import NO_RULES, CleaningSettings
from mt.data.formats.jsonl import JsonLines
from mt.data.formats.lines import UNREADABLE, FaultyLine, scan_lines
from mt.data.formats.text_files import TextFiles
from mt.data.formats.tsv import Tsv
from mt.data.prepare import Prepared, prepare
from mt.data.settings import DataSettings
from mt.data.tokenizer import TokenizerSettings
from tests.hostile import (
    SOURCE_WORDS,
    TARGET_WORDS,
    changed,
    cut_off,
    file,
    hostile_line,
    lines,
    pairs,
    sentence,
    table,
)

NUM_PAIRS = 1500
CLEANING = {"no-rules": NO_RULES, "all-rules": CleaningSettings()}
# room for a piece for each of the characters of all planes
TOKENIZER = TokenizerSettings(vocab_size=9000, model_type="bpe", character_coverage=0.98)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def text_files(folder) -> TextFiles:
    both = list(pairs(NUM_PAIRS, 1, num_long=2, long_bytes=1 << 18))
    for ending, side in zip(("en", "de"), zip(*both, strict=True), strict=True):
        (folder / f"train.{ending}").write_bytes(file(side))
    return TextFiles(source=folder / "train.en", target=folder / "train.de")


def ragged_table(folder) -> Tsv:
    (folder / "train.tsv").write_bytes(file(table(NUM_PAIRS, 2)))
    return Tsv(path=folder / "train.tsv")


def json_lines(folder) -> JsonLines:
    """Half of the lines in ASCII, where bytes that are no UTF-8 become half characters, and one in ten cut off."""
    random, lines = Random(3), []
    for source, target in pairs(NUM_PAIRS, 3):
        row = {"en": source.decode("utf-8", "surrogateescape"), "de": target.decode("utf-8", "surrogateescape")}
        line = json.dumps(row, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogateescape")
        lines.append(line[: random.randrange(1, len(line))] if random.random() < 0.1 else line)
    (folder / "train.jsonl").write_bytes(file(lines))
    return JsonLines(path=folder / "train.jsonl", source_field="en", target_field="de")


CORPORA = {"text": text_files, "table": ragged_table, "json": json_lines}


def prepared_from(folder, train, cleaning: CleaningSettings) -> Prepared:
    random, parts = Random(4), {}
    for part in ("valid", "test"):
        for ending, words in (("en", SOURCE_WORDS), ("de", TARGET_WORDS)):
            (folder / f"{part}.{ending}").write_text("".join(f"{sentence(random, words)}\n" for _ in range(9)), "utf-8")
        parts[part] = TextFiles(source=folder / f"{part}.en", target=folder / f"{part}.de")
    data = DataSettings(
        name="hostile",
        source_language="en",
        target_language="de",
        train=train,
        valid=parts["valid"],
        tests={"test": parts["test"]},
        cleaning=cleaning,
        prepared=str(folder / "prepared"),
    )
    return prepare(data, TOKENIZER, num_processes=1)


@pytest.mark.slow  # seconds: prepares corpora
@pytest.mark.parametrize("rules", CLEANING)
@pytest.mark.parametrize("kind", CORPORA)
def test_every_line_is_kept_or_counted_and_what_is_kept_comes_back(tmp_path, kind, rules):
    corpus = CORPORA[kind](tmp_path)
    prepared = prepared_from(tmp_path, corpus, replace(CLEANING[rules], malformed="drop"))
    read = list(corpus)
    ledger = prepared.ledger
    assert ledger.num_in == len(read) == NUM_PAIRS
    assert ledger.num_in == ledger.num_kept + sum(drop.count for drop in ledger.drops.values())
    faults = [pair.fault.reason for pair in read if pair.fault is not None]
    assert {reason: faults.count(reason) for reason in set(faults)}.items() <= {
        reason: drop.count for reason, drop in ledger.drops.items()
    }.items()
    assert len(prepared.train) == ledger.num_kept > NUM_PAIRS / 4
    sound = {(pair.source.strip(), pair.target.strip()) for pair in read if pair.fault is None}
    tokenizers = prepared.tokenizers
    for number in range(len(prepared.train)):
        pair = prepared.train.text(number)
        assert pair[:2] in sound
        ids = prepared.train.pair(number)
        decoded = tokenizers.source.decode(ids[0]), tokenizers.target.decode(ids[1])
        assert decoded == tuple(composed(side).replace("▁", " ") for side in pair[:2])


@pytest.mark.parametrize("kind", CORPORA)
def test_where_malformed_lines_are_refused_the_first_is_named_and_nothing_is_left(tmp_path, kind):
    corpus = CORPORA[kind](tmp_path)
    first = next(pair.fault for pair in corpus if pair.fault is not None)
    with pytest.raises(ValueError) as refused:
        prepared_from(tmp_path, corpus, CleaningSettings())
    assert str(refused.value).startswith(first.message) and "\n" not in str(refused.value)
    assert {path.name for path in (tmp_path / "prepared").iterdir()} == {".lock", "prepared.json"}


@pytest.mark.slow  # seconds: prepares corpora
@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_the_lines_before_the_cut_are_kept_and_the_rest_is_one_fault(tmp_path, ending):
    train = text_files(tmp_path)
    sound = list(train)
    whole = (tmp_path / "train.en").read_bytes()
    (tmp_path / "train.en").unlink()
    for seed in range(8):
        (tmp_path / f"train.en{ending}").write_bytes(cut_off(whole, ending, Random(seed)))
        *before, last = train
        assert before == [pair if pair.fault is None else ANY for pair in sound[: len(before)]]
        assert last.fault.reason == UNREADABLE
        assert last.fault.message.startswith(f"{tmp_path}/train.en{ending}: unreadable after line {len(before)}")
    prepared = prepared_from(tmp_path, train, CleaningSettings(malformed="drop"))
    assert prepared.ledger.num_in == len(before) + 1 > 1
    assert prepared.ledger.drops[UNREADABLE].count == 1


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_a_changed_file_is_noticed(tmp_path, ending):
    """What stands before the place where it is noticed may be wrong: these formats keep a checksum at their end."""
    path = tmp_path / f"lines{ending}"
    content = file(lines(NUM_PAIRS, 5))
    for seed in range(8):
        path.write_bytes(changed(content, ending, Random(seed)))
        *_, last = scan_lines(path)
        assert isinstance(last, FaultyLine) and last.ends_file


@settings(deadline=None)  # it writes files
@given(content=st.lists(hostile_line, max_size=12).map(lambda lines: file([b"first " * 300, *lines])))
def test_lines_read_are_the_lines_written_whatever_is_in_them(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hostile.txt"
    path.write_bytes(content)
    expected = [line.removesuffix(b"\r") for line in content.split(b"\n")[:-1]]
    for line, read in zip(expected, scan_lines(path), strict=True):
        if isinstance(read, FaultyLine):
            assert read.text == line.decode("utf-8", "replace")
            with pytest.raises(UnicodeDecodeError):
                line.decode("utf-8")
        else:
            assert read.encode("utf-8") == line


def test_the_generator_makes_what_it_promises():
    both = list(islice(pairs(3000, 1), 3000))
    assert both == list(pairs(3000, 1)) != list(pairs(3000, 2))
    content = file(source for source, _ in both)
    text = content.decode("utf-8", "replace")
    assert content.count(b"\n") == 3000
    assert {ord(character) >> 16 for character in text} == set(range(17))
    assert {"\0", "\r", "\u2028", "\ufeff", "\u202e", "\u0301", "▁"} <= set(text)
    assert b"\n\n\n\n\n" in content and b"\xed\xa0\x80" in content
