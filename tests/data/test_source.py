"""A source of text is cut, repeated, stacked and moved as one value."""

import numpy as np
import pytest
import torch

from mt.data.source import Text, stacked
from mt.data.tokenizer import EOS, PAD

SENTENCES = [[7, 8, 9], [5], [], [6, 4]]


def tree_of(size, seed):
    """Some distances between `size` pieces."""
    return np.random.default_rng(seed).integers(-1, 5, size=(size, size)).astype(np.int8)


TREES = [tree_of(3, 0), None, None, tree_of(2, 1)]


def alone(number, trees):
    source = Text.of([SENTENCES[number]])
    return source if trees[number] is None else source.with_trees([trees[number]])


def same(one, other):
    distances = one.tree_distance_BSS, other.tree_distance_BSS
    is_same = distances[0] is distances[1] is None or torch.equal(*distances)
    return torch.equal(one.ids_BS, other.ids_BS) and is_same


def test_sentences_end_with_eos_and_are_padded():
    source = Text.of(SENTENCES)
    assert source.ids_BS.tolist() == [[7, 8, 9, EOS], [5, EOS, PAD, PAD], [EOS, PAD, PAD, PAD], [6, 4, EOS, PAD]]
    assert source.ids_BS.dtype == torch.int64 and (len(source), source.padded_length) == (4, 4)
    assert source.pieces() == [[*pieces, EOS] for pieces in SENTENCES]


def test_a_tree_covers_the_first_pieces_and_nothing_else():
    distances = Text.of(SENTENCES).with_trees(TREES).tree_distance_BSS
    assert distances.dtype == torch.int8 and distances.shape == (4, 4, 4)
    assert distances[0, :3, :3].tolist() == TREES[0].tolist() and distances[3, :2, :2].tolist() == TREES[3].tolist()
    assert (distances[1:3] == -1).all() and (distances[0, 3] == -1).all() and (distances[3, 2:] == -1).all()


@pytest.mark.parametrize("trees", [TREES, [None] * 4], ids=["trees", "no trees"])
def test_sources_of_one_sentence_stacked_are_the_sources_of_all_and_rows_are_the_way_back(trees):
    whole = Text.of(SENTENCES).with_trees(trees) if any(tree is not None for tree in trees) else Text.of(SENTENCES)
    assert same(stacked([alone(number, trees) for number in range(4)]), whole)
    assert same(stacked([whole.rows([0]), whole.rows(slice(1, 4))]), whole)
    for number in (0, 3):
        assert same(whole.rows([number]), alone(number, trees))
    assert whole.rows(slice(1, 3)).padded_length == 2


@pytest.mark.parametrize("rows", [[3, 0, 0], torch.tensor([3, 0, 0])], ids=["list", "tensor"])
def test_rows_may_be_repeated_and_in_another_order(rows):
    whole = Text.of(SENTENCES).with_trees(TREES)
    assert same(whole.rows(rows), stacked([alone(number, TREES) for number in (3, 0, 0)]))


def test_a_source_moves_with_its_trees():
    whole = Text.of(SENTENCES).with_trees(TREES)
    assert same(whole.to("cpu"), whole)
    moved = whole.to("meta")
    assert moved.ids_BS.device.type == moved.tree_distance_BSS.device.type == "meta"
