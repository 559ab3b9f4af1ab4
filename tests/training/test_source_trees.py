"""Trees in training: an update is the same whole and in parts, and whoever asks for trees in vain is told."""

import logging

import numpy as np
import pytest
import torch

from mt.attention.structured import Structured
from mt.data.batching import Cursor, TokenBatches
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.training.distributed import Ranks
from mt.training.source_trees import source_trees
from mt.training.updater import Updater
from tests.training.runs import make_model


def structured(prepared):
    model = make_model(prepared, dropout=0.0)
    for layer in model.encoder.layers:
        layer.attention.mixer = Structured(2, 16)
    return model


def chains(numbers, pairs, pieces):
    """Each piece hangs on the next."""
    source_BS = pieces.ids_BS.numpy()
    places = np.arange(source_BS.shape[1])
    distance_SS = (places - places[:, None]).clip(min=0).astype(np.int8)
    return pieces.with_trees(
        list(np.where((source_BS > 3)[:, :, None] & (source_BS > 3)[:, None], distance_SS, np.int8(-1)))
    )


def test_an_update_with_trees_is_the_same_in_parts_and_differs_from_one_without(prepared):
    settings = {"max_tokens": 300, "seed": 1}
    batch = TokenBatches(prepared.train, prepared.tokenizers, **settings, make_source=chains).read(Cursor())[0]
    plain = TokenBatches(prepared.train, prepared.tokenizers, **settings).read(Cursor())[0]
    gradients = []
    for chosen, max_tokens in ((batch, 10_000), (batch, 60), (plain, 10_000)):
        model = structured(prepared)
        with torch.no_grad():
            model.encoder.layers[0].attention.mixer.bias_HUD.copy_(torch.linspace(-2, 2, 32).view(2, 4, 4))
        how = {"clip_norm": 0.0, "max_tokens": max_tokens, "device": torch.device("cpu"), "dtype": torch.float32}
        update = Updater(model, LabelSmoothedCrossEntropy(smoothing=0.1), seed=1, ranks=Ranks(), **how)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        update(torch.optim.SGD(model.parameters(), lr=1.0), [chosen], step=0, learning_rate=1.0)
        gradients.append({name: before[name] - parameter for name, parameter in model.named_parameters()})
    whole, parts, without = gradients
    for name, gradient in whole.items():
        torch.testing.assert_close(gradient, parts[name], rtol=1e-4, atol=1e-6)
    (bias,) = (name for name in whole if name.endswith("bias_HUD"))
    assert whole[bias].abs().max() > 1e-4 and not without[bias].any()


def test_a_model_that_asks_needs_a_corpus_with_trees(prepared, caplog):
    with pytest.raises(ValueError, match=r"structured attention needs a corpus with trees, as data.train.tree=FILE"):
        source_trees(structured(prepared), prepared)
    with caplog.at_level(logging.WARNING):
        assert source_trees(make_model(prepared), prepared) is None
    assert not caplog.text
