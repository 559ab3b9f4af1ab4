"""Rules about which token may come next, over small random models that are written down in full."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.search.rules.prefix import Prefix
from mt.search.rules.rule import Demand, Rule
from mt.search.rules.terms import Terms
from mt.search.sampling import Sampling, sentence_generators
from tests.search.languages import BOS, EOS, WIDE, RandomModel, every_method, found

V = 5
CONTINUING = torch.tensor([False, False, False, False, True])  # token 4 goes on in the same word


def terms(*phrases):
    return Terms(phrases, eos=EOS, continuing_V=CONTINUING)


def stands(ids, phrase):
    """How often a phrase stands in the ids without a token behind it that goes on in the same word."""
    after = (*ids, EOS)
    places = range(len(ids) - len(phrase) + 1)
    return sum(ids[i : i + len(phrase)] == phrase and not CONTINUING[after[i + len(phrase)]] for i in places)


PHRASES = {
    "nothing": {},
    "one": {(0,): 1},
    "twice": {(1,): 2},
    "long": {(0, 1): 1},
    "two": {(0, 1): 1, (2,): 1},
    "shared tokens": {(0, 1): 1, (1, 0): 1},
    "part of another": {(0,): 1, (0, 1, 0): 1},
    "continuing inside": {(0, 4): 1},
}


@pytest.mark.parametrize("phrases", PHRASES.values(), ids=PHRASES.keys())
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_wide_beam_with_terms_equals_exhaustive_search_over_what_has_them(phrases, alpha):
    model = RandomModel(V, seed=1)
    others = {(1, 2): 1}  # of the sentence beside it
    beam = Beam(size=WIDE, n_best=7, length_penalty=alpha)
    results = beam(model.step, model.start(range(2)), max_lengths=[4] * 2, rules=[terms(phrases, others)])
    for sentence, (demanded, hypotheses) in enumerate(zip((phrases, others), results, strict=True)):
        every = [
            pair
            for pair in model.every_hypothesis(sentence, alpha=alpha, max_length=4)
            if all(stands(pair[1], phrase) >= count for phrase, count in demanded.items())
        ]
        assert found(hypotheses) == [ids for _, ids in every[:7]]
        assert [one.score for one in hypotheses] == pytest.approx([score for score, _ in every[:7]])


@pytest.mark.parametrize("prefix", [(), (1,), (4, 0, 4), (2, 2, 2, 2)], ids=str)
def test_a_wide_beam_with_a_prefix_equals_exhaustive_search_over_what_begins_so(prefix):
    model = RandomModel(V, seed=2)
    rules = [Prefix([prefix, (0,)])]
    results = Beam(size=WIDE, n_best=5)(model.step, model.start(range(2)), max_lengths=[4] * 2, rules=rules)
    for sentence, (own, hypotheses) in enumerate(zip((prefix, (0,)), results, strict=True)):
        every = model.every_hypothesis(sentence, alpha=0.6, max_length=4)
        assert found(hypotheses) == [ids for _, ids in every if ids[: len(own)] == own][:5]


def test_all_rules_at_once_equal_exhaustive_search():
    model = RandomModel(V, seed=3)
    search = Beam(size=WIDE, n_best=9, min_length=3, no_repeat_ngram=2, length_penalty=1.0)
    rules = [Prefix([(1,)]), terms({(4, 1): 1})]
    [hypotheses] = search(model.step, model.start([0]), max_lengths=[5], banned_ids=[BOS], rules=rules)
    expected = [
        ids
        for _, ids in model.every_hypothesis(0, alpha=1.0, max_length=5, min_length=3, banned=[BOS])
        if ids[:1] == (1,) and stands(ids, (4, 1)) and len(set(itertools.pairwise(ids))) == len(ids) - 1
    ]
    assert found(hypotheses) == expected[:9]


@every_method
@pytest.mark.parametrize("limit", [4, 9])
def test_every_method_gives_what_is_demanded_where_there_is_room(search, limit):
    model = RandomModel(V, seed=4, eos_bias=1.0)
    phrases = [{(0, 1): 1}, {}, {(1,): 2, (2, 0): 1}, {(1, 4, 0): 1}]
    results = search(model.step, model.start(range(4)), max_lengths=[limit] * 4, rules=[terms(*phrases)])
    for sentence, (demanded, hypotheses) in enumerate(zip(phrases, results, strict=True)):
        for hypothesis in hypotheses:
            if hypothesis.log_prob == -math.inf:  # a repeated n-gram, or a continuing token, may leave no way
                assert search.no_repeat_ngram or demanded
                continue
            assert all(stands(hypothesis.ids, phrase) >= count for phrase, count in demanded.items())
            assert hypothesis.log_prob == pytest.approx(model.log_prob(sentence, hypothesis.ids), abs=1e-4)
        if not search.no_repeat_ngram:
            assert hypotheses[0].log_prob > -math.inf


@every_method
def test_every_method_begins_with_the_prefix_even_where_it_repeats_itself(search):
    model = RandomModel(V, seed=5)
    prefixes = [(1, 1, 1), (), (4,)]
    results = replace(search, no_repeat_ngram=1)(
        model.step, model.start(range(3)), max_lengths=[8] * 3, rules=[Prefix(prefixes)]
    )
    for prefix, hypotheses in zip(prefixes, results, strict=True):
        assert all(one.ids[: len(prefix)] == prefix and one.log_prob > -math.inf for one in hypotheses)


@every_method
def test_the_limit_of_length_goes_before_a_prefix(search):
    model = RandomModel(V, seed=5)
    [hypotheses] = search(model.step, model.start([0]), max_lengths=[2], rules=[Prefix([(0, 1, 0, 1)])])
    assert {one.ids for one in hypotheses} == {(0, 1)}


PHRASES_OF_SENTENCES = [{(0, 1): 1}, {}, {(4,): 1, (2,): 1}, {(1, 0): 2}, {}, {(4, 4): 1}, {(0,): 1}]


@every_method
def test_a_sentence_with_rules_is_found_alike_alone_and_in_a_batch(search):
    model, limits = RandomModel(V, seed=6), [6, 3, 4, 11, 6, 3, 9]

    def run(sentences):
        generators = sentence_generators(5, sentences) if isinstance(search, Sampling) else None
        rules = [
            Prefix([(0, 4) if sentence % 3 == 2 else () for sentence in sentences]),
            terms(*(PHRASES_OF_SENTENCES[sentence] for sentence in sentences)),
        ]
        own = [limits[sentence] for sentence in sentences]
        return search(model.step, model.start(sentences), max_lengths=own, rules=rules, generator=generators)

    together = run(list(range(7)))
    assert together == [run([sentence])[0] for sentence in range(7)]
    assert list(reversed(together)) == run(list(reversed(range(7))))


@every_method
def test_rules_that_demand_nothing_change_nothing(search):
    model, limits = RandomModel(V, seed=7), [6, 3, 9]
    how = {"max_lengths": limits, "banned_ids": [0]}

    def run(**rules):
        generators = sentence_generators(5, range(3))
        return search(model.step, model.start(range(3)), **how, **rules, generator=generators)

    assert run(rules=[Prefix([()] * 3), terms({}, {}, {})]) == run()


@pytest.mark.parametrize("size", [2, 5, 8])
def test_the_beam_keeps_places_for_what_is_demanded_however_unlikely(size):
    class Unlikely(RandomModel):
        """Token 1 is as good as impossible everywhere."""

        def logits(self, sentence, prefix):
            row = super().logits(sentence, prefix).clone()
            row[1] = -30.0
            return row

    model = Unlikely(V, seed=8)
    [[hypothesis]] = Beam(size=size)(model.step, model.start([0]), max_lengths=[12], rules=[terms({(1, 1, 0): 1})])
    assert stands(hypothesis.ids, (1, 1, 0)) == 1


def test_a_beam_of_one_with_terms_is_greedy_search():
    model, rules = RandomModel(V, seed=9), [terms({(4, 0): 1}, {}, {(1,): 2})]
    how = {"max_lengths": [9] * 3, "rules": rules}
    greedy = Greedy()(model.step, model.start(range(3)), **how)
    assert greedy == Beam(size=1, length_penalty=0.0)(model.step, model.start(range(3)), **how)


def test_where_there_is_no_room_one_impossible_hypothesis_says_so():
    model, rules = RandomModel(V, seed=9), [terms({(0, 1, 2): 1})]
    for search in (Greedy(), Beam(size=4), Sampling()):
        [[hypothesis]] = search(model.step, model.start([0]), max_lengths=[2], rules=rules)
        assert hypothesis.log_prob == -math.inf and not hypothesis.is_finished


class OwnHistory(Demand):
    """Demands nothing, and keeps the tokens of every hypothesis itself: they must be those that the search has."""

    def __init__(self, numbers_NW=None, sentences=None):
        self.numbers_NW, self.sentences, self.seen = numbers_NW, sentences, []

    def forbid(self, log_probs, history, sentences_N):
        own = history.new_zeros(history.shape[:2]) if self.numbers_NW is None else self.numbers_NW
        if history.shape[-1]:
            own = own * 10 + history[..., -1]
        expected = (history * 10 ** torch.arange(history.shape[-1] - 1, -1, -1)).sum(-1)
        assert torch.equal(own, expected)
        assert self.sentences is None or torch.equal(self.sentences, sentences_N)
        self.own, self.now = own, sentences_N

    def rows(self, parents, stay=None):
        own, sentences = (self.own, self.now) if stay is None else (self.own[stay], self.now[stay])
        return OwnHistory(own.gather(1, parents), sentences)

    def needed(self, sentences_N):
        return torch.zeros_like(sentences_N)

    def progress(self, history, sentences_N):
        return history.new_zeros(history.shape[:2])

    def next_tokens(self, history, sentences_N):
        return history.new_full((*history.shape[:2], 1), -1)


@every_method
def test_a_rule_that_remembers_moves_with_its_parents(search):
    model = RandomModel(V, seed=10)
    results = search(model.step, model.start(range(5)), max_lengths=[6, 2, 9, 4, 7], rules=[OwnHistory()])
    assert all(results)


@every_method
def test_a_hypothesis_carries_the_log_probability_of_each_token(search):
    model = RandomModel(7, seed=11)
    for sentence, hypotheses in enumerate(search(model.step, model.start(range(4)), max_lengths=[6, 0, 9, 3])):
        for one in hypotheses:
            prefix, expected = (BOS,), []
            for token in (*one.ids, EOS):
                expected.append(torch.log_softmax(model.logits(sentence, prefix).double(), -1)[token].item())
                prefix = (*prefix, token)
            assert one.token_log_probs == pytest.approx(expected, abs=1e-5)
            assert math.fsum(one.token_log_probs) == pytest.approx(one.log_prob, abs=1e-6)


def test_a_rule_must_say_what_it_forbids():
    model = RandomModel(V, seed=1)
    with pytest.raises(NotImplementedError):
        Greedy()(model.step, model.start([0]), max_lengths=[2], rules=[Rule()])
