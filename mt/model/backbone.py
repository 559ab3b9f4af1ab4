"""A frozen backbone in front of the regions of a picture: EfficientNet-Lite0, trained on photographs (ImageNet)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

# N pictures, C channels, H height, W width

EPSILON = 1e-3  # of its batch normalization
# times, kernel, stride, widening, channels of each group of blocks (Tan and Le 2019, without what Lite leaves out)
GROUPS = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
MORE = ((4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
STRIDES = {8: GROUPS[:3], 16: GROUPS, 32: GROUPS + MORE}


class EfficientNetLite0(nn.Module):
    """x_NHWC, pixels from 0 to 255, become features_NCHW of size / `stride` on each side: 40, 112 or 320 channels.

    Fresh it has no use: `mt.training.published_weights` fills it. Nothing trains it. Batch normalization is folded into
    the convolutions, so that a picture's features do not depend on its batch.

    Raises ValueError for a stride that is not there.
    """

    def __init__(self, *, stride: int = 16):
        super().__init__()
        if stride not in STRIDES:
            raise ValueError(f"backbone.stride ({stride}) must be one of {', '.join(map(str, STRIDES))}")
        self.stride = stride
        self.stem = Convolution(3, 32, kernel=3, stride=2)
        blocks, into = list[Block](), 32
        for times, kernel, step, widening, channels in STRIDES[stride]:
            for number in range(times):
                blocks.append(Block(into, channels, kernel, step if number == 0 else 1, widening))
                into = channels
        self.blocks, self.channels = nn.ModuleList(blocks), into
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, x_NHWC: Tensor) -> Tensor:
        x_NCHW = ((x_NHWC - 127.0) / 128.0).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        x_NCHW = nn.functional.relu6(self.stem(x_NCHW))
        for block in self.blocks:
            x_NCHW = block(x_NCHW)
        return x_NCHW

    def fill(self, stored: Mapping[str, Tensor]) -> None:
        """Takes the published weights, by their names."""
        _fold(self.stem, stored, "_conv_stem", "_bn0")
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            place = f"_blocks.{number}."
            if block.widen is not None:
                _fold(block.widen, stored, f"{place}_expand_conv", f"{place}_bn0")
            _fold(block.each, stored, f"{place}_depthwise_conv", f"{place}_bn1")
            _fold(block.project, stored, f"{place}_project_conv", f"{place}_bn2")


class Block(nn.Module):
    """An inverted residual block (Sandler et al. 2018): widen, a convolution of each channel, project."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, widening: int):
        super().__init__()
        width = channels_in * widening
        self.widen = None if widening == 1 else nn.Conv2d(channels_in, width, 1)
        self.each = Convolution(width, width, kernel=kernel, stride=stride, groups=width)
        self.project = nn.Conv2d(width, channels_out, 1)
        self.is_residual = channels_in == channels_out and stride == 1

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = x_NCHW if self.widen is None else nn.functional.relu6(self.widen(x_NCHW))
        y_NCHW = self.project(nn.functional.relu6(self.each(y_NCHW)))
        return x_NCHW + y_NCHW if self.is_residual else y_NCHW


class Convolution(nn.Conv2d):
    """A convolution whose output has size / stride on each side; an odd row or column of zeros stands at the end."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int, stride: int, groups: int = 1):
        super().__init__(channels_in, channels_out, kernel, stride, groups=groups)
        zeros = kernel - stride
        self.sides = (zeros // 2, zeros - zeros // 2) * 2

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(x_NCHW, self.sides))


@torch.no_grad()
def _fold(convolution: nn.Conv2d, stored: Mapping[str, Tensor], name: str, norm: str) -> None:
    """Fills a convolution with a stored one and the batch normalization after it."""
    mean, variance, weight, bias = (
        stored[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    scale = weight * (variance + EPSILON).rsqrt()
    convolution.weight.copy_(stored[f"{name}.weight"] * scale[:, None, None, None])
    assert convolution.bias is not None
    convolution.bias.copy_(bias - mean * scale)
