"""A large source lies in random order on the disk: every pair once, the same order each time; small ones stay."""

import numpy as np
import pytest

from mt.data.block import Block, in_blocks
from mt.data.pair import Pair
from mt.data.shuffle import shuffle_large_sources
from mt.data.text_store import TextStore, TextWriter


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Everything happens at sizes that a test can afford."""
    monkeypatch.setattr("mt.data.shuffle.SHUFFLED_ABOVE", 100)
    monkeypatch.setattr("mt.data.shuffle.BUCKET_BYTES", 2000)
    monkeypatch.setattr("mt.data.shuffle.DEALT_BLOCKS", 3)
    for module in ("block", "text_store", "shuffle"):
        monkeypatch.setattr(f"mt.data.{module}.BLOCK_PAIRS", 16)


def pairs_of(source, count, links=False):
    return [Pair(f"{source} {n}", f"ß{n}", f"0-{n}" if links and n % 3 else None) for n in range(count)]


def shuffled(tmp_path, parts):
    folder = tmp_path / "train"
    folder.mkdir(parents=True)
    with TextWriter(folder) as writer:
        for name, pairs in parts.items():
            writer.begin(name)
            for block in in_blocks(pairs):
                writer.write(Block.of_pairs(block))
    shuffle_large_sources(folder)
    text = TextStore(folder)
    return {name: [text.pair(number) for number in lines] for name, lines in text.sources.items()}


def test_large_sources_are_shuffled_within_themselves_and_small_ones_left(tmp_path):
    parts = {"a": pairs_of("a", 700), "small": pairs_of("small", 100), "c": pairs_of("c", 101, links=True)}
    found = shuffled(tmp_path, parts)
    assert list(found) == list(parts)
    for name in ("a", "c"):
        assert sorted(found[name]) == sorted(parts[name])
        assert found[name] != parts[name]
    assert found["small"] == parts["small"]
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_any_run_of_neighbours_is_a_fair_sample(tmp_path):
    found = shuffled(tmp_path, {"a": pairs_of("a", 4000)})["a"]
    numbers = np.array([int(pair.source.split()[1]) for pair in found])
    means = numbers.reshape(10, 400).mean(axis=1)
    assert abs(means - 2000).max() < 4 * 4000 / np.sqrt(12 * 400)  # four standard errors
    assert abs(np.corrcoef(numbers, np.arange(4000))[0, 1]) < 0.06
    assert (np.diff(numbers) == 1).sum() < 10


def test_the_order_is_the_same_each_time_and_differs_between_sources(tmp_path):
    parts = {"a": pairs_of("x", 300), "b": pairs_of("x", 300)}
    first, again = shuffled(tmp_path / "1", parts), shuffled(tmp_path / "2", parts)
    assert first == again
    assert first["a"] != first["b"]
