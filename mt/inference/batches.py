"""Encoded sources in batches of similar length, and the limit of a target's length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 10_240, 40_960  # of all hypotheses; on a CPU more is no faster


CAPTION_PIECES = 64  # of a target that a picture may add: more than a caption needs


def longest_target(source_pieces: int, max_length: int | None = None) -> int:
    """The maximum of target pieces for a source: 2 * pieces + 20, more than any translation needs.

    `max_length` bounds them, BOS included.
    """
    limit = 2 * source_pieces + 20
    return limit if max_length is None else min(limit, max_length - 1)


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, each with count x longest <= batch_tokens (or one index)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
