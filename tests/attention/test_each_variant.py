"""What each attention variant promises beside the contract that all keep."""

from functools import partial

import pytest
import torch

from mt.attention import window
from mt.attention.average import Average
from mt.attention.chunked import Chunked
from mt.attention.dense import Dense
from mt.attention.diagonal import Diagonal
from mt.attention.dynamic_heads import DynamicHeads
from mt.attention.entmax import Entmax
from mt.attention.gated import Gated
from mt.attention.hierarchical import Hierarchical
from mt.attention.linear import Linear
from mt.attention.local import Local
from mt.attention.low_rank import LowRank
from mt.attention.mask import causal_mask
from mt.attention.multi_scale import MultiScale
from mt.attention.pooled import Pooled
from mt.attention.prior import Prior
from mt.attention.rectified import Rectified
from mt.attention.relative import Relative
from mt.attention.sections import Sections
from mt.attention.ssru import Ssru, scan
from mt.attention.structured import Structured
from mt.attention.threshold import Threshold
from mt.attention.top_k import TopK
from mt.attention.window import Window
from tests.attention.table import B, G, H, K, S, T, inputs, mask, some_off

pytestmark = pytest.mark.usefixtures("way")


def test_dense_equals_torch_scaled_dot_product_attention(way):
    q, k, v = inputs(groups=H)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask())
    torch.testing.assert_close(Dense(H, K).attend(q, k, v, mask()), expected)


def test_sparsemax_and_entmax_are_points_of_the_simplex_that_fulfil_their_definition():
    """The gradient of scores . p + Tsallis entropy is the same on the whole support, and nowhere larger outside."""
    torch.manual_seed(3)
    scores = torch.randn(50, 1, 1, 7) * 2
    for alpha in (1.5, 2.0):
        mixer = Entmax(1, 1, alpha=alpha)
        p = mixer.weights(torch.ones(50, 1, 1, 1), scores.transpose(-1, -2), None)
        torch.testing.assert_close(p.sum(-1), torch.ones(50, 1, 1))
        slope = scores - p ** (alpha - 1) / (alpha - 1)
        largest = slope.masked_fill(p == 0, -torch.inf).amax(-1, keepdim=True)
        assert ((slope - largest).abs() < 1e-5)[p > 0].all() and (slope <= largest + 1e-5).all()
        assert (p == 0).any()


@pytest.mark.parametrize("alpha", [1.5, 2.0])
def test_gradients_of_entmax_are_those_of_finite_differences(alpha, way):
    if not torch.is_grad_enabled():
        pytest.skip("there are no gradients without gradients")
    from mt.attention.entmax import _Entmax

    torch.manual_seed(4)
    scores = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: _Entmax.apply(x, alpha), scores, eps=1e-7, atol=1e-4)


def test_random_features_approximate_softmax():
    torch.manual_seed(5)
    q, k, v = (x * 0.5 for x in inputs())
    exact = Dense(H, K).attend(q, k, v, mask())
    errors = []
    for num_features in (16, 4096):
        torch.manual_seed(6)
        errors.append(
            (Linear(H, K, features="random", num_features=num_features).attend(q, k, v, mask()) - exact).abs().mean()
        )
    assert errors[1] < 0.02 and errors[1] < errors[0] / 3


def test_top_k_and_threshold_keep_the_best_keys_alone():
    q, k, _ = inputs()
    dense_weights = Dense(H, K).weights(q, k, mask())
    kept = TopK(H, K, k=2).weights(q, k, mask()) > 0
    assert (kept.sum(-1) == 2).all()
    assert (kept == (dense_weights >= dense_weights.topk(2).values[..., -1:])).all()
    kept = Threshold(H, K, share=0.5).weights(q, k, mask()) > 0
    assert (kept == (dense_weights >= 0.5 * dense_weights.amax(-1, keepdim=True))).all()
    assert (Threshold(H, K, share=1.0).weights(q, k, mask()).amax(-1) == 1).all()


def test_chunked_is_dense(way):
    q, k, v = inputs()
    torch.testing.assert_close(Chunked(H, K).attend(q, k, v, mask()), Dense(H, K).attend(q, k, v, mask()))


def test_a_window_over_everything_is_dense_and_a_small_one_is_not(way):
    q, k, v = inputs(num_keys=T)
    torch.testing.assert_close(Window(H, K, reach=T).attend(q, k, v, None), Dense(H, K).attend(q, k, v, None))
    weights = Window(H, K, reach=1).weights(q, k, None)
    distance = (torch.arange(T)[:, None] - torch.arange(T)[None]).abs()
    assert ((weights[0, 0] > 0) == (distance <= 1)).all()


@pytest.mark.parametrize(
    "factory, message",
    [
        (partial(TopK, k=0), r"k \(0\) must be at least 1"),
        (partial(Threshold, share=0.0), r"share \(0.0\) must be above 0"),
        (partial(Entmax, alpha=3.0), r"alpha \(3.0\) must be one of 1.5, 2.0"),
        (partial(Rectified, power=0), r"power \(0\) must be at least 1"),
        (partial(Linear, features="sine"), r"features \(sine\) must be one of elu, relu, hedgehog, random"),
        (partial(Linear, num_features=0), r"num_features \(0\) must be at least 1"),
        (partial(Linear, dropout=0.1), r"attention_dropout \(0.1\) must be 0"),
        (partial(LowRank, rank=0), r"rank \(0\) must be at least 1"),
        (partial(Pooled, factor=0), r"factors \(\[0\]\) must be whole numbers of at least 1"),
        (partial(MultiScale, factors=[]), r"factors \(\[\]\) must be"),
        (partial(Gated, per="word"), r"per \(word\) must be one of head, element"),
        (partial(DynamicHeads, price=-1.0), r"price \(-1.0\) must be 0 or more"),
        (partial(Ssru, per="word"), r"per \(word\) must be one of head, element"),
        (partial(Ssru, dropout=0.1), r"attention_dropout \(0.1\) must be 0"),
        (partial(Local, reach=0), r"reach \(0\) must be above 0"),
        (partial(Diagonal, reach=0), r"reach \(0\) must be above 0"),
        (partial(Prior, floor=0), r"floor \(0\) must be above 0"),
        (partial(Average, dropout=0.1), r"attention_dropout \(0.1\) must be 0"),
        (partial(Window, reach=0), r"reach \(0\) must be at least 1"),
        (partial(Relative, buckets=6), r"buckets \(6\) must be a multiple of 4"),
        (partial(Structured, most_steps=0), r"most_steps \(0\) must be at least 1"),
        (partial(Hierarchical, max_sentences=0), r"max_sentences \(0\) must be at least 1"),
        (partial(Sections, furthest=0), r"furthest \(0\) must be at least 1"),
        (partial(Relative, furthest=8), r"furthest \(8\) must be above 8, a quarter of the buckets"),
    ],
)
def test_settings_that_cannot_be_are_refused(factory, message):
    with pytest.raises(ValueError, match=message):
        factory(H, K)


def test_the_centre_of_local_attention_moves_with_the_query_and_stays_among_real_keys():
    torch.manual_seed(7)
    mixer = Local(H, K, reach=0.5)
    q, k, _ = inputs()
    centres = mixer.centres(q * 9, mask().sum(-1, keepdim=True).float())
    assert (centres >= 0).all() and (centres[2] <= 1).all() and centres[0].max() <= 5 and centres.std() > 0.5
    weights = mixer.weights(q * 9, k * 0, mask())  # nothing but the bell
    assert ((weights * torch.arange(S)).sum(-1, keepdim=True) - centres).abs().max() < 0.5


@pytest.mark.parametrize("groups", [1, H])
def test_a_window_in_blocks_is_the_window_at_once(groups, monkeypatch):
    mixer, (q, k, v) = Window(H, K, reach=2), inputs(num_queries=S, groups=groups)
    whole, long = mixer.attend(q, k, v, mask()), mixer.extend(q, k, v, mixer.start())
    monkeypatch.setattr(window, "BLOCK", 1)
    in_blocks = mixer.attend(q, k, v, mask())
    is_real = mask()[:, 0, 0]
    torch.testing.assert_close(in_blocks.transpose(1, 2)[is_real], whole.transpose(1, 2)[is_real])
    assert torch.isfinite(in_blocks).all()
    past = mixer.start()
    for part in (slice(0, 4), slice(4, S)):
        heads, past = mixer.extend(q[:, :, part], k[:, :, part], v[:, :, part], past)
        torch.testing.assert_close(heads, long[0][:, :, part])


def test_the_centre_of_local_attention_is_not_rounded_by_autocast(way):
    torch.manual_seed(5)
    mixer, q, num_keys = Local(H, K), torch.randn(B, H, T, K), torch.tensor(8192.0)
    exact = mixer.centres(q, num_keys)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (mixer.centres(q, num_keys) - exact).abs().max() < 0.1  # of a key


def test_rectified_weights_do_not_vanish_with_their_squares():
    q = k = torch.full((1, 1, 2, K), 1e-12)
    weights = Rectified(1, K, power=2).weights(q, k, None)
    torch.testing.assert_close(weights, torch.full((1, 1, 2, 2), 0.5))


def test_the_diagonal_goes_on_where_the_last_step_stood():
    q, k, v = inputs()
    mixer, summary = Diagonal(H, K, reach=1.0), Diagonal(H, K, reach=1.0).summarize(k, v, mask())
    steps = [mixer.read(q[:, :, t : t + 1], summary, position=t) for t in range(T)]
    torch.testing.assert_close(torch.cat(steps, dim=2), mixer.read(q, summary))
    best = mixer.read_weights(q * 0, summary).argmax(-1)
    assert (best[1] == torch.arange(T)).all() and (best[2] == torch.arange(T).clamp(max=1)).all()


def test_low_rank_begins_as_dense_attention_of_sentences_up_to_its_rank(way):
    q, k, v = inputs()
    rank_of_all, rank_of_less = (LowRank(H, K, rank=rank).attend(q, k, v, mask()) for rank in (S, 2))
    dense = Dense(H, K).attend(q, k, v, mask())
    assert (rank_of_all - dense).abs().max() < 0.02 < (rank_of_less - dense).abs().max()


def test_low_rank_begins_with_runs_of_one_size_where_a_sentence_is_longer_than_its_rank():
    real = torch.arange(9) < torch.tensor([[7], [9], [4], [2]])
    mixer = LowRank(H, K, rank=3)
    shares = mixer.mixing(real)
    run_of = [[int(shares[b, :, s].argmax()) for s in range(int(real[b].sum()))] for b in range(4)]
    assert run_of == [[0, 0, 0, 1, 1, 1, 2], [0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 1, 1], [0, 1]]
    holds = torch.tensor([[1.0, 1, 1], [1, 1, 1], [1, 1, 0], [1, 1, 0]])
    torch.testing.assert_close(shares.sum(dim=-1), holds)
    assert (mixer.filled(real) == holds.bool()).all()


def test_a_scan_equals_its_recurrence_and_stays_finite_where_products_vanish():
    torch.manual_seed(8)
    for length in (1, 2, 5, 300):
        keep, new = torch.rand(B, G, length, K) * (torch.rand(length, 1) < 0.7), torch.randn(B, G, length, K)
        state, states = torch.zeros(B, G, K), []
        for t in range(length):
            state = keep[:, :, t] * state + new[:, :, t]
            states.append(state)
        torch.testing.assert_close(scan(keep, new), torch.stack(states, dim=2))


def test_weights_of_a_recurrent_unit_are_the_mean_of_those_of_its_elements():
    q, k, v = inputs(num_keys=T, groups=H)
    same_v = v[..., :1].abs().expand_as(v)  # relu lets it through, and all elements mix the same
    heads, _ = Ssru(H, K).extend(q, k, same_v, Ssru(H, K).start())
    expected = Ssru(H, K).weights(q, k, causal_mask(T, 0, q.device)) @ same_v
    torch.testing.assert_close(heads.mean(-1), expected.mean(-1))


def test_heads_that_are_off_bring_nothing_and_are_not_computed(way, monkeypatch):
    torch.manual_seed(9)
    mixer, (q, k, v) = some_off(DynamicHeads, H, K), inputs()
    on = mixer.router(k, mask()) > 0
    assert on.any() and not on.all() and (on != on[:1]).any()
    heads = mixer.attend(q, k, v, mask())
    assert (heads.abs().sum((2, 3)) > 0).equal(on)
    torch.testing.assert_close(heads[on], Dense(H, K).attend(q, k, v, mask())[on])
    if not torch.is_grad_enabled():
        assert mixer.summarize(k, v, mask()).pairs.k_X1SK.shape == (on.sum(), 1, S, K)
        with torch.no_grad():
            mixer.router.weight_HK.zero_()
            mixer.router.bias_H.fill_(-1.0)
        assert mixer.attend(q, k, v, mask()).equal(torch.zeros(B, H, T, K))


def test_a_router_learns_to_switch_off_what_is_not_worth_its_price(way):
    """Head 0 alone is good for anything; without a price the others stay."""
    if not torch.is_grad_enabled():
        pytest.skip("there is no learning without gradients")
    q, k, v = inputs()
    wanted = Dense(H, K).attend(q, k, v, None)[:, 0]
    found = {}
    for price in (0.0, 0.5):
        mixer = DynamicHeads(H, K, price=price)
        optimizer = torch.optim.Adam(mixer.router.parameters(), lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            (-mixer.attend(q, k, v, None)[:, 0] * wanted).sum().backward()
            optimizer.step()
        found[price] = mixer.router(k, None)
    assert found[0.0].equal(torch.ones(B, H))
    assert found[0.5].equal(torch.tensor([[1.0, 0, 0, 0]]).expand(B, H))


def test_relative_buckets_tell_near_distances_apart_and_far_ones_less_and_less():
    mixer = Relative(H, K, buckets=16, furthest=20)
    before = mixer.bucket(-torch.arange(40)[None])[0].tolist()
    assert before == [0, 1, 2, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 6, *[7] * 26]
    assert mixer.bucket(torch.arange(1, 40)[None])[0].tolist() == [bucket + 8 for bucket in before[1:]]


def test_relative_attention_is_dense_at_the_start_and_then_the_bias_of_each_distance_decides(way):
    q, k, v = inputs(num_keys=T)
    mixer = Relative(H, K, buckets=8, furthest=6)
    torch.testing.assert_close(mixer.attend(q, k, v, None), Dense(H, K).attend(q, k, v, None))
    with torch.no_grad():
        mixer.bias_HN[1, mixer.bucket(torch.tensor(-1))] = 50.0  # head 1 looks at the piece before
    weights = mixer.weights(q, k, None)
    assert (weights[:, 1].argmax(-1)[:, 1:] == torch.arange(T - 1)).all()
    torch.testing.assert_close(weights[:, [0, 2, 3]], Dense(H, K).weights(q, k, None)[:, [0, 2, 3]])
