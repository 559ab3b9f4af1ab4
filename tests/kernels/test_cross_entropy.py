"""The kernel equals its torch line, for all types, sizes and instruction sets."""

import pytest
import torch

from mt.kernels.cross_entropy import cross_entropy_, torch_cross_entropy_
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
