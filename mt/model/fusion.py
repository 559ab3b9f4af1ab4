"""How the memories of several sources of the same sentences become one: side by side, or after they read each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from mt.attention.contract import MemoryMixer, Mixer
from mt.attention.multi_head import MultiHead
from mt.kernels.linear import Linear
from mt.model.layer import MOST_LAYERS, LayerSettings, Residual
from mt.model.memory import Memory

# B batch, S places of a memory, D width


class Fusion(nn.Module):
    """Makes one memory of those of several sources. Built from the shared settings and the names of all sources.

    A sentence keeps the states that it has alone where it lacks the others: what it becomes depends on no neighbour in
    the batch, and text without a picture is what it is in a model of text.
    """

    keeps_regions = True  # whether the places of a picture stay in the memory, so that they can be looked at

    def __init__(self, *, settings: LayerSettings, names: Sequence[str]):
        super().__init__()

    def forward(self, memories: Sequence[Memory]) -> Memory:
        """One memory of two or more, whose parts stay in this order."""
        raise NotImplementedError


class Joined(Fusion):
    """Side by side, as they are: the decoder's attention chooses among the places of all ("flat", Libovicky and Helcl
    2017)."""

    def forward(self, memories: Sequence[Memory]) -> Memory:
        return Memory.joined(memories)


class Gated(Fusion):
    """Text reads every other source by attention, and a gate lets through what it finds.

    h' = h + sum over sources of sigmoid(W [h; a]) * a, with a the states that h reads in that source (Wu et al. 2021,
    "Good for Misconceived Reasons", with the attention of Li et al. 2022, "On Vision Features in Multimodal Machine
    Translation"). With `is_text_alone` the decoder attends to text alone, as there, which leaves no map of a picture
    and nothing to caption from; else the other sources stand beside it.
    """

    def __init__(
        self,
        *,
        settings: LayerSettings,
        names: Sequence[str],
        attention: Callable[..., Mixer],
        is_text_alone: bool = False,
    ):
        super().__init__(settings=settings, names=names)
        self.keeps_regions = not is_text_alone
        self.readers = nn.ModuleDict({name: GatedReader(settings, attention) for name in names if name != "text"})

    def forward(self, memories: Sequence[Memory]) -> Memory:
        found = {memory.parts[0].name: memory for memory in memories}
        text = found.pop("text")
        h_BSD = _exact(text.states_BSD)
        for name, memory in found.items():
            h_BSD = h_BSD + self.readers[name](text.states_BSD, memory)
        text = replace(text, states_BSD=h_BSD)
        if not self.keeps_regions:
            return text
        return Memory.joined([text if memory.parts[0].name == "text" else memory for memory in memories])


class GatedReader(nn.Module):
    """Attention to another source, and the gate on what it finds."""

    def __init__(self, settings: LayerSettings, attention: Callable[..., Mixer]):
        super().__init__()
        self.cross_attention = _reader(settings, attention)
        self.gate = Linear(2 * settings.dim, settings.dim)

    def forward(self, h_BSD: Tensor, other: Memory) -> Tensor:
        """sigmoid(W [h; a]) * a; zero for sentences without the other source."""
        a_BSD = _read(self.cross_attention, h_BSD, other)
        return self.gate(torch.cat((h_BSD, a_BSD), dim=-1)).sigmoid() * a_BSD * _has(other)


class Mutual(Fusion):
    """Every source reads all the others, in `num_layers` layers, and all of their states stay side by side.

    A layer is cross-attention to the places of the others, then feed-forward, each in a residual step (as in LXMERT,
    Tan and Bansal 2019); all sources of a layer read what the layer before gave. Each source has its own layers.
    """

    def __init__(
        self, *, settings: LayerSettings, names: Sequence[str], attention: Callable[..., Mixer], num_layers: int = 1
    ):
        super().__init__(settings=settings, names=names)
        if not 1 <= num_layers <= MOST_LAYERS:
            raise ValueError(f"fusion.num_layers ({num_layers}) must be from 1 to {MOST_LAYERS}")
        self.num_layers = num_layers
        self.sources = nn.ModuleDict({name: MutualSource(settings, attention, num_layers) for name in names})

    def forward(self, memories: Sequence[Memory]) -> Memory:
        sources = [self._of(memory.parts[0].name) for memory in memories]
        has_others = [_has(others) > 0 for others in _others(memories)]
        now = [replace(memory, states_BSD=_exact(memory.states_BSD)) for memory in memories]
        for layer in range(self.num_layers):
            states = [
                source.layers[layer](own.states_BSD, others)
                for source, own, others in zip(sources, now, _others(now), strict=True)
            ]
            now = [replace(own, states_BSD=x_BSD) for own, x_BSD in zip(now, states, strict=True)]
        for place, (source, own, alone) in enumerate(zip(sources, now, memories, strict=True)):
            states_BSD = torch.where(has_others[place], source.norm(own.states_BSD), alone.states_BSD)
            now[place] = replace(own, states_BSD=states_BSD)
        return Memory.joined(now)

    def _of(self, name: str) -> MutualSource:
        source = self.sources[name]
        assert isinstance(source, MutualSource)
        return source


class MutualSource(nn.Module):
    """The layers of one source."""

    def __init__(self, settings: LayerSettings, attention: Callable[..., Mixer], num_layers: int):
        super().__init__()
        self.layers = nn.ModuleList(MutualLayer(settings, attention) for _ in range(num_layers))
        self.norm = settings.make_final_norm()


class MutualLayer(nn.Module):
    """Cross-attention to the places of other sources, then feed-forward, each in a residual step."""

    def __init__(self, settings: LayerSettings, attention: Callable[..., Mixer]):
        super().__init__()
        self.cross_attention = _reader(settings, attention)
        self.feed_forward = settings.make_feed_forward()
        self.attention_residual, self.feed_forward_residual = Residual(settings), Residual(settings)

    def forward(self, x_BSD: Tensor, others: Memory) -> Tensor:
        """states_BSD of a source after reading the others."""
        y_BSD = _read(self.cross_attention, self.attention_residual.before(x_BSD), others)
        x_BSD = self.attention_residual.after(x_BSD, y_BSD)
        residual = self.feed_forward_residual
        return residual.after(x_BSD, self.feed_forward(residual.before(x_BSD)))


def _reader(settings: LayerSettings, attention: Callable[..., Mixer]) -> MultiHead:
    return settings.make_attention(attention, MemoryMixer, "fusion.cross_attention")


def _others(memories: Sequence[Memory]) -> list[Memory]:
    """For each memory, the others as one."""
    return [Memory.joined([*memories[:place], *memories[place + 1 :]]) for place in range(len(memories))]


def _exact(states_BSD: Tensor) -> Tensor:
    """In float32 under autocast, where encoders round what they give: too coarse to add up layers in."""
    return states_BSD.float() if torch.is_autocast_enabled(states_BSD.device.type) else states_BSD


def _has(memory: Memory) -> Tensor:
    """has_B11: 1 for sentences that have any place of this memory, else 0."""
    if memory.mask_B11S is None:
        return memory.states_BSD.new_ones(1, 1, 1)
    return memory.mask_B11S[:, 0].any(dim=-1, keepdim=True).to(memory.states_BSD.dtype)


def _read(reader: MultiHead, queries_BSD: Tensor, memory: Memory) -> Tensor:
    """What the queries read in a memory; where a sentence has no place of it, anything finite."""
    mask_B11S = memory.mask_B11S
    if mask_B11S is not None:  # every query must be able to look somewhere
        mask_B11S = mask_B11S | ~mask_B11S.any(dim=-1, keepdim=True)
    return reader.read(queries_BSD, reader.summarize(memory.states_BSD, mask_B11S, memory.source_facts))
