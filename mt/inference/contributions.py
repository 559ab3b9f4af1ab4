"""Contributions: how much of each decoding step comes from each source piece, and how much from the target before it.

ALTI+ (Ferrando et al. 2022, "Towards Opening the Black Box of Neural Machine Translation: Source and Target
Interpretations of the Transformer"). Of a residual step y = x + sum over keys j of T_j + bias, where T_j is what key j
adds, x is a further T (in self-attention it belongs to the key of the same position). The layer's contributions are

    c_j = max(0, |y|_1 - |y - T_j|_1), divided by their sum

A norm after the sum (post-norm) is made linear by the mean and deviation of that sum. Products of these matrices over
the layers (rollout) reach the embedded pieces: through the encoder, then through cross-attention, where what is left to
x is divided by self-attention among the target pieces that were read. A row sums to one: the source's share, and that
of the target prefix. Feed-forward parts see one position, so they move nothing between pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mt.alignment.alignment import RawAttention
from mt.attention.contract import Mixer
from mt.attention.multi_head import MultiHead
from mt.data.source import Source, padded, stacked
from mt.data.tokenizer import BOS
from mt.inference.batches import batches_by_length
from mt.inference.translator import Translator
from mt.kernels.norm import LayerNorm, RMSNorm
from mt.model.decoder import DecoderLayer
from mt.model.encoder import Encoder, EncoderLayer
from mt.model.layer import Residual
from mt.model.seq2seq import Seq2Seq

# B batch, T target positions, S source length, K keys of any kind, D model

MAX_CELLS = 1 << 24  # of what all keys add to all queries of a batch in one layer: 64 MiB, a few times


def why_not(model: Seq2Seq) -> str | None:
    """Why contributions are not defined for a model; None if they are."""
    if model.beside is not None or not isinstance(model.encoder, Encoder):
        return "needs a model that reads text alone"
    layers = [*model.encoder.layers, *model.decoder.layers]
    odd = next((one for one in layers if type(one) not in (EncoderLayer, DecoderLayer)), None)
    if odd is not None:
        return f"needs layers of attention and feed-forward, not {type(odd).__name__}"
    for module in model.modules():
        if isinstance(module, Mixer) and not module.is_linear:
            return f"needs attention whose output is a sum over keys, not {type(module).__name__}"
    return None


def with_contributions(
    translator: Translator,
    raws: Sequence[RawAttention],
    sources: Sequence[Source],
    target_ids: Sequence[Sequence[int]],
    *,
    has_tag: bool = False,
) -> list[RawAttention]:
    """The same attention, each with `contributions_TS` and `source_share_T`, in float32.

    `sources` are what the model reads, `target_ids` the targets without </s>. The column of a tag (`has_tag`) is left
    out; it counts as source. Raises ValueError for a model that they are not defined for (`why_not`).
    """
    model = translator.model
    why = why_not(model)
    if why is not None:
        raise ValueError(f"signal (contributions) {why}")
    found = list(raws)
    attention = model.decoder.layers[0].cross_attention
    width = max(attention.num_heads * attention.head_size, model.encoder.width)
    sizes = [
        max(source.padded_length, len(target) + 1) ** 2 * width
        for source, target in zip(sources, target_ids, strict=True)
    ]
    for indices in batches_by_length(sizes, MAX_CELLS):
        source = stacked([sources[i] for i in indices]).to(translator.device)
        tokens_BT = padded([[BOS, *target_ids[i]] for i in indices]).to(translator.device)
        with torch.inference_mode():
            of_source_BTS, _ = contributions(model, source, tokens_BT)
        share_BT = of_source_BTS.sum(dim=-1)
        for number, i in enumerate(indices):
            T, S = len(target_ids[i]) + 1, sources[i].padded_length
            found[i] = replace(
                found[i],
                contributions_TS=_numpy(of_source_BTS[number, :T, int(has_tag) : S]),
                source_share_T=_numpy(share_BT[number, :T]),
            )
    return found


def contributions(model: Seq2Seq, source: Source, tokens_BT: Tensor) -> tuple[Tensor, Tensor]:
    """(contributions_BTS of the source pieces, contributions_BTT of the target pieces read) to each decoding step.

    Row t reads `tokens_BT[:, t]`, <s> first. Rows of both together sum to one.
    """
    layers = [*model.encoder.layers, *model.decoder.layers]  # type: ignore[misc]  # `why_not` has checked the encoder
    with _inputs_of(layers) as inputs:
        memory = model.encode(source)
        model.extend(tokens_BT, model.decoder.start(memory))
    encoder_BSS = _identity(*memory.states_BSD.shape[:2], device=tokens_BT.device)
    for layer in model.encoder.layers:  # type: ignore[union-attr]
        x_BSD, mask, facts = inputs[layer]
        residual, h_BSD = layer.attention_residual, layer.attention_residual.before(x_BSD)
        parts_BSSD = layer.attention.attend_by_key(h_BSD, mask, facts)
        y_BSD = layer.attention.attend(h_BSD, mask, facts)
        encoder_BSS = _shares(residual, x_BSD, y_BSD, _with_own(parts_BSSD, x_BSD)) @ encoder_BSS
    target_BTT = _identity(*tokens_BT.shape, device=tokens_BT.device)
    source_BTS = memory.states_BSD.new_zeros(*tokens_BT.shape, memory.states_BSD.shape[1])
    for decoder_layer in model.decoder.layers:
        x_BTD, summary, past, reading, *_ = inputs[decoder_layer]
        attention, residual = decoder_layer.self_attention, decoder_layer.self_residual
        assert isinstance(attention, MultiHead)
        h_BTD = residual.before(x_BTD)
        y_BTD, _ = attention.extend(h_BTD, past, 0)
        own_BTT = _shares(residual, x_BTD, y_BTD, _with_own(attention.extend_by_key(h_BTD), x_BTD))
        x_BTD = residual.after(x_BTD, y_BTD)
        cross, residual = decoder_layer.cross_attention, decoder_layer.cross_residual
        h_BTD = residual.before(x_BTD)
        parts_BTSD = cross.read_by_key(h_BTD, memory.states_BSD, memory.mask_B11S, summary, reading)
        y_BTD = cross.read(h_BTD, summary, reading)
        shares_BTK = _shares(residual, x_BTD, y_BTD, torch.cat((parts_BTSD, x_BTD[:, :, None]), dim=2))
        kept_BTT = shares_BTK[..., -1:] * own_BTT
        source_BTS = shares_BTK[..., :-1] @ encoder_BSS + kept_BTT @ source_BTS
        target_BTT = kept_BTT @ target_BTT
    return source_BTS, target_BTT


def _shares(residual: Residual, x_BTD: Tensor, y_BTD: Tensor, parts_BTKD: Tensor) -> Tensor:
    """shares_BTK of a residual step: x + y is the sum of the parts and a bias."""
    after_BTD = residual.after(x_BTD, y_BTD)
    if not residual.is_pre:
        parts_BTKD = _made_linear(residual.norm, x_BTD + y_BTD, parts_BTKD)
    # in float32 the difference of two long sums would keep few digits
    long_BTD = after_BTD.double()
    near_BTK = long_BTD.abs().sum(-1, keepdim=True) - (long_BTD[:, :, None] - parts_BTKD).abs().sum(-1)
    near_BTK = near_BTK.clamp_min(0)
    # where no part comes nearer to the sum than nothing at all does, the lengths of the parts are left
    is_far_BT1 = near_BTK.sum(-1, keepdim=True) == 0
    shares_BTK = torch.where(is_far_BT1, parts_BTKD.abs().sum(-1), near_BTK)
    return (shares_BTK / shares_BTK.sum(-1, keepdim=True)).to(x_BTD.dtype)


def _made_linear(norm: nn.Module, sum_BTD: Tensor, parts_BTKD: Tensor) -> Tensor:
    """What the norm of a sum makes of each part: with the deviation of the sum, and without the norm's bias."""
    if isinstance(norm, RMSNorm):
        square_BT1, epsilon = sum_BTD.square().mean(-1, keepdim=True), norm.epsilon
    else:
        assert isinstance(norm, LayerNorm)
        square_BT1, epsilon = sum_BTD.var(-1, unbiased=False, keepdim=True), norm.eps
        parts_BTKD = parts_BTKD - parts_BTKD.mean(-1, keepdim=True)
    return parts_BTKD * ((square_BT1 + epsilon).rsqrt()[:, :, None] * norm.weight)


def _with_own(parts_BTTD: Tensor, x_BTD: Tensor) -> Tensor:
    """The parts, with the residual x added to that of the key of the same position."""
    return parts_BTTD + torch.diag_embed(x_BTD.transpose(1, 2)).permute(0, 2, 3, 1)


def _identity(B: int, T: int, *, device: torch.device) -> Tensor:
    return torch.eye(T, device=device).expand(B, T, T)


@contextmanager
def _inputs_of(layers: Iterable[nn.Module]) -> Iterator[dict[nn.Module, tuple[Any, ...]]]:
    """What each layer reads while the model runs."""
    inputs: dict[nn.Module, tuple[Any, ...]] = {}
    hooks = [layer.register_forward_pre_hook(lambda layer, read: inputs.update({layer: read})) for layer in layers]
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()


def _numpy(x: Tensor) -> np.ndarray:
    return x.double().cpu().numpy()
