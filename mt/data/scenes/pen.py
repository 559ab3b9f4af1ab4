"""Draws shapes in a square of the picture; coordinates run from 0 to 1 across the square, from left and from top."""

from __future__ import annotations

from PIL.ImageDraw import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

DARKER = 0.55  # brightness of a thing's second colour


class Pen:
    """A square of `side` pixels at (`left`, `top`) and the colours of one thing.

    `colour` is the thing's own and the default of all shapes, `dark` its shade for details, `ground` what is behind it.
    """

    def __init__(self, draw: ImageDraw, left: float, top: float, side: float, colour: Colour, ground: Colour):
        self._draw, self._left, self._top, self._side = draw, left, top, side
        self.colour, self.ground = colour, ground
        red, green, blue = (int(value * DARKER) for value in colour)
        self.dark: Colour = (red, green, blue)

    def oval(self, left: float, top: float, right: float, bottom: float, colour: Colour | None = None) -> None:
        """A filled ellipse in a rectangle."""
        self._draw.ellipse((*self._at(left, top), *self._at(right, bottom)), fill=colour or self.colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour | None = None) -> None:
        """A filled rectangle."""
        self._draw.rectangle((*self._at(left, top), *self._at(right, bottom)), fill=colour or self.colour)

    def shape(self, *corners: Point, colour: Colour | None = None) -> None:
        """A filled polygon."""
        self._draw.polygon([self._at(*corner) for corner in corners], fill=colour or self.colour)

    def line(self, width: float, *points: Point, colour: Colour | None = None) -> None:
        """A line of `width`, a share of the square."""
        self._draw.line(
            [self._at(*point) for point in points], fill=colour or self.colour, width=self._width(width), joint="curve"
        )

    def arc(
        self,
        width: float,
        left: float,
        top: float,
        right: float,
        bottom: float,
        start: float,
        end: float,
        colour: Colour | None = None,
    ) -> None:
        """A part of an ellipse's edge, from `start` to `end` in degrees, clockwise from the right."""
        box = (*self._at(left, top), *self._at(right, bottom))
        self._draw.arc(box, start, end, fill=colour or self.colour, width=max(2, self._width(width)))

    def slice(self, left: float, top: float, right: float, bottom: float, start: float, end: float) -> None:
        """A filled slice of an ellipse."""
        self._draw.pieslice((*self._at(left, top), *self._at(right, bottom)), start, end, fill=self.colour)

    def _at(self, across: float, down: float) -> Point:
        return self._left + across * self._side, self._top + down * self._side

    def _width(self, share: float) -> int:
        return max(1, round(share * self._side))
