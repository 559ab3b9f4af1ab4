"""How sure a model is of its words, and what else could stand after a prefix."""

import json
import math
from dataclasses import replace

import pytest

from mt.inference.alternatives import alternatives
from mt.inference.confidence import word_probabilities
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
        assert len(found["confidence"]) == len(found["plain_text"].split(" "))
        of_pieces = math.exp(sum(one for part in parts for one in part.token_log_probs[:-1]))
        assert math.prod(found["confidence"]) == pytest.approx(of_pieces, rel=1e-2)


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
