"""A certificate says what was measured, an export that fails its rules leaves nothing, and damage is always noticed."""

import json
from copy import deepcopy
from functools import partial
from importlib.util import find_spec

import pytest

from mt.export import main
from mt.interchange import certificate
from mt.interchange import export as exporting
from mt.interchange.bounds import Bounds, verdict_of
from mt.interchange.plan import plan_of
from mt.interchange.table import TARGETS
from tests.interchange.damage import DAMAGES

OF_THEIR_OWN = ("swapped_heads", "other_piece")  # what exports for browsers do not share with onnx
needs_packages = pytest.mark.skipif(find_spec("ctranslate2") is None, reason="needs the extra `export`")
GOOD = {
    "tokenizer": {"different_ids": 0, "hostile_different_ids": 0, "different_text": 0},
    "scores": {"max": 1e-5},
    "decoding": {"sentences": 200, "same_text": 198, "max_a_token": 1e-6},
    "attention": {"max": 1e-6},
    "quality": {"bleu": {"lost": 0.29}},
    "constants": {"norm_epsilon": {"model": 1e-5, "export": 1e-5}},
}


@pytest.fixture
def files(corpus_folder):
    """The flags that name lines of the tiny corpus and their translations."""
    return ["--source", str(corpus_folder / "test.de"), "--reference", str(corpus_folder / "test.en")]


def changed(path, value):
    body = deepcopy(GOOD)
    node = body
    *parents, last = path.split(".")
    for name in parents:
        node = node[name]
    node[last] = value
    return body


def test_what_holds_every_bound_is_exact_or_rounded():
    assert verdict_of(GOOD, quantization=None)["verdict"] == "exact"
    assert verdict_of(GOOD, quantization="int8")["verdict"] == "exact"  # the model has as few bits
    assert verdict_of(changed("scores.max", 0.4), quantization="int8")["verdict"] == "rounded"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("tokenizer.different_ids", 1, "1 lines with other pieces"),
        ("tokenizer.hostile_different_ids", 2, "2 hostile lines"),
        ("tokenizer.different_text", 1, "another text of the same pieces"),
        ("scores.max", 1.1e-4, "log-probability differs by 0.00011"),
        ("scores.max", float("nan"), "log-probability differs by nan"),
        ("decoding.same_text", 197, "197 of 200 lines have the same translation, at least 99% must"),
        ("decoding.max_a_token", float("inf"), "scores of decoding differ by inf"),
        ("attention.max", 2e-5, "attention differs by 2e-05"),
        ("constants.norm_epsilon.export", 1e-6, "norm_epsilon is 1e-06 in the export, 1e-05 in the model"),
        (
            "shortlist",
            {"sentences": 50, "same_text": 49},
            "49 of 50 lines have the same translation with the shortlist",
        ),
    ],
)
def test_what_breaks_a_bound_is_refused_with_the_numbers(path, value, said):
    verdict = verdict_of(changed(path, value), quantization=None)
    assert verdict["verdict"] == "refused" and [reason for reason in verdict["reasons"] if said in reason]


def test_rounding_may_cost_no_more_bleu_than_the_bound():
    verdict = verdict_of(changed("quality.bleu.lost", 0.31), quantization="int8")
    assert verdict["reasons"] == ["0.31 BLEU are lost by rounding, at most 0.3 is allowed"]


@needs_packages
def test_an_export_comes_with_card_licence_and_certificate_of_all_its_files(exported, trained_run):
    body = json.loads((exported / "certificate.json").read_text("utf-8"))
    assert body["verdict"] == "exact" and body["decoding"]["same_text"] == body["decoding"]["sentences"] == 60
    assert set(body["files"]) == {path.name for path in exported.iterdir()} - {"certificate.json"}
    manifest = json.loads((trained_run / "best" / "manifest.json").read_text("utf-8"))
    assert body["checkpoint"]["sha256"] == manifest["files"]["model.safetensors"]["sha256"]
    assert body["quality"]["bleu"]["signature"] and body["quality"]["bleu"]["difference_95"]["half_width"] == 0
    card = (exported / "README.md").read_text("utf-8")
    assert "language: [de, en]" in card and "verdict: exact" in card and "Licence of the model: not stated" in card
    assert "Apache License, Version 2.0" in (exported / "LICENSE").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "damage"),
    # exports for browsers have the graphs of onnx: what is their own is who reads them, and pieces
    [(name, one) for name in TARGETS for one in DAMAGES if name != "browser" or one in OF_THEIR_OWN],
)
def test_damage_is_noticed_and_leaves_nothing(name, damage, trained_run, files, tmp_path, monkeypatch):
    if missing := [package for package in TARGETS[name].packages if find_spec(package) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.setattr(exporting, "plan_of", lambda loaded: DAMAGES[damage](plan_of(loaded)))
    true_evidence = exporting.evidence_of
    monkeypatch.setattr(
        exporting, "evidence_of", lambda load, plan, *given, **how: true_evidence(load, plan_of(load()), *given, **how)
    )
    output = tmp_path / "exports" / name
    with pytest.raises(ValueError, match=f"{name}: the export is not what the model is"):
        main([name, "--checkpoint", str(trained_run), "--output", str(output), *files, "--limit", "8"])
    assert not list((tmp_path / "exports").iterdir())


@needs_packages
def test_verify_measures_again_and_notices_a_changed_file(exported, capsys):
    assert main(["verify", str(exported)]) == 0
    assert "verdict: exact" in capsys.readouterr().out
    before = (exported / "certificate.json").read_bytes()
    weights = bytearray((exported / "model.bin").read_bytes())
    weights[-100] ^= 1
    (exported / "model.bin").write_bytes(weights)
    (exported / "more.txt").write_text("x")
    with pytest.raises(ValueError, match=r"model.bin is changed; more.txt is not in the certificate"):
        main(["verify", str(exported)])
    assert (exported / "certificate.json").read_bytes() == before


@needs_packages
def test_int8_is_smaller_and_needs_references(trained_run, files, tmp_path, capsys, monkeypatch):
    # 60 sentences of a model of 32 numbers: what rounding costs there depends on the processor's products
    lenient = partial(verdict_of, bounds=Bounds(bleu_lost=5.0))
    monkeypatch.setattr(certificate, "verdict_of", lenient)
    flags = ["ctranslate2", "--checkpoint", str(trained_run), "--output", str(tmp_path / "small")]
    with pytest.raises(ValueError, match="--quantization int8 needs --reference"):
        main([*flags, "--quantization", "int8", *files[:2]])
    assert main([*flags, "--quantization", "int8", *files]) == 0
    assert "verdict: rounded" in capsys.readouterr().out
    main([*flags[:-1], str(tmp_path / "large"), *files])
    small, large = ((tmp_path / name / "model.bin").stat().st_size for name in ("small", "large"))
    assert small < large  # a little: most of so small a model are its tables of positions, which are not rounded


@needs_packages
def test_lines_of_the_run_are_used_where_none_are_given(trained_run, tmp_path, capsys):
    main(["ctranslate2", "--checkpoint", str(trained_run), "--output", str(tmp_path / "x"), "--limit", "7"])
    body = json.loads((tmp_path / "x" / "certificate.json").read_text("utf-8"))
    assert body["lines"]["from"].endswith("valid") and body["decoding"]["sentences"] == 7


def test_what_writes_nothing_and_gives_a_row_for_each_setting(trained_run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["what", "--checkpoint", str(trained_run)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].split() == ["setting", "value", *TARGETS]
    assert "layer.norm_position" in said and said.endswith("this model\n")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_files_is_never_replaced(trained_run, files, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="must be a new or empty folder, or an earlier export: it has other files"):
        exporting.check_output(tmp_path / "mine")
    with pytest.raises(ValueError, match="must be a folder"):
        exporting.check_output(tmp_path / "mine" / "thesis.txt")


@needs_packages
def test_a_licence_that_would_break_the_card_is_refused(trained_run, files, tmp_path):
    flags = ["ctranslate2", "--checkpoint", str(trained_run), "--output", str(tmp_path / "x"), *files]
    with pytest.raises(ValueError, match=r"--license \(mine: all\) must be a name"):
        main([*flags, "--license", "mine: all"])
    assert not (tmp_path / "x").exists()


def test_a_missing_package_is_named_with_its_extra(trained_run, files, tmp_path, monkeypatch):
    monkeypatch.setattr("mt.interchange.target.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"ctranslate2 needs packages .* pip install 'mt-trainer\[export\]'"):
        main(["ctranslate2", "--checkpoint", str(trained_run), "--output", str(tmp_path / "x"), *files])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["verify", "here"], "here is not an export: it has no certificate.json"),
        (["ctranslate2", "--output", "x", "--reference", "r", "--checkpoint", "c"], "--reference needs --source"),
        (["ctranslate2", "--output", "x", "--limit", "0"], r"--limit \(0\) must be a whole number of .*at least 1"),
        (["onyx", "--output", "x"], "invalid choice: 'onyx'"),
        (["what", "--checkpoint", "nowhere"], r"checkpoint \(nowhere\) does not exist"),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(flags, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=said) as refused:
        main(flags)
    assert "\n" not in str(refused.value)
