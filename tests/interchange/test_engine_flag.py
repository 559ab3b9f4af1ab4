"""`translate` and `evaluate` run an export beside our own engine, and its own program needs nothing of this project."""

import ast
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mt import evaluate, translate
from mt.interchange import runners
from mt.serving.ask import Ask, Unit
from mt.serving.exports import Exports
from mt.serving.messages import Batch, Load

pytestmark = pytest.mark.skipif(find_spec("ctranslate2") is None, reason="needs the extra `export`")
PROGRAMS = sorted(path for path in Path(runners.__file__).parent.glob("*.py") if path.name != "__init__.py")


@pytest.fixture
def said(capsys):
    """What a command prints."""

    def call(command, *flags):
        capsys.readouterr()
        assert command.main(list(map(str, flags))) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    "more", [[], ["--n-best", 3, "--scores"], ["--beam-size", 1], ["--length-penalty", 0]], ids=str
)
def test_translations_are_those_of_our_own_engine(more, exported, trained_run, corpus_folder, said):
    flags = ["--input", corpus_folder / "test.de", *more]
    theirs = said(translate, "--engine", "ctranslate2", "--checkpoint", exported, *flags).splitlines()
    ours = said(translate, "--checkpoint", trained_run, *flags).splitlines()
    assert len(theirs) == len(ours) >= 60
    for a, b in zip(theirs, ours, strict=True):
        (*numbers_a, text_a), (*numbers_b, text_b) = a.split("\t"), b.split("\t")
        assert text_a == text_b and list(map(float, numbers_a)) == pytest.approx(list(map(float, numbers_b)), abs=2e-4)


@pytest.mark.parametrize("more", [[], ["--n-best", 3, "--scores"], ["--prefix", "two"], ["--json"]], ids=str)
def test_onnx_translates_step_by_step_as_our_own_engine(
    more, exported_onnx, trained_run, corpus_folder, tmp_path, said
):
    lines = (corpus_folder / "test.de").read_text("utf-8").split("\n")[:12]
    (tmp_path / "lines").write_text("\n".join(["eins zwei", "", *lines]) + "\n", "utf-8")
    flags = ["--input", tmp_path / "lines", *more]
    theirs = said(translate, "--engine", "onnx", "--checkpoint", exported_onnx, *flags)
    assert re.sub(r"-?\d\.\d+", "", theirs) == re.sub(
        r"-?\d\.\d+", "", said(translate, "--checkpoint", trained_run, *flags)
    )


def test_blank_lines_stay_and_an_interrupted_file_is_resumed(exported, tmp_path, said):
    (tmp_path / "lines").write_text("eins zwei\n\n   \nacht\n", "utf-8")
    flags = ["--engine", "ctranslate2", "--checkpoint", exported, "--input", tmp_path / "lines"]
    said(translate, *flags, "--output", tmp_path / "out")
    assert (tmp_path / "out").read_text("utf-8") == "two one\n\n   \neight\n"


@pytest.mark.parametrize(
    ("flags", "asked"), [([], {}), (["--n-best", 3], {"n_best": 3}), (["--beam-size", 1], {"beam_size": 1})]
)
def test_the_server_gives_what_translate_gives(flags, asked, exported, corpus_folder, said):
    lines = (corpus_folder / "test.de").read_text("utf-8").splitlines()[:20]
    engine = Exports("ctranslate2", [exported], {"device": "cpu"})
    (facts,) = engine(Load())
    assert (facts.source_language, facts.target_language, facts.context_before) == ("de", "en", 0)
    records = engine(Batch(Ask(**asked), [Unit(line) for line in lines]))
    command = ["--engine", "ctranslate2", "--checkpoint", exported, "--input", corpus_folder / "test.de", "--json"]
    expected = said(translate, *command, *flags).splitlines()[:20]
    assert [record | {"line": 0} for record in records] == [json.loads(line) | {"line": 0} for line in expected]


def test_evaluate_scores_an_export(exported, trained_run, corpus_folder, said):
    flags = ["--source", corpus_folder / "test.de", "--reference", corpus_folder / "test.en", "--json"]
    theirs = json.loads(said(evaluate, "--engine", "ctranslate2", "--checkpoint", exported, *flags))
    ours = json.loads(said(evaluate, "--checkpoint", trained_run, *flags))
    assert theirs["scores"] == ours["scores"] and theirs["precision"] == "ctranslate2"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--sample"], "--engine ctranslate2 searches by itself, and only by beam search: --sample is not for it"),
        (["--prefix", "one"], "takes neither prefixes nor terms"),
        (["--no-repeat-ngram", "2"], r"does not have no_repeat_ngram \(2\)"),
        (["--shortlist"], "has no shortlist"),
    ],
)
def test_what_the_engine_cannot_do_is_told_in_one_line(flags, words, exported):
    with pytest.raises(ValueError, match=words):
        translate.main(["eins", "--engine", "ctranslate2", "--checkpoint", str(exported), *flags])


def test_a_checkpoint_is_no_export_and_a_changed_program_is_not_run(trained_run, exported):
    with pytest.raises(ValueError, match=r"is not an export: it has no export\.json"):
        translate.main(["eins", "--engine", "ctranslate2", "--checkpoint", str(trained_run)])
    with pytest.raises(
        ValueError, match=r"--engine has no effect without --checkpoint, the folder that mt\.export wrote"
    ):
        translate.main(["eins", "--engine", "ctranslate2"])
    with open(exported / "translate.py", "a", encoding="utf-8") as program:
        program.write("raise SystemExit('run')\n")
    with pytest.raises(ValueError, match="is not the program of this version, so it is not run"):
        translate.main(["eins", "--engine", "ctranslate2", "--checkpoint", str(exported)])


def test_a_damaged_export_is_refused_in_one_line(exported):
    about = json.loads((exported / "export.json").read_text("utf-8"))
    (exported / "export.json").write_text(json.dumps({"target": about["target"]}), "utf-8")
    with pytest.raises(ValueError, match=r"export\.json lacks source_language, .*: export again$"):
        Exports("ctranslate2", [exported], {"device": "cpu"})(Load())
    (exported / "export.json").write_text(json.dumps(about), "utf-8")
    (exported / "model.bin").write_bytes((exported / "model.bin").read_bytes()[:500])
    with pytest.raises(ValueError, match=r"export cannot be loaded: .+"):
        Exports("ctranslate2", [exported], {"device": "cpu"})(Load())


def test_the_program_of_an_export_needs_nothing_of_this_project(exported, tmp_path):
    check = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__'); assert 'mt' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-P", "-c", check, exported / "translate.py"]
        if sys.version_info >= (3, 11)
        else [sys.executable, "-c", check, exported / "translate.py"],
        input="eins zwei\n\nacht acht\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": ""},
    )
    assert (done.returncode, done.stdout) == (0, "two one\n\neight eight\n"), done.stderr


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_has_at_most_60_lines_and_imports_its_engine_and_sentencepiece(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 60
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [])
        + ([node.module] if isinstance(node, ast.ImportFrom) else [])
    }
    engine = {"onnx": "onnxruntime"}.get(path.stem, path.stem)
    assert imported - set(sys.stdlib_module_names) <= {engine, "sentencepiece", "numpy"}
