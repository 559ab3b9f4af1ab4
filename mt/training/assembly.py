"""One place that turns settings into what trains: for `train`, for the doctor and its trial, for measured speeds.

    settings -> `Parts` (checked before any work) -> prepared corpus -> `Assembly` -> `Learner`

What one of them refuses, all refuse, with the same line.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mt.checkpoint.card import ModelCard
from mt.checkpoint.folder import check_search
from mt.checkpoint.rebuild import build, find_target
from mt.data.batching import Guiding, MakeSource, TokenBatches
from mt.data.prepare import Prepared, check_preparable, corpus_fingerprint, former_fingerprints, prepare
from mt.data.settings import DataSettings
from mt.data.sources import reads_untagged, sources_of, target_languages
from mt.data.tags import check_tagged, tags_of_tokenizer
from mt.data.tokenizer import TokenizerPair, TokenizerSettings
from mt.device import choose_device, choose_precision, set_up_memory, set_up_training
from mt.kernels.library import library
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Objective
from mt.objective.guided import Guidance
from mt.training.distributed import Ranks
from mt.training.fitting import AnyShards, check_fits_corpus
from mt.training.learner import Learner, average_of, check_schedule
from mt.training.parameters import check_freeze, freeze
from mt.training.picture_boxes import BoxGuide, check_boxes
from mt.training.published_weights import check_published, fill_published
from mt.training.settings import TrainerSettings
from mt.training.source_images import source_images
from mt.training.source_lexicon import LexiconSettings, fill_lexicon
from mt.training.source_sentences import check_sentences, with_separator
from mt.training.source_sounds import source_sounds
from mt.training.source_trees import source_trees
from mt.training.starting_point import StartingPoint
from mt.training.tracker import Tracker
from mt.training.word_links import check_links, find_links, guide_of, priors_of

log = logging.getLogger(__name__)

EXAMPLES = 10_000  # training pairs that are looked at for tags in their text

GROUPS = ("data", "tokenizer", "model", "objective", "optimizer", "schedule", "search", "tracker")
OWN = ("batches", "guidance", "lexicon", "scores", "trainer", "validation", "final")
SETTINGS = ("name", "folder", "fresh", "resume", *GROUPS, *OWN)
MAY_BE_MISSING = (
    "start_from",
    "new_vocabulary",
    "tokenizer_from",
    "freeze",
)  # as in settings of earlier versions: null

# by name: the class that a part must be of, where there is one
KINDS = {
    "data": "mt.data.settings.DataSettings",
    "tokenizer": "mt.data.tokenizer.TokenizerSettings",
    "search": "mt.search.search.Search",
    "guidance": "mt.objective.guided.Guidance",
    "scores": "mt.evaluation.tokenization.ScoreSettings",
    "trainer": "mt.training.settings.TrainerSettings",
    "final": "mt.evaluation.final.FinalSettings",
}
# settings without a `_target_`, and the class that takes them
HANDED_TO = {
    "lexicon": "mt.training.source_lexicon.LexiconSettings",
    "batches": "mt.data.batching.TokenBatches",
    "validation": "mt.evaluation.validation.Validator",
}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises ValueError for a missing or unknown setting, or a wrong value of `folder`, `fresh` or `resume`."""
    for name in SETTINGS:
        if name not in settings:
            raise ValueError(f"the setting {name} is missing")
    known = (*SETTINGS, *MAY_BE_MISSING)
    for name in settings:
        if name not in known:  # from a settings file: the command line's are checked already
            near = get_close_matches(name, known, n=1)
            raise ValueError(f"there is no setting {name}{f'; did you mean {near[0]}?' if near else ''}")
    if not isinstance(settings["folder"], str) or not settings["folder"].strip():
        raise ValueError(f"folder ({settings['folder']}) must name a folder")
    if not isinstance(settings["fresh"], bool):  # a word such as "no" would count as true, and delete a run
        raise ValueError(f"fresh ({settings['fresh']}) must be true or false")
    if "allow" not in _node("resume", settings):
        raise ValueError("resume needs the setting allow")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a training; each is named after its setting."""

    model_node: Mapping[str, Any]
    data: DataSettings
    tokenizer: TokenizerSettings
    trainer: TrainerSettings
    device: torch.device  # that trainer.device chooses; of several ranks, each uses its own GPU
    objective: Objective
    optimizer: Callable[..., torch.optim.Optimizer]  # (model, weights of the objective)
    schedule: Callable[[int, float], float]
    guidance: Guidance
    lexicon: LexiconSettings
    tracker: Tracker
    search: Any  # mt.search.search.Search: training itself never searches
    scores: Any  # mt.evaluation.tokenization.ScoreSettings
    final: Any  # mt.evaluation.final.FinalSettings
    make_batches: partial[TokenBatches]
    make_validator: partial[Any]  # mt.evaluation.validation.Validator
    start: StartingPoint | None  # None: fresh weights
    frozen: tuple[str, ...]  # prefixes of parameter names that are not trained

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Parts:
        """Builds the parts. Raises ValueError for everything that can be known before the corpus is read.

        This includes what is used only later: the search, the final evaluation, the tracker, the model's sizes.
        """
        check_settings(settings)
        names = ("data", "tokenizer", "trainer", "objective", "optimizer", "schedule", "guidance", "tracker")
        parts = {name: _part(name, settings.get(name)) for name in (*names, "search", "scores", "final")}
        lexicon, make_batches, make_validator = (
            build({"_target_": target, **({} if name == "lexicon" else {"_partial_": True}), **_node(name, settings)})
            for name, target in HANDED_TO.items()
        )
        made = cls(
            **parts,
            device=choose_device(parts["trainer"].device),
            model_node=_node("model", settings),
            lexicon=lexicon,
            make_batches=make_batches,
            make_validator=make_validator,
            start=StartingPoint.of(settings),
            frozen=check_freeze(settings.get("freeze")),
        )
        made.check()
        return made

    @property
    def kept_tokenizers(self) -> TokenizerPair | None:
        """The tokenizers of the checkpoint that gives them (`StartingPoint`); None where new ones are learned."""
        return self.start.tokenizers if self.start else None

    @property
    def whole_objective(self) -> Objective:
        """The objective, with the guided head where there is one."""
        return self.guidance.around(self.objective)

    def without_guidance(self) -> Parts:
        """The same parts without guidance."""
        return replace(self, guidance=replace(self.guidance, links=None))

    def fingerprint(self) -> str:
        """The fingerprint of the corpus and its tokenizers: changes with anything that changes the training pairs."""
        return corpus_fingerprint(self.data, self.tokenizer, kept=self.kept_tokenizers)

    def former_fingerprints(self) -> list[str]:
        """The fingerprints that older versions gave the same corpus, newest first."""
        return former_fingerprints(self.data, self.tokenizer)

    def prepare(self) -> Prepared:
        """The corpus; prepares it first if necessary."""
        return prepare(self.data, self.tokenizer, kept=self.kept_tokenizers)

    def set_up_process(self) -> None:
        """Sets up the libraries of this process for the training. Raises ValueError for a wrong MT_KERNELS."""
        if self.device.type == "cpu":
            library()  # compiled now, if it was not yet
        set_up_training()

    def fitting_scores(self) -> dict[str, Any]:
        """How each held-out set is scored, by name: `mt.evaluation.tokenization.Fitting`."""
        held_out = {"valid": self.data.valid, **self.data.tests}
        of_data = self.data.target_language
        return {name: self.scores.fitting(*target_languages(corpus, of_data)) for name, corpus in held_out.items()}

    def check(self) -> None:
        """Raises ValueError for parts that do not fit together, or that would fail later, when they are used."""
        if self.final.average_last > self.trainer.keep_last:
            raise ValueError(
                f"final.average_last ({self.final.average_last}) must be at most trainer.keep_last"
                f" ({self.trainer.keep_last}), the number of checkpoints kept"
            )
        check_search(self.search, "search")  # it goes into the checkpoint
        choose_precision(self.trainer.precision, self.device)
        self._check_validation()
        self._check_optimizer()
        self.tracker.check()
        self.fitting_scores()
        check_preparable(self.data, self.kept_tokenizers)
        self._check_batches()
        if self.start:
            self.start.check_languages(self.data)
        self._check_model()

    def _check_validation(self) -> None:
        validation = self.make_validator.keywords
        for name in ("sample_lines", "attention_lines"):
            if validation.get(name, 0) < 0:
                raise ValueError(f"validation.{name} ({validation[name]}) must be 0 or more")
        if not isinstance(validation.get("search"), find_target(KINDS["search"])):
            raise ValueError("validation.search must be a search, such as {_target_: mt.search.greedy.Greedy}")

    def _check_optimizer(self) -> None:
        stand_in = nn.Linear(1, 1)
        try:
            optimizer, rate = self.optimizer(stand_in), self.schedule(1, 0.0)
        except TypeError as error:
            raise ValueError(
                f"optimizer and schedule must be settings of an optimizer and a schedule: {error}"
            ) from error
        average_of(stand_in, optimizer, self.trainer.ema_decay)
        check_schedule(optimizer, self.schedule)
        if not (isinstance(rate, float) and math.isfinite(rate) and rate >= 0):
            raise ValueError(f"schedule must give a learning rate for the first update, not {rate}")

    def _check_batches(self) -> None:
        if "max_tokens" not in self.make_batches.keywords:
            raise ValueError("batches needs the setting max_tokens")
        if self.data.keep_shards is not None:
            shards = AnyShards(self.data.max_pieces)
            tokenizers: Any = None  # not needed, since no batch is read
            TokenBatches(shards, tokenizers, seed=0, **self.make_batches.keywords)
        elif mixture := self.make_batches.keywords.get("mixture"):
            mixture.check(list(sources_of(self.data.train)))
        if masking := self.make_batches.keywords.get("masking"):
            kept = self.kept_tokenizers
            symbols = kept.source.reserved_symbols if kept else self.tokenizer.reserved_symbols
            masking.check(symbols, list(sources_of(self.data.train)))

    def _check_model(self) -> None:
        kept, size, node = self.kept_tokenizers, self.tokenizer.vocab_size, self.model_node
        sizes = (kept.source.size, kept.target.size) if kept else (size, size)
        try:
            with torch.device("meta"):  # sizes without memory
                model = build(node, source_vocab_size=sizes[0], target_vocab_size=sizes[1])
                model = self.start.changed(model) if self.start else model
        except (RuntimeError, TypeError, OverflowError) as error:  # torch on sizes that no tensor has
            raise ValueError(f"model cannot be built: {error}") from error
        check_published(model)
        self.whole_objective.check(model)
        if self.guidance.links == "boxes" and not (model.image and model.fusion.keeps_regions):
            raise ValueError("guidance.links (boxes) needs a decoder that sees: +image@model.beside.image=regions")
        if (views := self.make_batches.keywords.get("views")) and views.is_on and model.image is None:
            raise ValueError("batches.views is for a model that sees: +image@model.beside.image=regions")
        if kept:
            self.whole_objective.check_tokenizers(kept)
        is_in_shards = self.data.keep_shards is not None
        check_links(self.guidance.links, is_in_shards=is_in_shards)
        if model.lexicon is not None:
            links = self.lexicon.links or (self.guidance.links != "boxes" and self.guidance.links) or "learned"
            check_links(links, is_in_shards=is_in_shards, setting="lexicon.links")
        if self.start:
            self.start.check_model(model, node)
        freeze(model, self.frozen, say=lambda *_: None)


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """What trains on a prepared corpus, built from the parts in the same way for `train`, doctor and benchmarks."""

    parts: Parts
    prepared: Prepared
    card: ModelCard
    model: Seq2Seq  # with fresh weights until `take_first_weights`; without gradients where frozen
    make_source: MakeSource | None

    @classmethod
    def of(cls, parts: Parts, prepared: Prepared) -> Assembly:
        """Builds the model, checks it against the corpus (ValueError), and sets up memory for the corpus's lines."""
        data, tokenizers = parts.data, prepared.tokenizers
        set_up_memory(parts.device, longest=prepared.longest or data.max_pieces)
        parts.whole_objective.check_tokenizers(tokenizers)
        torch.manual_seed(parts.trainer.seed)
        node = with_separator(parts.model_node, data.document, tokenizers.source)
        model = build(node, source_vocab_size=tokenizers.source.size, target_vocab_size=tokenizers.target.size)
        model = parts.start.changed(model) if parts.start else model
        check_sentences(model)
        check_fits_corpus(model, tokenizers, max_pieces=data.max_pieces)
        make_source = source_images(model, prepared, data.images, source_trees(model, prepared))
        make_source = source_sounds(model, prepared, data.sounds, make_source)
        freeze(model, parts.frozen)
        examples = (pair.source for pair in prepared.train.sample(EXAMPLES))
        card = ModelCard(
            model=node,
            source_language=data.source_language,
            target_language=data.target_language,
            changes=list(parts.start.changes) if parts.start else [],
            max_pieces=data.max_pieces,
            document=data.document,
            images=None if model.image is None else data.images,
            sounds=None if model.sound is None else data.sounds,
            reads_untagged=reads_untagged(data.train, examples, tags_of_tokenizer(tokenizers.source)),
        )
        if card.reads_untagged is False:
            for held_out in (prepared.valid, *prepared.tests.values()):
                check_tagged(held_out, tags_of_tokenizer(tokenizers.source))
        return cls(parts=parts, prepared=prepared, card=card, model=model, make_source=make_source)

    def take_first_weights(self, ranks: Ranks) -> None:
        """Loads the weights of the checkpoint to start from, and fills a lexicon that the checkpoint does not provide.

        A resumed training needs neither. Raises ValueError where the corpus lacks the links for a lexicon.
        """
        start, has_lexicon = self.parts.start, False
        fill_published(self.model)
        if start is not None and start.checkpoint is not None:
            has_lexicon = start.load_weights(self.model, self.prepared.tokenizers)
        if not has_lexicon:
            fill_lexicon(self.model, self.parts.lexicon, self.parts.guidance, self.prepared, ranks)

    def batches(self, *, shuffle: bool = True, ranks: Ranks | None = None) -> TokenBatches:
        """The training batches of this rank, with guides where guidance is on.

        Raises ValueError where the corpus lacks the links for that.
        """
        ranks, guidance = ranks or Ranks(), self.parts.guidance
        if guidance.links == "boxes":
            check_boxes(self.prepared)
            guide: Guiding | None = BoxGuide(self.prepared, self.model, shift=guidance.shift)
        else:
            ranks.on_first_rank(lambda: find_links(guidance.links, self.prepared))
            guide = guide_of(guidance, self.prepared)
        return self.parts.make_batches(
            self.prepared.train,
            self.prepared.tokenizers,
            seed=self.parts.trainer.seed,
            shuffle=shuffle,
            guide=guide,
            make_source=self.make_source,
            extra_places=sum(self.model.places.values()),
            rank=ranks.rank,
            world_size=ranks.world_size,
        )

    @property
    def priors(self) -> Path | None:
        """Where the priors of learned links lie once `batches` or a lexicon has needed them; else None."""
        guiding, links = self.parts.guidance.links, [self.parts.guidance.links]
        if self.model.lexicon is not None:
            links.append(self.parts.lexicon.links or guiding or "learned")
        return priors_of(links, self.prepared)

    def valid_batches(self) -> TokenBatches:
        """The validation pairs once, by length, for the loss."""
        max_tokens = max(8192, 2 * self.parts.data.max_pieces + 2)  # a batch holds the longest pair at least
        return TokenBatches(
            self.prepared.valid_store,
            self.prepared.tokenizers,
            max_tokens=max_tokens + sum(self.model.places.values()),
            seed=0,
            shuffle=False,
            make_source=self.make_source,
            extra_places=sum(self.model.places.values()),
        )

    def learner(self, ranks: Ranks | None = None) -> Learner:
        """Moves the model to the device, with an updater, an optimizer and the moving average."""
        ranks = ranks or Ranks()
        return Learner.of(
            self.parts.trainer,
            self.model,
            device=ranks.device(self.parts.device),
            objective=self.parts.whole_objective,
            optimizer=self.parts.optimizer,
            max_tokens=self.parts.make_batches.keywords["max_tokens"],
            ranks=ranks,
        )


def _part(name: str, node: Any) -> Any:
    """The part that the setting `name` describes. Raises ValueError where it is of another kind."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise ValueError(f"{name} ({node}) must be settings with a _target_: choose an option with {name}=…")
    part = build(node)
    kind = KINDS.get(name)
    is_fit = isinstance(part, find_target(kind)) if kind else hasattr(part, "record") or callable(part)
    if not is_fit:
        expected = kind.rpartition(".")[2] if kind else name
        raise ValueError(f"{name} ({node['_target_']}) must be a {expected}")
    return part


def _node(name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    node = settings.get(name)
    if not isinstance(node, Mapping):
        raise ValueError(f"{name} ({node}) must be settings by name")
    return node
