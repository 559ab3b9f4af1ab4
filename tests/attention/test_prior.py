"""Attention with a prior from word links: what the lexicon says, and what rows make of it."""

import numpy as np
import pytest
import torch

from mt.alignment.tap import Tap
from mt.attention.contract import read_side_by_side, weights_side_by_side
from mt.attention.dense import Dense
from mt.attention.prior import Prior
from mt.attention.reading import Reading
from mt.data.source import Text
from mt.inference.packed import pack
from mt.model.alignment_head import add_alignment_head
from mt.model.lexicon import MOST, Lexicon
from mt.search.beam import Beam
from mt.search.greedy import Greedy
from tests.attention.table import B, H, K, S, T, inputs, learned, mask
from tests.model.test_seq2seq import BOS, V, make, sentences
from tests.model.test_seq2seq import S as SOURCE

# of target pieces 0 to 4: none; 7 and 3; 9; none; 3 and 8 and 5
STARTS, PIECES = np.array([0, 0, 2, 3, 3, 6]), np.array([7, 3, 9, 3, 8, 5])
SHARES = np.array([0.75, 0.25, 1.0, 0.5, 0.25, 0.125])


def filled(num_target_pieces=5, *, starts=STARTS, pieces=PIECES, shares=SHARES):
    lexicon = Lexicon(num_target_pieces)
    lexicon.fill(*map(torch.as_tensor, (starts, pieces.copy(), shares)))
    return lexicon


def prior_of(rows=B):
    torch.manual_seed(2)
    prior = torch.rand(rows, T, S)
    return prior.masked_fill(torch.rand(rows, T, S) < 0.6, 0.0)


def test_a_lexicon_says_how_often_each_source_piece_was_linked_to_what_is_read():
    source = torch.tensor([[3, 9, 8, 3], [7, 5, 2, 0]])
    tokens = torch.tensor([[0, 1, 4], [2, 3, 4], [1, 1, 1], [4, 2, 0]])  # two rows a sentence
    found = filled()(tokens, source)
    targets = np.repeat(np.arange(5), np.diff(STARTS))
    said = {(t, s): p for t, s, p in zip(targets, PIECES, SHARES, strict=True)}
    for row in range(4):
        for t, target in enumerate(tokens[row].tolist()):
            for s, piece in enumerate(source[row // 2].tolist()):
                assert found[row, t, s] == said.get((target, piece), 0.0), (row, t, s)


def test_a_full_row_is_found_to_its_ends_and_an_empty_lexicon_says_nothing():
    starts = np.array([0, MOST])
    lexicon = filled(1, starts=starts, pieces=np.arange(MOST)[::-1] + 5, shares=np.arange(1, MOST + 1) / 1000)
    source = torch.tensor([[4, 5, 4 + MOST, 5 + MOST]])
    torch.testing.assert_close(lexicon(torch.zeros(1, 1).long(), source)[0, 0], torch.tensor([0, MOST, 1, 0]) / 1000)
    assert not Lexicon(3)(torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 2]])).any()


def test_weights_are_the_softmax_of_score_and_prior_by_each_heads_strength():
    q, k, v = inputs()
    mixer, prior = learned(Prior, H, K, floor=0.01).eval(), prior_of()
    scores = q @ k.repeat_interleave(2, dim=1).transpose(-1, -2) * K**-0.5
    scores = scores + mixer.strength_H[:, None, None] * (0.01 + prior[:, None]).log()
    expected = scores.masked_fill(~mask(), -torch.inf).softmax(-1)
    summary = mixer.summarize(k, v, mask())
    torch.testing.assert_close(mixer.read_weights(q, summary, prior_RTS=prior), expected)
    heads = expected @ v.repeat_interleave(2, dim=1)
    torch.testing.assert_close(mixer.read(q, summary, prior_RTS=prior), heads)
    index = torch.tensor([2, 0, 2])
    torch.testing.assert_close(mixer.read(q[index], summary.rows(index), prior_RTS=prior[index]), heads[index])


def test_each_hypothesis_of_a_sentence_uses_its_own_prior():
    _, k, v = inputs()
    width = 3
    q, prior = torch.randn(B * width, H, T, K), prior_of(B * width)
    mixer = learned(Prior, H, K).eval()
    repeated = mixer.summarize(*(x.repeat_interleave(width, dim=0) for x in (k, v, mask())))
    summary = mixer.summarize(k, v, mask())
    for read in (read_side_by_side, weights_side_by_side):
        reading = Reading(prior_RTS=prior)
        torch.testing.assert_close(read(mixer, q, summary, reading), read(mixer, q, repeated, reading))


def test_half_of_the_heads_start_as_the_prior_itself_and_rows_of_which_nothing_is_known_as_dense():
    q, k, v = inputs()
    mixer, prior = Prior(H, K, floor=1e-6), prior_of()
    prior[:, 3] = 0
    summary = mixer.summarize(k, v, None)
    weights = mixer.read_weights(q * 0, summary, prior_RTS=prior)
    shares = prior / prior.sum(-1, keepdim=True)
    is_known = prior.sum(-1) > 0.1
    torch.testing.assert_close(weights[:, 0][is_known], shares[is_known], atol=1e-3, rtol=0)
    dense = Dense(H, K).weights(q, k, None)
    weights = mixer.read_weights(q, summary, prior_RTS=prior)
    torch.testing.assert_close(weights[:, H // 2 :], dense[:, H // 2 :])
    assert torch.equal(weights[:, :, 3], mixer.read_weights(q, summary)[:, :, 3])
    torch.testing.assert_close(weights[:, :, 3], dense[:, :, 3])


def cipher(strength=None, num_layers=(1, 2), **parts):
    """A model whose lexicon links each target piece to the source piece of the same number; BOS to none."""
    model = make(cross_attention=Prior, num_layers=num_layers, **parts).eval()
    starts = np.clip(np.arange(V + 1) - BOS - 1, 0, None)
    model.lexicon.fill(torch.from_numpy(starts), torch.arange(BOS + 1, V), torch.ones(V - BOS - 1))
    if strength is not None:
        for layer in model.decoder.layers:
            torch.nn.init.constant_(layer.cross_attention.mixer.strength_H, strength)
    return model


def test_a_row_looks_at_the_source_of_the_piece_that_it_reads_if_the_head_is_strong():
    model, source = cipher(strength=20.0), torch.stack([torch.randperm(V - 4)[:SOURCE] + 4 for _ in range(B)])
    target = torch.cat((torch.full((B, 1), BOS), source.flip(1)), dim=1)
    tap = Tap()
    with torch.no_grad():
        model(Text(source), target, tap=tap)
    weights = tap.weights()[:, :, :, 1:]
    places = torch.arange(SOURCE).flip(0)
    assert (weights.argmax(-1) == places).all() and weights.amax(-1).min() > 0.99
    assert tap.weights()[:, :, :, 0].amax() < 0.99  # <s> has no source


def test_token_by_token_equals_all_at_once_also_packed_and_nothing_of_the_future_is_seen():
    model, (source, target) = cipher(), sentences()
    with torch.no_grad():
        full = model.output(model(Text(source), target))
        later = target.clone()
        later[:, 4:] = 5
        torch.testing.assert_close(model.output(model(Text(source), later))[:, :4], full[:, :4], rtol=1e-4, atol=1e-5)
        pack(model, torch.float32)
        state, logits = model.start(Text(source)), []
        for t in range(target.shape[1]):
            now, state = model.step(target[:, t], state)
            logits.append(now)
    torch.testing.assert_close(torch.stack(logits, dim=1), full, rtol=1e-4, atol=1e-5)


def test_rows_of_a_state_stay_with_their_sentences():
    model, (source, target) = cipher(), sentences()
    full = model.output(model(Text(source), target))
    _, state = model.step(target[:, 0], model.start(Text(source)))
    state = state.rows(torch.tensor([0, 0, 1, 1, 2, 2]))  # two hypotheses each
    _, state = model.step(target[:, 1].repeat_interleave(2), state)
    state = state.rows(torch.tensor([5, 4, 1, 0]), torch.tensor([2, 0]))  # sentence 1 leaves, the others change places
    logits, _ = model.step(target[[2, 2, 0, 0], 2], state)
    torch.testing.assert_close(logits, full[[2, 2, 0, 0], 2], rtol=1e-4, atol=1e-5)


def test_a_beam_of_one_is_greedy_and_a_sentence_alone_is_what_it_is_in_a_batch():
    model, (source, _) = cipher(), sentences()
    with torch.inference_mode():
        greedy, beam, wide = (
            [hypotheses[0].ids for hypotheses in search(model.step, model.start(Text(source)), max_lengths=[6] * B)]
            for search in (Greedy(), Beam(size=1), Beam(size=3))
        )
        assert greedy == beam
        alone = Beam(size=3)(model.step, model.start(Text(source[1:2, :5])), max_lengths=[6])[0][0].ids
    assert alone == wide[1]


def test_an_alignment_head_needs_it_too():
    model, (source, target) = cipher(), sentences()
    taps = []
    for strength in (0.0, 20.0):
        headed = add_alignment_head(model, layer=1) if not taps else model
        torch.nn.init.constant_(model.decoder.layers[1].cross_attention.mixer.strength_H, strength)
        taps.append(Tap())
        with torch.no_grad():
            headed(Text(source), target, tap=taps[-1])
    before, after = (tap.weights()[:, -1] for tap in taps)
    assert (before - after).abs().max() > 0.1


def test_an_empty_lexicon_is_dense_attention():
    source, target = sentences()
    plain, model = make(), make(cross_attention=Prior)
    missing = model.load_state_dict(plain.state_dict(), strict=False)
    assert all("strength_H" in name or "lexicon" in name for name in missing.missing_keys)
    torch.testing.assert_close(model(Text(source), target), plain(Text(source), target), rtol=1e-4, atol=1e-5)
    assert plain.lexicon is None and not plain.start(Text(source)).pieces_NS


@pytest.mark.parametrize("recompute", [False, True])
def test_strengths_learn_whether_or_not_activations_are_kept(recompute):
    model, (source, target) = cipher(recompute=recompute), sentences()
    model.train()(Text(source), target).square().sum().backward()
    gradients = [layer.cross_attention.mixer.strength_H.grad for layer in model.decoder.layers]
    assert all(gradient.abs().min() > 0 for gradient in gradients)
    if recompute:
        kept = cipher()
        kept.train()(Text(source), target).square().sum().backward()
        for layer, gradient in zip(kept.decoder.layers, gradients, strict=True):
            torch.testing.assert_close(layer.cross_attention.mixer.strength_H.grad, gradient)
