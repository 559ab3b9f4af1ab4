"""`align head`: a head that is taught on a checkpoint which stands still."""

import json

import pytest
import torch
from safetensors.torch import load_file

from mt import align, quantize
from mt.inference.aligner import Aligner
from mt.inference.translator import Translator

QUICK = "--steps 150 --learning-rate 0.01 --max-tokens 1000".split()  # little text and few words: it is soon learned


@pytest.fixture(scope="module")
def taught(trained_run, corpus_folder, tmp_path_factory):
    """The trained run with a head taught by the statistical aligner's links."""
    output = tmp_path_factory.mktemp("head") / "taught"
    where = ["--checkpoint", str(trained_run), "--output", str(output)]
    assert align.main(["head", *files(corpus_folder), *where, *QUICK]) == 0
    return output


def files(corpus_folder, name="train"):
    return ["--source", str(corpus_folder / f"{name}.de"), "--target", str(corpus_folder / f"{name}.en")]


def error(checkpoint, corpus_folder, output, *flags):
    gold = ["--gold", str(corpus_folder / "test.align"), "--formats", "pharaoh"]
    where = ["--checkpoint", str(checkpoint), "--output", str(output)]
    assert align.main([*files(corpus_folder, "test"), *gold, *where, *flags]) == 0
    return json.loads((output / "about.json").read_text())["aer"]


def test_the_head_aligns_a_held_out_set_and_is_what_the_checkpoint_says(taught, corpus_folder, tmp_path):
    choice = json.loads((taught / "alignment.json").read_text())
    assert (choice["layer"], choice["heads"], choice["shift"]) == (2, [0, 1], 1)  # after the decoder's two layers
    assert error(taught, corpus_folder, tmp_path / "out") < 0.1


def test_translations_and_other_maps_stay_what_they_were(taught, trained_run, corpus_folder):
    lines = (corpus_folder / "test.de").read_text().splitlines()[:20]
    before, after = (
        [each.text for each in Translator.load(run, device="cpu").translate(lines)] for run in (trained_run, taught)
    )
    assert before == after
    old, new = (Aligner.load(run, device="cpu").attention(lines, before) for run in (trained_run, taught))
    assert all((one.weights_LHTS == other.weights_LHTS[:2]).all() for one, other in zip(old, new, strict=True))
    assert new[0].num_layers == 3


def test_norms_leave_the_head_as_it_is(taught):
    raw = Aligner.load(taught, device="cpu").attention(["eins zwei"], ["two one"], norms=True)[0]
    assert raw.signal("norms")[2] == pytest.approx(raw.weights_LHTS[2], abs=1e-6)
    assert raw.signal("norms")[1] != pytest.approx(raw.weights_LHTS[1], abs=1e-6)


def test_given_links_teach_whatever_they_say(trained_run, corpus_folder, tmp_path):
    """Links that go straight on, though the corpus is reversed."""
    lines = (corpus_folder / "train.de").read_text().splitlines()
    links = (" ".join(f"{n}-{n}" for n in range(len(line.split()))) for line in lines)
    (tmp_path / "links").write_text("".join(f"{line}\n" for line in links))
    output = tmp_path / "straight"
    flags = [*QUICK, "--links", str(tmp_path / "links"), "--layer", "1", "--seed", "2"]
    where = ["--checkpoint", str(trained_run), "--output", str(output)]
    assert align.main(["head", *files(corpus_folder), *where, *flags, "--device", "cpu", "--precision", "float32"]) == 0
    assert Aligner.load(output, device="cpu").choice.layer == 2
    assert error(output, corpus_folder, tmp_path / "out") > 0.3


def test_a_checkpoint_in_bfloat16_stays_one(trained_run, corpus_folder, tmp_path):
    small, output = tmp_path / "small", tmp_path / "with_head"
    assert quantize.main(["--checkpoint", str(trained_run), "--output", str(small), "--to", "bfloat16"]) == 0
    where = ["--checkpoint", str(small), "--output", str(output)]
    assert align.main(["head", *files(corpus_folder), *where, *QUICK, "--steps", "1"]) == 0
    stored = load_file(output / "model.safetensors")
    assert stored["decoder.alignment_head.query.weight"].dtype == torch.bfloat16
    before = load_file(small / "model.safetensors")
    assert all(stored[name].dtype == one.dtype and stored[name].equal(one) for name, one in before.items())


@pytest.mark.parametrize(
    "flags, message",
    [
        ("--steps 0", r"--steps \(0\) must be .* at least 1"),
        ("--max-tokens 9", r"--max-tokens \(9\) must be .* at least 402"),
        ("--seed -1", r"--seed \(-1\) must be .* at least 0"),
        ("--learning-rate 0", r"--learning-rate \(0\) must be a number, above 0"),
        ("--layer 7", r"layer \(7\) must be from 0 to 1"),
        ("--device abacus", r"device \(abacus\)"),
        ("--precision double", r"precision \(double\)"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(trained_run, corpus_folder, tmp_path, flags, message):
    links = tmp_path / "links"
    links.write_text("0-0\n" * 60)
    arguments = [*files(corpus_folder, "test"), "--links", str(links), "--output", str(tmp_path / "out")]
    with pytest.raises(ValueError, match=message):
        align.main(["head", *arguments, "--checkpoint", str(trained_run), *flags.split()])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_and_text_without_links_are_refused(trained_run, corpus_folder, tmp_path):
    arguments = ["head", *files(corpus_folder, "test"), "--checkpoint", str(trained_run)]
    (tmp_path / "links").write_text("\n" * 60)
    with pytest.raises(ValueError, match="must be a new folder"):
        align.main([*arguments, "--output", str(tmp_path)])
    with pytest.raises(ValueError, match="have no pair of lines with a link"):
        align.main([*arguments, "--links", str(tmp_path / "links"), "--output", str(tmp_path / "out")])


def test_a_second_head_is_refused(taught, corpus_folder, tmp_path):
    with pytest.raises(ValueError, match="has one already"):
        align.main(
            ["head", *files(corpus_folder, "test"), "--checkpoint", str(taught), "--output", str(tmp_path / "o")]
        )
