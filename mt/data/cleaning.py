"""Cleaning of training pairs: each rule is a setting, and each pair that a rule drops is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from mt.data.ledger import Ledger
from mt.data.pair import Pair

# what two pairs must share to be the same one, as texts to look up
SAME: dict[str, Callable[[str, str], tuple[str, ...]]] = {
    "pair": lambda source, target: (f"{source}\n{target}",),
    "source": lambda source, target: (source,),
    "target": lambda source, target: (target,),
    "either": lambda source, target: (f"source\n{source}", f"target\n{target}"),
    "none": lambda source, target: (),
}
RATIO_SLACK = 10  # characters added to both sides before their ratio is taken, so that "Hi." may be "Guten Tag!"


@dataclass(frozen=True, kw_only=True)
class CleaningSettings:
    """Which training pairs are dropped; a pair is counted under the first rule that it breaks, in this order.

    Blanks at both ends of a sentence are removed first. Null (None) turns a limit off.
    """

    drop_empty: bool = True  # a side without any visible character
    max_words: int | None = 250  # of either side; words are what blanks separate
    max_characters: int | None = 2000  # of either side
    max_length_ratio: float | None = 4.0  # longer side / shorter side in characters, 10 added to each
    drop_identical: bool = True  # both sides the same text: not translated
    duplicates: str = "pair"  # drop a later pair with the same: pair | source | target | either | none
    held_out: str = "pair"  # drop a pair that valid or test hold, by the same: pair | source | target | either | none

    def __post_init__(self) -> None:
        for name in ("max_words", "max_characters"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"cleaning.{name} ({value}) must be at least 1, or null")
        if self.max_length_ratio is not None and self.max_length_ratio < 1:
            raise ValueError(f"cleaning.max_length_ratio ({self.max_length_ratio}) must be at least 1, or null")
        for name in ("duplicates", "held_out"):
            if getattr(self, name) not in SAME:
                raise ValueError(f"cleaning.{name} ({getattr(self, name)}) must be one of: {', '.join(SAME)}")


class SeenPairs:
    """A set of pairs, held as 8-byte digests: memory grows with the number of pairs, never with their length.

    Two texts are the same when they differ only in runs of blanks; with `fold_case` also when only in capitals.
    A false match has a chance of about n^2 / 2^65: one in 4,000 for a hundred million pairs.
    """

    def __init__(self, same: str, *, fold_case: bool = False) -> None:
        self._keys = SAME[same]
        self._fold_case = fold_case
        self._digests: set[bytes] = set()

    def holds(self, source: str, target: str) -> bool:
        """Whether this pair, or the side of it that counts, was added before."""
        return bool(self._digests) and not self._digests.isdisjoint(self._digests_of(source, target))

    def add(self, source: str, target: str) -> None:
        """Remember a pair."""
        self._digests.update(self._digests_of(source, target))

    def add_new(self, source: str, target: str) -> bool:
        """Remember a pair unless it was added before; whether it is new."""
        digests = self._digests_of(source, target)
        if not self._digests.isdisjoint(digests):
            return False
        self._digests.update(digests)
        return True

    def _digests_of(self, source: str, target: str) -> list[bytes]:
        source, target = " ".join(source.split()), " ".join(target.split())
        if self._fold_case:
            source, target = source.casefold(), target.casefold()
        return [blake2b(key.encode(), digest_size=8).digest() for key in self._keys(source, target)]


def clean(
    pairs: Iterable[Pair],
    settings: CleaningSettings,
    held_out_sources: Iterable[str],
    held_out_targets: Iterable[str],
    ledger: Ledger,
) -> Iterator[Pair]:
    """Yield the pairs that break no rule, their ends stripped; `ledger` counts all of them.

    `held_out_sources` and `held_out_targets` are the lines of the valid and test sets; capitals and runs of blanks do
    not hide a held-out pair.
    """
    held_out = SeenPairs(settings.held_out, fold_case=True)
    for source, target in zip(held_out_sources, held_out_targets, strict=True):
        held_out.add(source, target)
    seen = SeenPairs(settings.duplicates)
    for pair in pairs:
        pair = Pair(pair.source.strip(), pair.target.strip(), pair.links)
        reason = _broken_rule(pair, settings)
        if reason is None and held_out.holds(pair.source, pair.target):
            reason = f"in valid or test (same {settings.held_out})"
        if reason is None and not seen.add_new(pair.source, pair.target):
            reason = f"duplicate (same {settings.duplicates})"
        if reason is not None:
            ledger.drop(reason, pair)
            continue
        ledger.keep()
        yield pair


def _broken_rule(pair: Pair, settings: CleaningSettings) -> str | None:
    source, target = pair.source, pair.target
    if settings.drop_empty and not (source and target):
        return "empty side"
    if settings.max_words is not None and max(len(source.split()), len(target.split())) > settings.max_words:
        return f"too long (over {settings.max_words} words)"
    if settings.max_characters is not None and max(len(source), len(target)) > settings.max_characters:
        return f"too long (over {settings.max_characters} characters)"
    if settings.max_length_ratio is not None:
        shorter, longer = sorted((len(source) + RATIO_SLACK, len(target) + RATIO_SLACK))
        if longer > settings.max_length_ratio * shorter:
            return f"length ratio (over {settings.max_length_ratio:g})"
    if settings.drop_identical and source == target:
        return "identical sides"
    return None
