"""The cost of searching itself: how many operations a step takes, and how often it passes over the whole vocabulary."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mt.search.beam import Beam
from mt.search.greedy import Greedy

VOCABULARY, STEPS, EOS = 1000, 12, 3


class Anything:
    def rows(self, index, sentences=None):
        return self


class Operations(TorchDispatchMode):
    """Counts operations, and those among them that read or write a row of the vocabulary."""

    def __init__(self):
        super().__init__()
        self.count = self.over_vocabulary = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        tensors = [x for x in (*args, *(result if isinstance(result, tuple) else [result])) if torch.is_tensor(x)]
        is_view = any(torch.is_tensor(x) and x is not result and x._is_view() and x.numel() for x in [result])
        self.count += 1
        self.over_vocabulary += not is_view and any(x.shape[-1:] >= (VOCABULARY,) for x in tensors)
        return result


def operations(search, num_sentences):
    """(operations, those over the vocabulary) for each step of a search that always takes as many steps."""
    table = torch.randn(num_sentences * 5, VOCABULARY, generator=torch.Generator().manual_seed(0))
    table[:, EOS] -= 50  # nothing ends before the limit
    steps = 0

    def step(tokens, state):
        nonlocal steps
        steps += 1
        return table[: len(tokens)], state

    with Operations() as counted:
        search(step, Anything(), max_lengths=[STEPS] * num_sentences)
    return counted.count / steps, counted.over_vocabulary / steps


@pytest.mark.parametrize("search", [Beam(size=5), Greedy()], ids=["beam", "greedy"])
def test_a_step_takes_as_many_operations_for_any_number_of_sentences(search):
    few, many = (operations(search, num_sentences) for num_sentences in (4, 64))
    print(few, many)
    assert many[0] <= few[0] + 1 and many[1] <= few[1]
