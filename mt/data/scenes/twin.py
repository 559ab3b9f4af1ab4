"""Twins of a scene: the same but for the colour, kind or number of one group; a close look tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from mt.data.scenes.lexicon import COLOURS, KINDS, partners
from mt.data.scenes.scene import MOST_COUNT, Group, Scene, free_box, shade


def twins(scene: Scene, random: Random) -> Iterator[Scene]:
    """Twins in random order, one for each group and attribute where there is room for it."""
    changes = [(change, place) for change in (_colour, _kind, _number) for place in range(len(scene.groups))]
    for change, place in random.sample(changes, len(changes)):
        groups = list(scene.groups)
        changed = change(groups[place], scene, random)
        if changed is not None:
            groups[place] = changed
            yield replace(scene, groups=tuple(groups))


def other_colour(group: Group, random: Random) -> str:
    """A colour that the group does not have."""
    return random.choice([one for one in COLOURS if one != group.colour])


def other_kind(scene: Scene, random: Random) -> str:
    """A kind that shares no word with any in the scene."""
    shown = {kind for one in scene.groups for kind in (one.kind, *partners(one.kind))}
    return random.choice([kind for kind in KINDS if kind not in shown])


def other_count(group: Group, most: int, random: Random) -> int:
    """One thing more or less than the group has, at most `most`."""
    return random.choice([count for count in (group.count - 1, group.count + 1) if 1 <= count <= most])


def _colour(group: Group, scene: Scene, random: Random) -> Group:
    colour = other_colour(group, random)
    return replace(group, colour=colour, rgb=shade(colour, random))


def _kind(group: Group, scene: Scene, random: Random) -> Group:
    return replace(group, kind=other_kind(scene, random))


def _number(group: Group, scene: Scene, random: Random) -> Group | None:
    if other_count(group, MOST_COUNT, random) < group.count:
        gone = random.randrange(group.count)
        return replace(group, boxes=(*group.boxes[:gone], *group.boxes[gone + 1 :]))
    box = free_box(random, [box for one in scene.groups for box in one.boxes])
    return None if box is None else replace(group, boxes=(*group.boxes, box))
