"""The `train` command: every setting is heard or refused, and a finished run can go on."""

import json
import shutil

import pytest

from mt.inference.aligner import Aligner
from mt.train import main
from tests.conftest import composed_settings, train_overrides

FEW_STEPS = ["trainer.max_steps=4", "trainer.validate_every=2"]


@pytest.fixture(scope="module")
def settings(corpus_folder, tmp_path_factory):
    """(run folder, overrides) -> settings of a short run; the prepared data are shared."""
    work = tmp_path_factory.mktemp("train")

    def make(folder, *overrides):
        return composed_settings([*train_overrides(corpus_folder, work), *FEW_STEPS, f"folder={folder}", *overrides])

    return make


def scores(folder):
    return json.loads((folder / "scores.json").read_text())


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["+batches.max_tokns=5"], "has no setting max_tokns; did you mean max_tokens"),
        (["+validation.sampel_lines=5"], "has no setting sampel_lines; did you mean sample_lines"),
        (["+bathces.max_tokens=5"], "there is no setting bathces; did you mean batches"),
        (["batches.max_tokens=many"], r"TokenBatches.max_tokens \(many\) must be a whole number"),
        (["final.average_last=5"], r"final.average_last \(5\) must be at most trainer.keep_last \(2\)"),
        (["final.length_penalties=0.6"], r"FinalSettings.length_penalties \(0.6\) must be a list"),
        (["trainer.device=abacus"], r"device \(abacus\) must be auto, cpu, cuda or cuda:N"),
        (["trainer.device=meta"], r"device \(meta\) must be auto, cpu, cuda or cuda:N"),
        (["trainer.device=cuda:99"], r"device \(cuda:99\) must be one that this machine has"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_told_before_anything_is_prepared(settings, tmp_path, overrides, message):
    with pytest.raises(ValueError, match=message):
        main(settings(tmp_path / "run", f"data.prepared={tmp_path / 'data'}", *overrides))
    assert not list(tmp_path.iterdir())


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


def test_a_finished_run_says_so_goes_on_with_more_steps_and_is_finished_anew(settings, tmp_path, capsys):
    run = tmp_path / "run"
    main(settings(run))
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
