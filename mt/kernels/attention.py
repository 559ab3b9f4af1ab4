"""softmax(scale * q kᵀ) v of short sequences while training: without copies of the heads, scores or masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mt.kernels.library import applies_to, call, has_tiles

# B batch, H heads, G key-value heads (H is a multiple), X several of both, T queries, S keys, K head size

WHOLE = 16  # numbers in the widest vector: K must be a multiple
BLOCK = 32  # rows and columns of what AMX, or AVX-512 in bfloat16, multiplies at once
LONGEST = 256  # queries and keys; beyond, large products in bfloat16 are faster


def attends(q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> bool:
    """Whether `attend` can work on these."""
    (_, _, T, K), S = q_BHTK.shape, k_BGSK.shape[2]
    return (
        applies_to(q_BHTK, k_BGSK, v_BGSK)
        and q_BHTK.dtype == k_BGSK.dtype == v_BGSK.dtype
        and K % WHOLE == 0
        and 0 < T <= LONGEST
        and 0 < S <= LONGEST
        and (mask is None or mask.dtype == torch.bool)
    )


def attend(q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """heads_BHTK, which lie in memory as B T H K. mask: True means "may look"; a row without any gives NaN.

    Softmax and sums of products are computed in float32, whatever the type of the tensors.
    """
    return _Attend.apply(q_BHTK, k_BGSK, v_BGSK, mask, scale)


def torch_attend(q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """The same by torch, in float32."""
    repeats = q_BHTK.shape[1] // k_BGSK.shape[1]
    k_BHSK, v_BHSK = (x.float().repeat_interleave(repeats, dim=1) for x in (k_BGSK, v_BGSK))
    scores_BHTS = q_BHTK.float() @ k_BHSK.transpose(-1, -2) * scale
    if mask is not None:
        scores_BHTS = scores_BHTS.masked_fill(~mask, float("-inf"))
    return (scores_BHTS.softmax(dim=-1) @ v_BHSK).to(q_BHTK.dtype)


def split_heads(x_BXTK: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """The heads in groups of these sizes, as `Tensor.split` gives them.

    Gradients that `attend` has put side by side are not copied to become that of the whole.
    """
    if torch.is_grad_enabled() and applies_to(x_BXTK):
        return _SplitHeads.apply(x_BXTK, sizes)
    return x_BXTK.split(sizes, dim=1)


class _SplitHeads(torch.autograd.Function):
    @staticmethod
    def forward(context, x_BXTK, sizes):
        return x_BXTK.split(sizes, dim=1)

    @staticmethod
    @once_differentiable
    def backward(context, *gradients):
        return _joined(gradients), None


def _joined(heads: Sequence[Tensor]) -> Tensor:
    """Heads in one tensor: that in which they lie side by side, if they do."""
    first, ends = heads[0], _place(heads[0])
    for part in heads:
        if part.stride() != first.stride() or part.dtype != first.dtype or _place(part) != ends:
            return torch.cat(list(heads), dim=1)
        ends = (ends[0], ends[1] + part.shape[1] * part.stride(1))
    B, _, T, K = first.shape
    return first.as_strided((B, sum(part.shape[1] for part in heads), T, K), first.stride())


def _place(x: Tensor) -> tuple[int, int]:
    """The memory that a tensor lies in, and where it begins there."""
    return x.untyped_storage().data_ptr(), int(x.storage_offset())


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(context, q_BHTK, k_BGSK, v_BGSK, mask, scale):
        q_BHTK, k_BGSK, v_BGSK = (_with_whole_heads(x) for x in (q_BHTK, k_BGSK, v_BGSK))
        (B, H, T, K), (G, S) = q_BHTK.shape, k_BGSK.shape[1:3]
        is_bf16 = q_BHTK.dtype == torch.bfloat16
        has_products = is_bf16 and K % BLOCK == 0 and has_tiles()
        whole = BLOCK if has_products else WHOLE
        weights = torch.empty(B, H, T, -(-S // whole) * whole, dtype=q_BHTK.dtype)
        out_BHTK = q_BHTK.new_empty(B, T, H, K).transpose(1, 2)
        mask_strides = None
        if mask is not None:
            mask = mask.expand(B, H, T, S)
            mask_strides = torch.tensor(mask.stride())
        strides = _strides(q_BHTK, k_BGSK, v_BGSK, out_BHTK)
        given = (strides, mask, mask_strides, weights, out_BHTK, B, H, G, T, S, K, scale)
        if has_products:
            call("tile_attend", q_BHTK, k_BGSK, v_BGSK, *given)
        else:
            call("attend", q_BHTK, k_BGSK, v_BGSK, is_bf16, *given)
        context.save_for_backward(q_BHTK, k_BGSK, v_BGSK, weights)
        context.scale, context.has_products = scale, has_products
        return out_BHTK

    @staticmethod
    @once_differentiable
    def backward(context, dout_BHTK):
        q_BHTK, k_BGSK, v_BGSK, weights = context.saved_tensors
        (B, H, T, K), (G, S) = q_BHTK.shape, k_BGSK.shape[1:3]
        dout_BHTK = _with_whole_heads(dout_BHTK.to(q_BHTK.dtype))
        is_of_one = T == S and _place(q_BHTK)[0] == _place(k_BGSK)[0]  # one product gave q, k and v
        if is_of_one:
            dq_BHTK, dk_BGSK, dv_BGSK = q_BHTK.new_empty(B, T, H + 2 * G, K).transpose(1, 2).split((H, G, G), dim=1)
        else:
            dq_BHTK = q_BHTK.new_empty(B, T, H, K).transpose(1, 2)
            dk_BGSK, dv_BGSK = q_BHTK.new_empty(B, S, 2 * G, K).transpose(1, 2).split(G, dim=1)
        of = (q_BHTK, k_BGSK, v_BGSK, dout_BHTK)
        strides = _strides(*of, dq_BHTK, dk_BGSK, dv_BGSK)
        given = (strides, dq_BHTK, dk_BGSK, dv_BGSK, B, H, G, T, S, K, context.scale)
        if context.has_products:
            call("tile_attend_backward", *of, weights, *given)
        else:
            call("attend_backward", *of, weights, q_BHTK.dtype == torch.bfloat16, *given)
        return dq_BHTK, dk_BGSK, dv_BGSK, None, None


def _with_whole_heads(x_BHTK: Tensor) -> Tensor:
    return x_BHTK if x_BHTK.stride(-1) == 1 else x_BHTK.contiguous()


def _strides(*tensors: Tensor) -> Tensor:
    return torch.tensor([x_BHTK.stride()[:3] for x_BHTK in tensors])
