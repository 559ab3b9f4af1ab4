"""The cleaning rules about single pairs. They run on every pair of a corpus, so cheap ones come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mt.data.cleaning.checks.addresses import num_addresses
from mt.data.cleaning.checks.characters import has_control_character
from mt.data.cleaning.checks.function_words import telling_words, wrong_words
from mt.data.cleaning.checks.html import has_html
from mt.data.cleaning.checks.mojibake import has_mojibake
from mt.data.cleaning.checks.numbers import numbers_differ
from mt.data.cleaning.checks.scripts import foreign_share, scripts_of
from mt.data.pair import Pair
from mt.data.visible import is_visible

if TYPE_CHECKING:
    from mt.data.cleaning.settings import CleaningSettings

RATIO_SLACK = 10  # characters added to both sides before their ratio is taken, so that "Guten Tag!" may translate "Hi."


def broken_rule(pair: Pair, settings: CleaningSettings, source_language: str, target_language: str) -> str | None:
    """The first rule that a pair breaks, in the ledger's words; None to keep it. Its ends are stripped already.

    A rule that needs to know the languages is skipped where `skipped_rules` says so.
    """
    source, target = pair.source, pair.target
    if settings.drop_empty and not (is_visible(source) and is_visible(target)):
        return "empty side"
    longest = max(len(source), len(target))
    # n words need 2n - 1 characters: most sentences need not be split to be counted
    limit = settings.max_words
    if limit is not None and longest >= 2 * limit and max(len(source.split()), len(target.split())) > limit:
        return f"too long (over {limit} words)"
    if settings.max_characters is not None and longest > settings.max_characters:
        return f"too long (over {settings.max_characters} characters)"
    ratio = settings.max_length_ratio
    if ratio is not None and longest + RATIO_SLACK > ratio * (min(len(source), len(target)) + RATIO_SLACK):
        return f"length ratio (over {ratio:g})"
    if settings.drop_identical and source == target:
        return "identical sides"
    if settings.drop_html and (has_html(source) or has_html(target)):
        return "left-over HTML"
    if settings.drop_address_mismatch and num_addresses(source) != num_addresses(target):
        return "addresses differ"
    if settings.drop_mojibake and (has_mojibake(source) or has_mojibake(target)):
        return "mojibake"
    if settings.drop_control_characters and (
        has_control_character(source, source_language) or has_control_character(target, target_language)
    ):
        return "control characters"
    if settings.numbers != "any" and numbers_differ(source, target, settings.numbers):
        return f"numbers differ ({settings.numbers})"
    if settings.max_foreign_letters is not None:
        reason = _foreign_letters(source, target, source_language, target_language, settings.max_foreign_letters)
        if reason is not None:
            return reason
    if settings.drop_wrong_language:
        return wrong_language(source, target, source_language, target_language)
    return None


def skipped_rules(settings: CleaningSettings, source_language: str, target_language: str) -> list[str]:
    """A line for each enabled rule that is skipped because it has no data about a language."""
    codes = (source_language, target_language)
    lines = [
        f"cleaning.max_foreign_letters is skipped for language code {code}, whose script is not known"
        for code in codes
        if settings.max_foreign_letters is not None and not scripts_of(code)
    ]
    if (
        settings.drop_wrong_language
        and source_language != target_language
        and not all(telling_words(*order) for order in (codes, codes[::-1]))
    ):
        lines.append(f"cleaning.drop_wrong_language is skipped: no words distinguish {codes[0]} from {codes[1]}")
    return lines


def _foreign_letters(source: str, target: str, source_language: str, target_language: str, limit: float) -> str | None:
    source_share, target_share = foreign_share(source, source_language), foreign_share(target, target_language)
    if max(source_share, target_share) <= limit:
        return None
    if (
        min(source_share, target_share) > limit
        and foreign_share(source, target_language) <= limit
        and foreign_share(target, source_language) <= limit
    ):
        return "sides swapped"
    return f"letters of another script (over {limit:g})"


def wrong_language(source: str, target: str, source_language: str, target_language: str) -> str | None:
    """The rule of `drop_wrong_language`, the last of all: the reason to drop a pair, or None."""
    # one function word is little evidence, unless each side has one of the other's
    evidence = wrong_words(source, target, source_language, target_language)
    if min(evidence) >= 1:
        return "sides swapped"
    if evidence.source >= 2 and evidence.source >= _needed_words(source):
        return f"source is in {target_language}"
    if evidence.target >= 2 and evidence.target >= _needed_words(target):
        return f"target is in {source_language}"
    return None


def _needed_words(text: str) -> int:
    # a title of two such words may occur inside a sentence
    return 2 if len(text.split()) < 8 else 3
