"""The kernel equals its torch line, for all types, sizes and instruction sets."""

from functools import partial

import pytest
import torch

from mt.kernels.cross_entropy import (
    cross_entropy_,
    cross_entropy_of_two_,
    torch_cross_entropy_,
    torch_cross_entropy_of_two_,
)
from tests.kernels.levels import HERE, at_level

pytestmark = pytest.mark.skipif(not HERE, reason="no kernels on this machine")
LARGEST_ERROR = {torch.float32: 1e-6, torch.bfloat16: 0.004}  # half a unit in the last place


@pytest.mark.parametrize("level", HERE)
@pytest.mark.parametrize("dtype", LARGEST_ERROR, ids=str)
@pytest.mark.parametrize("rows, size", [(0, 5), (1, 1), (3, 7), (70, 33), (5, 1000)])
def test_sums_and_gradient_equal_those_of_torch(level, dtype, rows, size):
    torch.manual_seed(rows + size)
    logits, targets = (torch.randn(rows, size) * 4).to(dtype), torch.randint(0, size, (rows,))
    ours, oracle = logits.clone(), logits.clone()
    with at_level(level):
        sums = cross_entropy_(ours, targets, 0.1, has_gradient=True)
        kept = logits.clone()
        torch.testing.assert_close(cross_entropy_(kept, targets, 0.1, has_gradient=False), sums)
    torch.testing.assert_close(sums, torch_cross_entropy_(oracle, targets, 0.1, has_gradient=True))
    torch.testing.assert_close(ours, oracle, rtol=0, atol=LARGEST_ERROR[dtype])
    torch.testing.assert_close(kept, logits, rtol=0, atol=0)


@pytest.mark.parametrize("level", HERE)
def test_far_logits_are_exact_and_nan_is_not_hidden(level):
    logits = torch.full((3, 40), -3e4)
    logits[0, 5], logits[1, 7], logits[2, 11] = 3e4, float("inf"), float("nan")
    targets = torch.tensor([5, 7, 11])
    with at_level(level):
        gradient = logits[:1].clone()
        plain, _ = cross_entropy_(gradient, targets[:1], 0.0, has_gradient=True)
        assert plain == 0
        assert gradient.abs().max() == 0
        for row in (1, 2):
            plain, _ = cross_entropy_(logits[row : row + 1].clone(), targets[row : row + 1], 0.0, has_gradient=True)
            assert plain.isnan()


@pytest.mark.parametrize("level", HERE)
@pytest.mark.parametrize("dtype", LARGEST_ERROR, ids=str)
@pytest.mark.parametrize("rows, size", [(0, 5), (1, 1), (3, 7), (70, 33), (5, 1000)])
def test_two_passes_cost_and_learn_what_autograd_says(level, dtype, rows, size):
    torch.manual_seed(rows + size)
    p, q = ((torch.randn(rows, size) * 3).to(dtype).float().requires_grad_() for _ in "pq")
    targets, smoothing, weight = torch.randint(0, size, (rows,)), 0.1, 1.5
    both = [one.log_softmax(dim=-1) for one in (p, q)]
    plain = -sum(one.gather(1, targets[:, None]).sum() for one in both) / 2
    uniform = -sum(one.mean(dim=-1).sum() for one in both) / 2
    kl = partial(torch.nn.functional.kl_div, reduction="sum", log_target=True)
    divergence = (kl(both[0], both[1]) + kl(both[1], both[0])) / 2
    ((1 - smoothing) * plain + smoothing * uniform + weight * divergence).backward()
    for name, function in ((level, cross_entropy_of_two_), ("off", torch_cross_entropy_of_two_)):
        with at_level(name):
            ours = [one.detach().clone().to(dtype) for one in (p, q)]
            sums = function(*ours, targets, smoothing, weight, has_gradient=False)
            torch.testing.assert_close(sums, (plain.detach(), uniform.detach(), divergence.detach()))
            assert torch.equal(ours[0].float(), p) and torch.equal(ours[1].float(), q)
            torch.testing.assert_close(function(*ours, targets, smoothing, weight, has_gradient=True), sums)
        for one, gradient in zip(ours, (p.grad, q.grad), strict=True):
            atol = {torch.float32: 2e-6, torch.bfloat16: 0.01}[dtype]
            torch.testing.assert_close(one.float() - smoothing / (2 * size), gradient, rtol=0.004, atol=atol)


@pytest.mark.parametrize("level", HERE)
def test_nan_in_one_of_two_passes_is_not_hidden(level):
    p, q = torch.randn(2, 40), torch.randn(2, 40)
    q[1, 39] = float("nan")
    with at_level(level):
        sums = cross_entropy_of_two_(p, q, torch.tensor([3, 3]), 0.1, 1.0, has_gradient=True)
    assert all(one.isnan() for one in sums) and p[0].isfinite().all() and p[1].isnan().any()
