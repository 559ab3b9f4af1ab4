"""Maps of words over a picture: the pointing game, the drawn map, and the page that shows it."""

import json
import re
import zlib
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mt.alignment.alignment import Alignment, RawAttention
from mt.alignment.choice import Choice
from mt.alignment.page.page import Page
from mt.alignment.picture_map import PictureMap, lit, save_picture_map
from mt.alignment.pointing import Pointing
from mt.alignment.regions import Box, Regions

# two layers of two heads; three target pieces and </s>; two source pieces with </s>; 4 x 4 regions of 8 pixels
REGIONS = Regions.of(32, 4, np.eye(16))
TEXT, PIECES = "a red star", ["▁a", "▁red", "▁st", "ar", "</s>"]
BOXES = [Box(1, 0, 0, 15, 15), Box(2, 0, 0, 15, 15)]  # the four regions of the upper left corner
PICTURE = np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)


def raw(good_head=(1, 0), shift=1):
    """Head `good_head` looks into the box with 80 % of its attention in the right rows, all else elsewhere."""
    seen = np.zeros((2, 2, 5, 16))
    seen[..., 15] = 0.5
    layer, head = good_head
    seen[layer, head, 1 + shift : 4 + shift, 15] = 0.1
    seen[layer, head, 1 + shift : 4 + shift, 5] = 0.8
    text = np.stack([1 - seen.sum(-1), np.zeros((2, 2, 5))], axis=-1)
    return RawAttention(text, ["<2en>", "</s>"], PIECES, regions_LHTR=seen, regions=REGIONS)


def test_the_head_that_looks_into_the_boxes_is_found_with_its_numbers():
    pointing = Pointing.of([(raw(), TEXT, BOXES)] * 3)
    best = pointing.best()
    assert (best.layer, best.heads, best.shift, best.error_rate) == (1, (0,), 1, 0.0)
    found = pointing.at(best)
    assert found["pointing"] == 100 and found["pointing_chance"] == pytest.approx(25)
    assert found["mass_inside"] == pytest.approx(100 * 0.8 / 0.9) and found["mass_on_picture"] == pytest.approx(90)
    other = pointing.best_except(1, 0)
    assert (other.layer, other.heads) != (1, (0,)) and pointing.at(other)["pointing"] == 0


def test_words_without_boxes_and_sentences_without_pictures_do_not_count():
    assert Pointing.of([(raw(), TEXT, BOXES[:1])]).num_words == 1
    with pytest.raises(ValueError, match="boxes to point at"):
        Pointing.of([(raw(), TEXT, [])])


def test_attention_on_a_picture_is_reported_and_never_dropped_silently():
    alignment = Alignment.from_attention(raw(), layer=1, heads=[0], shift=1)
    assert alignment.image_mass == pytest.approx((0.9 * 3 + 0.5) / 4)
    assert alignment.to_json()["image_mass"] == pytest.approx(alignment.image_mass, abs=1e-4)
    assert (
        raw().image_mass > 0.5
        and "image_mass"
        not in Alignment.from_attention(
            RawAttention(np.full((1, 1, 2, 2), 0.5), ["a", "</s>"], ["b", "</s>"]), layer=0
        ).to_json()
    )


def test_a_map_is_drawn_once_for_each_word(tmp_path):
    found = PictureMap.of(raw(), TEXT, Choice(1, (0,), 1))
    assert found.words == ["a", "red", "star"] and found.weights_WR.sum(axis=1) == pytest.approx([1, 1, 1])
    assert found.weights_WR[1].argmax() == 5 and found.seen_W == pytest.approx([0.5, 0.9, 0.9])
    paths = save_picture_map(PICTURE, found, tmp_path / "0001", boxes=BOXES)
    assert [path.suffix for path in paths] == [".png", ".svg"]
    with Image.open(paths[0]) as image:
        assert image.width > 300
    assert all(f">{word}</text>" in paths[1].read_text("utf-8") for word in found.words)
    shown = lit(PICTURE, found.regions.map(found.weights_WR[1])).astype(int)
    assert np.abs(shown[10:13, 10:13] - PICTURE[10:13, 10:13]).max() < 90  # as it is where the word looked
    assert shown[:, 28:].mean() < 0.6 * PICTURE.mean()


def test_the_page_carries_the_picture_and_its_attention():
    page, one = Page(method="argmax", threshold=0.3), raw()
    alignment = Alignment.from_attention(one, layer=1, heads=[0], shift=1)
    page.add(1, "<2en>", TEXT, one, alignment, [], picture=PICTURE)
    html = page.html({})
    assert "img-src data:" in html and not re.search(r"https?://(?!www\.w3\.org)", html)
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)[1])
    picture = data["sentences"][0]["picture"]
    with Image.open(BytesIO(b64decode(picture["data"].partition(",")[2]))) as image:
        assert (np.asarray(image) == PICTURE).all()
    cells = np.frombuffer(zlib.decompress(b64decode(picture["packed"])), np.uint8).reshape(2, 2, 5, 16)
    assert ((cells / 255.0) ** 2 - one.regions_LHTR).max() < 0.01 and picture["side"] == 4
