"""The statistical aligner: right on text whose alignment is known, and its parts against their definitions."""

from itertools import product

import numpy as np
import pytest

from mt.alignment.statistical_aligner import NULL, StatisticalAligner, _Direction, _exp_digamma, _hmm, links_of


def corpus(rng, count, *, reorder):
    """Sentences of 60 words each with a word of its own, and their links."""
    sources, targets, links = [], [], []
    for _ in range(count):
        words = rng.permutation(60)[: rng.integers(3, 9)]
        order = reorder(rng, len(words))
        sources.append([f"s{word}" for word in words])
        targets.append([f"t{words[place]}" for place in order])
        links.append({(int(place), number) for number, place in enumerate(order)})
    return sources, targets, links


def swapped(rng, length):
    """Two neighbours change places."""
    order, place = np.arange(length), int(rng.integers(0, length - 1))
    order[[place, place + 1]] = order[[place + 1, place]]
    return order


@pytest.mark.parametrize("reorder", [lambda rng, n: np.arange(n), lambda rng, n: np.arange(n)[::-1], swapped])
def test_words_find_each_other(reorder):
    sources, targets, links = corpus(np.random.default_rng(1), 400, reorder=reorder)
    aligner = StatisticalAligner(sources, targets).fit()
    for posteriors, expected in zip(aligner.posteriors(), links, strict=True):
        assert links_of(posteriors) == (expected, expected)


def test_a_word_without_a_partner_has_no_link():
    rng = np.random.default_rng(2)
    sources, targets, links = corpus(rng, 400, reorder=lambda rng, n: np.arange(n))
    targets = [[*target, "of"] for target in targets]
    for posteriors, expected in zip(StatisticalAligner(sources, targets).fit().posteriors(), links, strict=True):
        assert links_of(posteriors)[0] == expected


def test_case_and_punctuation_do_not_part_words():
    sources = [["The", "house."], ["the", "house"], ["a", "House,"], ["The", "dog"]] * 5
    targets = [["Das", "Haus."], ["das", "haus"], ["ein", "Haus!"], ["der", "Hund"]] * 5
    *_, last = StatisticalAligner(sources, targets).fit().posteriors()
    assert (1, 1) in links_of(last)[0]


def test_blank_and_endless_sentences_have_no_links():
    sources = [["a"], [], ["a"], ["a"] * 300]
    targets = [["x"], ["x"], [], ["x"]]
    found = list(StatisticalAligner(sources, targets).fit().posteriors())
    assert [forward.shape for forward, _ in found] == [(1, 1), (1, 0), (0, 1), (1, 300)]
    assert links_of(found[0]) == ({(0, 0)}, {(0, 0)})
    assert all(links_of(each) == (set(), set()) for each in found[1:])


def test_what_cannot_be_learned_from_is_refused():
    with pytest.raises(ValueError, match=r"sources \(1\) and targets \(2\)"):
        StatisticalAligner([["a"]], [["x"], ["y"]])
    with pytest.raises(ValueError, match=r"\(0\) must be at least 1"):
        StatisticalAligner([[]], [["x"]])


def test_the_hmm_is_the_sum_over_all_paths():
    rng = np.random.default_rng(3)
    T, S = 4, 3
    direction = _Direction(np.zeros(1, dtype=np.int32), 1, 1, longest=5)
    direction.jumps.share = rng.random(len(direction.jumps.share))
    table_TS, null_T = rng.random((T, S)).astype(np.float32), rng.random(T).astype(np.float32)
    first_S, next_SS = direction.jumps.of(S)

    expected_TS, counts_SS, total = np.zeros((T, S)), np.zeros((S, S)), 0.0
    for path in product(range(2 * S), repeat=T):  # a state: where the last word came from, and whether this one did
        places, none = [state % S for state in path], [state >= S for state in path]
        share = 1.0
        for t in range(T):
            if none[t]:
                is_open = t == 0 or places[t] == places[t - 1]
                share *= NULL * null_T[t] * (1 / S if t == 0 else is_open)
            else:
                share *= (1 - NULL) * table_TS[t, places[t]]
                share *= first_S[places[0]] if t == 0 else next_SS[places[t - 1], places[t]]
        total += share
        for t in range(T):
            if not none[t]:
                expected_TS[t, places[t]] += share
                if t:
                    counts_SS[places[t - 1], places[t]] += share
    direction.jumps.forget()
    found_BTS = _hmm(direction, table_TS[None], null_T[None])
    assert np.allclose(found_BTS[0], expected_TS / total, atol=1e-5)
    middle = len(direction.jumps.share) // 2
    for distance in range(1 - S, S):
        first = expected_TS[0, distance - 1] if 1 <= distance <= S else 0.0
        wanted = np.trace(counts_SS, offset=distance) + first
        assert np.isclose(direction.jumps.counts[middle + distance], wanted / total, atol=1e-4)


def test_the_digamma_function():
    # psi(1) = -0.5772156649, psi(0.5) = -1.9635100260, psi(10) = 2.2517525890
    found = _exp_digamma(np.array([1.0, 0.5, 10.0]))
    assert np.allclose(found, np.exp([-0.5772156649, -1.9635100260, 2.2517525890]), rtol=2e-3)
    assert _exp_digamma(np.array([0.01]))[0] < 1e-40**0.5
