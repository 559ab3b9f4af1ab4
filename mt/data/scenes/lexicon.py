"""The words of the scenes: kinds of things, colours, numbers, places, in English and German."""

from __future__ import annotations

from typing import NamedTuple


class Noun(NamedTuple):
    """A kind of thing. `oblique` is the German singular in dative and accusative, where it differs."""

    english: str
    english_plural: str
    german: str
    german_plural: str
    gender: str  # m, f or n
    oblique: str | None = None


NOUNS = {
    "star": Noun("star", "stars", "Stern", "Sterne", "m"),
    "heart": Noun("heart", "hearts", "Herz", "Herzen", "n"),
    "house": Noun("house", "houses", "Haus", "Häuser", "n"),
    "tree": Noun("tree", "trees", "Baum", "Bäume", "m"),
    "car": Noun("car", "cars", "Auto", "Autos", "n"),
    "fish": Noun("fish", "fish", "Fisch", "Fische", "m"),
    "moon": Noun("moon", "moons", "Mond", "Monde", "m"),
    "umbrella": Noun("umbrella", "umbrellas", "Regenschirm", "Regenschirme", "m"),
    "flower": Noun("flower", "flowers", "Blume", "Blumen", "f"),
    "boat": Noun("boat", "boats", "Boot", "Boote", "n"),
    # one English word, two things
    "bat_animal": Noun("bat", "bats", "Fledermaus", "Fledermäuse", "f"),
    "bat_club": Noun("bat", "bats", "Schläger", "Schläger", "m"),
    "bow_ribbon": Noun("bow", "bows", "Schleife", "Schleifen", "f"),
    "bow_weapon": Noun("bow", "bows", "Bogen", "Bögen", "m"),
    "crane_bird": Noun("crane", "cranes", "Kranich", "Kraniche", "m"),
    "crane_machine": Noun("crane", "cranes", "Kran", "Kräne", "m"),
    "nut_fruit": Noun("nut", "nuts", "Nuss", "Nüsse", "f"),
    "nut_metal": Noun("nut", "nuts", "Mutter", "Muttern", "f"),
    "cup_tea": Noun("cup", "cups", "Tasse", "Tassen", "f"),
    "cup_trophy": Noun("cup", "cups", "Pokal", "Pokale", "m"),
    "letter_mail": Noun("letter", "letters", "Brief", "Briefe", "m"),
    "letter_character": Noun("letter", "letters", "Buchstabe", "Buchstaben", "m", "Buchstaben"),
    "key_door": Noun("key", "keys", "Schlüssel", "Schlüssel", "m"),
    "key_keyboard": Noun("key", "keys", "Taste", "Tasten", "f"),
    "seal_animal": Noun("seal", "seals", "Robbe", "Robben", "f"),
    "seal_wax": Noun("seal", "seals", "Siegel", "Siegel", "n"),
    "teacher_man": Noun("teacher", "teachers", "Lehrer", "Lehrer", "m"),
    "teacher_woman": Noun("teacher", "teachers", "Lehrerin", "Lehrerinnen", "f"),
    # one German word, two things
    "castle": Noun("castle", "castles", "Schloss", "Schlösser", "n"),
    "lock": Noun("lock", "locks", "Schloss", "Schlösser", "n"),
    "rooster": Noun("rooster", "roosters", "Hahn", "Hähne", "m"),
    "tap": Noun("tap", "taps", "Hahn", "Hähne", "m"),
    "ostrich": Noun("ostrich", "ostriches", "Strauß", "Strauße", "m"),
    "bouquet": Noun("bouquet", "bouquets", "Strauß", "Sträuße", "m"),
    "pear": Noun("pear", "pears", "Birne", "Birnen", "f"),
    "bulb": Noun("bulb", "bulbs", "Birne", "Birnen", "f"),
    "feather": Noun("feather", "feathers", "Feder", "Federn", "f"),
    "spring": Noun("spring", "springs", "Feder", "Federn", "f"),
    "wing": Noun("wing", "wings", "Flügel", "Flügel", "m"),
    "piano": Noun("piano", "pianos", "Flügel", "Flügel", "m"),
    # one English form for one and for several
    "sheep": Noun("sheep", "sheep", "Schaf", "Schafe", "n"),
}
KINDS = tuple(NOUNS)


class Colour(NamedTuple):
    """A colour's German word, and its red, green and blue."""

    german: str
    rgb: tuple[int, int, int]


COLOURS = {
    "red": Colour("rot", (210, 40, 40)),
    "blue": Colour("blau", (40, 80, 210)),
    "green": Colour("grün", (30, 150, 60)),
    "yellow": Colour("gelb", (240, 210, 40)),
    "black": Colour("schwarz", (25, 25, 25)),
    "white": Colour("weiß", (250, 250, 250)),
    "brown": Colour("braun", (120, 75, 40)),
    "purple": Colour("violett", (140, 50, 170)),
}
NUMBERS = {2: ("two", "zwei"), 3: ("three", "drei"), 4: ("four", "vier")}
MOST_THINGS = max(NUMBERS)  # of one kind
PLACES = {
    "left": ("to the left of", "links von"),
    "right": ("to the right of", "rechts von"),
    "above": ("above", "über"),
    "below": ("below", "unter"),
}
# by gender
INDEFINITE = {"m": "ein", "f": "eine", "n": "ein"}
INDEFINITE_DATIVE = {"m": "einem", "f": "einer", "n": "einem"}
ENDING = {"m": "er", "f": "e", "n": "es"}  # of an adjective after ein
DEFINITE = {"m": "der", "f": "die", "n": "das"}
DEFINITE_ACCUSATIVE = {"m": "den", "f": "die", "n": "das"}
PRONOUN = {"m": "er", "f": "sie", "n": "es"}


def partners(kind: str) -> list[str]:
    """The other kinds that share a word with this one, in either language."""
    noun = NOUNS[kind]
    same = (other for other, of in NOUNS.items() if noun.english == of.english or noun.german == of.german)
    return [other for other in same if other != kind]
