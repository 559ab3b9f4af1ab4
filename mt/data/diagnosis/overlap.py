"""Which lines of valid and test are also in train: scores on them measure memory, not translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mt.data.canonical import composed
from mt.data.diagnosis.section import Section, share, shortened, table
from mt.data.pair import Pair

# how similar the most similar training pair is, in ascending order
NOTHING, SAME_TARGET, SAME_SOURCE, SAME_PAIR_FOLDED, SAME_PAIR = range(5)
KINDS = {
    SAME_PAIR: "the same pair",
    SAME_PAIR_FOLDED: "except for case and blanks",
    SAME_SOURCE: "only the same source",
    SAME_TARGET: "only the same target",
}
MUCH = 0.01  # of a held-out set


class Overlap:
    """Compares held-out sets with a stream of training pairs; memory grows with the sets only."""

    def __init__(self, held_out: Mapping[str, Sequence[Pair]]) -> None:
        self._held_out = held_out
        self._nearest = {name: np.zeros(len(pairs), dtype=np.int8) for name, pairs in held_out.items()}
        self._by_source: dict[str, list[tuple[str, int]]] = {}
        self._by_target: dict[str, list[tuple[str, int]]] = {}
        for name, pairs in held_out.items():
            for line, pair in enumerate(pairs):
                self._by_source.setdefault(_source_of(pair), []).append((name, line))
                self._by_target.setdefault(_folded(pair.target), []).append((name, line))

    def see(self, pair: Pair) -> None:
        """Compares a training pair."""
        with_source = self._by_source.get(_source_of(pair))
        with_target = self._by_target.get(_folded(pair.target))
        for name, line in with_target or ():
            self._raise_similarity(name, line, SAME_TARGET)
        for name, line in with_source or ():
            is_pair = (name, line) in (with_target or ())
            is_exact = self._held_out[name][line][:2] == pair[:2]
            self._raise_similarity(name, line, SAME_PAIR if is_exact else SAME_PAIR_FOLDED if is_pair else SAME_SOURCE)

    def counts(self, name: str) -> dict[int, int]:
        """The number of lines of a set by similarity; each line counts once, for its most similar pair."""
        return {kind: int((self._nearest[name] == kind).sum()) for kind in KINDS}

    def section(self, held_out_rule: str, valid: Sequence[Pair]) -> Section:
        """The section of the report; `held_out_rule` is the cleaning setting, `valid` chooses checkpoints."""
        section = Section("overlap", "lines of the held-out sets that are in train")
        rows = [["", "lines", *KINDS.values()]]
        for name, pairs in self._held_out.items():
            counts = self.counts(name)
            rows.append([name, f"{len(pairs):,}", *(f"{counts[kind]:,}" for kind in KINDS)])
            section.numbers[name] = {"lines": len(pairs)} | {KINDS[kind]: counts[kind] for kind in KINDS}
            self._judge(section, name, counts, held_out_rule)
        section.lines = table(rows)
        chosen_by = Overlap({name: pairs for name, pairs in self._held_out.items() if name != "valid"})
        for pair in valid:
            chosen_by.see(pair)
        for name, pairs in chosen_by._held_out.items():
            counts = chosen_by.counts(name)
            number = counts[SAME_PAIR] + counts[SAME_PAIR_FOLDED] + counts[SAME_SOURCE]
            section.numbers[f"{name} in valid"] = number
            if number > MUCH * len(pairs):
                section.improve(
                    f"{share(number, len(pairs))} of the sources of {name} are in valid, which chooses checkpoints",
                    "take them out of valid",
                )
        return section

    def _judge(self, section: Section, name: str, counts: dict[int, int], held_out_rule: str) -> None:
        total = len(self._held_out[name])
        pairs = counts[SAME_PAIR] + counts[SAME_PAIR_FOLDED]
        if pairs and held_out_rule == "none":
            section.improve(
                f"{pairs:,} lines of {name} ({share(pairs, total)}) are in train",
                "data.cleaning.held_out=pair keeps them out of train",
            )
        elif pairs:
            section.note(
                f"{pairs:,} lines of {name} are in train", "cleaning drops them from train (data.cleaning.held_out)"
            )
        if counts[SAME_SOURCE] > MUCH * total and held_out_rule not in ("source", "either"):
            line = int(np.flatnonzero(self._nearest[name] == SAME_SOURCE)[0])
            example = shortened(self._held_out[name][line].source, 50)
            section.improve(
                f"{share(counts[SAME_SOURCE], total)} of the sources of {name} are in train with another target"
                f' ("{example}")',
                "scores are too high; data.cleaning.held_out=source drops them from train",
            )

    def _raise_similarity(self, name: str, line: int, kind: int) -> None:
        nearest = self._nearest[name]
        if kind > nearest[line]:
            nearest[line] = kind


def _source_of(pair: Pair) -> str:
    """The text, and the picture where there is one: captions of two pictures have different sources."""
    return _folded(pair.source) if pair.image is None else f"{pair.image}\n{_folded(pair.source)}"


def _folded(text: str) -> str:
    return composed(" ".join(text.split()).casefold())
