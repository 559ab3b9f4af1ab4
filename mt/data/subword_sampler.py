"""Random segmentations that a seed determines: unigram sampling (Kudo 2018) and BPE-dropout (Provilkov et al. 2020).

sentencepiece has both, but its generators start differently in every process. Here a sentence's ids depend only on
the model, the text, the strength and the sentence's own seed, in any process and after any other draws.
"""

from __future__ import annotations

import math
import re
from bisect import bisect
from collections.abc import Callable, Container, Sequence
from heapq import heapify, heappop, heappush
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np

UNKNOWN_PENALTY = 10.0  # sentencepiece's: an unknown character scores this much below the rarest piece
CACHED_WORDS = 1 << 15  # words with cached segmentations, about 2 kB each; a full cache is cleared
CACHED_CHARACTERS = 32  # longer words rarely repeat
CACHED_STRENGTHS = 4  # one for each side, and some spare ones

Ids = tuple[int, ...]
Cut = Callable[[str, Callable[[], float], list[int]], None]  # word, random numbers, ids: appends ids of a random cut


class SubwordSampler:
    """Random segmentations by a sentencepiece model.

    Text is normalized as the model does it, a character without a piece is spelled in bytes or unknown, and a reserved
    symbol stays one id (sentencepiece's own sampling may split it). Threads may draw at the same time.
    """

    def __init__(self, processor: Any, reserved_symbols: Sequence[str]) -> None:
        self._normalize = processor.normalize
        self._unknown = processor.unk_id()
        self._reserved = {symbol: processor.piece_to_id(symbol) for symbol in reserved_symbols}
        self._split = re.compile(f"({'|'.join(map(re.escape, reserved_symbols)) or '(?!)'})").split
        pieces = _learned_pieces(processor, self._reserved)
        # pieces learned here never cross a blank, so that words are independent; those of foreign models may
        self.is_crossed = any("▁" in piece[1:] for piece in pieces)
        self._words = re.compile(r"[\s\S]+" if self.is_crossed else "▁[^▁]*|[^▁]+").findall
        # BPE numbers its merges 0, -1, -2, …; unigram stores log-probabilities
        self.is_bpe = all(score.is_integer() for _, score in pieces.values())
        self._kind = (_Dropout if self.is_bpe else _Lattice)(pieces, _spelling(processor))

    def draw(self, texts: Sequence[str], strength: float, seeds: Sequence[int] | np.ndarray) -> list[list[int]]:
        """Ids of a random segmentation of each text, determined by its seed (64 bits).

        `strength` is the exponent alpha of unigram sampling: the larger, the closer to the best segmentation. For BPE
        it is the dropout probability: the larger, the wilder.
        """
        if self.is_bpe and not 0 <= strength <= 1:
            raise ValueError(f"strength of BPE-dropout ({strength}) must be between 0 and 1")
        if not 0 <= strength < math.inf:
            raise ValueError(f"strength of unigram sampling ({strength}) must be a number not below 0")
        cut, generator, drawn = self._kind.at(strength), Random(), []
        for text, seed in zip(texts, seeds, strict=True):
            generator.seed(int(seed) % 2**64)
            drawn.append(self._drawn(self._normalize(text), cut, generator.random))
        return drawn

    def _drawn(self, normalized: str, cut: Cut, random: Callable[[], float]) -> list[int]:
        ids: list[int] = []
        for number, part in enumerate(self._split(normalized)):
            if number % 2:
                ids.append(self._reserved[part])
            else:
                for word in self._words(part):
                    cut(word, random, ids)
        if self._unknown in ids:  # a run of unknown characters is one id
            return [id_ for place, id_ in enumerate(ids) if not place or id_ != self._unknown or ids[place - 1] != id_]
        return ids


class _Lattice:
    """Unigram: a segmentation of a word has a probability in proportion to the product of its pieces' p ** alpha.

    Drawn exactly: the summed weights of all ways from each place to the end of the word give the probabilities of the
    next piece (backward filtering, forward sampling).
    """

    def __init__(self, pieces: dict[str, tuple[int, float]], spelled: Callable[[str], Ids]) -> None:
        # with all prefixes of each piece: where no prefix matches, the search for longer pieces ends
        self._pieces: dict[str, tuple] = {piece[:length]: () for piece in pieces for length in range(1, len(piece))}
        self._pieces |= {piece: ((id_,), score) for piece, (id_, score) in pieces.items()}
        self._unknown_score = min(score for _, score in pieces.values()) - UNKNOWN_PENALTY
        self._spelled = spelled
        self._caches: dict[float, dict[str, tuple]] = {}

    def at(self, alpha: float) -> Cut:
        if alpha not in self._caches and len(self._caches) >= CACHED_STRENGTHS:
            self._caches = {}
        starts = self._caches.setdefault(alpha, {})

        def cut(word: str, random: Callable[[], float], ids: list[int]) -> None:
            node = starts.get(word) or _kept(starts, word, self._start(word, alpha))
            while node:
                cumulative, choices = node
                piece, node = choices[bisect(cumulative, random())]
                ids += piece

        return cut

    def _start(self, word: str, alpha: float) -> tuple:
        """The node at the start of the word.

        A node holds the cumulative probabilities of the next pieces, except the last, and the ids and node of each.
        """
        mass = [0.0] * (len(word) + 1)  # log of the weights of all ways to the end
        nodes: list[tuple] = [()] * (len(word) + 1)
        for place in reversed(range(len(word))):
            arcs = self._arcs(word, place)
            weights = [alpha * score + mass[end] for _, score, end in arcs]
            largest = max(weights)
            shares = [math.exp(weight - largest) for weight in weights]
            total = sum(shares)
            mass[place] = largest + math.log(total)
            cumulative = list(accumulate(share / total for share in shares[:-1]))
            nodes[place] = (cumulative, [(ids, nodes[end]) for ids, _, end in arcs])
        return nodes[0]

    def _arcs(self, word: str, place: int) -> list[tuple[Ids, float, int]]:
        """Ids, score and end of every piece that begins at a place."""
        arcs = []
        for end in range(place + 1, len(word) + 1):
            piece = self._pieces.get(word[place:end])
            if piece is None:
                break
            if piece:
                arcs.append((*piece, end))
        if not arcs or arcs[0][2] > place + 1:  # the character itself is not a piece
            arcs.append((self._spelled(word[place]), self._unknown_score, place + 1))
        return arcs


class _Dropout:
    """BPE: the best-ranked merge first, but each is skipped with a probability."""

    def __init__(self, pieces: dict[str, tuple[int, float]], spelled: Callable[[str], Ids]) -> None:
        self._ranks = {piece: -score for piece, (_, score) in pieces.items() if len(piece) > 1}
        self._ids = {piece: (id_,) for piece, (id_, _) in pieces.items()}
        self._spelled = spelled
        self._cache: dict[str, tuple] = {}

    def at(self, dropout: float) -> Cut:
        log, cache = math.log, self._cache
        scale = 1 / math.log1p(-dropout) if 0 < dropout < 1 else 0.0

        def cut(word: str, random: Callable[[], float], ids: list[int]) -> None:
            best, num_merges, candidates = cache.get(word) or _kept(cache, word, self._start(word))
            # the number of merges before one is skipped: geometric, so that most words take one random number
            num_done = log(1 - random()) * scale if dropout else num_merges
            if num_done >= num_merges:
                ids += best
            else:
                ends = self._merged(word, candidates.copy(), num_done, lambda: log(1 - random()) * scale)
                ids += self._spelled_out(word, ends)

        return cut

    def _start(self, word: str) -> tuple[list[int], int, list[tuple]]:
        """The best segmentation, its number of merges, and the possible merges of its characters."""
        ranked = [(self._ranks.get(word[left : left + 2]), left, left + 1, left + 2) for left in range(len(word) - 1)]
        candidates = [candidate for candidate in ranked if candidate[0] is not None]
        heapify(candidates)
        ends = self._merged(word, candidates.copy(), math.inf, lambda: math.inf)
        return self._spelled_out(word, ends), ends.count(0), candidates

    def _merged(self, word: str, candidates: list[tuple], num_done: float, gap: Callable[[], float]) -> list[int]:
        """Where the piece that starts at each place ends (0: none starts there) after all merges that are not skipped.

        The first is skipped after `num_done` merges, each further one after `gap` more. A candidate is its rank, the
        starts of its left and right part, and its end.
        """
        ends = list(range(1, len(word) + 1))
        starts = list(range(-1, len(word)))  # of the piece that ends here
        while candidates:
            _, left, right, end = heappop(candidates)
            if ends[left] != right or ends[right] != end:
                continue  # another merge has used a part
            if num_done < 1:
                num_done = gap()
                continue
            num_done -= 1
            ends[left], ends[right], starts[end] = end, 0, left
            if left:
                before = starts[left]
                if (rank := self._ranks.get(word[before:end])) is not None:
                    heappush(candidates, (rank, before, left, end))
            if end < len(word):
                after = ends[end]
                if (rank := self._ranks.get(word[left:after])) is not None:
                    heappush(candidates, (rank, left, end, after))
        return ends

    def _spelled_out(self, word: str, ends: list[int]) -> list[int]:
        ids: list[int] = []
        place = 0
        while place < len(word):
            piece = word[place : ends[place]]
            ids += self._ids.get(piece) or self._spelled(piece)
            place = ends[place]
        return ids


def _kept(cache: dict[str, tuple], word: str, found: tuple) -> tuple:
    if len(word) <= CACHED_CHARACTERS:
        if len(cache) >= CACHED_WORDS:
            cache.clear()
        cache[word] = found
    return found


def _learned_pieces(processor: Any, reserved: Container[str]) -> dict[str, tuple[int, float]]:
    """Id and score of every piece that is not special, reserved or a byte."""
    others = (processor.is_control, processor.is_unknown, processor.is_byte, processor.is_unused)
    ids = [id_ for id_ in range(len(processor)) if not any(is_other(id_) for is_other in others)]
    pieces = {processor.id_to_piece(id_): (id_, processor.get_score(id_)) for id_ in ids}
    return {piece: found for piece, found in pieces.items() if piece not in reserved}


def _spelling(processor: Any) -> Callable[[str], Ids]:
    """A function from a character without a piece to ids: its bytes where the model has them, else unknown."""
    byte_ids = [processor.piece_to_id(f"<0x{byte:02X}>") for byte in range(256)]
    if not all(processor.is_byte(id_) for id_ in byte_ids):
        return lambda _: (processor.unk_id(),)
    return lambda character: tuple(byte_ids[byte] for byte in character.encode())
