"""Rules about repeats: pairs that repeat earlier kept ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.data.canonical import composed
from mt.data.cleaning.digests import DigestCounts, digests_of
from mt.data.cleaning.settings import SAME, CleaningSettings


@dataclass(frozen=True)
class RepeatRule:
    """Drops a pair once `most` pairs that share one of its keys were kept."""

    same: str  # what the key is made of, see SAME
    most: int
    reason: str


def repeat_rules(settings: CleaningSettings) -> list[RepeatRule]:
    """The enabled rules of this kind, in their order."""
    rules = []
    if settings.duplicates != "none":
        rules.append(RepeatRule(settings.duplicates, 1, f"duplicate (same {settings.duplicates})"))
    if settings.max_repeats is not None:
        rules.append(RepeatRule("either", settings.max_repeats, f"repeated side (over {settings.max_repeats} times)"))
    return rules


def repeat_keys(rules: Sequence[RepeatRule], texts: Sequence[tuple[str, str]]) -> list[np.ndarray]:
    """For each rule the digests of the keys of some pairs (source, target), a row per pair."""
    if not texts:
        return [np.zeros((0, 1), dtype=np.uint64) for _ in rules]
    return [digests_of(SAME[rule.same](texts)).reshape(len(texts), -1) for rule in rules]


def single_blanks(text: str) -> str:
    """The text in NFC, single blanks inside, none at its ends: texts that differ only in these are the same."""
    # printable text has no blank other than U+0020; checking that is faster than split
    return composed(text if text.isprintable() and "  " not in text else " ".join(text.split()))


class Repeats:
    """The keys of kept pairs, by rule. Pairs must come in their order, in any number of calls."""

    def __init__(self, rules: Sequence[RepeatRule]) -> None:
        self._rules = rules
        self._kept = [DigestCounts(rule.most) for rule in rules]

    def admit(self, keys: Sequence[np.ndarray], num_pairs: int) -> np.ndarray:
        """For each pair the number of the first rule that it breaks, from 1, or 0: then it is kept and remembered.

        The same as checking the pairs one by one; only those that share a key with another are checked so.
        """
        broken = np.zeros(num_pairs, dtype=np.int8)
        before = [table.counts(rows.ravel()).reshape(rows.shape) for table, rows in zip(self._kept, keys, strict=True)]
        for number, (rule, counts) in enumerate(zip(self._rules, before, strict=True), start=1):
            is_over = (counts >= rule.most).any(axis=1)
            broken[(broken == 0) & is_over] = number
        undecided = np.flatnonzero(broken != 1)  # one that breaks a later rule may still break an earlier one
        is_shared = np.zeros(len(undecided), dtype=bool)
        for rows in keys:
            _, places, times = np.unique(rows[undecided].ravel(), return_inverse=True, return_counts=True)
            is_shared |= (times[places] > 1).reshape(len(undecided), rows.shape[1]).any(axis=1)
        self._one_by_one(undecided[is_shared], keys, before, broken)
        for table, rows in zip(self._kept, keys, strict=True):
            table.add(rows[broken == 0].ravel())
        return broken

    def _one_by_one(
        self, numbers: np.ndarray, keys: Sequence[np.ndarray], before: Sequence[np.ndarray], broken: np.ndarray
    ) -> None:
        kept_now: list[Counter[int]] = [Counter() for _ in self._rules]
        of_rules = [
            (rule.most, rows[numbers].tolist(), counts[numbers].tolist(), now)
            for rule, rows, counts, now in zip(self._rules, keys, before, kept_now, strict=True)
        ]
        for place, pair in enumerate(numbers.tolist()):
            for number, (most, rows, counts, now) in enumerate(of_rules, start=1):
                if any(now[key] + count >= most for key, count in zip(rows[place], counts[place], strict=True)):
                    broken[pair] = number
                    break
            else:
                for _, rows, _, now in of_rules:
                    now.update(rows[place])
