"""A run that was stopped goes on exactly, whatever attention its model is made of: nothing that one learns, draws or
counts is lost between two checkpoints."""

import pytest
import torch

from mt.attention.contract import CausalMixer, EncoderMixer, MemoryMixer, Mixer
from tests.training.runs import assert_same, make_model, make_trainer, weights
from tests.variants import variants

SLOTS = {"encoder": EncoderMixer, "decoder": CausalMixer, "cross_attention": MemoryMixer}


@pytest.mark.parametrize("attention", list(variants(Mixer)))
def test_a_run_resumes_exactly_with_every_attention_in_all_its_slots(prepared, tmp_path, attention):
    slots = {slot: attention for slot, role in SLOTS.items() if isinstance(attention(2, 4), role)}
    assert slots
    settings = {"validate_every": 2, "max_tokens": 200, "ema_decay": 0.9}

    def trainer(folder, seed, **more):
        model = make_model(prepared, seed, dropout=0.2, **slots)
        return make_trainer(prepared, tmp_path / folder, model=model, **settings, **more)

    whole = trainer("whole", 1, max_steps=4)
    whole.run()
    trainer("parts", 1, max_steps=2).run()
    torch.manual_seed(99)  # whatever happened in between
    resumed = trainer("parts", 7, max_steps=4, resume=True)
    resumed.run()
    assert_same(weights(resumed), weights(whole))
    assert_same(dict(resumed.learner.model.named_buffers()), dict(whole.learner.model.named_buffers()))
    assert_same(resumed.learner.average.tensors(), whole.learner.average.tensors())
