"""Another kind of source needs a class and an encoder, and no change in the package: both stand in this file."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn

from mt.alignment.tap import Tap
from mt.attention.dense import Dense
from mt.attention.prior import Prior
from mt.attention.sections import Sections
from mt.data.batching import Cursor
from mt.data.source import Text, stacked
from mt.data.tokenizer import BOS, EOS, PAD
from mt.model.decoder import Decoder
from mt.model.encoder import Encoder, SourceEncoder
from mt.model.layer import LayerSettings
from mt.model.memory import Memory
from mt.model.seq2seq import Seq2Seq, parameter_counts
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.r_drop import RDrop
from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.training.distributed import Ranks
from mt.training.updater import Updater
from tests.data.test_batching import ListStore, batches_of, random_store

# B sources, S places, F features, D width of the memory

V, FEATURES, WIDTH, DIM = 90, 6, 20, 24


@dataclass(frozen=True, eq=False)
class Vectors:
    """Rows of features, as a camera or a microphone gives them; padding is zero."""

    features_BSF: torch.Tensor
    lengths_B: torch.Tensor

    def __len__(self):
        return len(self.lengths_B)

    @property
    def padded_length(self):
        return self.features_BSF.shape[1]

    @property
    def parts(self):
        return {"vectors": self}

    def rows(self, rows):
        lengths_B = self.lengths_B[rows]
        return Vectors(self.features_BSF[rows][:, : int(lengths_B.max())], lengths_B)

    def to(self, device):
        return Vectors(self.features_BSF.to(device), self.lengths_B.to(device))

    @classmethod
    def stacked(cls, sources):
        features = [of_SF for source in sources for of_SF in source.features_BSF]
        lengths_B = torch.cat([source.lengths_B for source in sources])
        return cls(nn.utils.rnn.pad_sequence(features, batch_first=True), lengths_B)


class VectorsEncoder(SourceEncoder):
    """A linear map: the memory is as wide as it likes."""

    def __init__(self, *, settings, width=WIDTH):
        super().__init__()
        self.width, self.linear = width, nn.Linear(FEATURES, width)

    def forward(self, source, embed, *, recompute=False):
        places_S = torch.arange(source.padded_length, device=source.lengths_B.device)
        mask_B11S = (places_S < source.lengths_B[:, None])[:, None, None]
        return Memory.of("vectors", self.linear(source.features_BSF), mask_B11S)


@dataclass(frozen=True, eq=False)
class Several:
    """A sentence and vectors beside it."""

    text: Text
    vectors: Vectors

    def __len__(self):
        return len(self.text)

    @property
    def padded_length(self):
        return self.text.padded_length + self.vectors.padded_length

    @property
    def parts(self):
        return {"text": self.text, "vectors": self.vectors}

    def rows(self, rows):
        return Several(self.text.rows(rows), self.vectors.rows(rows))

    def to(self, device):
        return Several(self.text.to(device), self.vectors.to(device))

    @classmethod
    def stacked(cls, sources):
        return cls(stacked([source.text for source in sources]), stacked([source.vectors for source in sources]))


class SeveralEncoder(SourceEncoder):
    """Each with its own encoder, and their memories side by side."""

    reads_pieces = True

    def __init__(self, *, settings, self_attention=Dense):
        super().__init__()
        self.text = Encoder(settings=settings, num_layers=1, self_attention=self_attention)
        self.vectors = VectorsEncoder(settings=settings, width=settings.dim)
        self.width = settings.dim

    def forward(self, source, embed, *, recompute=False):
        text = self.text(source.text, embed, recompute=recompute)
        return Memory.joined([text, self.vectors(source.vectors, None)])


def vectors_of(sentences):
    """Features of each piece: a code that tells it from others."""
    codes_VF = torch.randn(V, FEATURES, generator=torch.Generator().manual_seed(3))
    features = [codes_VF[torch.tensor([*pieces, EOS])] for pieces in sentences]
    lengths_B = torch.tensor([len(of_SF) for of_SF in features])
    return Vectors(nn.utils.rnn.pad_sequence(features, batch_first=True), lengths_B)


def vectors_of_pairs(numbers, pairs, pieces):
    """What `TokenBatches` asks for what the encoder reads."""
    return vectors_of([of_sentence[:-1] for of_sentence in pieces.pieces()])


def several_of_pairs(numbers, pairs, pieces):
    return Several(pieces, vectors_of([[5] * (1 + number % 4) for number in numbers.tolist()]))


KINDS = {
    "vectors": (vectors_of_pairs, VectorsEncoder),
    "text and vectors": (several_of_pairs, SeveralEncoder),
}


def make(encoder, *, tie="all", cross_attention=Dense, separator=None, **layer):
    torch.manual_seed(0)
    settings = {"dim": DIM, "num_heads": 4, "num_kv_heads": 2, "feed_forward_dim": 40, "dropout": 0.0} | layer
    return Seq2Seq(
        layer=LayerSettings(**settings),
        encoder=encoder,
        decoder=partial(Decoder, num_layers=2, self_attention=Dense, cross_attention=cross_attention),
        source_vocab_size=V,
        target_vocab_size=V,
        tie=tie,
        max_positions=64,
        separator=separator,
    )


@pytest.fixture(params=KINDS, ids=str)
def kind(request):
    """A batch of this kind of source, and a model that reads it."""
    make_source, encoder = KINDS[request.param]
    batch, _ = batches_of(random_store(40), max_tokens=300, make_source=make_source).read(Cursor())
    return batch, make(encoder)


def gradients_of(model, objective, batch, max_tokens):
    how = {"clip_norm": 0.0, "max_tokens": max_tokens, "device": torch.device("cpu"), "dtype": torch.float32}
    update = Updater(model, objective, seed=1, ranks=Ranks(), **how)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    update(torch.optim.SGD(model.parameters(), lr=1.0), [batch], step=0, learning_rate=1.0)
    return {name: before[name] - parameter.detach() for name, parameter in model.named_parameters()}


def test_batches_hold_it_whole_and_in_parts_within_the_budget(kind):
    batch, _ = kind
    assert len(batch.source) == len(batch.indices)
    assert batch.padded_tokens == len(batch.source) * batch.source.padded_length + batch.target_in_BT.numel()
    parts = batch.within(100)
    assert len(parts) > 1 and all(part.padded_tokens <= 100 or len(part.indices) == 1 for part in parts)
    assert sum(len(part.source) for part in parts) == len(batch.source)
    assert type(parts[0].source) is type(batch.to("cpu").source) is type(batch.source)
    assert len(batch.idle().source) == 1 and batch.idle().num_tokens == 0


def test_an_update_is_the_same_in_parts_as_at_once(kind):
    batch, _ = kind
    encoder = VectorsEncoder if isinstance(batch.source, Vectors) else SeveralEncoder
    objective = LabelSmoothedCrossEntropy(smoothing=0.1)
    whole, parts = (gradients_of(make(encoder), objective, batch, most) for most in (10_000, 70))
    (name,) = (name for name in whole if name.endswith("linear.weight"))
    assert whole[name].abs().max() > 1e-3
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-5)


def test_every_objective_reads_it(kind):
    batch, _ = kind
    encoder = VectorsEncoder if isinstance(batch.source, Vectors) else SeveralEncoder
    found = gradients_of(make(encoder, dropout=0.1), RDrop(), batch, 10_000)
    assert all(gradient.isfinite().all() for gradient in found.values())


def test_token_by_token_equals_all_at_once_and_alone_equals_in_a_batch(kind):
    batch, model = kind
    model.eval()
    target = batch.target_in_BT
    with torch.no_grad():
        full = model.output(model(batch.source, target))
        state, logits = model.start(batch.source), []
        for t in range(target.shape[1]):
            now, state = model.step(target[:, t], state)
            logits.append(now)
        alone = [model.output(model(batch.source.rows([row]), target[row : row + 1]))[0] for row in range(len(target))]
    torch.testing.assert_close(torch.stack(logits, dim=1), full, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.stack(alone), full, rtol=1e-4, atol=1e-5)


def test_search_over_sources_that_requests_bring_one_by_one_is_that_over_their_batch(kind):
    batch, model = kind
    model.eval()
    ones = [batch.source.rows([row]) for row in range(len(batch.source))]
    with torch.inference_mode():
        together, again = (
            Beam(size=3)(model.step, model.start(source), max_lengths=[5] * len(ones), banned_ids=[PAD, BOS])
            for source in (batch.source, stacked(ones))
        )
        for row, source in enumerate(ones[:3]):
            [alone] = Beam(size=3)(model.step, model.start(source), max_lengths=[5], banned_ids=[PAD, BOS])
            assert alone[0].ids == together[row][0].ids
    assert [found[0].ids for found in together] == [found[0].ids for found in again]


def test_the_tap_sees_every_place_of_it(kind):
    batch, model = kind
    tap = Tap()
    with torch.no_grad():
        plain = model.eval()(batch.source, batch.target_in_BT)
        assert model(batch.source, batch.target_in_BT, tap=tap).equal(plain)
    B, T = batch.target_in_BT.shape
    assert tap.weights().shape == (B, 2, 4, T, batch.source.padded_length)
    torch.testing.assert_close(tap.weights().sum(-1), torch.ones(B, 2, 4, T))
    lengths_B = (batch.source if isinstance(batch.source, Vectors) else batch.source.vectors).lengths_B
    padding = batch.source.padded_length - (lengths_B.max() - lengths_B)
    for row, start in enumerate(padding.tolist()):
        assert not tap.weights()[row, ..., start:].any()


def test_a_model_learns_what_only_vectors_say():
    rng = torch.Generator().manual_seed(1)
    sentences = [torch.randint(10, 20, (3,), generator=rng).tolist() for _ in range(120)]
    store = ListStore(sentences, sentences)
    batches = batches_of(store, max_tokens=600, make_source=vectors_of_pairs)
    model = make(VectorsEncoder, positions="rotary").train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    objective = LabelSmoothedCrossEntropy(smoothing=0.0)
    losses = []
    for epoch in range(25):
        for batch in batches.once(epoch):
            loss = objective(model, batch)
            optimizer.zero_grad()
            (loss.minimised / batch.num_tokens).backward()
            optimizer.step()
        losses.append(float(loss.sums["nats"]) / batch.num_tokens)
    assert losses[-1] < 1.2 < losses[0]  # which three pieces, but a set has no order: log(3!) / 4 = 0.45 is the least
    [found] = Greedy()(model.eval().step, model.start(vectors_of([[11, 14, 17]])), max_lengths=[4])
    assert set(found[0].ids) & {11, 14, 17}


def test_a_model_of_it_has_no_source_embedding_and_the_rest_is_tied_as_ever():
    model = make(VectorsEncoder)
    assert model.source_embedding is None and not model.is_source_tied and not model.needs_trees
    assert model.output.weight is model.target_embedding.tokens.weight
    counts = parameter_counts(model)
    assert "source_embedding" not in counts and counts["total"] == sum(p.numel() for p in model.parameters())


def several(num_vectors):
    sentences = [[6, 7, 8], [9, 10], [11, 12, 13, 14]]
    return Several(Text.of(sentences), vectors_of([[5, 6, 7, 8][:count] for count in num_vectors]))


def test_a_memory_says_which_source_each_place_is_of():
    model = make(SeveralEncoder).eval()
    source = several((3, 1, 2))
    memory = model.encode(source)
    assert [part[:2] for part in memory.parts] == [("text", 5), ("vectors", 4)]
    assert (memory.places("text"), memory.places("vectors")) == (slice(0, 5), slice(5, 9))
    with pytest.raises(ValueError, match="memory has no part picture: text, vectors"):
        memory.places("picture")
    assert memory.mask_B11S[:, 0, 0].sum(dim=1).tolist() == [4 + 4, 3 + 2, 5 + 3]
    text = model.encoder.text(source.text, model.source_embedding.read)
    torch.testing.assert_close(memory.states_BSD[:, memory.places("text")], text.states_BSD)


def test_a_decoder_attends_to_both_parts():
    model = make(SeveralEncoder).eval()
    source, target = several((3, 1, 2)), torch.tensor([[BOS, 6, 7]] * 3)
    before = model(source, target)
    other = Several(source.text, Vectors(source.vectors.features_BSF + 1.0, source.vectors.lengths_B))
    assert (model(other, target) - before).abs().max() > 1e-3
    assert (model(Several(source.text.rows([2, 1, 0]), source.vectors), target) - before).abs().max() > 1e-3


@pytest.mark.parametrize("cross_attention", [Prior, Sections], ids=["prior", "sections"])
def test_what_is_known_of_text_is_known_of_its_places_alone(cross_attention):
    model = make(SeveralEncoder, cross_attention=cross_attention, separator=7).eval()
    memory = model.encode(several((3, 1, 2)))
    facts, vectors = memory.source_facts, memory.places("vectors")
    assert facts.segments_BS[0].tolist() == [-1, -1, 0, 0, 0, *[0] * 4]
    if cross_attention is Prior:
        assert (facts.pieces_BS[:, vectors] == -1).all() and facts.pieces_BS[0, 0] == 6
    _, state = model.step(torch.tensor([BOS, BOS, BOS]), model.start(several((3, 1, 2))))
    assert state.position == 1


def test_memories_that_do_not_fit_are_not_joined():
    wide, narrow, twin = (
        Memory.of(name, torch.zeros(2, 3, width), None) for name, width in (("a", 8), ("b", 6), ("a", 8))
    )
    with pytest.raises(ValueError, match=r"memories \(a, b\) must have one width to be joined, not \[8, 6\]"):
        Memory.joined([wide, narrow])
    with pytest.raises(ValueError, match=r"memories \(a, a\) must have different names to be joined"):
        Memory.joined([wide, twin])
    assert Memory.joined([wide, Memory.of("c", torch.ones(2, 1, 8), None)]).mask_B11S is None
