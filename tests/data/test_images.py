"""Pictures of one's own: every format that is promised, and files of strangers."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mt.data.cleaning.clean import HeldOutPairs, clean_corpus
from mt.data.cleaning.settings import CleaningSettings
from mt.data.formats.text_files import TextFiles
from mt.data.held_out import HeldOut
from mt.data.images.boxes import read_boxes
from mt.data.images.decode import PictureReader
from mt.data.images.settings import ImageSettings
from mt.data.named_file import UnusableFile
from mt.data.scenes.source import Scenes
from mt.data.settings import DataSettings
from mt.data.text_store import TextStore

RED, BLUE = (220, 30, 40), (30, 40, 200)


def halves(size=(32, 32)):
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


def is_halves(pixels):
    size = pixels.shape[0]
    left, right = pixels[size // 2, size // 4].astype(int), pixels[size // 2, 3 * size // 4].astype(int)
    return np.abs(left - RED).max() < 40 and np.abs(right - BLUE).max() < 40


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def reader(folder, **settings):
    return PictureReader(ImageSettings(**{"size": 16, "folder": str(folder), **settings}))


def with_exif_rotation(path):
    turned, exif = halves().transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(path, exif=exif)


FORMATS = {
    "plain.png": lambda path: halves().save(path),
    "photo.jpg": lambda path: halves().save(path, quality=95),
    "modern.webp": lambda path: halves().save(path, lossless=True),
    "moving.gif": lambda path: halves().save(path, save_all=True, append_images=[Image.new("RGB", (32, 32))]),
    "palette.png": lambda path: halves().quantize(8).save(path),
    "print.jpg": lambda path: halves().convert("CMYK").save(path),
    "turned.jpg": with_exif_rotation,
    "bitmap.bmp": lambda path: halves().save(path),
    "scan.tiff": lambda path: halves().save(path),
    "raw.ppm": lambda path: halves().save(path),
    "a name with blanks ä.png": lambda path: halves().save(path),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_the_same(name, folder):
    FORMATS[name](folder / name)
    decoded = reader(folder)(name)
    assert decoded.pixels.shape == (16, 16, 3) and decoded.pixels.dtype == np.uint8
    assert is_halves(decoded.pixels)


def test_grey_16_bit_and_transparent_pictures(folder):
    Image.new("L", (20, 20), 90).save(folder / "grey.png")
    Image.fromarray(np.full((20, 20), 90 * 257, dtype=np.uint16)).save(folder / "deep.png")
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    clear.paste((*RED, 255), (0, 0, 10, 20))
    clear.save(folder / "clear.png")
    read = reader(folder)
    for name in ("grey.png", "deep.png"):
        assert np.abs(read(name).pixels.astype(int) - 90).max() <= 1
    pixels = read("clear.png").pixels
    assert np.abs(pixels[8, 2].astype(int) - RED).max() < 5 and (pixels[8, 13] == 255).all()


@pytest.mark.parametrize(("fit", "box"), [("pad", "4,0,8,16"), ("crop", "0,-8,16,32"), ("stretch", "0,0,16,16")])
def test_boxes_go_the_way_of_the_picture(fit, box, folder):
    Image.new("RGB", (20, 40), RED).save(folder / "tall.png")
    decoded = reader(folder, fit=fit)("tall.png")
    assert decoded.boxes("3:0,0,20,40") == f"3:{box}"
    assert decoded.pixels.shape == (16, 16, 3)
    is_red = np.abs(decoded.pixels.astype(int) - RED).max(axis=2) < 5
    assert is_red.sum() == (128 if fit == "pad" else 256)


def png(width, height, rows=b"", more=b""):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def good():
    return png(8, 8, (b"\0" + bytes(24)) * 8)


def jpeg():
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"jpeg-{os.getpid()}.jpg"
    halves().save(path)
    body = path.read_bytes()
    path.unlink()
    return body


# name of the crafted file -> (its bytes, what the ledger says)
CRAFTED = {
    "empty.png": (b"", "no picture"),
    "text.png": (b"this is no picture", "no picture"),
    "page.png": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "no picture"),
    "archive.png": (b"PK\x03\x04" + bytes(60), "no picture"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "no picture"),
    "program.png": (b"\x7fELF" + bytes(99), "no picture"),
    "signature.png": (good()[:8], "no picture"),
    "header.png": (good()[:20], "damaged|no picture"),
    "cut.png": (png(64, 64, os.urandom(64 * 193))[:-4000], "damaged"),
    "rows.png": (png(8, 8, b"\0" * 3), "damaged"),
    "zlib.png": (good().replace(zlib.compress((b"\0" + bytes(24)) * 8), b"garbage, not zlib"), "damaged"),
    "bomb.png": (png(60_000, 60_000, b""), "too many pixels"),
    "huge.png": (png(2_000_000_000, 2_000_000_000, b""), "too many pixels"),
    "wide.png": (png(200_000_000, 1, b""), "too many pixels"),
    "nothing.png": (png(0, 0, b""), "no picture|damaged|not"),
    "half.jpg": (jpeg()[:200], "damaged|no picture"),
    "noise.jpg": (b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8, "damaged|no picture"),
    "gif.gif": (b"GIF89a\xff\xff\xff\xff\x80\0\0", "damaged|no picture"),
    "tiff.tif": (b"II*\0\x08\0\0\0\xff\xff" + bytes(40), "damaged|no picture|not"),
    "bmp.bmp": (
        b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHI", 40, -5, 2**30, 1, 24, 0),
        "damaged|too many|no picture",
    ),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_one_line_and_a_reason(name, folder):
    body, reason = CRAFTED[name]
    (folder / name).write_bytes(body)
    with pytest.raises(UnusableFile, match=r"^[^\n]{1,400}$") as refused:
        reader(folder)(name)
    assert any(part in refused.value.fault.reason for part in reason.split("|"))
    assert refused.value.fault.reason.startswith("picture: ")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret.png", "outside of the folder"),
        ("/etc/passwd", "outside of the folder"),
        ("link.png", "outside of the folder"),
        ("missing.png", "file not found"),
        ("sub", "not a file"),
        ("pipe", "not a file"),
        ("", "no name"),
        ("zero\0byte.png", "no name"),
        ("scene:nothing", "not a scene"),
    ],
)
def test_a_name_cannot_lead_elsewhere(name, reason, folder):
    halves().save(folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    with pytest.raises(UnusableFile) as refused:
        reader(folder)(name)
    assert refused.value.fault.reason == f"picture: {reason}"


@pytest.mark.parametrize("line", ["1", "1:2,3,4", "x:1,2,3,4", "1:1,1,0,4", "1:1,1,4,-4", "1:nan,1,1,1", "1:1e9,1,1,1"])
def test_malformed_boxes_are_refused(line):
    with pytest.raises(ValueError, match="box"):
        read_boxes(line)


def written(folder, name, lines):
    path = folder.parent / name
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return str(path)


def test_cleaning_counts_pictures_that_cannot_be_read_and_knows_equal_ones(folder):
    halves().save(folder / "one.png")
    halves().save(folder / "same.bmp")
    Image.new("RGB", (32, 32), RED).save(folder / "red.png")
    Image.new("RGB", (32, 32), BLUE).save(folder / "blue.png")
    (folder / "broken.png").write_bytes(b"nothing")
    names = ["one.png", "same.bmp", "red.png", "broken.png", "../out.png", "red.png", "blue.png", ""]
    captions = ["two halves", "two halves", "two halves", "a", "b", "all red", "in a held out set", "without a picture"]
    corpus = TextFiles(
        source=written(folder, "s", [""] * 8),
        target=written(folder, "t", captions),
        image=written(folder, "i", names),
        boxes=written(folder, "b", ["0:0,0,16,32", "", "", "", "", "1:1", "", ""]),
    )
    valid = TextFiles(
        source=written(folder, "vs", [""]),
        target=written(folder, "vt", ["blue"]),
        image=written(folder, "vi", ["blue.png"]),
    )
    images = ImageSettings(size=16, folder=str(folder))
    data = DataSettings(
        name="x", source_language="en", target_language="de", train=corpus, valid=valid, prepared="x", images=images
    )
    held_out = HeldOut.read("valid", valid, PictureReader(images))
    store = folder.parent / "store"
    store.mkdir()
    ledger = clean_corpus(
        corpus, CleaningSettings(), languages=("en", "de"), held_out=HeldOutPairs([held_out], data), folder=store,
        images=images,
    )  # fmt: skip
    counts = {reason: drop.count for reason, drop in ledger.drops.items()}
    assert counts == {
        "duplicate (same pair)": 1,  # one picture under two names
        "picture: no picture": 1,
        "picture: outside of the folder": 1,
        "malformed boxes": 1,
        "picture in valid or test": 1,
        "empty side": 1,
    }
    text = TextStore(store)
    pairs = [text.pair(number) for number in range(len(text))]
    assert [pair.image for pair in pairs] == ["one.png", "red.png"]  # the same caption of two pictures is two pairs
    assert is_halves(pairs[0].picture) and pairs[0].boxes == "0:0,0,8,16"
    assert json.loads((store / "pictures" / "pictures.json").read_text())["num_pictures"] == 2
    held_out.save(folder.parent, "en", "de")
    again = HeldOut.load(folder.parent, "valid", "en", "de")
    assert (again.pictures[0] == held_out.pictures[0]).all() and again.images == ["blue.png"]


def test_a_held_out_picture_that_cannot_be_read_ends_preparation_with_its_line(folder):
    corpus = TextFiles(
        source=written(folder, "s", ["a"]), target=written(folder, "t", ["b"]), image=written(folder, "i", ["none.png"])
    )
    with pytest.raises(ValueError, match=r"data.valid, line 1: .*none.png: file not found"):
        HeldOut.read("valid", corpus, reader(folder))


def test_a_scene_and_its_picture_as_a_file_are_the_same(folder):
    pair = next(iter(Scenes("train", 1, target="en")))
    read = reader(folder, size=64)
    Image.fromarray(read(pair.image).pixels).save(folder / "scene.png")
    assert read("scene.png").digest == read(pair.image).digest
    assert read(pair.image).boxes(pair.boxes) == pair.boxes


@pytest.mark.parametrize("settings", [{"size": 4}, {"size": 9999}, {"fit": "fill"}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ValueError, match=f"images.{next(iter(settings))}"):
        ImageSettings(**settings)
