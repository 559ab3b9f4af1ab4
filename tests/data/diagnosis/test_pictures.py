"""What the doctor says of pictures: their number, sizes, boxes, and those that cannot be read."""

from itertools import islice

from PIL import Image

from mt.data.diagnosis.examine import examine
from mt.data.diagnosis.pictures import pictures_section
from mt.data.images.settings import ImageSettings
from mt.data.pair import Pair
from mt.data.scenes.source import Scenes
from mt.data.settings import DataSettings
from mt.data.tokenizer import TokenizerSettings


def test_pictures_sizes_and_boxes_are_counted():
    pairs = list(islice(Scenes("train", 4, target="en", said="full"), 4))
    twice = [*pairs, pairs[0]._replace(target="another caption")]
    section = pictures_section({"train": twice, "valid": pairs[:1]}, ImageSettings())
    found = section.numbers["train"]
    assert (found["pairs"], found["with a picture"], found["pictures"], found["with boxes"]) == (5, 5, 4, 5)
    assert found["boxes"] == sum(len(pair.boxes.split()) for pair in twice)
    assert found["sizes"] == {"64 x 64": 4} and not section.findings
    assert section.lines[-1] == "each becomes 64 x 64 (pad)" and len(section.lines) == 4


def test_pictures_that_are_missing_small_or_damaged_are_named(tmp_path):
    Image.new("RGB", (20, 12)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no picture")
    pairs = [Pair("", "a", image="small.png"), Pair("", "b", image="text.png"), Pair("", "c", image="none.png")]
    pairs += [Pair("", "d", image="small.png", boxes="0:1,2,3"), Pair("text", "e")]
    settings = ImageSettings(size=64, folder=str(tmp_path))
    section = pictures_section({"train": pairs}, settings)
    assert section.numbers["train"]["sizes"] == {"20 x 12": 1}
    assert section.numbers["train"]["unreadable"] == {"picture: no picture": 1, "picture: file not found": 1}
    said = [finding.what for finding in section.findings]
    assert said == [
        "33 % of the pictures of train cannot be read (picture: no picture)",
        "33 % of the pictures of train cannot be read (picture: file not found)",
        "20 % of the pairs of train have no picture",
    ]
    small = pictures_section({"train": pairs[:1]}, settings)
    assert "less than half of data.images.size (64)" in small.findings[0].what


def test_a_corpus_of_text_has_no_such_section():
    assert not pictures_section({"train": [Pair("a", "b")]}, ImageSettings()).lines


def test_captions_are_no_fault_of_a_corpus(tmp_path):
    def captions(split, size):
        return Scenes(split, size, target="en", said="full")

    data = DataSettings(
        name="captions",
        source_language="de",
        target_language="en",
        train=captions("train", 110),
        valid=captions("valid", 20),
        tests={"test": captions("test", 20)},
        prepared=str(tmp_path / "data"),
    )
    tokenizer = TokenizerSettings(vocab_size=300, model_type="bpe")
    examined = examine(data, tokenizer, max_pairs=110, folder=tmp_path / "data", picture=tmp_path / "lengths.png")
    sections = {section.name: section for section in examined.sections}
    of_text = ("lengths", "agreement", "languages", "overlap", "pictures", "cleaning", "preparing")
    assert [finding.line() for name in of_text for finding in sections[name].findings] == []
    assert sections["pictures"].numbers["valid"]["with boxes"] == 20
    assert sections["cleaning"].numbers["in valid"] == {} and sections["agreement"].numbers["correlation"] is None
