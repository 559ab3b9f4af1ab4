"""What is drawn follows the probabilities, the temperature and the cuts that were set."""

import math

import pytest
import torch

from mt.search.greedy import Greedy
from mt.search.sampling import Sampling, sentence_generators
from tests.search.languages import RandomModel


def test_samples_are_as_frequent_as_the_model_says():
    model = RandomModel(5, seed=11, sharpness=1.0)
    num_samples = 20_000
    generator = torch.Generator().manual_seed(0)
    [samples] = Sampling(n_best=num_samples)(model.step, model.start([0]), max_lengths=[2], generator=generator)
    for ids in ((), (0,), (4,)):
        share = sum(sample.ids == ids for sample in samples) / num_samples
        assert share == pytest.approx(math.exp(model.log_prob(0, ids)), abs=0.012)


def probabilities(search, logits, draws=4001):
    """Share of each token when the uniform number runs through [0, 1)."""
    log_probs = torch.log_softmax(torch.tensor([[logits]]), -1).expand(1, draws, -1)
    uniform = torch.linspace(0, 1 - 2**-24, draws).unsqueeze(0)
    return torch.bincount(search.draw(log_probs, uniform)[0], minlength=len(logits)) / draws


def test_draw_follows_temperature_top_k_and_top_p():
    logits = [0.5, 2.0, -1.0, 1.0, -math.inf]
    exact = torch.tensor(logits)
    torch.testing.assert_close(probabilities(Sampling(), logits), exact.softmax(0), atol=1e-3, rtol=0)
    cool = probabilities(Sampling(temperature=0.5), logits)
    torch.testing.assert_close(cool, (2 * exact).softmax(0), atol=1e-3, rtol=0)
    first_two = torch.tensor([-math.inf, 2.0, -math.inf, 1.0, -math.inf]).softmax(0)
    torch.testing.assert_close(probabilities(Sampling(top_k=2), logits), first_two, atol=1e-3, rtol=0)
    # softmax gives 0.14, 0.61, 0.03, 0.22: 0.7 needs the first two, 0.6 only the first
    torch.testing.assert_close(probabilities(Sampling(top_p=0.7), logits), first_two, atol=1e-3, rtol=0)
    assert probabilities(Sampling(top_p=0.6), logits)[1] == 1
    assert probabilities(Sampling(top_p=1e-9), logits)[1] == 1
    # the cut is by the model's own probabilities, whatever the temperature; the likeliest always stays
    torch.testing.assert_close(probabilities(Sampling(epsilon=0.2), logits), first_two, atol=1e-3, rtol=0)
    assert probabilities(Sampling(epsilon=0.2, temperature=0.1), logits)[1] > 0.999
    assert probabilities(Sampling(epsilon=0.9), logits)[1] == 1
    assert probabilities(Sampling(top_k=99), logits)[4] == 0


@pytest.mark.parametrize("kind", ["one_generator", "global", "own_generators"])
def test_the_same_seed_draws_the_same_samples(kind):
    model = RandomModel(9, seed=12)

    def run(seed):
        generator = {"one_generator": torch.Generator().manual_seed(seed), "global": None}.get(kind)
        if kind == "own_generators":
            generator = sentence_generators(seed, range(3))
        torch.manual_seed(seed)
        return Sampling(n_best=2)(model.step, model.start(range(3)), max_lengths=[9] * 3, generator=generator)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_top_k_of_one_is_greedy():
    model = RandomModel(9, seed=13)
    sampled = Sampling(top_k=1)(model.step, model.start(range(5)), max_lengths=[9] * 5)
    greedy = Greedy()(model.step, model.start(range(5)), max_lengths=[9] * 5)
    assert [hypotheses[0].ids for hypotheses in sampled] == [hypotheses[0].ids for hypotheses in greedy]
