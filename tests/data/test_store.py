"""What is read from the disk is what was written: ids, lengths and text, pair by pair."""

import numpy as np
import pytest

from mt.data.block import Block, in_blocks
from mt.data.encode import write_store
from mt.data.held_out import HeldOut
from mt.data.ledger import Ledger
from mt.data.pair import Pair
from mt.data.store import Store
from mt.data.text_store import TextStore, TextWriter, write_text_store
from mt.data.tokenizer import TokenizerPair
from mt.data.whole_folder import whole_folder, write_whole


class Letters:
    """A tokenizer of one id a letter."""

    cuts_words_by_themselves, reserved_symbols, blank = False, (), 0

    def __init__(self, size):
        self.size = size

    def encode_many(self, texts, *, num_threads=1):
        return [[ord(letter) for letter in text] for text in texts]


PAIRS = [
    Pair("one", "eins", "0-0"),
    Pair("", "leer"),
    Pair("two\u2028lines\r", "zwei  Zeilen"),
    Pair("far too long", "zu lang", tree="2 3 0"),
    Pair("ünï", "日本", "0-0 1-1", tree="0"),
]


def written(tmp_path, pairs=PAIRS, max_pieces=20, size=70000):
    (tmp_path / "text").mkdir()
    (tmp_path / "ids").mkdir()
    ledger = Ledger("train", len(pairs), len(pairs))
    write_text_store(tmp_path / "text", pairs)
    text = TextStore(tmp_path / "text")
    assert len(text) == len(pairs)
    tokenizers = TokenizerPair(Letters(size), Letters(size))
    write_store(tmp_path / "ids", text, tokenizers, max_pieces=max_pieces, ledgers={"train": ledger})
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
        "source.text", "source.index", "target.text", "target.index", "sources.json"
    }  # fmt: skip
    assert TextStore(tmp_path).pair(0) == Pair("one", "eins", None)


@pytest.fixture(params=[1, 2, 100])
def _blocks(request, monkeypatch):
    """Blocks of so many pairs."""
    for module in ("block", "text_store"):
        monkeypatch.setattr(f"mt.data.{module}.BLOCK_PAIRS", request.param)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("size, dtype", [(65536, np.uint16), (65537, np.int32)])
def test_ids_lengths_and_text_belong_together(tmp_path, size, dtype):
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


@pytest.mark.usefixtures("_blocks")
def test_pairs_of_too_many_pieces_are_left_out_and_counted(tmp_path):
    store, ledger = written(tmp_path, max_pieces=5)
    kept = [PAIRS[0], PAIRS[1], PAIRS[4]]
    assert [store.text(number) for number in range(len(store))] == kept
    assert [store.pair(number)[1].tolist() for number in range(len(store))] == [
        [ord(letter) for letter in pair.target] for pair in kept
    ]
    assert ledger.num_kept == 3
    assert ledger.drops["too long (over 5 pieces)"].count == 2
    assert store.max_pair_pieces == 7 and store.max_pieces == 5


@pytest.mark.usefixtures("_blocks")
def test_sources_are_the_numbers_of_their_pairs(tmp_path):
    parts = {"first": PAIRS[:2], "none": [], "second": PAIRS[2:]}
    with TextWriter(tmp_path) as writer:
        for name, pairs in parts.items():
            writer.begin(name)
            for block in in_blocks(pairs):
                writer.write(Block.of_pairs(block))
    text = TextStore(tmp_path)
    assert text.sources == {"first": range(0, 2), "none": range(2, 2), "second": range(2, 5)}
    assert [pair for lines in text.sources.values() for block in text.blocks(lines) for pair in block.pairs()] == PAIRS
    ledgers = {name: Ledger(name, len(pairs), len(pairs)) for name, pairs in parts.items()}
    (tmp_path / "ids").mkdir()
    write_store(tmp_path / "ids", text, TokenizerPair(Letters(9), Letters(9)), max_pieces=5, ledgers=ledgers)
    store = Store(tmp_path / "ids", text)
    assert store.sources == {"first": range(0, 2), "none": range(2, 2), "second": range(2, 3)}
    assert [ledger.num_dropped for ledger in ledgers.values()] == [0, 0, 2]
    assert [store.text(number) for number in range(3)] == [PAIRS[0], PAIRS[1], PAIRS[4]]


def test_a_block_ends_where_its_text_gets_long(tmp_path, monkeypatch):
    for module in ("block", "text_store"):
        monkeypatch.setattr(f"mt.data.{module}.BLOCK_CHARACTERS", 30)
    pairs = [Pair("x" * length, "y") for length in (10, 10, 100, 1, 1, 30, 0)]
    assert [len(block) for block in in_blocks(pairs)] == [3, 3, 1]
    write_text_store(tmp_path, pairs)
    blocks = list(TextStore(tmp_path).blocks(range(1, 7)))
    assert [pair for block in blocks for pair in block.pairs()] == pairs[1:]
    assert len(blocks) > 2


def test_a_sample_is_spread_over_the_whole_store(tmp_path):
    store, _ = written(tmp_path, pairs=[Pair(str(number), "x") for number in range(100)])
    numbers = [int(pair.source) for pair in store.sample(8)]
    assert sorted(numbers) == list(range(0, 100, 13)) != numbers
    assert sorted(int(pair.source) for pair in store.sample(1000)) == list(range(100))


def test_opening_looks_at_no_sentence(tmp_path, monkeypatch):
    store, _ = written(tmp_path)
    monkeypatch.setattr(np, "diff", None)  # lengths of all sentences are not worked out unless somebody asks
    again = Store(store.folder, TextStore(tmp_path / "text"))
    assert len(again) == len(PAIRS)


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
    with pytest.raises(ValueError, match=r"store format \(99\) must be 2; prepare it again"):
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


def test_trees_of_some_held_out_lines_are_kept(tmp_path):
    held_out = HeldOut.read("test", [Pair("a b", "c", tree="2 0"), Pair("d", "e")])
    assert held_out.trees == ["2 0", ""] and [pair.tree for pair in held_out.pairs()] == ["2 0", None]
    assert held_out.save(tmp_path, "en", "de") == ["test.en", "test.de", "test.tree"]
    assert HeldOut.load(tmp_path, "test", "en", "de") == held_out
    assert HeldOut.read("test", [Pair("a", "b")]).trees is None


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


def test_pairs_of_a_group_and_those_of_a_picture_share_a_batch(tmp_path):
    red, blue = (np.full((2, 2, 3), shade, dtype=np.uint8) for shade in (9, 200))
    pairs = [
        *(Pair("a", "b", picture=red), Pair("c", "d"), Pair("e", "f", picture=blue, group="one")),
        *(Pair("g", "h", group="one"), Pair("i", "j", picture=red), Pair("k", "l", group="two"), Pair("m", "n")),
    ]
    store, _ = written(tmp_path, pairs)
    assert store.together.tolist() == [0, -1, 2, 2, 0, 3, -1]  # groups after pictures
    assert store.text(3).group == "one"
    (tmp_path / "plain").mkdir()
    write_text_store(tmp_path / "plain", pairs[1:2])
    assert TextStore(tmp_path / "plain").together() is None
