"""Pictures: what is written on them, what is drawn, and that nothing in a sentence can break them."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest
from matplotlib import image

from mt.alignment import heatmap
from mt.alignment.alignment import Alignment, describe_heads
from mt.alignment.gold import from_pharaoh
from mt.alignment.heatmap import LONGEST_LABEL, WEIGHTS, save_grid, save_heatmap, shown


def alignment(source, target, **changes):
    weights_TS = np.random.default_rng(0).dirichlet(np.ones(max(len(source), 1)), size=len(target))[:, : len(source)]
    values = {"layer": 2, "heads": (0, 1, 2, 5), "shift": 1, "sink_mass": 0.314, "direction": "en-de", "unit": "words"}
    return Alignment(source, target, weights_TS, **(values | changes))


def texts(path):
    return [element.text for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")]


SOURCE, TARGET = ["The", "old", "house", "."], ["Das", "alte", "Haus", "steht", "."]


def test_the_picture_names_where_the_weights_were_read(tmp_path):
    save_heatmap(alignment(SOURCE, TARGET), tmp_path / "one", formats=["svg"], title="The old house.")
    written = texts(tmp_path / "one.svg")
    assert "The old house." in written
    assert "layer 2, heads 0-2, 5 (mean), shift 1  ·  en-de  ·  sink mass 0.31" in written
    assert [text for text in written if text in SOURCE + TARGET] == TARGET + SOURCE


def test_both_formats_are_written_and_come_out_the_same_again(tmp_path):
    one = alignment(SOURCE, TARGET)
    paths = save_heatmap(one, tmp_path / "0001", links=[(0, 0)], gold=from_pharaoh("0-0 1?1"))
    assert [path.name for path in paths] == ["0001.png", "0001.svg"]
    first = [path.read_bytes() for path in paths]
    assert first[0].startswith(b"\x89PNG")
    assert [
        path.read_bytes() for path in save_heatmap(one, tmp_path / "0001", links=[(0, 0)], gold=from_pharaoh("0-0 1?1"))
    ] == first


def test_links_and_gold_are_explained_where_they_are_drawn(tmp_path):
    one = alignment(SOURCE, TARGET)
    plain = save_heatmap(one, tmp_path / "plain", formats=["svg"])[0]
    marked = save_heatmap(one, tmp_path / "marked", formats=["svg"], links=[(0, 0)], gold=from_pharaoh("0-0 1?1"))[0]
    sure = save_heatmap(one, tmp_path / "sure", formats=["svg"], gold=from_pharaoh("0-0"))[0]
    assert [text for text in texts(marked) if text not in texts(plain)] == ["link", "gold, sure", "gold, possible"]
    assert [text for text in texts(sure) if text not in texts(plain)] == ["gold, sure"]


def test_a_darker_cell_is_more_weight(tmp_path):
    one = Alignment(["a", "b"], ["x"], np.array([[0.2, 0.8]]), 0, (0,), 1, 0.0)
    path = save_heatmap(one, tmp_path / "one", formats=["svg"])[0]
    fills = [color for color in (WEIGHTS(0.2), WEIGHTS(0.8))]
    drawn = path.read_text()
    for red, green, blue, _ in fills:
        assert f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}" in drawn


def test_lightness_falls_in_even_steps():
    rgb = WEIGHTS(np.linspace(0, 1, 21))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16
    steps = [before - after for before, after in pairwise(lightness)]
    assert min(steps) > 0.9 * np.mean(steps)
    assert max(steps) < 1.1 * np.mean(steps)


def test_pictures_grow_with_the_sentence(tmp_path):
    def size(words):
        path = save_heatmap(
            alignment([f"w{i}" for i in range(words)], ["x"] * words), tmp_path / str(words), formats=["png"]
        )[0]
        return image.imread(path).shape

    small, large = size(18), size(24)
    cell = 0.27 * 160  # pixels
    assert large[0] - small[0] > 5.9 * cell
    assert large[1] - small[1] > 5.9 * cell


def test_long_sentences_are_labelled_on_both_sides(tmp_path):
    path = save_heatmap(alignment(["w"] * 30, ["x"] * 5), tmp_path / "one", formats=["svg"])[0]
    assert texts(path).count("w") == 60
    assert texts(path).count("x") == 5


@pytest.mark.slow  # a very large picture
def test_a_very_long_sentence_stays_within_what_viewers_open(tmp_path):
    one = Alignment(["a"] * 300, ["x"], np.full((1, 300), 1 / 300), 0, (0,), 1, 0.0)
    assert max(image.imread(save_heatmap(one, tmp_path / "one", formats=["png"])[0]).shape) <= 12_000


@pytest.mark.slow
@pytest.mark.parametrize("num_target, is_picture", [(80, False), (101, True)])
def test_the_cells_of_a_large_map_are_one_picture_in_an_svg_and_its_labels_stay_text(tmp_path, num_target, is_picture):
    source, target = [f"s{i}" for i in range(100)], [f"t{i}" for i in range(num_target)]
    path = save_heatmap(alignment(source, target), tmp_path / "one", formats=["svg"], links=[(0, 0)])[0]
    kinds = [element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()]
    assert kinds.count("image") == 1 + is_picture  # the scale is one always
    assert (kinds.count("path") > 100 * num_target) is not is_picture
    assert {*source, *target} <= set(texts(path))


def test_a_png_that_is_packed_less_tightly_is_the_same_picture(tmp_path, monkeypatch):
    one = alignment(SOURCE, TARGET)
    tight = save_heatmap(one, tmp_path / "tight", formats=["png"])[0]
    monkeypatch.setattr(heatmap, "MANY_CELLS", len(SOURCE) * len(TARGET) - 1)
    loose = save_heatmap(one, tmp_path / "loose", formats=["png"])[0]
    assert loose.read_bytes() != tight.read_bytes()
    assert (image.imread(loose) == image.imread(tight)).all()


@pytest.mark.parametrize("num_cells", [(5, 4), (30, 28)], ids=str)
def test_a_picture_holds_all_that_is_drawn(tmp_path, num_cells):
    """Nothing but white at its edges: what came after the maps, title, key and scale, was counted in."""
    source, target = ([f"{side}{i}" for i in range(num)] for side, num in zip("st", num_cells, strict=True))
    how = {"links": [(0, 0)], "gold": from_pharaoh("0-0 1?1"), "title": "word " * 9}
    picture = image.imread(save_heatmap(alignment(source, target), tmp_path / "one", formats=["png"], **how)[0])
    edges = (picture[:4], picture[-4:], picture[:, :4], picture[:, -4:])
    assert all((edge[..., :3] == 1).all() for edge in edges)
    assert (picture[4:-4, 4:-4, :3] < 0.5).any()


@pytest.mark.parametrize(
    ("source", "target"),
    [([], ["x"]), (["a"], []), ([], []), (["a"], ["x"])],
    ids=["no source", "no target", "nothing", "one cell"],
)
def test_empty_sides_are_drawn_empty(tmp_path, source, target):
    assert all(path.stat().st_size for path in save_heatmap(alignment(source, target), tmp_path / "one"))


def test_signs_that_mean_something_elsewhere_are_just_drawn(tmp_path):
    nasty = [
        "$x^2$",
        "a$",
        "<b>",
        "&amp;",
        "%s",
        "\\frac",
        "_y_",
        '"',
        "\x00\x1b",
        "\ufffe",
        "\ud800",
        "a\u2028b",
        "x" * 99,
    ]
    paths = save_heatmap(alignment(nasty, ["ok"]), tmp_path / "one", title="$ & < \x07 \\")
    written = texts(paths[1])
    assert "$ & < \ufffd \\" in written
    for token in nasty:
        assert shown(token) in written
    assert shown("\x00\x1b") == "\ufffd\ufffd"
    assert shown("x" * 99) == "x" * (LONGEST_LABEL - 1) + "…"


def test_right_to_left_labels_stay_logical_in_svg(tmp_path):
    word = "\u0643\u062a\u0627\u0628"
    assert word in texts(save_heatmap(alignment([word], ["book"]), tmp_path / "one")[1])


def test_missing_glyphs_are_not_warned_about_one_by_one(tmp_path, recwarn):
    save_heatmap(alignment(["\U00012000", "\U00012001"], ["x"]), tmp_path / "one")
    assert not recwarn.list


def test_a_long_title_does_not_widen_the_picture(tmp_path):
    def width(title):
        return image.imread(
            save_heatmap(alignment(SOURCE, TARGET), tmp_path / "one", formats=["png"], title=title)[0]
        ).shape[1]

    assert width("word " * 200) < width("word") * 1.3


def test_a_grid_names_each_map_and_shares_its_labels(tmp_path):
    rows = [[alignment(SOURCE, TARGET, layer=layer, heads=(head,)) for head in range(3)] for layer in range(2)]
    written = texts(save_grid(rows, tmp_path / "grid", formats=["svg"], title="A grid", gold=from_pharaoh("0-0"))[0])
    assert [text for text in written if text.startswith("layer")] == [
        f"layer {layer}, head {head}, sink 0.31" for layer in range(2) for head in range(3)
    ]
    assert "shift 1  ·  en-de  ·  words" in written
    assert written.count("Haus") == 2  # once a row of maps
    assert written.count("house") == 3  # once a column


def test_heads_are_described_in_runs():
    assert describe_heads((3,)) == "head 3"
    assert describe_heads((0, 1, 2, 3)) == "heads 0-3 (mean)"
    assert describe_heads((6, 0, 2, 1)) == "heads 0-2, 6 (mean)"
