"""The `train` command: what it makes of a run, and how a finished run goes on."""

import json
import shutil

import pytest
import torch

from mt.alignment.lexicon_priors import LexiconPriors
from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.priors_file import read_priors
from mt.checkpoint.steps import PRIORS
from mt.evaluation.curve import draw_curve
from mt.inference.aligner import Aligner
from mt.inference.translator import Translator
from mt.search.beam import Beam
from mt.train import main
from tests.conftest import SHORT_VALIDATION, WORDS, composed_settings, train_overrides

FEW_STEPS = ["trainer.max_steps=4", "trainer.validate_every=2", *SHORT_VALIDATION]
LOOKED_AT = "validation.attention_lines=60"
pytestmark = pytest.mark.usefixtures("curves")


@pytest.fixture(scope="module")
def settings(corpus_folder, tmp_path_factory):
    """(run folder, overrides) -> settings of a short run; the prepared data are shared."""
    work = tmp_path_factory.mktemp("train")

    def make(folder, *overrides):
        return composed_settings([*train_overrides(corpus_folder, work), *FEW_STEPS, f"folder={folder}", *overrides])

    return make


def scores(folder):
    return json.loads((folder / "scores.json").read_text())


def test_learned_positions_must_hold_the_longest_pair(settings, tmp_path):
    with pytest.raises(ValueError, match=r"model.max_positions \(256\) must be above data.max_pieces \(256\)"):
        main(settings(tmp_path / "run", "model.layer.positions=learned", "model.max_positions=256"))


def test_separate_vocabularies_of_one_size_are_not_tied(settings, tmp_path):
    separate = ["tokenizer.joint=false", "tokenizer.vocab_size=25", f"data.prepared={tmp_path / 'data'}"]
    with pytest.raises(ValueError, match=r"model.tie \(all\) needs one joint vocabulary"):
        main(settings(tmp_path / "all", *separate))
    for tie in ("target", "none"):
        main(settings(tmp_path / tie, *separate, f"model.tie={tie}"))
        tokenizers = Aligner.load(tmp_path / tie, device="cpu").translator.tokenizers
        assert not tokenizers.is_joint and tokenizers.source.size == tokenizers.target.size == 25


def test_a_finished_run_says_so_goes_on_with_more_steps_and_is_finished_anew(settings, tmp_path, capsys, curves):
    run = tmp_path / "run"
    main(settings(run))
    assert curves == [[run / "curve.png", run / "curve.svg"]]
    first = capsys.readouterr().out
    written = (run / "scores.json").stat().st_mtime_ns
    main(settings(run))
    assert capsys.readouterr().out == first and (run / "scores.json").stat().st_mtime_ns == written
    main(settings(run, "search.size=2"))
    assert scores(run)["search"]["size"] == 2 and scores(run)["training"]["step"] == 4
    main(settings(run, "search.size=2", "trainer.max_steps=6"))
    assert scores(run)["training"]["step"] == 6


def test_scores_of_an_earlier_finish_are_gone_once_the_run_goes_on(settings, tmp_path, monkeypatch):
    run = tmp_path / "run"
    main(settings(run))

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mt.evaluation.final.finish_run", killed)
    for _ in range(2):  # the second start must not take the old scores for the new ones
        with pytest.raises(KeyboardInterrupt):
            main(settings(run, "trainer.max_steps=6"))
    monkeypatch.undo()
    main(settings(run, "trainer.max_steps=6"))
    assert scores(run)["training"]["step"] == 6


@pytest.mark.parametrize("tracker, files", [("tensorboard", "tensorboard/events.*"), ("wandb", "wandb/offline-run-*")])
def test_trackers_take_the_numbers_and_leave_their_files(settings, tmp_path, monkeypatch, tracker, files):
    pytest.importorskip(tracker)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    main(settings(tmp_path / "run", f"tracker={tracker}"))
    assert list((tmp_path / "run").glob(files)) and scores(tmp_path / "run")["training"]["step"] == 4


def test_a_corpus_that_changed_under_a_run_is_refused_unless_allowed(settings, corpus_folder, tmp_path):
    folder = tmp_path / "corpus"
    shutil.copytree(corpus_folder, folder)
    own = [f"data.folder={folder}", f"data.prepared={tmp_path / 'data'}", f"data.valid.links={folder}/valid.align"]
    main(settings(tmp_path / "run", *own))
    with (folder / "train.de").open("a") as source, (folder / "train.en").open("a") as target:
        source.write("acht acht\n")
        target.write("eight eight\n")
    longer = [*own, "trainer.max_steps=6"]
    with pytest.raises(
        ValueError, match=r"started with other settings \(corpus was \w+, is \w+\).*resume.allow=\[corpus\]"
    ):
        main(settings(tmp_path / "run", *longer))
    main(settings(tmp_path / "run", *longer, "resume.allow=[corpus]"))
    assert scores(tmp_path / "run")["training"]["step"] == 6


def test_a_guided_head_is_where_alignments_are_read_afterwards(settings, tmp_path):
    run = tmp_path / "run"
    guided = ["guidance.links=learned", "guidance.weight=1", "guidance.layer=0", "guidance.head=1"]
    main(settings(run, *guided, "trainer.max_steps=150", "trainer.validate_every=75"))
    choice = json.loads((run / "best" / "alignment.json").read_text())
    assert (choice["layer"], choice["heads"], choice["shift"]) == (0, [1], 1)
    assert choice["error_rate"] < 0.1 and choice["measured_on"] == "gold links"
    priors = LexiconPriors.of_arrays(read_priors(run)[1], "file").links
    assert {(word.casefold(), WORDS[word].casefold()) for word in WORDS} <= set(priors)
    assert all((step / PRIORS).is_file() for step in run.glob("step_*"))


def test_guidance_by_links_that_are_not_there_is_reported(settings, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"guidance.links \(given\) needs a corpus with word links"):
        main(settings(tmp_path / "run", "guidance.links=given"))
    with monkeypatch.context() as patch:
        patch.setattr("mt.training.word_links.find_links", None)  # called, it would end the run in another way
        with pytest.raises(ValueError, match=r"guidance.head \(2\) must be from 0 to 1"):
            main(settings(tmp_path / "run", "guidance.links=learned", "guidance.head=2"))


def test_r_drop_is_chosen_by_its_file_and_refused_for_a_model_without_dropout(settings, tmp_path):
    main(settings(tmp_path / "run", "objective=r_drop", "model.layer.dropout=0.1", "trainer.log_every=1"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(line["divergence"] > 0 for line in lines if "loss" in line)
    with pytest.raises(ValueError, match=r"objective \(r_drop\) compares two passes with different dropout"):
        main(settings(tmp_path / "other", "objective=r_drop", "model.layer.dropout=0"))


def test_a_prior_from_links_is_counted_once_and_comes_with_every_checkpoint(settings, tmp_path, monkeypatch):
    run, prior = tmp_path / "run", "attention@model.decoder.cross_attention=prior"
    main(settings(run, prior, "final.average_last=2"))
    shutil.copytree((run / "best").resolve(), tmp_path / "alone")
    before = load_checkpoint(tmp_path / "alone").model
    assert (before.lexicon.shares_VM.sum(1) > 0.99).sum() >= len(WORDS)
    for precision in ("float32", "int8"):
        translator = Translator.load(tmp_path / "alone", device="cpu", precision=precision)
        assert len(list(translator.translate(["eins zwei", "drei"], search=Beam(size=3)))) == 2
    monkeypatch.setattr("mt.training.source_lexicon.fill_lexicon", None)  # called, it would end the run
    main(settings(run, prior, "trainer.max_steps=6"))
    after = load_checkpoint(run / "last").model
    for buffer, same in zip(before.lexicon.buffers(), after.lexicon.buffers(), strict=True):
        assert torch.equal(buffer, same)
    strengths = (model.decoder.layers[1].cross_attention.mixer.strength_H for model in (before, after))
    assert not torch.equal(*strengths)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"lexicon.links \(given\) needs a corpus with word links"):
        main(settings(tmp_path / "given", prior, "lexicon.links=given"))


def test_a_validation_tells_where_attention_goes_and_draws_it(settings, tmp_path):
    run = tmp_path / "run"
    main(settings(run, LOOKED_AT))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    first, last = (line for line in lines if "valid_bleu" in line)
    names = {
        f"valid_attention_{name}_layer{layer}"
        for name in ("entropy", "sparsity", "sink_mass", "coverage")
        for layer in (0, 1)
    }
    assert names | {"valid_alignment_error"} <= first.keys() and 0 < first["valid_alignment_error"] <= 100
    assert names | {"valid_attention_change_layer0"} <= last.keys() and 0 < last["valid_attention_change_layer0"] < 1
    pictures = sorted((run / "attention").iterdir())
    names = [f"step_00000{step}.{ending}" for step in (2, 4) for ending in ("npz", "png")]
    assert [path.name for path in pictures] == names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures if path.suffix == ".png")


def test_a_validation_tells_the_share_of_heads_that_are_used(settings, tmp_path):
    run = tmp_path / "run"
    main(settings(run, LOOKED_AT, "attention@model.decoder.cross_attention=dynamic_heads"))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = {name: value for line in lines for name, value in line.items() if "heads_used" in name}
    assert found.keys() == {f"valid_attention_heads_used_cross_layer{layer}" for layer in (0, 1)}
    assert all(0 < value <= 1 for value in found.values())


def test_attention_is_not_looked_at_where_nobody_wants_it(settings, tmp_path):
    main(settings(tmp_path / "run"))
    assert "valid_attention" not in (tmp_path / "run" / "metrics.jsonl").read_text()
    assert not (tmp_path / "run" / "attention").exists()
    with pytest.raises(ValueError, match=r"validation.attention_lines \(-1\) must be 0 or more"):
        main(settings(tmp_path / "other", "validation.attention_lines=-1"))


def test_a_curve_is_drawn_of_what_a_full_disk_left_and_whatever_the_name_is(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo\n', encoding="utf-8")
    draw_curve(metrics, [tmp_path / "curve.png"], title=r"costs $5 or $\frac$")
    metrics.unlink()
    draw_curve(metrics, [tmp_path / "empty.png"], title="run")
    assert (tmp_path / "curve.png").stat().st_size > 1000 and (tmp_path / "empty.png").is_file()
