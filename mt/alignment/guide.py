"""Where a model should look: links of words become target attention over pieces, for whatever pieces they are cut into.

Links are kept on words and mapped when a batch is made, so that subword sampling and another tokenizer need no links of
their own (Garg et al. 2019, "Jointly Learning to Align and Translate with Transformer Models").
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mt.alignment.alignment import SHIFTS, SPECIAL_PIECES, renormalise
from mt.alignment.gold import from_pharaoh
from mt.alignment.words import BLANK, words_of

log = logging.getLogger(__name__)

# B sentences, S source and T target positions (EOS and padding included), V vocabulary, P pieces of a sentence, W words


class Guide:
    """Makes target attention of word links; `source_pieces` and `target_pieces` are the vocabularies, by id.

    `shift` says which row is guided (`mt.alignment.alignment`): 1, the one that reads a piece, knows which word it is
    about. Links that lie outside their sentences, or are none, are left out: counted in `num_left_out`, told once.
    """

    def __init__(self, source_pieces: Sequence[str], target_pieces: Sequence[str], *, shift: int = 1):
        if shift not in SHIFTS:
            raise ValueError(f"shift ({shift}) must be 0 (the row that gives a piece) or 1 (the next, which reads it)")
        self._source, self._target, self.shift = _Vocabulary(source_pieces), _Vocabulary(target_pieces), shift
        self.num_left_out = 0

    def __call__(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        links: Sequence[str | None],
        source_BS: np.ndarray,
        target_BT: np.ndarray,
    ) -> np.ndarray:
        """guide_BTS float32: rows of pieces that have links sum to one, spread evenly over the linked source pieces.

        `links` are Pharaoh lines ("0-0 1-2", positions of blank-separated words; possible ones, "0?1", do not guide);
        `source_BS` and `target_BT` the ids of the sentences, each with EOS, then padding. All other rows are zero.
        """
        guide_BTS = np.zeros((*target_BT.shape, source_BS.shape[1]), dtype=np.float32)
        for row, line in enumerate(links):
            if not line:
                continue
            source_PW, target_PW = (
                vocabulary.shares(ids, text)
                for vocabulary, ids, text in (
                    (self._source, source_BS[row], sources[row]),
                    (self._target, target_BT[row], targets[row]),
                )
            )
            linked_WW = self._linked(line, target_PW.shape[1], source_PW.shape[1])
            guide_PP = renormalise(target_PW @ linked_WW @ source_PW.T)
            first = self.shift
            guide_BTS[row, first : first + len(target_PW), : len(source_PW)] = guide_PP
        return guide_BTS

    def _linked(self, line: str, num_target: int, num_source: int) -> np.ndarray:
        """1 where a target word is linked to a source word, else 0."""
        linked_WW = np.zeros((num_target, num_source), dtype=np.float32)
        try:
            links = from_pharaoh(line).sure
        except ValueError as error:
            self._leave_out(str(error))
            return linked_WW
        for source, target in links:
            if source < num_source and target < num_target:
                linked_WW[target, source] = 1
            else:
                self._leave_out(f"{source}-{target} of a pair of {num_source} and {num_target} words")
        return linked_WW

    def _leave_out(self, what: str) -> None:
        if not self.num_left_out:
            log.warning("links that lie outside their sentences, or are none, do not guide; the first: %s", what)
        self.num_left_out += 1


class _Vocabulary:
    """What the pieces of a vocabulary say about where words begin."""

    def __init__(self, pieces: Sequence[str]):
        self._pieces = pieces
        self._is_special_V = np.array([piece in SPECIAL_PIECES for piece in pieces])
        self._opens_word_V = np.array([piece.startswith(BLANK) for piece in pieces])
        # a blank inside: several words in a piece, or a blank at the end of one
        self._is_odd_V = np.array([BLANK in piece[1:] for piece in pieces])

    def shares(self, ids: np.ndarray, text: str) -> np.ndarray:
        """share_PW: how much of each piece belongs to each word of `text.split()`, special pieces left out."""
        ids = ids[~self._is_special_V[ids]]
        words = text.split()
        if len(ids) and not self._is_odd_V[ids].any():
            opens_P = self._opens_word_V[ids]
            opens_P[0] = True
            word_P = np.cumsum(opens_P) - 1
            is_last_blank = self._pieces[ids[-1]] == BLANK  # belongs to the word before: `words_of` knows
            if word_P[-1] + 1 == len(words) and not is_last_blank:
                return (word_P[:, None] == np.arange(len(words))).astype(np.float32)
        return words_of([self._pieces[id_] for id_ in ids], text).share_PW.astype(np.float32)
