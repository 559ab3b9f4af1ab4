"""Several systems side by side: intervals and p are sacrebleu's, and COMET answers from a process of its own."""

import json
import sys
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from mt.evaluate import main
from mt.evaluation import significance
from mt.evaluation.scores import METRICS, metric
from mt.evaluation.systems import Question, ask, distinct_names, languages_of_names
from mt.evaluation.tokenization import Tokenization

ANIMALS, THINGS = "cat dog fox owl".split(), "sun ball tree road bird".split()
REFERENCES = [f"the {animal} sees the {thing} in the garden" for animal in ANIMALS for thing in THINGS] * 2


def spoiled(is_spoiled):
    return [line.replace("sees the", "saw a") if is_spoiled(n) else line for n, line in enumerate(REFERENCES)]


BASE, GOOD, WORSE = spoiled(lambda n: n % 4 == 0), spoiled(lambda n: n % 4 == 1 or n == 2), spoiled(lambda n: n % 10)
HOW = Tokenization()

# stands for the package: a score counts the words that are right; it prints what no one asked for
FAKE_COMET = """
from pathlib import Path
from types import SimpleNamespace

def load_from_checkpoint(path, local_files_only):
    assert local_files_only
    if Path(path).read_text() == "broken":
        raise RuntimeError("weights do not\\nfit")
    print("a greeting on standard output")
    return Model()

class Model:
    def predict(self, samples, batch_size, gpus, num_workers, progress_bar):
        print("and another")
        scores = [len({*one["mt"].split()} & {*one["ref"].split()}) - 0.01 * len(one["src"]) for one in samples]
        return SimpleNamespace(scores=scores)
"""


@pytest.fixture
def comet(tmp_path, monkeypatch):
    """The folder of a model, and a Python that has the package."""
    packages = tmp_path / "packages"
    (packages / "comet").mkdir(parents=True)
    (packages / "comet" / "__init__.py").write_text(FAKE_COMET, "utf-8")
    (packages / "unbabel_comet-9.9.dist-info").mkdir()
    (packages / "unbabel_comet-9.9.dist-info" / "METADATA").write_text("Name: unbabel-comet\nVersion: 9.9\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    return model_in(tmp_path)


def model_in(folder):
    (folder / "model" / "checkpoints").mkdir(parents=True)
    (folder / "model" / "hparams.yaml").write_text("class_identifier: regression_metric\n", "utf-8")
    (folder / "model" / "checkpoints" / "model.ckpt").write_text("weights", "utf-8")
    return folder / "model"


@pytest.fixture
def files(tmp_path):
    contents = {"reference": REFERENCES, "base": BASE, "good": GOOD, "worse": WORSE, "source": REFERENCES}
    for name, lines in contents.items():
        (tmp_path / f"{name}.en").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return tmp_path


@pytest.mark.parametrize("test", ["bootstrap", "randomization"])
@pytest.mark.parametrize("seed", [7, 8])
def test_intervals_and_p_are_sacrebleus(test, seed, monkeypatch):
    systems = {"base": BASE, "good": GOOD, "worse": WORSE}
    question = Question(metrics=METRICS, confidence=True, paired=test, samples=200, seed=seed)
    answer = ask(question, systems, [REFERENCES], tokenization=HOW)
    monkeypatch.setenv("SACREBLEU_SEED", str(seed))
    kind = {"bootstrap": "bs", "randomization": "ar"}[test]
    _, found = PairedTest(
        list(systems.items()), {"BLEU": BLEU(references=[REFERENCES])}, None, test_type=kind, n_samples=200
    )()
    expected = dict(zip(systems, found["BLEU"], strict=True))
    assert {name: answer.p[name]["bleu"] for name in ("good", "worse")} == {
        name: expected[name].p_value for name in ("good", "worse")
    }
    if test == "bootstrap":
        around = answer.intervals["worse"]["bleu"]
        assert (around.mean, around.half_width) == pytest.approx((expected["worse"].mean, expected["worse"].ci))
    assert not answer.p["base"] and answer.p["worse"]["chrf"] < 0.05 < answer.p["good"]["chrf"]


def test_equal_systems_do_not_differ():
    for test in significance.TESTS:
        p = significance.p_values(metric("bleu", HOW, [REFERENCES]), BASE, {"same": list(BASE)}, test=test, samples=200)
        assert p == {"same": 1.0}


def test_the_seed_chooses_the_samples(monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "99")
    one = significance.interval(metric("chrf", HOW, [REFERENCES]), BASE, samples=200, seed=5)
    monkeypatch.delenv("SACREBLEU_SEED")
    assert significance.interval(metric("chrf", HOW, [REFERENCES]), BASE, samples=200, seed=5) == one
    assert significance.interval(metric("chrf", HOW, [REFERENCES]), BASE, samples=200, seed=6) != one


@pytest.mark.parametrize("test", significance.TESTS)
def test_memory_of_resampling_does_not_grow_with_the_samples(test):
    """sacrebleu holds the statistics of all samples at once: 18 numbers of chrF a line, 1,000 samples."""
    lines, others = REFERENCES * 4, {"worse": WORSE * 4}
    chrf = metric("chrf", HOW, [lines])

    def peak(samples):
        tracemalloc.start()
        significance.p_values(chrf, BASE * 4, others, test=test, samples=samples)
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(400) < 1.2 * peak(100)


def test_intervals_are_those_of_composed_text():
    """A model writes NFC, whatever the references are written in."""
    references = [unicodedata.normalize("NFD", line.replace("sees", "s\u00e9es")) for line in REFERENCES]
    hypotheses = [unicodedata.normalize("NFC", line) for line in references]
    question = Question(metrics=["bleu", "chrf"], confidence=True, samples=100)
    answer = ask(question, {"same": hypotheses}, [references], tokenization=HOW)
    assert [round(one.mean, 3) for one in answer.intervals["same"].values()] == [100, 100]


def test_the_command_shows_systems_side_by_side(files, capsys):
    systems = [flag for name in ("base", "worse") for flag in ("--hypotheses", f"{files}/{name}.en")]
    flags = ["--reference", f"{files}/reference.en", "--metrics", "bleu,chrf", "--paired", "bootstrap", "--confidence"]
    assert main([*systems, *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["system", "BLEU", "p", "chrF2", "p", "length", "ratio", "lines"]
    assert [line.split()[0] for line in lines[1:3]] == ["base.en", "worse.en"]
    assert "±" in lines[1] and "±" in lines[2] and "baseline base.en" in lines[-1]
    assert main([*systems, *flags, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["paired"] == {"test": "bootstrap", "baseline": "base.en", "samples": 1000, "seed": 12345}
    assert body["scores"]["worse.en"]["p"]["bleu"] < 0.05 and "p" not in body["scores"]["base.en"]
    around = body["scores"]["base.en"]["confidence"]["bleu"]
    assert around["half_width"] > 0 and abs(around["mean"] - body["scores"]["base.en"]["bleu"]) < around["half_width"]


def test_the_language_is_what_a_flag_says_or_what_the_files_are_called(tmp_path, capsys):
    for name in ("hyp.zh", "ref.zh.txt", "plain"):
        (tmp_path / name).write_text("老师今天画了咖啡。\n", "utf-8")
    plain = ["--hypotheses", f"{tmp_path}/plain", "--metrics", "bleu,ter"]
    for reference, more, expected in (
        ("ref.zh.txt", [], "tok:zh"),
        ("plain", [], "tok:13a"),
        ("plain", ["--target-language", "zh-TW"], "tok:zh"),
        ("plain", ["--target-language", "th"], "tok:char"),
        ("ref.zh.txt", ["--tokenize", "intl"], "tok:intl"),
    ):
        main([*plain, "--reference", f"{tmp_path}/{reference}", *more])
        assert f"|{expected}|" in capsys.readouterr().out
    assert languages_of_names("my/zh.reference.de", "out.ja.gz") == ["ja"]
    assert languages_of_names("test.en", "zh") == []


def test_files_of_one_name_are_reported_apart():
    assert distinct_names(["a/run/test.txt", "b/run/test.txt"]) == ["a/run/test.txt", "b/run/test.txt"]
    assert distinct_names(["a/test.txt", "a/other.txt"]) == ["test.txt", "other.txt"]
    with pytest.raises(ValueError, match=r"--hypotheses \(./a\) is given twice"):
        distinct_names(["a", "./a"])


def test_comet_scores_systems_beside_the_others(comet, files, capsys):
    systems = [flag for name in ("base", "worse") for flag in ("--hypotheses", f"{files}/{name}.en")]
    flags = ["--source", f"{files}/source.en", "--reference", f"{files}/reference.en", "--metrics", "comet,bleu"]
    flags += ["--comet-model", str(comet), "--confidence", "--paired", "randomization", "--samples", "300", "--json"]
    assert main([*systems, *flags]) == 0
    body = json.loads(capsys.readouterr().out)
    base, worse = body["scores"]["base.en"], body["scores"]["worse.en"]
    means = [
        sum(len({*h.split()} & {*r.split()}) - 0.01 * len(r) for h, r in zip(lines, REFERENCES, strict=True)) / 40
        for lines in (BASE, WORSE)
    ]
    assert (base["comet"], worse["comet"]) == pytest.approx([100 * mean for mean in means], abs=1e-3)
    assert base["signatures"]["comet"].startswith("nrefs:1|model:model|weights:")
    assert base["signatures"]["comet"].endswith("|version:9.9")
    assert worse["p"]["comet"] < 0.05 and base["confidence"]["comet"]["half_width"] > 0


def test_what_comet_cannot_do_is_one_line_before_anything_is_scored(comet, files, tmp_path):
    flags = ["--hypotheses", f"{files}/base.en", "--reference", f"{files}/reference.en", "--metrics", "comet"]
    source = ["--source", f"{files}/source.en"]
    for more, message in (
        ([], r"metrics \(comet\) needs --source"),
        (source, r"metrics \(comet\) needs --comet-model"),
        ([*source, "--comet-model", str(tmp_path)], r"--comet-model \(\S+\) must be the folder .* no hparams.yaml"),
        ([*source, "--comet-model", str(comet), "--comet-python", "nix"], r"--comet-python \(nix\)"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            main([*flags, *more])
        assert "\n" not in str(error.value)
    (comet / "checkpoints" / "model.ckpt").write_text("broken", "utf-8")
    with pytest.raises(ValueError, match="comet: RuntimeError: weights do not fit"):
        main([*flags, *source, "--comet-model", str(comet)])
    (comet / "checkpoints" / "model.ckpt").unlink()
    with pytest.raises(ValueError, match=r"must hold one file checkpoints/\*.ckpt, it holds 0"):
        main([*flags, *source, "--comet-model", str(comet)])


def test_a_python_without_comet_is_reported_with_the_install_line(files, tmp_path, monkeypatch):
    alone = tmp_path / "python"  # with the standard library alone, from a folder where a comet lies
    alone.write_text(f'#!/bin/sh\ncd "{Path(__file__).parent}" && exec "{sys.executable}" -S -E "$@"\n', "utf-8")
    alone.chmod(0o755)
    flags = ["--hypotheses", f"{files}/base.en", "--reference", f"{files}/reference.en", "--metrics", "comet"]
    flags += ["--source", f"{files}/source.en", "--comet-model", str(model_in(tmp_path))]
    with pytest.raises(ValueError, match=r"metrics \(comet\) needs .* pip install 'mt-trainer\[comet\]'"):
        main([*flags, "--comet-python", str(alone)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"paired": "t-test"}, r"paired \(t-test\) must be one of bootstrap, randomization"),
        ({"seed": 0}, r"seed \(0\) must be from 1"),
        ({"samples": 99}, r"samples \(99\) must be from 100"),
        ({"samples": 10**9}, r"samples \(1000000000\) must be from 100 to"),
        ({"metrics": ["meteor"]}, r"metrics \(meteor\) must be among bleu, .*, comet"),
    ],
)
def test_questions_that_have_no_answer_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Question(**{"metrics": ["bleu"], **settings})
