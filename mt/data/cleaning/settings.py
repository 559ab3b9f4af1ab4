"""Cleaning of training pairs: each rule is a setting, and each pair that a rule drops is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mt.data.cleaning.checks.numbers import NUMBERS

Texts = Sequence[tuple[str, str]]
# the texts that equal pairs share, to look up: the same number of them for every pair, one pair after the other
SAME: dict[str, Callable[[Texts], list[str]]] = {
    "pair": lambda texts: [f"{source}\n{target}" for source, target in texts],
    "source": lambda texts: [source for source, _ in texts],
    "target": lambda texts: [target for _, target in texts],
    "either": lambda texts: [key for source, target in texts for key in (f"source\n{source}", f"target\n{target}")],
    "none": lambda texts: [],
}
MALFORMED = ("refuse", "drop")


@dataclass(frozen=True, kw_only=True)
class CleaningSettings:
    """Which training pairs are dropped; a pair is counted under the first rule that it breaks, in this order.

    Blanks at both ends of a sentence are removed first. Null (None) turns a limit off. The costs of the defaults were
    measured: see configs/data/cleaning/default.yaml.
    """

    malformed: str = "refuse"  # a line that cannot be read as a pair (not UTF-8, no second column): refuse | drop
    drop_empty: bool = True  # a side without visible text
    max_words: int | None = 250  # of either side; words are what blanks separate
    max_characters: int | None = 2000  # of either side
    max_length_ratio: float | None = 4.0  # longer side / shorter side in characters, 10 added to each
    drop_identical: bool = True  # both sides the same text: not translated
    drop_html: bool = True  # tags and character references such as <br> and &nbsp;
    drop_address_mismatch: bool = True  # the sides have different numbers of web or e-mail addresses
    drop_mojibake: bool = True  # UTF-8 read as Latin-1 or Windows-1252: "schÃ¶n"
    drop_control_characters: bool = True  # controls, private use, U+FFFD, direction marks where no script needs them
    numbers: str = "any"  # how the numbers of both sides may differ: any | tolerant | strict
    max_foreign_letters: float | None = 0.6  # share of a side's letters in scripts that its language does not use
    drop_wrong_language: bool = True  # a side in the other side's language, by its function words; swapped sides
    held_out: str = "pair"  # drop a pair found in valid or test, by the same: pair | source | target | either | none
    duplicates: str = "pair"  # drop a later pair with the same: pair | source | target | either | none
    max_repeats: int | None = None  # drop a later pair with a side that was kept this many times

    def __post_init__(self) -> None:
        for name in ("max_words", "max_characters", "max_repeats"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"cleaning.{name} ({value}) must be at least 1, or null")
        if self.max_length_ratio is not None and self.max_length_ratio < 1:
            raise ValueError(f"cleaning.max_length_ratio ({self.max_length_ratio}) must be at least 1, or null")
        if self.max_foreign_letters is not None and not 0 <= self.max_foreign_letters < 1:
            raise ValueError(
                f"cleaning.max_foreign_letters ({self.max_foreign_letters}) must be at least 0 and below 1, or null"
            )
        for name, known in (
            ("malformed", MALFORMED),
            ("numbers", NUMBERS),
            ("duplicates", SAME),
            ("held_out", SAME),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"cleaning.{name} ({getattr(self, name)}) must be one of: {', '.join(known)}")


# with all rules off
NO_RULES = CleaningSettings(
    drop_empty=False,
    max_words=None,
    max_characters=None,
    max_length_ratio=None,
    drop_identical=False,
    drop_html=False,
    drop_address_mismatch=False,
    drop_mojibake=False,
    drop_control_characters=False,
    numbers="any",
    max_foreign_letters=None,
    drop_wrong_language=False,
    duplicates="none",
    max_repeats=None,
    held_out="none",
)
