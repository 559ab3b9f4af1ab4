"""Where the sentences of a document end in a source, for attention that asks for them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mt.data.document import BEFORE, DocumentSettings
from mt.data.tokenizer import Tokenizer

log = logging.getLogger(__name__)


def with_separator(model: Mapping[str, Any], document: DocumentSettings, source: Tokenizer) -> dict[str, Any]:
    """The model's settings with the piece that ends the sentences of its sources, where there are several."""
    if model.get("separator") is not None or document.context_before == 0:
        return dict(model)
    return {**model, "separator": source.pieces(range(source.size)).index(BEFORE)}


def check_sentences(model) -> None:
    """Says so where attention asks for sentences and every source is one."""
    if model.wants_sentences and model.separator is None:
        log.warning(
            "attention sees one sentence in each source, though it asks for several: data.document.context_before"
        )
