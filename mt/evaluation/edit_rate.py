"""Translation edit rate as sacrebleu computes it, with bounded cost for long lines.

sacrebleu's search for moved phrases takes time and memory with the square of a line: 105 seconds and 5 GiB for a line
of 32,000 words. Lines of more than MOST_WORDS are counted without moves, which gives an upper bound of their edits.
"""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics import TER
from sacrebleu.metrics.ter import TERSignature

MOST_WORDS = 500  # on either side of a line, up to which moves are searched for: up to 9 seconds a line
BLOCK = 10_000  # words of each side that are compared at a time: the cost of a longer line is linear


class BoundedSignature(TERSignature):
    """TER's signature, with the number of lines in which moves were not searched for, if any."""

    def __init__(self, args: dict):
        super().__init__(args)
        if args.get("num_long"):
            self.update("no-moves", args["num_long"])


class BoundedTER(TER):
    """TER that searches for moved phrases only in lines of up to MOST_WORDS.

    `num_long` is how many pairs of a line and its references were longer, since the object was made.
    """

    _SIGNATURE_TYPE = BoundedSignature
    num_long = 0

    def _compute_segment_statistics(self, hypothesis: str, ref_kwargs: dict) -> list[float]:
        words, references = hypothesis.split(), ref_kwargs["ref_words"]
        if max(len(words), *map(len, references)) <= MOST_WORDS:
            return super()._compute_segment_statistics(hypothesis, ref_kwargs)
        self.num_long += 1
        edits = min(edits_without_moves(words, reference) for reference in references)
        return [edits, sum(map(len, references)) / len(references)]


def edits_without_moves(words: Sequence[str], others: Sequence[str]) -> int:
    """Insertions, deletions and substitutions that turn one line into the other, in blocks of BLOCK words.

    The minimum for lines of one block; an upper bound for longer ones.
    """
    starts = range(0, max(len(words), len(others)), BLOCK)
    return sum(edit_distance(words[start : start + BLOCK], others[start : start + BLOCK]) for start in starts)


def edit_distance(words: Sequence[str], others: Sequence[str]) -> int:
    """Levenshtein's distance, a column of the table at a time as the bits of two numbers (Myers 1999, Hyyrö 2003)."""
    if not words:
        return len(others)
    places: dict[str, int] = {}  # word -> bits: bit n is set where word n is this one
    for n, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << n
    everything, last = (1 << len(words)) - 1, 1 << len(words) - 1
    # bit n: the cell of word n is one more, or one less, than the cell above it
    more, less, distance = everything, 0, len(words)
    for other in others:
        is_equal = places.get(other, 0)
        diagonal = (((is_equal & more) + more) ^ more) | is_equal | less
        # the same for the cell to the left
        right_more, right_less = less | ~(diagonal | more) & everything, more & diagonal
        distance += bool(right_more & last) - bool(right_less & last)
        right_more, right_less = (right_more << 1 | 1) & everything, right_less << 1 & everything
        more, less = right_less | ~(diagonal | right_more) & everything, right_more & diagonal
    return distance
