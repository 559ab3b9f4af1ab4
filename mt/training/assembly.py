"""From settings to the parts of a training: what is wrong is refused before any work is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mt.checkpoint.folder import check_search
from mt.checkpoint.rebuild import build, find_target
from mt.data.settings import DataSettings
from mt.data.tokenizer import TokenizerSettings
from mt.device import choose_device, choose_precision
from mt.objective.guided import Guidance
from mt.training.ema import MovingAverage
from mt.training.source_lexicon import LexiconSettings
from mt.training.tracker import Tracker
from mt.training.trainer import TrainerSettings

# by name: the class that a part must be of, where there is one
KINDS = {
    "data": "mt.data.settings.DataSettings",
    "tokenizer": "mt.data.tokenizer.TokenizerSettings",
    "search": "mt.search.search.Search",
    "guidance": "mt.objective.guided.Guidance",
    "scores": "mt.evaluation.tokenization.ScoreSettings",
    "trainer": "mt.training.trainer.TrainerSettings",
    "final": "mt.evaluation.final.FinalSettings",
}
# settings without a `_target_` of their own, and what they are handed to
HANDED_TO = {
    "lexicon": "mt.training.source_lexicon.LexiconSettings",
    "batches": "mt.data.batching.TokenBatches",
    "validation": "mt.evaluation.validation.Validator",
}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a training is made of; each is named after its setting."""

    data: DataSettings
    tokenizer: TokenizerSettings
    trainer: TrainerSettings
    objective: Callable
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]
    schedule: Callable[[int, float], float]
    guidance: Guidance
    lexicon: LexiconSettings
    tracker: Tracker
    search: Any  # mt.search.search.Search: training itself never searches
    scores: Any  # mt.evaluation.tokenization.ScoreSettings
    final: Any  # mt.evaluation.final.FinalSettings
    make_batches: Callable[..., Any]
    make_validator: Callable[..., Any]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Parts:
        """Builds the parts. Raises ValueError for everything that can be known before the corpus is read.

        What is used last is checked, too: the search, what comes after training, the tracker, the model's sizes.
        """
        names = ("data", "tokenizer", "trainer", "objective", "optimizer", "schedule", "guidance", "tracker")
        parts = {name: _part(name, settings.get(name)) for name in (*names, "search", "scores", "final")}
        lexicon, make_batches, make_validator = (
            build({"_target_": target, **({} if name == "lexicon" else {"_partial_": True}), **_node(name, settings)})
            for name, target in HANDED_TO.items()
        )
        made = cls(**parts, lexicon=lexicon, make_batches=make_batches, make_validator=make_validator)
        made.check(_node("model", settings))
        return made

    def check(self, model_node: Mapping[str, Any]) -> None:
        """Raises ValueError for parts that do not go together, or would fail once they are used."""
        if self.final.average_last > self.trainer.keep_last:
            raise ValueError(
                f"final.average_last ({self.final.average_last}) must be at most trainer.keep_last"
                f" ({self.trainer.keep_last}), the checkpoints that there will be"
            )
        check_search(self.search, "search")  # it goes into the checkpoint
        choose_precision(self.trainer.precision, choose_device(self.trainer.device))
        validation = self.make_validator.keywords
        for name in ("sample_lines", "attention_lines"):
            if validation.get(name, 0) < 0:
                raise ValueError(f"validation.{name} ({validation[name]}) must be 0 or more")
        if not isinstance(validation.get("search"), find_target(KINDS["search"])):
            raise ValueError("validation.search must be a search, such as {_target_: mt.search.greedy.Greedy}")
        stand_in = nn.Linear(1, 1)
        MovingAverage(stand_in, self.trainer.ema_decay)
        try:
            self.optimizer(stand_in)
            rate = self.schedule(1, 0.0)
        except TypeError as error:
            raise ValueError(
                f"optimizer and schedule must be settings of an optimizer and a schedule: {error}"
            ) from error
        if not (isinstance(rate, float) and math.isfinite(rate) and rate >= 0):
            raise ValueError(f"schedule must give a learning rate for the first update, not {rate}")
        self.tracker.check()
        self._check_model(model_node)

    def _check_model(self, node: Mapping[str, Any]) -> None:
        size = self.tokenizer.vocab_size
        try:
            with torch.device("meta"):  # sizes without memory
                model = build(node, source_vocab_size=size, target_vocab_size=size)
        except (RuntimeError, TypeError, OverflowError) as error:  # torch on sizes that no tensor has
            raise ValueError(f"model cannot be built: {error}") from error
        if self.guidance.is_on:
            layers = model.decoder.layers
            self.guidance.at(len(layers), layers[0].cross_attention.num_heads)


def _part(name: str, node: Any) -> Any:
    """The part that the setting `name` describes. Raises ValueError where it is of another kind."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise ValueError(f"{name} ({node}) must be settings with a _target_: choose an option with {name}=…")
    part = build(node)
    kind = KINDS.get(name)
    is_fit = isinstance(part, find_target(kind)) if kind else hasattr(part, "record") or callable(part)
    if not is_fit:
        wanted = kind.rpartition(".")[2] if kind else name
        raise ValueError(f"{name} ({node['_target_']}) must be a {wanted}")
    return part


def _node(name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    node = settings.get(name)
    if not isinstance(node, Mapping):
        raise ValueError(f"{name} ({node}) must be settings by name")
    return node
