"""The pairs of a batch that have a picture (or sound), in the model's shared space: what objectives compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.several import Shared
from mt.data.source import Text
from mt.data.tokenizer import BOS, PAD
from mt.data.whole_update import Rows
from mt.model.memory import Memory
from mt.model.seq2seq import Seq2Seq
from mt.model.shared_space import SharedSpace
from mt.objective.contract import Loss, Objective
from mt.objective.draws import content_keys

# B batch, N its pairs that have a picture (or sound), T target positions, D model


@dataclass(frozen=True, eq=False)
class Pairs:
    """`loss` is that of the inner objective, whose first pass encoded the pictures (`memories`, by name, of all B).

    `states_NTD` are those of the texts of pairs that have anything beside their text, read beside nothing; `targets_NT`
    what they predict. By the name of each source, `places_N` says which rows of the batch have it, and `rows` has what
    all parts of an update share of them.
    """

    loss: Loss
    states_NTD: Tensor
    targets_NT: Tensor
    memories: Mapping[str, Memory]
    places_N: Mapping[str, Tensor]
    rows: Mapping[str, Rows]

    @classmethod
    def of(cls, model: Seq2Seq, batch: Batch, inner: Objective) -> Pairs:
        """Runs the inner objective, and the decoder once more over the texts."""
        space = model.space
        assert space is not None, "check comes before training"
        with kept_memories(model) as memories:
            loss = inner(model, batch)
        has_target_B = (batch.target_out_BT != PAD).any(dim=1)
        has_B = {name: has_target_B & _has(batch, name) for name in space.names}
        any_N = torch.stack(list(has_B.values())).any(dim=0).nonzero().squeeze(1)
        tokens_NT, targets_NT = (one.index_select(0, any_N) for one in (batch.target_in_BT, batch.target_out_BT))
        states_NTD = read_alone(model, tokens_NT)
        texts = _texts(space, tokens_NT, states_NTD, targets_NT)
        places_N, rows = {}, {}
        for name in space.names:
            among_N = has_B[name].index_select(0, any_N)
            places_N[name] = any_N[among_N]
            things = _things(space, name, model.places[name], batch, memories.get(name), places_N[name])
            rows[name] = {key: value[among_N] for key, value in texts.items()} | things
        return cls(loss, states_NTD, targets_NT, memories, places_N, rows)


def read_alone(model: Seq2Seq, tokens_NT: Tensor) -> Tensor:
    """states_NTD of texts that the decoder reads beside nothing."""
    # even of no text: where weights are in shards, every rank must run the decoder as often as the others
    tokens = tokens_NT if len(tokens_NT) else tokens_NT.new_full((1, tokens_NT.shape[1]), BOS)
    # not by calling the model: what looks at its passes (`Guided`) knows only those beside a picture
    states, _ = model.extend(tokens, model.start(Text.of([[]]).to(tokens.device)))
    return states[: len(tokens_NT)]


@contextmanager
def kept_memories(model: Seq2Seq) -> Iterator[Mapping[str, Memory]]:
    """What the encoders beside that of text give in the first pass inside the block, by their names."""
    kept: dict[str, Memory] = {}
    encoders = {} if model.beside is None else dict(model.beside.items())

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: tuple, memory: Memory) -> None:
            kept.setdefault(name, memory)

        return hook

    hooks = [encoder.register_forward_hook(keep(name)) for name, encoder in encoders.items()]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def true_pairs(rows: Rows, others: Rows) -> Tensor:
    """is_true_NM: whether the text of a row is true of another row's picture: their texts or pictures are equal."""
    is_true_NM = rows["text_key"][:, None] == others["text_key"]
    return is_true_NM | (rows["thing_key"][:, None] == others["thing_key"])


def _has(batch: Batch, name: str) -> Tensor:
    """has_B: whether each source has a picture (or sound)."""
    part = batch.source.parts.get(name)
    if part is None:
        return torch.zeros_like(batch.target_in_BT[:, 0], dtype=torch.bool)
    assert isinstance(part, Shared)
    return part.numbers_B >= 0


def _texts(space: SharedSpace, tokens_NT: Tensor, states_NTD: Tensor, targets_NT: Tensor) -> dict[str, Tensor]:
    """What is shared of the texts; BOS is no word."""
    is_word_NT = (tokens_NT != PAD) & (tokens_NT != BOS)
    return {
        "text": space.of_text(states_NTD, is_word_NT),
        "is_word": is_word_NT,
        "text_key": content_keys(targets_NT),
        "tokens": (targets_NT != PAD).sum(dim=1).float(),
        # a row each, so that every part leads its share of the gradient on
        "scale": space.scale().expand(len(tokens_NT)),
    }


def _things(
    space: SharedSpace, name: str, places: int, batch: Batch, memory: Memory | None, rows_N: Tensor
) -> dict[str, Tensor]:
    """What is shared of the pictures or sounds of these rows."""
    if memory is None:
        empty_NSD = space.log_scale.new_zeros(0, places, space.text.into.in_features)
        return {"thing": space.of(name, empty_NSD), "thing_key": rows_N}
    part = batch.source.parts[name]
    assert isinstance(part, Shared)
    keys_N = content_keys(part.values_N.flatten(1)).index_select(0, part.numbers_B.index_select(0, rows_N))
    return {"thing": space.of(name, memory.states_BSD.index_select(0, rows_N)), "thing_key": keys_N}
