"""Native code knows the sizes of a model that was changed, and leaves what is wrong, or not plain, to torch."""

import pytest

from mt.inference.plain_model import sizes_of
from tests.kernels.test_decoding import MODELS, PRUNED, PRUNING, VOCABULARY, described, made

SIZES = {"source_size": VOCABULARY, "target_size": VOCABULARY}
ATTENTION, CROSS, NEURONS = (
    "encoder.layers.0.attention",
    "decoder.layers.1.cross_attention",
    "decoder.layers.0.feed_forward",
)


def heads(**by_name):
    return {"_target_": f"{PRUNING}.remove_heads", "heads": by_name}


@pytest.mark.parametrize(
    "changes",
    [
        PRUNED,
        [*PRUNED, heads(**{ATTENTION: [1], CROSS: [0]})],  # of those that were left: layer 0 was layer 1
        [{"_target_": f"{PRUNING}.remove_neurons", "neurons": {NEURONS: 95}}],
        [heads(**{ATTENTION: []}), {"_target_": f"{PRUNING}.remove_layers", "layers": {"decoder": [1], "encoder": []}}],
    ],
)
@pytest.mark.parametrize("name", ["small", "demo"])
def test_the_sizes_are_those_of_the_pruned_model(name, changes):
    model, sizes = made(**MODELS[name], changes=changes)
    assert sizes is not None
    kept = {name: tuple(weight.shape) for name, weight in model.named_parameters(remove_duplicate=False)}
    assert sizes.weights() == kept


@pytest.mark.parametrize(
    "change",
    [
        heads(**{ATTENTION: [4]}),
        heads(**{ATTENTION: [0, 1, 2, 3]}),
        heads(**{ATTENTION: 1}),
        heads(**{ATTENTION: [True]}),
        heads(**{"encoder.layers.9.attention": [0]}),
        heads(**{"encoder.layers.-1.attention": [0]}),
        heads(**{"encoder.layers.0.cross_attention": [0]}),
        heads(**{"beside.image.layers.0.attention": [0]}),
        {**heads(**{ATTENTION: [0]}), "more": 1},
        {"_target_": f"{PRUNING}.remove_heads"},
        {"_target_": f"{PRUNING}.remove_heads", "heads": [1]},
        {"_target_": f"{PRUNING}.remove_neurons", "neurons": {NEURONS: 96}},
        {"_target_": f"{PRUNING}.remove_neurons", "neurons": {NEURONS: [96]}},
        {"_target_": f"{PRUNING}.remove_layers", "layers": {"encoder": [0, 1]}},
        {"_target_": f"{PRUNING}.with_all_heads"},
        {"_target_": "mt.model.alignment_head.add_alignment_head", "layer": 1},
    ],
    ids=str,
)
def test_wrong_and_other_changes_are_left_to_torch(change):
    assert sizes_of(described(changes=[change]), **SIZES) is None


def test_heads_that_share_keys_are_not_removed():
    assert sizes_of(described(**MODELS["shared heads"], changes=[heads(**{ATTENTION: [0]})]), **SIZES) is None
    assert sizes_of(described(**MODELS["shared heads"]), **SIZES) is not None
