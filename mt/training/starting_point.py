"""The checkpoint of another run that a training starts from: its weights, its tokenizers, its languages."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mt.checkpoint.card import ModelCard
from mt.checkpoint.changes import changes
from mt.checkpoint.folder import LoadedModel, changed, load_checkpoint, read_card
from mt.checkpoint.manifest import FILE_NAME as MANIFEST
from mt.checkpoint.manifest import has_manifest, verify
from mt.checkpoint.marian import is_marian, load_marian
from mt.checkpoint.outline import Shape, check_weights, kept_tensors
from mt.checkpoint.small_file import read_json
from mt.checkpoint.steps import SMALL_FILES, find_step, numbered_steps
from mt.compression.quantization import is_storage
from mt.data.settings import DataSettings
from mt.data.tokenizer import Tokenizer, TokenizerPair
from mt.data.whole_folder import write_json
from mt.model.rounded import float_tensors

log = logging.getLogger(__name__)

FILE_NAME = "started_from.json"  # in the run's folder
# weights with a row a piece, and the side of the pieces
ROWS_OF_PIECES = {
    "source_embedding.tokens.weight": "source",
    "target_embedding.tokens.weight": "target",
    "output.weight": "target",
}
MOST_NAMED = 5  # settings that differ, in a message
LEXICON = "lexicon."  # counted in a corpus, never learned: kept with an unchanged vocabulary, else counted again


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What is read of a checkpoint before its weights are loaded."""

    folder: Path  # of the step
    card: ModelCard
    tokenizers: TokenizerPair
    shapes: Mapping[str, Shape]
    manifest_sha256: str | None  # None: a folder of an older version, without a manifest

    @classmethod
    def look_at(cls, path: Path) -> Checkpoint:
        """Checks the whole checkpoint, and keeps what is small. Raises ValueError for one that does not load."""
        loaded = _load(path)
        folder = loaded.folder
        digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest() if has_manifest(folder) else None
        return cls(
            folder=folder,
            card=loaded.card,
            tokenizers=loaded.tokenizers,
            shapes={name: Shape.of(tensor) for name, tensor in float_tensors(kept_tensors(loaded.model)).items()},
            manifest_sha256=digest,
        )


@dataclass(frozen=True, kw_only=True)
class StartingPoint:
    """Where a training starts: with a checkpoint's weights and tokenizers, or with its tokenizers alone.

    `checkpoint` is None for tokenizers alone, and once the run has own checkpoints to resume from.
    """

    checkpoint: Checkpoint | None
    tokenizers: TokenizerPair | None  # the checkpoint's; None where new ones are learned on the new corpus
    changes: tuple[Mapping[str, Any], ...] = ()  # made to the checkpoint's model, and to be made to the fresh one

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> StartingPoint | None:
        """The starting point of the settings; None for a training with fresh weights. Raises ValueError."""
        path, is_new, of_others = (settings.get(name) for name in ("start_from", "new_vocabulary", "tokenizer_from"))
        if is_new not in (None, True, False):
            raise ValueError(f"new_vocabulary ({is_new}) must be true, false or null")
        if path is None:
            if is_new:
                raise ValueError(
                    "new_vocabulary (True) needs start_from=CHECKPOINT: without it every vocabulary is new"
                )
            if of_others is None:
                return None
        elif of_others is not None:
            raise ValueError(
                f"tokenizer_from ({of_others}) has no place beside start_from ({path}), which gives its own tokenizers"
            )
        run = Path(str(settings["folder"]))
        if not settings.get("fresh") and numbered_steps(run):
            tokenizers, changes = _own(run)
            return cls(checkpoint=None, tokenizers=None if is_new else tokenizers, changes=changes)
        if path is None:
            return cls(checkpoint=None, tokenizers=TokenizerPair.load(find_step(Path(str(of_others)))))
        given = Path(str(path))
        step = given.resolve() if is_marian(given) else find_step(given)
        if run.resolve() in (step, *step.parents):
            raise ValueError(f"start_from ({path}) must lie outside of this run's folder ({run}): use another name=…")
        checkpoint = Checkpoint.look_at(step)
        return cls(
            checkpoint=checkpoint,
            tokenizers=None if is_new else checkpoint.tokenizers,
            # rounded weights are trained on as floats
            changes=tuple(change for change in checkpoint.card.changes if not is_storage(change)),
        )

    @property
    def _origin(self) -> str:
        assert self.checkpoint is not None
        return f"start_from ({self.checkpoint.folder})"

    def check_languages(self, data: DataSettings) -> None:
        """Raises ValueError for a corpus in other languages, unless the vocabulary is new."""
        if self.checkpoint is None or self.tokenizers is None:
            return
        card = self.checkpoint.card
        for name in ("source_language", "target_language"):
            known, given = getattr(card, name), getattr(data, name)
            if known != given:
                raise ValueError(
                    f"data.{name} ({given}) must be {known}, as in {self._origin}: new_vocabulary=true allows other"
                    " languages"
                )

    def check_model(self, model: nn.Module, node: Mapping[str, Any]) -> None:
        """Raises ValueError naming the first weight that does not fit, and the settings (`node`) that differ.

        With a new vocabulary the numbers of pieces may differ. What the checkpoint has no weights for may be new where
        a model can do without it (`may_be_new`).
        """
        if self.checkpoint is None:
            return
        own = {name: Shape.of(tensor) for name, tensor in kept_tensors(model).items()}
        needed, given = (
            {name: shape for name, shape in shapes.items() if not name.startswith(LEXICON)}
            for shapes in (own, self.checkpoint.shapes)
        )
        needed = {name: shape for name, shape in needed.items() if name in given or not may_be_new(name)}
        if self.tokenizers is None:
            for name in ROWS_OF_PIECES.keys() & needed.keys() & given.keys():
                given[name] = replace(given[name], sizes=(needed[name].sizes[0], *given[name].sizes[1:]))
        try:
            check_weights(needed, given, Path(self._origin))
        except ValueError as error:
            found = changes(self.checkpoint.card.model, node)
            differ = [f"model.{one.name} was {one.old}, is {one.new}" for one in found[:MOST_NAMED]]
            if more := len(found) - len(differ):
                differ.append(f"and {more} more")
            named = f" ({'; '.join(differ)})" if differ else ""
            raise ValueError(f"{error}{named}") from error

    def load_weights(self, model: nn.Module, tokenizers: TokenizerPair) -> bool:
        """Copies the checkpoint's weights into the model; returns whether that filled its lexicon.

        With a new vocabulary, rows of embeddings and output go to the piece with the same text; new pieces keep the
        fresh rows that they have.
        """
        assert self.checkpoint is not None
        loaded = _load(self.checkpoint.folder)
        given, old = float_tensors(kept_tensors(loaded.model)), loaded.tokenizers
        is_same = self.tokenizers is not None
        fresh: list[str] = []
        has_lexicon = is_same and any(name.startswith(LEXICON) for name in given)
        with torch.no_grad():
            for name, tensor in kept_tensors(model).items():
                if name.startswith(LEXICON):
                    if has_lexicon:
                        tensor.copy_(given[name])
                elif name in ROWS_OF_PIECES and not is_same:
                    side = ROWS_OF_PIECES[name]
                    places, old_places = _same_pieces(getattr(tokenizers, side), getattr(old, side))
                    tensor[places] = given[name][old_places]
                    log.info("%s: %d of %d pieces keep their rows", name, len(places), len(tensor))
                elif name in given:
                    tensor.copy_(given[name])
                else:
                    fresh.append(name)
        if fresh:
            log.info("%d weights that %s lacks start fresh, from %s", len(fresh), self._origin, fresh[0])
        log.info("training starts from the weights of %s", self._origin)
        return has_lexicon

    def changed(self, model: Any) -> Any:
        """The fresh model with the changes of the checkpoint's, such as pruned heads."""
        return changed(model, self.changes)

    def record(self) -> dict[str, Any]:
        """What the run's folder records about its start."""
        assert self.checkpoint is not None
        return {"checkpoint": str(self.checkpoint.folder), "manifest_sha256": self.checkpoint.manifest_sha256}


def may_be_new(name: str) -> bool:
    """Whether a model could do without this weight: other encoders, fusion, shared space, what an attention learns."""
    return name.startswith(("beside.", "fusion.", "space.")) or ".mixer." in name


def _load(folder: Path) -> LoadedModel:
    """A checkpoint of ours, or a Marian model of transformers."""
    return load_marian(folder) if is_marian(folder) else load_checkpoint(folder)


def note_start(start: StartingPoint | None, run: Path) -> None:
    """Records in a new run's folder which checkpoint it starts from; nothing where the weights are fresh."""
    if start is None or start.checkpoint is None:
        (run / FILE_NAME).unlink(missing_ok=True)  # left by an earlier attempt that was killed and had other settings
    else:
        write_json(run / FILE_NAME, start.record())


def noted_start(run: Path) -> dict[str, Any] | None:
    """What `note_start` wrote; None for a run that began with fresh weights."""
    return read_json(run / FILE_NAME) if (run / FILE_NAME).exists() else None


def _same_pieces(new: Tokenizer, old: Tokenizer) -> tuple[list[int], list[int]]:
    """The pieces that both vocabularies have, as their ids in each."""
    known = {piece: number for number, piece in enumerate(old.pieces(range(old.size)))}
    both = [(k, known[piece]) for k, piece in enumerate(new.pieces(range(new.size))) if piece in known]
    return [place for place, _ in both], [place for _, place in both]


def _own(run: Path) -> tuple[TokenizerPair, tuple[Mapping[str, Any], ...]]:
    """Tokenizers and changes of the run's newest checkpoint with sound small files. Raises ValueError for none."""
    problems = []
    for folder in numbered_steps(run)[::-1]:
        try:
            if has_manifest(folder):
                verify(folder, SMALL_FILES)
            return TokenizerPair.load(folder), tuple(read_card(folder).changes)
        except (ValueError, OSError) as error:
            problems.append(str(error))
    raise ValueError(f"{run} has no checkpoint with a sound tokenizer to resume from: {problems[0]}")
