"""Priors inside a checkpoint: what a training learned of words is evidence for aligning other text."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load, save

from mt import align
from mt.alignment.lexicon_priors import LexiconPriors
from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import add_file
from mt.checkpoint.steps import PRIORS

KNOWN = LexiconPriors({("haus", "house"): 3.0, ("katze", "cat"): 1.5, ("katze", "cats"): 0.5})


@pytest.fixture
def step(checkpoint, tmp_path):
    """A step folder with priors."""
    folder = shutil.copytree(checkpoint, tmp_path / "step_000001")
    add_file(folder, PRIORS, save(KNOWN.arrays()))
    return folder


@pytest.fixture
def few(tmp_path):
    """Flags of a corpus of a pair, whose words say nothing themselves."""
    for name, text in (("source", "haus ab\n"), ("target", "cd house\n")):
        (tmp_path / name).write_text(text)
    return ["corpus", *(f"--{name}={tmp_path / name}" for name in ("source", "target")), f"--output={tmp_path}/links"]


def test_arrays_hold_the_pairs_with_most_links_and_become_priors_again():
    assert LexiconPriors.of_arrays(KNOWN.arrays(), "file").links == KNOWN.links
    two = LexiconPriors.of_arrays(KNOWN.arrays(most=2), "file").links
    assert two == {("haus", "house"): 3.0, ("katze", "cat"): 1.5}


def test_words_with_blanks_other_than_spaces_are_left_out_of_files():
    odd = LexiconPriors({("a\tb", "c"): 2.0, ("d", "e\u2028f"): 2.0, ("haus", "house"): 1.0})
    assert list(odd.lines()) == ["haus\thouse\t1.000\n"]
    assert LexiconPriors.of_arrays(odd.arrays(), "file").links == {("haus", "house"): 1.0}


def test_a_checkpoint_with_priors_aligns_what_a_text_alone_does_not_say(step, few, tmp_path, caplog):
    caplog.set_level("INFO", "mt.align")
    align.main([*few, f"--priors={step}"])
    assert (tmp_path / "links").read_text() == "0-1 1-0\n"
    assert "1 of the pairs of words in this text are known from --priors" in caplog.text


def test_priors_that_know_nothing_of_a_text_are_reported(step, few, tmp_path, caplog):
    (tmp_path / "source").write_text("house ab\n")  # the wrong direction
    align.main([*few, f"--priors={step}"])
    assert "none of the pairs of words in this text are known from --priors" in caplog.text


def test_a_checkpoint_loads_without_the_priors_that_its_manifest_lists(step):
    (step / PRIORS).unlink()
    assert load_checkpoint(step).card.source_language == "xx"


def test_a_checkpoint_without_priors_is_refused(checkpoint, few):
    with pytest.raises(ValueError, match=r"has no priors.safetensors: its training learned no word links"):
        align.main([*few, f"--priors={checkpoint}"])


def test_a_folder_that_is_no_checkpoint_is_refused(few, tmp_path):
    with pytest.raises(ValueError, match="is not a checkpoint"):
        align.main([*few, f"--priors={tmp_path}"])


def changed(step, **arrays):
    add_file(step, PRIORS, save({**load((step / PRIORS).read_bytes()), **arrays}))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"source": np.array([0, 1, 9], np.int32)}, "source must have 3 places from 0 to 1"),
        ({"target": np.array([0, 1, -1], np.int32)}, "target must have 3 places from 0 to 2"),
        ({"source": np.array([0, 1], np.int32)}, "source must have 3 places from 0 to 1"),
        ({"links": np.array([1, np.nan, 1], np.float32)}, "numbers of links must be above 0"),
        ({"links": np.array([1, -1, 1], np.float32)}, "numbers of links must be above 0"),
        ({"links": np.zeros(0, np.float32)}, "there are no words"),
        ({"source_words": np.array([255, 10, 255, 10], np.uint8)}, "its words are not UTF-8"),
        ({"links": np.ones(3, np.float64)}, "must hold source_words, target_words, source, target, links"),
        ({"links": np.ones((3, 1), np.float32)}, "must hold source_words, target_words, source, target, links"),
        ({"more": np.ones(3, np.float32)}, "must hold source_words, target_words, source, target, links"),
    ],
)
def test_priors_of_strangers_that_do_not_go_together_are_refused(step, few, arrays, said):
    changed(step, **arrays)
    with pytest.raises(ValueError, match=f"{PRIORS}.*{said}"):
        align.main([*few, f"--priors={step}"])


def test_damaged_priors_are_refused_by_the_manifest(step, few):
    content = bytearray((step / PRIORS).read_bytes())
    content[-1] ^= 1
    (step / PRIORS).write_bytes(content)
    with pytest.raises(ValueError, match=r"priors.safetensors is damaged or changed"):
        align.main([*few, f"--priors={step}"])
    add_file(step, PRIORS, b"\0" * 100)
    with pytest.raises(ValueError, match=r"priors.safetensors cannot be read"):
        align.main([*few, f"--priors={step}"])


def test_priors_that_are_a_link_are_refused(step, few, tmp_path):
    (step / PRIORS).rename(tmp_path / "elsewhere")
    (step / PRIORS).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="must be a plain file"):
        align.main([*few, f"--priors={step}"])
