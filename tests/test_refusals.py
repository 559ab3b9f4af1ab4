"""Whatever `train` refuses, the doctor refuses with the same line."""

import re

import pytest

from mt.doctor import main as doctor
from mt.train import main as train
from tests.composing import composed
from tests.conftest import composed_settings, reversed_pairs, train_overrides

TAGGED = (
    "+data.train={_target_:mt.data.sources.Source,tag:'<2en>',corpus:{_target_:mt.data.formats.text_files.TextFiles,"
    "source:%s/train.de,target:%s/train.en}}"
)
BUNDLED = "+data.train={_target_:mt.data.bundled.source.Bundled,split:train,size:100,seed:1}"
# found by what the corpus holds, once it is prepared
OF_THE_CORPUS = [
    (["attention@model.encoder.self_attention=structured"], "structured attention needs a corpus with trees"),
    (["guidance.links=given"], r"guidance.links \(given\) needs a corpus with word links"),
    (
        ["attention@model.decoder.cross_attention=prior", "lexicon.links=given"],
        r"lexicon.links \(given\) needs a corpus with word links",
    ),
    (["model.layer.positions=learned", "model.max_positions=256"], r"model.max_positions \(256\) must be above"),
    (["tokenizer.joint=false", "tokenizer.vocab_size=25"], r"model.tie \(all\) needs one joint vocabulary"),
    (["batches.max_tokens=5"], r"max_tokens \(5\) must be at least \d+, the padded tokens of the longest pair"),
    (["batches.max_sentences=0"], r"max_sentences \(0\) must be at least 1"),
    (["~data.train", TAGGED], r"data, valid: line 1 has no tag, but all training sources have one"),
    (["tokenizer.vocab_size=5"], r"tokenizer.vocab_size \(5\) must be at least"),
    (["data.tests.test.source=/nowhere/test.de"], "file not found: /nowhere/test.de"),
]
# known before any corpus is read
OF_THE_SETTINGS = [
    (["+batches.max_tokns=5"], "has no setting max_tokns; did you mean max_tokens"),
    (["+validation.sampel_lines=5"], "has no setting sampel_lines; did you mean sample_lines"),
    (["+bathces.max_tokens=5"], "there is no setting bathces; did you mean batches"),
    (["lexicon.links=guessed"], r"lexicon.links \(guessed\) must be one of given, learned, or null"),
    (["+lexicon.link=given"], "has no setting link; did you mean links"),
    (["batches.max_tokens=many"], r"TokenBatches.max_tokens \(many\) must be a whole number"),
    (["final.average_last=5"], r"final.average_last \(5\) must be at most trainer.keep_last \(2\)"),
    (["final.length_penalties=0.6"], r"FinalSettings.length_penalties \(0.6\) must be a list"),
    (["scores.tokenize=moses"], r"tokenize \(moses\) must be one of auto, "),
    (["scores.ter=words"], r"ter \(words\) must be one of auto, tercom, asian, char"),
    (["+scores.tokenizer=zh"], "has no setting tokenizer; did you mean tokenize"),
    (["final.length_penalties=[0.6,1000]"], r"final.length_penalties \(1000\) must be from -10 to 10"),
    (["final.average_last=-1"], r"final.average_last \(-1\) must be 0 or more"),
    (["final=null"], r"final \(None\) must be settings with a _target_"),
    (["~final"], "the setting final is missing"),
    (["~lexicon"], "the setting lexicon is missing"),
    (["search.length_penalty=1000"], r"length_penalty \(1000\) must be from -10 to 10"),
    (["search.size=0"], r"size \(0\) must be at least 1"),
    (["search.size=100000"], r"search: size \(100000\) must be 1000 at most"),
    (["search.max_length=9000000000000000000"], r"search: max_length \(\d+\) must be 1000000 at most"),
    (["search.n_best=9"], r"n_best \(9\) must be at most size \(5\)"),
    (["search=sampling", "search.temperature=1e300"], r"temperature \(1e\+300\) must be from 0.001 to 1000"),
    (["search._target_=mt.training.schedule.Cosine"], "Cosine has no setting size"),
    (["tracker._target_=mt.training.schedule.Cosine"], "Cosine needs the setting peak"),
    (["tracker=wandb", "tracker.mode=sometimes"], r"tracker.mode \(sometimes\) must be auto, online or offline"),
    (["validation=null"], r"validation \(None\) must be settings by name"),
    (["validation.search=null"], "validation.search must be a search"),
    (["validation.sample_lines=-1"], r"validation.sample_lines \(-1\) must be 0 or more"),
    (["optimizer.betas=[0.9,1.5]"], r"optimizer.betas \(\[0.9, 1.5\]\) must be two numbers"),
    (["optimizer.epsilon=-1"], r"optimizer.epsilon \(-1\) must be 0 or more"),
    (["trainer.ema_decay=1"], r"trainer.ema_decay \(1\) must be at least 0 and below 1"),
    (["trainer.precision=float8"], r"precision \(float8\) must be auto, float32 or bfloat16"),
    (["schedule.peak=0"], r"schedule.peak \(0\) must be above 0"),
    (["guidance.links=given", "guidance.layer=9"], r"guidance.layer \(9\) must be from 0 to 1"),
    (["batches.mixture.weights={web:1e308}"], r"weight of web \(1e\+308\) must be from 0 to 1e\+09"),
    (["model.layer.dropout=1.5"], r"dropout \(1.5\) must be at least 0 and below 1"),
    (["model.layer.dim=1000000000000000", "model.layer.num_heads=1"], "model cannot be built: Storage size"),
    (["model.encoder.num_layers=100000000"], r"encoder.num_layers \(100000000\) must be at most 1000"),
    (["data.max_pieces=9000000000000000000"], r"data.max_pieces \(\d+\) must be from 1 to 1000000"),
    (["tokenizer.vocab_size=10000000000"], r"tokenizer.vocab_size \(\d+\) must be at most 1000000"),
    (["trainer.device=abacus"], r"device \(abacus\) must be auto, cpu, cuda or cuda:N"),
    (["trainer.device=meta"], r"device \(meta\) must be auto, cpu, cuda or cuda:N"),
    (["trainer.device=cuda:99"], r"device \(cuda:99\) must be one that this machine has"),
    (["fresh=no"], r"fresh \(no\) must be true or false"),
    (["folder=null"], r"folder \(None\) must name a folder"),
    (["resume=null"], r"resume \(None\) must be settings by name"),
    (["~resume.allow"], "resume needs the setting allow"),
    (["objective=r_drop", "model.layer.dropout=0"], r"objective \(r_drop\) compares two passes"),
    (["batches.mixture.weights={web:2}"], "mixture: there is no source web, only train"),
    (["~batches.max_tokens"], "batches needs the setting max_tokens"),
    (["~data.train", BUNDLED, "data.keep_shards=2"], "data.keep_shards: data.train must be made of files in lists"),
    (["freeze=[encodr]"], r"freeze \(encodr\) must be a parameter's name.*; did you mean encoder\?"),
    (["freeze=encoder"], r"freeze \(encoder\) must be a list of names: freeze=\[encoder\]"),
    (["start_from=/nowhere"], r"checkpoint \(/nowhere\) does not exist"),
    (["new_vocabulary=true"], r"new_vocabulary \(True\) needs start_from=CHECKPOINT"),
    (["new_vocabulary=perhaps"], r"new_vocabulary \(perhaps\) must be true, false or null"),
]
IN_SHARDS = [
    (["guidance.links=learned"], r"guidance.links \(learned\) needs a corpus prepared as a whole"),
    (
        ["attention@model.decoder.cross_attention=prior"],
        r"lexicon.links \(learned\) needs a corpus prepared as a whole",
    ),
    (["batches.mixture.temperature=2"], "batches.mixture: a corpus in shards is read shard by shard, without weights"),
    (["batches.max_tokens=100"], r"max_tokens \(100\) must be at least 514"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A few sentences of number words."""
    folder = tmp_path_factory.mktemp("few")
    for name, count, seed in (("train", 250, 1), ("valid", 20, 2), ("test", 20, 3)):
        for ending, lines in zip(("de", "en"), reversed_pairs(count, seed), strict=True):
            (folder / f"{name}.{ending}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def overrides_of(corpus, work, more):
    plain = [one for one in train_overrides(corpus, work) if "valid.links" not in one]
    return [*plain, *(one.replace("%s", str(corpus)) for one in more)]


def refused_by_train(corpus, work, more):
    """The line in which `train` refuses."""
    with pytest.raises((ValueError, OSError)) as refusal:
        train(composed_settings(overrides_of(corpus, work, more)))
    return " ".join(str(refusal.value).split())


def said_by_doctor(corpus, work, more, capsys):
    """The doctor's refusal, or what its report says must be mended first; empty where it is ready."""
    how = [f"doctor.folder={work}/doctor", "doctor.trial_seconds=0"]
    settings = composed("doctor", [*overrides_of(corpus, work, more), *how])
    capsys.readouterr()
    try:
        doctor(settings)
    except ValueError as refusal:
        return " ".join(str(refusal).split())
    except SystemExit as end:
        assert end.code == 1
    return " ".join(capsys.readouterr().out.partition("to repair first")[2].split())


def names_of(value):
    return " ".join(value)[:60] if isinstance(value, list) else ""


@pytest.mark.parametrize("overrides, message", OF_THE_SETTINGS, ids=names_of)
def test_settings_are_refused_by_both_before_anything_is_read(corpus, tmp_path, capsys, overrides, message):
    line = refused_by_train(corpus, tmp_path, overrides)
    assert re.search(message, line)
    assert said_by_doctor(corpus, tmp_path, overrides, capsys) == line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("overrides, message", IN_SHARDS, ids=names_of)
def test_settings_that_a_corpus_in_shards_forbids_are_refused_by_both(corpus, tmp_path, capsys, overrides, message):
    files = [f"data.train.{side}=[{corpus}/train.{end}]" for side, end in (("source", "de"), ("target", "en"))]
    test_settings_are_refused_by_both_before_anything_is_read(
        corpus, tmp_path, capsys, [*files, "data.keep_shards=2", *overrides], message
    )


@pytest.mark.parametrize("overrides, message", OF_THE_CORPUS, ids=names_of)
def test_what_the_corpus_lacks_is_refused_by_both(corpus, tmp_path, capsys, overrides, message):
    line = refused_by_train(corpus, tmp_path, overrides)
    assert re.search(message, line)
    assert line in said_by_doctor(corpus, tmp_path, overrides, capsys)


def test_a_folder_with_other_files_is_refused_by_both(corpus, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("mine")
    line = refused_by_train(corpus, tmp_path, [])
    assert line.endswith("must be new, empty or prepared before: it holds other files")
    assert said_by_doctor(corpus, tmp_path, [], capsys) == line
