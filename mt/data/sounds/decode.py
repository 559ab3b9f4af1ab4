"""Decodes sounds (wav files), which may come from a stranger: bounded in size, and never outside of their folder."""

from __future__ import annotations

import wave
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from mt.data.images.store import digest_of
from mt.data.named_file import UnusableFile, check_file, path_of
from mt.data.scenes.motif import RATE
from mt.data.scenes.motif import sound as sound_of
from mt.data.scenes.scene import MARK, Scene
from mt.data.sounds.settings import SoundSettings
from mt.data.sounds.sound import Wave

MOST_BYTES = 100_000_000
LENGTH_UNKNOWN = 0x7FFF0000  # bytes that a header claims from here on: written into a pipe, before the end was known
HELD = 1024  # decoded sounds that a reader keeps
WIDTHS = {1: 128.0, 2: 2.0**15, 3: 2.0**23, 4: 2.0**31}  # bytes of a sample, and the loudest one


class Heard(NamedTuple):
    """A prepared sound, and a digest of its samples."""

    samples: Wave
    digest: bytes

    @property
    def values(self) -> Wave:
        """What is stored of it."""
        return self.samples


class SoundReader:
    """Reads the sounds that a corpus names, by the settings; the last ones are kept."""

    def __init__(self, settings: SoundSettings):
        self.settings = settings
        self._held: OrderedDict[str, Heard] = OrderedDict()

    def __call__(self, name: str) -> Heard:
        """The sound of this name: a wav file, or the text of a drawn scene. Raises UnusableFile."""
        held = self._held.get(name)
        if held is None:
            samples, rate = self._scene(name) if name.startswith(MARK) else self._file(name)
            prepared = self._prepared(samples, rate, name)
            held = self._held[name] = Heard(prepared, digest_of(prepared))
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return held

    def _prepared(self, samples_L: np.ndarray, rate: int, name: str) -> Wave:
        """At the settings' rate (linear interpolation, after a mean over what becomes one sample), with silence."""
        if len(samples_L) > round(self.settings.seconds * rate):
            said = f"{len(samples_L) / rate:.2f} s"
            message = f"{name[:80]}: a sound must have at most {self.settings.seconds:g} s (sounds.seconds), not {said}"
            raise UnusableFile("sound: too long", message)
        if rate != self.settings.rate:
            factor = rate // self.settings.rate
            if factor > 1:  # what is higher than the new rate can hold would come back as another tone
                samples_L = np.convolve(samples_L, np.full(factor, 1 / factor), mode="same")
            places = np.arange(0, len(samples_L), rate / self.settings.rate)
            samples_L = np.interp(places, np.arange(len(samples_L)), samples_L)
        prepared = np.zeros(self.settings.num_samples, dtype=np.int16)
        fitting = samples_L[: len(prepared)]
        prepared[: len(fitting)] = np.clip(np.rint(fitting), -32768, 32767)
        return prepared

    def _scene(self, text: str) -> tuple[np.ndarray, int]:
        try:
            return sound_of(Scene.of(text)), RATE
        except ValueError as error:
            raise UnusableFile("sound: not a scene", str(error)) from None

    def _file(self, name: str) -> tuple[np.ndarray, int]:
        path = path_of(name, self.settings.folder, kind="sound")
        check_file(path, kind="sound", most_bytes=MOST_BYTES)
        try:
            with wave.open(str(path), "rb") as file:
                channels, width, rate, count = file.getparams()[:4]
                raw = file.readframes(count)
        except (wave.Error, EOFError, OSError, RuntimeError) as error:
            said = " ".join(str(error).split())[:120] or "it ends too early"
            raise UnusableFile("sound: no wav file", f"{path}: must be a wav file of whole numbers ({said})") from None
        if width not in WIDTHS or not 1 <= channels <= 64 or not 1 <= rate <= 1_000_000:
            message = f"{path}: {channels} channels of {8 * width} bits at {rate} Hz cannot be read"
            raise UnusableFile("sound: unknown form", message)
        claimed = count * width * channels
        if len(raw) < claimed < LENGTH_UNKNOWN:
            raise UnusableFile("sound: cut off", f"{path}: is cut off: {len(raw)} of {claimed} bytes of samples")
        whole = len(raw) - len(raw) % (width * channels)
        if not whole:
            raise UnusableFile("sound: empty", f"{path}: a sound must have a sample")
        return _samples(raw[:whole], width).reshape(-1, channels).mean(axis=1), rate


def _samples(raw: bytes, width: int) -> np.ndarray:
    """Samples from -32768 to 32767, of little-endian whole numbers; those of a byte have no sign."""
    if width == 1:
        values = np.frombuffer(raw, np.uint8).astype(np.float64) - 128
    elif width == 3:
        bytes_N3 = np.frombuffer(raw, np.uint8).reshape(-1, 3).astype(np.int32)
        unsigned = bytes_N3[:, 0] | bytes_N3[:, 1] << 8 | bytes_N3[:, 2] << 16
        values = ((unsigned ^ 0x800000) - 0x800000).astype(np.float64)
    else:
        values = np.frombuffer(raw, f"<i{width}").astype(np.float64)
    return values / WIDTHS[width] * 32768
