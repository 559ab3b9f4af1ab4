"""Decodes pictures, which may come from a stranger: bounded in size and format, and never outside of their folder."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from mt.data.images.boxes import fitted_boxes
from mt.data.images.fitted import Fit
from mt.data.images.picture import Picture
from mt.data.images.settings import ImageSettings
from mt.data.images.store import digest_of
from mt.data.named_file import UnusableFile, check_file, path_of
from mt.data.scenes.scene import MARK, Scene

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # Pillow reads more, of which some run other programs
MOST_PIXELS = 50_000_000  # of a file before it is reduced: 150 MB
MOST_BYTES = 200_000_000
WHITE = (255, 255, 255)  # behind transparent parts
HELD = 4096  # decoded pictures that a reader keeps: several captions of one picture decode it once
HELD_BYTES = 64_000_000


class Decoded(NamedTuple):
    """A prepared picture: `pixels_HWC`, where it came to lie, and a digest of its pixels."""

    pixels: Picture
    fit: Fit
    digest: bytes

    @property
    def values(self) -> Picture:
        """What is stored of it."""
        return self.pixels

    def boxes(self, line: str) -> str:
        """Boxes of the file in pixels of the prepared picture. Raises ValueError for a malformed line."""
        return fitted_boxes(line, self.fit.box)


class PictureReader:
    """Reads the pictures that a corpus names, by the settings; the last ones are kept."""

    def __init__(self, settings: ImageSettings):
        self.settings = settings
        self._held: OrderedDict[str, Decoded] = OrderedDict()

    def __call__(self, name: str) -> Decoded:
        """The picture of this name: a file, or the text of a drawn scene. Raises UnusableFile."""
        held = self._held.get(name)
        if held is not None:
            self._held.move_to_end(name)
            return held
        image = self._scene(name) if name.startswith(MARK) else self._file(name)
        fit = Fit.of(image.width, image.height, self.settings)
        pixels = np.asarray(fit.picture(image), dtype=np.uint8)
        decoded = Decoded(pixels, fit, digest_of(pixels))
        self._held[name] = decoded
        while len(self._held) > max(1, min(HELD, HELD_BYTES // pixels.nbytes)):
            self._held.popitem(last=False)
        return decoded

    def _scene(self, text: str) -> Image.Image:
        try:
            return Image.fromarray(Scene.of(text).picture())
        except ValueError as error:
            raise UnusableFile("picture: not a scene", str(error)) from None

    def _file(self, name: str) -> Image.Image:
        path = path_of(name, self.settings.folder, kind="picture")
        try:
            check_file(path, kind="picture", most_bytes=MOST_BYTES)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of damaged metadata; what matters is an error
                with Image.open(path, formats=FORMATS) as image:
                    if image.width * image.height > MOST_PIXELS:
                        size = f"{image.width} x {image.height}"
                        message = f"{path}: a picture must have at most {MOST_PIXELS} pixels, not {size}"
                        raise UnusableFile("picture: too many pixels", message)
                    image.load()  # of an animation the first frame
                    return _in_rgb(ImageOps.exif_transpose(image))
        except UnusableFile:
            raise
        except Image.DecompressionBombError:
            message = f"{path}: a picture must have at most {MOST_PIXELS} pixels"
            raise UnusableFile("picture: too many pixels", message) from None
        except Image.UnidentifiedImageError:
            message = f"{path}: must be a picture in one of the formats {', '.join(FORMATS)}"
            raise UnusableFile("picture: no picture", message) from None
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises many kinds on damaged files: SyntaxError, struct.error, KeyError …
            said = " ".join(str(error).split())[:120]
            raise UnusableFile(
                "picture: damaged", f"{path}: cannot be decoded ({said or type(error).__name__})"
            ) from None


def _in_rgb(image: Image.Image) -> Image.Image:
    """The picture in red, green and blue: 16 bits to 8, palettes and CMYK resolved, transparent parts on white."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        most = 65535.0 if image.mode.startswith("I") else max(1.0, float(np.nanmax(values, initial=1.0)))
        grey = np.clip(np.nan_to_num(values) / most * 255.0, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        ground = Image.new("RGBA", clear.size, (*WHITE, 255))
        return Image.alpha_composite(ground, clear).convert("RGB")
    return image.convert("RGB")
