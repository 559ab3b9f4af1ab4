"""Brings a picture to the size of a model, and boxes in it to the same pixels."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from mt.data.images.settings import ImageSettings

BORDER = (128, 128, 128)  # grey


@dataclass(frozen=True)
class Fit:
    """Where a picture of `width` x `height` pixels lies on the square: `scale` of each axis, then a shift."""

    width: int
    height: int
    scale_across: float
    scale_down: float
    left: float
    top: float
    size: int

    @classmethod
    def of(cls, width: int, height: int, settings: ImageSettings) -> Fit:
        """The fit of a picture of this size."""
        size = settings.size
        if settings.fit == "stretch":
            return cls(width, height, size / width, size / height, 0.0, 0.0, size)
        scale = size / (max if settings.fit == "pad" else min)(width, height)
        return cls(width, height, scale, scale, (size - width * scale) / 2, (size - height * scale) / 2, size)

    def picture(self, image: Image.Image) -> Image.Image:
        """The square picture."""
        if (self.width, self.height) == (self.size, self.size):
            return image
        across, down = max(1, round(self.width * self.scale_across)), max(1, round(self.height * self.scale_down))
        # reducing_gap: a large picture is first reduced by a whole factor, which is much faster
        scaled = image.resize((across, down), Image.Resampling.BILINEAR, reducing_gap=2.0)
        square = Image.new("RGB", (self.size, self.size), BORDER)
        square.paste(scaled, (round(self.left), round(self.top)))
        return square

    def box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A box of the picture in pixels of the square: left, top, width and height."""
        return (
            left * self.scale_across + self.left,
            top * self.scale_down + self.top,
            width * self.scale_across,
            height * self.scale_down,
        )
