"""What an objective is: it runs the model on a batch and says what to minimise and what to sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq


class Loss(NamedTuple):
    """What an objective gives for a batch, or for a part of one. All tensors are scalars.

    `minimised` has the gradient: a sum over the real target tokens, in nats. `sums` are without a gradient; "nats" is
    among them, the negative log-likelihood of the targets, which is reported as the loss. Each of the other sums is
    reported under its own name, divided by what `counts` holds under that name, or else by the real target tokens. All
    of them are added up over the parts of a batch, the batches of an update and the ranks.

    A named tuple because DDP and FSDP look for tensors inside tuples and dictionaries.
    """

    minimised: Tensor
    sums: Mapping[str, Tensor]
    counts: Mapping[str, Tensor]  # {} where every sum is over target tokens


class Objective(Protocol):
    """Called inside the one module that DDP or FSDP wraps, so it may run the model as often as it likes.

    One objective may wrap another. The losses of the parts of a batch must add up to the loss of the batch, and every
    batch must give the same names. A batch may have no real target token: every sum is then 0.

    An objective that relates pairs of the whole update to one another has `relates_pairs = True`. Where an update has
    several parts or ranks, it is called twice for each part, first without gradients, and shares what it needs of all
    parts by `mt.data.whole_update.over_the_update`. Both rounds of calls begin with the same state of torch's
    generator, so that what is drawn at random is the same.

    An objective that runs the model as often as its own results ask for, as a search does, has `searches = True`: ranks
    with a part of the model each, which must step together, cannot train by it.

    An objective may have weights of its own, for training alone: then it has `make_weights(model) -> nn.Module`, which
    makes them anew for this model by torch's generator, on the CPU, keeps the module, and returns it. The updater calls
    it once, before all else but `check`, with a generator that depends on the seed alone. Every batch must use all of
    them. They are parameters, not buffers, and are clipped, updated, sharded and resumed as those of the model are; the
    moving average and the checkpoint's model know nothing of them. A resumed training must have the same ones.
    """

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss: ...

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError, naming the setting, for a model that this objective cannot train."""

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """Raises ValueError, naming the setting, for tokenizers of the corpus with which it cannot train."""


def relates_pairs(objective: object) -> bool:
    """Whether the objective, or one that it wraps as its `inner`, relates pairs of the whole update to one another."""
    return _any_has(objective, "relates_pairs")


def searches(objective: object) -> bool:
    """Whether the objective, or one that it wraps as its `inner`, runs the model as often as its results ask for."""
    return _any_has(objective, "searches")


def _any_has(objective: object, name: str) -> bool:
    inner = getattr(objective, "inner", None)
    return bool(getattr(objective, name, False)) or (inner is not None and _any_has(inner, name))


def make_weights(objective: object, model: Seq2Seq) -> nn.ModuleList:
    """Makes the weights of the objective and of those that it wraps as its `inner`, outermost first; mostly none."""
    make, inner = getattr(objective, "make_weights", None), getattr(objective, "inner", None)
    own = [] if make is None else [make(model)]
    return nn.ModuleList([*own, *([] if inner is None else make_weights(inner, model))])
