"""What a test of flags gives the align commands to read, and what they made of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mt import align_head
from mt.alignment.alignment import Alignment
from mt.alignment.choice import Choice
from mt.alignment.lexicon_priors import LexiconPriors
from mt.alignment.links import Link, argmax_links, to_pharaoh
from mt.alignment.statistical_aligner import StatisticalAligner
from mt.checkpoint.folder import load_checkpoint
from mt.data.pair import Pair
from mt.inference.aligner import Aligner
from mt.inference.shortlist import Shortlist
from mt.inference.shortlist_learning import learned
from mt.model.alignment_head import add_alignment_head
from mt.training.alignment_head import teach_alignment_head
from mt.training.pairs import batches_of
from tests.alignment.known import HEADS, LAYERS

LINE, TARGET = "eins zwei drei vier", "vier drei zwei eins"


@dataclass(frozen=True)
class World:
    """A folder with texts, links and models, and the results of the functions that the commands call."""

    folder: Path

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text("utf-8").splitlines()

    def alignment(self, source: str = LINE, target: str = TARGET, precision: str = "float32", **how) -> Alignment:
        """Of words: each is a piece."""
        return Aligner.load(self["model"], device="cpu", precision=precision).align([source], [target], **how)[0]

    def weights(self, **how) -> list[list[float]]:
        return self.alignment(**how).to_json()["weights"]

    def two_directions(self, **how) -> tuple[set[Link], set[Link]]:
        backward = argmax_links(self.alignment(TARGET, LINE).weights_TS)
        return argmax_links(self.alignment(**how).weights_TS), {(source, target) for target, source in backward}

    def statistical(self, *, priors: str | None = None, **how: int) -> StatisticalAligner:
        words = ([line.split() for line in self.lines(name)] for name in ("many_source", "many_target"))
        known = LexiconPriors.read(self.lines(priors), priors) if priors else None
        return StatisticalAligner(*words, priors=known).fit(**how)

    def soft_links(self, threshold: float | None = None, **how) -> list[str]:
        return [to_pharaoh(links) for links in self.statistical(**how).links(threshold)]

    def head(
        self, *, layer=0, steps=2, learning_rate=5e-3, max_tokens=4096, seed=1, dtype=torch.float32, links=None
    ) -> list[float]:
        """What a head that is taught with these settings knows; links of a file, or the statistical aligner's."""
        loaded = load_checkpoint(self["model"])
        torch.manual_seed(seed)
        model = add_alignment_head(loaded.model, layer=layer)
        texts = (
            self.lines("many_source"),
            self.lines("many_target"),
            self.lines(links) if links else self.soft_links(),
        )
        pairs = [Pair(*lines) for lines in zip(*texts, strict=True) if all(lines)]
        (self.folder / "batches").mkdir()
        how = {"max_tokens": max_tokens, "seed": seed, "shift": align_head.SHIFT}
        teach_alignment_head(
            model,
            batches_of(pairs, loaded.tokenizers, self.folder / "batches", **how),
            steps=steps,
            learning_rate=learning_rate,
            device=torch.device("cpu"),
            dtype=dtype,
            tell=lambda step, loss: None,
        )
        shutil.rmtree(self.folder / "batches")
        return head_of(model)

    def body(self, name: str) -> list[float]:
        """Of the model in a folder, what stands still while it is taught a head."""
        return load_checkpoint(self[name]).model.encoder.layers[0].attention.query.weight.flatten().tolist()

    def shortlist(self, *, sides=("many_source", "many_target"), limit=80, **sizes: int) -> dict[str, list[int]]:
        """What is learned from the first lines of two files."""
        tokenizers = load_checkpoint(self["model"]).tokenizers
        both = (tokenizers.source, tokenizers.target)
        ids = (tokenizer.encode_many(self.lines(name)[:limit]) for tokenizer, name in zip(both, sides, strict=True))
        whole = {"source_size": tokenizers.source.size, "target_size": tokenizers.target.size}
        return as_lists(learned(*ids, **whole, **{"best": 2, "frequent": 3, **sizes}))


def head_of(model: torch.nn.Module) -> list[float]:
    """The queries of a model's alignment head."""
    return model.decoder.alignment_head.query.weight.flatten().tolist()


def as_lists(found: Shortlist) -> dict[str, list[int]]:
    return {name: rows.tolist() for name, rows in found.arrays().items()}


@dataclass(frozen=True)
class Outcome:
    """The results of a run of a command."""

    world: World
    printed: list[str]
    error: str
    batch_tokens: set[int]

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in Path(self.world["out"]).iterdir())

    @property
    def record(self) -> dict[str, Any]:
        return json.loads(self.world.lines("out/alignments.jsonl")[0])

    @property
    def links(self) -> str:
        return self.world.lines("out/links.pharaoh")[0]

    @property
    def choice(self) -> Choice:
        return Choice.load(self.world["model"], num_layers=LAYERS, num_heads=HEADS)

    @property
    def head(self) -> list[float]:
        return head_of(load_checkpoint(self.world["out"]).model)

    @property
    def shortlist(self) -> dict[str, list[int]]:
        model = load_checkpoint(self.world["model"])
        source, target = model.tokenizers.source.size, model.tokenizers.target.size
        return as_lists(Shortlist.load(model.folder, source_size=source, target_size=target))

    def has(self, name: str) -> bool:
        return Path(self.world[name]).is_file()


@dataclass(frozen=True)
class Case:
    """With `given`, `look` gives `seen`, a value or what a function makes of the world; with `instead` it does not.

    `instead` is mostly nothing; `beside` goes with both. Names in braces are files of the world.
    """

    given: str
    look: Callable[[Outcome], Any]
    seen: Any
    beside: str = ""
    instead: str = ""


def weights(run: Outcome) -> list[list[float]]:
    return run.record["weights"]


def refused_tag(run: Outcome) -> bool:
    return "tag (<2xx>) must be a symbol of the model's tokenizer, it was trained without any" in run.error
