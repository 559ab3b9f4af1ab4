"""Observes cross-attention at a validation: its error against known links, its statistics, and a picture."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mt.alignment.alignment import Alignment, RawAttention
from mt.alignment.choice import default_choice
from mt.alignment.heatmap import save_grid
from mt.alignment.map_statistics import change, map_statistics
from mt.alignment.rank_choices import rank
from mt.alignment.words import by_words
from mt.evaluation.alignment_reference import Reference
from mt.inference.aligner import Aligner
from mt.inference.heads_used import heads_used
from mt.inference.translator import Translator
from mt.words import num_words

PICTURED_WORDS = 12  # the drawn sentence is the longest with at most this many words
COMPARED_LINES = 8  # lines whose maps are stored
MAPS = ".npz"


@dataclass(frozen=True)
class Look:
    """The least alignment error over layers, heads and shifts, numbers by name, and a function that stores the maps."""

    alignment_error: float | None  # 0 to 100; None where there are no links
    numbers: dict[str, float]
    draw: Callable[[Path], None]


class AttentionProbe:
    """Observes a model on the same `lines` sentences every time; `reference` is called for them once, when needed.

    `folder` gets the pictures and some of the maps, so that a resumed run can compare with its last validation.
    """

    def __init__(self, reference: Callable[[], Reference], *, lines: int, folder: Path):
        self._find, self._lines, self._folder = reference, lines, folder

    @cached_property
    def reference(self) -> Reference:
        """The observed sentences and their links."""
        return self._find().first(self._lines)

    def __call__(self, translator: Translator, step: int) -> Look | None:
        """Entropy, sink mass and coverage of each layer (`mt.alignment.map_statistics`) and their change since the last
        call; with routers that switch heads, also the share of heads that is on.

        The first call in a run has nothing to compare with. None where there are no sentences.
        """
        reference = self.reference
        if not reference.sources:
            return None
        decoder = translator.model.decoder
        num_heads = decoder.layers[0].cross_attention.num_maps
        aligner = Aligner(translator, default_choice(decoder.num_maps, num_heads))
        with heads_used(translator.model) as shares:
            raws = aligner.attention(reference.sources, reference.targets, trees=reference.trees)
        error = None
        if reference.has_links:
            texts = {"sources": reference.sources, "targets": reference.targets}
            error = rank(raws, reference.links, **texts, is_partial=reference.is_learned)[0].error_rate
        found = map_statistics(raws)
        maps = [raw.weights_LHTS.astype(np.float32) for raw in raws[:COMPARED_LINES]]
        if (before := self._before(step)) and [each.shape for each in before] == [each.shape for each in maps]:
            found["change"] = change(before, maps)
        numbers = {
            f"attention_{name}_layer{layer}": round(float(value), 5)
            for name, values in found.items()
            for layer, value in enumerate(values)
        }
        numbers |= {f"attention_heads_used_{name}": round(share, 5) for name, share in shares.items()}

        def draw(path: Path) -> None:
            self._draw(raws, path)
            np.savez_compressed(path.with_suffix(MAPS), *maps)

        return Look(None if error is None else 100 * error, numbers, draw)

    def _before(self, step: int) -> list[np.ndarray]:
        """The maps of the last validation before `step`: a killed run may have left later ones."""
        found = {int(path.stem.rpartition("_")[2]): path for path in self._folder.glob(f"step_*{MAPS}")}
        earlier = [number for number in found if number < step]
        if not earlier:
            return []
        try:
            with np.load(found[max(earlier)]) as stored:
                return [stored[name] for name in stored.files]
        except (OSError, ValueError, zipfile.BadZipFile):  # cut short by a kill
            return []

    def _draw(self, raws: Sequence[RawAttention], path: Path) -> None:
        """One sentence: a map per layer, the mean of its heads."""
        number = self._pictured()
        source, target, raw = self.reference.sources[number], self.reference.targets[number], raws[number]
        layers = (Alignment.from_attention(raw, layer=layer, shift=0) for layer in range(raw.num_layers))
        maps = [by_words(alignment, source, target) for alignment in layers]
        save_grid([maps], path.with_suffix(""), formats=("png",), title=source, gold=self.reference.links[number])

    def _pictured(self) -> int:
        lengths = [num_words(source) for source in self.reference.sources]
        fitting = [number for number, length in enumerate(lengths) if length <= PICTURED_WORDS]
        return max(fitting, key=lengths.__getitem__) if fitting else lengths.index(min(lengths))
