import json
import re

import pytest

from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import FILE_NAME, add_file, verify
from tests.checkpoint.conftest import tree

FILES = ["model.safetensors", "model.yaml", "tokenizer.model", "scores.json", "training.safetensors", "training.json"]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0b100
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def delete(path):
    path.unlink()


def test_a_new_folder_is_sound_and_its_manifest_names_every_file(step):
    verify(step)
    assert sorted(json.loads((step / FILE_NAME).read_text())["files"]) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "tamper, said",
    [
        (flip_a_bit, r"is damaged or changed: its SHA-256 is \w{16}…, must be \w{16}…"),
        (truncate, r"is cut or changed: it has \d+ bytes, must have \d+"),
        (delete, r"is missing: it must have \d+ bytes"),
    ],
    ids=["bit flip", "truncation", "missing"],
)
def test_damage_is_found_and_named(step, name, tamper, said):
    tamper(step / name)
    with pytest.raises(ValueError, match=re.escape(str(step / name)) + " " + said):
        verify(step)
    if name.startswith("training"):
        load_checkpoint(step)  # does not read it
        return
    with pytest.raises(ValueError, match=re.escape(str(step))):
        load_checkpoint(step)


@pytest.mark.parametrize("tamper", [flip_a_bit, truncate, delete], ids=["bit flip", "truncation", "missing"])
def test_a_manifest_that_is_damaged_vouches_for_nothing(step, tamper):
    (step / FILE_NAME).write_text((step / FILE_NAME).read_text().strip())  # the last byte counts
    tamper(step / FILE_NAME)
    with pytest.raises(ValueError, match=str(step)):
        verify(step)


def test_a_file_that_is_added_is_in_the_manifest_and_found_out_when_it_is_damaged(step):
    add_file(step, "alignment.json", '{"layer": 0}\n')
    verify(step)
    add_file(step, "alignment.json", '{"layer": 1}\n')
    verify(step)
    assert json.loads((step / "alignment.json").read_text()) == {"layer": 1}
    flip_a_bit(step / "alignment.json")
    with pytest.raises(ValueError, match=r"alignment.json is damaged or changed"):
        verify(step)
    with pytest.raises(ValueError, match=r"alignment.json is damaged or changed"):
        load_checkpoint(step)


def test_a_folder_without_a_manifest_stays_so_when_a_file_is_added(step):
    (step / FILE_NAME).unlink()
    before = tree(step)
    add_file(step, "alignment.json", "{}")
    assert tree(step) == {**before, "alignment.json": b"{}"}
    with pytest.raises(ValueError, match=r"has no manifest.json"):
        verify(step)
