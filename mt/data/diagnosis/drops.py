"""What each cleaning rule drops, with examples, and what the rules that are off would drop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mt.data.cleaning.rules import broken_rule, skipped_rules
from mt.data.cleaning.seen import caption_rules
from mt.data.cleaning.settings import NO_RULES, CleaningSettings
from mt.data.diagnosis.section import Section, share, shortened
from mt.data.diagnosis.survey import Drawn
from mt.data.ledger import Ledger
from mt.data.pair import Pair
from mt.data.visible import is_visible

# the setting that causes a reason, by the start of the reason
SETTING_OF = {
    "empty side": "drop_empty",
    "too long (over {max_words} words)": "max_words",
    "too long (over {max_characters} characters)": "max_characters",
    "length ratio": "max_length_ratio",
    "identical sides": "drop_identical",
    "left-over HTML": "drop_html",
    "addresses differ": "drop_address_mismatch",
    "mojibake": "drop_mojibake",
    "control characters": "drop_control_characters",
    "numbers differ": "numbers",
    "letters of another script": "max_foreign_letters",
    "sides swapped": "drop_wrong_language",
    "source is in": "drop_wrong_language",
    "target is in": "drop_wrong_language",
    "duplicate": "duplicates",
    "repeated side": "max_repeats",
    "in valid or test": "held_out",
}
REMEDIES = {
    "mojibake": "the file was once read in a wrong encoding: use a copy from before that",
    "control characters": "read in a wrong encoding, or copied from a PDF: see the examples",
    "left-over HTML": "remove the tags from the file, and those lines stay",
    "length ratio": "the two files may be misaligned there: see the examples",
    "identical sides": "lines that were not translated: see the examples",
    "sides swapped": "exchange the sides of those lines in the files, and they stay",
    "in valid or test": "the held-out sets were taken from train, or train contains them",
}
# rules for a single pair, with the values to try
WORTH_TRYING: dict[str, Sequence[bool | int | float | str]] = {
    "drop_empty": [True],
    "max_words": [250],
    "max_characters": [2000],
    "max_length_ratio": [4.0],
    "drop_identical": [True],
    "drop_html": [True],
    "drop_address_mismatch": [True],
    "drop_mojibake": [True],
    "drop_control_characters": [True],
    "numbers": ["tolerant", "strict"],
    "max_foreign_letters": [0.6],
    "drop_wrong_language": [True],
}
ESCAPES = ("&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#91;", "&#93;", "&#124;")
MUCH, MUCH_TOO_LONG, MUCH_HELD_OUT, MOST = 0.03, 0.01, 0.01, 0.5  # of the pairs


def cleaning_section(
    ledger: Ledger, sample: Sequence[Drawn], settings: CleaningSettings, codes: dict[str, tuple[str, str]]
) -> Section:
    """What cleaning dropped from the sample, by its `ledger`; `codes` are the languages of each source."""
    section = Section("cleaning", "what cleaning drops from train")
    section.numbers = ledger.to_json()
    dropped = ledger.num_in - ledger.num_kept
    section.lines = [
        f"{dropped:,} of {ledger.num_in:,} pairs ({share(dropped, ledger.num_in)}); {ledger.num_kept:,} stay"
    ]
    for reason, drop in sorted(ledger.drops.items(), key=lambda item: -item[1].count):
        section.lines.append(f"{drop.count:>9,}  {reason}{_setting(reason)}")
        section.lines += [
            f"{'':11}{shortened(example['source'], 50)} | {shortened(example['target'], 50)}"
            for example in drop.examples[:2]
        ]
        if dropped <= MOST * ledger.num_in:
            _judge(section, reason, drop.count, ledger.num_in)
    if dropped > MOST * ledger.num_in:
        most = max(ledger.drops, key=lambda reason: ledger.drops[reason].count)
        section.stop(f"cleaning drops {share(dropped, ledger.num_in)} of train, most of it for {most}", _remedy(most))
    _would_drop(section, sample, settings, codes)
    _escapes(section, sample)
    for line in dict.fromkeys(line for pair in codes.values() for line in skipped_rules(settings, *pair)):
        section.note(line)
    return section


def held_out_faults(
    section: Section, name: str, sample: Sequence[Drawn], settings: CleaningSettings, codes: dict[str, tuple[str, str]]
) -> None:
    """Add what cleaning would drop from a held-out set, where nothing is dropped."""
    reasons = Counter(_broken(drawn.pair, settings, codes[drawn.source_name]) for drawn in sample)
    del reasons[None]
    section.numbers[f"in {name}"] = dict(reasons)
    if not reasons:
        return
    listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    section.lines.append(f"if it were train, {name} would lose {reasons.total():,} of {len(sample):,}: {listed}")
    if reasons.total() > MUCH_HELD_OUT * len(sample):
        section.improve(
            f"{share(reasons.total(), len(sample))} of {name} would be dropped if it were train ({listed})",
            "repair those lines: they make its scores wrong, and nothing is dropped from held-out sets",
        )


def _broken(pair: Pair, settings: CleaningSettings, codes: tuple[str, str]) -> str | None:
    """The first rule that a pair breaks, as cleaning has it."""
    if pair.image and not is_visible(pair.source):  # a caption has no other side
        return broken_rule(Pair(pair.target, pair.target), caption_rules(settings), codes[1], codes[1])
    return broken_rule(pair, settings, *codes)


def _judge(section: Section, reason: str, count: int, total: int) -> None:
    if reason.endswith("pieces)") and count > MUCH_TOO_LONG * total:
        section.improve(
            f"{share(count, total)} of the train pairs are {reason} and dropped",
            "raise data.max_pieces, or cut long lines into sentences",
        )
    elif count > MUCH * total and not reason.startswith(("duplicate", "repeated side")):
        section.improve(f"cleaning drops {share(count, total)} of train for {reason}", _remedy(reason))


def _remedy(reason: str) -> str:
    return next((text for start, text in REMEDIES.items() if reason.startswith(start)), "see the examples")


def _setting(reason: str) -> str:
    name = next((name for start, name in SETTING_OF.items() if reason.startswith(start)), None)
    if name is None and reason.startswith("too long"):
        unit = reason.rstrip(")").rpartition(" ")[2]
        return " [data.max_pieces]" if unit == "pieces" else f" [cleaning.max_{unit}]"
    return f" [cleaning.{name}]" if name else ""


def _would_drop(
    section: Section, sample: Sequence[Drawn], settings: CleaningSettings, codes: dict[str, tuple[str, str]]
) -> None:
    found: dict[str, list[Pair]] = {}
    for name, values in WORTH_TRYING.items():
        if getattr(settings, name) != getattr(NO_RULES, name):
            continue
        for value in values:
            changes: dict[str, Any] = {name: value}
            alone = replace(NO_RULES, **changes)
            broken = [drawn.pair for drawn in sample if _broken(drawn.pair, alone, codes[drawn.source_name])]
            found[f"{name}={str(value).lower()}"] = broken
    section.numbers["rules that are off would drop"] = {rule: len(pairs) for rule, pairs in found.items()}
    if any(found.values()):
        section.lines.append("rules that are off would drop, each by itself:")
        section.lines += [
            f"{len(pairs):>9,}  cleaning.{rule}{_example(pairs[0])}" for rule, pairs in found.items() if pairs
        ]


def _example(pair: Pair) -> str:
    return f"  ({shortened(pair.source, 40)} | {shortened(pair.target, 40)})"


def _escapes(section: Section, sample: Sequence[Drawn]) -> None:
    escaped = [
        drawn.pair
        for drawn in sample
        if any("&" in text and any(escape in text for escape in ESCAPES) for text in drawn.pair[:2])
    ]
    section.numbers["escaped"] = len(escaped)
    if len(escaped) > 0.01 * len(sample):
        section.improve(
            f"{share(len(escaped), len(sample))} of the train pairs contain escapes such as &apos; and &quot;"
            f" ({shortened(escaped[0].source, 40)}), and translations will, too",
            "replace them by characters in all files (Moses' deescape-special-chars does that)",
        )
