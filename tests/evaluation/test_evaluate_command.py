"""`python -m mt.evaluate`: what it prints, keeps and refuses. The translator is a stand-in that upper-cases."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import mt.checkpoint.folder
import mt.checkpoint.steps
import mt.inference.aligner  # before the translator in it is replaced
import mt.inference.translator
from mt.evaluate import main
from mt.inference.tags import Tags
from mt.search.beam import Beam
from tests.children import PATIENCE_SECONDS, run

ROOT = Path(__file__).resolve().parents[2]


class Shouter:
    search = Beam(size=4, length_penalty=0.9, n_best=2)
    device, dtype = torch.device("cpu"), torch.float32
    calls: tuple = ()
    tags = Tags(SimpleNamespace(reserved_symbols=("<2de>",)))

    @classmethod
    def load(cls, checkpoint, *others, device, precision, shortlist=False):
        cls.calls = (checkpoint, device, precision)
        return cls()

    def translate(self, requests, *, search, batch_tokens):
        (tag,) = {request.tag for request in requests}
        Shouter.calls = (*Shouter.calls, search, batch_tokens, tag)
        for line in (request.text for request in requests):
            yield SimpleNamespace(text=line.upper(), notes=("split into 2 parts",) if len(line) > 20 else ())


@pytest.fixture
def shouter(monkeypatch):
    monkeypatch.setattr(mt.inference.translator, "Translator", Shouter)
    monkeypatch.setattr(mt.checkpoint.steps, "find_step", lambda path: path)
    monkeypatch.setattr(mt.checkpoint.folder, "read_card", lambda path: SimpleNamespace(target_language="de"))
    return Shouter


@pytest.fixture
def files(tmp_path):
    contents = {
        "source.en": "a small dog\n\nit is a rather long sentence\nthe end\n",
        "reference.de": "A SMALL DOG\n\nIT IS A RATHER LONG SENTENCE\nTHE END\n",
        "second.de": "A LITTLE DOG\n\nIT IS QUITE A LONG SENTENCE\nEND\n",
        "short.de": "A SMALL DOG\n",
        "empty": "",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, "utf-8")
    return {name: str(tmp_path / name) for name in contents}


def test_it_translates_and_scores(shouter, files, capsys, caplog, tmp_path):
    output = tmp_path / "out.de"
    arguments = ["--checkpoint", "run", "--source", files["source.en"], "--reference", files["reference.de"]]
    assert main([*arguments, "--output", str(output)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:4] == ["source.en", "100.00", "100.00", "100.00"]
    assert "sentences/s" in out and "version:" in out
    assert "line 3: split into 2 parts" in err + caplog.text
    assert output.read_text("utf-8") == Path(files["reference.de"]).read_text("utf-8")


def test_flags_reach_the_translator(shouter, files):
    arguments = ["--checkpoint", "run", "--source", files["source.en"], "--reference", files["reference.de"]]
    main([*arguments, "--metrics", "bleu"])
    assert shouter.calls == ("run", "auto", "float32", Beam(size=4, length_penalty=0.9), None, None)
    more = ["--beam-size", "1", "--length-penalty", "0.2", "--device", "cpu", "--precision", "bfloat16"]
    main([*arguments, "--metrics", "bleu", *more, "--batch-tokens", "77", "--tag", "<2de>"])
    assert shouter.calls == ("run", "cpu", "bfloat16", Beam(size=1, length_penalty=0.2), 77, "<2de>")


def test_json_is_the_whole_of_stdout(shouter, files, capsys):
    references = ["--reference", files["second.de"], "--reference", files["reference.de"]]
    assert main(["--checkpoint", "run", "--source", files["source.en"], *references, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["scores"]["source.en"]["bleu"] == pytest.approx(100)
    assert body["scores"]["source.en"]["references"] == 2
    assert body["checkpoint"] == "run" and body["seconds"] >= 0 and body["sentences_per_second"] > 0
    assert body["notes"] == ["line 3: split into 2 parts"]


def test_existing_translations_are_scored_without_a_model(files, capsys, tmp_path):
    packed = tmp_path / "reference.gz"
    packed.write_bytes(gzip.compress(Path(files["reference.de"]).read_bytes()))
    assert main(["--hypotheses", files["second.de"], "--reference", str(packed), "--metrics", "chrf++,bleu"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["test", "chrF2++", "BLEU", "length", "ratio", "lines"]
    assert "sentences/s" not in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--hypotheses", "short.de", "--reference", "reference.de"], "has 4 lines, .*short.de has 1"),
        (["--source", "source.en", "--reference", "short.de"], "short.de has 1 lines, .*source.en has 4"),
        (["--hypotheses", "empty", "--reference", "empty"], "nothing to score"),
        (
            ["--hypotheses", "empty", "--checkpoint", "run", "--reference", "empty"],
            "--checkpoint has no effect with --hyp",
        ),
        (["--reference", "reference.de"], "--source FILE is needed"),
        (["--source", "source.en", "--reference", "reference.de", "--metrics", "bleu,meteor"], r"metrics \(meteor\)"),
        (["--source", "source.en", "--reference", "reference.de", "--tokenize", "x"], r"tokenize \(x\)"),
    ],
)
def test_mistakes_are_one_line(files, flags, message):
    with pytest.raises(ValueError, match=message) as error:
        main([files.get(flag, flag) for flag in flags])
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line_and_code_2(files):
    flags = ["--hypotheses", files["short.de"], "--reference", "nowhere.de"]
    done = run(["-m", "mt.evaluate", *flags], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and "nowhere.de" in done.stderr


def test_help_comes_without_torch():
    code = "import sys; from mt.evaluate import parser; parser().format_help(); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=PATIENCE_SECONDS
    )
    loaded = done.stdout.split()
    assert "mt.evaluate" in loaded
    assert not {"torch", "sacrebleu", "numpy", "tqdm"} & set(loaded)
