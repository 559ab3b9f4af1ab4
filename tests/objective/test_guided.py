"""Guided alignment: a head learns what the links say, and a guided run goes on exactly."""

import numpy as np
import pytest
import torch

from mt.compression.pruning import remove_heads
from mt.data.batching import Cursor, TokenBatches
from mt.objective.guided import Guidance, GuidedHead, guided_nats
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.training.distributed import Ranks
from mt.training.updater import Updater
from mt.training.word_links import FOLDER, LearnedLinks, find_links, guide_of
from tests.training.runs import assert_same, make_model, make_trainer, metrics, weights

LEARNED = Guidance(links="learned", weight=0.5, layer=0, head=1)
SMOOTHED = LabelSmoothedCrossEntropy(smoothing=0.1)


@pytest.fixture(scope="module")
def guiding(prepared):
    find_links(LEARNED.links, prepared)
    return guide_of(LEARNED, prepared)


def guided_trainer(prepared, guiding, folder, **settings):
    return make_trainer(prepared, folder, guide=guiding, objective=LEARNED.around(SMOOTHED), **settings)


def guided_updater(model):
    how = {"clip_norm": 0.0, "max_tokens": 10_000, "device": torch.device("cpu"), "dtype": torch.float32}
    return Updater(model, LEARNED.around(SMOOTHED), seed=1, ranks=Ranks(), **how)


def test_what_it_costs_is_the_cross_entropy_of_the_guided_rows():
    weights_BTS = torch.tensor([[[0.5, 0.5], [0.2, 0.8], [1.0, 0.0]]])
    guide_BTS = torch.tensor([[[0.0, 0.0], [0.5, 0.5], [1.0, 0.0]]])
    expected = -(0.5 * np.log(0.2) + 0.5 * np.log(0.8))
    assert guided_nats(weights_BTS, guide_BTS).item() == pytest.approx(expected, rel=1e-6)


def test_a_weight_of_0_where_the_guide_looks_still_has_a_finite_cost_and_gradient():
    weights_BTS = torch.zeros(1, 1, 2, requires_grad=True)
    cost = guided_nats(weights_BTS, torch.tensor([[[1.0, 0.0]]]))
    cost.backward()
    assert torch.isfinite(cost) and torch.isfinite(weights_BTS.grad).all()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"links": "guessed"}, r"guidance.links \(guessed\) must be one of given, learned, boxes, or null"),
        ({"weight": 0.0}, r"guidance.weight \(0.0\) must be above 0"),
        ({"shift": 2}, r"guidance.shift \(2\) must be 0 or 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Guidance(**settings)


def test_the_guided_layer_is_the_last_but_one_and_must_be_there():
    assert Guidance(head=3).at(6, 4) == (4, 3) and Guidance().at(1, 2) == (0, 0)
    for settings, message in (({"layer": 6}, r"guidance.layer \(6\)"), ({"head": 4}, r"guidance.head \(4\)")):
        with pytest.raises(ValueError, match=message):
            Guidance(**settings).at(6, 4)


def test_a_head_that_was_removed_cannot_be_guided(prepared):
    model = remove_heads(make_model(prepared), heads={"decoder.layers.0.cross_attention": [0]})
    with pytest.raises(ValueError, match=r"guidance.head \(0\) was removed from layer 0 of this model, which has 1"):
        Guidance(links="given", head=0).around(SMOOTHED).check(model)
    Guidance(links="given", head=1).around(SMOOTHED).check(model)


@pytest.mark.slow  # a second: learns links
def test_learned_links_are_those_of_the_corpus_which_is_reversed(prepared, guiding):
    learned = LearnedLinks(prepared.folder / FOLDER)
    assert len(learned) == len(prepared.train)
    right = total = 0
    for number in range(0, len(learned), 10):
        length = len(prepared.train.text(number).source.split())
        wanted = {f"{n}-{length - 1 - n}" for n in range(length)}
        right, total = right + len(wanted & set(learned[number].split())), total + length
    assert right / total > 0.95


def test_links_are_learned_once_for_the_same_text(prepared, guiding):
    stamp = prepared.folder / FOLDER / "links.text"
    before = stamp.stat().st_mtime_ns
    find_links(LEARNED.links, prepared)
    assert stamp.stat().st_mtime_ns == before


def test_a_corpus_without_links_cannot_give_them(prepared):
    with pytest.raises(ValueError, match=r"guidance.links \(given\) needs a corpus with word links"):
        find_links("given", prepared)


def test_the_gradient_is_that_of_the_weighted_sum_of_both_losses(prepared, guiding):
    batch = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=300, seed=1, guide=guiding).read(Cursor())[0]
    model = make_model(prepared, dropout=0.0)
    tap = GuidedHead(0, 1)
    states_BTD = model(batch.source, batch.target_in_BT, tap=tap)
    logits_BTV = model.output(states_BTD)
    log_probs = logits_BTV.log_softmax(-1)
    real_BT = batch.target_out_BT != 0
    plain = -log_probs.gather(2, batch.target_out_BT[..., None]).squeeze(2)[real_BT].sum()
    smoothed = 0.9 * plain - 0.1 * log_probs.mean(-1)[real_BT].sum()
    ((smoothed + 0.5 * guided_nats(tap.passes[0], batch.guide_BTS)) / batch.num_tokens).backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    model.zero_grad()
    taken = {}

    class Keep(torch.optim.SGD):
        def step(self):
            taken.update({name: parameter.grad.clone() for name, parameter in model.named_parameters()})

    update = guided_updater(model)(Keep(model.parameters(), lr=0.0), [batch], step=0, learning_rate=0.0, by_part=True)
    for name, gradient in expected.items():
        torch.testing.assert_close(taken[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    assert update.loss_nats == pytest.approx(plain.item(), rel=1e-5)  # the reported loss is as without guidance
    assert update.counts["guidance_loss"] == pytest.approx(float(batch.guide_BTS.sum()), rel=1e-5)
    assert sum(norm**2 for norm in update.norms_of_parts.values()) == pytest.approx(update.gradient_norm**2, rel=1e-4)
    assert set(update.norms_of_parts) == {"embeddings", "encoder", "decoder", "cross_attention"}


def weights_of(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_gradient_checkpointing_changes_nothing(prepared, guiding):
    batch = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=300, seed=1, guide=guiding).read(Cursor())[0]
    after = []
    for recompute in (False, True):
        model = make_model(prepared, dropout=0.0)
        model.recompute = recompute
        guided_updater(model)(torch.optim.SGD(model.parameters(), lr=0.1), [batch], step=0, learning_rate=0.1)
        after.append(weights_of(model))
    for name, weight in after[0].items():
        torch.testing.assert_close(weight, after[1][name], rtol=1e-5, atol=1e-7)


def test_a_guided_run_resumes_exactly_and_its_loss_falls(prepared, guiding, tmp_path):
    whole = guided_trainer(prepared, guiding, tmp_path / "whole", max_steps=12)
    whole.run()
    guided_trainer(prepared, guiding, tmp_path / "cut", max_steps=5).run()
    resumed = guided_trainer(prepared, guiding, tmp_path / "cut", max_steps=12, resume=True)
    resumed.run()
    assert_same(weights(whole), weights(resumed))
    lines = [line for line in metrics(tmp_path / "whole") if "guidance_loss" in line]
    assert len(lines) == 12 and lines[-1]["guidance_loss"] < lines[0]["guidance_loss"]
    assert {"gradient_norm_encoder", "gradient_norm_cross_attention"} <= lines[0].keys()


def test_the_first_batch_is_the_same_with_guidance(prepared, guiding):
    with_guide, without = (
        TokenBatches(prepared.train, prepared.tokenizers, max_tokens=300, seed=1, guide=guide).read(Cursor())[0]
        for guide in (guiding, None)
    )
    assert torch.equal(with_guide.source.ids_BS, without.source.ids_BS) and without.guide_BTS is None
    rows = with_guide.guide_BTS.sum(dim=2)
    assert ((rows - 1).abs().min(rows.abs()) < 1e-5).all() and not rows[:, 0].any()  # <s> reads no piece
