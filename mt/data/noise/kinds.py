"""The kinds of noise, each a function that changes a draft in place. A new kind is a function and its row in KINDS."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from string import ascii_lowercase, digits

from mt.data.noise.draft import Draft, Kind, Word

ENDS = ".!?…。！？।"  # punctuation that ends a sentence
WORDS_PER_ERROR = 10  # of typing: an error in so many words, one at least
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
MARKS = ("b", "i", "u", "em", "strong")


def capitals(draft: Draft, draw: Random) -> None:
    """The source in capitals. The target stays: a translation is to be written as usual."""
    for place in draft.free_places:
        draft.source[place] = draft.source[place]._replace(text=draft.source[place].text.upper())


def title(draft: Draft, draw: Random) -> None:
    """Every Word of the Source Begins With a Capital."""
    for place in draft.free_places:
        text = draft.source[place].text
        draft.source[place] = draft.source[place]._replace(text=text[:1].upper() + text[1:])


def no_end(draft: Draft, draw: Random) -> None:
    """The source loses the punctuation at its end; the target keeps it."""
    places = draft.text_places
    if not places:
        return
    last = places[-1]
    text = draft.source[last].text.rstrip(ENDS)
    if text:
        draft.source[last] = draft.source[last]._replace(text=text)
    elif len(places) > 1:  # a word of its own, as in tokenized text
        del draft.source[last]


def typing(draft: Draft, draw: Random) -> None:
    """Typing errors in a tenth of the source's words: a neighbour key, two letters swapped, one left out."""
    places = [place for place in draft.free_places if sum(map(str.isalpha, draft.source[place].text)) > 2]
    for place in draw.sample(places, min(len(places), max(1, round(len(places) / WORDS_PER_ERROR)))):
        draft.source[place] = draft.source[place]._replace(text=mistyped(draft.source[place].text, draw))


def mistyped(text: str, draw: Random) -> str:
    """The word with one error in its letters."""
    letters = [place for place, letter in enumerate(text) if letter.isalpha()]
    place = draw.choice(letters)
    near = _neighbours(text[place])
    error = draw.choice(("neighbour", "swap", "omit") if near else ("swap", "omit"))
    if error == "neighbour":
        return text[:place] + draw.choice(near) + text[place + 1 :]
    if error == "omit":
        return text[:place] + text[place + 1 :]
    first = min(place, len(text) - 2)
    return text[:first] + text[first + 1] + text[first] + text[first + 2 :]


def _neighbours(letter: str) -> str:
    for row in ROWS:
        if letter.lower() in row:
            place = row.index(letter.lower())
            near = row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
            return near.upper() if letter.isupper() else near
    return ""


def untranslated(draft: Draft, draw: Random) -> None:
    """The source is the target itself, without links: text that is in the target language already is to stay."""
    places = draft.text_places
    draft.source[places.start : places.stop] = [Word(word.text) for word in draft.target]


def copied(draft: Draft, draw: Random) -> None:
    """A made-up name, code or number stands at the beginning or the end of both sides: it is to be copied."""
    letters = "".join(draw.choices(ascii_lowercase, k=draw.randint(3, 9)))
    number = "".join(draw.choices(digits, k=draw.randint(1, 6)))
    word = Word(draw.choice((letters.capitalize(), letters.upper(), number, f"{letters[:3].upper()}-{number}")))
    if draw.random() < 0.5:
        draft.source.insert(draft.text_places.start, word)
        draft.target.insert(0, word)
    else:
        draft.source.insert(draft.text_places.stop, word)
        draft.target.append(word)


def tagged(draft: Draft, draw: Random) -> None:
    """A mark-up tag around both sides, <b>…</b>, glued to their first and last words: it is to be copied."""
    mark, places = draw.choice(MARKS), draft.text_places
    if not places or not draft.target:
        return
    for side, first, last in ((draft.source, places[0], places[-1]), (draft.target, 0, len(draft.target) - 1)):
        side[first] = side[first]._replace(text=f"<{mark}>{side[first].text}")
        side[last] = side[last]._replace(text=f"{side[last].text}</{mark}>")


def joined(draft: Draft, draw: Random) -> None:
    """Two neighbours of the source are written as one word."""
    places = [place for place in draft.free_places[:-1] if place + 1 < len(draft.source) and draft.is_free(place + 1)]
    if places:
        place = draw.choice(places)
        one, other = draft.source[place : place + 2]
        draft.source[place : place + 2] = [Word(one.text + other.text, one.of + other.of)]


def cut(draft: Draft, draw: Random) -> None:
    """A word of the source is written as two."""
    places = [place for place in draft.free_places if len(draft.source[place].text) > 3]
    if places:
        place = draw.choice(places)
        word = draft.source[place]
        middle = draw.randint(2, len(word.text) - 2)
        draft.source[place : place + 1] = [Word(word.text[:middle], word.of), Word(word.text[middle:], word.of)]


# in the order in which they are applied: what is put in, to be copied, is not changed by the others
KINDS: Mapping[str, Kind] = {
    "no_end": no_end,
    "typing": typing,
    "joined": joined,
    "cut": cut,
    "title": title,
    "capitals": capitals,
    "copied": copied,
    "tagged": tagged,
    "untranslated": untranslated,
}
