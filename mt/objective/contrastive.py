"""Contrast: texts lie close to their own pictures or sounds, and far from others (InfoNCE, as in CLIP and CoCa)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from mt.data.batching import Batch
from mt.data.several import Shared
from mt.data.source import Text
from mt.data.tokenizer import BOS, PAD, TokenizerPair
from mt.data.whole_update import Rows, over_the_update
from mt.model.memory import Memory
from mt.model.seq2seq import Seq2Seq
from mt.model.shared_space import SharedSpace
from mt.objective.contract import Loss, Objective
from mt.objective.distillation import check_weight
from mt.objective.draws import content_keys
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy

# B batch, N its pairs that have a picture (or sound), T target positions, S places, D model, E width of the space


class Contrastive:
    """Another objective, and beside it the symmetric InfoNCE between texts and their pictures (or sounds).

    A text is the target, read by the decoder beside an empty source (as in CoCa, Yu et al. 2022: one decoder); a
    picture is what its encoder made of it in the inner objective's first pass. Both are projected into the model's
    shared space (`mt.model.shared_space`). Of N pairs, for text n

        -mean over positives m of log(exp(scale * similarity_nm) / sum over k of exp(scale * similarity_nk)),

    and the same for picture n, of both the mean. Positives are pairs with an equal text or an equal picture (Khosla et
    al. 2020, "Supervised Contrastive Learning", L_out); that a text is true of another picture in other words is not
    known. The N pairs are those of the whole update, on all ranks. It counts `weight` times, as a mean over pairs
    beside the mean over target tokens, and is reported as "contrast", in nats a pair.

    The texts are also predicted without their pictures, `alone` times ("text_alone", nats a token), so that it is
    known how likely a text is by itself: retrieval compares with that. A pair without a picture adds nothing.
    """

    relates_pairs = True

    def __init__(self, *, inner: Objective, weight: float = 0.5, alone: float = 0.1):
        check_weight(weight)
        if not 0 <= alone < float("inf"):
            raise ValueError(f"objective.alone ({alone}) must be at least 0 and finite")
        self.inner, self.weight, self.alone = inner, weight, alone
        self._cross_entropy = LabelSmoothedCrossEntropy(smoothing=0.0).cross_entropy

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        space = model.space
        assert space is not None, "check comes before training"
        with kept_memories(model) as memories:
            loss = self.inner(model, batch)
        has_target_B = (batch.target_out_BT != PAD).any(dim=1)
        has_B = {name: has_target_B & _has(batch, name) for name in space.names}
        rows_N = torch.stack(list(has_B.values())).any(dim=0).nonzero().squeeze(1)
        targets_NT = batch.target_out_BT.index_select(0, rows_N)
        states_NTD = self._read(model, batch.target_in_BT.index_select(0, rows_N))
        is_real_NT = targets_NT != PAD
        alone = self._cross_entropy(states_NTD[is_real_NT], model.output, targets_NT[is_real_NT]).smoothed_nats
        texts = _texts(space, batch.target_in_BT.index_select(0, rows_N), states_NTD, targets_NT)
        minimised = loss.minimised + self.alone * alone
        contrast, count = minimised.new_zeros(()), minimised.new_zeros(())
        for name in space.names:
            among_N = has_B[name].index_select(0, rows_N)
            own = {key: value[among_N] for key, value in texts.items()}
            own |= _things(space, name, model.places[name], batch, memories.get(name), rows_N[among_N])
            with torch.autocast(states_NTD.device.type, enabled=False):
                found = over_the_update(batch.part, name, own, partial(contrasted, space, weight=self.weight))
            minimised = minimised + found["minimised"].sum()
            contrast, count = contrast + found["contrast"].sum().detach(), count + len(found["contrast"])
        return Loss(
            minimised,
            {**loss.sums, "contrast": contrast, "text_alone": alone.detach()},
            {**loss.counts, "contrast": count, "text_alone": is_real_NT.sum()},
        )

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a model without a shared space."""
        if model.space is None:
            raise ValueError(
                "objective (contrastive) needs a model with a space that texts share with pictures or sounds:"
                " +space@model.space=shared"
            )
        self.inner.check(model)

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """As the inner objective does."""
        self.inner.check_tokenizers(tokenizers)

    def _read(self, model: Seq2Seq, tokens_NT: Tensor) -> Tensor:
        """states_NTD of texts that are read beside nothing."""
        # even of no text: where weights are in shards, every rank must run the decoder as often as the others
        tokens = tokens_NT if len(tokens_NT) else tokens_NT.new_full((1, tokens_NT.shape[1]), BOS)
        # not by calling the model: what looks at its passes (`Guided`) knows only those beside a picture
        states, _ = model.extend(tokens, model.start(Text.of([[]]).to(tokens.device)))
        return states[: len(tokens_NT)]


def contrasted(space: SharedSpace, rows: Rows, *, weight: float) -> dict[str, Tensor]:
    """ "contrast" of each pair, in nats, and "minimised": that, times `weight` and the mean number of target tokens."""
    logits_NN = rows["scale"].mean() * space.similarities(rows["text"], rows["is_word"], rows["thing"])
    is_true_NN = rows["text_key"][:, None] == rows["text_key"]
    is_true_NN = is_true_NN | (rows["thing_key"][:, None] == rows["thing_key"])
    share_NN = is_true_NN / is_true_NN.sum(dim=1, keepdim=True)  # true pairs are so in both directions
    nats_N = -(share_NN * (logits_NN.log_softmax(dim=1) + logits_NN.T.log_softmax(dim=1))).sum(dim=1) / 2
    return {"minimised": weight * rows["tokens"].mean() * nats_N, "contrast": nats_N.detach()}


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
