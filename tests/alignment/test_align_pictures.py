"""`mt.align --images --boxes` on a model that sees: what it prints and writes is what the functions give."""

import json
from itertools import islice

import pytest

from mt.align import main
from mt.alignment.choice import Choice
from mt.alignment.pointing import Pointing
from mt.alignment.regions import Box
from mt.data.images.boxes import read_boxes
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.inference.aligner import Aligner

PAIRS = list(islice(Scenes("test", target="en", said="full"), 3))


@pytest.fixture
def files(tmp_path):
    """Files of captions, pictures and boxes, by name; of the second caption no picture is known."""
    pictures, boxes = ([getattr(pair, name) for pair in PAIRS] for name in ("image", "boxes"))
    pictures[1] = boxes[1] = ""
    columns = {"source": ["<2en>"] * 3, "target": [pair.target for pair in PAIRS], "images": pictures, "boxes": boxes}
    for name, lines in columns.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return columns | {name: str(tmp_path / name) for name in columns} | {"output": str(tmp_path / "maps")}


def test_pictures_and_boxes_reach_the_command(seeing_run, files, tmp_path, capsys):
    flags = [f for name in ("source", "target", "images", "boxes", "output") for f in (f"--{name}", files[name])]
    assert main([*flags, "--checkpoint", str(seeing_run), "--device", "cpu", "--formats", "svg,html"]) == 0
    out, maps = capsys.readouterr().out, tmp_path / "maps"
    about = json.loads((maps / "about.json").read_text("utf-8"))

    pictures = [Scene.of(pair.image).picture() for pair in PAIRS]
    pictures[1] = None
    aligner = Aligner.load(str(seeing_run), device="cpu", precision="float32")
    raws = aligner.attention(["<2en>"] * 3, [pair.target for pair in PAIRS], pictures=pictures)
    boxes = [[Box(*box) for box in read_boxes(pair.boxes)] for pair in PAIRS]
    seen = [(raw, pair.target, of) for raw, pair, of in zip(raws, PAIRS, boxes, strict=True)]
    choice = Choice(about["layer"], tuple(about["heads"]), about["shift"])
    expected = Pointing.of([seen[0], seen[2]]).at(choice)
    of_boxes = {name: expected[name] for name in ("pointing", "pointing_chance", "mass_inside")}
    assert {name: about[name] for name in of_boxes} == pytest.approx(of_boxes, abs=0.01)
    assert f"pointing {expected['pointing']:.1f} % of words in their boxes" in out
    # the second line has no picture
    assert sorted(path.name for path in maps.glob("*.picture.svg")) == ["0001.picture.svg", "0003.picture.svg"]
    assert (maps / "alignments.html").read_text("utf-8").count("data:image/png") == 2


def test_a_line_with_a_picture_gives_the_same_beside_one_without(seeing_run):
    aligner = Aligner.load(str(seeing_run), device="cpu", precision="float32")
    target, picture = PAIRS[0].target, Scene.of(PAIRS[0].image).picture()
    (alone,) = aligner.attention(["<2en>"], [target], pictures=[picture])
    _, beside = aligner.attention(["<2en>"] * 2, [target] * 2, pictures=[None, picture])
    assert beside.regions_LHTR == pytest.approx(alone.regions_LHTR, abs=1e-6)
