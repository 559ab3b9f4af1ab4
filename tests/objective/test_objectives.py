"""What holds for every objective: parts add up to the whole, whoever makes the parts, and a run resumes exactly.

A new objective is a file in mt/objective, one in configs/objective, and a row of OBJECTIVES.
"""

import pytest
import torch

from mt.checkpoint.rebuild import build
from mt.data.batching import Cursor, TokenBatches
from mt.objective.contract import make_weights
from mt.objective.guided import Guidance
from mt.objective.teacher import Teachers
from mt.settings import config_folder
from mt.training.distributed import Ranks
from mt.training.updater import Updater
from mt.training.word_links import find_links, guide_of
from tests.conftest import composed_settings
from tests.training.runs import (
    SEEN,
    WithPassesThatDiffer,
    assert_same,
    fail_above,
    make_model,
    make_seeing_model,
    make_trainer,
    metrics,
    own_weights,
    weights,
)

# the file in configs/objective, and what it reports beside the loss
OBJECTIVES = {
    "label_smoothing": set(),
    "r_drop": {"divergence"},
    "simcut": {"divergence"},
    "cut_off": {"divergence"},
    "word_drop": set(),
    "minimum_risk": {"risk"},
    "distillation": {"divergence"},
    "attention_distillation": {"attention_divergence"},
    "hidden_distillation": {"hidden_distance"},
    "projected_distillation": {"projected_distance"},
    "rounded": set(),
    "contrastive": {"contrast", "text_alone"},
    "masked_words": {"masked_words"},
    "matching": {"contrast", "text_alone", "match", "match_right"},
}
ALONE, GUIDED = Guidance(), Guidance(links="learned", weight=0.5, layer=0, head=1)
# beside a guided head: passes over one batch, passes over other targets, and others who look at the heads; what else
# `Guided` does is the same around all (tests/objective/test_guided.py)
SEEING = ("contrastive", "masked_words", "matching")  # by models that see (without guides): most pairs have pictures
WITH_A_GUIDED_HEAD = ("r_drop", "minimum_risk", "attention_distillation", "projected_distillation", "masked_words")
CASES = [(name, ALONE) for name in OBJECTIVES] + [(name, GUIDED) for name in WITH_A_GUIDED_HEAD]


def is_seeing(case):
    return case[0] in SEEING and not case[1].is_on  # the guides here know no pictures


def test_every_settings_file_has_its_row():
    assert {path.stem for path in (config_folder() / "objective").glob("*.yaml")} == OBJECTIVES.keys()


@pytest.fixture(scope="module")
def guide(prepared):
    find_links("learned", prepared)
    return guide_of(GUIDED, prepared)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}, guided" if case[1].is_on else case[0])
def case(request):
    return request.param


@pytest.fixture
def objective(case, prepared, fresh):
    name, guidance = case
    more = {"minimum_risk": ["objective.candidates=3"]}  # of which there are 8 usually: the beam is what takes long
    taught = ["objective.teacher.checkpoints=x"] if name.endswith("distillation") else []
    composed = composed_settings([f"objective={name}", *more.get(name, taught)])["objective"]
    if taught:
        composed["teacher"] = Teachers([make_model(prepared, seed=7)], prepared.tokenizers, ["a"])
    made = guidance.around(build(composed))
    made.check_tokenizers(prepared.tokenizers)
    make_weights(made, fresh(0.0))
    return made


@pytest.fixture
def reported(case):
    name, guidance = case
    return OBJECTIVES[name] | ({"guidance_loss"} if guidance.is_on else set())


@pytest.fixture
def fresh(case, prepared):
    """dropout -> a fresh model that the objective can train."""
    if is_seeing(case):
        parts = {"judges": case[0] == "matching", "has_space": case[0] != "masked_words"}
        return lambda dropout: make_seeing_model(prepared, dropout=dropout, **parts)
    return lambda dropout: make_model(prepared, dropout=dropout)


@pytest.fixture
def reading(case):
    """What batches need to know in addition."""
    return SEEN if is_seeing(case) else {}


@pytest.fixture
def batches_of(prepared, guide, reading):
    """(rank, world_size) -> the batches that it reads."""
    how = {"max_tokens": 600, "seed": 1, "guide": guide, **reading}
    return lambda *rank: TokenBatches(
        prepared.train, prepared.tokenizers, **how, **dict(zip(("rank", "world_size"), rank, strict=False))
    )


@pytest.fixture
def batches(batches_of):
    return batches_of()


def update(model, objective, batches, *, max_tokens=10_000):
    """The update by plain gradient descent, and the weights after it."""
    how = {"clip_norm": 0.0, "max_tokens": max_tokens, "device": torch.device("cpu"), "dtype": torch.float32}
    updater = Updater(model, WithPassesThatDiffer(objective), seed=1, ranks=Ranks(), **how)
    done = updater(torch.optim.SGD(updater.loss.parameters(), lr=0.1), batches, step=0, learning_rate=0.1)
    return done, {name: parameter.detach().clone() for name, parameter in updater.loss.named_parameters()}


def assert_same_update(left, right):
    (one, weights_of_one), (other, weights_of_other) = left, right
    assert one.target_tokens == other.target_tokens
    assert one.sums == pytest.approx(other.sums, rel=1e-4) and one.counts == pytest.approx(other.counts, rel=1e-5)
    assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-4)
    for name, weight in weights_of_one.items():
        torch.testing.assert_close(weight, weights_of_other[name], rtol=1e-4, atol=1e-6, msg=name)


def test_an_update_is_the_same_in_batches_in_parts_of_two_ranks_and_after_lack_of_memory(
    batches, batches_of, fresh, objective, reported, monkeypatch, caplog
):
    def after(parts, **how):
        return update(fresh(0.0), objective, parts, **how)

    whole, _ = batches.read(Cursor())
    parts = whole.within(150)
    assert len(parts) > 2
    done = after([whole])
    assert done[0].means().keys() == reported and all(mean > 0 for mean in done[0].means().values())
    assert_same_update(done, after(parts))
    assert_same_update(done, after([batches_of(rank, 2).read(Cursor())[0] for rank in range(2)]))
    assert_same_update(done, after([whole], max_tokens=150))
    assert not caplog.text
    fail_above(monkeypatch, 200)
    assert_same_update(done, after([whole]))
    assert "out of memory" in caplog.text


def test_a_batch_with_nothing_to_learn_from_has_the_same_names_and_adds_nothing(batches, fresh, objective):
    batch, _ = batches.read(Cursor())
    model = fresh(0.1).train()
    loss, usual = objective(model, batch.idle()), objective(model, batch)
    assert loss.sums.keys() == usual.sums.keys() and loss.counts.keys() == usual.counts.keys()
    assert not any((*loss.sums.values(), *loss.counts.values()))
    loss.minimised.backward()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())


def test_a_run_resumes_exactly_and_reports_what_the_objective_sums(
    prepared, guide, fresh, objective, reading, reported, tmp_path
):
    def run(folder, **settings):
        how = {"objective": objective, "guide": guide, "reading": reading, "model": fresh(0.1)}
        trainer = make_trainer(prepared, tmp_path / folder, accumulate=2, validate_every=3, **how, **settings)
        trainer.run()
        return trainer

    whole = run("whole", max_steps=5)
    run("parts", max_steps=3)
    resumed = run("parts", max_steps=5, resume=True)
    assert_same(weights(whole), weights(resumed))
    assert_same(own_weights(whole), own_weights(resumed))
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
    lines = [line for line in metrics(tmp_path / "whole") if "loss" in line]
    assert len(lines) == 5 and all(reported <= line.keys() for line in lines)
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_under_autocast_the_loss_is_near(batches, fresh, objective):
    batch, _ = batches.read(Cursor())
    model = fresh(0.0).train()
    exact = objective(model, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = objective(model, batch)
    assert near.minimised.item() == pytest.approx(exact.minimised.item(), rel=0.02)
    near.minimised.backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters())
