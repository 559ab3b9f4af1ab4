"""Which signal, layer, heads and shift to read alignments from: ranked by error rate, or by agreement of two models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from mt.alignment.alignment import SHIFTS, SIGNALS, SPECIAL_PIECES, RawAttention, without_specials
from mt.alignment.choice import Choice
from mt.alignment.error_rate import ErrorRate
from mt.alignment.gold import Gold
from mt.alignment.words import weights_by_words, words_of

# L layers, C candidates (or sets of heads), H heads, T target, S source

THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.4)  # shares of a row that are tried


def rank(
    attentions: Iterable[RawAttention],
    gold: Iterable[Gold],
    *,
    sources: Iterable[str] | None = None,
    targets: Iterable[str] | None = None,
    is_partial: bool = False,
) -> list[Choice]:
    """Every choice of signal, layer, heads, shift and link rule, lowest error rate first.

    Heads are tried alone, in pairs, and all together; norms if the attentions have them. Gold links are between the
    words of `sources` and `targets`; without these, between the words that the pieces spell. With `is_partial` gold,
    only target words that have a gold link are judged. Sentences are read one at a time. Ties are ordered: weights
    before norms, lower layer, shift 1 before 0, more heads, best word before thresholds. Raises ValueError for
    different numbers of sentences and gold lines, and for none.
    """
    gold = list(gold)
    texts = ([None] * len(gold) if lines is None else lines for lines in (sources, targets))
    keys: list[Choice] = []
    counts: Any = 0
    for raw, sentence_gold, source, target in zip(attentions, gold, *texts, strict=True):
        keys, weights_CTS = candidates(raw, source, target)
        of_rules = (_best(weights_CTS), *(weights_CTS >= threshold for threshold in THRESHOLDS))
        counts = counts + np.concatenate([_counted(links, sentence_gold, is_partial) for links in of_rules])
    if not keys:
        raise ValueError("sentences with gold links (0) must be at least 1, to choose by them")
    keys = [replace(key, threshold=threshold) for threshold in (None, *THRESHOLDS) for key in keys]
    rates = (ErrorRate(*(int(count) for count in row)) for row in counts)
    choices = [replace(key, error_rate=round(rate.aer, 6)) for key, rate in zip(keys, rates, strict=True)]
    return sorted(choices, key=_order)


def rank_both(
    forward: Iterable[RawAttention],
    backward: Iterable[RawAttention],
    sources: Sequence[str],
    targets: Sequence[str],
) -> Iterator[tuple[Choice, Choice]]:
    """Choices for two models, one of each direction, best agreement first: no gold links are needed.

    `forward` attends from `targets` to `sources`, `backward` the other way. The error rate is 1 - F1 of the links
    of one model against those of the other. Pairs are generated lazily: large models have millions.
    """
    both: Any = 0
    sizes: list[Any] = [0, 0]
    keys: list[list[Choice]] = [[], []]
    for first, second, source, target in zip(forward, backward, sources, targets, strict=True):
        keys[0], first_CTS = candidates(first, source, target)
        keys[1], second_CST = candidates(second, target, source)
        links = [_best(first_CTS), _best(second_CST).transpose(0, 2, 1)]
        flat = [each.reshape(len(each), -1).astype(np.float32) for each in links]
        both = both + flat[0] @ flat[1].T
        sizes = [size + each.sum(axis=1) for size, each in zip(sizes, flat, strict=True)]
    if not keys[0]:
        raise ValueError("sentences (0) must be at least 1, to choose by the agreement of two models")
    error_CC = 1 - 2 * both / np.maximum(sizes[0][:, None] + sizes[1][None, :], 1)
    for place in np.argsort(error_CC, axis=None, kind="stable"):
        pair = np.unravel_index(place, error_CC.shape)
        rate = round(float(error_CC[pair]), 6)
        yield replace(keys[0][pair[0]], error_rate=rate), replace(keys[1][pair[1]], error_rate=rate)


def candidates(raw: RawAttention, source_text: str | None, target_text: str | None) -> tuple[list[Choice], np.ndarray]:
    """All candidates, always in the same order, and weights_CTS of words for each."""
    heads: list[tuple[int, ...]] = [(head,) for head in range(raw.num_heads)]
    heads += combinations(range(raw.num_heads), 2) if raw.num_heads > 2 else []
    heads += [tuple(range(raw.num_heads))] if raw.num_heads > 1 else []
    mean_CH = np.array([[(head in chosen) / len(chosen) for head in range(raw.num_heads)] for chosen in heads])
    source = words_of([piece for piece in raw.source_pieces if piece not in SPECIAL_PIECES], source_text)
    target = words_of([piece for piece in raw.target_pieces if piece not in SPECIAL_PIECES], target_text)
    keys, found = [], []
    for signal in SIGNALS if raw.norms_LHS is not None else SIGNALS[:1]:
        weights_LCTS = np.einsum("ch,lhts->lcts", mean_CH, np.asarray(raw.signal(signal), dtype=np.float64))
        for shift in SHIFTS:
            kept_LCTS, _ = without_specials(weights_LCTS, raw.source_pieces, raw.target_pieces, shift=shift)
            words_LCTS = weights_by_words(kept_LCTS, source, target)
            found.append(words_LCTS.reshape(-1, *words_LCTS.shape[2:]))
            keys += [Choice(layer, chosen, shift, signal) for layer in range(raw.num_layers) for chosen in heads]
    return keys, np.concatenate(found)


def _best(weights_CTS: np.ndarray) -> np.ndarray:
    """links_CTS: for each target word the source word with most weight, like `argmax_links`."""
    C, T, S = weights_CTS.shape
    if S == 0 or T == 0:
        return np.zeros((C, T, S), dtype=bool)
    best_CT = weights_CTS.argmax(axis=2)
    has_mass_CT1 = weights_CTS.max(axis=2, keepdims=True) > 0
    return (np.arange(S) == best_CT[:, :, None]) & has_mass_CT1


def _counted(links_CTS: np.ndarray, gold: Gold, is_partial: bool) -> np.ndarray:
    """The four counts of `ErrorRate` for each candidate."""
    C, T, S = links_CTS.shape
    sure_TS, possible_TS = np.zeros((T, S), dtype=bool), np.zeros((T, S), dtype=bool)
    for matrix_TS, links in ((sure_TS, gold.sure), (possible_TS, gold.possible)):
        for source, target in links:
            matrix_TS[target, source] = True
    if is_partial:
        links_CTS = links_CTS & possible_TS.any(axis=1, keepdims=True)
    each = (links_CTS, np.broadcast_to(sure_TS, (C, T, S)), links_CTS & sure_TS, links_CTS & possible_TS)
    return np.stack([links.sum(axis=(1, 2)) for links in each], axis=1)


def _order(choice: Choice) -> tuple:
    signal, rule = SIGNALS.index(choice.signal), choice.threshold is not None
    return (choice.error_rate, signal, choice.layer, -choice.shift, -len(choice.heads), rule)
