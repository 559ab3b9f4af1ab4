"""Which segments of a file with two languages get a new translation."""

from __future__ import annotations

from collections.abc import Iterable

from mt.data.formats.writing import Slot
from mt.inference.files.passage import FileSettings

UNTRANSLATED = frozenset(["new", "needs-translation", "initial"])  # states of XLIFF: the target is no translation


def is_wanted(slot: Slot, settings: FileSettings) -> bool:
    """Whether the segment is to be translated."""
    if slot.is_locked or not slot.segment.source.strip():
        return False
    return not _is_translated(slot) or settings.replace == "all" or (settings.replace == "fuzzy" and _is_fuzzy(slot))


def num_left(slots: Iterable[Slot], settings: FileSettings) -> int:
    """Segments with a translation that stays."""
    return sum(_is_translated(slot) and not is_wanted(slot, settings) for slot in slots)


def _is_translated(slot: Slot) -> bool:
    return slot.segment.target.strip() != "" and slot.state not in UNTRANSLATED


def _is_fuzzy(slot: Slot) -> bool:
    return slot.state == "fuzzy" or slot.state.startswith("needs-")
