"""SimCut and token cut-off are what their papers say; what is cut depends on the pair alone."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from mt.data.batching import Cursor, TokenBatches
from mt.objective.cut_off import CutOff
from mt.objective.draws import uniform
from mt.objective.simcut import SimCut
from mt.objective.token_cuts import cut_tokens
from mt.objective.word_drop import WordDrop
from tests.training.runs import make_model

RATE = 0.3


@pytest.fixture
def batch(prepared):
    return TokenBatches(prepared.train, prepared.tokenizers, max_tokens=300, seed=1).read(Cursor())[0]


def all_log_probs(model, batch):
    real_BT = batch.target_out_BT != model.pad
    return model.output(model(batch.source, batch.target_in_BT))[real_BT].log_softmax(dim=-1)


def kl(log_p, log_q):
    return nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True)


def simcut(p, q, cross_entropy):
    return cross_entropy(p) + 3.0 * kl(p, q)


def cut_off(p, q, cross_entropy):
    mean = (0.5 * (p.exp() + q.exp())).log()
    return (cross_entropy(p) + cross_entropy(q)) / 2 + 0.5 * (kl(p, mean) + kl(q, mean))


@pytest.mark.parametrize("chunk", [5, 10_000])
@pytest.mark.parametrize(("objective", "of_the_paper"), [(SimCut, simcut), (CutOff, cut_off)])
def test_value_and_gradient_are_those_of_the_paper(prepared, batch, objective, of_the_paper, chunk):
    model = make_model(prepared, dropout=0.0).train()
    loss = objective(rate=RATE, chunk_tokens=chunk)(model, batch)
    loss.minimised.backward()
    targets = batch.target_out_BT[batch.target_out_BT != model.pad]

    def cross_entropy(log_probs):
        return nn.functional.cross_entropy(log_probs, targets, label_smoothing=0.1, reduction="sum")

    other = make_model(prepared, dropout=0.0).train()
    p = all_log_probs(other, batch)
    with cut_tokens(other, batch, RATE):
        q = all_log_probs(other, batch)
    expected = of_the_paper(p, q, cross_entropy)
    expected.backward()
    torch.testing.assert_close(loss.minimised, expected)
    for (name, parameter), same in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, same.grad, rtol=1e-4, atol=1e-5, msg=name)


def test_cut_tokens_are_read_as_zeros_and_the_others_as_ever(prepared, batch):
    model = make_model(prepared)
    seen = []
    model.source_embedding.tokens.register_forward_hook(lambda module, arguments, states: seen.append(states))
    with cut_tokens(model, batch, RATE):
        model.encode(batch.source)
    model.encode(batch.source)
    # the first hook saw the states before they were cut: look at what the embedding gives
    with cut_tokens(model, batch, RATE):
        cut_BSD = model.source_embedding.tokens(batch.source.ids_BS)
    whole_BSD = seen[-1]
    is_cut_BS = (cut_BSD == 0).all(dim=-1) & (whole_BSD != 0).any(dim=-1)
    real_BS = batch.source.ids_BS != model.pad
    assert RATE / 2 < is_cut_BS[real_BS].float().mean() < 2 * RATE
    assert torch.equal(cut_BSD[~is_cut_BS], whole_BSD[~is_cut_BS])


def test_what_is_drawn_for_a_pair_is_the_same_in_every_part_and_on_every_rank(prepared):
    def read(**ranks):
        return TokenBatches(prepared.train, prepared.tokenizers, max_tokens=600, seed=1, **ranks).read(Cursor())[0]

    whole = read()
    keys_of = dict(zip(whole.indices.tolist(), whole.keys_B.tolist(), strict=True))
    assert len(set(keys_of.values())) == len(whole.indices) > 4
    for part in (*whole.within(150), read(rank=0, world_size=2), read(rank=1, world_size=2)):
        assert part.keys_B.tolist() == [keys_of[pair] for pair in part.indices.tolist()]
    other = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=600, seed=1).read(Cursor(epoch=1))[0]
    assert not set(other.keys_B.tolist()) & set(keys_of.values())


def test_numbers_are_uniform_and_those_of_one_key_do_not_depend_on_the_others():
    keys = torch.arange(500) - 250
    numbers = uniform(keys, 400)
    assert numbers.min() >= 0 and numbers.max() < 1
    counts = torch.histc(numbers, bins=20, min=0, max=1)
    assert ((counts - 10_000).abs() < 500).all()
    assert torch.equal(uniform(keys[3:5], 7), numbers[3:5, :7])
    for other in (numbers[1:], uniform(keys, 400, stream=1)[:-1], numbers.roll(1, 1)[:-1]):
        assert abs(torch.corrcoef(torch.stack([numbers[:-1].flatten(), other.flatten()]))[0, 1]) < 0.01


@pytest.mark.parametrize(
    ("objective", "settings", "message"),
    [
        (SimCut, {"rate": 0.0}, r"objective.rate \(0.0\) must be above 0 and below 1"),
        (CutOff, {"rate": 1.0}, r"objective.rate \(1.0\) must be above 0 and below 1"),
        (SimCut, {"alpha": -1.0}, r"objective.alpha \(-1.0\) must be above 0 and finite"),
        (CutOff, {"cut_weight": float("nan")}, r"objective.cut_weight \(nan\) must be above 0 and finite"),
    ],
)
def test_settings_that_cannot_be_are_refused(objective, settings, message):
    with pytest.raises(ValueError, match=message):
        objective(**settings)


def test_a_batch_on_another_device_keeps_its_keys(batch):
    assert torch.equal(batch.to("cpu").keys_B, batch.keys_B) and replace(batch).keys_B is batch.keys_B


def test_word_drop_hides_target_words_from_the_decoder_alone_and_predicts_all_of_them(prepared, batch):
    model = make_model(prepared, dropout=0.0).train()
    loss = WordDrop(rate=RATE)(model, batch)
    targets = batch.target_out_BT[batch.target_out_BT != model.pad]
    with cut_tokens(model, batch, RATE, sides=("target",)):
        log_probs = all_log_probs(model, batch)
    torch.testing.assert_close(loss.sums["nats"], nn.functional.nll_loss(log_probs, targets, reduction="sum"))
    whole = nn.functional.nll_loss(all_log_probs(model, batch), targets, reduction="sum")
    assert (loss.sums["nats"] - whole).abs() > 1e-2 * whole
    # validation sees every word
    torch.testing.assert_close(WordDrop(rate=RATE)(model.eval(), batch).sums["nats"], whole)
