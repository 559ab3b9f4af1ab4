"""How each kind of thing is drawn: a few shapes that a person can tell apart at 15 pixels."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

from mt.data.scenes.pen import Pen

Drawing = Callable[[Pen], None]
PICTOGRAMS: dict[str, Drawing] = {}


def pictogram(name: str) -> Callable[[Drawing], Drawing]:
    """Registers how `name` is drawn."""

    def register(drawing: Drawing) -> Drawing:
        PICTOGRAMS[name] = drawing
        return drawing

    return register


@pictogram("star")
def _star(pen: Pen) -> None:
    points = [(pi * corner / 5 - pi / 2, 0.2 if corner % 2 else 0.5) for corner in range(10)]
    pen.shape(*[(0.5 + radius * cos(angle), 0.5 + radius * sin(angle)) for angle, radius in points])


@pictogram("heart")
def _heart(pen: Pen) -> None:
    pen.oval(0, 0.05, 0.55, 0.6)
    pen.oval(0.45, 0.05, 1, 0.6)
    pen.shape((0.04, 0.42), (0.96, 0.42), (0.5, 1))


@pictogram("house")
def _house(pen: Pen) -> None:
    pen.shape((0, 0.45), (0.5, 0), (1, 0.45))
    pen.box(0.12, 0.45, 0.88, 1)
    pen.box(0.42, 0.65, 0.6, 1, pen.dark)


@pictogram("tree")
def _tree(pen: Pen) -> None:
    pen.box(0.42, 0.6, 0.58, 1, pen.dark)
    pen.oval(0.1, 0, 0.9, 0.7)


@pictogram("car")
def _car(pen: Pen) -> None:
    pen.box(0, 0.45, 1, 0.75)
    pen.shape((0.18, 0.45), (0.32, 0.2), (0.72, 0.2), (0.85, 0.45))
    pen.oval(0.1, 0.62, 0.36, 0.9, pen.dark)
    pen.oval(0.64, 0.62, 0.9, 0.9, pen.dark)


@pictogram("fish")
def _fish(pen: Pen) -> None:
    pen.oval(0.2, 0.25, 1, 0.75)
    pen.shape((0.28, 0.5), (0, 0.2), (0, 0.8))
    pen.oval(0.78, 0.4, 0.86, 0.48, pen.dark)


@pictogram("moon")
def _moon(pen: Pen) -> None:
    pen.oval(0.1, 0, 1, 1)
    pen.oval(0.38, -0.05, 1.1, 0.85, pen.ground)


@pictogram("umbrella")
def _umbrella(pen: Pen) -> None:
    pen.slice(0, 0.05, 1, 1, 180, 360)
    pen.line(0.08, (0.5, 0.5), (0.5, 0.95), (0.34, 0.95), colour=pen.dark)


@pictogram("flower")
def _flower(pen: Pen) -> None:
    for petal in range(6):
        across, down = 0.5 + 0.28 * cos(petal * pi / 3), 0.5 + 0.28 * sin(petal * pi / 3)
        pen.oval(across - 0.18, down - 0.18, across + 0.18, down + 0.18)
    pen.oval(0.36, 0.36, 0.64, 0.64, pen.dark)


@pictogram("boat")
def _boat(pen: Pen) -> None:
    pen.shape((0, 0.65), (1, 0.65), (0.8, 0.95), (0.2, 0.95))
    pen.shape((0.5, 0), (0.5, 0.6), (0.95, 0.6))
    pen.line(0.06, (0.48, 0), (0.48, 0.65), colour=pen.dark)


@pictogram("bat_animal")
def _bat_animal(pen: Pen) -> None:
    left = [(0, 0.3), (0.2, 0.2), (0.38, 0.42)]
    below = [(0.75, 0.6), (0.62, 0.8), (0.38, 0.8), (0.25, 0.6), (0.08, 0.75)]
    pen.shape(*left, (0.62, 0.42), (0.8, 0.2), (1, 0.3), (0.92, 0.75), *below)
    pen.shape((0.4, 0.42), (0.42, 0.22), (0.5, 0.36), (0.58, 0.22), (0.6, 0.42))


@pictogram("bat_club")
def _bat_club(pen: Pen) -> None:
    pen.shape((0.02, 0.9), (0.1, 0.98), (1, 0.2), (0.8, 0))
    pen.oval(0.72, 0, 1, 0.28)
    pen.oval(0, 0.86, 0.14, 1)


@pictogram("bow_ribbon")
def _bow_ribbon(pen: Pen) -> None:
    pen.shape((0, 0.2), (0.5, 0.5), (0, 0.8))
    pen.shape((1, 0.2), (0.5, 0.5), (1, 0.8))
    pen.box(0.42, 0.38, 0.58, 0.62, pen.dark)


@pictogram("bow_weapon")
def _bow_weapon(pen: Pen) -> None:
    pen.arc(0.15, -0.3, 0, 0.75, 1, -75, 75)
    pen.line(0.03, (0.35, 0.03), (0.35, 0.97), colour=pen.dark)
    pen.line(0.06, (0.1, 0.5), (1, 0.5), colour=pen.dark)


@pictogram("crane_bird")
def _crane_bird(pen: Pen) -> None:
    pen.oval(0.25, 0.35, 0.85, 0.66)
    pen.line(0.1, (0.3, 0.45), (0.17, 0.1))
    pen.oval(0.1, 0, 0.28, 0.16)
    pen.line(0.06, (0.47, 0.62), (0.44, 1), colour=pen.dark)
    pen.line(0.06, (0.6, 0.62), (0.62, 1), colour=pen.dark)
    pen.shape((0.12, 0.05), (0, 0.13), (0.14, 0.14), colour=pen.dark)


@pictogram("crane_machine")
def _crane_machine(pen: Pen) -> None:
    pen.box(0.2, 0.1, 0.34, 1)
    pen.box(0, 0.1, 1, 0.22)
    pen.line(0.05, (0.85, 0.2), (0.85, 0.6), colour=pen.dark)
    pen.box(0.75, 0.6, 0.95, 0.76, pen.dark)
    pen.box(0.05, 0.9, 0.5, 1, pen.dark)


@pictogram("nut_fruit")
def _nut_fruit(pen: Pen) -> None:
    pen.oval(0.1, 0.2, 0.9, 1)
    pen.shape((0.1, 0.45), (0.9, 0.45), (0.72, 0.12), (0.28, 0.12), colour=pen.dark)
    pen.box(0.46, 0, 0.54, 0.15, pen.dark)


@pictogram("nut_metal")
def _nut_metal(pen: Pen) -> None:
    pen.shape((0.25, 0.05), (0.75, 0.05), (1, 0.5), (0.75, 0.95), (0.25, 0.95), (0, 0.5))
    pen.oval(0.3, 0.3, 0.7, 0.7, pen.ground)


@pictogram("cup_tea")
def _cup_tea(pen: Pen) -> None:
    pen.shape((0.05, 0.25), (0.75, 0.25), (0.65, 0.9), (0.15, 0.9))
    pen.arc(0.09, 0.6, 0.32, 1, 0.75, -90, 90)


@pictogram("cup_trophy")
def _cup_trophy(pen: Pen) -> None:
    pen.shape((0.2, 0), (0.8, 0), (0.65, 0.55), (0.35, 0.55))
    pen.box(0.44, 0.5, 0.56, 0.8)
    pen.box(0.25, 0.8, 0.75, 0.98, pen.dark)
    pen.arc(0.09, 0, 0.02, 0.4, 0.42, 90, 270)
    pen.arc(0.09, 0.6, 0.02, 1, 0.42, -90, 90)


@pictogram("letter_mail")
def _letter_mail(pen: Pen) -> None:
    pen.box(0, 0.2, 1, 0.85)
    pen.line(0.06, (0, 0.2), (0.5, 0.58), (1, 0.2), colour=pen.dark)


@pictogram("letter_character")
def _letter_character(pen: Pen) -> None:
    right = [(0.76, 1), (0.66, 0.72), (0.34, 0.72), (0.24, 1)]
    pen.shape((0.36, 0), (0.64, 0), (1, 1), *right, (0, 1))
    pen.shape((0.42, 0.52), (0.58, 0.52), (0.5, 0.22), colour=pen.ground)


@pictogram("key_door")
def _key_door(pen: Pen) -> None:
    pen.oval(0, 0.28, 0.44, 0.72)
    pen.oval(0.13, 0.41, 0.31, 0.59, pen.ground)
    pen.box(0.4, 0.44, 1, 0.56)
    pen.box(0.7, 0.56, 0.78, 0.74)
    pen.box(0.9, 0.56, 1, 0.78)


@pictogram("key_keyboard")
def _key_keyboard(pen: Pen) -> None:
    pen.box(0.02, 0.02, 0.98, 0.98, pen.dark)
    pen.box(0.14, 0.06, 0.86, 0.74)
    pen.line(0.1, (0.3, 0.6), (0.5, 0.2), (0.7, 0.6), colour=pen.ground)


@pictogram("seal_animal")
def _seal_animal(pen: Pen) -> None:
    pen.shape((0.1, 0.95), (0.14, 0.3), (0.38, 0.3), (0.95, 0.85), (0.95, 0.95))
    pen.oval(0.06, 0.05, 0.42, 0.45)
    pen.shape((0.82, 0.9), (1, 0.6), (1, 0.95))
    pen.shape((0.3, 0.7), (0.6, 1), (0.35, 1), colour=pen.dark)
    pen.oval(0, 0.2, 0.14, 0.34, pen.dark)


@pictogram("seal_wax")
def _seal_wax(pen: Pen) -> None:
    pen.shape((0.28, 0.5), (0.16, 1), (0.34, 0.88), (0.46, 1), (0.5, 0.5), colour=pen.dark)
    pen.shape((0.72, 0.5), (0.84, 1), (0.66, 0.88), (0.54, 1), (0.5, 0.5), colour=pen.dark)
    pen.oval(0.12, 0, 0.88, 0.74)
    pen.oval(0.3, 0.18, 0.7, 0.56, pen.dark)


@pictogram("castle")
def _castle(pen: Pen) -> None:
    for left in (0, 0.7):
        pen.box(left, 0.2, left + 0.3, 1)
        pen.shape((left - 0.0, 0.2), (left + 0.15, 0), (left + 0.3, 0.2), colour=pen.dark)
    pen.box(0.3, 0.5, 0.7, 1)
    pen.slice(0.36, 0.62, 0.64, 1.3, 180, 360)
    pen.box(0.4, 0.7, 0.6, 1, pen.dark)


@pictogram("lock")
def _lock(pen: Pen) -> None:
    pen.arc(0.13, 0.2, 0, 0.8, 0.8, 180, 360, colour=pen.dark)
    pen.box(0.08, 0.42, 0.92, 1)
    pen.oval(0.4, 0.56, 0.6, 0.76, pen.ground)
    pen.box(0.46, 0.7, 0.54, 0.9, pen.ground)


@pictogram("rooster")
def _rooster(pen: Pen) -> None:
    pen.oval(0.2, 0.4, 0.8, 0.85)
    pen.shape((0.2, 0.6), (0.16, 0.15), (0.4, 0.15), (0.5, 0.5))
    pen.shape((0.16, 0.15), (0.2, 0), (0.27, 0.1), (0.34, 0), (0.4, 0.16), colour=pen.dark)
    pen.shape((0.17, 0.24), (0, 0.32), (0.17, 0.36), colour=pen.dark)
    pen.shape((0.65, 0.6), (0.8, 0.1), (1, 0.2), (0.95, 0.5), (0.78, 0.75))
    pen.line(0.06, (0.5, 0.8), (0.5, 1), (0.36, 1), colour=pen.dark)


@pictogram("tap")
def _tap(pen: Pen) -> None:
    pen.box(0.3, 0.02, 0.8, 0.12, pen.dark)
    pen.box(0.5, 0.1, 0.62, 0.4)
    pen.box(0.16, 0.34, 1, 0.56)
    pen.box(0.16, 0.34, 0.36, 0.74)
    pen.oval(0.19, 0.82, 0.33, 1, pen.dark)


@pictogram("ostrich")
def _ostrich(pen: Pen) -> None:
    pen.oval(0.25, 0.3, 1, 0.72)
    pen.line(0.08, (0.32, 0.5), (0.2, 0.08), colour=pen.dark)
    pen.box(0.04, 0.02, 0.28, 0.12, pen.dark)
    pen.line(0.08, (0.55, 0.7), (0.42, 0.85), (0.52, 1), (0.38, 1), colour=pen.dark)
    pen.line(0.08, (0.72, 0.7), (0.86, 0.85), (0.7, 1), colour=pen.dark)


@pictogram("bouquet")
def _bouquet(pen: Pen) -> None:
    pen.shape((0.12, 0.4), (0.88, 0.4), (0.5, 1), colour=pen.dark)
    for left, top in ((0, 0.14), (0.32, 0), (0.64, 0.14), (0.18, 0.3), (0.48, 0.3)):
        pen.oval(left, top, left + 0.34, top + 0.34)
        pen.oval(left + 0.12, top + 0.12, left + 0.22, top + 0.22, pen.ground)


@pictogram("pear")
def _pear(pen: Pen) -> None:
    pen.oval(0.14, 0.42, 0.86, 1)
    pen.oval(0.3, 0.14, 0.7, 0.7)
    pen.line(0.08, (0.5, 0.2), (0.56, 0), colour=pen.dark)
    pen.shape((0.56, 0.06), (0.9, 0.02), (0.74, 0.2), colour=pen.dark)


@pictogram("bulb")
def _bulb(pen: Pen) -> None:
    pen.oval(0.12, 0, 0.88, 0.72)
    pen.box(0.32, 0.6, 0.68, 0.74)
    for top in (0.76, 0.89):
        pen.box(0.3, top, 0.7, top + 0.09, pen.dark)
    pen.line(0.06, (0.36, 0.36), (0.45, 0.5), (0.55, 0.36), (0.64, 0.5), colour=pen.ground)


@pictogram("feather")
def _feather(pen: Pen) -> None:
    pen.shape((0.98, 0.02), (0.96, 0.4), (0.66, 0.74), (0.3, 0.8), (0.24, 0.7), (0.3, 0.34), (0.62, 0.06))
    pen.line(0.06, (0.02, 0.98), (0.8, 0.2), colour=pen.dark)


@pictogram("spring")
def _spring(pen: Pen) -> None:
    pen.box(0.1, 0, 0.9, 0.09, pen.dark)
    pen.box(0.1, 0.91, 0.9, 1, pen.dark)
    turns = [(0.15 if turn % 2 else 0.85, 0.08 + 0.84 * turn / 6) for turn in range(7)]
    pen.line(0.11, *turns)


@pictogram("wing")
def _wing(pen: Pen) -> None:
    pen.shape((0, 0.1), (0.5, 0.16), (1, 0.02), (0.9, 0.34), (0.1, 0.5))
    for step in range(4):
        left = 0.08 + 0.2 * step
        pen.oval(left, 0.24 - 0.02 * step, left + 0.2, 0.98 - 0.17 * step)
        pen.line(0.04, (left + 0.2, 0.4), (left + 0.2, 0.8 - 0.17 * step), colour=pen.ground)


@pictogram("piano")
def _piano(pen: Pen) -> None:
    pen.shape((0, 0.45), (0.1, 0.02), (0.95, 0.12), (0.72, 0.45), colour=pen.dark)
    pen.box(0, 0.45, 1, 0.66)
    for left in (0.05, 0.45, 0.85):
        pen.box(left, 0.66, left + 0.09, 1)
    pen.box(0.62, 0.5, 1, 0.57, pen.ground)


@pictogram("sheep")
def _sheep(pen: Pen) -> None:
    for left, top in ((0.18, 0.3), (0.4, 0.2), (0.62, 0.3), (0.2, 0.46), (0.42, 0.5), (0.64, 0.46)):
        pen.oval(left, top, left + 0.34, top + 0.32)
    pen.oval(0, 0.22, 0.28, 0.52, pen.dark)
    for left in (0.3, 0.74):
        pen.box(left, 0.75, left + 0.1, 1, pen.dark)


@pictogram("teacher_man")
def _teacher_man(pen: Pen) -> None:
    pen.oval(0.2, 0, 0.5, 0.28, pen.dark)
    pen.box(0.14, 0.3, 0.56, 0.66)
    pen.box(0.16, 0.66, 0.3, 1)
    pen.box(0.4, 0.66, 0.54, 1)
    pen.line(0.07, (0.56, 0.36), (0.98, 0.1), colour=pen.dark)


@pictogram("teacher_woman")
def _teacher_woman(pen: Pen) -> None:
    pen.box(0.16, 0.12, 0.54, 0.44, pen.dark)
    pen.oval(0.18, 0, 0.52, 0.3, pen.dark)
    pen.shape((0.28, 0.34), (0.42, 0.34), (0.68, 0.84), (0.02, 0.84))
    pen.box(0.22, 0.84, 0.29, 1, pen.dark)
    pen.box(0.42, 0.84, 0.49, 1, pen.dark)
    pen.line(0.07, (0.44, 0.42), (0.98, 0.1), colour=pen.dark)
