"""Where the sentences of a document end in a source, for attention that needs to know."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mt.data.document import AFTER, BEFORE, DocumentSettings
from mt.data.tokenizer import Tokenizer

log = logging.getLogger(__name__)


def with_separator(model: Mapping[str, Any], document: DocumentSettings, source: Tokenizer) -> dict[str, Any]:
    """The model's settings with the pieces that separate the sentences of its sources, where there are several."""
    names = {BEFORE: "separator", AFTER: "separator_after"}
    if not document.is_on or any(model.get(name) is not None for name in names.values()):
        return dict(model)
    pieces = source.pieces(range(source.size))
    return {**model, **{names[symbol]: pieces.index(symbol) for symbol in document.symbols}}


def check_sentences(model) -> None:
    """Warns where attention uses sentence boundaries but every source is one sentence."""
    if model.needs_sentences and not model.sees_sentences:
        log.warning(
            "attention uses sentence boundaries, but each source is one sentence: set"
            " data.document.context_before or context_after"
        )
