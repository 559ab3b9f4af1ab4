"""The choice of a checkpoint's alignment: what it is measured on, and that a few maps at a time are enough for it."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from mt.alignment.alignment import RawAttention
from mt.alignment.choice import FILE_NAME
from mt.alignment.gold import from_pharaoh
from mt.alignment.rank_choices import rank, rank_both
from mt.data.held_out import HeldOut
from mt.data.pair import Pair
from mt.evaluation import alignment_reference
from mt.evaluation.alignment_reference import AT_ONCE, LONGEST, Reference, ranked, ranked_both
from mt.evaluation.attention_probe import AttentionProbe
from mt.evaluation.final import _choose_alignment

LINES = [" ".join(f"w{place}" for place in range(1 + number % 4)) for number in range(2 * AT_ONCE + 3)]
GOLD = [from_pharaoh(" ".join(f"{place}-{place}" for place in range(len(line.split())))) for line in LINES]


class Known:
    """An aligner whose head 1 of layer 0 looks at the word in the same place, and the others anywhere."""

    def __init__(self, direction):
        self.direction, self.asked = direction, []

    def attention(self, sources, targets, *, trees=None, tag=None, norms):
        self.asked.append(len(sources))
        return [
            self.one(len(source.split()), len(target.split())) for source, target in zip(sources, targets, strict=True)
        ]

    def one(self, num_source, num_target):
        rng = np.random.default_rng(num_source)
        weights = rng.dirichlet(np.ones(num_source + 1), size=(2, 2, num_target + 1))
        weights[0, 1] = np.eye(num_target + 1, num_source + 1)
        pieces = [[*(f"▁w{place}" for place in range(count)), "</s>"] for count in (num_source, num_target)]
        return RawAttention(weights, *pieces, rng.random((2, 2, num_source + 1)) + 0.1)


def test_a_few_lines_are_asked_for_at_a_time_and_the_choice_is_the_same():
    aligner = Known("xx-yy")
    found = ranked(aligner, Reference.of(LINES, LINES, GOLD))
    expected = rank([aligner.one(len(line.split()), len(line.split())) for line in LINES], GOLD)
    assert [choice.where() for choice in found] == [choice.where() for choice in expected]
    assert (found[0].layer, found[0].shift, found[0].error_rate) == (0, 0, 0.0)
    assert {choice.measured_on for choice in found} == {"gold links"}
    assert aligner.asked == [AT_ONCE, AT_ONCE, 3]


def test_two_models_say_whom_they_agreed_with():
    models = Known("xx-yy"), Known("yy-xx")
    first, *others = ranked_both(*models, LINES, LINES)
    raws = [[model.one(len(line.split()), len(line.split())) for line in LINES] for model in models]
    assert [pair[0].where() for pair in (first, *others)] == [
        pair[0].where() for pair in rank_both(*raws, LINES, LINES)
    ]
    assert [choice.heads for choice in first] == [(1,), (1,)]
    assert [choice.measured_on for choice in first] == ["agreement with yy-xx", "agreement with xx-yy"]


def test_where_there_is_no_link_there_is_no_choice(monkeypatch):
    with pytest.raises(ValueError, match=r"links to choose by \(gold links\): there are none"):
        ranked(Known("xx-yy"), Reference.of(["a"], ["x"], [from_pharaoh("0?0")]))
    monkeypatch.setattr(alignment_reference, "links_of", lambda _: (set(), set()))
    with pytest.raises(ValueError, match=r"\(links of the statistical aligner\): there are none"):
        ranked(Known("xx-yy"), Reference.of(["a"], ["x"]))


@pytest.mark.parametrize(
    ("links", "message"),
    [
        (["0-0", "0-0 7-0"], r"sentence 2: link \(7-0\) must lie within the pair's 2 source and 2 target words"),
        (["0-0", "0:1"], r"line 2: link \(0:1\) must be i-j"),
    ],
)
def test_wrong_links_of_a_validation_set_are_reported_and_learned_ones_used(caplog, links, message):
    store = SimpleNamespace(sample=lambda most: [Pair(line, line) for line in LINES])
    prepared = SimpleNamespace(valid=HeldOut("valid", LINES[:2], LINES[:2], links), train=store)
    reference = Reference.of_validation(prepared)
    (record,) = caplog.records
    assert re.fullmatch(
        f"gold links of the validation set: {message}.*; links of the statistical aligner are used", record.getMessage()
    )
    assert reference.is_learned and reference.has_links and reference.sources == LINES[:2]


def test_validation_pairs_that_cannot_be_looked_at_are_left_out():
    long = " ".join(["w0"] * (LONGEST + 1))
    sources, targets = ["w0 w1", "", long, "w1"], ["w0 w1", "w0", "w0", "w1"]
    valid = HeldOut("valid", sources, targets, ["0-0 1-1", "0-0", "0-0", "0-0"])
    reference = Reference.of_validation(SimpleNamespace(valid=valid))
    assert reference.sources == ["w0 w1", "w1"] and not reference.is_learned and len(reference.links) == 2


def test_a_validation_set_without_a_pair_to_look_at_ends_no_run(tmp_path, caplog):
    long = " ".join(["w0"] * 300)
    store = SimpleNamespace(sample=lambda most: [Pair(long, long)])
    reference = Reference.of_validation(SimpleNamespace(valid=HeldOut("valid", [long], [long]), train=store))
    assert not reference.sources and not reference.has_links and "must be at least 1" in caplog.text
    assert AttentionProbe(lambda: reference, lines=5, folder=tmp_path)(None, 1) is None


def test_a_choice_that_cannot_be_made_leaves_the_default_and_the_run_ends_well(tmp_path, caplog):
    _choose_alignment(Known("xx-yy"), Reference.of(["a"], ["x"], [from_pharaoh("")]), tmp_path)
    assert "the default heads are used" in caplog.text and not (tmp_path / FILE_NAME).exists()
