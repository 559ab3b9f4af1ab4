"""What a checkpoint says of its model: the content of `model.yaml`. Never imports torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mt.checkpoint.migrations import lifted
from mt.checkpoint.small_file import read_yaml
from mt.data.document import DocumentSettings
from mt.data.images.settings import ImageSettings
from mt.data.sounds.settings import SoundSettings
from mt.terminal import escaped

MAX_NUMBER = 1_000_000
# Far above any trained weight; much larger ones overflow inside a model, which normalization can hide.
MAX_WEIGHT = 1e6


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The content of `model.yaml`: how to build the fresh model, and the changes made to it since, in order."""

    model: Mapping[str, Any]  # the `_target_` node
    source_language: str
    target_language: str
    changes: list[Mapping[str, Any]] = field(default_factory=list)  # each a `_target_` called with the model
    max_pieces: int | None = None  # longest training source (data.max_pieces); None: not known
    document: DocumentSettings = field(default_factory=DocumentSettings)  # the context that it was trained with
    images: ImageSettings | None = None  # how the pictures that it sees were prepared; None: it sees none
    sounds: SoundSettings | None = None  # likewise, of the sounds that it hears
    reads_untagged: bool | None = None  # whether it was also trained on sources without a tag; None: not known


def described(folder: Path) -> ModelCard:
    """The content of `model.yaml`; raises ValueError when it is missing, damaged, invalid or from a newer version.

    The classes that it names are not checked (`mt.checkpoint.folder.read_card` does that): build nothing of it.
    """
    path = folder / "model.yaml"
    body = read_yaml(path)
    try:
        body = lifted("model.yaml", body, path)
        card = ModelCard(
            model=body["model"],
            source_language=body["source_language"],
            target_language=body["target_language"],
            changes=body["changes"],
            max_pieces=body["max_pieces"],
            document=DocumentSettings(**body["document"]),
            images=None if body.get("images") is None else ImageSettings(**body["images"]),
            sounds=None if body.get("sounds") is None else SoundSettings(**body["sounds"]),
            reads_untagged=body["reads_untagged"],
        )
        if card.reads_untagged not in (True, False, None):
            raise ValueError(f"{path}: reads_untagged ({card.reads_untagged}) must be true, false or null")
        if card.max_pieces is not None and not 1 <= card.max_pieces <= MAX_NUMBER:
            raise ValueError(f"{path}: max_pieces ({card.max_pieces}) must be from 1 to {MAX_NUMBER}")
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a model description: {type(error).__name__} {error}") from error
    if not isinstance(card.changes, list) or not all(isinstance(node, dict) for node in [card.model, *card.changes]):
        raise ValueError(f"{path} is not a model description: model must be a mapping, changes a list of them")
    for language in (card.source_language, card.target_language):
        if not isinstance(language, str) or not re.fullmatch(r"\w[\w.-]{0,63}", language):
            raise ValueError(
                f"{path}: a language ({language}) must be letters, digits, '_', '-' and '.': it names files"
            )
    return card


@contextmanager
def one_short_line() -> Iterator[None]:
    """Shortens untrusted text in the message of a ValueError, and escapes its control characters."""
    try:
        yield
    except ValueError as error:
        text = escaped(" ".join(str(error).split()))
        raise ValueError(text if len(text) <= 600 else f"{text[:400]} … {text[-100:]}") from error
