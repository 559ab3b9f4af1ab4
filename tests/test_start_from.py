"""A training starts from another run's checkpoint: weights, tokenizer, languages, on a corpus of its own."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.outline import kept_tensors
from mt.comparison.speeds import SpeedSettings, speeds_of
from mt.train import main as train
from mt.training.assembly import Assembly, Parts
from mt.training.distributed import Ranks
from tests.conftest import SHORT_VALIDATION, composed_settings, reversed_pairs
from tests.test_refusals import overrides_of, refused_by_train, said_by_doctor
from tests.training.runs import metrics

FEW_STEPS = ["trainer.max_steps=4", "trainer.validate_every=2", "trainer.log_every=1", *SHORT_VALIDATION]
pytestmark = pytest.mark.usefixtures("curves")
PRIOR = "attention@model.decoder.cross_attention=prior"
TAGGED = (
    "+data.train={_target_:mt.data.sources.Source,tag:'<2en>',corpus:{_target_:mt.data.formats.text_files.TextFiles,"
    "source:%s/train.de,target:%s/train.en}}"
)


def write_corpus(folder, extra=""):
    """Number words; `extra` ends each training sentence, on both sides."""
    for name, count, seed in (("train", 250, 11), ("valid", 20, 2), ("test", 20, 3)):
        for ending, lines in zip(("de", "en"), reversed_pairs(count, seed), strict=True):
            text = "".join(f"{line}{extra if name == 'train' else ''}\n" for line in lines)
            (folder / f"{name}.{ending}").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("numbers"))


@pytest.fixture(scope="module")
def other_corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("more"), extra=" xyz")


def run_of(corpus, work, *more):
    train(composed_settings(overrides_of(corpus, work, [*FEW_STEPS, *more])))
    return work / "run"


@pytest.fixture(scope="module")
def parent(corpus, tmp_path_factory):
    """A short run: the checkpoint to start from."""
    return run_of(corpus, tmp_path_factory.mktemp("parent"))


def assembled(corpus, work, *more):
    parts = Parts.of(composed_settings(overrides_of(corpus, work, [*FEW_STEPS, *more])))
    assembly = Assembly.of(parts, parts.prepare())
    assembly.take_first_weights(Ranks())
    return assembly


def test_it_has_the_weights_and_the_tokenizer_of_the_checkpoint(parent, other_corpus, tmp_path):
    assembly = assembled(other_corpus, tmp_path, f"start_from={parent}", "model.layer.dropout=0.3")
    old = load_checkpoint(parent)
    assert assembly.prepared.tokenizers.digests() == old.tokenizers.digests()
    own = kept_tensors(assembly.model)
    for name, tensor in kept_tensors(old.model).items():
        assert torch.equal(own[name], tensor), name


def test_what_the_checkpoint_has_no_weights_for_starts_fresh_and_is_counted(parent, other_corpus, tmp_path, caplog):
    caplog.set_level("INFO")
    more = (f"start_from={parent}", "attention@model.decoder.cross_attention=gated")
    own, old = kept_tensors(assembled(other_corpus, tmp_path, *more).model), kept_tensors(load_checkpoint(parent).model)
    assert old.keys() < own.keys() and all(torch.equal(own[name], tensor) for name, tensor in old.items())
    fresh = own.keys() - old.keys()
    assert all("cross_attention" in name and ".mixer." in name for name in fresh)
    assert f"{len(fresh)} weights that start_from ({parent}" in caplog.text and "lacks start fresh" in caplog.text


def test_the_doctor_tries_it_as_well(parent, other_corpus, tmp_path, capsys):
    more = [f"start_from={parent}", "freeze=[encoder]", "tokenizer.vocab_size=5"]  # the last is not used
    assert said_by_doctor(other_corpus, tmp_path, more, capsys) == ""
    found = json.loads((tmp_path / "doctor" / "doctor.json").read_text())
    assert found["training"]["parameters"]["total"] == sum(
        parameter.numel() for parameter in load_checkpoint(parent).model.parameters()
    )
    assert "training cannot begin" not in str(found["findings"])


def test_a_run_goes_on_without_the_checkpoint_and_says_where_it_started(parent, other_corpus, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(parent, old, symlinks=True)
    best = load_checkpoint(old).folder
    before = load_file(best / "model.safetensors")
    digest = hashlib.sha256((best / "manifest.json").read_bytes()).hexdigest()
    data = f"data.prepared={tmp_path}/data"
    more = [data, f"start_from={old}", "freeze=[encoder,source_embedding]", "trainer.ema_decay=0.9"]
    more += ["model.layer.dropout=0.1", "optimizer.weight_decay=0.1"]
    whole = run_of(other_corpus, tmp_path / "whole", *more)
    parts = run_of(other_corpus, tmp_path / "parts", *more, "trainer.max_steps=2")
    start = {"checkpoint": str(best), "manifest_sha256": digest}
    assert json.loads((parts / "started_from.json").read_text()) == start
    assert json.loads((whole / "scores.json").read_text())["transfer"].keys() == {"this run"}  # both have one test
    shutil.rmtree(old)
    shutil.rmtree(tmp_path / "data")
    run_of(other_corpus, tmp_path / "parts", *more)
    assert metrics(parts) == metrics(whole)
    after = load_file(parts / "last" / "model.safetensors")
    for name, tensor in load_file(whole / "last" / "model.safetensors").items():
        assert torch.equal(after[name], tensor), name
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert kept == {name for name in before if name.startswith(("encoder.", "source_embedding."))}
    scores = json.loads((parts / "scores.json").read_text())
    assert scores["training"]["started_from"] == start and scores["transfer"] == {}  # the checkpoint is gone
    speeds = speeds_of({"run": parts}, SpeedSettings(rounds=1, updates=1, lines=1))
    assert speeds["run"]["training_tokens_per_second"] > 0
    line = refused_by_train(other_corpus, tmp_path / "whole", [*FEW_STEPS, *more, "freeze=[decoder]"])
    assert "freeze was ['encoder', 'source_embedding'], is ['decoder']" in line


def test_it_ends_with_what_was_gained_and_what_was_forgotten(trained_run, other_corpus, tmp_path, capsys):
    start = load_checkpoint(trained_run).folder
    for ending, lines in zip(("de", "en"), reversed_pairs(20, 5), strict=True):
        lines = lines if ending == "de" else [" ".join(reversed(line.split())) for line in lines]  # another domain
        (tmp_path / f"test.{ending}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    node = yaml.safe_load((trained_run / "config.yaml").read_text())
    size = {f"model.layer.{name}={node['model']['layer'][name]}" for name in ("dim", "num_heads", "feed_forward_dim")}
    depth = {f"model.{side}.num_layers={node['model'][side]['num_layers']}" for side in ("encoder", "decoder")}
    files = [
        f"data.tests.test.{side}={tmp_path}/test.{ending}" for side, ending in (("source", "de"), ("target", "en"))
    ]
    run_of(
        other_corpus,
        tmp_path,
        f"start_from={start}",
        "schedule.peak=1.0e-30",
        "search.max_length=null",
        *size,
        *depth,
        *files,
    )
    transfer = json.loads((tmp_path / "run" / "scores.json").read_text())["transfer"]
    (new,), (old,) = (list(transfer[whose].values()) for whose in ("this run", "the run it starts from"))
    given = json.loads((trained_run / "scores.json").read_text())["tests"]["test"]
    # nothing was learned, so nothing was gained or forgotten
    assert old["before"]["bleu"] == old["after"]["bleu"] > 50 > new["before"]["bleu"] == new["after"]["bleu"]
    assert old["before"]["lines"] == given["lines"] == 60 and new["before"]["lines"] == 20
    assert old["p"]["bleu"] == 1.0 and old["before"]["aer"] == old["after"]["aer"] < 0.3
    out = capsys.readouterr().out
    assert "test of the run it starts from: BLEU +0.00 (p 1.000), AER +0.0" in out


@pytest.mark.parametrize(
    "overrides, words",
    [
        (["model.layer.feed_forward_dim=32"], r"has shape [64, 32], the model needs [32, 32]"),
        (["model.layer.feed_forward_dim=32"], r"(model.layer.feed_forward_dim was 64, is 32)"),
        (["model.encoder.num_layers=2"], "lacks the weight encoder.layers.1."),
        (["model.decoder.num_layers=1"], "holds the weight decoder.layers.1."),
        (["model.tie=none"], "lacks the weight target_embedding.tokens.weight (model.tie was all, is none)"),
        (["data.target_language=fr", "data.tests={}"], "data.target_language (fr) must be en, as in start_from"),
        (["~data.train", TAGGED], "data needs the symbol <2en>, which the tokenizer of start_from does not have"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(parent, corpus, tmp_path, capsys, overrides, words):
    sides = [f"data.{part}.target={corpus}/{part}.en" for part in ("train", "valid") if "~data.train" not in overrides]
    more = [f"start_from={parent}", *sides, *overrides]
    line = refused_by_train(corpus, tmp_path, more)
    assert words in line
    assert said_by_doctor(corpus, tmp_path, more, capsys) == line
    assert not list(tmp_path.iterdir())


def test_its_own_folder_and_a_damaged_checkpoint_are_refused(parent, corpus, tmp_path):
    shutil.copytree(parent, tmp_path / "run", symlinks=True)
    line = refused_by_train(corpus, tmp_path, [f"start_from={tmp_path}/run", "fresh=true"])
    assert "must lie outside of this run's folder" in line and (tmp_path / "run" / "best").exists()
    weights = load_checkpoint(tmp_path / "run").folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\7")
    assert "is damaged or changed" in refused_by_train(corpus, tmp_path / "new", [f"start_from={tmp_path}/run"])


@pytest.mark.parametrize("more", [["model.tie=all"], ["model.tie=target"], ["model.tie=none"]], ids=" ".join)
def test_pieces_that_stay_keep_their_rows_in_a_new_vocabulary(corpus, other_corpus, tmp_path, more):
    old = load_checkpoint(run_of(corpus, tmp_path / "old", *more))
    how = [
        "new_vocabulary=true",
        f"start_from={tmp_path}/old/run",
        "tokenizer.vocab_size=36",
        "data.target_language=xx",
    ]
    paths = [f"data.{part}.target={other_corpus}/{part.split('.')[-1]}.en" for part in ("train", "valid", "tests.test")]
    assembly = assembled(other_corpus, tmp_path / "new", *more, *how, *paths)
    fresh = Assembly.of(assembly.parts, assembly.prepared)
    new = assembly.prepared.tokenizers
    assert new.digests() != old.tokenizers.digests() and assembly.card.target_language == "xx"
    first = {
        piece: number for number, piece in enumerate(old.tokenizers.source.pieces(range(old.tokenizers.source.size)))
    }
    pieces = new.source.pieces(range(new.source.size))
    assert 10 < sum(piece in first for piece in pieces) < len(pieces)
    own, given, random = (kept_tensors(one) for one in (assembly.model, old.model, fresh.model))
    for name, tensor in own.items():
        if len(tensor) != len(pieces) or ("embedding" not in name and "output" not in name):
            assert torch.equal(tensor, given[name]), name
            continue
        for number, piece in enumerate(pieces):
            expected = given[name][first[piece]] if piece in first else random[name][number]
            assert torch.equal(tensor[number], expected), (name, piece)


def test_a_lexicon_comes_with_its_pieces_or_is_counted_anew(corpus, other_corpus, tmp_path):
    old = load_checkpoint(run_of(corpus, tmp_path / "old", PRIOR)).model.lexicon
    start = [PRIOR, f"start_from={tmp_path}/old/run"]
    kept = assembled(other_corpus, tmp_path / "kept", *start).model.lexicon
    assert torch.equal(kept.pieces_VM, old.pieces_VM) and torch.equal(kept.shares_VM, old.shares_VM)
    anew = assembled(other_corpus, tmp_path / "anew", *start, "new_vocabulary=true").model.lexicon
    assert anew.shares_VM.any() and not torch.equal(anew.pieces_VM[: len(old.pieces_VM)], old.pieces_VM)


def test_the_start_of_a_try_that_ended_early_is_forgotten(parent, corpus, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    (run / "config.yaml").write_text("name: numbers\n")
    (run / "started_from.json").write_text("{}")
    assert not (run_of(corpus, tmp_path) / "started_from.json").exists()
    assert Path(parent).exists()


def test_a_student_takes_the_tokenizers_of_its_teacher_and_no_weights(parent, other_corpus, tmp_path):
    teach = ["objective=distillation", f"objective.teacher.checkpoints={parent}"]
    run = run_of(other_corpus, tmp_path, *teach, f"tokenizer_from={parent}", "model.layer.dim=16")
    student, teacher = load_checkpoint(run), load_checkpoint(parent)
    assert student.tokenizers.source.to_bytes() == teacher.tokenizers.source.to_bytes()
    assert student.model.output.weight.shape[1] == 16 and not (run / "started_from.json").exists()
    assert all("divergence" in line for line in metrics(run) if "loss" in line)
    message = f"objective.teacher ({parent}) must have the tokenizers of this training: tokenizer_from={parent}"
    assert message in refused_by_train(other_corpus, tmp_path / "other", [*FEW_STEPS, *teach])
    both = [f"tokenizer_from={parent}", f"start_from={parent}"]
    assert "tokenizer_from" in refused_by_train(other_corpus, tmp_path / "both", [*FEW_STEPS, *both])
