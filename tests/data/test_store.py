"""What is read from the disk is what was written: ids, lengths and text, pair by pair."""

import numpy as np
import pytest

from mt.data.held_out import HeldOut
from mt.data.ledger import Ledger
from mt.data.pair import Pair
from mt.data.store import Store, write_store
from mt.data.text_store import TextStore, write_text_store
from mt.data.tokenizer import TokenizerPair
from mt.data.whole_folder import whole_folder, write_whole


class Letters:
    """A tokenizer of one id a letter."""

    def __init__(self, size):
        self.size = size

    def encode_many(self, texts, *, num_threads=1):
        return [[ord(letter) for letter in text] for text in texts]


PAIRS = [
    Pair("one", "eins", "0-0"),
    Pair("", "leer"),
    Pair("two\u2028lines\r", "zwei  Zeilen"),
    Pair("far too long", "zu lang"),
    Pair("ünï", "日本", "0-0 1-1"),
]


def written(tmp_path, pairs=PAIRS, max_pieces=20, size=70000):
    (tmp_path / "text").mkdir()
    (tmp_path / "ids").mkdir()
    ledger = Ledger("train", len(pairs), len(pairs))
    assert write_text_store(tmp_path / "text", pairs) == len(pairs)
    text = TextStore(tmp_path / "text")
    tokenizers = TokenizerPair(Letters(size), Letters(size))
    write_store(tmp_path / "ids", text, tokenizers, max_pieces=max_pieces, ledger=ledger)
    return Store(tmp_path / "ids", text), ledger


def test_text_store_gives_each_pair_as_it_was(tmp_path):
    write_text_store(tmp_path, PAIRS)
    store = TextStore(tmp_path)
    assert [store.pair(number) for number in range(len(store))] == PAIRS
    assert list(store.lines("target")) == [pair.target for pair in PAIRS]
    assert not (tmp_path / "links.text").read_text().startswith("None")


def test_text_store_without_links_has_no_file_for_them(tmp_path):
    write_text_store(tmp_path, [Pair("one", "eins")])
    assert {path.name for path in tmp_path.iterdir()} == {
        "source.text", "source.index", "target.text", "target.index"
    }  # fmt: skip
    assert TextStore(tmp_path).pair(0) == Pair("one", "eins", None)


@pytest.mark.parametrize("chunk_pairs", [1, 2, 100])
@pytest.mark.parametrize("size, dtype", [(65536, np.uint16), (65537, np.int32)])
def test_ids_lengths_and_text_belong_together(tmp_path, monkeypatch, chunk_pairs, size, dtype):
    monkeypatch.setattr("mt.data.store.CHUNK_PAIRS", chunk_pairs)
    store, _ = written(tmp_path, size=size)
    assert len(store) == len(PAIRS)
    assert store.source_ids.dtype == dtype
    for number, pair in enumerate(PAIRS):
        source, target = store.pair(number)
        assert source.tolist() == [ord(letter) for letter in pair.source]
        assert target.tolist() == [ord(letter) for letter in pair.target]
        assert store.text(number) == pair
        assert (store.source_lengths[number], store.target_lengths[number]) == (len(source), len(target))
    assert store.source_lengths.dtype == np.int32


@pytest.mark.parametrize("chunk_pairs", [1, 2, 100])
def test_pairs_of_too_many_pieces_are_left_out_and_counted(tmp_path, monkeypatch, chunk_pairs):
    monkeypatch.setattr("mt.data.store.CHUNK_PAIRS", chunk_pairs)
    store, ledger = written(tmp_path, max_pieces=5)
    kept = [PAIRS[0], PAIRS[1], PAIRS[4]]
    assert [store.text(number) for number in range(len(store))] == kept
    assert [store.pair(number)[1].tolist() for number in range(len(store))] == [
        [ord(letter) for letter in pair.target] for pair in kept
    ]
    assert ledger.num_kept == 3
    assert ledger.drops["too long (over 5 pieces)"].count == 2


def test_a_store_may_be_empty(tmp_path):
    store, _ = written(tmp_path, max_pieces=1, pairs=PAIRS[:1])
    assert len(store) == 0


def test_ids_are_mapped_not_read(tmp_path):
    store, _ = written(tmp_path)
    assert isinstance(store.source_ids.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.source_ids[0] = 1


def test_another_format_is_refused(tmp_path):
    store, _ = written(tmp_path)
    (store.folder / "store.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match=r"store format \(99\) must be 1; prepare it again"):
        Store(store.folder, TextStore(tmp_path / "text"))


@pytest.mark.parametrize("links", [None, "0-0"])
def test_held_out_lines_are_untouched(tmp_path, links):
    pairs = [Pair(" \ufeffone ", "eins\r", links), Pair("", "\u2028", links), Pair("a\nb", "c", links)]
    held_out = HeldOut.read("test", pairs)
    assert held_out.sources == [" \ufeffone ", "", "a b"]
    files = held_out.save(tmp_path, "en", "de")
    assert files == ["test.en", "test.de"] + ["test.align"] * (links is not None)
    assert HeldOut.load(tmp_path, "test", "en", "de") == held_out
    assert len((tmp_path / "test.en").read_bytes().split(b"\n")) == 3 + 1


def test_links_of_some_pairs_only_are_no_gold():
    assert HeldOut.read("test", [Pair("a", "b", "0-0"), Pair("c", "d")]).links is None


def test_an_empty_held_out_set_is_refused():
    with pytest.raises(ValueError, match=r"data.valid: the corpus has no pair"):
        HeldOut.read("valid", [])


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    place = tmp_path / "parts" / "clean"
    with whole_folder(place) as new:
        (new / "a").write_text("first")
        assert not place.exists()
    with pytest.raises(RuntimeError), whole_folder(place) as new:
        (new / "a").write_text("second")
        raise RuntimeError
    assert (place / "a").read_text() == "first"
    with whole_folder(place) as new:
        (new / "b").write_text("third")
    assert [path.name for path in place.parent.rglob("*")] == ["clean", "b"]


def test_a_file_is_replaced_whole(tmp_path):
    write_whole(tmp_path / "a.txt", "one\n")
    write_whole(tmp_path / "a.txt", "two\u2028\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "two\u2028\r\n".encode()
    assert len(list(tmp_path.iterdir())) == 1
