"""A corpus is translated into pairs with their log-probabilities, in order, whoever translates and however often."""

import json
import logging

import pytest

from mt import back_translate, distill
from mt.data.formats.jsonl import JsonLines
from mt.inference.nearest import nearest
from mt.inference.translation import Candidate
from mt.inference.translator import Translator
from tests.children import Fork, wait_for
from tests.conftest import reversed_pairs


@pytest.fixture
def make(trained_run, tmp_path):
    """(command, lines, flags) -> the pairs that it writes."""

    def call(command, lines, *flags, output="out.jsonl"):
        (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        model, source = ("--teacher", "--source") if command is distill else ("--checkpoint", "--input")
        files = [model, str(trained_run), source, str(tmp_path / "in"), "--output", str(tmp_path / output)]
        assert command.main([*(["data"] if command is distill else []), *files, "--device", "cpu", *flags]) == 0
        return [json.loads(line) for line in (tmp_path / output).read_text("utf-8").splitlines()]

    return call


def test_pairs_have_the_translation_and_the_mean_log_probability_of_its_pieces(make, trained_run, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    lines = ["eins zwei", "", "drei vier acht"]
    pairs = make(distill, lines)
    assert [(pair["de"], pair["en"]) for pair in pairs] == list(
        zip(lines, ["two one", "", "eight four three"], strict=True)
    )
    translator = Translator.load(trained_run, device="cpu")
    for pair, found in zip(pairs, translator.translate(lines), strict=True):
        kept = found.candidates[0]
        assert pair["log_prob"] == pytest.approx(kept.log_prob, abs=2e-4)
        length = sum(len(part.ids) + 1 for part in kept.parts)
        assert pair["score"] == pytest.approx(kept.log_prob / max(1, length), abs=2e-4)
    assert "3 lines: 2 pairs, 1 without a translation, 0 split" in caplog.text
    corpus = JsonLines(path=tmp_path / "out.jsonl", source_field="de", target_field="en", least_score=-5)
    assert [pair.texts for pair in corpus if not pair.fault] == [(pair["de"], pair["en"]) for pair in pairs]


def test_of_n_best_the_one_nearest_to_the_reference_is_kept(make, tmp_path):
    candidates = [Candidate(text, -1.0, -1.0) for text in ("a small dog", "the little dog", "the little dogs")]
    assert nearest(candidates, "the little dogs run").text == "the little dogs"
    assert nearest(candidates, None).text == nearest(candidates, "").text == "a small dog"
    (tmp_path / "references").write_text("one two\n")
    flags = ["--choose", "nearest", "--reference", str(tmp_path / "references"), "--n-best", "12"]
    assert [pair["en"] for pair in make(distill, ["eins zwei"], *flags)] != ["two one"]


@pytest.mark.parametrize("how", [["--sample", "--epsilon", "0.02", "--seed", "3"], ["--beam-size", "2"]], ids=str)
def test_pairs_do_not_depend_on_the_batch(make, how):
    lines = reversed_pairs(30, 8)[0]
    at_once = make(back_translate, lines, *how)
    again = make(back_translate, lines, *how, "--batch-tokens", "8", output="again.jsonl")
    assert [pair["en"] for pair in at_once] == [pair["en"] for pair in again] and len(at_once) == 30
    assert [pair["score"] for pair in at_once] == pytest.approx([pair["score"] for pair in again], abs=3e-4)


def test_several_teachers_translate_together(make, trained_run):
    [pair] = make(distill, ["eins zwei"], "--teacher", str(trained_run), str(trained_run))
    [alone] = make(distill, ["eins zwei"], output="alone.jsonl")
    assert pair == alone | {name: pytest.approx(alone[name], abs=1e-3) for name in ("score", "log_prob")}


def test_a_killed_translation_is_resumed_on_every_core(make, trained_run, tmp_path, caplog):
    lines, output = reversed_pairs(2200, 5)[0], tmp_path / "out.jsonl"
    at_once = make(back_translate, lines, "--beam-size", "1", output="at once.jsonl")
    files = ["--checkpoint", str(trained_run), "--input", str(tmp_path / "in"), "--output", str(output)]
    flags = [*files, "--device", "cpu", "--beam-size", "1"]
    process = Fork(["-m", "mt.back_translate", *flags, "--workers", "1"], text=True)
    unfinished = output.with_name("out.jsonl.unfinished")
    wait_for(lambda: unfinished.exists() and unfinished.stat().st_size, process)
    process.kill()
    process.wait()
    done = unfinished.read_bytes().count(b"\n")
    assert 0 < done < 2200
    caplog.set_level(logging.INFO)
    back_translate.main([*flags, "--workers", "2"])
    assert f"resumes after line {done}" in caplog.text
    pairs = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert [pair["en"] for pair in pairs] == [pair["en"] for pair in at_once]
    assert [pair["score"] for pair in pairs] == pytest.approx([pair["score"] for pair in at_once], abs=3e-4)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--choose", "nearest"], "--choose nearest needs --reference"),
        (["--sample", "--beam-size", "2"], "--sample and --beam-size"),
        (["--choose", "nearest", "--reference", "{folder}/two"], "line counts must be equal: .*in has 1, .*two has 2"),
        (["--tag", "<2fr>"], "<2fr>"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(make, tmp_path, flags, message):
    (tmp_path / "two").write_text("a\nb\n")
    with pytest.raises(ValueError, match=message):
        make(distill, ["eins"], *[flag.format(folder=tmp_path) for flag in flags])
    assert not list(tmp_path.glob("out*"))
