"""Which texts are true of which pictures in a test set, and rankings ordered anew."""

from itertools import islice
from types import SimpleNamespace

import numpy as np

from mt.data.images.decode import PictureReader
from mt.data.images.settings import ImageSettings
from mt.data.scenes.grammar import truths
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.evaluation.retrieval_table import Gallery, as_table, galleries, reordered


def picture(number):
    return SimpleNamespace(values=np.full((2, 2, 3), number, dtype=np.uint8), digest=bytes([number]))


def test_of_ordinary_pictures_equal_texts_are_true_of_each_others():
    rows = [("a", "one.png", picture(1)), ("b", "two.png", picture(2)), ("a", "three.png", picture(3))]
    gallery = Gallery.of(None, "en", [*rows, ("c", "copy of one.png", picture(1))])
    assert len(gallery.values) == 3 and gallery.own == [0, 1, 2, 0]
    assert gallery.true == [{0, 2}, {1}, {0, 2}, {0}]


def test_of_drawn_scenes_all_that_a_text_is_true_of_is_known():
    pairs = list(islice(Scenes("test", target="en", said="full"), 2))
    of_both = sorted(truths(Scene.of(pairs[1].image), "en") - {pairs[1].target})[0]
    read = PictureReader(ImageSettings())
    rows = [(pairs[0].target, pairs[0].image), (of_both, pairs[0].image), (pairs[1].target, pairs[1].image)]
    gallery = Gallery.of("<2en>", "en", [(text, name, read(name)) for text, name in rows])
    assert 0 in gallery.true[0] and 1 in gallery.true[2]
    assert gallery.true[1] == {0, 1}  # it stands beside the first one and is true of the second one


def test_no_line_is_lost_where_a_language_has_several_tags():
    read = [picture(number) for number in range(4)]
    texts, tags = ["a", "b", "c", "d"], ["<2de>", None, "<formal>", "<2en>"]
    found = galleries(["w", "x", "y", "z"], read, texts, tags, "de")
    assert {name: (of.tag, of.texts) for name, of in found.items()} == {
        "de, <2de>": ("<2de>", ["a"]),
        "de, no tag": (None, ["b"]),
        "de, <formal>": ("<formal>", ["c"]),
        "en": ("<2en>", ["d"]),
    }


def test_lines_are_apart_by_their_language():
    read = [picture(1), picture(1), picture(2)]
    found = galleries(["1", "1", "2"], read, ["ein Stern", "a star", "ein Haus"], ["<2de>", "<2en>", "<2de>"], "de")
    assert {name: (of.tag, of.texts) for name, of in found.items()} == {
        "de": ("<2de>", ["ein Stern", "ein Haus"]),
        "en": ("<2en>", ["a star"]),
    }
    assert galleries(["1"], read[:1], ["ein Stern"], [None], "de").keys() == {"de"}


def likes(pairs):
    """Text t likes picture p the more, the less their numbers differ."""
    return [-float((int(text) - picture) ** 2) for text, picture in pairs]


def test_the_first_candidates_are_ordered_anew_and_the_others_stay():
    texts = ["0", "3"]
    from_texts = reordered([[3, 0, 2, 1], [0, 1, 3, 2]], texts, 3, likes, is_from_text=True)
    assert from_texts == [[0, 2, 3, 1], [3, 1, 0, 2]]
    from_pictures = reordered([[1, 0]] * 4, texts, 2, likes, is_from_text=False)
    assert from_pictures == [[0, 1], [0, 1], [1, 0], [1, 0]]


def test_the_table_has_a_row_for_each_way_and_the_ceiling():
    one = {f"r@{k}": float(k) for k in (1, 5, 10)} | {f"plain_r@{k}": 0.5 for k in (1, 5, 10)}
    one |= {f"plain_ceiling@{k}": 62.4 for k in (1, 5, 10)} | {"median_rank": 2.0, "map@r": 33.3}
    table = as_table({"de": {"text to image": {"vectors": one}}}, {"de": "4 texts, 4 pictures"})
    head, columns, row, ceiling = table.splitlines()
    assert head == "de: text to image, 4 texts, 4 pictures"
    assert columns.split() == ["R@1", "R@5", "R@10", "median", "mAP", "own@1", "own@5", "own@10"]
    assert row.split() == ["vectors", "1.0", "5.0", "10.0", "2.0", "33.3", "0.5", "0.5", "0.5"]
    assert ceiling == "own@k: the own one alone; a perfect ranking can expect 62.4 62.4 62.4"
