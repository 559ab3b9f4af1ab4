"""Sentences with pictures and sounds beside them: trained on, translated and scored by the commands, from files."""

import json
import re
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from mt import evaluate, train, translate
from mt.data.batching import Cursor
from mt.data.masking import MASK
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.inference.translator import Translator
from mt.training.assembly import Assembly, Parts
from mt.training.distributed import Ranks
from mt.training.updater import Updater
from tests.conftest import composed_settings, made_once
from tests.data.test_sounds import tone, write

SCENES = {"shown": True, "heard": True, "source": "en", "target": "de"}


def settings_of(folder):
    sizes = {"train.captions": 30, "train.text": 20, "valid": 4, "tests.test": 4, "tests.test_ambiguous": 3}
    return composed_settings(
        [
            *("experiment=looking", "+sound@model.beside.sound=frames", "data.train.captions.heard=true"),
            *(f"data.{name}.size={size}" for name, size in sizes.items()),
            *(f"~data.tests.{name}" for name in ("test_text", "test_masked", "test_masked_text")),
            "data.tests.test_ambiguous_text.size=2",
            *("model.layer.dim=16", "model.layer.num_heads=2", "model.layer.feed_forward_dim=16"),
            *("model.beside.image.channels=[4,8]", "model.beside.image.strides=[4,4]"),
            *("model.beside.sound.bands=8", "tokenizer.vocab_size=330", "batches.max_tokens=700"),
            *("trainer.max_steps=4", "trainer.validate_every=2", "trainer.device=cpu"),
            *("trainer.precision=float32", "schedule.warmup_steps=1", "search=greedy"),
            "batches.mixture.lengths=null",
            *(f"folder={folder}/run", f"data.prepared={folder}/data"),
        ]
    )


def train_tiny(folder):
    train.main(settings_of(folder))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a model that sees and hears, and has learned next to nothing."""
    return made_once(tmp_path_factory, "beside", train_tiny) / "run"


@pytest.fixture
def corpus(tmp_path):
    """Six sentences, with pictures as files, as scenes and none, and sounds likewise; their translations."""
    pairs = list(islice(Scenes("test_ambiguous", 3, **SCENES), 6))
    Image.fromarray(Scene.of(pairs[0].image).picture()).save(tmp_path / "0.png")
    write(tmp_path / "0.wav", tone(16000), rate=16000)
    columns = {
        "source": [pair.source for pair in pairs],
        "target": [pair.target for pair in pairs],
        "images": [str(tmp_path / "0.png"), pairs[1].image, "", *(pair.image for pair in pairs[3:])],
        "sounds": [str(tmp_path / "0.wav"), "", pairs[2].sound, *(pair.sound for pair in pairs[3:])],
    }
    for name, lines in columns.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return tmp_path


def gradients(parts, model, batches):
    """Of an update, before clipping."""
    updater = Updater(
        model,
        parts.whole_objective,
        **{"clip_norm": 0.0, "max_tokens": 10_000, "seed": 1, "ranks": Ranks()},
        **{"device": torch.device("cpu"), "dtype": torch.float32},
    )
    updater._backward(batches, sum(batch.num_tokens for batch in batches), 0)
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    return found


def test_two_ranks_have_the_gradient_of_one_with_pictures_sounds_and_hidden_words(run):
    # gradients, not weights: Adam makes steps of the rounding where a gradient is zero but for that (biases of keys)
    parts = Parts.of(settings_of(run.parent))
    assembly = Assembly.of(parts, parts.prepare())

    def batches_of(world_size):
        ranks = (Ranks(rank=rank, world_size=world_size) for rank in range(world_size))
        return [assembly.batches(ranks=one).read(Cursor())[0] for one in ranks]

    [whole] = batches_of(1)
    assert {"image", "sound", "text"} == whole.source.parts.keys()
    mask = assembly.prepared.tokenizers.source.encode(MASK)[-1]
    assert (whole.source.parts["text"].ids_BS == mask).any()
    one, two = (gradients(parts, assembly.model.train(), batches_of(size)) for size in (1, 2))
    for name, gradient in one.items():
        assert (gradient - two[name]).norm() < 1e-5 * gradient.norm(), name


def lines_of(run, corpus, *flags, name="out"):
    arguments = ["--checkpoint", str(run), "--input", str(corpus / "source"), "--output", str(corpus / name), *flags]
    assert translate.main([*arguments, "--json", "--device", "cpu"]) == 0
    return [json.loads(line)["translations"][0] for line in (corpus / name).read_text("utf-8").splitlines()]


def test_a_run_scores_words_that_the_picture_decides(run):
    tests = json.loads((run / "scores.json").read_text("utf-8"))["tests"]
    assert 0 <= tests["test_ambiguous"]["ambiguous_words"] <= 100
    assert "ambiguous_words" not in tests["test"] and "bleu" in str(tests["test"])


def test_pictures_and_sounds_change_what_is_said_of_a_line_and_only_of_that(run, corpus):
    plain = lines_of(run, corpus)
    flags = {name: ["--" + name, str(corpus / name)] for name in ("images", "sounds")}
    for name, missing in (("images", 2), ("sounds", 1)):
        beside = lines_of(run, corpus, *flags[name], name=f"{name}.out")
        same = [
            one["score"] == pytest.approx(other["score"], rel=1e-5) for one, other in zip(plain, beside, strict=True)
        ]
        assert same[missing] and sum(same) < 4
    both = lines_of(run, corpus, *flags["images"], *flags["sounds"], name="both")
    one_by_one = [
        lines_of(run, corpus, *flags["images"], *flags["sounds"], "--batch-tokens", "1", name="alone")[place]
        for place in range(6)
    ]
    assert [one["text"] for one in both] == [one["text"] for one in one_by_one]


def test_a_line_without_text_and_with_a_picture_gets_a_caption(run, corpus):
    (corpus / "source").write_text("\n" * 6, encoding="utf-8")
    found = lines_of(run, corpus, "--images", str(corpus / "images"), "--max-length", "3")
    assert [bool(one["text"].strip()) for one in found[2:3]] == [False]
    assert len(found) == 6


ROWS = {
    "images": ["images", "text alone", "with another image"],
    "sounds": ["sounds", "text alone", "with another sound"],
    "images sounds": ["images and sounds", "text alone", "with another image", "with another sound"],
}


@pytest.mark.parametrize("kinds", ROWS)
def test_scores_beside_the_right_ones_with_text_alone_and_beside_another(run, corpus, capsys, kinds):
    arguments = ["--checkpoint", str(run), "--source", str(corpus / "source"), "--reference", str(corpus / "target")]
    arguments += [part for kind in kinds.split() for part in (f"--{kind}", str(corpus / kind))]
    assert evaluate.main([*arguments, "--with-another", "--restore", "0.5", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == ROWS[kinds]
    kinds = {"restored_colours", "restored_nouns"}  # of which perhaps none is hidden
    for of in scores.values():
        assert of.keys() - kinds == {"bleu", "chrf", "ambiguous_words", "lines", "restored_words"}
    assert len({tuple(of) for of in scores.values()}) == 1  # of the same kinds in every row
    assert evaluate.main([*arguments, "--restore", "1"]) == 0
    assert re.search("ambiguous, % +restored, % +colours, % +nouns, %", capsys.readouterr().out)


def test_sounds_for_a_model_that_hears_none_and_lines_with_nothing_are_refused(run, corpus, seeing_run):
    files = ["--reference", str(corpus / "target"), "--sounds", str(corpus / "sounds")]
    with pytest.raises(ValueError, match="hears no sounds: --sounds is for models"):
        evaluate.main(["--checkpoint", str(seeing_run), *files])
    with pytest.raises(ValueError, match="line 2: a line without text must have a picture or sound"):
        evaluate.main(["--checkpoint", str(run), *files])
    with pytest.raises(ValueError, match="--restore needs --source FILE"):
        evaluate.main(["--checkpoint", str(run), *files, "--restore", "0.3"])


@pytest.mark.parametrize(
    ("flag", "line", "message"),
    [
        ("images", "gone.png", "images, line 1: gone.png: file not found"),
        ("sounds", "gone.wav", "sounds, line 1: gone.wav: file not found"),
        ("sounds", "source", "must be a wav file of whole numbers"),
    ],
)
def test_a_bad_file_is_one_clear_line(run, corpus, flag, line, message, monkeypatch):
    monkeypatch.chdir(corpus)
    (corpus / flag).write_text(f"{line}\n" + "\n" * 5, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as raised:
        lines_of(run, corpus, f"--{flag}", str(corpus / flag))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("flag", ["images", "sounds"])
def test_a_file_with_another_number_of_lines_and_a_model_of_text_are_refused(run, corpus, flag, trained_run):
    (corpus / flag).write_text("\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"--{flag} \(.*\) has 1 lines, fewer than there are sentences"):
        lines_of(run, corpus, f"--{flag}", str(corpus / flag))
    (corpus / flag).write_text("\n" * 6, encoding="utf-8")
    with pytest.raises(ValueError, match=f"--{flag} .* is for a model that"):
        lines_of(trained_run, corpus, f"--{flag}", str(corpus / flag), name="text")
    with pytest.raises(ValueError, match=f"--document and --{flag}: give one of them"):
        lines_of(run, corpus, f"--{flag}", str(corpus / flag), "--document")


def test_a_model_hears_what_it_is_given(run):
    translator = Translator.load(run, device="cpu")
    assert translator.sounds is not None and translator.decodable.places == {"image": 16, "sound": 24}
    source = translator.source("a", None, [5], None, None, np.zeros(12000, dtype=np.int16))
    assert list(source.parts) == ["sound", "text"]
