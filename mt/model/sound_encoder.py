"""The encoder of sounds: a log-mel spectrogram, two strided convolutions, then encoder layers (as Whisper, Radford et
al. 2022, has it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from mt.attention.contract import Mixer
from mt.attention.source_facts import SOUND, SourceFacts
from mt.model.embedding import sinusoids
from mt.model.encoder import EncoderLayer, SourceEncoder
from mt.model.layer import MOST_LAYERS, LayerSettings, checkpointed
from mt.model.memory import Memory
from mt.model.source_embedding import Embed

# B sources, N different sounds, L samples, F frequencies, M mel bands, S frames, D model

STRIDE = 2  # of each of the two convolutions
FLOOR = 1e-2  # of a band's energy, before the logarithm: below is silence, which is 0
LOUDEST = 32768.0


class SoundEncoder(SourceEncoder):
    """Reads `mt.data.several.Sounds`: samples become frames of `bands` mel bands, four of which are one place.

    `rate` and `seconds` are those of prepared sounds; a frame has `window_ms`, a new one begins every `hop_ms`. Then
    two convolutions of three frames with stride 2 and GELU, positions, and `num_layers` encoder layers with any
    attention (0: none). A sound that several sources share is encoded once. The end of a sound shorter than `seconds`
    is silence, which is read as such.

    Raises ValueError for sizes that do not fit.
    """

    def __init__(
        self,
        *,
        settings: LayerSettings,
        rate: int,
        seconds: float,
        num_layers: int,
        self_attention: Callable[..., Mixer],
        bands: int = 40,
        window_ms: float = 32.0,
        hop_ms: float = 16.0,
        layer: Callable[..., nn.Module] = EncoderLayer,
    ):
        super().__init__()
        self.rate, self.num_samples, self.width = rate, round(rate * seconds), settings.dim
        self.window, self.hop = round(rate * window_ms / 1000), round(rate * hop_ms / 1000)
        if not 1 <= self.hop <= self.window <= self.num_samples:
            raise ValueError(
                f"sound.hop_ms ({hop_ms:g}) must be at most window_ms ({window_ms:g}), and that at most the sound"
            )
        if not 1 <= bands <= self.window // 4:
            raise ValueError(
                f"sound.bands ({bands}) must be from 1 to {self.window // 4}, a quarter of a frame's samples"
            )
        with torch.device("cpu"):  # a checkpoint's model is built without numbers first
            empty = int((mel_filters(rate, self.window, bands).sum(dim=-1) == 0).sum())
        if empty:
            raise ValueError(
                f"sound.bands ({bands}) must be fewer: {empty} of them are narrower than the frequencies of a frame of"
                f" {window_ms:g} ms at {rate} Hz, and would always be silent"
            )
        if not 0 <= num_layers <= MOST_LAYERS:
            raise ValueError(f"sound.num_layers ({num_layers}) must be from 0 to {MOST_LAYERS}")
        self.bands = bands
        self.first = nn.Conv1d(bands, settings.dim, 3, STRIDE, 1)
        self.second = nn.Conv1d(settings.dim, settings.dim, 3, STRIDE, 1)
        # positions are added here, as for pictures
        flat = replace(settings, positions="sinusoidal") if settings.positions == "rotary" else settings
        self.layers = nn.ModuleList(layer(flat, self_attention) for _ in range(num_layers))
        self.norm = settings.make_final_norm()

    @property
    def num_places(self) -> int:
        """Places of the memory that a sound takes."""
        frames = self.num_samples // self.hop + 1
        return _halved(_halved(frames))

    def forward(self, source: Any, embed: Embed | None, *, recompute: bool = False) -> Memory:
        """The memory of sounds, one place after the other in time."""
        x_NMS = self.spectrogram(source.samples_NL)
        for convolution in (self.first, self.second):
            x_NMS = nn.functional.gelu(convolution(x_NMS))
        x_NSD = x_NMS.transpose(1, 2).float()
        x_NSD = x_NSD + sinusoids(0, x_NSD.shape[1], self.width, x_NSD.device)
        for layer in self.layers:
            x_NSD = checkpointed(layer, x_NSD, None) if recompute else layer(x_NSD, None)
        x_NSD = self.norm(x_NSD)
        numbers_B = source.numbers_B
        x_BSD = x_NSD.index_select(0, numbers_B.clamp_min(0))
        mask_B11S = None
        if bool((numbers_B < 0).any()):
            mask_B11S = (numbers_B >= 0)[:, None, None, None].expand(-1, 1, 1, x_BSD.shape[1])
        sources_BS = torch.full(x_BSD.shape[:2], SOUND, device=x_BSD.device)
        return Memory.of("sound", x_BSD, mask_B11S, SourceFacts(sources_BS=sources_BS))

    def spectrogram(self, samples_NL: Tensor) -> Tensor:
        """bands_NMS in float32: the logarithm of each mel band's energy, from 0 to about 2.5."""
        window = torch.hann_window(self.window, device=samples_NL.device)
        with torch.autocast(samples_NL.device.type, enabled=False):
            spectrum_NFS = torch.stft(
                samples_NL.float() / LOUDEST, self.window, self.hop, window=window, return_complex=True
            )
            energy_NFS = spectrum_NFS.abs().square()
            filters_MF = mel_filters(self.rate, self.window, self.bands).to(energy_NFS.device)
            return ((filters_MF @ energy_NFS).clamp_min(FLOOR) / FLOOR).log10() / 2


@lru_cache(maxsize=8)
def mel_filters(rate: int, window: int, bands: int) -> Tensor:
    """filters_MF: triangles over the frequencies of a spectrum, evenly wide on the mel scale (O'Shaughnessy 1987)."""
    frequencies_F = torch.linspace(0, rate / 2, window // 2 + 1, dtype=torch.float64)
    highest = 2595 * torch.log10(torch.tensor(1 + rate / 2 / 700, dtype=torch.float64))
    edges = 700 * (10 ** (torch.linspace(0, 1, bands + 2, dtype=torch.float64) * highest / 2595) - 1)
    left, middle, right = (edges[place : place + bands, None] for place in range(3))
    rising, falling = (frequencies_F - left) / (middle - left), (right - frequencies_F) / (right - middle)
    return torch.minimum(rising, falling).clamp_min(0).float()


def _halved(length: int) -> int:
    """How long a sequence is after a convolution of three places with stride 2 and a place of padding."""
    return (length - 1) // STRIDE + 1
