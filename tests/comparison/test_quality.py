"""How sure a difference is, however many seeds there are."""

import pytest

from mt.comparison.quality import p_of
from mt.evaluation.tokenization import ScoreSettings

REFERENCES = [
    f"the {animal} sees the {thing} in the {place}"
    for animal in ("cat", "dog", "fox", "owl")
    for thing in ("sun", "ball", "tree", "road", "bird")
    for place in ("garden", "morning", "house")
]
WORSE = [line.replace("sees the", "the") if n % 7 == 0 else line for n, line in enumerate(REFERENCES)]
MIXED = [line.replace("the", "a", 1) if n % 5 == 0 else line for n, line in enumerate(REFERENCES)]
ALSO = [line.replace("in the", "in") if n % 9 == 0 else line for n, line in enumerate(REFERENCES)]


def test_a_difference_everywhere_is_sure_and_none_is_not():
    assert all(p < 0.05 for p in p_of([REFERENCES], [WORSE], REFERENCES).values())
    assert p_of([WORSE], [WORSE], REFERENCES) == {"bleu": 1.0, "chrf": 1.0}


@pytest.mark.parametrize("times", [2, 5])
def test_the_same_translations_again_are_no_more_evidence(times):
    once = p_of([MIXED], [ALSO], REFERENCES)
    assert p_of([MIXED] * times, [ALSO] * times, REFERENCES) == pytest.approx(once)
    assert 0.001 < once["bleu"] < 1


def test_differences_are_of_words_that_fit_the_language():
    verbs = "看书 画画 吃饭 睡觉 唱歌".split()
    references = [f"{noun}{verb}了。" for noun in "老师 医生 孩子 妈妈".split() for verb in verbs]
    worse = [line.replace("了", "") if n % 3 else line for n, line in enumerate(references)]
    assert p_of([references], [worse], references, ScoreSettings().fitting("zh").tokenization)["bleu"] < 0.05
    assert p_of([references], [worse], references, ScoreSettings().fitting("de").tokenization)["bleu"] == 1.0
