"""The corpus of drawn scenes: what is said is true, boxes and links fit, and splits share nothing."""

from itertools import islice

import numpy as np
import pytest

from mt.alignment.gold import from_pharaoh
from mt.data.images.boxes import read_boxes
from mt.data.scenes.grammar import full_descriptions, sentences, truths
from mt.data.scenes.lexicon import KINDS, NOUNS, partners
from mt.data.scenes.pictograms import PICTOGRAMS
from mt.data.scenes.scene import SIZE, Box, Group, Scene
from mt.data.scenes.source import DEFAULT_SIZES, Scenes, has_held_out, is_held_out


def some(split="train", size=200, **settings):
    return list(islice(Scenes(split, size, **{"target": "de", **settings}), size))


def scene_of(*groups):
    return Scene((205, 200, 190), tuple(Group(kind, colour, (200, 40, 40), boxes) for kind, colour, boxes in groups))


def test_the_same_settings_give_the_same_pairs_and_another_seed_others():
    assert some() == some() and some() != some(seed=2)
    assert Scenes("train", target="de").fingerprint() != Scenes("train", target="en").fingerprint()


def test_every_caption_is_true_of_its_picture_and_most_are_full_descriptions():
    pairs = some()
    full = 0
    for pair in pairs:
        scene = Scene.of(pair.image)
        assert pair.target in truths(scene, "de") and scene.text == pair.image
        full += pair.target in full_descriptions(scene, "de")
    assert 0.6 < full / len(pairs) < 0.95
    assert all(pair.target == full_descriptions(Scene.of(pair.image), "de")[0] for pair in some(said="full"))


def test_both_languages_say_the_same_and_links_fit():
    for german, both in zip(some(), some(source="en"), strict=True):
        assert german.image == both.image and german.target == both.target and german.source == ""
        links = from_pharaoh(both.links).sure
        assert links and max(s for s, _ in links) < len(both.source.split())
        assert max(t for _, t in links) < len(both.target.split())


def test_boxes_lie_in_the_picture_and_show_the_colour_that_the_word_says():
    for pair in some(said="full", target="en"):
        scene = Scene.of(pair.image)
        words = pair.target.replace(",", "").split()
        picture = scene.picture().astype(int)
        for box in read_boxes(pair.boxes):
            assert box.left >= 0 and box.left + box.width <= SIZE and box.top + box.height <= SIZE
            [group] = (one for one in scene.groups if Box(int(box.left), int(box.top), int(box.width)) in one.boxes)
            left, top, side = int(box.left), int(box.top), int(box.width)
            inside = picture[top : top + side, left : left + side].reshape(-1, 3)
            assert (np.abs(inside - group.rgb).sum(axis=1) < 30).mean() > 0.08
            assert words[box.word] in {
                *(group.colour, NOUNS[group.kind].english, NOUNS[group.kind].english_plural, "two", "three", "four")
            }


@pytest.mark.slow  # thousands of scenes
def test_splits_share_no_scene_and_training_never_has_a_held_out_combination():
    graphs = {split: {Scene.of(p.image).graph for p in some(split, 150)} for split in ("train", "valid", "test")}
    assert not graphs["train"] & graphs["valid"] and not graphs["train"] & graphs["test"]
    assert not any(has_held_out(Scene.of(pair.image)) for pair in some("test"))
    compositional = [Scene.of(pair.image) for pair in some("test_compositional", 50)]
    assert all(has_held_out(scene) for scene in compositional)
    held_out = [kind for kind in KINDS if any(is_held_out(kind, colour) for colour in ("red", "blue", "green"))]
    assert 0 < len(held_out) < len(KINDS) / 2


@pytest.mark.parametrize("target", ["en", "de"])
def test_twins_differ_in_one_attribute_and_neither_text_is_true_of_both(target):
    pairs = list(Scenes("train", 61, target=target, said="full", twins=True))
    of_group = {}
    for pair in pairs:
        of_group.setdefault(pair.group, []).append(pair)
    of_group.pop(None, None)
    assert len(pairs) == 61 and len(of_group) >= 25
    changed = set()
    for both in list(of_group.values())[:-1]:  # the last one may be without its twin
        one, other = (Scene.of(pair.image) for pair in both)
        assert not any(has_held_out(scene) or scene.part >= 80 for scene in (one, other))
        [(left, right)] = [two for two in zip(one.groups, other.groups, strict=True) if two[0] != two[1]]
        [attribute] = [name for name in ("kind", "colour", "count") if getattr(left, name) != getattr(right, name)]
        changed.add(attribute)
        for pair, scene in zip(both, (other, one), strict=True):
            assert pair.target not in truths(scene, target)
    assert changed == {"kind", "colour", "count"}
    again = list(Scenes("train", 61, target="de" if target == "en" else "en", said="full", twins=True))
    assert [(pair.image, pair.group) for pair in again] == [(pair.image, pair.group) for pair in pairs]


@pytest.mark.slow  # thousands of scenes
@pytest.mark.parametrize(("source", "target"), [("en", "de"), ("de", "en")])
def test_an_ambiguous_sentence_comes_twice_with_two_pictures_and_two_translations(source, target):
    pairs = list(Scenes("test_ambiguous", 30, source=source, target=target))
    assert len(pairs) == 60
    for one, other in zip(pairs[::2], pairs[1::2], strict=True):
        assert one.source == other.source and one.target != other.target and one.image != other.image
        assert one.target not in truths(Scene.of(other.image), target)


def test_sheep_teachers_and_pronouns_are_decided_by_the_picture():
    one, two = (scene_of(("sheep", "white", tuple(Box(1 + 25 * n, 1, 20) for n in range(count)))) for count in (1, 2))
    said = [{s.text("en"): s.text("de") for s in sentences(scene)}["I can see the sheep"] for scene in (one, two)]
    assert said == ["ich sehe das Schaf", "ich sehe die Schafe"]
    boxes = (Box(3, 3, 20),)
    teachers = [truths(scene_of((f"teacher_{who}", "red", boxes)), "de") for who in ("man", "woman")]
    assert "der Lehrer ist rot" in teachers[0] and "die Lehrerin ist rot" in teachers[1]
    assert ["er ist rot" in truths for truths in teachers] == [True, False]
    assert set(partners("castle")) == {"lock"} and partners("star") == []


def test_german_grammar():
    scene = scene_of(("letter_character", "blue", (Box(2, 20, 20),)), ("flower", "red", (Box(40, 20, 16),)))
    found = truths(scene, "de")
    assert "eine rote Blume ist rechts von einem blauen Buchstaben" in found
    assert "ich sehe den Buchstaben" in found and "der Buchstabe ist größer als die Blume" not in found
    assert "ein blauer Buchstabe und eine rote Blume" in found


def test_every_kind_is_drawn_inside_its_square_and_unlike_the_others():
    assert set(PICTOGRAMS) == set(NOUNS) and len(KINDS) >= 22
    pictures = {}
    for kind in KINDS:
        picture = scene_of((kind, "red", (Box(20, 20, 24),))).picture().astype(int)
        is_drawn = np.abs(picture - (205, 200, 190)).sum(axis=2) > 12
        assert is_drawn.sum() > 60
        outside = is_drawn.copy()
        outside[19:46, 19:46] = False
        assert not outside.any(), kind
        pictures[kind] = picture
    for kind in KINDS:
        for other in KINDS:
            assert kind == other or np.abs(pictures[kind] - pictures[other]).mean() > 1.5, (kind, other)


@pytest.mark.parametrize(
    "text",
    [
        *("", "scene:", "scene:cdc8be", "scene:cdc8be|star,red,ff0000,1.2", "scene:cdc8be|dragon,red,ff0000,1.2.20"),
        *("scene:cdc8be|star,red,ff0000,60.2.20", "scene:cdc8be|star,red,ff0000,1.2.0"),
        "scene:cdc8be" + "|star,red,ff0000,1.2.20" * 9,
    ],
)
def test_a_text_that_is_no_scene_is_refused(text):
    with pytest.raises(ValueError, match="scene"):
        Scene.of(text)


@pytest.mark.parametrize(
    "settings", [{"split": "dev"}, {"size": 0}, {"target": "fr"}, {"source": "de"}, {"said": "some"}, {"twins": True}]
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Scenes(**{"split": "train", "target": "de", **settings})
    assert DEFAULT_SIZES["train"] > 10_000
