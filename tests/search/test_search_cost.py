"""The cost of searching itself: how often a step passes over the whole vocabulary, and what grows with sentences."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mt.search.beam import Beam

VOCABULARY, LENGTH, SIZE, EOS = 4000, 30, 5, 3


class Anything:
    def rows(self, index, sentences=None):
        return self


class Counted(TorchDispatchMode):
    """Counts operations, and the elements that they give."""

    operations = elements = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            self.operations += 1
            results = result if isinstance(result, (tuple, list)) else [result]
            self.elements += sum(x.numel() for x in results if torch.is_tensor(x))
        return result


def costs(num_sentences):
    """Of each step: the operations, and the elements that they give for each score of the model."""
    table = torch.randn(num_sentences * SIZE, VOCABULARY, generator=torch.Generator().manual_seed(0))
    table[:, EOS] -= 50  # nothing ends before the limit
    scores = []

    def step(tokens, state):
        scores.append(len(tokens) * VOCABULARY)
        return table[: len(tokens)], state

    with Counted() as counted:
        Beam(size=SIZE)(step, Anything(), max_lengths=[LENGTH] * num_sentences)
    return counted.operations / len(scores), counted.elements / sum(scores)


@pytest.mark.slow  # a second: a large vocabulary
def test_a_step_passes_over_the_vocabulary_a_few_times_and_never_sorts_it():
    few, many = costs(num_sentences=2), costs(num_sentences=32)
    assert many[0] < 1.5 * few[0]  # no loop over sentences but for those that end
    assert max(few[1], many[1]) < 2  # log-probabilities once; candidates come from blocks of them
