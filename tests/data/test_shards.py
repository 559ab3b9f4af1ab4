"""A corpus in shards: each is prepared when it is needed, always the same, and few are on the disk at a time."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mt.data.batching import Cursor, TokenBatches
from mt.data.cleaning.settings import CleaningSettings
from mt.data.formats.text_files import TextFiles
from mt.data.formats.tsv import Tsv
from mt.data.ledger import Ledger
from mt.data.pair import Pair
from mt.data.prepare import prepare
from mt.data.settings import DataSettings
from mt.data.shards import shards_of
from mt.data.sources import Source, Sources
from mt.data.tokenizer import TokenizerSettings

TOKENIZER = TokenizerSettings(vocab_size=330)
NUM_SHARDS = 5


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def write_pairs(folder, stem, pairs):
    for ending, lines in (("en", [source for source, _ in pairs]), ("de", [target for _, target in pairs])):
        (folder / f"{stem}.{ending}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return TextFiles(source=f"{folder}/{stem}.en", target=f"{folder}/{stem}.de")


def pairs_of(shard, count=40):
    pairs = [(f"{shard} dog number {n} runs", f"{shard} Hund Nummer {n} rennt") for n in range(count)]
    return [*pairs, pairs[3], ("", "leer")]  # two of which cleaning drops


@pytest.fixture
def data(tmp_path):
    stems = [f"train.{shard}" for shard in range(NUM_SHARDS)]
    for shard, stem in enumerate(stems):
        write_pairs(tmp_path, stem, pairs_of(shard))
    return DataSettings(
        name="shards",
        source_language="en",
        target_language="de",
        train=TextFiles(
            source=[f"{tmp_path}/{stem}.en" for stem in stems], target=[f"{tmp_path}/{stem}.de" for stem in stems]
        ),
        valid=write_pairs(tmp_path, "valid", [("a valid dog", "ein gültiger Hund")]),
        tests={"test": write_pairs(tmp_path, "test", [pairs_of(2)[7]])},
        cleaning=CleaningSettings(drop_wrong_language=False),
        keep_shards=2,
        prepared=str(tmp_path / "prepared"),
    )


def texts(store):
    return [store.text(number) for number in range(len(store))]


def files_of(folder):
    root = Path(folder)
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def shards_there(prepared):
    return {int(path.name) for path in (prepared.folder / "shards").glob("[0-9]*")}


@pytest.fixture
def opened(data):
    """The shards, their background process ended with the test."""
    prepared = prepare(data, TOKENIZER, num_processes=1)
    yield prepared
    prepared.train.close()


def test_each_file_is_a_shard_that_is_prepared_when_it_is_asked_for(opened):
    assert len(opened.train) == NUM_SHARDS and opened.train.max_pieces == 256
    assert shards_there(opened) == set()
    for shard in (3, 0):
        store = opened.train.store(shard)
        assert texts(store) == [Pair(*pair) for pair in pairs_of(shard)[:40]]
        source, _ = store.pair(5)
        assert opened.tokenizers.source.decode(source) == pairs_of(shard)[5][0]
    assert len(opened.train.store(2)) == 39  # one of them is in the test
    assert opened.tests["test"].sources == [pairs_of(2)[7][0]]


@pytest.mark.slow  # a second: prepares shards
@pytest.mark.parametrize("keep", [2, 3])
def test_so_many_shards_stay_on_the_disk_as_the_setting_says(data, keep):
    prepared = prepare(replace(data, keep_shards=keep), TOKENIZER, num_processes=1)
    shards = prepared.train
    for number in (0, 1, 2, 3, 0):
        before = texts(shards.store(number))
        shards.prefetch((number + 1) % NUM_SHARDS)
        while len(shards._coming) and not all(future.done() for future in shards._coming.values()):
            assert len(shards_there(prepared)) <= keep
            time.sleep(0.01)
        assert number in shards_there(prepared) and len(shards_there(prepared)) <= keep
        assert texts(shards.store(number)) == before
    shards.close()


def test_a_shard_is_the_same_whenever_and_however_it_is_prepared(opened):
    place = opened.folder / "shards" / "000001"
    opened.train.store(1)
    first = files_of(place)
    for number in (2, 3):
        opened.train.store(number)
    assert not place.exists()
    opened.train.prefetch(1)
    opened.train.store(1)
    assert files_of(place) == first
    opened.train._make(4, num_processes=2)
    with_two = files_of(place.with_name("000004"))
    opened.train.store(2), opened.train.store(3)
    opened.train.store(4)
    assert files_of(place.with_name("000004")) == with_two


def test_what_was_prepared_is_found_again_and_a_change_is_noticed(data, opened, tmp_path, monkeypatch):
    before = texts(opened.train.store(1))
    again = prepare(data, TOKENIZER)
    assert again.fingerprint == opened.fingerprint and shards_there(again) == {1}
    with monkeypatch.context() as patched:
        patched.setattr("mt.data.shards.clean_corpus", None)  # it would be called
        assert texts(again.train.store(1)) == before
    write_pairs(tmp_path, "train.1", pairs_of(9))
    changed = prepare(data, TOKENIZER)
    assert changed.fingerprint != opened.fingerprint and shards_there(changed) == set()
    assert texts(changed.train.store(1))[0].source == "9 dog number 0 runs"


def test_the_ledger_counts_each_shard_once_however_often_it_is_prepared(opened):
    for number in (0, 1, 2, 0, 1):
        opened.train.store(number)
    ledger = Ledger.load(opened.folder / "ledger.json")
    assert ledger == opened.train.ledger
    assert (ledger.num_in, ledger.num_kept) == (3 * 42, 3 * 40 - 1)
    assert ledger.num_in == ledger.num_kept + ledger.num_dropped
    assert ledger.drops["empty side"].count == 3


def test_a_mistake_in_a_shard_that_comes_in_the_background_is_reported_when_it_is_needed(opened, tmp_path):
    (tmp_path / "train.3.de").write_text("too few\n")
    opened.train.prefetch(3)
    opened.train.store(1)
    with pytest.raises(ValueError, match=r"line counts must be equal: .*train.3.en has 42"):
        opened.train.store(3)
    opened.train.prefetch(4)  # the background goes on
    assert len(opened.train.store(4)) == 40


def test_what_a_killed_process_left_of_a_shard_is_cleared_away(opened):
    left = opened.folder / "shards" / ".000002.999999.unfinished"
    (left / "clean").mkdir(parents=True)
    opened.train.store(2)
    assert not left.exists()


def test_going_back_to_one_piece_removes_the_shards(data, opened):
    opened.train.store(0)
    whole = prepare(replace(data, keep_shards=None), TOKENIZER)
    assert len(whole.train) == NUM_SHARDS * 40 - 1
    assert not (whole.folder / "shards").exists()
    assert whole.fingerprint != opened.fingerprint


@pytest.mark.slow  # a second: prepares shards
def test_an_epoch_reads_every_shard_and_goes_on_anywhere_though_the_shard_has_to_be_prepared_again(data, opened):
    def batches(prepared):
        return TokenBatches(prepared.train, prepared.tokenizers, max_tokens=600, seed=5)

    def read(reader, cursor, count):
        found = []
        for _ in range(count):
            batch, cursor = reader.read(cursor)
            found.append(batch.source.ids_BS)
        return found, cursor

    whole = list(batches(opened).once())
    assert sum(len(batch.indices) for batch in whole) == NUM_SHARDS * 40 - 1
    opened.train.close()
    before, cursor = read(batches(opened), Cursor(), len(whole) // 2)
    opened.train.close()
    shutil.rmtree(opened.folder / "shards")
    resumed = prepare(data, TOKENIZER)
    after, cursor = read(batches(resumed), cursor, len(whole) - len(before))
    resumed.train.close()
    assert cursor == Cursor(epoch=1)
    assert all(torch.equal(one, batch.source.ids_BS) for one, batch in zip(before + after, whole, strict=True))


def test_sources_are_cut_into_shards_together():
    files = {side: [f"{side}{n}" for n in range(3)] for side in ("source", "target")}
    two = Sources(a=TextFiles(**files), b=Source(corpus=Tsv(path=["x", "y", "z"]), tag="<bt>"))
    shards = shards_of(two)
    assert len(shards) == 3
    assert shards[1].sources["a"].corpus == TextFiles(source="source1", target="target1")
    assert shards[1].sources["b"] == Source(corpus=Tsv(path="y"), tag="<bt>")


@pytest.mark.parametrize(
    "corpus, message",
    [
        (
            Sources(a=Tsv(path=["x", "y"]), b=Tsv(path="z")),
            "data.keep_shards: every source must have the same number of files, a has 2, b has 1",
        ),
        ([Pair("a", "b")], "data.keep_shards: data.train must be made of files in lists, it is list"),
    ],
    ids=["counts", "no-files"],
)
def test_what_cannot_be_cut_is_refused_in_one_line(corpus, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        shards_of(corpus)


def test_one_shard_alone_cannot_be_kept(data):
    with pytest.raises(ValueError, match=r"data.keep_shards \(1\) must be at least 2"):
        replace(data, keep_shards=1)


def test_a_shard_that_a_kill_left_half_deleted_is_made_again(data, monkeypatch):
    """It goes under another name first: what is left of it is not taken for a shard."""
    prepared = prepare(data, TOKENIZER)
    first = texts(prepared.train.store(0))

    def killed(path, **how):
        if Path(path).exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            for number in range(1, NUM_SHARDS):
                prepared.train.store(number)
    assert 0 not in shards_there(prepared)
    assert texts(prepare(data, TOKENIZER).train.store(0)) == first
