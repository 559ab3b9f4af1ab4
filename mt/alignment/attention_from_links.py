"""Target attention for guided training: links of words become attention over pieces, for any segmentation.

Links are between words and are mapped to pieces when a batch is made, so they stay valid with subword sampling or
another tokenizer (Garg et al. 2019, "Jointly Learning to Align and Translate with Transformer Models").
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mt.alignment.alignment import SHIFTS, renormalise
from mt.alignment.gold import from_pharaoh
from mt.alignment.word_pieces import WordPieces

log = logging.getLogger(__name__)

# B sentences, S source and T target positions (EOS and padding included), V vocabulary, P pieces of a sentence, W words


class AttentionFromLinks:
    """Makes target attention from word links; `source_pieces` and `target_pieces` are the vocabularies, by id.

    `shift` says which row is guided (`mt.alignment.alignment`); row 1 reads the piece, so it knows the word. Links that
    are malformed or outside their sentences are left out and counted in `num_left_out`; the first gets a warning.
    """

    def __init__(self, source_pieces: Sequence[str], target_pieces: Sequence[str], *, shift: int = 1):
        if shift not in SHIFTS:
            raise ValueError(f"shift ({shift}) must be 0 (the row that predicts a piece) or 1 (the next row)")
        self._source, self._target, self.shift = WordPieces(source_pieces), WordPieces(target_pieces), shift
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

        `links` are Pharaoh lines ("0-0 1-2", positions of blank-separated words; possible links, "0?1", are ignored);
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
            log.warning("links that are malformed or outside their sentences are left out; the first: %s", what)
        self.num_left_out += 1
