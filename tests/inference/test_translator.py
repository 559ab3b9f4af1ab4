import weakref
from functools import partial

import pytest
import torch

from mt.alignment.alignment import RawAttention
from mt.attention.dense import Dense
from mt.data.source import Text, padded
from mt.inference.aligner import Aligner
from mt.inference.batches import batches_by_length, longest_target
from mt.inference.lines import one_line
from mt.inference.translator import Translator
from mt.model.decoder import Decoder
from mt.model.encoder import Encoder
from mt.model.layer import LayerSettings
from mt.model.seq2seq import Seq2Seq
from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.search.sampling import Sampling

LINES = ["eins zwei drei", "acht", "", "vier fünf", "   ", "sechs sechs eins zwei acht", "drei vier"]


@pytest.fixture(scope="module")
def translator(trained_run):
    return Translator.load(trained_run, device="cpu")


@pytest.fixture(scope="module")
def aligner(trained_run):
    return Aligner.load(trained_run, device="cpu")


def texts(translations):
    return [translation.text for translation in translations]


def test_it_translates(translator):
    assert texts(translator.translate(["eins zwei drei", "acht vier"])) == ["three two one", "four eight"]


@pytest.mark.parametrize("search", [Greedy(), Beam(size=4), Sampling(n_best=2)], ids=["greedy", "beam", "sampling"])
@pytest.mark.parametrize("how", [{"batch_tokens": 1}, {"batch_tokens": 10_000}, {"window": 2}], ids=str)
def test_a_line_is_translated_alike_in_any_batch(translator, search, how):
    expected = list(translator.translate(LINES, search=search))
    found = list(translator.translate(LINES, search=search, **how))
    assert [[c.text for c in t.candidates] for t in found] == [[c.text for c in t.candidates] for t in expected]
    for left, right in zip(found, expected, strict=True):
        assert left.score == pytest.approx(right.score, abs=1e-4)


def test_lines_come_out_as_they_went_in_and_blank_ones_pass_through(translator):
    translations = list(translator.translate(LINES))
    assert [t.source for t in translations] == LINES
    assert translations[2].text == "" and translations[4].text == "   "
    assert texts(translator.translate([])) == []


def test_it_streams_window_by_window(translator):
    asked = []

    def lines():
        for line in LINES:
            asked.append(line)
            yield line

    first = next(iter(translator.translate(lines(), window=2)))
    assert first.source == LINES[0] and asked == LINES[:2]


def test_a_long_line_is_split_translated_and_joined(translator):
    line = "eins zwei. drei vier. acht fünf."
    translation = next(translator.translate([line], max_pieces=5))
    parts = [next(translator.translate([part])).text for part in translation.segments]
    assert len(parts) > 1 and translation.text == " ".join(parts)
    assert translation.notes == (f"split into {len(parts)} parts of at most 5 pieces",)


def test_n_best_are_different_and_best_first(translator):
    candidates = next(translator.translate(["eins zwei drei"], search=Beam(size=4, n_best=3))).candidates
    assert len({c.text for c in candidates}) == 3
    assert [c.score for c in candidates] == sorted((c.score for c in candidates), reverse=True)


def test_log_prob_is_what_the_model_says(translator):
    candidate = next(translator.translate(["eins zwei drei"], search=Beam(size=3))).candidates[0]
    source = translator.tokenizers.source.encode("eins zwei drei")
    ids = list(candidate.parts[0].ids)
    with torch.inference_mode():
        logits = translator.model.output(translator.model(Text.of([source]), padded([[2, *ids]])))[0]
    expected = logits.log_softmax(-1)[torch.arange(len(ids) + 1), torch.tensor([*ids, 3])].sum()
    assert candidate.log_prob == pytest.approx(float(expected), abs=1e-4)


def test_sampling_follows_its_seed_and_the_number_of_the_line(translator):
    search = Sampling(temperature=3.0)
    first = texts(translator.translate(["eins zwei drei"] * 6, search=search, seed=1))
    assert texts(translator.translate(["eins zwei drei"] * 6, search=search, seed=1)) == first
    assert texts(translator.translate(["eins zwei drei"] * 6, search=search, seed=2)) != first
    assert len(set(first)) > 1
    assert texts(translator.translate(["eins zwei drei"] * 2, search=search, seed=1, first_line=4)) == first[4:]


def test_batches_cover_every_index_within_the_budget():
    lengths = [5, 9, 2, 9, 30, 1]
    batches = list(batches_by_length(lengths, 20))
    assert sorted(i for batch in batches for i in batch) == list(range(6))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 20 for batch in batches)


def test_line_breaks_in_output_become_blanks():
    assert one_line("a\nb\r\nc") == "a b  c"


def test_attention_is_the_same_alone_and_in_a_padded_batch(aligner):
    sources, targets = ["eins zwei drei", "acht vier sechs eins zwei"], ["three two one", "two one six four eight"]
    together, alone = aligner.attention(sources, targets), aligner.attention(sources[:1], targets[:1])[0]
    assert together[0].weights_LHTS.shape == alone.weights_LHTS.shape
    assert abs(together[0].weights_LHTS - alone.weights_LHTS).max() < 1e-5


def test_attention_of_its_own_translation_equals_that_of_the_same_target_by_force(aligner):
    sources = ["eins zwei drei", "acht vier"]
    own = aligner.attention(sources, search=Beam(size=4))
    greedy = aligner.attention(sources, search=Greedy())
    forced = aligner.attention(sources, ["three two one", "four eight"])
    for a, b, c in zip(own, greedy, forced, strict=True):
        assert a.target_pieces == b.target_pieces == c.target_pieces
        assert abs(a.weights_LHTS - c.weights_LHTS).max() < 1e-5
        assert abs(b.weights_LHTS - c.weights_LHTS).max() < 1e-5


def test_the_chosen_heads_find_the_reversal(aligner):
    translations = list(aligner.translator.translate(["eins zwei drei vier", "", "acht fünf sechs"]))
    assert aligner.word_links(translations) == [[(0, 3), (1, 2), (2, 1), (3, 0)], [], [(0, 2), (1, 1), (2, 0)]]
    alignment = aligner.align(["eins zwei drei"], ["three two one"])[0]
    assert (alignment.layer, alignment.heads, alignment.shift, alignment.direction) == (
        aligner.choice.layer, aligner.choice.heads, aligner.choice.shift, "de-en",
    )  # fmt: skip
    assert aligner.choice.error_rate < 0.05


def test_links_of_a_split_line_count_words_of_the_whole_line(aligner):
    line = "eins zwei. drei vier. acht fünf."
    translations = list(aligner.translator.translate([line], max_pieces=5))
    (links,) = aligner.word_links(translations)
    assert max(source for source, _ in links) == 5
    assert max(target for _, target in links) == len(translations[0].text.split()) - 1


def test_a_word_that_was_cut_counts_as_one_in_links(aligner):
    line = "einszweidreiviereinszweidreivier acht"
    translations = list(aligner.translator.translate([line], max_pieces=6))
    assert len(translations[0].segments) > 2
    (links,) = aligner.word_links(translations)
    assert {source for source, _ in links} <= {0, 1}
    assert {target for _, target in links} <= set(range(len(translations[0].text.split())))


def test_maps_are_held_one_batch_at_a_time(aligner, monkeypatch):
    alive, most = weakref.WeakSet(), [0]

    def counted(**values):
        raw = RawAttention(**values)
        alive.add(raw)
        most.append(len(alive))
        return raw

    monkeypatch.setattr("mt.inference.aligner.RawAttention", counted)
    lines = ["eins zwei drei", "acht vier"] * 20
    assert len(aligner.align(lines, lines)) == len(aligner.word_links(list(aligner.translator.translate(lines)))) == 40
    assert len(most) == 81 and max(most) <= 2


def test_heads_may_come_from_anywhere(aligner):
    lines = ["eins zwei", "drei vier"]
    found = aligner.align(lines, lines, layer=0, heads=(head for head in (1, 0)))
    assert [alignment.heads for alignment in found] == [(1, 0), (1, 0)]


def test_a_word_that_was_cut_is_one_word_in_links(aligner):
    line = "eins zweidreivierzwei acht"
    (translation,) = aligner.translator.translate([line], max_pieces=3)
    assert "cut inside a word that is longer than a part may be" in translation.notes
    (parts,) = aligner.parts([translation])
    assert parts[-1].first_source + len(parts[-1].words.source_pieces) == len(line.split())
    assert {source for source, _ in aligner.word_links([translation])[0]} <= {0, 1, 2}


def test_another_layer_changes_the_map(aligner):
    maps = [
        aligner.align(["eins zwei drei vier"], ["four three two one"], layer=layer)[0].weights_TS for layer in (0, 1)
    ]
    assert abs(maps[0] - maps[1]).max() > 0.01
    with pytest.raises(ValueError, match=r"layer \(2\) must be from 0 to 1"):
        aligner.align(["eins"], ["one"], layer=2)


def test_learned_positions_bound_what_is_asked_of_the_model(translator):
    assert longest_target(100) == 220 and longest_target(100, 32) == 31
    model = Seq2Seq(
        layer=LayerSettings(dim=8, num_heads=2, num_kv_heads=2, feed_forward_dim=8, positions="learned"),
        encoder=partial(Encoder, num_layers=1, self_attention=Dense),
        decoder=partial(Decoder, num_layers=1, self_attention=Dense, cross_attention=Dense),
        source_vocab_size=translator.tokenizers.source.size,
        target_vocab_size=translator.tokenizers.target.size,
        max_positions=16,
    ).eval()
    (translation,) = Translator(model, translator.tokenizers, device="cpu").translate(["eins zwei drei vier " * 8])
    assert len(translation.segments) > 1
