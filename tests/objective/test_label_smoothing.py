import pytest
import torch
from torch import nn

from mt.objective.label_smoothing import LabelSmoothedCrossEntropy, plain_cross_entropy

N, D, V = 23, 16, 37


def parts():
    torch.manual_seed(0)
    return torch.randn(N, D, requires_grad=True), nn.Linear(D, V, bias=False), torch.randint(0, V, (N,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [5, N, 100])
def test_fused_equals_plain_in_value_and_gradient(smoothing, chunk):
    states, output, targets = parts()
    fused = LabelSmoothedCrossEntropy(smoothing=smoothing, chunk_tokens=chunk).cross_entropy(states, output, targets)
    plain = plain_cross_entropy(output(states).log_softmax(dim=-1), targets, smoothing)
    torch.testing.assert_close(fused.smoothed_nats, plain.smoothed_nats)
    torch.testing.assert_close(fused.plain_nats, plain.plain_nats)
    for ours, oracle in zip(
        torch.autograd.grad(fused.smoothed_nats * 0.3, [states, output.weight]),
        torch.autograd.grad(plain.smoothed_nats * 0.3, [states, output.weight]),
        strict=True,
    ):
        torch.testing.assert_close(ours, oracle, rtol=1e-5, atol=1e-6)


def test_smoothed_loss_is_cross_entropy_against_the_smoothed_distribution():
    states, output, targets = parts()
    wanted = nn.functional.cross_entropy(output(states), targets, label_smoothing=0.1, reduction="sum")
    loss = LabelSmoothedCrossEntropy(smoothing=0.1).cross_entropy(states, output, targets)
    torch.testing.assert_close(loss.smoothed_nats, wanted)


def test_under_autocast_it_is_near_and_gradients_keep_their_type():
    states, output, targets = parts()
    exact = plain_cross_entropy(output(states).log_softmax(dim=-1), targets, 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = LabelSmoothedCrossEntropy(smoothing=0.1, chunk_tokens=7).cross_entropy(states, output, targets)
    loss.smoothed_nats.backward()
    assert states.grad.dtype == output.weight.grad.dtype == torch.float32
    torch.testing.assert_close(loss.smoothed_nats, exact.smoothed_nats, rtol=0.01, atol=0.1)


def test_without_gradients_it_only_counts():
    states, output, targets = parts()
    with torch.no_grad():
        loss = LabelSmoothedCrossEntropy(smoothing=0.0).cross_entropy(states, output, targets)
    assert not loss.smoothed_nats.requires_grad
    torch.testing.assert_close(loss.smoothed_nats, loss.plain_nats)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_outside_its_range_is_refused(smoothing):
    with pytest.raises(ValueError, match="smoothing"):
        LabelSmoothedCrossEntropy(smoothing=smoothing)
