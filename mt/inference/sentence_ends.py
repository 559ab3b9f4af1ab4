"""Where a sentence ends, in any script, without knowing the language.

Marks are those with Unicode's property Sentence_Terminal (Unicode Standard Annex 29; the tables are those of the
`regex` package), and "…", the Tibetan shad and, after a Greek letter, ";". Closing quotes and brackets stay with their
sentence.

- A full stop ends no sentence after an initial ("J. Smith"), an abbreviation (`mt.inference.abbreviations`), or a
  number that begins a sentence or goes before a German month ("am 3. Mai"), nor where small letters follow.
- "?", "!" and "…" end no sentence where small letters follow; this rule is off in a text without capital letters.
- Marks of scripts without blanks ("。", "।") end a sentence with or without a blank after them, others need one.

Libraries were compared on `tests/inference/sentences.py`, 106 lines in 23 languages by which these rules were made: all
sentence ends are right in 106 lines here, in 76 with `sentencex` 1.0.32 and in 52 with `pysbd` 0.3.4, whose time grows
with the square of the text; both were given the language. On 32 further lines, not used for the rules: 25 and 20.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import regex

from mt.inference.abbreviations import AFTER_ORDINALS, BEFORE_NUMBERS, BEFORE_WORDS

ASCII_MARKS = frozenset(".!?…;")
_END = regex.compile(
    r"(?P<marks>[\p{Sentence_Terminal}…།༎]++|(?<=\p{Greek}\p{M}*);)"
    r"(?P<closing>(?:[\p{Pe}\p{Pf}]|\s?[»›](?=\s|$)|[\"'“‘«‹”’\p{Sentence_Terminal}](?=[\p{P}\s]|$))*+)"
    r"(?P<blank>\s*+)"
)
_MORE_MARKS = regex.compile(r"[\p{Sentence_Terminal}…།༎\p{Pe}]")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}]")
_NEXT_LETTER = regex.compile(r"[\p{P}\p{S}\s]{0,8}(?P<letter>[\p{L}\p{N}])")
_NEXT_WORD = regex.compile(r"\p{L}+")
_TOKEN = regex.compile(r"[^\s\p{Ps}\p{Pi}\"']*$")
_TOKEN_CHARACTERS = 40  # of the word before a full stop; a longer one is not an abbreviation
_ONE_LETTER = regex.compile(r"(?:.*[.-])?\p{L}\p{M}*")  # an initial, or the end of "e.g", "J.-P"
_NUMBER = regex.compile(r"\p{Nd}{1,3}|[IVXLC]{1,6}")
_BLANKS = regex.compile(r"\s*+")
_IS_AFTER_NUMBER = regex.compile(r"\p{Nd}\s?$")


def sentences(text: str) -> list[str]:
    """The sentences, each with the blanks after it; together they are the text."""
    edges = [0, *sentence_ends(text), len(text)]
    return [text[start:stop] for start, stop in pairwise(edges) if start < stop]


def sentence_ends(text: str) -> Iterator[int]:
    """The place after each sentence and the blanks after it, but for the last one."""
    has_capitals = regex.search(r"\p{Lu}", text) is not None
    start = 0
    for found in _END.finditer(text):
        if found.end() < len(text) and _is_end(text, found, start, has_capitals):
            start = found.end()
            yield start


def _is_end(text: str, found: regex.Match[str], start: int, has_capitals: bool) -> bool:
    marks, following = found["marks"], text[found.end()]
    if _MORE_MARKS.match(following):  # "? !", "། །": the last of them ends it
        return False
    is_ascii = set(marks) <= ASCII_MARKS
    if not found["blank"]:
        before = text[found.start() - 1 : found.start()]
        if is_ascii:  # "www.mt.org" and "3.5", but 真的?是的
            return marks[-1] in "!?" and bool(_UNSPACED.match(following)) and bool(_UNSPACED.match(before))
        if before.isdigit() and following.isdigit():
            return False
    letter = _NEXT_LETTER.match(text, found.end())
    if has_capitals and letter and letter["letter"].islower():
        return False
    if marks != ".":
        return True
    return found["closing"].strip() != "" or not _goes_on(text, found, start, letter)


def _goes_on(text: str, found: regex.Match[str], start: int, letter: regex.Match[str] | None) -> bool:
    """Whether a sentence continues after a full stop: before it is an initial, an abbreviation or an ordinal."""
    stop = found.start()
    token = _TOKEN.search(text, max(start, stop - _TOKEN_CHARACTERS), stop)[0]
    place = stop - len(token)
    is_first = _BLANKS.fullmatch(text, start, place) is not None
    word, is_number_next = token.casefold(), bool(letter and letter["letter"].isnumeric())
    if _NUMBER.fullmatch(token) and len(token) <= 3 + (not token.isdigit()) * 3:
        following = _NEXT_WORD.match(text, found.end())
        return is_first or bool(following and following[0].casefold() in AFTER_ORDINALS)
    if _ONE_LETTER.fullmatch(token) and not _UNSPACED.match(token):
        return not _IS_AFTER_NUMBER.search(text, max(start, place - 3), place)
    if word in BEFORE_WORDS or (word.endswith("str") and len(word) > 4):
        return True
    return is_number_next and word in BEFORE_NUMBERS
