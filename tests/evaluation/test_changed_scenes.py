"""False texts of drawn scenes: one attribute is changed, and the text is true no longer."""

from itertools import islice
from random import Random

import pytest

from mt.data.scenes.grammar import truths
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.evaluation.changed_scenes import ATTRIBUTES, changed_scores, changed_table, changed_texts

SCENES = [Scene.of(pair.image) for pair in islice(Scenes("test", target="en"), 60)]


@pytest.mark.parametrize("language", ["en", "de"])
def test_one_attribute_is_changed_and_the_text_is_false(language):
    seen = set()
    for scene in SCENES:
        true = truths(scene, language)
        for attribute, right, wrong in changed_texts(scene, language, Random(1)):
            assert right in true and wrong not in true
            seen.add(attribute)
            if attribute == "colour" and language == "en":  # one word, or an article with it
                pairs = zip(right.split(), wrong.split(), strict=True)
                assert len([both for both in pairs if both[0] != both[1] and both[0] not in ("a", "an")]) == 1
    assert seen == set(ATTRIBUTES)


def test_who_knows_the_truth_is_right_and_who_accepts_all_is_half_right():
    def knows(pairs):
        return [1.0 if text in truths(SCENES[number], "en") else -1.0 for text, number in pairs]

    scores = changed_scores(SCENES, "en", {"truth": knows, "anything": lambda pairs: [1.0] * len(pairs)})
    for attribute in ATTRIBUTES:
        assert scores["truth"][attribute]["balanced"] == scores["truth"][attribute]["higher"] == 100
        of = scores["anything"][attribute]
        assert (of["accepted"], of["refused"], of["balanced"], of["higher"]) == (100, 0, 50, 0)
    assert scores["truth"]["colour"]["pairs"] == 60
    assert "colour      60    100.0" in changed_table(scores)
