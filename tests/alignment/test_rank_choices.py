"""The choice finds the head that aligns, and survives its file."""

import numpy as np
import pytest

from mt.alignment.alignment import RawAttention
from mt.alignment.choice import Choice, default_choice
from mt.alignment.gold import from_pharaoh
from mt.alignment.rank_choices import THRESHOLDS, rank, rank_both

L, H = 3, 2


def best_choice(attentions, gold, **how):
    return rank(attentions, gold, **how)[0]


def sentence(rng, words, *, layer, head, shift):
    """Noise everywhere, but in one head the rows at `shift` look at the words that they translate (in reverse)."""
    weights = rng.dirichlet(np.full(words + 1, 0.05), size=(L, H, words + 1))
    source = [f"▁s{i}" for i in range(words)] + ["</s>"]
    target = [f"▁t{i}" for i in range(words)] + ["</s>"]
    for position in range(words):
        weights[layer, head, position + shift] = 0.1 + 0.1 * np.eye(words + 1)[words - 1 - position]
    return RawAttention(weights, source, target)


@pytest.mark.parametrize(("layer", "head", "shift"), [(0, 1, 0), (2, 0, 1), (1, 1, 1)])
def test_the_head_that_aligns_comes_first(layer, head, shift):
    rng = np.random.default_rng(1)
    raws = [sentence(rng, words, layer=layer, head=head, shift=shift) for words in (3, 5, 8)]
    gold = [from_pharaoh(" ".join(f"{words - 1 - i}-{i}" for i in range(words))) for words in (3, 5, 8)]
    ranked = rank(raws, gold)
    assert ranked[0] == best_choice(iter(raws), iter(gold)) == Choice(layer, (head,), shift, error_rate=0.0)
    rules = 1 + len(THRESHOLDS)
    assert len(ranked) == len({(c.layer, c.heads, c.shift, c.threshold) for c in ranked}) == L * (H + 1) * 2 * rules
    assert [c.error_rate for c in ranked] == sorted(c.error_rate for c in ranked)


def test_gold_counts_words_where_the_model_has_pieces():
    weights = np.zeros((1, 1, 3, 4))
    weights[0, 0, 1:] = [[0.3, 0.3, 0.4, 0.0], [0.1, 0.1, 0.8, 0.0]]  # the two pieces of word 0 hold more together
    raw = RawAttention(weights, ["▁a", "b", "▁c", "</s>"], ["▁x", "▁y", "</s>"])
    assert best_choice([raw], [from_pharaoh("0-0 1-1")]) == Choice(0, (0,), 1, error_rate=0.0)
    assert best_choice([raw], [from_pharaoh("0-0 1-1")], sources=["ab c"], targets=["x y"]).error_rate == 0


def test_one_head_is_ranked_once():
    raw = RawAttention(np.ones((2, 1, 2, 2)) / 2, ["a", "</s>"], ["x", "</s>"])
    assert len(rank([raw], [from_pharaoh("0-0")])) == 2 * 1 * 2 * (1 + len(THRESHOLDS))


def test_a_threshold_is_chosen_where_words_have_several_partners():
    weights = np.zeros((1, 1, 3, 4))
    weights[0, 0, 1:] = [[0.45, 0.45, 0.1, 0.0], [0.1, 0.1, 0.8, 0.0]]
    raw = RawAttention(weights, ["▁a", "▁b", "▁c", "</s>"], ["▁x", "▁y", "</s>"])
    both, one = (best_choice([raw], [from_pharaoh(gold)]) for gold in ("0-0 1-0 2-1", "0-0 2-1"))
    assert both.error_rate == one.error_rate == 0
    assert both.threshold in THRESHOLDS and one.threshold is None
    assert both.links(weights[0, 0, 1:]) == {(0, 0), (1, 0), (2, 1)} and one.links(weights[0, 0, 1:]) == {
        (0, 0),
        (2, 1),
    }


def test_equal_choices_keep_their_order():
    raw = RawAttention(np.ones((2, 2, 2, 2)) / 2, ["a", "</s>"], ["x", "</s>"])
    assert best_choice([raw], [from_pharaoh("0-0")]) == Choice(0, (0, 1), 1, error_rate=0.0)


def test_sentences_and_gold_must_match():
    raw = RawAttention(np.ones((1, 1, 2, 2)) / 2, ["a", "</s>"], ["x", "</s>"])
    with pytest.raises(ValueError):
        rank([raw], [])
    with pytest.raises(ValueError, match="at least 1"):
        rank([], [])


def test_saved_is_loaded(tmp_path):
    choice = Choice(2, (1, 3), 0, "norms", 0.125, "gold links", 0.25)
    (tmp_path / "alignment.json").write_text(choice.to_json())
    assert Choice.load(tmp_path, num_layers=3, num_heads=4) == choice
    assert Choice.from_json('{"layer": 1, "heads": [0], "shift": 1, "signal": "norms", "by": "me"}') == Choice(
        1, (0,), 1, "norms"
    )
    assert Choice.from_json('{"layer": 1, "heads": [0], "shift": 1}') == Choice(1, (0,), 1, "weights")


def test_without_a_file_the_default_is_all_heads_of_the_middle_layer(tmp_path):
    assert Choice.load(tmp_path, num_layers=6, num_heads=2) == default_choice(6, 2) == Choice(3, (0, 1), 0)
    assert [default_choice(layers, 1).layer for layers in (1, 2, 3, 4, 12)] == [0, 1, 1, 2, 6]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"layer": 0, "heads": 3, "shift": 1}', '{"layer": 9, "heads": [0], "shift": 1}'),
        '{"layer": 0, "heads": [0], "shift": 1, "signal": "norm"}',
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path, text):
    (tmp_path / "alignment.json").write_text(text)
    with pytest.raises(ValueError, match=r"alignment\.json: ") as error:
        Choice.load(tmp_path, num_layers=3, num_heads=4)
    assert "\n" not in str(error.value)


def test_partial_gold_judges_only_the_words_that_it_names():
    rng = np.random.default_rng(0)
    lengths = (6, 7, 8, 9)
    raws = [sentence(rng, words, layer=1, head=1, shift=0) for words in lengths]
    gold = [from_pharaoh(" ".join(f"{words - 1 - i}-{i}" for i in (0, 2, 3))) for words in lengths]
    best = best_choice(raws, gold, is_partial=True)
    assert (best.layer, best.heads, best.shift, best.error_rate) == (1, (1,), 0, 0.0)
    assert best_choice(raws, gold).error_rate > 0.2  # the words that the gold leaves out would count as wrong


def test_norms_are_tried_where_they_are_there():
    weights = np.full((1, 1, 3, 3), 0.01)
    weights[0, 0, :, 0] = 0.6  # all rows look at the first word most, whose value is next to nothing
    weights[0, 0, 0, 0], weights[0, 0, 1, 1] = 0.6, 0.3
    raw = RawAttention(weights, ["▁a", "▁b", "</s>"], ["▁x", "▁y", "</s>"], np.array([[[0.1, 1.0, 0.1]]]))
    assert best_choice([raw], [from_pharaoh("0-0 1-1")]) == Choice(0, (0,), 0, "norms", 0.0)
    assert np.allclose(raw.signal("norms")[0, 0, 1], np.array([0.06, 0.3, 0.001]) / 0.361)
    with pytest.raises(ValueError, match=r"signal \(lengths\)"):
        raw.signal("lengths")
    with pytest.raises(ValueError, match="need norms_LHS"):
        RawAttention(weights, ["▁a", "▁b", "</s>"], ["▁x", "▁y", "</s>"]).signal("norms")


def test_pairs_of_heads_are_tried():
    raw = RawAttention(np.ones((2, 4, 2, 2)) / 2, ["a", "</s>"], ["x", "</s>"])
    heads = {choice.heads for choice in rank([raw], [from_pharaoh("0-0")])}
    assert len(heads) == 4 + 6 + 1 and {(0,), (1, 3), (0, 1, 2, 3)} <= heads


def test_two_models_choose_what_they_agree_on():
    rng = np.random.default_rng(2)
    lengths = (5, 6, 7, 8)
    forward = [sentence(rng, words, layer=1, head=0, shift=1) for words in lengths]
    backward = [sentence(rng, words, layer=2, head=1, shift=0) for words in lengths]
    texts = [[" ".join(f"{side}{i}" for i in range(words)) for words in lengths] for side in "st"]
    best, *others = rank_both(forward, backward, *texts)
    assert best == (Choice(1, (0,), 1, error_rate=0.0), Choice(2, (1,), 0, error_rate=0.0))
    assert len(others) + 1 == (L * (H + 1) * 2) ** 2 and others[0][0].error_rate > 0.2
    with pytest.raises(ValueError, match="at least 1"):
        next(rank_both([], [], [], []))
