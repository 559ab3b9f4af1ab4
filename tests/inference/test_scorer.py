"""How probable given translations are: the totals of a search, whatever the batch, and the command."""

import json
import math
import subprocess
import sys

import pytest

from mt.inference.request import Request
from mt.inference.scorer import Scorer
from mt.inference.translator import Translator
from mt.score import main
from mt.search.beam import Beam
from tests.children import PATIENCE_SECONDS

LINES = ["eins zwei drei", "acht vier", "sechs sechs eins zwei acht", "vier"]


@pytest.fixture(scope="module")
def translator(trained_run):
    return Translator.load(trained_run, device="cpu")


@pytest.mark.parametrize("count", [1, 2], ids=["one model", "ensemble"])
def test_totals_and_tokens_are_those_of_the_search(trained_run, count):
    translator = Translator.load(*[trained_run] * count, device="cpu")
    translations = list(translator.translate(LINES, search=Beam(size=4, n_best=3)))
    encode = translator.tokenizers.target.encode
    # a text whose pieces are others than those that the search chose is another target
    kept = [
        (translation.source, [one for one in translation.candidates if encode(one.text) == list(one.parts[0].ids)])
        for translation in translations
    ]
    assert sum(len(candidates) for _, candidates in kept) >= 8
    pairs = [(Request(source), [one.text for one in candidates]) for source, candidates in kept]
    for (_, candidates), (request, scored) in zip(kept, Scorer(translator).score(pairs), strict=True):
        for candidate, one in zip(candidates, scored, strict=True):
            assert one.target == candidate.text, request
            assert one.log_prob == pytest.approx(candidate.log_prob, abs=1e-4)
            assert one.token_log_probs == pytest.approx(candidate.parts[0].token_log_probs, abs=1e-4)
            assert one.log_prob_per_token == pytest.approx(one.log_prob / (len(candidate.parts[0].ids) + 1))


def test_pairs_are_scored_alike_in_any_batch(translator):
    pairs = [(Request(line), ["one two", "", "eight"][: place + 1]) for place, line in enumerate(LINES)]
    together = [[one.log_prob for one in scored] for _, scored in Scorer(translator).score(pairs)]
    alone = [[one.log_prob for one in scored] for _, scored in Scorer(translator).score(pairs, batch_tokens=1)]
    assert [len(scored) for scored in together] == [1, 2, 3, 3]
    for ours, theirs in zip(together, alone, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_a_sources_tag_and_a_target_outside_the_model_are_checked(translator):
    with pytest.raises(ValueError, match=r"tag \(<2xx>\) must be a symbol"):
        list(Scorer(translator).score([(Request("eins", tag="<2xx>"), ["one"])]))


def test_the_command_writes_totals_a_line_a_column_a_target(trained_run, tmp_path, capsys, translator):
    (tmp_path / "pairs.tsv").write_text("eins zwei\ttwo one\tone two\n\nacht\teight\n", encoding="utf-8")
    flags = ["--checkpoint", str(trained_run), "--device", "cpu", "--input", str(tmp_path / "pairs.tsv")]
    assert main(flags) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [len(row) for row in rows] == [2, 1, 1] and rows[1] == [""]
    assert 0 > float(rows[0][0]) > float(rows[0][1])
    (translation,) = translator.translate(["acht"], search=Beam())
    assert float(rows[2][0]) == pytest.approx(translation.candidates[0].log_prob, abs=1e-4)


def test_contrast_counts_right_targets_by_kind(trained_run, tmp_path, capsys):
    lines = [
        "order\teins zwei\ttwo one\tone two",
        "",
        "order\tdrei eins\tone three\tthree one\tthree",
        "swapped\tvier\tone\tfour",
    ]
    (tmp_path / "pairs.tsv").write_text("".join(f"{line}\n" for line in lines))
    flags = ["--checkpoint", str(trained_run), "--device", "cpu", "--contrast", "--input", str(tmp_path / "pairs.tsv")]
    capsys.readouterr()
    assert main(flags) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows[1:]] == [["order", "2", "100.0"], ["swapped", "1", "0.0"], ["all", "3", "66.7"]]


def test_json_has_every_token(trained_run, capsys, monkeypatch):
    monkeypatch.setattr("mt.data.formats.lines.portions_of", lambda path: [["eins zwei\ttwo one"]])
    assert main(["--checkpoint", str(trained_run), "--device", "cpu", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    (target,) = record["targets"]
    assert (record["line"], record["source"], target["text"]) == (1, "eins zwei", "two one")
    assert target["tokens"][-1]["piece"] == "</s>"
    assert math.fsum(one["log_prob"] for one in target["tokens"]) == pytest.approx(target["log_prob"], abs=1e-3)
    assert target["log_prob_per_token"] == pytest.approx(target["log_prob"] / len(target["tokens"]), abs=1e-3)


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        ("eins\tone\neins one\n", [], r"pairs.tsv, line 2: a source, a tab and a target are needed, there is no tab"),
        ("order\teins\tone\n", ["--contrast"], r"line 1: kind, source, right target and at least one wrong target"),
        ("eins\tone\n", ["--trees", "x"], r"--trees \(x\) is for a model with structured attention"),
        ("eins\tone\n", ["--tag", "<2en>"], r"tag \(<2en>\) must be a symbol"),
        ("\n", ["--contrast"], r"pairs.tsv has no lines: there is nothing to score"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(trained_run, tmp_path, monkeypatch, content, flags, message):
    monkeypatch.chdir(tmp_path)
    for name, text in (("pairs.tsv", content), ("x", "1\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        main(["--checkpoint", str(trained_run), "--device", "cpu", "--input", "pairs.tsv", *flags])
    assert "\n" not in str(refused.value)
    assert (tmp_path / "pairs.tsv").read_text(encoding="utf-8") == content


def test_help_comes_without_torch():
    code = "import sys; from mt.score import parser; parser().format_help(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS)
