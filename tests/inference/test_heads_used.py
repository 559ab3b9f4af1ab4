from functools import partial

import pytest
import torch

from mt.attention.dynamic_heads import DynamicHeads
from mt.data.source import Text
from mt.inference.heads_used import heads_used
from tests.attention.table import some_off
from tests.model.test_seq2seq import LAYERS, B, make, sentences


def test_shares_are_those_of_the_routers_whatever_the_batches():
    switching = partial(some_off, DynamicHeads)
    model = make(encoder_attention=switching, cross_attention=switching).eval()
    source, target = sentences()
    seen = []
    for batches in ([slice(0, B)], [slice(0, 1), slice(1, B)]):
        with torch.no_grad(), heads_used(model) as shares:
            for part in batches:
                model(Text(source[part]), target[part])
        seen.append(shares)
    names = {f"encoder_layer{n}" for n in range(LAYERS)} | {f"cross_layer{n}" for n in range(LAYERS + 1)}
    assert seen[0].keys() == names and 0 < min(seen[0].values()) < max(seen[0].values()) <= 1
    assert seen[1] == pytest.approx(seen[0])
    with torch.no_grad():
        summaries = model.start(Text(source)).summaries
    assert [seen[0][f"cross_layer{n}"] for n in range(LAYERS + 1)] == pytest.approx(
        [float(summary.gate_NH.mean()) for summary in summaries]
    )


def test_a_model_without_routers_says_nothing():
    model = make().eval()
    with heads_used(model) as shares:
        model(Text(sentences()[0]), sentences()[1])
    assert shares == {}
