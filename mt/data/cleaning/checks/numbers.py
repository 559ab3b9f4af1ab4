"""Compares the numbers of both sides, in the notation of each language."""

from __future__ import annotations

import re
from collections import Counter

NUMBERS = ("any", "tolerant", "strict")  # how closely they are compared
TOLERANT_DIGITS = 4  # that both sides must hold before a tolerant comparison judges them

_DIGIT = re.compile(r"\d")
# "1,000" and "1.000" and "1 000" are one number, and so are "10:30" and "10.30"
_NUMBER = re.compile(r"\d+(?:[.,:'’\u00a0\u202f]\d+|[ \u2009]\d{3}(?!\d))*")


def numbers_differ(source: str, target: str, how: str) -> bool:
    """Whether the sides contain different numbers, in any of Unicode's digits.

    "strict": as multisets, ignoring separators and leading zeros. "tolerant": both sides hold four digits or more and
    share fewer than half of them, so that a number in words, or another notation of a date or time, is not a
    difference.
    """
    digits = _DIGIT.findall(source), _DIGIT.findall(target)
    if how == "strict":
        return any(digits) and _numbers(source) != _numbers(target)
    fewer, more = sorted(map(len, digits))
    if fewer < TOLERANT_DIGITS:
        return False
    shared = Counter(map(int, digits[0])) & Counter(map(int, digits[1]))
    return 2 * sum(shared.values()) < more


def _numbers(text: str) -> Counter[str]:
    # in ASCII digits and without leading zeros; not as int(), which refuses thousands of digits
    return Counter(
        "".join(str(int(digit)) for digit in _DIGIT.findall(number)).lstrip("0") for number in _NUMBER.findall(text)
    )
