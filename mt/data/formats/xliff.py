"""XLIFF 1.2 and 2.0, the exchange format of localization."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from mt.data.formats.xml_units import UnitFiles, UnitReader, language_match
from mt.data.pair import Pair

log = logging.getLogger(__name__)

UNITS = frozenset(["trans-unit", "segment"])  # what holds a source and a target, in 1.2 and 2.0
SIDES = ("source", "target")
UNTRANSLATED = frozenset(["new", "needs-translation", "initial"])  # states


@dataclass(frozen=True, kw_only=True)
class Xliff(UnitFiles):
    """Pairs from XLIFF files of any size and encoding, plain or compressed; `path` is one path or a list read in turn.

    A pair is a trans-unit (1.2) or a segment (2.0) with a source and a target. Files may be in either direction:
    source_language is what is translated from here. "en" takes en-US, too. No pairs, but counted in the log, are units
    in other languages, without a target, not to be translated (translate="no"), and those whose state says that nobody
    has yet (new, needs-translation, initial). Inside a sentence the text of g, mrk, pc and hi stays and codes (x, ph,
    bpt, ...) go; a line end, with the indentation behind it, becomes a blank. A damaged or malformed rest of a file is
    a fault. Raises ValueError when a file is in other languages, is no XLIFF, or declares entities.
    """

    def reader(self, path: Path) -> UnitReader:
        return _XliffReader(path, self.source_language, self.target_language)


class _XliffReader(UnitReader):
    format = "XLIFF"
    root = "xliff"

    def __init__(self, path: Path, source_language: str, target_language: str) -> None:
        super().__init__(path)
        self._wanted = source_language, target_language
        self._languages: dict[str, None] = {}  # the file's: "en > de"
        self._order: tuple[str, str] | None = None  # of the sides for a pair; None where the languages are others
        self._around: list[tuple[str, bool]] = []  # elements, and whether they are to be translated
        self._texts: dict[str, str] = {}
        self._is_translated = True
        self._num_pairs = 0
        self._num_foreign = 0

    def on_start(self, name: str, attributes: dict[str, str]) -> None:
        parent, to_translate = self._around[-1] if self._around else ("", True)
        if parent in UNITS and name in SIDES:
            if attributes.get("state") in UNTRANSLATED:
                self._is_translated = False
            self.begin_text(name)
            return
        if "translate" in attributes:
            to_translate = attributes["translate"] != "no"
        self._around.append((name, to_translate))
        if name in UNITS:
            self._texts, self.fault = {}, None
            self._is_translated = to_translate and attributes.get("state") not in UNTRANSLATED
        elif name == "file" and "source-language" in attributes:  # 1.2
            self._set_languages(attributes["source-language"], attributes.get("target-language"))
        elif "srcLang" in attributes:  # 2.0
            self._set_languages(attributes["srcLang"], attributes.get("trgLang"))

    def on_text(self, name: str, text: str) -> None:
        self._texts[name] = text

    def on_end(self, name: str) -> None:
        self._around.pop()
        if name not in UNITS:
            return
        self.num_units += 1
        if self._order is None:
            self._num_foreign += 1
        elif self._is_translated and self._texts.get("target"):
            self._num_pairs += 1
            self.pairs.append(Pair(*(self._texts.get(side, "") for side in self._order), fault=self.fault))

    def on_file_end(self) -> None:
        source, target = self._wanted
        if self.num_units and self._num_foreign == self.num_units:
            found = ", ".join(self._languages) or "none named"
            raise ValueError(f"{self.path}: must be in {source} and {target}, its languages are: {found}")
        if self._num_pairs < self.num_units:
            num_untranslated = self.num_units - self._num_pairs - self._num_foreign
            log.info(
                "%s: %d units, left out %d without a translation and %d in other languages than %s and %s",
                *(self.path, self.num_units, num_untranslated, self._num_foreign, source, target),
            )

    def _set_languages(self, source: str, target: str | None) -> None:
        self._languages[" ".join(f"{source} > {target or 'none named'}".split())] = None
        self._order = None
        for order, wanted in ((SIDES, self._wanted), (SIDES[::-1], self._wanted[::-1])):
            if language_match(source, wanted[0]) and (target is None or language_match(target, wanted[1])):
                self._order = order
                return
