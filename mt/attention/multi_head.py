"""The frame around a mixer: projections into heads and back (Vaswani et al. 2017), the same for every slot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mt.attention.contract import Mixer, read_side_by_side, repeat_heads, require_role, weights_side_by_side
from mt.attention.dropout import WholeDropout
from mt.attention.mask import causal_mask
from mt.attention.reading import FIRST, Reading
from mt.attention.rotary import NoRotary, Rotary
from mt.attention.source_facts import UNKNOWN, SourceFacts
from mt.kernels.attention import split_heads
from mt.kernels.linear import Linear, linear

# B batch, T queries, S keys, D model, H heads, G key-value heads, K head size


class MultiHead(nn.Module):
    """Query, key, value and output projections of one attention slot, with its mixer.

    A slot uses one of: `attend` (encoder self-attention), `summarize` and `read` (cross-attention), `start` and
    `extend` (decoder self-attention). `mixer` is a factory called with (num_heads, head_size). With num_kv_heads <
    num_heads, key-value heads are shared (grouped-query attention, Ainslie et al. 2023). `head_size` is dim / num_heads
    if None: a smaller one makes scores of low rank; num_heads * head_size may differ from `dim`.
    `memory_dim` is the input width of keys and values, if it is not `dim`. `key_dropout` and
    `head_dropout` are dropout rates (mt.attention.dropout) that work with any mixer: a zeroed value contributes
    nothing to any query.

    Raises ValueError, naming slot and mixer, when the mixer lacks the role that the slot needs.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        num_kv_heads: int,
        mixer: Callable[..., Mixer],
        role: type[Mixer],
        slot: str,
        head_size: int | None = None,
        memory_dim: int | None = None,
        rotary: bool = False,
        key_dropout: float = 0.0,
        head_dropout: float = 0.0,
    ):
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_size = num_heads, num_kv_heads, head_size or dim // num_heads
        # Heads may be removed (`mt.compression.pruning`). The others keep their numbers where attention is read.
        self.num_maps = num_heads  # heads that a tap sees
        self.kept_heads: tuple[int, ...] | None = None  # the numbers of those that are there; None: all
        self.query = Linear(dim, num_heads * self.head_size)
        self.key_value = Linear(memory_dim or dim, 2 * num_kv_heads * self.head_size)
        self.output = Linear(num_heads * self.head_size, dim)
        self.mixer: Any = mixer(num_heads, self.head_size)  # a Mixer with the methods of its role, checked below
        self.rotary = Rotary(self.head_size) if rotary and self.mixer.takes_rotary else NoRotary()
        self.key_dropout = WholeDropout(key_dropout, dims=1)  # of B G S K
        self.head_dropout = WholeDropout(head_dropout, dims=2)  # of B H T K
        require_role(self.mixer, role, slot)
        self.query.requires_grad_(self.mixer.asks_queries)

    def attend(self, x_BSD: Tensor, mask: Tensor | None, source_facts: SourceFacts = UNKNOWN) -> Tensor:
        """out_BSD: every position looks at all positions that the mask allows."""
        known = source_facts.of(self.mixer.needs_from_source)
        return self._out(self.mixer.attend(*self._queries_keys_values(x_BSD, 0), mask, **known))

    def summarize(self, memory_BSD: Tensor, mask: Tensor | None, source_facts: SourceFacts = UNKNOWN) -> Any:
        """The mixer's Summary of the memory: computed once a sentence, read at every step."""
        return self.mixer.summarize(
            *self._keys_values(memory_BSD, 0), mask, **source_facts.of(self.mixer.needs_from_source)
        )

    def read(self, x_RTD: Tensor, summary: Any, reading: Reading = FIRST) -> Tensor:
        """out_RTD read from the summary by target positions; `reading` holds what else the mixer may need of them."""
        return self._out(read_side_by_side(self.mixer, self._queries(x_RTD, 0), summary, reading))

    def read_weights(self, x_RTD: Tensor, summary: Any, reading: Reading = FIRST) -> Tensor:
        """weights_RHTS of the same read, computed again: a fused kernel does not give them; zeros for removed heads."""
        return self.weights_of(self._queries(x_RTD, 0), summary, reading)

    def weights_of(self, q_RHTK: Tensor, summary: Any, reading: Reading = FIRST) -> Tensor:
        """weights_RHTS for given queries."""
        return self._in_their_places(weights_side_by_side(self.mixer, q_RHTK, summary, reading))

    def value_norms(self, memory_BSD: Tensor) -> Tensor:
        """norms_BHS = |f(x)|: how long each head's value is after the output projection (Kobayashi et al. 2020)."""
        _, v_BGSK = self._keys_values(memory_BSD, 0)
        v_BHSK = repeat_heads(v_BGSK, self.num_heads)
        nothing_BHSK = torch.zeros_like(v_BHSK)
        bias_BSD = self._out(nothing_BHSK)
        norms = []
        for head in range(self.num_heads):  # one head at a time: works for any packing of the projection
            alone_BHSK = nothing_BHSK.clone()
            alone_BHSK[:, head] = v_BHSK[:, head]
            norms.append((self._out(alone_BHSK) - bias_BSD).float().norm(dim=-1))
        return self._in_their_places(torch.stack(norms, dim=1))

    def attend_by_key(self, x_BSD: Tensor, mask: Tensor | None, source_facts: SourceFacts = UNKNOWN) -> Tensor:
        """parts_BSSD of `attend`: what each key adds to the output of each query, which is their sum and a bias.

        Of a mixer without an activation (`Mixer.is_linear`), as in the two methods below.
        """
        q, k, v = self._queries_keys_values(x_BSD, 0)
        known = source_facts.of(self.mixer.needs_from_source)
        return self._parts(self.mixer.weights(q, k, mask, **known), self.mixer.gate(q, k, mask), v)

    def extend_by_key(self, x_BTD: Tensor) -> Tensor:
        """parts_BTTD of `extend` for a whole target."""
        q, k, v = self._queries_keys_values(x_BTD, 0)
        mask = causal_mask(x_BTD.shape[1], 0, x_BTD.device)
        return self._parts(self.mixer.weights(q, k, mask), self.mixer.gate(q, k, mask), v)

    def read_by_key(
        self, x_BTD: Tensor, memory_BSD: Tensor, mask: Tensor | None, summary: Any, reading: Reading = FIRST
    ) -> Tensor:
        """parts_BTSD of `read` from the summary of this memory, one row for each sentence."""
        q, (k, v) = self._queries(x_BTD, 0), self._keys_values(memory_BSD, 0)
        weights_BHTS = weights_side_by_side(self.mixer, q, summary, reading)
        return self._parts(weights_BHTS, self.mixer.gate(q, k, mask), v)

    def _parts(self, weights_BHTS: Tensor, gate: Tensor | float, v_BGSK: Tensor) -> Tensor:
        v_BHSK = repeat_heads(v_BGSK, self.num_heads)
        mixed_BHTSK = weights_BHTS[..., None] * v_BHSK[:, :, None]
        if isinstance(gate, Tensor):
            mixed_BHTSK = gate[:, :, :, None] * mixed_BHTSK
        # each pair of query and key as a position: works for any packing of the projection
        pairs_BXD = self._out(mixed_BHTSK.flatten(2, 3)) - self._out(torch.zeros_like(v_BHSK[:, :, :1]))
        return pairs_BXD.unflatten(1, mixed_BHTSK.shape[2:4])

    def _in_their_places(self, x_BH: Tensor) -> Tensor:
        """What is known of each head (any further dimensions), with zeros for the removed ones."""
        if self.kept_heads is None:
            return x_BH
        whole = x_BH.new_zeros(len(x_BH), self.num_maps, *x_BH.shape[2:])
        return whole.index_copy(1, torch.tensor(self.kept_heads, device=x_BH.device), x_BH)

    def start(self) -> Any:
        """The Past before the first position."""
        return self.mixer.start()

    def extend(self, x_BTD: Tensor, past: Any, position: int) -> tuple[Tensor, Any]:
        """out_BTD of new positions, the first of which stands at `position`, and the past with them."""
        heads, now = self.mixer.extend(*self._queries_keys_values(x_BTD, position), past)
        return self._out(heads), now

    def _queries_keys_values(self, x_BTD: Tensor, position: int) -> tuple[Tensor, Tensor, Tensor]:
        # B T ((H + 2 G) K) -> B H+2G T K
        heads = self._heads(linear(x_BTD, [self.query, self.key_value]))
        heads = self.rotary(heads, position, num_heads=self.num_heads + self.num_kv_heads)
        q, k, v = split_heads(heads, (self.num_heads, self.num_kv_heads, self.num_kv_heads))
        return q, k, self.key_dropout(v)

    def _queries(self, x_BTD: Tensor, position: int) -> Tensor:
        # B T (H K) -> B H T K
        return self.rotary(self._heads(self.query(x_BTD)), position)

    def _keys_values(self, x_BSD: Tensor, position: int) -> tuple[Tensor, Tensor]:
        # B S (2 G K) -> B 2G S K -> two of B G S K
        k, v = split_heads(self._heads(self.key_value(x_BSD)), (self.num_kv_heads, self.num_kv_heads))
        return self.rotary(k, position), self.key_dropout(v)

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (-1, self.head_size)).transpose(1, 2)

    def _out(self, heads_BHTK: Tensor) -> Tensor:
        # B H T K -> B T (H K)
        return self.output(self.head_dropout(heads_BHTK).transpose(1, 2).flatten(2))
