"""XLIFF 1.2 and 2.0, the exchange format of localization."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from mt.data.formats.xml_damage import Structure
from mt.data.formats.xml_units import UnitFiles, UnitReader, language_match
from mt.data.pair import Fault, Pair
from mt.listing import listed

log = logging.getLogger(__name__)

UNITS = frozenset(["trans-unit", "segment"])  # elements with a source and a target, in 1.2 and 2.0
SIDES = ("source", "target")
UNTRANSLATED = frozenset(["new", "needs-translation", "initial"])  # states


@dataclass(frozen=True, kw_only=True)
class Xliff(UnitFiles):
    """Pairs from XLIFF files of any size and encoding, plain or compressed; `path` is one path or a list read in turn.

    A pair is a trans-unit (1.2) or a segment (2.0) with a source and a target; a trans-unit whose source and target are
    divided into segments (<mrk mtype="seg">) gives a pair for each `mid` that both have. Files may be in either
    direction: source_language is the source of the pairs. "en" also accepts en-US. Skipped, and counted in the log, are
    units in other languages (those of the file, or the xml:lang of a source or target), without a target, not to be
    translated (translate="no"), and those whose state says that they are not translated yet (new, needs-translation,
    initial). Inside a sentence the text of g, mrk, pc and hi stays and codes (x, ph, bpt, ...) are removed; a line end,
    with the indentation around it, becomes a blank. A unit that is damaged, has a `mid` twice or is larger than
    UNIT_BYTES is a fault, and reading continues at the next one; so is the damaged rest of a compressed file. Raises
    ValueError when a file is in other languages, is not XLIFF, or declares entities or more attributes than
    NUM_ATTRIBUTES.
    """

    def reader(self, path: Path) -> UnitReader:
        return _XliffReader(path, self.source_language, self.target_language)


class _XliffReader(UnitReader):
    format = "XLIFF"
    structure = Structure(
        ranks={"xliff": 0, "file": 1, "group": 2, "body": 2, "trans-unit": 3, "unit": 3, "segment": 4},
        units=UNITS,
        inside={
            "file": "xliff",
            "group": "file",
            "body": "file",
            "trans-unit": "file",
            "unit": "file",
            "segment": "unit",
        },
        nested=frozenset(["group"]),
        context=frozenset(["file", "group"]),
    )

    def __init__(self, path: Path, source_language: str, target_language: str) -> None:
        super().__init__(path)
        self._own_languages = source_language, target_language
        self._languages: dict[str, None] = {}  # the file's: "en > de"
        self._order: tuple[str, str] | None = None  # of the sides in a pair; None for other languages
        self._around: list[tuple[str, bool]] = []  # elements, and whether they are to be translated
        self._texts: dict[str, str] = {}
        self._segments: dict[str, dict[str, str]] = {}  # of source, seg-source and target: the text of each mid
        self._is_translated = True
        self._is_foreign = False
        self._num_pairs = 0
        self._num_foreign = 0

    def on_start(self, name: str, attributes: dict[str, str]) -> None:
        parent, to_translate = self._around[-1] if self._around else ("", True)
        if parent in UNITS and (name in SIDES or name == "seg-source"):
            if name == "target" and attributes.get("state") in UNTRANSLATED:
                self._is_translated = False
            if not self._is_read(name, attributes.get("xml:lang")):
                self._is_foreign = True
            self.begin_text(name)
            return
        if "translate" in attributes:
            to_translate = attributes["translate"] != "no"
        self._around.append((name, to_translate))
        if name in UNITS:
            self._texts, self._segments, self.fault = {}, {}, None
            self._is_foreign = self._order is None
            self._is_translated = to_translate and attributes.get("state") not in UNTRANSLATED
        elif name == "file" and "source-language" in attributes:  # 1.2
            self._set_languages(attributes["source-language"], attributes.get("target-language"))
        elif "srcLang" in attributes:  # 2.0
            self._set_languages(attributes["srcLang"], attributes.get("trgLang"))

    def part_of(self, name: str, attributes: dict[str, str]) -> str | None:
        return attributes.get("mid") if name == "mrk" and attributes.get("mtype") == "seg" else None

    def on_text(self, name: str, text: str, parts: dict[str, str] | None) -> None:
        self._texts[name] = text
        if parts is None:
            message = f"{self.path} line {self.line}: <{name}> must have each mid once"
            self.fault = Fault("ambiguous segments", message)
        self._segments[name] = parts or {}

    def on_end(self, name: str) -> None:
        self._around.pop()
        if name not in UNITS:
            return
        self.num_units += 1
        pairs = [] if self._is_foreign or not self._is_translated else self._pairs()
        self._num_foreign += self._is_foreign
        self._num_pairs += bool(pairs)
        self.pairs += pairs

    def on_damage(self, depth: int) -> None:
        del self._around[depth:]

    def _pairs(self) -> list[Pair]:
        """The pairs of the unit: of its segments where both sides have some, otherwise of all of it."""
        sources = self._segments.get("seg-source") or self._segments.get("source", {})
        targets = self._segments.get("target", {})
        if self.fault is None and sources and targets:
            texts = [{"source": sources[mid], "target": targets[mid]} for mid in sources if targets.get(mid)]
        elif all(targets.values()) or self.fault is not None:
            texts = [self._texts]
        else:  # some segments have no translation, and it is unknown which ones these are in the source
            texts = []
        assert self._order is not None
        first, second = self._order
        return [
            Pair(text.get(first, ""), text.get(second, ""), fault=self.fault) for text in texts if text.get("target")
        ]

    def _is_read(self, name: str, language: str | None) -> bool:
        """Whether a source or target in this language is read; "en" is also read for en-US."""
        if language is None or self._order is None:
            return True
        side = "target" if name == "target" else "source"
        own = self._own_languages[self._order.index(side)]
        return bool(language_match(language, own) or language_match(own, language))

    def on_file_end(self) -> None:
        source, target = self._own_languages
        if self.num_units and self._num_foreign == self.num_units and not self.is_damaged:
            found = listed(self._languages) or "none named"
            raise ValueError(f"{self.path}: must be in {source} and {target}, its languages are: {found}")
        if self._num_pairs < self.num_units:
            num_untranslated = self.num_units - self._num_pairs - self._num_foreign
            log.info(
                "%s: %d units, left out %d without a translation and %d in other languages than %s and %s",
                *(self.path, self.num_units, num_untranslated, self._num_foreign, source, target),
            )

    def _set_languages(self, source: str, target: str | None) -> None:
        self._languages[" ".join(f"{source[:100]} > {(target or 'none named')[:100]}".split())] = None
        self._order = None
        for order, own in ((SIDES, self._own_languages), (SIDES[::-1], self._own_languages[::-1])):
            if language_match(source, own[0]) and (target is None or language_match(target, own[1])):
                self._order = order
                return
