"""Other views of training pictures: what is seen, where its boxes lie, and what decides it."""

import numpy as np
import pytest

from mt.data.images.boxes import read_boxes
from mt.data.images.views import View, Views
from mt.data.pair import Pair


def picture():
    """Black, with a white square of 8 pixels whose upper left corner is at (20, 12)."""
    pixels_HWC = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels_HWC[12:20, 20:28] = 255
    return pixels_HWC


def bright_box(pixels_HWC):
    """Left, top, width and height of what is bright."""
    down, across = np.nonzero(pixels_HWC[..., 0] > 127)
    return across.min(), down.min(), np.ptp(across) + 1, np.ptp(down) + 1


@pytest.mark.parametrize(
    ("view", "box"),
    [
        (View(0, 0, 64, False, 64), (20, 12, 8, 8)),
        (View(6, -4, 64, False, 64), (14, 16, 8, 8)),
        (View(0, 0, 64, True, 64), (36, 12, 8, 8)),
        (View(16, 8, 32, False, 64), (8, 8, 16, 16)),
        (View(16, 8, 32, True, 64), (40, 8, 16, 16)),
        (View(-32, -32, 128, False, 64), (26, 22, 4, 4)),
    ],
)
def test_a_view_moves_a_picture_and_its_boxes_alike(view, box):
    assert bright_box(view.picture(picture())) == box
    assert view.box(20, 12, 8, 8) == box


def test_what_comes_in_from_outside_repeats_the_edge():
    pixels_HWC = picture()
    pixels_HWC[:, 0] = 77
    assert (View(-10, 0, 64, False, 64).picture(pixels_HWC)[:, :10] == 77).all()


def test_pairs_with_one_picture_see_one_view_which_the_key_and_the_picture_decide():
    views, seen = Views(shift=0.1, zoom=0.2, mirror=0.5), picture()
    other = 255 - seen
    pairs = [Pair("", text, picture=one, boxes=boxes) for text, one, boxes in [
        ("a", seen, "0:20,12,8,8"), ("b", other, ""), ("c", seen, ""), ("d", None, ""),
    ]]  # fmt: skip
    one, two, three, four = views(pairs, [7] * 4)
    assert one.picture is three.picture and four == pairs[3]
    assert [pair.target for pair in (one, two, three)] == ["a", "b", "c"] and (two.boxes, three.boxes) == ("", "")
    (box,) = read_boxes(one.boxes)
    assert np.abs(np.array(bright_box(one.picture)) - box[1:]).max() <= 1.5  # pixels: edges are smoothed
    (again,) = views([pairs[2]], [7])  # as in another part of the batch, or on another rank
    assert (again.picture == one.picture).all()
    assert any((views(pairs[:1], [key])[0].picture != one.picture).any() for key in (8, 9))
    assert bright_box(seen) == (20, 12, 8, 8)  # the corpus stays as it is


def test_draws_stay_in_their_ranges():
    drawn = [Views(shift=0.1, zoom=1.0).drawn(key, 64) for key in range(300)]
    assert min(view.side for view in drawn) >= 32 and max(view.side for view in drawn) <= 128
    assert max(abs(view.left + view.side / 2 - 32) for view in drawn) <= 6.4
    assert not any(view.is_mirrored for view in drawn)


@pytest.mark.parametrize(("name", "value", "most"), [("shift", 0.6, "0.5"), ("zoom", -0.1, "1"), ("mirror", 1.5, "1")])
def test_values_outside_their_range_are_refused(name, value, most):
    with pytest.raises(ValueError, match=rf"^views\.{name} \({value}\) must be from 0 to {most}$"):
        Views(**{name: value})
