"""How sure a model is of its words, and what else could stand after a prefix."""

import json
import math
import random
from dataclasses import replace

import pytest

from mt.checkpoint.steps import find_step
from mt.inference.alternatives import alternatives
from mt.inference.confidence import Calibration, calibration_error, right_words, word_probabilities
from mt.inference.job import Job
from mt.inference.options import Options
from mt.inference.translation import Candidate
from mt.inference.window import Window
from mt.search.hypothesis import Hypothesis
from tests.conftest import reversed_pairs

LINES = reversed_pairs(8, seed=7)[0]


class Spelled:
    """A tokenizer whose ids are places in a list of pieces."""

    def __init__(self, *pieces):
        self.of_ids = pieces

    def pieces(self, ids):
        return [self.of_ids[id_] for id_ in ids]


def test_a_words_probability_is_the_product_over_its_pieces():
    log_probs = [math.log(share) for share in (0.5, 0.5, 0.9, 0.8)]  # the last is of the end
    candidate = Candidate("a house.", 0.0, 0.0, (Hypothesis((0, 1, 2), 0.0, 0.0, True, tuple(log_probs)),))
    assert word_probabilities(candidate, Spelled("▁a", "▁house", ".")) == [0.5, pytest.approx(0.45)]
    two = Candidate("a house. a", 0.0, 0.0, (*candidate.parts, Hypothesis((0,), 0.0, 0.0, True, (math.log(0.2), 0.0))))
    assert word_probabilities(two, Spelled("▁a", "▁house", ".")) == [0.5, pytest.approx(0.45), pytest.approx(0.2)]


def test_unknown_probabilities_are_none_and_impossible_words_zero():
    candidate = Candidate("a b", 0.0, 0.0, (Hypothesis((0, 1), 0.0, 0.0, True),))
    assert word_probabilities(candidate, Spelled("▁a", "▁b")) == [None, None]
    never = replace(candidate, parts=(Hypothesis((0, 1), 0.0, 0.0, True, (0.0, -math.inf, 0.0)),))
    assert word_probabilities(never, Spelled("▁a", "▁b")) == [1.0, 0.0]


def test_a_models_words_have_the_probabilities_of_its_pieces(trained_run):
    job = Job([trained_run], Options(device="cpu", json=True, confidence=True, markup=True))
    translator = job.load()
    rows = map(json.loads, job(Window(0, LINES)).text.splitlines())
    for row, translation in zip(rows, translator.translate(LINES), strict=True):
        found, parts = row["translations"][0], translation.candidates[0].parts
        raw = word_probabilities(translation.candidates[0], translator.tokenizers.target)
        of_pieces = math.exp(sum(one for part in parts for one in part.token_log_probs[:-1]))
        assert math.prod(raw) == pytest.approx(of_pieces, rel=1e-2)
        calibration = Calibration.load(find_step(trained_run))
        assert len(raw) == len(found["plain_text"].split(" "))
        assert (found["confidence"], found["line_confidence"]) == (calibration.words(raw), calibration.whole(raw))


def test_right_words_are_those_of_the_longest_common_subsequence():
    assert right_words("the big dog ran home", "a big dog went home") == [False, True, True, False, True]
    assert right_words("a b a", "b a") == [False, True, True]
    assert right_words("a", "") == [False] and right_words("", "a") == []


def test_the_calibration_error_is_the_distance_in_bins():
    assert calibration_error([(0.95, 1.0)] * 9 + [(0.95, 0.0)]) == pytest.approx(0.05)
    assert calibration_error([(0.1, 1.0), (0.9, 0.0)]) == pytest.approx(0.9)


def test_a_model_that_is_too_sure_is_corrected():
    draw = random.Random(1)
    lines = []
    for _ in range(300):
        probabilities = [draw.uniform(0.2, 1.0) for _ in range(8)]
        # right less often than the model says
        words = ["right" if draw.random() < probability**2 else "wrong" for probability in probabilities]
        lines.append((probabilities, " ".join(words), " ".join(["right"] * 8)))
    calibration = Calibration.of(lines)
    assert calibration.word_error < 0.05 and calibration.line_error < 0.05
    chances = calibration.words([0.3, 0.6, 0.95])
    assert chances == sorted(chances) and chances[1] < 0.5
    assert calibration.whole([0.95] * 8) > 0.7 > calibration.whole([0.5] * 8)
    assert calibration.whole([]) is None and calibration.words([0.5, None]) == [0.5, None]
    assert Calibration.of(lines[:10]) is None  # too few words


def test_a_calibration_is_read_as_it_was_written_and_a_damaged_one_refused(tmp_path):
    calibration = Calibration((0.1, 0.9, 0.2), (0.0, 1.0), 0.01, 0.02)
    path = tmp_path / "confidence.json"
    assert Calibration.load(tmp_path) is None
    path.write_text(calibration.to_json())
    assert Calibration.load(tmp_path) == calibration
    for damaged in ("{}", '{"word": [1, 2], "line": [1, 2], "word_error": 0, "line_error": 0}', "[]"):
        path.write_text(damaged)
        with pytest.raises(ValueError, match=r"confidence.json .*must"):
            Calibration.load(tmp_path)


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_lines_of_which_the_model_is_too_unsure_are_left_empty(trained_run, as_json):
    lines = [*LINES, "wort das keiner kennt"]

    def rows_of(**options):
        found = Job([trained_run], Options(device="cpu", json=as_json, **options))(Window(0, lines))
        return found.text.split("\n")[:-1], found.notes

    plain, _ = rows_of()
    all_kept, none = rows_of(abstain=0.0)
    assert (len(all_kept), none) == (len(lines), [])
    rows, notes = rows_of(abstain=1.0)
    assert len(rows) == len(lines) and "left empty, its confidence is" in notes[-1]
    if as_json:
        record = json.loads(rows[-1])["translations"][0]
        assert (record["text"], record["abstained"]) == ("", True)
    else:
        assert rows[-1] == "" and rows.count("") == len(notes) and all_kept == plain


def test_abstaining_needs_a_calibration(trained_run):
    with pytest.raises(ValueError, match=r"--abstain needs one checkpoint with confidence.json, .* not .* and .*"):
        Job([trained_run, trained_run], Options(device="cpu", abstain=0.5)).load()


def test_alternatives_differ_in_the_word_after_the_prefix_and_the_best_is_the_translation(trained_run):
    job = Job([trained_run], Options(device="cpu", json=True))
    best = [json.loads(row)["translations"][0]["text"] for row in job(Window(0, LINES)).text.splitlines()]
    for line, text in zip(LINES, best, strict=True):
        words = text.split(" ")
        prefix = " ".join(words[:1])
        record = alternatives(job.with_options(replace(job.options, prefix=prefix, n_best=3)), line)
        texts = [one["text"] for one in record["translations"]]
        assert record["source"] == line and texts[0] == text
        assert len(texts) == len({" ".join(one.split(" ")[:2]) for one in texts}) == 3
        assert all(one.startswith(f"{prefix} ") for one in texts)
        scores = [one["score"] for one in record["translations"]]
        assert scores == sorted(scores, reverse=True)


def test_alternatives_keep_markup_links_and_a_line_with_tabs(trained_run):
    how = {"n_best": 2, "alignment": True, "markup": True, "confidence": True}
    job = Job([trained_run], Options(device="cpu", json=True, **how))
    record = alternatives(job, LINES[0].replace(" ", "\t", 1) + " <b>x</b>")
    assert len(record["translations"]) == 2 and "\t" not in record["source"]
    for one in record["translations"]:
        assert one["links"] and len(one["confidence"]) == len(one["plain_text"].split(" "))
