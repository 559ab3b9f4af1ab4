"""Guides: links of words, whatever pieces the words are cut into."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt.alignment.alignment import renormalise
from mt.alignment.attention_from_links import AttentionFromLinks
from mt.alignment.words import words_of

PIECES = ["<pad>", "<unk>", "<s>", "</s>", "▁", "▁a", "▁b", "b", "c", "▁of▁the", "<0xC3>", "<0xA4>", "▁ab", "<2de>"]
ID = {piece: number for number, piece in enumerate(PIECES)}
EOS, PAD = ID["</s>"], ID["<pad>"]


def ids(*sentences):
    rows = [[ID[piece] for piece in sentence.split()] + [EOS] for sentence in sentences]
    longest = max(map(len, rows))
    return np.array([row + [PAD] * (longest - len(row)) for row in rows])


def test_a_linked_word_looks_at_all_pieces_of_its_partners_in_equal_shares():
    # source words: ab | a | bc; target words: ac | b
    guide = AttentionFromLinks(PIECES, PIECES)
    guide_BTS = guide(["ab a bc"], ["ac b"], ["0-0 2-0 1-1"], ids("▁ab ▁a ▁b c"), ids("▁a c ▁b"))
    third = 1 / 3
    np.testing.assert_allclose(
        guide_BTS[0],
        [[0, 0, 0, 0, 0], [third, 0, third, third, 0], [third, 0, third, third, 0], [0, 1, 0, 0, 0]],
        atol=1e-6,
    )


def test_shift_0_guides_the_row_before():
    arguments = ["a b"], ["b a"], ["0-1"], ids("▁a ▁b"), ids("▁b ▁a")
    early, late = (
        AttentionFromLinks(PIECES, PIECES, shift=0)(*arguments),
        AttentionFromLinks(PIECES, PIECES, shift=1)(*arguments),
    )
    assert np.argwhere(early[0]).tolist() == [[1, 0]] and np.argwhere(late[0]).tolist() == [[2, 0]]
    with pytest.raises(ValueError, match=r"shift \(2\)"):
        AttentionFromLinks(PIECES, PIECES, shift=2)


def test_padding_pairs_without_links_and_possible_links_do_not_guide():
    guide_BTS = AttentionFromLinks(PIECES, PIECES)(
        ["a", "a b a", "a"], ["b", "b", "a"], ["0-0", None, "0?0"], ids("▁a", "▁a ▁b ▁a", "▁a"), ids("▁b", "▁b", "▁a")
    )
    assert guide_BTS.shape == (3, 2, 4) and guide_BTS[0].sum() == 1 and not guide_BTS[1:].any()


def test_links_outside_their_sentences_are_left_out_counted_and_told_once(caplog):
    guide = AttentionFromLinks(PIECES, PIECES)
    with caplog.at_level(logging.WARNING):
        guide_BTS = guide(
            ["a b"] * 2, ["a"] * 2, ["0-0 2-0 0-5", "1-0 nonsense"], ids(*["▁a ▁b"] * 2), ids(*["▁a"] * 2)
        )
    assert guide.num_left_out == 3 and len(caplog.records) == 1 and "of a pair of 2 and 1 words" in caplog.text
    assert guide_BTS[0, 1].tolist() == [1, 0, 0] and not guide_BTS[1].any()


WORDS = st.lists(st.sampled_from(["a", "b", "bc", "abc", "ab", "cab"]), min_size=1, max_size=5)


def cut(words, draw):
    """A random segmentation of words into PIECES."""
    pieces = []
    for word in words:
        rest = "▁" + word
        while rest:
            fitting = [piece for piece in [*PIECES[4:9], "▁ab"] if rest.startswith(piece)]
            pieces.append(draw(st.sampled_from(fitting)) if fitting else "<unk>")
            rest = rest[len(pieces[-1]) if fitting else 1 :]
    return pieces


@given(st.data(), WORDS, WORDS)
def test_whatever_the_pieces_the_guide_is_that_of_the_words(data, source, target):
    source_pieces, target_pieces = cut(source, data.draw), cut(target, data.draw)
    links = data.draw(st.sets(st.tuples(st.integers(0, len(source) - 1), st.integers(0, len(target) - 1))))
    line = " ".join(f"{s}-{t}" for s, t in links)
    guide_TS = AttentionFromLinks(PIECES, PIECES, shift=0)(
        [" ".join(source)], [" ".join(target)], [line], ids(" ".join(source_pieces)), ids(" ".join(target_pieces))
    )[0]
    linked = np.array([[(s, t) in links for s in range(len(source))] for t in range(len(target))], dtype=float)
    shares = [
        words_of(pieces, " ".join(words)).share_PW
        for pieces, words in ((source_pieces, source), (target_pieces, target))
    ]
    np.testing.assert_allclose(guide_TS[:-1, :-1], renormalise(shares[1] @ linked @ shares[0].T), atol=1e-6)
    assert not guide_TS[-1].any() and not guide_TS[:, -1].any()


@pytest.mark.parametrize(
    "text, pieces, owners",
    [
        ("of the b", "▁of▁the ▁b", [[0.4, 0.6, 0], [0, 0, 1]]),  # a piece that spans two words
        ("ä a", "▁ <0xC3> <0xA4> ▁a", [[1, 0], [1, 0], [1, 0], [0, 1]]),  # a letter in bytes
        ("a b", "▁a ▁b ▁", [[1, 0], [0, 1], [0, 1]]),  # a blank at the end
        ("<2de> a", "<2de> ▁a", [[1, 0], [0, 1]]),  # a tag
    ],
    ids=["two words", "bytes", "blank at the end", "tag"],
)
def test_odd_pieces_belong_to_their_words(text, pieces, owners):
    guide_TS = AttentionFromLinks(PIECES, PIECES, shift=0)(
        [text], [" ".join(["a"] * len(owners[0]))], [" ".join(f"{n}-{n}" for n in range(len(owners[0])))],
        ids(pieces), ids(" ".join(["▁a"] * len(owners[0]))),
    )[0]  # fmt: skip
    np.testing.assert_allclose(guide_TS[:-1, :-1], renormalise(np.array(owners, dtype=float).T), atol=1e-6)
