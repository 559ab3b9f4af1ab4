"""Models that see: the encoder of pictures, batches that count regions, guides by boxes, and what stays exact."""

from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch

from mt.alignment.regions import Box, Regions
from mt.attention.axial import Axial
from mt.attention.dense import Dense
from mt.attention.multi_scale import MultiScale
from mt.attention.spatial import Spatial
from mt.data.batching import Batch
from mt.data.images.boxes import read_boxes
from mt.data.plan import plan_batches
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.data.several import Images, Several, another_picture, with_pictures
from mt.data.source import Text, padded, stacked
from mt.data.tokenizer import BOS, EOS, PAD
from mt.model.decoder import Decoder
from mt.model.encoder import Encoder
from mt.model.image_encoder import ImageEncoder
from mt.model.layer import LayerSettings
from mt.model.memory import Grid
from mt.model.seq2seq import Seq2Seq, parameter_counts
from mt.objective.guided import Guidance
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.search.beam import Beam
from mt.training.distributed import Ranks
from mt.training.updater import Updater

V, SIZE, REGIONS = 60, 64, 16
PAIRS = list(islice(Scenes("train", 6, target="en", said="full"), 6))
PICTURES = [Scene.of(pair.image).picture() for pair in PAIRS]


def image_encoder(**settings):
    how = {"size": SIZE, "channels": [8, 12, 16], "strides": [4, 2, 2], "num_layers": 1, "self_attention": Dense}
    return partial(ImageEncoder, **how | settings)


def make(*, cross_attention=Dense, fusion=None, is_seeing=True, norm="layer", **settings):
    torch.manual_seed(0)
    sizes = {"dim": 24, "num_heads": 4, "num_kv_heads": 2, "feed_forward_dim": 32}
    layer = LayerSettings(**sizes, dropout=0.0, positions="rotary", norm=norm)
    return Seq2Seq(
        layer=layer,
        encoder=partial(Encoder, num_layers=1, self_attention=Dense),
        decoder=partial(Decoder, num_layers=2, self_attention=Dense, cross_attention=cross_attention),
        source_vocab_size=V,
        target_vocab_size=V,
        beside={"image": image_encoder(**settings)} if is_seeing else None,
        fusion=fusion,
    )


def batch_of(pictures, lengths, regions=REGIONS, guided=False):
    generator = torch.Generator().manual_seed(5)
    targets = [torch.randint(10, V, (length,), generator=generator).tolist() for length in lengths]
    text = Text.of([[5, 6][: 1 + number % 2] for number in range(len(lengths))])
    source = with_pictures(text, pictures, regions)
    guide = torch.rand(len(lengths), max(lengths) + 1, source.padded_length, generator=generator) if guided else None
    if guide is not None:  # only rows of real targets and regions of real pictures are guided
        guide[:, :, regions:] = 0
        for row, (picture, length) in enumerate(zip(pictures, lengths, strict=True)):
            guide[row, 0 if picture is None else length + 1 :] = 0
    return Batch(
        source=source,
        target_in_BT=padded([[BOS, *target] for target in targets]),
        target_out_BT=padded([[*target, EOS] for target in targets]),
        num_tokens=sum(lengths) + len(lengths),
        indices=torch.arange(len(lengths)),
        keys_B=torch.arange(len(lengths)),
        guide_BTS=guide,
    )


PICTURED = [PICTURES[0], PICTURES[0], PICTURES[1], None, PICTURES[2], PICTURES[3], PICTURES[3], PICTURES[4]]
LENGTHS = [3, 5, 2, 4, 6, 3, 2, 4]


def gradients_of(model, objective, parts, num_tokens):
    total = {}
    for part in parts:
        model.zero_grad()
        (objective(model, part).minimised / num_tokens).backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                total[name] = total.get(name, 0) + parameter.grad.clone()
    return total


@pytest.mark.slow  # trains
@pytest.mark.parametrize("guided", [False, True], ids=["plain", "guided by boxes"])
def test_one_batch_is_four_parts_is_two_ranks(guided):
    batch = batch_of(PICTURED, LENGTHS, guided=guided)
    objective = LabelSmoothedCrossEntropy(smoothing=0.1)
    objective = Guidance(links="boxes").around(objective) if guided else objective
    whole = gradients_of(make(), objective, [batch], batch.num_tokens)
    in_four = [batch._rows(slice(start, start + 2)) for start in range(0, 8, 2)]
    of_ranks = [batch._rows(torch.arange(rank, 8, 2)) for rank in range(2)]
    assert {name.partition(".")[0] for name in whole} >= {"beside", "encoder", "decoder"}
    for parts in (in_four, of_ranks):
        found = gradients_of(make(), objective, parts, batch.num_tokens)
        for name, gradient in whole.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6)


def test_an_update_splits_a_batch_over_the_budget_of_regions_and_pieces():
    batch = batch_of(PICTURED, LENGTHS)
    assert batch.padded_tokens == 8 * (REGIONS + 3) + 8 * 7
    parts = batch.within(90)
    assert [len(part.indices) for part in parts] == [2, 2, 2, 2]
    how = {"clip_norm": 0.0, "device": torch.device("cpu"), "dtype": torch.float32, "seed": 1, "ranks": Ranks()}
    changed = []
    for most in (10_000, 90):
        model = make()
        updater = Updater(model, LabelSmoothedCrossEntropy(), max_tokens=most, **how)
        updater(torch.optim.SGD(model.parameters(), lr=1.0), [batch], step=0, learning_rate=1.0)
        changed.append(model.beside["image"].convolutions[0].convolution.weight.detach())
    torch.testing.assert_close(*changed, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"scales": [1, 2]}, {"num_layers": 0}, {"self_attention": Spatial}], ids=str)
def test_a_picture_gives_the_same_in_any_batch_and_step_by_step(settings):
    model = make(**settings).eval()
    batch = batch_of(PICTURED, LENGTHS, regions=model.image.grid.num_regions)
    with torch.no_grad():
        whole = model.output(model(batch.source, batch.target_in_BT))
        order = torch.tensor([6, 2, 0, 4])
        torch.testing.assert_close(
            model.output(model(batch.source.rows(order), batch.target_in_BT[order])), whole[order], rtol=1e-4, atol=1e-5
        )
        for row in (0, 3, 7):
            alone = model.output(model(batch.source.rows([row]), batch.target_in_BT[row : row + 1]))
            torch.testing.assert_close(alone[0], whole[row], rtol=1e-4, atol=1e-5)
        state = model.start(batch.source)
        for place in range(3):
            logits, state = model.step(batch.target_in_BT[:, place], state)
            torch.testing.assert_close(logits, whole[:, place], rtol=1e-4, atol=1e-5)
        ones = [batch.source.rows([row]) for row in range(8)]
        search = partial(Beam(size=3), model.step, max_lengths=[6] * 8, banned_ids=[PAD, BOS])
        assert [f[0].ids for f in search(model.start(stacked(ones)))] == [
            f[0].ids for f in search(model.start(batch.source))
        ]


def test_a_sentence_without_a_picture_is_that_of_its_text_alone():
    model = make().eval()
    batch = batch_of(PICTURED, LENGTHS)
    text = batch.source.parts["text"].rows([3])
    with torch.no_grad():
        alone = model(text, batch.target_in_BT[3:4])
        beside = model(batch.source, batch.target_in_BT)[3:4]
    torch.testing.assert_close(alone, beside, rtol=1e-4, atol=1e-5)


def test_a_picture_matters_and_another_one_is_another():
    model = make().eval()
    batch = batch_of(PICTURED, LENGTHS)
    other = another_picture(batch.source)
    with torch.no_grad():
        moved = (model(batch.source, batch.target_in_BT) - model(other, batch.target_in_BT)).abs().amax(dim=(1, 2))
    assert (moved > 1e-4).tolist() == [picture is not None for picture in PICTURED]
    text = batch.source.parts["text"]
    assert another_picture(text) is text


def test_a_picture_of_several_sources_is_held_and_encoded_once():
    images = Images.of(PICTURED, REGIONS)
    assert len(images.pixels_NHWC) == 5 and images.numbers_B.tolist() == [0, 0, 1, -1, 2, 3, 3, 4]
    some = images.rows([5, 6, 0])
    assert len(some.pixels_NHWC) == 2 and (some.pixels_NHWC[some.numbers_B[2]].numpy() == PICTURES[0]).all()
    both = Images.stacked([some, images.rows([3, 4])])
    assert both.numbers_B.tolist() == [1, 1, 0, -1, 3] and both.padded_length == REGIONS
    assert with_pictures(Text.of([[5]]), [None], REGIONS).parts.keys() == {"text"}


def test_captions_of_one_picture_share_a_batch_within_the_budget():
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 40, size=150)
    source, target = np.full(150, 66), rng.integers(3, 12, size=150)
    plan = plan_batches(
        source, target, max_tokens=800, max_sentences=None, rng=np.random.default_rng(1), together=pictures
    )
    assert sorted(plan.order.tolist()) == list(range(150))
    seen = [set(pictures[plan.batch(number)].tolist()) for number in range(plan.num_batches)]
    assert sum(map(len, seen)) == len(set(pictures.tolist()))
    for number in range(plan.num_batches):
        members = plan.batch(number)
        assert len(seen[number]) == 1 or len(members) * (66 + target[members].max()) <= 800


@pytest.mark.parametrize("cross_attention", [Dense, partial(MultiScale, factors=[1, 2])], ids=["dense", "multi_scale"])
@pytest.mark.parametrize("self_attention", [Dense, Spatial, Axial], ids=["dense", "spatial", "axial"])
def test_any_attention_reads_regions(self_attention, cross_attention):
    model = make(self_attention=self_attention, cross_attention=cross_attention)
    batch = batch_of(PICTURED, LENGTHS)
    LabelSmoothedCrossEntropy()(model, batch).minimised.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert parameter_counts(model)["total"] == sum(p.numel() for p in model.parameters())


def test_memory_says_where_regions_lie():
    model = make(scales=[1, 2]).eval()
    memory = model.encode(batch_of(PICTURED, LENGTHS, regions=20).source)
    part = memory.parts[0]
    assert (part.name, part.length, part.grid) == ("image", 20, Grid(4, (1, 2)))
    assert memory.source_facts.places_BS2[0, :5].tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0]]
    assert (memory.source_facts.places_BS2[:, memory.places("text")] == -1).all()
    cells = part.grid.cells()
    assert cells.shape == (20, 16) and torch.allclose(cells.sum(1), torch.ones(20))


def test_regions_in_the_boxes_of_a_word():
    regions = Regions.of(SIZE, 8, Grid(8).cells().numpy())
    inside = regions.inside([Box(0, 8, 16, 16, 8)]).reshape(8, 8)
    assert inside.sum() == 2 and inside[2, 1] and inside[2, 2]
    tiny = regions.inside([Box(0, 31, 31, 1, 1)])
    assert tiny.sum() == 1  # a box between the middles of regions is in the nearest one
    for pair, picture in zip(PAIRS, PICTURES, strict=True):
        boxes = [Box(*box) for box in read_boxes(pair.boxes)]
        found = regions.of_words(boxes, len(pair.target.split()))
        assert {box.word for box in boxes} == set(np.flatnonzero(found.any(axis=1)))
        assert picture.shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"size": 60}, "multiple of the product of strides"),
        ({"strides": [4, 2]}, "as many"),
        ({"scales": [3]}, "divisors"),
        ({"scales": []}, "divisors"),
        ({"num_layers": -1}, "num_layers"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings, rule):
    with pytest.raises(ValueError, match=rule):
        make(**settings)


def test_a_source_is_several_by_name():
    batch = batch_of(PICTURED, LENGTHS)
    assert isinstance(batch.source, Several) and list(batch.source.parts) == ["image", "text"]
    assert batch.source.pieces()[1] == [5, 6, EOS] and len(batch.source.to("cpu")) == 8
    assert batch.idle().source.padded_length == REGIONS + 2
