"""Frozen parameters stay as they are, whatever else a training does."""

import json
from functools import partial

import pytest
import torch
from safetensors.torch import load_file

from mt.training.optimizer import adamw
from mt.training.parameters import check_freeze, freeze
from tests.training import runs
from tests.training.runs import assert_same, make_model, make_trainer, metrics, weights

FROZEN = ["encoder", "decoder.layers.0.cross_attention.query"]


def frozen_model(prepared, seed=1):
    model = make_model(prepared, seed=seed)
    freeze(model, FROZEN)
    return model


def test_frozen_parameters_have_no_gradient_no_state_and_no_decay(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "adamw", partial(adamw, weight_decay=0.5))
    model = frozen_model(prepared)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    kept = {name for name in before if name.startswith(tuple(FROZEN))}
    trainer = make_trainer(prepared, tmp_path / "run", model=model, ema_decay=0.9, accumulate=2)
    trainer.run()
    after = weights(trainer)
    assert {name for name in before if torch.equal(before[name], after[name])} == kept
    saved = load_file(tmp_path / "run" / "last" / "model.safetensors")  # the average
    assert_same({name: saved[name] for name in kept}, {name: before[name] for name in kept})
    state = load_file(tmp_path / "run" / "last" / "training.safetensors")
    with_state = {name.split(".", 2)[2] for name in state if name.startswith("optimizer.")}
    assert with_state == before.keys() - kept


def test_a_run_with_frozen_parameters_resumes_exactly(prepared, tmp_path):
    whole = make_trainer(prepared, tmp_path / "whole", model=frozen_model(prepared), ema_decay=0.9)
    whole.run()
    first = make_trainer(prepared, tmp_path / "parts", model=frozen_model(prepared), ema_decay=0.9, max_steps=5)
    first.run()
    first.store.close()
    model = frozen_model(prepared, seed=7)
    second = make_trainer(prepared, tmp_path / "parts", model=model, ema_decay=0.9, resume=True)
    second.run()
    assert_same(weights(second), weights(whole))
    assert_same(second.learner.average.tensors(), whole.learner.average.tensors())
    assert metrics(tmp_path / "parts")[-1] == metrics(tmp_path / "whole")[-1]


def test_what_is_frozen_later_loses_its_state_and_what_is_thawed_begins_anew(prepared, tmp_path):
    def run(frozen, steps):
        model = make_model(prepared)
        freeze(model, frozen)
        trainer = make_trainer(prepared, tmp_path / "run", model=model, max_steps=steps, resume=steps > 5)
        before = weights(trainer)
        trainer.run()
        trainer.store.close()
        after = weights(trainer)
        state = load_file(tmp_path / "run" / "last" / "training.safetensors")
        assert json.loads((tmp_path / "run" / "last" / "training.json").read_text())["step"] == steps
        changed = {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}
        return changed, {name.split(".")[2] for name in state if name.startswith("optimizer.")}

    everything = {"encoder", "decoder", "source_embedding"}
    assert run([], 5) == (everything, everything)
    assert run(["encoder"], 10) == (everything - {"encoder"}, everything - {"encoder"})
    assert run(["decoder"], 15) == (everything - {"decoder"}, everything - {"decoder"})


@pytest.mark.parametrize(
    "names, line",
    [
        (
            ["encodr"],
            r"freeze \(encodr\) must be a parameter's name.*; did you mean encoder\?",
        ),
        (["encoder.layers.1"], r"freeze \(encoder.layers.1\) must be .* did you mean encoder.layers.0\?"),
        (["enc"], r"freeze \(enc\) must be a parameter's name, or a prefix of some"),
        (["encoder", ""], r"freeze \(\) must be a parameter's name"),
        (["encoder", "decoder", "output"], r"freeze \(encoder, decoder, output\) must leave some parameters to train"),
    ],
)
def test_names_that_do_not_fit_are_refused(prepared, names, line):
    with pytest.raises(ValueError, match=line):
        freeze(make_model(prepared), names)


def test_a_shared_matrix_is_frozen_by_any_of_its_names(prepared):
    said = []
    for name in ("source_embedding", "target_embedding.tokens", "output.weight"):
        model = make_model(prepared)
        freeze(model, [name], say=lambda text, *values: said.append(text % values))
        frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        assert frozen == {"source_embedding.tokens.weight"}
    assert "output.weight shares its matrix with a frozen parameter" in said[0]


@pytest.mark.parametrize("value", ["encoder", 3, {"encoder": True}])
def test_what_is_no_list_is_refused(value):
    with pytest.raises(ValueError, match="must be a list of names"):
        check_freeze(value)
