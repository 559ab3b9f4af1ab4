"""What chunked attention is for: no map of all pairs of positions, whatever is asked of it in training."""

import pytest
import torch

from mt.attention import Chunked
from mt.training.memory import held_bytes, peak_bytes


@pytest.mark.parametrize("is_causal", [False, True])
def test_chunked_holds_no_map_of_all_pairs_forward_or_backward(is_causal):
    length = 8192
    q, k, v = (torch.randn(1, 1, length, 8, requires_grad=True) for _ in range(3))
    mask = torch.arange(length)[None, None, None] < length - 5
    mixer = Chunked(1, 8)
    with peak_bytes(torch.device("cpu")) as peak:
        before = held_bytes(torch.device("cpu"))
        heads = mixer.extend(q, k, v, mixer.start())[0] if is_causal else mixer.attend(q, k, v, mask)
        heads.sum().backward()
    if not peak or before is None:
        pytest.skip("the system does not say how much memory is held")
    assert peak[0] - before < length * length  # bytes; a map of all pairs takes four times as many
