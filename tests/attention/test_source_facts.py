"""Attention that uses trees and sentences of its source."""

from functools import partial

import pytest
import torch

from mt.attention.axial import Axial
from mt.attention.contract import read_side_by_side
from mt.attention.dense import Dense
from mt.attention.hierarchical import Hierarchical
from mt.attention.pooled import Pooled
from mt.attention.sections import Sections
from mt.attention.spatial import Spatial
from mt.attention.structured import Structured
from mt.data.source import Text
from tests.attention.table import B, H, K, S, T, inputs, learned, mask
from tests.model.test_seq2seq import PAD, V, make, sentences
from tests.model.test_seq2seq import S as SOURCE

SEGMENTS = torch.tensor([[-1, -1, 0, 0, 0, 1, 1, 1, 1], [0] * 9, [-1, 0, 0, 0, 0, 0, 0, 0, 0]])
# of "the small cakes", and two pieces that belong to no word; the tree of the others: small -> cakes <- the
CLIMBS = torch.tensor([[0, 1, 1, -1, -1], [1, 0, 1, -1, -1], [0, 0, 0, -1, -1], [-1] * 5, [-1] * 5], dtype=torch.int8)


def test_ways_through_the_tree_choose_the_bias_and_pieces_without_one_have_none():
    mixer = learned(Structured, H, K, most_steps=1)
    bias, b = mixer.bias(CLIMBS[None])[0], mixer.bias_HUD
    same, head, dependent, sibling = b[:, 0, 0], b[:, 1, 0], b[:, 0, 1], b[:, 1, 1]
    assert torch.equal(bias[:, 0, :3], torch.stack((same, sibling, head), dim=1))
    assert torch.equal(bias[:, 2, :3], torch.stack((dependent, dependent, same), dim=1))
    assert not bias[:, 3:].any() and not bias[:, :, 3:].any()


def test_far_ways_count_as_the_farthest_that_is_reported_apart():
    mixer = learned(Structured, H, K, most_steps=2)
    chain = torch.arange(5)
    distances = (chain[:, None] - chain[None]).clamp_min(0).to(torch.int8)  # each the head of the next
    bias = mixer.bias(distances[None])[0]
    assert torch.equal(bias[:, 4, 0], mixer.bias_HUD[:, 2, 0]) and torch.equal(bias[:, 0, 3], mixer.bias_HUD[:, 0, 2])


def test_weights_with_trees_are_the_softmax_of_score_and_bias_and_without_are_dense():
    q, k, v = inputs(num_queries=S)
    mixer = learned(Structured, H, K, most_steps=2).eval()
    torch.manual_seed(2)
    distances = torch.randint(-1, 3, (B, S, S), dtype=torch.int8)
    k_BHSK = k.repeat_interleave(2, dim=1)
    scores = q @ k_BHSK.transpose(-1, -2) * K**-0.5 + mixer.bias(distances)
    expected = scores.masked_fill(~mask(), -torch.inf).softmax(-1)
    weights = mixer.weights(q, k, mask(), distances)
    torch.testing.assert_close(weights, expected)
    heads = mixer.attend(q, k, v, mask(), tree_distance_BSS=distances)
    torch.testing.assert_close(heads, expected @ v.repeat_interleave(2, dim=1))
    unknown = torch.full_like(distances, -1)
    for none in (unknown, None):
        torch.testing.assert_close(mixer.weights(q, k, mask(), none), Dense(H, K).weights(q, k, mask()))
    assert (weights - mixer.weights(q, k, mask())).abs().max() > 0.1


PLACES = torch.tensor([[row, column] for row in range(3) for column in range(3)]).expand(B, -1, -1)


def test_spatial_bias_is_that_of_rows_and_columns_between_and_text_has_none():
    q, k, v = inputs(num_queries=S)
    mixer = learned(Spatial, H, K, furthest=1).eval()
    scores = q @ k.repeat_interleave(2, dim=1).transpose(-1, -2) * K**-0.5
    bias = mixer.bias_HN.view(H, 3, 3)
    for query, key in ((0, 0), (0, 8), (5, 3), (7, 1)):
        row, column = ((PLACES[0, key] - PLACES[0, query]).clamp(-1, 1) + 1).tolist()
        scores[:, :, query, key] += bias[:, row, column]
    weights = mixer.weights(q, k, None, PLACES)
    ratio = (weights[:, :, 0, 8] / weights[:, :, 0, 0]).log()
    torch.testing.assert_close(ratio, scores[:, :, 0, 8] - scores[:, :, 0, 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mixer.attend(q, k, v, None, places_BS2=PLACES), weights @ v.repeat_interleave(2, dim=1))
    for nowhere in (None, torch.full_like(PLACES, -1)):
        torch.testing.assert_close(mixer.weights(q, k, mask(), nowhere), Dense(H, K).weights(q, k, mask()))


def test_axial_attention_is_two_steps_along_rows_and_columns():
    q, k, v = inputs(num_queries=S)
    mixer = Axial(H, K).eval()
    k_BHSK, v_BHSK = (x.repeat_interleave(2, dim=1).view(B, H, 3, 3, K) for x in (k, v))
    q_BHSK = q.view(B, H, 3, 3, K) * K**-0.5
    along = torch.einsum("bhrck,bhrdk->bhrcd", q_BHSK, k_BHSK).softmax(-1)
    rows = torch.einsum("bhrcd,bhrdk->bhrck", along, v_BHSK)
    down = torch.einsum("bhrck,bhsck->bhrcs", q_BHSK, k_BHSK).softmax(-1)
    expected = torch.einsum("bhrcs,bhsck->bhrck", down, rows).flatten(2, 3)
    torch.testing.assert_close(mixer.attend(q, k, v, None, places_BS2=PLACES), expected)
    torch.testing.assert_close(mixer.weights(q, k, None), Dense(H, K).weights(q, k, None))


def test_pools_of_a_picture_are_squares_and_text_beside_it_is_pooled_by_itself():
    q, k, v = inputs()
    places = torch.cat((PLACES[:, [0, 1, 3, 4]], torch.full((B, 5, 2), -1)), dim=1)  # 2 x 2 regions, then 5 pieces
    mixer = Pooled(H, K, factor=2)
    summary = mixer.summarize(k, v, None, places_BS2=places)
    kept = summary.k_NGMK[:, :, summary.mask_N11M[0, 0, 0]]
    torch.testing.assert_close(kept[:, :, 0], k[:, :, :4].mean(dim=2))
    torch.testing.assert_close(kept[:, :, 1], k[:, :, 4:6].mean(dim=2))
    weights = mixer.weights(q, k, mask(), places)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))
    assert not weights[~mask().expand_as(weights)].any()
    torch.testing.assert_close(mixer.read_weights(q, mixer.summarize(k, v, mask(), places)), weights)
    index = torch.tensor([2, 0])
    torch.testing.assert_close(
        mixer.read(q[index], mixer.summarize(k, v, mask(), places).rows(index)),
        mixer.attend(q, k, v, mask(), places)[index],
    )


def levels(mixer, q, k, segments, real):
    """weights of each level by its definition, key by key, of the first document."""
    members = [*(segments[0, :real] == j for j in segments[0, :real].unique()), torch.ones(real, dtype=torch.bool)]
    k_HSK = k[0].repeat_interleave(2, dim=0)[:, :real]
    means = torch.stack([k_HSK[:, inside].mean(dim=1) for inside in members], dim=1)
    score = partial(torch.einsum, "htk,hsk->hts", q[0] * K**-0.5)
    spread = torch.stack([inside / inside.sum() for inside in members])
    of_pieces, of_sentences = score(k_HSK).softmax(-1), score(means[:, :-1]).softmax(-1)
    gate = (q[0] @ mixer.gate_HKL + mixer.bias_H1L).softmax(-1)
    return gate[..., :1] * of_pieces + gate[..., 1:2] * (of_sentences @ spread[:-1]) + gate[..., 2:] * spread[-1]


def test_a_hierarchical_map_is_the_gated_sum_of_its_levels():
    q, k, v = inputs()
    mixer = learned(Hierarchical, H, K, max_sentences=4).eval()
    weights = mixer.weights(q, k, mask(), SEGMENTS)
    torch.testing.assert_close(weights[0, ..., :6], levels(mixer, q, k, SEGMENTS, 6))
    assert not weights[0, ..., 6:].any()
    torch.testing.assert_close(mixer.attend(q, k, v, mask(), SEGMENTS), weights @ v.repeat_interleave(2, dim=1))
    summary = mixer.summarize(k, v, mask(), SEGMENTS)
    torch.testing.assert_close(mixer.read(q, summary), mixer.attend(q, k, v, mask(), SEGMENTS))
    torch.testing.assert_close(mixer.read_weights(q, summary), weights)
    index = torch.tensor([2, 0, 2])
    torch.testing.assert_close(mixer.read(q[index], summary.rows(index)), mixer.read(q, summary)[index])
    assert (weights - mixer.weights(q, k, mask())).abs().max() > 0.01


def test_sentences_beyond_the_most_are_one():
    q, k, _ = inputs()
    few, many = (learned(Hierarchical, H, K, max_sentences=most).eval() for most in (2, 9))
    many.load_state_dict(few.state_dict())
    merged = (SEGMENTS - SEGMENTS.amin(dim=1, keepdim=True)).clamp_max(1)
    torch.testing.assert_close(few.weights(q, k, mask(), SEGMENTS), many.weights(q, k, mask(), merged))


def test_padding_is_in_no_mean():
    q, k, v = inputs()
    mixer = learned(Hierarchical, H, K, max_sentences=4).eval()
    expected = mixer.attend(q, k, v, mask(), SEGMENTS)
    k[0, :, 6:], v[0, :, 6:] = 1e4, -1e4
    torch.testing.assert_close(mixer.attend(q, k, v, mask(), SEGMENTS), expected)


def by_distance(mixer, q, k, own, segments, real):
    """weights of the first document by their definition, pair by pair: `own` are the sentences of the queries."""
    k_HSK = k[0].repeat_interleave(2, dim=0)[:, :real]
    scores = q[0] @ k_HSK.transpose(-1, -2) * K**-0.5
    for t, i in enumerate(own):
        for s, j in enumerate(segments[0, :real].tolist()):
            distance = max(-mixer.furthest, min(mixer.furthest, j - i))
            scores[:, t, s] += mixer.bias_HD[:, mixer.furthest + distance]
    return scores.softmax(-1)


def test_weights_of_sections_are_the_softmax_of_score_and_bias_of_their_distance():
    q, k, v = inputs(num_queries=S)
    mixer = learned(Sections, H, K, furthest=1).eval()
    weights = mixer.weights(q, k, mask(), SEGMENTS)
    torch.testing.assert_close(weights[0, ..., :6], by_distance(mixer, q, k, SEGMENTS[0].tolist(), SEGMENTS, 6))
    heads = mixer.attend(q, k, v, mask(), segments_BS=SEGMENTS)
    torch.testing.assert_close(heads, weights @ v.repeat_interleave(2, dim=1))


def test_cross_attention_to_sections_counts_from_the_one_to_be_translated():
    q, k, v = inputs()
    mixer = learned(Sections, H, K, furthest=1).eval()
    summary = mixer.summarize(k, v, mask(), SEGMENTS)
    weights = mixer.read_weights(q, summary)
    torch.testing.assert_close(weights[0, ..., :6], by_distance(mixer, q, k, [0] * q.shape[2], SEGMENTS, 6))
    heads = mixer.read(q, summary)
    torch.testing.assert_close(heads, weights @ v.repeat_interleave(2, dim=1))
    index = torch.tensor([2, 0, 2])
    torch.testing.assert_close(mixer.read(q[index], summary.rows(index)), heads[index])
    twice = read_side_by_side(mixer, q.repeat_interleave(2, dim=0), summary)
    torch.testing.assert_close(twice, heads.repeat_interleave(2, dim=0))


def test_a_document_of_one_sentence_is_read_by_dense_attention():
    q, k, v = inputs(num_queries=S)
    mixer, dense = learned(Sections, H, K), Dense(H, K).attend(q, k, v, mask())
    for one in (torch.zeros_like(SEGMENTS), None):
        torch.testing.assert_close(mixer.attend(q, k, v, mask(), segments_BS=one), dense)
        torch.testing.assert_close(mixer.read(q, mixer.summarize(k, v, mask(), one)), dense)
    assert (mixer.attend(q, k, v, mask(), segments_BS=SEGMENTS) - dense).abs().max() > 0.1


def test_the_bias_of_a_head_keeps_it_in_a_sentence():
    q, k, v = inputs(num_queries=S)
    mixer = Sections(H, K, furthest=2)
    with torch.no_grad():
        mixer.bias_HD[0, 2], mixer.bias_HD[1, 1] = 99.0, 99.0  # its own, and the one before
    own, before = (SEGMENTS[:, None] - SEGMENTS[:, :, None] == distance for distance in (0, -1))
    weights = mixer.weights(q, k, None, SEGMENTS)
    assert ((weights[:, 0] > 1e-6) == own).all()
    has_before = before.any(-1)
    assert ((weights[:, 1] > 1e-6) == before)[has_before].all() and has_before.sum() == 15
    torch.testing.assert_close(weights[:, 2:], Dense(H, K).weights(q, k, None)[:, 2:])
    weights = mixer.read_weights(q, mixer.summarize(k, v, None, SEGMENTS))
    assert ((weights[0, 0] > 1e-6) == (SEGMENTS[0] == 0)).all() and (
        (weights[0, 1] > 1e-6) == (SEGMENTS[0] == -1)
    ).all()


SEPARATOR, AFTER = 5, 4
OF_SENTENCES = {
    "hierarchical, cross": {"cross_attention": partial(learned, Hierarchical, max_sentences=4)},
    "sections, cross": {"cross_attention": partial(learned, Sections)},
    "sections, encoder": {"encoder_attention": partial(learned, Sections)},
}


@pytest.mark.parametrize("slots", OF_SENTENCES.values(), ids=OF_SENTENCES)
def test_separators_part_sentences_and_the_model_says_so_to_attention(slots):
    model = make(**slots, separator=SEPARATOR, separator_after=AFTER).eval()
    source, target = sentences()
    source[(source == SEPARATOR) | (source == AFTER)] = 6
    source[0, [0, 2]], source[0, [5, 7]] = SEPARATOR, AFTER
    found = model.encode(Text(source)).source_facts.segments_BS
    assert found[0].tolist() == [-2, -1, -1, 0, 0, 1, 1, 2, 2] and not found[1:].any()
    at_once = model.output(model(Text(source), target))
    state, logits = model.start(Text(source)), []
    for t in range(target.shape[1]):
        now, state = model.step(target[:, t], state)
        logits.append(now)
    torch.testing.assert_close(torch.stack(logits, dim=1), at_once, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        model(Text(source[1:2, :5]), target[1:2]), model(Text(source), target)[1:2], rtol=1e-4, atol=1e-5
    )
    for seen in ({"separator": None}, {"separator_after": None}):
        other = make(**slots, **({"separator": SEPARATOR, "separator_after": AFTER} | seen)).eval()
        assert (other.output(other(Text(source), target)) - at_once)[0].abs().max() > 1e-3
    model.source_embedding.separator = model.source_embedding.separator_after = None
    assert model.encode(Text(source)).source_facts.segments_BS is None
    assert (model.output(model(Text(source), target)) - at_once)[0].abs().max() > 1e-3


def test_the_model_says_the_trees_to_its_encoder_and_asks_for_them():
    model = make(encoder_attention=partial(learned, Structured)).eval()
    assert model.needs_trees and not make().needs_trees
    source, target = sentences()
    torch.manual_seed(3)
    distances = torch.randint(-1, 3, (B, SOURCE, SOURCE), dtype=torch.int8)
    with_trees, without = model(Text(source, distances), target), model(Text(source), target)
    assert (with_trees - without).abs().max() > 1e-3
    distances[1, 5:], distances[1, :, 5:] = 7, 7  # padding
    torch.testing.assert_close(model(Text(source, distances), target), with_trees, rtol=1e-4, atol=1e-5)
    alone = model(Text(source[1:2, :5], distances[1:2, :5, :5]), target[1:2])
    torch.testing.assert_close(alone, with_trees[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "slots",
    [
        {"encoder_attention": Structured, "cross_attention": Hierarchical},
        {"encoder_attention": Sections, "cross_attention": Sections},
    ],
    ids=["structured, hierarchical", "sections"],
)
def test_trees_and_sentences_come_through_gradient_checkpointing(slots):
    source, target = sentences()
    gradients = []
    distances = torch.zeros(B, SOURCE, SOURCE, dtype=torch.int8)
    for recompute in (False, True):
        model = make(recompute=recompute, **slots, separator=7)
        model.train()(Text(source, distances), target).square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)


@pytest.mark.parametrize("name", ["separator", "separator_after"])
@pytest.mark.parametrize("piece", [-1, V])
def test_a_separator_that_is_no_piece_is_refused(name, piece):
    with pytest.raises(ValueError, match=rf"model.{name} \({piece}\) must be from 0 to 36, or null"):
        make(**{name: piece})


@pytest.mark.parametrize("slots", OF_SENTENCES.values(), ids=OF_SENTENCES)
def test_padding_belongs_to_no_sentence(slots):
    model = make(**slots, separator=SEPARATOR).eval()
    source, target = sentences()
    padded = torch.cat((source, torch.full((B, 2), PAD)), dim=1)
    torch.testing.assert_close(model(Text(padded), target), model(Text(source), target), rtol=1e-4, atol=1e-5)
