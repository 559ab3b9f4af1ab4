"""Scores are sacrebleu's, on lines as they are, and agree with numbers that others have published."""

import json
import math

import pytest
import sacrebleu

from mt.evaluation.report import table, to_json
from mt.evaluation.scores import METRICS, Scores, score
from tests.corpora import CORPORA

HYPOTHESES = ["Ein Hund läuft über die Wiese.", "Zwei Männer Sitzen auf einer Bank.", "", "Das ist gut."]
FIRST = ["Ein Hund rennt über die Wiese.", "Zwei Männer sitzen auf einer Bank.", "Nichts.", "Das ist gut."]
SECOND = ["Ein Hund läuft über die grüne Wiese.", "Zwei Herren sitzen auf einer Bank.", "", "Das ist sehr gut."]


def lines(name):
    path = CORPORA / name
    if not path.exists():
        pytest.skip(f"{name} is not in the folder of corpora ({CORPORA}); MT_CORPORA names another")
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def test_numbers_are_sacrebleus():
    scores = score(HYPOTHESES, [FIRST, SECOND], metrics=METRICS)
    references = [FIRST, SECOND]
    assert scores.bleu == sacrebleu.corpus_bleu(HYPOTHESES, references).score
    assert scores.bleu_lowercase == sacrebleu.corpus_bleu(HYPOTHESES, references, lowercase=True).score
    assert scores.bleu_lowercase > scores.bleu
    assert scores.chrf == sacrebleu.corpus_chrf(HYPOTHESES, references).score
    assert scores.values["chrf++"] == sacrebleu.corpus_chrf(HYPOTHESES, references, word_order=2).score
    assert scores.ter == sacrebleu.corpus_ter(HYPOTHESES, references).score
    assert (scores.num_lines, scores.num_references) == (4, 2)


def test_signatures_say_how_each_number_came_about():
    signatures = score(HYPOTHESES, [FIRST, SECOND]).signatures
    assert signatures["bleu"].startswith("nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert signatures["bleu_lowercase"].startswith("nrefs:2|case:lc|")
    assert "nc:6|nw:0" in signatures["chrf"]
    assert "tok:tercom" in signatures["ter"]
    assert "tok:char" in score(HYPOTHESES, [FIRST], metrics=["bleu"], tokenize="char").signatures["bleu"]


def test_a_perfect_translation_has_the_best_of_every_score():
    scores = score(FIRST, [FIRST])
    assert (scores.bleu, scores.bleu_lowercase, scores.chrf, scores.ter) == pytest.approx((100, 100, 100, 0))
    assert scores.length_ratio == 1


def test_length_ratio_counts_tokens_as_bleu_does():
    scores = score(["a b c.", "d"], [["a b c d e.", "d d"]], metrics=["chrf"])
    assert (scores.hypothesis_length, scores.reference_length) == (5, 8)
    assert scores.length_ratio == 5 / 8


def test_a_metric_that_was_not_asked_for_is_not_a_number():
    scores = score(FIRST, [SECOND], metrics=("bleu",))
    assert list(scores.values) == list(scores.signatures) == ["bleu"]
    assert math.isnan(scores.chrf) and math.isnan(scores.ter) and math.isnan(scores.bleu_lowercase)


def test_only_blank_lines_can_be_scored():
    scores = score(["", ""], [["", " "]])
    assert scores.bleu == 0
    json.loads(to_json({"blank": scores}))
    assert "blank" in table({"blank": scores})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [[]]), "0 lines"),
        ((["a"], []), r"references \(0\)"),
        ((["a", "b"], [["a", "b"], ["a"]]), "reference 2 has 1 lines, the translations have 2"),
    ],
)
def test_lines_that_do_not_belong_together_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        score(*arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": ["meteor"]}, r"metrics \(meteor\)"),
        ({"metrics": []}, r"metrics \(\)"),
        ({"tokenize": "spm"}, r"tokenize \(spm\)"),
    ],
)
def test_unknown_names_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        score(FIRST, [FIRST], **settings)


def test_table_has_a_row_for_each_set_and_each_signature_once():
    one, two = score(HYPOTHESES, [FIRST]), score(HYPOTHESES, [FIRST, SECOND])
    text = table({"test2016": one, "test": one, "two": two})
    rows = text.split("\n")
    assert rows[0].split() == "test BLEU BLEU lower-cased chrF2 TER length ratio lines".split()
    assert [row.split()[0] for row in rows[1:4]] == ["test2016", "test", "two"]
    assert len({len(row) for row in rows[:4]}) == 1, "columns are aligned"
    assert f"{one.bleu:.2f}" in rows[1]
    assert text.count(one.signatures["bleu"]) == 1
    assert text.count(two.signatures["bleu"]) == 1
    assert f"{two.signatures['bleu']}  (two)" in text


def test_json_holds_what_the_table_shows():
    scores = score(HYPOTHESES, [FIRST])
    body = json.loads(to_json({"test": scores}, seconds=1.5))
    assert body["seconds"] == 1.5
    assert body["scores"]["test"]["bleu"] == pytest.approx(scores.bleu, abs=1e-4)
    assert body["scores"]["test"]["signatures"] == dict(scores.signatures)
    assert body["scores"]["test"]["lines"] == 4


@pytest.mark.parametrize(("name", "published"), [("39.5", 39.48), ("38.7", 38.59)])
def test_bleu_of_tokenised_outputs_is_what_multi_bleu_gives(name, published):
    folder = "multi30k/reference-outputs"
    reference = lines(f"{folder}/test2016.lc.norm.tok.de")
    scores = score(lines(f"{folder}/mmt-acl2020.bleu{name}.hyp.de"), [reference], metrics=["bleu"], tokenize="none")
    assert round(scores.bleu, 2) == published


@pytest.mark.slow  # whole test sets
def test_systems_come_in_the_order_that_people_and_comet_found():
    reference = lines("wmt21-outputs-de-en/ref-A.en")
    systems = {
        name: score(lines(f"wmt21-outputs-de-en/hyp.{name}.en"), [reference], metrics=["bleu", "chrf"])
        for name in ("happypoet", "Online-Y", "Facebook-AI")
    }
    assert sorted(systems, key=lambda name: systems[name].bleu) == list(systems)
    assert sorted(systems, key=lambda name: systems[name].chrf) == list(systems)


def test_scores_come_back_from_their_dict():
    scores = score(["Ein Hund läuft .", "Zwei Katzen"], [["Ein Hund rennt .", "Zwei Katzen"]])
    again = Scores.from_dict(json.loads(json.dumps(scores.to_dict())))
    assert again.signatures == scores.signatures and again.num_lines == 2
    assert again.values == {metric: round(value, 4) for metric, value in scores.values.items()}
    assert again.length_ratio == scores.length_ratio
    names = scores.to_dict()["with_signature"]
    assert names[f"BLEU|{scores.signatures['bleu']}"] == round(scores.bleu, 4) and len(names) == len(scores.values)
    older = {key: value for key, value in scores.to_dict().items() if key != "with_signature"}
    assert Scores.from_dict(older).values == again.values
