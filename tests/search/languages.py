"""A random model over a small language, which every search can be held against."""

import itertools
from dataclasses import dataclass

import pytest
import torch

from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.search.length_penalty import length_penalty
from mt.search.mbr import MinimumBayesRisk
from mt.search.sampling import Sampling

BOS, EOS = 2, 3


class RandomModel:
    """Log-probabilities for every prefix, drawn once: a different language for each sentence."""

    def __init__(self, vocab_size, *, seed, eos_bias=0.0, sharpness=2.0):
        self.vocab_size, self.seed, self.eos_bias, self.sharpness = vocab_size, seed, eos_bias, sharpness
        self.known = {}
        self.calls, self.rows_asked = 0, 0

    def logits(self, sentence, prefix):
        if (sentence, prefix) not in self.known:
            own_seed = hash((self.seed, sentence, prefix)) % 2**31
            generator = torch.Generator().manual_seed(own_seed)
            row = torch.randn(self.vocab_size, generator=generator) * self.sharpness
            row[EOS] += self.eos_bias
            self.known[sentence, prefix] = row
        return self.known[sentence, prefix]

    def start(self, sentences):
        return Rows(tuple((sentence, ()) for sentence in sentences))

    def step(self, tokens, state):
        self.calls += 1
        self.rows_asked += len(tokens)
        assert len(tokens) == len(state.content)
        content = []
        for token, (sentence, prefix) in zip(tokens.tolist(), state.content, strict=True):
            content.append((sentence, (*prefix, token)))
        return torch.stack([self.logits(*row) for row in content]), Rows(tuple(content))

    def log_prob(self, sentence, ids):
        """Of the ids and EOS, asked one by one."""
        total, prefix = 0.0, (BOS,)
        for token in (*ids, EOS):
            total += torch.log_softmax(self.logits(sentence, prefix).double(), -1)[token].item()
            prefix = (*prefix, token)
        return total

    def every_hypothesis(self, sentence, *, alpha, max_length, min_length=0, banned=()):
        """(score, ids) of all there are, best first."""
        tokens = [token for token in range(self.vocab_size) if token != EOS and token not in banned]
        scored = [
            (self.log_prob(sentence, ids) / length_penalty(len(ids) + 1, alpha), ids)
            for length in range(min_length, max_length + 1)
            for ids in itertools.product(tokens, repeat=length)
        ]
        return sorted(scored, key=lambda pair: -pair[0])


@dataclass(frozen=True)
class Rows:
    """The state of RandomModel: (sentence, prefix) of each row, checked at every regrouping."""

    content: tuple

    def rows(self, index, sentences=None):
        content = tuple(self.content[i] for i in index.tolist())
        before = list(dict.fromkeys(sentence for sentence, _ in self.content))
        after = list(dict.fromkeys(sentence for sentence, _ in content))
        kept = before if sentences is None else [before[i] for i in sentences.tolist()]
        assert after == kept, "rows of one sentence stay together, in the order of the sentences"
        return Rows(content)


def found(hypotheses):
    return [hypothesis.ids for hypothesis in hypotheses]


WIDE = 600  # more than there are hypotheses of any length in these languages


METHODS = {
    "greedy": Greedy(),
    "greedy_no_repeat": Greedy(no_repeat_ngram=2, min_length=2),
    "beam": Beam(size=4, n_best=3, length_penalty=1.0),
    "beam_no_repeat": Beam(size=3, length_penalty=0.6, no_repeat_ngram=2, min_length=2),
    "sampling": Sampling(n_best=3, temperature=1.3),
    "sampling_top": Sampling(n_best=2, top_k=5, top_p=0.8),
    "sampling_epsilon": Sampling(n_best=2, epsilon=0.1),
    "mbr": MinimumBayesRisk(n_best=4, samples=4),
}
every_method = pytest.mark.parametrize("search", METHODS.values(), ids=METHODS.keys())
