"""Heads of words become distances between pieces."""

import logging

import numpy as np
import pytest
import torch

from mt.alignment.tree import Trees, parsed_heads, tree_distance_of
from mt.data.source import Text

PIECES = ["<pad>", "<unk>", "<s>", "</s>", "▁the", "▁small", "▁c", "akes", "▁are", "▁good", "<2de>"]
EOS, THE, SMALL, C, AKES, ARE, GOOD, TAG = 3, 4, 5, 6, 7, 8, 9, 10


def distances_one_by_one(heads):
    """The definition, word by word."""

    def chain(word):
        return [word] if heads[word] == -1 else [word, *chain(heads[word])]

    ways = [
        [[k for k, a in enumerate(chain(i)) if a in chain(j)] for j in range(len(heads))] for i in range(len(heads))
    ]
    return [[way[0] if way else -1 for way in row] for row in ways]


@pytest.mark.parametrize("seed", range(12))
def test_tree_distance_of_random_forests_are_those_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(3 + seed)
    heads = np.full(len(order), -1)
    for place in range(1, len(order)):
        if rng.random() < 0.85:
            heads[order[place]] = order[rng.integers(place)]
    assert tree_distance_of(heads).tolist() == distances_one_by_one(heads)


def test_pieces_of_a_word_are_where_their_word_is_and_special_ones_are_nowhere():
    trees = Trees(PIECES)
    ids = np.array([[THE, SMALL, C, AKES, EOS, 0], [ARE, GOOD, EOS, 0, 0, 0]])
    lines = zip(["the small cakes", "are good"], ["3 3 0", None], ids, strict=True)
    found = Text(torch.from_numpy(ids)).with_trees([trees.tree_distance(*line) for line in lines]).tree_distance_BSS
    assert found.dtype == torch.int8 and found.shape == (2, 6, 6)
    assert found[0, :4, :4].tolist() == [[0, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert (found[0, 4:] == -1).all() and (found[0, :, 4:] == -1).all() and (found[1] == -1).all()
    assert not trees.num_left_out


def test_another_cut_into_pieces_is_the_same_tree():
    pieces = [*PIECES, "▁ca", "k", "es"]
    cut = np.array([THE, SMALL, 11, 12, 13, EOS])
    assert Trees(pieces).tree_distance("the small cakes", "3 3 0", cut).tolist() == [
        [0, 1, 1, 1, 1],
        [1, 0, 1, 1, 1],
        *[[0] * 5] * 3,
    ]


@pytest.mark.parametrize(
    "line, message",
    [
        ("1 0", r"heads \(2\) must be as many as the words of the sentence \(3\)"),
        ("4 0 1", r"heads: 4 must be a word from 1 to 3, or 0 for a root"),
        ("2 -1 0", r"heads: -1 must be a word from 1 to 3, or 0 for a root"),
        ("2 x 0", r"heads: x must be"),
        ("0 3 2", r"heads: word 2 is above itself, in a circle"),
        ("1 0 0", r"heads: word 1 is above itself"),
    ],
)
def test_what_is_no_tree_of_its_sentence_is_refused_and_left_out_of_a_corpus(line, message, caplog):
    with pytest.raises(ValueError, match=message):
        parsed_heads(line, 3)
    trees, ids = Trees(PIECES), np.array([THE, SMALL, C, AKES, EOS])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert trees.tree_distance("the small cakes", line, ids) is None
    assert trees.num_left_out == 2 and caplog.text.count("left out; the first: heads") == 1


def test_a_chain_of_any_length_is_a_tree_and_an_empty_sentence_has_none():
    heads = parsed_heads(" ".join(map(str, range(300))), 300)
    distance = tree_distance_of(heads)
    assert distance[299, 0] == 127 and distance[130, 9] == 121 and not distance[0].any()
    assert parsed_heads(" ", 0).shape == (0,)
    assert Trees(PIECES).tree_distance("", " ", np.array([EOS, 0])) is None
