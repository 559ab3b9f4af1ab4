"""Translations ranked by a model of the other direction: the formula, the weights that are found, and the command."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from mt.data.document import Context
from mt.evaluation.reranking_weights import tune
from mt.evaluation.tokenization import Tokenization
from mt.inference.request import Request
from mt.inference.reranker import Reranker
from mt.inference.reranking import FILE_NAME, Reranking, digest, reranked
from mt.inference.scorer import Scorer
from mt.inference.tags import bare
from mt.inference.translation import Candidate, Translation
from mt.inference.translator import Translator
from mt.rerank import main
from mt.search.beam import Beam
from mt.search.hypothesis import Hypothesis
from mt.translate import main as translate
from tests.alignment.known import REVERSE

TOKENIZATION = Tokenization(tokenize="13a", ter="tercom")


@pytest.fixture(scope="module")
def checkpoint(model_of, tmp_path_factory):
    """A model that reverses lines: its own model of the other direction."""
    return shutil.copytree(model_of(REVERSE), tmp_path_factory.mktemp("rerank") / "step_000001")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    REVERSE.write(folder, "valid", 30, seed=5)
    return [f"--source={folder / 'valid.source'}", f"--target={folder / 'valid.target'}"]


def candidate(text, log_prob):
    return Candidate(text, log_prob, log_prob, (Hypothesis((4,) * len(text.split()), log_prob, log_prob, True),))


def test_the_score_is_the_weighted_sum_and_the_model_s_own_number_stays():
    line = Translation("x", (candidate("a b c", -1.0), candidate("a b", -1.5), candidate("a", -3.0)), ("x",))
    features_CF = np.array([[-1.0, -9.0, 4.0], [-1.5, -2.0, 3.0], [-3.0, -2.0, 2.0]])
    how = Reranking(reverse=0.5, length=0.1, candidates=3, model="")
    found = reranked(line, features_CF, how, 2)
    assert [(one.text, one.log_prob) for one in found.candidates] == [("a b", -1.5), ("a", -3.0)]
    assert [one.score for one in found.candidates] == pytest.approx([-1.5 - 1 + 0.3, -3 - 1 + 0.2])
    assert reranked(line, None, how, 1).candidates == line.candidates[:1]


def test_weights_are_those_that_find_the_right_translations():
    candidates = [
        ["a wrong line of words", "the right line of words"],
        ["one more right line here", "a bad one more here"],
    ]
    references = ["the right line of words", "one more right line here"]
    # the model likes the wrong one of the first line, and the reverse model the right one of both
    features = [np.array([[-1.0, -9.0, 6.0], [-2.0, -3.0, 6.0]]), np.array([[-1.0, -3.0, 6.0], [-3.0, -4.0, 6.0]])]
    found = tune(candidates, features, references, TOKENIZATION)
    assert (found.bleu, found.oracle) == (pytest.approx(100), pytest.approx(100))
    assert found.before == found.with_length < 70  # lengths are equal, so they cannot help
    assert (found.reverse, found.length) == (0.2, 0.0)  # the least weights that do it


def test_weights_that_gain_nothing_are_none():
    right = [["the right line of words", "a wrong line of words"]]
    found = tune(right, [np.array([[-1.0, -9.0, 6.0], [-2.0, -3.0, 6.0]])], ["the right line of words"], TOKENIZATION)
    assert (found.reverse, found.length) == (0.0, 0.0)


def test_features_are_the_scores_of_both_directions(checkpoint):
    translator = Translator.load(checkpoint, device="cpu")
    lines = ["eins zwei drei", "acht", " ".join(["eins zwei."] * 200)]
    translations = list(translator.translate(lines, search=Beam(size=3, n_best=3)))
    first, second, split = Reranker.load(checkpoint, checkpoint, device="cpu").features(translations, lines)
    assert split is None  # nothing joins what the parts of a line say of it
    for line, translation, features_CF in zip(lines, translations, (first, second), strict=False):
        for one, row in zip(translation.candidates, features_CF, strict=True):
            ((_, (back,)),) = Scorer(translator).score([(Request(one.text), [line])])
            assert row == pytest.approx([one.log_prob, back.log_prob, len(one.parts[0].ids) + 1], abs=1e-4)


def test_the_command_tunes_and_translate_ranks_by_it(checkpoint, files, capsys, tmp_path):
    assert main(["--checkpoint", str(checkpoint), "--reverse", str(checkpoint), *files, "--candidates=4"]) == 0
    out = capsys.readouterr().out
    assert "30 of 30 lines" in out and "weights: reverse model" in out
    how = Reranking.load(checkpoint)
    assert how.candidates == 4 and how.model == digest(checkpoint)
    # weights that change the order, whatever was found
    (checkpoint / FILE_NAME).write_text(Reranking(reverse=-3, length=0.5, candidates=4, model=how.model).to_json())
    flags = ["--checkpoint", str(checkpoint), "--device", "cpu", "--json", "--n-best", "2"]
    lines = ["eins zwei drei vier", "acht neun"]
    translate([*flags, "--rerank", str(checkpoint), *lines])
    ranked = [json.loads(row)["translations"] for row in capsys.readouterr().out.splitlines()]
    translate(["--checkpoint", str(checkpoint), "--device", "cpu", "--json", "--n-best", "4", *lines])
    plain = [json.loads(row)["translations"] for row in capsys.readouterr().out.splitlines()]
    for best, all_of_them in zip(ranked, plain, strict=True):
        assert len(best) == 2 and {one["text"] for one in best} <= {one["text"] for one in all_of_them}
        assert best[0]["score"] >= best[1]["score"]
        assert best[0]["text"] != all_of_them[0]["text"]  # the likeliest source counts against it
    # from file to file, which resumes where all that it depends on is the same
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines))
    files = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    translate(["--checkpoint", str(checkpoint), "--device", "cpu", "--rerank", str(checkpoint), *files])
    assert (tmp_path / "out").read_text().splitlines() == [best[0]["text"] for best in ranked]


def test_what_cannot_be_is_refused_in_one_line(checkpoint, trained_run, tmp_path):
    other = shutil.copytree(checkpoint, tmp_path / "step_000001")
    (other / FILE_NAME).unlink(missing_ok=True)
    where = ["--checkpoint", str(other), "--device", "cpu", "eins"]
    with pytest.raises(ValueError, match=r"--rerank needs .*reranking.json: `python -m mt.rerank`"):
        translate(["--rerank", str(other), *where])
    (other / FILE_NAME).write_text(Reranking(reverse=1, length=0, candidates=2, model="another").to_json())
    with pytest.raises(ValueError, match=r"--rerank \(.*\) must be the model that reranking was tuned with"):
        translate(["--rerank", str(other), *where])
    (other / FILE_NAME).write_text('{"reverse": "x"}')
    with pytest.raises(ValueError, match=r"reranking.json must hold reverse, length, candidates and model"):
        translate(["--rerank", str(other), *where])
    how = Reranking(reverse=1, length=0, candidates=6, model=digest(other))
    (other / FILE_NAME).write_text(how.to_json())
    with pytest.raises(ValueError, match=r"--beam-size \(5\) must be at least 6, the number of translations"):
        translate(["--rerank", str(other), "--beam-size", "5", *where])
    (other / FILE_NAME).write_text(replace(how, tag="<2xx>").to_json())
    with pytest.raises(ValueError, match=r"tag \(<2xx>\) must be a symbol"):  # of the reverse model
        translate(["--rerank", str(other), *where])
    with pytest.raises(ValueError, match="--rerank and --sample: give one of them, not both"):
        translate(["--rerank", str(other), "--sample", *where])
    with pytest.raises(ValueError, match=r"must translate from xx into xx, not from de into en"):
        Reranker.load(trained_run, checkpoint)


def test_the_reverse_model_reads_a_line_without_its_tag_and_its_context():
    assert bare("<2de> a dog", ["<2de>", "<2fr>"]) == "a dog"
    assert bare("<2es> a dog", ["<2de>"]) == "<2es> a dog"
    context = Context(before=("A cat.",), after=())
    assert bare(context.around("a dog"), []) == "a dog"
