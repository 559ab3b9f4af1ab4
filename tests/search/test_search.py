"""Greedy, beam and sampling over small random models that are written down in full."""

import math
from dataclasses import replace

import pytest
import torch

from mt.search.beam import Beam
from mt.search.candidates import BLOCK_LENGTH, top_candidates
from mt.search.greedy import Greedy
from mt.search.length_penalty import length_penalty
from mt.search.sampling import Sampling, sentence_generators
from tests.search.languages import BOS, EOS, WIDE, RandomModel, every_method, found


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize(("vocab_size", "max_length", "min_length"), [(4, 5, 0), (5, 4, 0), (4, 5, 2)])
def test_a_wide_beam_equals_exhaustive_search(alpha, vocab_size, max_length, min_length):
    model = RandomModel(vocab_size, seed=1)
    beam = Beam(size=WIDE, n_best=7, length_penalty=alpha, min_length=min_length)
    results = beam(model.step, model.start(range(3)), max_lengths=[max_length] * 3)
    for sentence, hypotheses in enumerate(results):
        every = model.every_hypothesis(sentence, alpha=alpha, max_length=max_length, min_length=min_length)
        assert found(hypotheses) == [ids for _, ids in every[:7]]
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx([score for score, _ in every[:7]])
        for hypothesis in hypotheses:
            assert hypothesis.log_prob == pytest.approx(model.log_prob(sentence, hypothesis.ids), abs=1e-5)


def test_a_wide_beam_lists_every_hypothesis_that_there_is():
    model = RandomModel(4, seed=2)
    [hypotheses] = Beam(size=WIDE, n_best=WIDE, length_penalty=1.0)(model.step, model.start([0]), max_lengths=[3])
    assert found(hypotheses) == [ids for _, ids in model.every_hypothesis(0, alpha=1.0, max_length=3)]
    assert len(hypotheses) == 1 + 3 + 9 + 27


class NeverStops(Beam):
    """The same beam, going on to the length limit."""

    def _set_aside(self, *found):
        *rest, to_beat = found
        super()._set_aside(*rest, to_beat.clone())


@pytest.mark.parametrize("alpha", [-1.0, 0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize(("size", "n_best"), [(2, 1), (3, 3), (5, 2)])
def test_stopping_early_changes_nothing(alpha, size, n_best):
    settings = {"size": size, "n_best": n_best, "length_penalty": alpha}
    stops, goes_on = RandomModel(6, seed=3), RandomModel(6, seed=3)
    limits = [9, 4, 12, 1, 0]
    expected = NeverStops(**settings)(goes_on.step, goes_on.start(range(5)), max_lengths=limits)
    assert Beam(**settings)(stops.step, stops.start(range(5)), max_lengths=limits) == expected
    assert goes_on.calls == max(limits) + 1
    assert stops.rows_asked <= goes_on.rows_asked
    if alpha == 0:
        assert stops.rows_asked < 0.8 * goes_on.rows_asked


@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.6, 2.0])
@pytest.mark.parametrize("min_length", [0, 3])
@pytest.mark.parametrize("no_repeat_ngram", [0, 1, 2])
def test_greedy_equals_a_beam_of_one(alpha, min_length, no_repeat_ngram):
    settings = {"length_penalty": alpha, "min_length": min_length, "no_repeat_ngram": no_repeat_ngram}
    model = RandomModel(9, seed=4)
    limits = [7, 0, 3, 12, 7, 2]
    arguments = {"max_lengths": limits, "banned_ids": [0, 1, BOS]}
    greedy = Greedy(**settings)(model.step, model.start(range(6)), **arguments)
    assert greedy == Beam(size=1, **settings)(model.step, model.start(range(6)), **arguments)
    assert all(len(hypotheses) == 1 for hypotheses in greedy)


def test_greedy_takes_the_likeliest_token_each_time():
    model = RandomModel(8, seed=5)
    [[hypothesis]] = Greedy()(model.step, model.start([0]), max_lengths=[10])
    prefix = (BOS,)
    for token in (*hypothesis.ids, EOS)[:10]:
        assert model.logits(0, prefix).argmax() == token
        prefix = (*prefix, token)


@every_method
def test_what_is_found_for_a_sentence_does_not_depend_on_its_batch(search):
    model = RandomModel(7, seed=6)
    limits = [6, 1, 0, 11, 6, 3, 9]

    def run(sentences):
        generators = sentence_generators(5, sentences) if isinstance(search, Sampling) else None
        chosen = [limits[sentence] for sentence in sentences]
        return search(model.step, model.start(sentences), max_lengths=chosen, generator=generators)

    together = run(list(range(7)))
    assert together == [run([sentence])[0] for sentence in range(7)]
    assert list(reversed(together)) == run(list(reversed(range(7))))


@every_method
def test_lengths_stay_between_the_limits_and_every_sentence_has_its_own(search):
    limits = [5, 0, 2, 9]
    model = RandomModel(6, seed=7, eos_bias=-1.0)
    results = replace(search, min_length=3)(model.step, model.start(range(4)), max_lengths=limits)
    for limit, hypotheses in zip(limits, results, strict=True):
        assert hypotheses
        assert all(min(3, limit) <= len(hypothesis.ids) <= limit for hypothesis in hypotheses)
    assert model.calls <= max(limits) + 1


@every_method
def test_its_own_maximum_goes_before_the_callers(search):
    model = RandomModel(6, seed=7, eos_bias=-30.0)
    results = replace(search, max_length=4)(model.step, model.start(range(3)), max_lengths=[9, 2, 9])
    assert [max(len(hypothesis.ids) for hypothesis in hypotheses) for hypotheses in results] == [4, 2, 4]


@every_method
def test_banned_ids_never_appear_and_probabilities_stay_the_models(search):
    model = RandomModel(9, seed=8, eos_bias=-1.0)
    results = search(model.step, model.start(range(5)), max_lengths=[8] * 5, banned_ids=[0, 1, BOS, 6])
    for sentence, hypotheses in enumerate(results):
        for hypothesis in hypotheses:
            assert not {0, 1, BOS, 6} & set(hypothesis.ids)
            assert hypothesis.log_prob == pytest.approx(model.log_prob(sentence, hypothesis.ids), abs=1e-4)
            divisor = length_penalty(len(hypothesis.ids) + 1, search.length_penalty)
            assert hypothesis.score == pytest.approx(hypothesis.log_prob / divisor)


@every_method
def test_hypotheses_come_best_first_and_as_many_as_asked(search):
    model = RandomModel(8, seed=9)
    for hypotheses in search(model.step, model.start(range(6)), max_lengths=[7] * 6):
        assert len(hypotheses) == search.n_best
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)


@every_method
def test_an_empty_batch_asks_nothing(search):
    model = RandomModel(5, seed=0)
    assert search(model.step, model.start([]), max_lengths=[]) == []
    assert model.calls == 0


@every_method
def test_the_models_logits_are_left_as_they_are(search):
    table = torch.randn(60, 11, generator=torch.Generator().manual_seed(0))
    before = table.clone()

    class Anything:
        def rows(self, index, sentences=None):
            return self

    search(lambda tokens, state: (table[: len(tokens)], state), Anything(), max_lengths=[5] * 3, banned_ids=[4])
    assert torch.equal(table, before)


@every_method
def test_a_step_in_bfloat16_gives_sums_in_float32(search):
    model = RandomModel(8, seed=9)

    def step(tokens, state):
        logits, state = model.step(tokens, state)
        return logits.bfloat16(), state

    generators = sentence_generators(0, range(2))
    for sentence, hypotheses in enumerate(search(step, model.start([0, 1]), max_lengths=[7] * 2, generator=generators)):
        for hypothesis in hypotheses:
            expected, prefix = 0.0, (BOS,)
            for token in (*hypothesis.ids, EOS):
                logits = model.logits(sentence, prefix).bfloat16().double()
                expected += torch.log_softmax(logits, -1)[token].item()
                prefix = (*prefix, token)
            assert hypothesis.log_prob == pytest.approx(expected, abs=1e-4)


@every_method
@pytest.mark.parametrize("sign", [1, -1])  # inf - inf has a sign on most processors
def test_a_model_that_gives_nan_is_refused(search, sign):
    model = RandomModel(6, seed=1)

    def step(tokens, state):
        logits, state = model.step(tokens, state)
        return torch.where(torch.arange(logits.shape[-1]) == 4, torch.tensor(torch.nan).copysign(sign), logits), state

    for banned in ((), (0, 1)):
        with pytest.raises(ValueError, match="not numbers"):
            search(step, model.start([0, 1]), max_lengths=[4, 4], banned_ids=banned)


@every_method
def test_where_nothing_is_allowed_one_impossible_hypothesis_says_so(search):
    # every token but EOS is banned, and EOS comes too early: nothing can be said
    model = RandomModel(5, seed=1)
    arguments = {"max_lengths": [4, 4], "banned_ids": [0, 1, 2, 4]}
    for hypotheses in replace(search, min_length=2)(model.step, model.start([0, 1]), **arguments):
        assert hypotheses
        for hypothesis in hypotheses:
            assert hypothesis.log_prob == -math.inf
            assert not hypothesis.is_finished


def test_finished_sentences_leave_the_batch():
    model = RandomModel(6, seed=3, eos_bias=4.0)
    Greedy()(model.step, model.start(range(20)), max_lengths=[30] * 20)
    assert model.rows_asked < 2.5 * 20


@pytest.mark.parametrize("search", [Greedy(), Beam(size=3), Sampling()], ids=["greedy", "beam", "sampling"])
def test_is_finished_says_whether_the_limit_cut_it(search):
    goes_on, ends = RandomModel(6, seed=1, eos_bias=-30.0), RandomModel(6, seed=1, eos_bias=30.0)
    [[cut]] = search(goes_on.step, goes_on.start([0]), max_lengths=[4])
    assert len(cut.ids) == 4 and not cut.is_finished
    assert cut.log_prob == pytest.approx(goes_on.log_prob(0, cut.ids), abs=1e-3)
    [[whole]] = search(ends.step, ends.start([0]), max_lengths=[0])
    assert whole.ids == () and whole.is_finished


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("search", [Greedy(), Beam(size=4), Sampling(temperature=2.0)], ids=lambda s: type(s).__name__)
def test_no_ngram_appears_twice(search, size):
    model = RandomModel(7, seed=10, eos_bias=-6.0)
    results = replace(search, no_repeat_ngram=size)(model.step, model.start(range(4)), max_lengths=[25] * 4)
    for [hypothesis] in results:
        ngrams = [hypothesis.ids[i : i + size] for i in range(len(hypothesis.ids) - size + 1)]
        assert len(ngrams) == len(set(ngrams))


def test_without_the_guard_a_loop_stays_a_loop():
    table = torch.full((8,), -9.0)
    table[5] = 9.0

    class Anything:
        def rows(self, index, sentences=None):
            return self

    def step(tokens, state):
        return table.expand(len(tokens), 8), state

    [[hypothesis]] = Greedy()(step, Anything(), max_lengths=[6])
    assert hypothesis.ids == (5,) * 6
    [[guarded]] = Greedy(no_repeat_ngram=1)(step, Anything(), max_lengths=[6])
    assert guarded.ids[0] == 5 and guarded.ids.count(5) == 1


def test_ties_go_to_the_smaller_token_id():
    class Anything:
        def rows(self, index, sentences=None):
            return self

    def step(tokens, state):
        return torch.zeros(len(tokens), 300), state

    [hypotheses] = Beam(size=4, n_best=4, length_penalty=0.0)(step, Anything(), max_lengths=[1], banned_ids=[BOS])
    assert found(hypotheses) == [(), (0,), (1,), (4,)]


@pytest.mark.parametrize("vocab_size", [3, BLOCK_LENGTH, BLOCK_LENGTH + 1, 5 * BLOCK_LENGTH - 1])
@pytest.mark.parametrize("count", [1, 4, 11])
def test_top_candidates_equal_a_stable_sort(vocab_size, count):
    generator = torch.Generator().manual_seed(vocab_size + count)
    # rounded, so that there are many ties; some tokens and whole hypotheses impossible
    log_probs = (-torch.rand(6, 3, vocab_size, generator=generator) * 4).round()
    log_probs[0, 1, : vocab_size // 2] = -torch.inf
    totals = (-torch.rand(6, 3, generator=generator) * 3).round()
    totals[2, 0] = -torch.inf
    best = top_candidates(log_probs, totals, count)
    values, places = (log_probs + totals.unsqueeze(-1)).flatten(1).sort(dim=-1, descending=True, stable=True)
    count = min(count, 3 * vocab_size)
    assert torch.equal(best.totals_NK, values[:, :count])
    is_possible = values[:, :count] > -torch.inf
    assert torch.equal((best.parents_NK * vocab_size + best.tokens_NK)[is_possible], places[:, :count][is_possible])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Beam(size=0), r"size \(0\) must be at least 1"),
        (lambda: Beam(size=2, n_best=3), r"n_best \(3\) must be at most size \(2\)"),
        (lambda: Greedy(n_best=2), r"n_best \(2\) must be 1"),
        (lambda: Greedy(min_length=-1), r"min_length \(-1\)"),
        (lambda: Beam(max_length=2, min_length=3), r"max_length \(2\)"),
        (lambda: Beam(no_repeat_ngram=-1), r"no_repeat_ngram \(-1\)"),
        (lambda: Sampling(temperature=0), r"temperature \(0\)"),
        (lambda: Sampling(top_p=0), r"top_p \(0\)"),
        (lambda: Sampling(top_p=1.5), r"top_p \(1.5\)"),
        (lambda: Sampling(top_k=-1), r"top_k \(-1\)"),
        (lambda: Greedy()(None, None, max_lengths=[1], banned_ids=[EOS]), "id of EOS"),
        (lambda: Greedy()(None, None, max_lengths=[1, -2]), r"max_lengths \(-2\)"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_length_penalty_is_one_at_length_one_and_off_at_alpha_zero():
    assert length_penalty(1, 0.7) == 1
    assert length_penalty(30, 0) == 1
    assert length_penalty(7, 1) == 2
