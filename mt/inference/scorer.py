"""How probable given translations are to a model, in total and token by token."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from mt.data.document import apart, tree_alone, tree_in_context
from mt.data.source import Source, padded, stacked
from mt.data.tokenizer import BOS, EOS
from mt.inference.batches import batches_by_length
from mt.inference.line import word_fault
from mt.inference.request import Request
from mt.inference.tags import tagged
from mt.inference.translator import Translator

# R rows (pairs), T target length, V vocabulary

MAX_CELLS = 1 << 26  # of the logits of a batch: 256 MiB
WINDOW = 2048  # lines whose pairs are sorted by length and scored together


@dataclass(frozen=True)
class Scored:
    """A target and its probability by the model.

    pieces           of the target, and the end of sentence
    token_log_probs  natural logarithm of the probability of each of them, given the source and those before it
    """

    target: str
    pieces: tuple[str, ...]
    token_log_probs: tuple[float, ...]

    @property
    def log_prob(self) -> float:
        """Of the whole target: `Hypothesis.log_prob` of a search that finds these pieces."""
        return math.fsum(self.token_log_probs)

    @property
    def log_prob_per_token(self) -> float:
        """The mean; perplexity is exp of minus this."""
        return self.log_prob / len(self.token_log_probs)


class Scorer:
    """Scores given pairs with the model of a translator, or with its several models."""

    def __init__(self, translator: Translator):
        self.translator = translator

    def score(
        self, pairs: Iterable[tuple[Request, Sequence[str]]], *, batch_tokens: int | None = None
    ) -> Iterator[tuple[Request, list[Scored]]]:
        """Each source with the scores of each of its targets, in order, in windows.

        A source of any length is read whole: nothing is split or left out. Its tag, tree and context count;
        a prefix or terms do not. Raises ValueError, with the number of the line from 1, for a tag that the model does
        not know or a source without one that needs it, and for a source or target longer than the model's positions.
        """
        pairs, first = iter(pairs), 0
        while window := list(islice(pairs, WINDOW)):
            scored = self._window(window, first, batch_tokens)
            yield from zip((request for request, _ in window), scored, strict=True)
            first += len(window)

    def _window(
        self, window: Sequence[tuple[Request, Sequence[str]]], first: int, batch_tokens: int | None
    ) -> Iterator[list[Scored]]:
        translator, tokenizers = self.translator, self.translator.tokenizers
        for tag in {request.tag for request, _ in window}:
            translator.tags.check(tag)
        untagged = [
            (number, request.source)
            for number, (request, targets) in enumerate(window, start=first + 1)
            if request.tag is None and targets
        ]
        translator.tags.check_lines(untagged, None)
        sources = [tokenizers.source.composed(request.source) for request, _ in window]
        flat = [(place, target) for place, (_, targets) in enumerate(window) for target in targets]
        source_ids = tokenizers.source.encode_many(
            [tagged(source, request.tag) for source, (request, _) in zip(sources, window, strict=True)]
        )
        target_ids = tokenizers.target.encode_many([target for _, target in flat])
        most = translator.decodable.max_length
        for place, ids in [*enumerate(source_ids), *zip((place for place, _ in flat), target_ids, strict=True)]:
            if most is not None and len(ids) >= most:
                raise ValueError(
                    f"line {first + place + 1}: {len(ids)} pieces must be fewer than {most}, the model's maximum"
                )
        read = [
            translator.source(source, _tree(request, source), ids, request.tag)
            for source, (request, _), ids in zip(sources, window, source_ids, strict=True)
        ]
        found = iter(self.log_probs([read[place] for place, _ in flat], target_ids, batch_tokens))
        scored = [
            Scored(target, tuple(tokenizers.target.pieces([*ids, EOS])), log_probs)
            for (_, target), ids, log_probs in zip(flat, target_ids, found, strict=True)
        ]
        of_lines = iter(scored)
        for _, targets in window:
            yield list(islice(of_lines, len(targets)))

    @torch.inference_mode()
    def log_probs(
        self,
        sources: Sequence[Source],
        targets: Sequence[Sequence[int]],
        batch_tokens: int | None,
    ) -> list[tuple[float, ...]]:
        """Log-probabilities of the pieces of each target (without EOS) and of EOS, each target with its own source."""
        translator, decodable = self.translator, self.translator.decodable
        found: list[tuple[float, ...]] = [()] * len(sources)
        lengths = [max(source.padded_length, len(target) + 1) for source, target in zip(sources, targets, strict=True)]
        most = min(translator.batch_tokens(batch_tokens), MAX_CELLS // translator.tokenizers.target.size)
        for indices in batches_by_length(lengths, most):
            with translator.precision():
                source = stacked([sources[i] for i in indices]).to(translator.device)
                state = decodable.start(source, needed=[[*targets[i], EOS] for i in indices])
                tokens_RT = padded([[BOS, *targets[i]] for i in indices]).to(translator.device)
                logits_RTV, _ = decodable.extend(tokens_RT, state)
            log_probs_RTV = torch.log_softmax(logits_RTV, dim=-1, dtype=torch.float32)
            wanted_RT = padded([[*targets[i], EOS] for i in indices]).to(translator.device)
            log_probs_RT = log_probs_RTV.gather(-1, wanted_RT.unsqueeze(-1)).squeeze(-1)
            for i, of_row in zip(indices, log_probs_RT.tolist(), strict=True):
                found[i] = tuple(of_row[: len(targets[i]) + 1])
        return found


def _tree(request: Request, source: str) -> str | None:
    """The tree of a source, if it fits its words."""
    tree = request.source_tree
    own = tree and tree_alone(tree, source)
    return None if not own or word_fault(apart(source)[1], own) else tree_in_context(own, source)
