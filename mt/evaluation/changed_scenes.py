"""Whether a model tells a true text of a drawn scene from one in which a single attribute is changed, by attribute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from statistics import mean

from mt.data.scenes.grammar import full_descriptions, sentences, truths
from mt.data.scenes.lexicon import MOST_THINGS
from mt.data.scenes.scene import Group, Scene
from mt.data.scenes.twin import other_colour, other_count, other_kind

ATTRIBUTES = ("colour", "kind", "number", "place")

# (text, number of its picture) -> above 0 where the text is judged to be true, one each
Judge = Callable[[Sequence[tuple[str, int]]], Sequence[float]]


def changed_texts(scene: Scene, language: str, random: Random) -> Iterator[tuple[str, str, str]]:
    """(attribute, true text, false text): of a full description one colour, kind or number, of a place two things.

    An attribute that this scene cannot have changed is left out: a place needs two single things.
    """
    [right, *_] = full_descriptions(scene, language)
    known = truths(scene, language)
    for attribute, change in (("colour", _other_colour), ("kind", _other_kind), ("number", _other_number)):
        place = random.randrange(len(scene.groups))
        groups = list(scene.groups)
        groups[place] = change(groups[place], scene, random)
        [wrong, *_] = full_descriptions(replace(scene, groups=tuple(groups)), language)
        if wrong not in known:
            yield attribute, right, wrong
    singles = [place for place, group in enumerate(scene.groups) if group.count == 1]
    if len(singles) < 2:
        return
    one, other = random.sample(singles, 2)
    groups = list(scene.groups)
    groups[one], groups[other] = (
        replace(groups[one], boxes=groups[other].boxes),
        replace(groups[other], boxes=groups[one].boxes),
    )
    right_places = sorted(_places(scene, language))
    wrong_places = sorted(_places(replace(scene, groups=tuple(groups)), language) - known)
    if right_places and wrong_places:
        yield "place", random.choice(right_places), random.choice(wrong_places)


def changed_scores(
    scenes: Sequence[Scene], language: str, judges: Mapping[str, Judge], seed: int = 1
) -> dict[str, dict[str, dict[str, float]]]:
    """By judge and attribute, in %: true texts `accepted`, false ones `refused`, `balanced` the mean of both, and how
    often the true one is judged `higher` than the false one; `pairs` is their number."""
    found: list[tuple[str, int, str, str]] = []
    for number, scene in enumerate(scenes):
        random = Random(f"{seed} {scene.text}")
        found += [
            (attribute, number, right, wrong) for attribute, right, wrong in changed_texts(scene, language, random)
        ]
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for name, judge in judges.items():
        of_right = judge([(right, number) for _, number, right, _ in found])
        of_wrong = judge([(wrong, number) for _, number, _, wrong in found])
        of_rows = list(zip((attribute for attribute, *_ in found), of_right, of_wrong, strict=True))
        scores[name] = {}
        for attribute in ATTRIBUTES:
            both = [(true, false) for of, true, false in of_rows if of == attribute]
            if not both:
                continue
            accepted, refused = 100 * mean(true > 0 for true, _ in both), 100 * mean(false <= 0 for _, false in both)
            scores[name][attribute] = {
                **{"pairs": len(both), "accepted": accepted, "refused": refused, "balanced": (accepted + refused) / 2},
                "higher": 100 * mean(true > false for true, false in both),
            }
    return scores


def changed_table(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A row for each judge and attribute."""
    lines = []
    for name, of_attributes in scores.items():
        width = max(map(len, ATTRIBUTES))
        lines.append(f"one attribute changed, judged by {name}, %")
        lines.append(f"{'':<{width}}  {'pairs':>6} {'accepted':>8} {'refused':>8} {'balanced':>8} {'higher':>8}")
        for attribute, of in of_attributes.items():
            cells = " ".join(f"{of[column]:>8.1f}" for column in ("accepted", "refused", "balanced", "higher"))
            lines.append(f"{attribute:<{width}}  {of['pairs']:>6} {cells}")
    return "\n".join(lines)


def _places(scene: Scene, language: str) -> set[str]:
    """Sentences that say where a thing is."""
    return {one.text(language) for one in sentences(scene) if one.construction == "place"}


def _other_colour(group: Group, scene: Scene, random: Random) -> Group:
    return replace(group, colour=other_colour(group, random))


def _other_kind(group: Group, scene: Scene, random: Random) -> Group:
    return replace(group, kind=other_kind(scene, random))


def _other_number(group: Group, scene: Scene, random: Random) -> Group:
    return replace(group, boxes=(*group.boxes, group.boxes[0])[: other_count(group, MOST_THINGS, random)])
