"""Every attention variant learns what nobody can know who does not look where it looks; a second each."""

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from mt.attention.by_source import BySource
from mt.attention.contract import CausalMixer, MemoryMixer
from mt.attention.rectified import Rectified
from mt.data.source import Text
from mt.model.gated_unit import GatedLayers
from tests.model.test_seq2seq import BOS, make
from tests.variants import variants

pytestmark = pytest.mark.slow

FIRST, SYMBOLS = 4, 6  # ids of the words
LINES, WARMUP, MOST_UPDATES, IN_A_ROW = 64, 20, 250, 3


def in_reverse(num_lines):
    """Three different words, and the same in reverse."""
    source = torch.rand(num_lines, SYMBOLS).argsort(1)[:, :3] + FIRST
    return source, source.flip(1)


def in_turns(num_lines):
    """Two words in turns, of which the source says nothing."""
    words = torch.rand(num_lines, SYMBOLS).argsort(1)[:, :2] + FIRST
    return torch.full((num_lines, 2), FIRST), words.repeat(1, 4)


def losses(task, *, skipped, **parts):
    """Nats a word on the lines of each update before it has learned them, without the first `skipped` words of each."""
    model = make(dim=32, num_heads=4, num_kv_heads=4, feed_forward_dim=64, num_layers=(1, 1), **parts)
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), fused=True)
    for step in range(MOST_UPDATES):
        source, target = task(LINES)
        target_in = torch.cat((torch.full((LINES, 1), BOS), target[:, :-1]), dim=1)
        logits = model.output(model(Text(source), target_in))
        loss = cross_entropy(logits[:, skipped:].flatten(0, 1), target[:, skipped:].flatten())
        optimizer.zero_grad()
        loss.backward()
        # several processes would wait for a gradient that never comes, and are told of gates for several sources
        gates = {id(p) for one in model.modules() if isinstance(one, BySource) for p in one.parameters()}
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad and id(p) not in gates)
        yield loss.item()
        optimizer.param_groups[0]["lr"] = 0.01 * min(1, step / WARMUP)
        optimizer.step()


def learns(task, **parts):
    """Whether a model comes below what a reader is left with who does not look where it should; then it stops."""
    if task is in_reverse:  # who knows the words of the source, but not their places: log(3!) nats for three words
        skipped, bound = 0, 0.75 * math.log(6) / 3
    else:  # who knows the last word alone: the five others
        skipped, bound = 2, 0.5 * math.log(SYMBOLS - 1)
    below = 0
    for loss in losses(task, skipped=skipped, **parts):
        below = below + 1 if loss < bound else 0
        if below == IN_A_ROW:
            return True
    return False


@pytest.mark.parametrize("cross_attention", list(variants(MemoryMixer)))
def test_every_variant_learns_to_reverse_as_cross_attention(cross_attention):
    assert learns(in_reverse, cross_attention=cross_attention)


@pytest.mark.parametrize("self_attention", list(variants(CausalMixer)))
def test_every_variant_learns_to_look_back_as_decoder_self_attention(self_attention):
    assert learns(in_turns, self_attention=self_attention)


@pytest.mark.parametrize("task", [in_reverse, in_turns])
def test_gated_units_learn_as_layers_of_both_halves(task):
    layers = {f"{half}_layer": GatedLayers(shared_size=16) for half in ("encoder", "decoder")}
    squared = dict.fromkeys(("encoder_attention", "self_attention"), partial(Rectified, power=2))
    assert learns(task, **layers, **squared)
