"""The statistical aligner: right on text whose alignment is known, and its parts against their definitions."""

from itertools import product

import numpy as np
import pytest

from mt.alignment.certainty import LINKS_OF_UNLINKED, PEOPLE, UNEXCUSED, Certainty
from mt.alignment.expectation import FERTILITIES, NULL, Counts, Direction, Sums, _column_counts, _hmm, step_in_numpy
from mt.alignment.lexicon_priors import LexiconPriors
from mt.alignment.statistical_aligner import MOST_SAMPLES, StatisticalAligner, links_of, num_samples, soft_links
from mt.alignment.word_pairs import Side, WordPairs, number_in_numpy
from mt.kernels import word_aligner

needs_kernels = pytest.mark.skipif(not word_aligner.is_there(), reason="there are no kernels on this machine")


def corpus(rng, count, *, reorder, words=60):
    """Sentences of 60 words each with a word of its own, and their links."""
    sources, targets, links = [], [], []
    for _ in range(count):
        chosen = rng.permutation(words)[: rng.integers(3, 9)]
        order = reorder(rng, len(chosen))
        sources.append([f"s{word}" for word in chosen])
        targets.append([f"t{chosen[place]}" for place in order])
        links.append({(int(place), number) for number, place in enumerate(order)})
    return sources, targets, links


def swapped(rng, length):
    """Two neighbours change places."""
    order, place = np.arange(length), int(rng.integers(0, length - 1))
    order[[place, place + 1]] = order[[place + 1, place]]
    return order


def straight(rng, length):
    return np.arange(length)


@pytest.mark.parametrize("reorder", [straight, lambda rng, n: np.arange(n)[::-1], swapped])
def test_words_find_each_other(reorder):
    sources, targets, links = corpus(np.random.default_rng(1), 400, reorder=reorder)
    aligner = StatisticalAligner(sources, targets).fit()
    for posteriors, expected in zip(aligner.posteriors(), links, strict=True):
        assert links_of(posteriors) == (expected, expected)
    assert list(aligner.links()) == links
    assert aligner.certainty.expected_aer < PEOPLE + 0.02 and not aligner.certainty.is_noise


def test_a_word_without_a_partner_has_no_link():
    sources, targets, links = corpus(np.random.default_rng(2), 400, reorder=straight)
    targets = [[*target, "of"] for target in targets]
    for posteriors, expected in zip(StatisticalAligner(sources, targets).fit().posteriors(), links, strict=True):
        assert links_of(posteriors)[0] == expected


def test_case_and_punctuation_do_not_part_words():
    sources = [["The", "house."], ["the", "house"], ["a", "House,"], ["The", "dog"]] * 5
    targets = [["Das", "Haus."], ["das", "haus"], ["ein", "Haus!"], ["der", "Hund"]] * 5
    *_, last = StatisticalAligner(sources, targets).fit().posteriors()
    assert (1, 1) in links_of(last)[0]


def with_endings(ending):
    """Sentences whose words stand in any order; every third is new, and its translation is the word and an ending."""
    rng = np.random.default_rng(4)
    sources, targets, links = corpus(rng, 60, reorder=lambda rng, n: rng.permutation(n), words=20)
    for source, target, of_pair in zip(sources, targets, links, strict=True):
        for s, t in of_pair:
            if s % 3 == 0:
                source[s] = "".join(rng.permutation(list("abcdefghijklmnop"))[:9])
                target[t] = source[s] + ending if ending else "".join(rng.permutation(list("qrstuvwxyz"))[:9])
    return sources, targets, links


def test_words_that_come_once_find_each_other_by_their_spelling():
    found = {}
    for ending in ("ul", ""):
        sources, targets, links = with_endings(ending)
        both = zip(links, StatisticalAligner(sources, targets).fit(samples=2).links(), strict=True)
        found[ending] = sum(len(expected & of_pair) for expected, of_pair in both) / sum(map(len, links))
    assert found["ul"] > 0.95 and found["ul"] > found[""] + 0.05


def test_text_without_blanks_is_aligned_by_characters_and_links_are_those_of_its_words():
    sources, targets, links = corpus(np.random.default_rng(5), 300, reorder=straight, words=30)
    characters = [["".join(chr(0x4E00 + int(word[1:])) for word in sentence)] for sentence in targets]
    unsplit = StatisticalAligner(sources, characters).fit()
    assert {posteriors[0].shape[0] for posteriors in unsplit.posteriors()} == {1}
    half = [[line[0][:2], line[0][2:]] for line in characters[:100]]  # a few lines are split into words
    mixed = StatisticalAligner(sources, half + characters[100:]).fit()
    for (_, backward_ST), expected in zip(mixed.posteriors(), links[:100], strict=False):
        assert all(backward_ST[s].argmax() == (t >= 2) and backward_ST[s].max() > 0.9 for s, t in expected)


def test_blank_and_endless_sentences_have_no_links():
    sources = [["a"], [], ["a"], ["a"] * 300]
    targets = [["x"], ["x"], [], ["x"]]
    aligner = StatisticalAligner(sources, targets).fit()
    found = list(aligner.posteriors())
    assert aligner.num_left_out == 3
    assert [forward.shape for forward, _ in found] == [(1, 1), (1, 0), (0, 1), (1, 300)]
    assert links_of(found[0]) == ({(0, 0)}, {(0, 0)})
    assert all(links_of(each) == (set(), set()) for each in found[1:])


def test_what_cannot_be_learned_from_is_refused():
    for sources, targets in (([["a"]], [["x"], ["y"]]), ([["a"], ["b"]], [["x"]])):
        with pytest.raises(ValueError, match=r"equally many sentences; one side has only 1"):
            StatisticalAligner(sources, targets)
    with pytest.raises(ValueError, match=r"\(0\) must be at least 1"):
        StatisticalAligner([[]], [["x"]])


def test_links_are_those_of_the_posteriors():
    sources, targets, _ = corpus(np.random.default_rng(13), 40, reorder=swapped)
    sources[3] = targets[7] = []
    aligner = StatisticalAligner(sources, targets).fit(samples=2)
    for threshold in (0.02, 0.6):
        expected = [soft_links(posteriors, threshold) for posteriors in aligner.posteriors()]
        assert list(aligner.links(threshold)) == expected and any(expected)


def test_the_same_seed_gives_the_same_posteriors_and_another_one_others():
    sources, targets, _ = corpus(np.random.default_rng(6), 40, reorder=swapped)

    def found(seed):
        posteriors = StatisticalAligner(sources, targets).fit(samples=2, seed=seed).posteriors()
        return np.concatenate([side.ravel() for pair in posteriors for side in pair])

    assert np.array_equal(found(3), found(3)) and not np.array_equal(found(3), found(4))


def test_a_small_corpus_has_many_samples_and_a_large_one_has_one():
    assert (num_samples(1), num_samples(3_000_000), num_samples(30_000_000)) == (MOST_SAMPLES, 4, 1)


def test_text_in_which_nothing_corresponds_is_noise():
    rng = np.random.default_rng(7)
    sides = [[[f"w{word}" for word in rng.integers(0, 500, 20)] for _ in range(60)] for _ in "ab"]
    sides[1] = [[word.replace("w", "v") + "xyz"[rng.integers(3)] * 5 for word in words] for words in sides[1]]
    assert StatisticalAligner(*sides).fit().certainty.is_noise


def test_priors_align_text_that_says_nothing_itself():
    rng = np.random.default_rng(8)
    large = StatisticalAligner(*corpus(rng, 400, reorder=swapped)[:2]).fit()
    sources, targets, links = corpus(rng, 3, reorder=lambda rng, n: rng.permutation(n))
    assert list(StatisticalAligner(sources, targets).fit().links()) != links
    priors = LexiconPriors.read(large.priors().lines(), "file")
    assert list(StatisticalAligner(sources, targets, priors=priors).fit().links()) == links
    assert max(abs(priors.links[pair] - count) for pair, count in large.priors().links.items()) <= 0.0005


def test_a_dictionary_is_evidence_and_its_phrases_are_shared_by_their_words():
    priors = LexiconPriors.read(["Haus\thouse\n", "\n", "kickbox\tkick box\n", "Haus\thouse\t3\n"], "file")
    assert priors.links == {("haus", "house"): 5.0, ("kickbox", "kick"): 1.0, ("kickbox", "box"): 1.0}
    plain, known = (
        next(StatisticalAligner([["haus", "ab"]], [["cd", "house"]], priors=given).fit().posteriors())[0]
        for given in (None, priors)
    )
    assert known[1, 0] > 0.9 > 0.1 > plain[1, 0]


@pytest.mark.parametrize("line", ["one", "a\tb\tc", "a\tb\t-1", "a\tb\tnan", "\tb", "a\tb\t1\t2", "a\tb\t1e99"])
def test_a_wrong_line_of_priors_is_named(line):
    with pytest.raises(ValueError, match=r"^file, line 2: "):
        LexiconPriors.read(["x\ty", line], "file")
    with pytest.raises(ValueError, match="there are no words"):
        LexiconPriors.read(["", " "], "file")


def test_the_threshold_has_the_least_expected_error():
    rng = np.random.default_rng(9)
    probabilities = np.concatenate([np.zeros(900), rng.random(100)])
    found = Certainty.of(probabilities, num_words=130)
    rates = {}
    for threshold in np.arange(1, 100) / 100:
        links = probabilities[probabilities >= threshold]
        rates[threshold] = 1 - 2 * links.sum() / (len(links) + probabilities.sum())
    best = min(rates.values())
    assert rates[round(found.threshold, 2)] == pytest.approx(best)
    assert found.doubt == pytest.approx(best)
    assert found.expected_aer_with_possible == pytest.approx(1 - (1 - UNEXCUSED * best) * (1 - PEOPLE))


def test_words_without_a_link_are_links_to_miss_where_people_link_every_word():
    certainty = Certainty.of(np.array([0.8, 0.4, 0.1]), num_words=5, threshold=0.4)
    assert (certainty.num_links, certainty.num_right) == (2, pytest.approx(1.2))
    assert (certainty.num_believed, certainty.num_unlinked) == (pytest.approx(1.3), pytest.approx(2.4))
    assert certainty.expected_aer == pytest.approx(1 - 2 * 1.2 / (2 + 1.3 + LINKS_OF_UNLINKED * 2.4))
    assert certainty.doubt == pytest.approx(1 - 2 * 1.2 / (2 + 1.3))
    assert Certainty.of(np.zeros(0), num_words=0).expected_aer == 1 and Certainty.of(np.zeros(0), num_words=0).is_noise


@pytest.mark.parametrize("length", [1, 200])
def test_a_single_pair_of_any_length_has_finite_probabilities(length):
    words = [f"{number:05x}"[::-1] for number in range(31, 31 * (length + 1), 31)]
    aligner = StatisticalAligner([words], [words]).fit()
    assert list(aligner.links()) == [{(place, place) for place in range(length)}]
    assert all(np.isfinite(posterior).all() for posterior in next(aligner.posteriors()))


def test_certainty_is_that_of_the_pairs_and_the_threshold_asked_for():
    sources, targets, _ = corpus(np.random.default_rng(3), 60, reorder=straight)
    aligner = StatisticalAligner([*sources, ["x", "y"]], [*targets, ["p", "q"]]).fit(samples=2)
    every, first = aligner.certainty_of(1000, 0.01), aligner.certainty_of(60, 0.01)
    assert every.num_links - first.num_links == len(list(aligner.links(0.01))[-1]) > 0
    assert aligner.certainty_of(61, 0.9).threshold == 0.9
    assert aligner.certainty_of(61) == aligner.certainty


def test_certainty_of_text_without_blanks_counts_words_not_characters():
    sources, targets = [["我们走"], ["他走"]] * 4, [["we", "go"], ["he", "goes"]] * 4
    aligner = StatisticalAligner(sources, targets).fit(samples=2)
    found = aligner.certainty_of(8, 0.3)
    assert found.num_links == sum(map(len, aligner.links(0.3)))
    assert found.num_unlinked == pytest.approx(8 * 3 - 2 * found.num_believed)


def made_up(rng):
    """Pairs of words and parameters of all kinds, and posteriors of both directions."""
    sides = Side(), Side()
    for S, T in rng.integers(0, 7, (40, 2)):
        for side, length in zip(sides, (S, T), strict=True):
            side.add([f"word{number}" for number in rng.integers(0, 25, length)] if S * T else [])
    for side in sides:
        side.finish()
    pairs = WordPairs.of(*sides)
    directions = [
        Direction(*both, longest=word_aligner.VECTOR, posterior=np.zeros(len(pairs.kind), np.float32))
        for both in (sides, sides[::-1])
    ]
    for direction, kinds in zip(directions, (pairs.kind_source_K, pairs.kind_target_K), strict=True):
        direction.posterior[:] = rng.random(len(pairs.kind)) * 0.3
        direction.jump[:] = rng.random(len(direction.jump)) + 0.1
        direction.fertility_VF[:] = rng.random(direction.fertility_VF.shape) * 3
        direction.count(rng.random(len(kinds)) * 3, kinds)
    counts = Counts(
        (rng.random(len(pairs.kind_source_K)) * 3).astype(np.float32),
        (rng.random(pairs.num_stem_kinds) * 5).astype(np.float32),
        (rng.random(32) + 0.5).astype(np.float32),
    )
    return pairs, counts, *directions, rng.exponential(size=len(pairs)).astype(np.float32)


@needs_kernels
@pytest.mark.parametrize(("has_jumps", "has_fertility"), [(False, False), (True, False), (True, True)])
def test_the_kernel_does_what_numpy_does(has_jumps, has_fertility):
    from mt.alignment.expectation import step

    results = []
    for run in (step, step_in_numpy):
        pairs, counts, forward, backward, weights = made_up(np.random.default_rng(10))
        links_K, *sums = run(
            pairs, counts, forward, backward, weights, has_jumps=has_jumps, has_fertility=has_fertility
        )
        numbers = [links_K, forward.posterior, backward.posterior]
        for each in sums:
            numbers += [each.jump, each.null, each.fertility_VF, np.array(each.log_likelihood)]
        results.append(numbers)
    for fast, plain in zip(*results, strict=True):
        assert np.allclose(fast, plain, rtol=2e-3, atol=2e-5)


@needs_kernels
def test_the_kernel_numbers_pairs_of_words_as_numpy_does():
    rng = np.random.default_rng(11)
    sides = Side(), Side()
    for S, T in rng.integers(0, 30, (700, 2)):
        for side, length in zip(sides, (S, T), strict=True):
            side.add([f"w{number}" for number in rng.integers(0, 4000, length)])
    for side in sides:
        side.finish()
    pairs = WordPairs.of(*sides)
    keys_K, kind = number_in_numpy(*sides, pairs.cell_start)
    assert len(keys_K) > 1 << 16  # the kernel's table has grown
    assert np.array_equal(kind, pairs.kind)
    assert np.array_equal(keys_K, pairs.kind_source_K.astype(np.int64) * len(sides[1].forms) + pairs.kind_target_K)


def test_the_numbers_of_links_of_a_column_are_a_sum_over_all_rows():
    rng = np.random.default_rng(12)
    posterior_BRC = rng.random((1, 6, 2)).astype(np.float32)
    before, _ = _column_counts(posterior_BRC)
    expected = np.zeros((2, FERTILITIES))
    for column in range(2):
        for chosen in product((0, 1), repeat=6):
            p = np.where(chosen, posterior_BRC[0, :, column], 1 - posterior_BRC[0, :, column]).prod()
            expected[column, min(sum(chosen), FERTILITIES - 1)] += p
    assert np.allclose(before[-1][0], expected, atol=1e-6)


def test_the_hmm_is_the_sum_over_all_paths():
    rng = np.random.default_rng(3)
    T, S = 4, 3
    side = Side()
    side.add(["word"])
    side.finish()
    direction = Direction(side, side, 5, np.zeros(1, np.float32))
    direction.jump = rng.random(len(direction.jump)).astype(np.float32)
    emission_TS, null_T = rng.random((T, S)).astype(np.float32), NULL * rng.random(T).astype(np.float32)
    middle, places = direction.longest + 1, np.arange(S)
    first_S = direction.jump[middle + 1 + places] / direction.jump[middle + 1 + places].sum()
    next_SS = direction.jump[middle + places[None] - places[:, None]]
    next_SS = next_SS / next_SS.sum(axis=1, keepdims=True)

    expected_TS, counts_SS, total = np.zeros((T, S)), np.zeros((S, S)), 0.0
    for path in product(range(2 * S), repeat=T):  # a state: where the last word came from, and whether this one did
        places, none = [state % S for state in path], [state >= S for state in path]
        share = 1.0
        for t in range(T):
            if none[t]:
                is_open = t == 0 or places[t] == places[t - 1]
                share *= null_T[t] * (first_S[places[0]] if t == 0 else is_open)
            else:
                share *= emission_TS[t, places[t]]
                share *= first_S[places[0]] if t == 0 else next_SS[places[t - 1], places[t]]
        total += share
        for t in range(T):
            if not none[t]:
                expected_TS[t, places[t]] += share
                if t:
                    counts_SS[places[t - 1], places[t]] += share
    sums = Sums.empty(direction)
    found_BTS = _hmm(direction, emission_TS[None], null_T[None], np.ones(1, np.float32), sums)
    assert np.allclose(found_BTS[0], expected_TS / total, atol=1e-5)
    assert sums.log_likelihood == pytest.approx(np.log(total), rel=1e-5)
    for distance in range(1 - S, S):
        first = expected_TS[0, distance - 1] if 1 <= distance <= S else 0.0
        wanted = np.trace(counts_SS, offset=distance) + first
        assert np.isclose(sums.jump[middle + distance], wanted / total, atol=1e-4)
