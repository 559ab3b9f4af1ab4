"""TMX, the exchange format of translation memories."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mt.data.formats.xml_damage import Structure
from mt.data.formats.xml_units import UnitFiles, UnitReader, language_match
from mt.data.pair import Pair
from mt.listing import listed

log = logging.getLogger(__name__)

LANGUAGE_CHARACTERS = 100  # of a language tag: the rest of a longer one is ignored


@dataclass(frozen=True, kw_only=True)
class Tmx(UnitFiles):
    """Pairs from TMX files of any size and encoding, plain or compressed; `path` is one path or a list read in turn.

    A language is found in any case and with any region: "en" also accepts en-US, but prefers en. Of several variants
    of a language in one unit the first one is used; a unit without both languages is not a pair; both are counted in
    the log. Inside a sentence the text of <hi> stays and the codes (bpt, ept, ph, it, ut, with any <sub>) are removed;
    a line end, with the indentation after it, becomes a blank. A unit that is damaged or larger than UNIT_BYTES is a
    fault, and reading continues at the next one; so is the damaged rest of a compressed file. Raises ValueError when a
    file has none of the languages, is not TMX, or declares entities or more attributes than NUM_ATTRIBUTES.
    """

    def reader(self, path: Path) -> UnitReader:
        return _TmxReader(path, self.source_language, self.target_language)


class _TmxReader(UnitReader):
    format = "TMX"
    structure = Structure(
        ranks={"tmx": 0, "body": 1, "tu": 2}, units=frozenset(["tu"]), inside={"body": "tmx", "tu": "tmx"}
    )

    def __init__(self, path: Path, source_language: str, target_language: str) -> None:
        super().__init__(path)
        self._own_languages = source_language, target_language
        self._sides: dict[str, tuple[int, int]] = {}  # by the file's language tags: the side, and how well it matches
        self._num_of: Counter[str] = Counter()
        self._side, self._fit = 0, 0  # of the current variant
        self._texts = ["", ""]
        self._fits = [0, 0]
        self._num_pairs = 0
        self._num_variants_left_out = 0

    def on_start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "seg":
            if self._fit:
                self.begin_text(name)
        elif name == "tuv":
            language = (attributes.get("xml:lang") or attributes.get("lang", ""))[:LANGUAGE_CHARACTERS]
            self._num_of[language] += 1
            if language not in self._sides:
                self._sides[language] = self._side_of(language)
            self._side, self._fit = self._sides[language]
        elif name == "tu":
            self._fits = [0, 0]
            self.fault = None

    def on_text(self, name: str, text: str, parts: dict[str, str] | None) -> None:
        before = self._fits[self._side]
        if before:
            self._num_variants_left_out += 1
        if self._fit > before:
            self._texts[self._side], self._fits[self._side] = text, self._fit

    def on_end(self, name: str) -> None:
        if name == "tuv":
            self._fit = 0
        elif name == "tu":
            self.num_units += 1
            if all(self._fits):
                self._num_pairs += 1
                self.pairs.append(Pair(self._texts[0], self._texts[1], fault=self.fault))

    def on_damage(self, depth: int) -> None:
        self._fit = 0

    def on_file_end(self) -> None:
        source, target = self._own_languages
        if self.num_units and not self._num_pairs and not self.is_damaged:
            found = listed([language.strip() or "none named" for language, _ in self._num_of.most_common()])
            raise ValueError(
                f"{self.path}: no unit has both {source} and {target}, its languages are: {found or 'none'}"
            )
        if self._num_pairs < self.num_units or self._num_variants_left_out:
            log.info(
                "%s: %d units, left out %d without both %s and %s, and %d further variants of a language",
                *(self.path, self.num_units, self.num_units - self._num_pairs, source, target),
                self._num_variants_left_out,
            )

    def _side_of(self, language: str) -> tuple[int, int]:
        fits = [language_match(language, own) for own in self._own_languages]
        return (0, fits[0]) if fits[0] >= fits[1] else (1, fits[1])
