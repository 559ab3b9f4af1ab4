"""The encoder of pictures: convolutions, a grid of regions with positions in two dimensions, then encoder layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mt.attention.contract import Mixer
from mt.attention.source_facts import IMAGE, SourceFacts
from mt.kernels.linear import Linear
from mt.model.embedding import sinusoids_at
from mt.model.encoder import EncoderLayer, SourceEncoder
from mt.model.layer import MOST_LAYERS, LayerSettings, checkpointed
from mt.model.memory import Grid, Memory
from mt.model.source_embedding import Embed

# B sources, N different pictures, C colours or channels, H height, W width, S regions, D model

MOST_REGIONS = 4096
CONTRAST = 64.0  # of the values of a pixel, from 0 to 255


class ImageEncoder(SourceEncoder):
    """Reads `mt.data.several.Images`: `size` x `size` pixels become a grid of size / product(strides) on each side.

    Convolutions of 3 x 3 with `channels` and `strides`, each with ReLU (a residual step where channels and size stay)
    and no batch normalization: a batch in parts, on several ranks or resumed then learns the same. In their place may
    stand a `backbone` (`mt.model.backbone`). The last channels are projected to the model's width. `scales` says what
    becomes regions: 1 the grid itself, 2 the means of 2 x 2 of its cells, and so on, all side by side. Then
    `num_layers` encoder layers with any attention (0: none). A picture that several sources share is encoded once.

    Raises ValueError for sizes that do not fit.
    """

    def __init__(
        self,
        *,
        settings: LayerSettings,
        size: int,
        channels: Sequence[int] = (),
        strides: Sequence[int] = (),
        backbone: Callable[[], nn.Module] | None = None,
        num_layers: int,
        self_attention: Callable[..., Mixer],
        scales: Sequence[int] = (1,),
        layer: Callable[..., nn.Module] = EncoderLayer,
    ):
        super().__init__()
        self.backbone: Any = None
        if backbone is not None:
            if channels or strides:
                raise ValueError(f"image.channels ({list(channels)}) and strides must be left out with a backbone")
            self.backbone = backbone()
            self.stride, width = self.backbone.stride, self.backbone.channels
        elif not channels or len(channels) != len(strides) or min(*channels, *strides) < 1:
            raise ValueError(f"image.channels ({list(channels)}) and strides ({list(strides)}) must be as many, from 1")
        else:
            self.stride, width = math.prod(strides), channels[-1]
        if size % self.stride:
            product = "the product of strides" if backbone is None else "backbone.stride"
            raise ValueError(f"image.size ({size}) must be a multiple of {product} ({self.stride})")
        self.size, self.width = size, settings.dim
        side = size // self.stride
        if not scales or min(scales) < 1 or any(side % scale for scale in scales) or len(set(scales)) < len(scales):
            raise ValueError(f"image.scales ({list(scales)}) must be different divisors of the grid's side ({side})")
        if not 0 <= num_layers <= MOST_LAYERS:
            raise ValueError(f"image.num_layers ({num_layers}) must be from 0 to {MOST_LAYERS}")
        self.grid = Grid(side, tuple(scales))
        if self.grid.num_regions > MOST_REGIONS:
            raise ValueError(f"image.size ({size}) makes {self.grid.num_regions} regions: at most {MOST_REGIONS}")
        into = [3, *channels[:-1]] if channels else []
        self.convolutions = nn.ModuleList(map(Convolution, into, channels, strides))
        self.region_norm = nn.LayerNorm(width)
        self.project = Linear(width, settings.dim)
        # positions are added here: rotating by the number of a region would take the grid for a line
        flat = replace(settings, positions="sinusoidal") if settings.positions == "rotary" else settings
        self.layers = nn.ModuleList(layer(flat, self_attention) for _ in range(num_layers))
        self.norm = settings.make_final_norm() if num_layers else nn.Identity()
        self.scale_SD: nn.Parameter | None = None
        if len(scales) > 1:
            self.scale_SD = nn.Parameter(torch.randn(len(scales), settings.dim) * settings.dim**-0.5)

    def forward(self, source: Any, embed: Embed | None, *, recompute: bool = False) -> Memory:
        """The memory of pictures; the regions of one after the other in rows, each scale by itself."""
        x_NCHW = self._features(source.pixels_NHWC.float(), recompute)
        pooled = [nn.functional.avg_pool2d(x_NCHW, scale) if scale > 1 else x_NCHW for scale in self.grid.scales]
        x_NSC = torch.cat([one.flatten(2).transpose(1, 2) for one in pooled], dim=1)
        places_S2 = self.grid.places(x_NSC.device)
        # in float32, as embeddings are: products round to bfloat16, sums do not
        x_NSD = self.project(self.region_norm(x_NSC)).float() + self._positions(places_S2)
        places_NS2 = places_S2.expand(len(x_NSD), -1, -1)
        facts = SourceFacts(places_BS2=places_NS2)
        for layer in self.layers:
            x_NSD = checkpointed(layer, x_NSD, None, facts) if recompute else layer(x_NSD, None, facts)
        x_NSD = self.norm(x_NSD)
        numbers_B = source.numbers_B
        x_BSD = x_NSD.index_select(0, numbers_B.clamp_min(0))
        places_BS2 = places_S2.expand(len(x_BSD), -1, -1)
        mask_B11S = None
        if bool((numbers_B < 0).any()):
            mask_B11S = (numbers_B >= 0)[:, None, None, None].expand(-1, 1, 1, x_BSD.shape[1])
        facts = SourceFacts(places_BS2=places_BS2, sources_BS=torch.full_like(places_BS2[..., 0], IMAGE))
        return Memory.of("image", x_BSD, mask_B11S, facts, grid=self.grid)

    def _features(self, x_NHWC: Tensor, recompute: bool) -> Tensor:
        """features_NCHW of the cells of the grid."""
        if self.backbone is not None:
            return self.backbone(x_NHWC)
        # From the picture's own median colour, so that a plain ground is zero: then things stand out of it before
        # anything is learned (after 5,300 pictures of one thing 25 % of the kinds were right, 4 % from a fixed grey).
        ground_N11C = x_NHWC.flatten(1, 2).median(dim=1).values[:, None, None]
        x_NCHW = ((x_NHWC - ground_N11C) / CONTRAST).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            x_NCHW = checkpointed(convolution, x_NCHW) if recompute else convolution(x_NCHW)
        return x_NCHW

    def _positions(self, places_S2: Tensor) -> Tensor:
        """positions_SD: sinusoids of the row in one half, of the column in the other; each scale has its own vector."""
        half = self.width // 2
        rows_SD, columns_SD = sinusoids_at(places_S2[:, 0], half), sinusoids_at(places_S2[:, 1], self.width - half)
        positions_SD = torch.cat((rows_SD, columns_SD), dim=-1)
        if self.scale_SD is None:
            return positions_SD
        counts = [(self.grid.side // scale) ** 2 for scale in self.grid.scales]
        return positions_SD + torch.cat([one.expand(n, -1) for one, n in zip(self.scale_SD, counts, strict=True)])


class Convolution(nn.Module):
    """A convolution of 3 x 3 and ReLU, with the weights of He et al. 2015; beside its input where sizes are equal."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.is_residual = channels_in == channels_out and stride == 1
        self.convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.convolution(x_NCHW).relu()
        return x_NCHW + y_NCHW if self.is_residual else y_NCHW
