"""Native decoding finds what the model and the search of torch find, and numbers stay the same in any company."""

import copy
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import torch

from mt.checkpoint.card import ModelCard
from mt.checkpoint.rebuild import build
from mt.data.source import Text
from mt.data.tokenizer import BOS, EOS
from mt.inference.decodable import BANNED, SingleModel
from mt.inference.ensemble import Ensemble
from mt.inference.plain_model import sizes_of
from mt.inference.searching import plan_of
from mt.kernels import decoding
from mt.kernels.compiling import LEVELS, code_of, processor_flags
from mt.kernels.decoding import Choices, DenseModel, Plan, can_translate
from mt.search.beam import Beam
from mt.search.greedy import Greedy

pytestmark = pytest.mark.skipif(not can_translate("float32"), reason="no native code here")

VOCABULARY = 117
DENSE = {"_target_": "mt.attention.dense.Dense"}
LEVELS_HERE = [level for level in LEVELS if level.needs <= processor_flags()]
SOURCES = [[5, EOS], [7, 9, 4, EOS], [*range(10, 28), EOS], [*range(40, 49), EOS], [99, 98, EOS], [*range(4, 40), EOS]]
SHORT, LONG = 5, 900  # places
LIMITS = [12, 3, 25, 17, 0, 40]
SEARCHES = [
    Greedy(),
    Beam(size=5),
    Beam(size=1),
    Beam(size=4, n_best=3, length_penalty=1.2, min_length=4),
    Beam(size=7, n_best=7, length_penalty=-1.0, max_length=9),
]
PRUNING = "mt.compression.pruning"
PRUNED = [
    {
        "_target_": f"{PRUNING}.remove_heads",
        "heads": {
            "encoder.layers.0.attention": [1, 2],
            "decoder.layers.0.self_attention": [0],
            "decoder.layers.1.self_attention": [0, 1, 3],
            "decoder.layers.1.cross_attention": [2],
        },
    },
    {
        "_target_": f"{PRUNING}.remove_neurons",
        "neurons": {"encoder.layers.1.feed_forward": 41, "decoder.layers.0.feed_forward": [0, 5, 95]},
    },
    {"_target_": f"{PRUNING}.remove_layers", "layers": {"encoder": [0]}},
]
MODELS = {
    "demo": {"activation": "swiglu", "norm": "rms", "positions": "rotary"},
    "small": {},
    "post": {"activation": "gelu", "positions": "learned", "norm_position": "post"},
    "shared heads": {"num_kv_heads": 2, "positions": "rotary"},
    "odd sizes": {"dim": 48, "num_heads": 2, "num_kv_heads": 1, "head_size": 20, "feed_forward_dim": 70},
    "randomized": {"positions": "randomized", "norm": "rms"},
    "pruned": {"activation": "swiglu", "positions": "rotary", "changes": PRUNED},
    "recurrent": {"self_attention": {"_target_": "mt.attention.ssru.Ssru"}},
    "recurrent by heads": {
        **{"self_attention": {"_target_": "mt.attention.ssru.Ssru", "per": "head"}, "num_kv_heads": 2},
        **{"dim": 48, "head_size": 20, "positions": "rotary", "norm_position": "post"},
    },
    "recurrent and pruned": {"self_attention": {"_target_": "mt.attention.ssru.Ssru"}, "changes": PRUNED},
}


def described(*, self_attention=DENSE, changes=(), **settings):
    """The description of a model."""
    layer = {
        "dim": 64,
        "num_heads": 4,
        "num_kv_heads": 4,
        "feed_forward_dim": 96,
        "activation": "relu",
        "head_size": None,
        **{"dropout": 0.0, "attention_dropout": 0.0, "attention_dropout_of": "weights", "activation_dropout": 0.0},
    }
    layer |= {"norm": "layer", "norm_position": "pre", "positions": "sinusoidal", **settings}
    if "num_kv_heads" not in settings:
        layer["num_kv_heads"] = layer["num_heads"]
    dense = {**DENSE, "_partial_": True}
    node = {
        "_target_": "mt.model.seq2seq.Seq2Seq",
        "layer": {"_target_": "mt.model.layer.LayerSettings", **layer},
        "encoder": {
            "_target_": "mt.model.encoder.Encoder",
            "_partial_": True,
            "num_layers": 2,
            "self_attention": dense,
        },
        "decoder": {
            **{"_target_": "mt.model.decoder.Decoder", "_partial_": True, "num_layers": 2},
            **{"self_attention": {**self_attention, "_partial_": True}, "cross_attention": dense},
        },
        **{"tie": "none", "max_positions": 64},
    }
    return ModelCard(model=node, source_language="en", target_language="de", changes=list(changes))


def made(*, seed=1, **settings):
    """A model with random weights, and its sizes."""
    torch.manual_seed(seed)
    card = described(**settings)
    model = build(card.model, source_vocab_size=VOCABULARY, target_vocab_size=VOCABULARY).eval()
    for change in card.changes:
        model = build(change, model=model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)  # norms and biases too
    return model, sizes_of(card, source_size=VOCABULARY, target_size=VOCABULARY)


def weights_of(model):
    return {name: weight.detach().numpy() for name, weight in model.named_parameters(remove_duplicate=False)}


def by_torch(model, search, sources=SOURCES, limits=LIMITS):
    """One sentence at a time; `model` may be several."""
    members = [SingleModel(one) for one in (model if isinstance(model, list) else [model])]
    decodable, found = members[0] if len(members) == 1 else Ensemble(members), []
    with torch.inference_mode():
        for ids, limit in zip(sources, limits, strict=True):
            state = decodable.start(Text.of([ids[:-1]]))
            found += search(decodable.step, state, max_lengths=[limit], banned_ids=BANNED)
    return found


def assert_same(native, expected):
    for of_source, of_torch in zip(native, expected, strict=True):
        assert [one.ids for one in of_source] == [one.ids for one in of_torch]
        assert [one.is_cut for one in of_source] == [not one.is_finished for one in of_torch]
        for one, other in zip(of_source, of_torch, strict=True):
            assert np.diff((0.0, *one.totals)) == pytest.approx(other.token_log_probs, abs=1e-3)


@pytest.fixture
def at_level(request, monkeypatch):
    """The native code is that of this instruction set."""
    code = code_of(request.param)
    monkeypatch.setattr(decoding, "code_or_reason", lambda: code)
    decoding.native.cache_clear()
    yield
    decoding.native.cache_clear()


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_gives_the_hypotheses_of_torch(name):
    """Every search with one of them, a beam with each."""
    model, sizes = made(**MODELS[name])
    native = DenseModel(sizes, weights_of(model))
    for search in SEARCHES if name == "demo" else SEARCHES[1:2]:
        found = native.search(SOURCES, LIMITS, plan_of(search), most_pieces=1000)
        assert_same(found, by_torch(model, search))


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: f"{type(search).__name__} {getattr(search, 'size', 1)}")
@pytest.mark.parametrize(
    "names", [["demo", "demo"], ["odd sizes", "demo", "recurrent by heads", "pruned", "post"]], ids=len
)
def test_several_models_are_searched_by_the_mean_of_their_probabilities(names, search):
    made_of = [made(**MODELS[name], seed=seed) for seed, name in enumerate(names)]
    members = [DenseModel(sizes, weights_of(model)) for model, sizes in made_of]
    found = decoding.search_together(members, SOURCES, LIMITS, plan_of(search), most_pieces=40)
    assert_same(found, by_torch([model for model, _ in made_of], search))
    alone = members[0].search(SOURCES, LIMITS, plan_of(search), most_pieces=40)  # none of them was changed by that
    assert_same(alone, by_torch(made_of[0][0], search))


def test_a_piece_that_one_member_holds_to_be_impossible_has_half_of_the_probability_of_the_other():
    model, sizes = made()
    weights = {name: weight.copy() for name, weight in weights_of(model).items()}
    weights["output.weight"] *= 1e4  # one piece has all of the probability
    search = Beam(size=4, n_best=4)
    members = [DenseModel(sizes, of) for of in (weights_of(model), weights)]
    found = decoding.search_together(members, SOURCES[:1], [1], plan_of(search), most_pieces=40)
    expected = by_torch([model, _with(model, weights)], search, SOURCES[:1], [1])
    assert len(found[0]) == 4
    assert_same(found, expected)


def _with(model, weights):
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in other.named_parameters(remove_duplicate=False):
            parameter.copy_(torch.from_numpy(weights[name]))
    return other


@pytest.mark.parametrize("damaged", [0, 1])
def test_members_whose_probabilities_are_not_numbers_are_refused(damaged):
    model, sizes = made()
    weights = [{name: weight.copy() for name, weight in weights_of(model).items()} for _ in range(2)]
    weights[damaged]["output.weight"][60, 3] = np.nan
    with pytest.raises(ValueError, match="not numbers"):
        decoding.search_together(
            [DenseModel(sizes, of) for of in weights], SOURCES, LIMITS, plan_of(Beam()), most_pieces=100
        )


@pytest.mark.slow  # compiles
@pytest.mark.parametrize("at_level", LEVELS_HERE, ids=lambda level: level.name, indirect=True)
def test_every_instruction_set_gives_the_hypotheses_of_torch(at_level):
    model, sizes = made(**MODELS["odd sizes"])
    found = DenseModel(sizes, weights_of(model)).search(SOURCES, LIMITS, plan_of(Beam()), most_pieces=1000)
    assert_same(found, by_torch(model, Beam()))
    both = [(model, sizes), made(**MODELS["demo"], seed=2)]
    members = [DenseModel(sizes, weights_of(one)) for one, sizes in both]
    found = decoding.search_together(members, SOURCES, LIMITS, plan_of(Beam()), most_pieces=1000)
    assert_same(found, by_torch([one for one, _ in both], Beam()))


@pytest.mark.parametrize("at_level", LEVELS_HERE, ids=lambda level: level.name, indirect=True)
def test_a_cache_in_bfloat16_is_near_that_in_float32(at_level):
    model, sizes = made(**MODELS["small"])
    exact, half = (DenseModel(sizes, weights_of(model)) for _ in range(2))
    half._model.has_half_cache = 1  # as precision bfloat16 has it
    found, rounded = (one.search(SOURCES, LIMITS, plan_of(Greedy()), most_pieces=1000) for one in (exact, half))
    lengths = []
    for (one,), (other,) in zip(found, rounded, strict=True):
        pairs = zip(one.ids, other.ids, strict=False)
        same = next((place for place, (a, b) in enumerate(pairs) if a != b), len(one.ids))
        lengths.append(same)
        assert other.totals[:same] == pytest.approx(one.totals[:same], abs=0.05)
    assert sum(lengths) > 16 and found != rounded


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("has_list", [False, True], ids=["all", "listed"])
def test_a_sentence_has_the_same_numbers_alone_and_among_others(precision, has_list):
    if not can_translate(precision):
        pytest.skip(f"this processor has no native products in {precision}")
    model, sizes = made(**MODELS["demo"])
    choices = own_choices() if has_list else None
    native, plan = DenseModel(sizes, weights_of(model), precision, choices), plan_of(Beam(n_best=2))
    together = native.search(SOURCES, LIMITS, plan, most_pieces=1000)
    few = native.search(SOURCES, LIMITS, plan, most_pieces=20)  # others wait, and take the places of the first
    alone = [native.search([ids], [limit], plan, most_pieces=1)[0] for ids, limit in zip(SOURCES, LIMITS, strict=True)]
    assert together == few == alone


def own_choices():
    """Piece n may become n and three later ones; all may become 7 and the special ones."""
    pieces = [[(piece + more) % VOCABULARY for more in range(0, 60, 20)] for piece in range(VOCABULARY)]
    return Choices(np.arange(0, 3 * VOCABULARY + 1, 3), np.concatenate(pieces), np.array([0, 1, 2, 3, 7]))


@pytest.mark.parametrize("at_level", LEVELS_HERE, ids=lambda level: level.name, indirect=True)
@pytest.mark.parametrize("search", [Greedy(), Beam(size=7, n_best=2)], ids=["greedy", "beam"])
def test_only_choices_are_said_and_they_share_the_probability(at_level, search):
    """As by torch where the logits of all others are -inf."""
    model, sizes = made(**MODELS["odd sizes"])
    choices = own_choices()
    found = DenseModel(sizes, weights_of(model), choices=choices).search(
        SOURCES, LIMITS, plan_of(search), most_pieces=1000
    )
    expected = []
    for source, limit in zip(SOURCES, LIMITS, strict=True):
        parts = [choices.pieces[choices.starts[id_] : choices.starts[id_ + 1]] for id_ in source[:-1]]
        is_other = torch.ones(VOCABULARY, dtype=torch.bool)
        is_other[np.concatenate([choices.common, *parts])] = False
        decodable = SingleModel(model)

        def step(tokens, state, decodable=decodable, is_other=is_other):
            logits, state = decodable.step(tokens, state)
            return logits.masked_fill(is_other, -torch.inf), state

        with torch.inference_mode():
            expected += search(step, decodable.start(Text.of([source[:-1]])), max_lengths=[limit], banned_ids=BANNED)
    assert_same(found, expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_a_list_of_all_pieces_changes_nothing(precision):
    if not can_translate(precision):
        pytest.skip(f"this processor has no native products in {precision}")
    model, sizes = made(**MODELS["demo"])
    everything = Choices(np.zeros(VOCABULARY + 1), np.zeros(0), np.arange(VOCABULARY))
    plan = plan_of(Beam(n_best=3))
    plain, listed = (
        DenseModel(sizes, weights_of(model), precision, of).search(SOURCES, LIMITS, plan, most_pieces=1000)
        for of in (None, everything)
    )
    if precision == "int8":
        assert plain == listed  # sums of whole numbers are exact
    for of_plain, of_listed in zip(plain, listed, strict=True):
        assert [one.ids for one in of_plain] == [one.ids for one in of_listed]
        for one, other in zip(of_plain, of_listed, strict=True):
            assert one.totals == pytest.approx(other.totals, abs=1e-3)


@pytest.mark.parametrize(("precision", "most"), [("bfloat16", 0.03), ("int8", 0.08)])
def test_rounded_products_are_near_those_of_float32(precision, most):
    if not can_translate(precision):
        pytest.skip(f"this processor has no native products in {precision}")
    model, sizes = made(**MODELS["small"])
    plan = plan_of(Greedy())
    exact, rounded = (DenseModel(sizes, weights_of(model), kind) for kind in ("float32", precision))
    of_exact, of_rounded = (one.search(SOURCES[:1], [0], plan, most_pieces=9)[0][0] for one in (exact, rounded))
    # with a limit of 0 there is only EOS, so that both have the same token
    assert of_exact.ids == of_rounded.ids == ()
    assert of_rounded.totals != of_exact.totals
    assert of_rounded.totals[0] == pytest.approx(of_exact.totals[0], rel=most)


def test_a_model_whose_probabilities_are_not_numbers_is_refused():
    model, sizes = made()
    weights = weights_of(model)
    weights["output.weight"][60, 3] = np.nan
    with pytest.raises(ValueError, match="not numbers"):
        DenseModel(sizes, weights).search(SOURCES, LIMITS, plan_of(Beam()), most_pieces=100)


def test_a_sentence_that_may_not_say_anything_gets_what_torch_gives_it():
    model, sizes = made()
    banned = tuple(id_ for id_ in range(VOCABULARY) if id_ != EOS)
    plan = Plan(size=3, n_best=1, length_penalty=0.6, min_length=2, max_length=None, bos=BOS, eos=EOS, banned=banned)
    (found,) = DenseModel(sizes, weights_of(model)).search(SOURCES[:1], [5], plan, most_pieces=100)
    decodable = SingleModel(model)
    with torch.inference_mode():
        state = decodable.start(Text.of([SOURCES[0][:-1]]))
        search = Beam(size=3, min_length=2)
        ((expected,),) = search(decodable.step, state, max_lengths=[5], banned_ids=banned)
    assert expected.log_prob == -np.inf
    assert len(found) == 1 and found[0].totals == ()


def test_no_sentences_give_nothing():
    model, sizes = made()
    assert DenseModel(sizes, weights_of(model)).search([], [], plan_of(Beam()), most_pieces=100) == []


def test_a_long_sentence_has_positions_enough():
    model, sizes = made(**MODELS["demo"])
    ids = [[*np.random.default_rng(1).integers(4, VOCABULARY, 700).tolist(), EOS]]
    search = Beam(size=2, min_length=30)
    found = DenseModel(sizes, weights_of(model)).search(ids, [40], plan_of(search), most_pieces=100)
    assert_same(found, by_torch(model, search, ids, [40]))


def test_searches_in_several_threads_find_what_one_finds():
    model, sizes = made(**MODELS["demo"])
    native, plan = DenseModel(sizes, weights_of(model)), plan_of(Beam(size=3))
    random = np.random.default_rng(2)
    sources = [[*random.integers(4, VOCABULARY, length).tolist(), EOS] for length in (300, 600, 5, 900)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda ids: native.search([ids], [8], plan, most_pieces=1000)[0], sources))
    assert found == native.search(sources, [8] * 4, plan, most_pieces=5000)


def test_a_short_search_in_another_thread_does_not_shorten_the_tables_of_a_long_one(monkeypatch):
    model, sizes = made(**MODELS["demo"])
    native, make = DenseModel(sizes, weights_of(model)), DenseModel._make_places
    short_makes, long_made, short_made = Event(), Event(), Event()

    def make_in_turn(self, needed):  # the short one has seen that there are no tables, then the long one makes them
        if needed == SHORT:
            short_makes.set()
            long_made.wait(0.5)  # does not come where the long one waits for the short one, as it must
            make(self, needed)
            short_made.set()
        else:
            make(self, needed)
            long_made.set()
            short_made.wait()

    monkeypatch.setattr(DenseModel, "_make_places", make_in_turn)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(native._copy, SHORT)
        short_makes.wait()
        copied = pool.submit(native._copy, LONG).result()
    assert native._num_places >= LONG
    assert copied.cosines == native._model.cosines  # the tables that the long one has made
