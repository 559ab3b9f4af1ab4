"""Erasure: what a target word loses when a source word is taken out, and which heads agree with it."""

import json
import math

import numpy as np
import pytest

from mt import align
from mt.alignment.alignment import Alignment, RawAttention
from mt.alignment.erasure_agreement import ErasureAgreement
from mt.inference.aligner import Aligner
from mt.inference.request import Request
from mt.inference.scorer import Scorer

SOURCE, TARGET = "eins zwei drei", "three two one"


@pytest.fixture(scope="module")
def aligner(trained_run):
    return Aligner.load(trained_run, device="cpu")


def test_it_is_the_fall_of_log_probability_without_the_word(aligner):
    found = aligner.align([SOURCE, "acht"], [TARGET, "eight"], signal="erasure")
    words = SOURCE.split()
    lines = [SOURCE, *(" ".join(words[:at] + words[at + 1 :]) for at in range(3))]
    whole, *without = [
        scored[0] for _, scored in Scorer(aligner.translator).score((Request(line), [TARGET]) for line in lines)
    ]
    assert whole.pieces == ("▁three", "▁two", "▁one", "</s>")  # each word is a piece
    losses_TS = np.maximum(
        np.array(whole.token_log_probs)[:3, None] - np.array([one.token_log_probs for one in without]).T[:3], 0
    )
    np.testing.assert_allclose(found[0].weights_TS, losses_TS / losses_TS.sum(axis=1, keepdims=True), atol=1e-5)
    assert (found[0].shift, found[0].sink_mass, found[1].weights_TS.tolist()) == (0, 0.0, [[1.0]])
    assert found[0].describe() == "erasure, the whole model"


def test_a_trained_model_uses_the_word_that_it_translates(aligner):
    alignment = aligner.align([SOURCE], [TARGET], signal="erasure")[0]
    assert alignment.weights_TS.argmax(axis=1).tolist() == [2, 1, 0]


def raw_of(weights_TS, erasure_TS):
    both = np.array([[weights_TS, np.roll(weights_TS, 1, axis=-1)]])
    return RawAttention(both, ["▁a", "▁b", "</s>"], ["▁x", "▁y", "</s>"], erasure_TS=np.array(erasure_TS))


def test_agreement_counts_words_with_the_same_best_source_word():
    weights = [[0.6, 0.3, 0.1], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    raw = raw_of(weights, [[2.0, 1.0, 0.0], [0.5, 3.0, 0.0], [0.0, 0.0, 0.0]])
    once = ErasureAgreement.of(raw, "a b", "x y")
    nearest = {"signal": "weights", "shift": 0, "layer": 0, "head": 0, "share": 0.5}
    assert once.to_json() == {"words": 2, "nearest": nearest, "weights": {"0": [[0.5, 0.5]], "1": [[0.5, 0.0]]}}
    nothing = ErasureAgreement.of(raw_of(weights, np.zeros((3, 3))), "a b", "x y")  # no word of it counts
    assert (once + once + nothing).to_json() == once.to_json() | {"words": 4}
    assert "layer 0, head 0, shift 0, weights: the same source word for 50.0 % of 2 words" in once.describe()


def test_erasure_is_the_same_in_every_layer_and_head_and_must_have_been_computed():
    raw = raw_of([[0.6, 0.3, 0.1]] * 3, [[3.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    alignments = [Alignment.from_attention(raw, layer=0, heads=heads, signal="erasure") for heads in ([0], [1], None)]
    assert all(one.weights_TS.tolist() == [[0.75, 0.25], [0.5, 0.5]] for one in alignments)
    with pytest.raises(ValueError, match=r"signal \(erasure\)"):
        RawAttention(raw.weights_LHTS, raw.source_pieces, raw.target_pieces).signal("erasure")
    assert math.isclose(raw.signal("weights").sum(), 6.0)


def test_the_command_says_which_head_agrees_most_and_the_page_shows_erasure(trained_run, tmp_path, capsys):
    (tmp_path / "de").write_text(f"{SOURCE}\n", encoding="utf-8")
    files = [f"--source={tmp_path / 'de'}", f"--output={tmp_path / 'out'}", "--formats=html,json", "--device=cpu"]
    assert align.main([f"--checkpoint={trained_run}", *files, "--signal=erasure"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("erasure, the whole model, de-en") and "the head nearest to erasure: layer" in out
    about = json.loads((tmp_path / "out" / "about.json").read_text("utf-8"))
    shares = about["agreement_with_erasure"]
    at = shares["nearest"]
    assert at["share"] == np.max([shares["weights"][of] for of in "01"] + [shares["norms"][of] for of in "01"])
    assert at["share"] == shares[at["signal"]][str(at["shift"])][at["layer"]][at["head"]]
    assert shares["words"] == 3 and np.shape(shares["norms"]["1"]) == np.shape(shares["weights"]["0"]) == (2, 2)
    assert json.loads((tmp_path / "out" / "alignments.jsonl").read_text("utf-8"))["signal"] == "erasure"
    page = (tmp_path / "out" / "alignments.html").read_text("utf-8")
    assert '"signal":"erasure"' in page and f'"agreement":{json.dumps(shares, separators=(",", ":"))}' in page
    assert f'"same word as erasure":"{100 * at["share"]:.1f} % (layer {at["layer"]}, head {at["head"]}' in page
