"""InfoNCE between texts and pictures: by its definition, and the same whatever the parts of an update are."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from mt.data.batching import Cursor, TokenBatches
from mt.data.tokenizer import PAD
from mt.data.whole_update import WholeUpdate, over_the_update
from mt.model.layer import LayerSettings
from mt.model.shared_space import SharedSpace, mean_vectors, word_similarities
from mt.objective.contrastive import Contrastive, contrasted
from mt.objective.draws import content_keys
from mt.objective.guided import Guidance
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.matching import Matching
from mt.objective.r_drop import RDrop
from mt.training.distributed import Ranks
from mt.training.updater import Updater
from tests.training.runs import PICTURES, REGIONS, SEEN, make_model, make_seeing_model

N, T, S, E = 5, 3, 4, 6
SETTINGS = LayerSettings(dim=10, num_heads=2, num_kv_heads=2, feed_forward_dim=8)


def space_of(similarity="vectors", **settings):
    torch.manual_seed(3)
    return SharedSpace(settings=SETTINGS, names=["image"], width=E, similarity=similarity, **settings)


def rows_of(similarity="vectors"):
    """Five pairs; the texts of 0 and 2 are equal, and the pictures of 1 and 4."""
    generator = torch.Generator().manual_seed(1)
    sizes = {"vectors": ((N, E), (N, E)), "words": ((N, T, E), (N, S, E))}[similarity]
    text, thing = (torch.nn.functional.normalize(torch.randn(size, generator=generator), dim=-1) for size in sizes)
    is_word = torch.tensor([[True, True, True], [True, False, False]])[[0, 1, 0, 1, 0]]
    keys = {"text_key": torch.tensor([1, 2, 1, 3, 4]), "thing_key": torch.tensor([7, 8, 9, 5, 8])}
    scale = torch.full((N,), 3.0)
    return {"text": text, "thing": thing, "is_word": is_word, "tokens": torch.arange(2.0, 7.0), "scale": scale} | keys


def test_the_loss_of_a_pair_is_its_definition():
    rows = rows_of()
    found = contrasted(space_of(), rows, weight=0.5)
    positives = [[0, 2], [1, 4], [2, 0], [3], [4, 1]]
    logits = 3.0 * rows["text"] @ rows["thing"].T
    for n, true in enumerate(positives):
        of_text = -sum(math.log(logits[n].softmax(0)[m]) for m in true) / len(true)
        of_picture = -sum(math.log(logits[:, n].softmax(0)[m]) for m in true) / len(true)
        assert float(found["contrast"][n]) == pytest.approx((of_text + of_picture) / 2, rel=1e-5)
    torch.testing.assert_close(found["minimised"], 0.5 * 4.0 * found["contrast"])  # 4 target tokens, a mean


def test_the_similarity_of_words_is_the_mean_of_the_largest_cosines():
    rows = rows_of("words")
    found = word_similarities(rows["text"].repeat(9, 1, 1), rows["is_word"].repeat(9, 1), rows["thing"])
    assert found.shape == (9 * N, N)
    for n in range(N):
        for m in range(N):
            words = [word for word, is_word in zip(rows["text"][n], rows["is_word"][n], strict=True) if is_word]
            best = [max(float(word @ place) for place in rows["thing"][m]) for word in words]
            assert float(found[n, m]) == pytest.approx(sum(best) / len(best), abs=1e-6)


def test_a_mean_vector_counts_real_points_alone_and_has_length_one():
    points = torch.randn(2, 3, E)
    is_real = torch.tensor([[True, True, False], [False, False, False]])
    found = mean_vectors(points, is_real)
    torch.testing.assert_close(found[0], torch.nn.functional.normalize(points[0, :2].mean(0), dim=0))
    assert not found[1].any()


@pytest.mark.parametrize("log_scale, gradient, moves", [(4.0, -1, True), (9.0, -1, False), (9.0, 1, True)])
def test_the_scale_is_at_most_100_and_can_leave_its_bound(log_scale, gradient, moves):
    space = space_of()
    with torch.no_grad():
        space.log_scale.fill_(log_scale)
    scale = space.scale()
    assert scale.item() == pytest.approx(min(math.exp(log_scale), 100.0))
    (gradient * scale).backward()  # a step of gradient descent goes the other way
    assert bool(space.log_scale.grad != 0) == moves


def test_equal_rows_have_equal_keys_whatever_padding_follows():
    keys = content_keys(torch.tensor([[3, 5, 0, 0], [5, 3, 0, 0], [3, 5, 0, 0], [3, 0, 5, 0]]))
    assert keys[0] == keys[2] and len(set(keys.tolist())) == 3
    assert torch.equal(content_keys(torch.tensor([[3, 5], [5, 3]])), keys[:2])


@pytest.mark.parametrize("similarity", ["vectors", "words"])
def test_parts_of_two_ranks_give_the_gradient_of_all_rows(similarity):
    space, rows = space_of(similarity), rows_of(similarity)
    learned = [rows[name].requires_grad_() for name in ("text", "thing", "scale")]
    loss_of = partial(contrasted, space, weight=0.5)
    whole = loss_of(rows)
    expected = torch.autograd.grad(whole["minimised"].sum(), learned)
    # rank 0 has the first three pairs in two parts, rank 1 the others and a part without any
    divisions = [[slice(0, 2), slice(2, 3)], [slice(3, 5), slice(5, 5)]]
    parts = [[{key: value[part] for key, value in rows.items()} for part in division] for division in divisions]
    exchanged = {}

    def gather_as(rank):
        calls = iter(range(100))

        def gather(tensor):
            exchanged.setdefault(next(calls), {})[rank] = tensor
            return [tensor, tensor]  # replaced below, when both have given theirs

        return gather

    for rank in range(2):  # what each rank would send
        of_rank = WholeUpdate(2, rank=rank, gather=gather_as(rank))
        for place, own in zip(of_rank.parts, parts[rank], strict=True):
            over_the_update(place, "image", own, loss_of)
        of_rank.complete()
    total = 0.0
    for rank in range(2):
        sent = iter([[of[0], of[1]] for of in exchanged.values()])
        of_rank = WholeUpdate(2, rank=rank, gather=lambda _, sent=sent: next(sent))
        for place, own in zip(of_rank.parts, parts[rank], strict=True):
            over_the_update(place, "image", own, loss_of)
        of_rank.complete()
        for place, own, mine in zip(of_rank.parts, parts[rank], divisions[rank], strict=True):
            found = over_the_update(place, "image", own, loss_of)
            torch.testing.assert_close(found["contrast"], whole["contrast"][mine])
            torch.testing.assert_close(found["minimised"], whole["minimised"][mine])
            total = total + found["minimised"].sum()
    for one, other in zip(torch.autograd.grad(total, learned), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def batch_of(prepared):
    batches = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=600, seed=1, **SEEN)
    return batches.read(Cursor())[0]


OBJECTIVES = {
    "vectors": (Contrastive(inner=LabelSmoothedCrossEntropy()), "vectors"),
    "words, judged": (Matching(inner=LabelSmoothedCrossEntropy()), "words"),
    "words": (Contrastive(inner=LabelSmoothedCrossEntropy(), alone=0.0), "words"),
    "inside of a guide": (
        Guidance(links="given", layer=0).around(Contrastive(inner=LabelSmoothedCrossEntropy())),
        "vectors",
    ),
}


def changed(prepared, objective, similarity, batches, *, max_tokens=10_000, dropout=0.0):
    model = make_seeing_model(prepared, dropout=dropout, similarity=similarity, judges=isinstance(objective, Matching))
    how = {"clip_norm": 0.0, "device": torch.device("cpu"), "dtype": torch.float32, "seed": 1, "ranks": Ranks()}
    updater = Updater(model, objective, max_tokens=max_tokens, **how)
    done = updater(torch.optim.SGD(model.parameters(), lr=1.0), batches, step=0, learning_rate=1.0)
    return done, dict(model.named_parameters())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_one_batch_is_its_parts_is_its_batches(prepared, name):
    objective, similarity = OBJECTIVES[name]
    batch = batch_of(prepared)
    if "guide" in name:
        guide_BTS = torch.rand(*batch.target_in_BT.shape, batch.source.padded_length)
        guide_BTS[..., REGIONS:] = 0
        has_row_BT = (batch.target_out_BT != PAD) & (batch.source.parts["image"].numbers_B >= 0)[:, None]
        batch = replace(batch, guide_BTS=guide_BTS * has_row_BT[..., None])
    middle = len(batch.indices) // 3
    halves = [batch._rows(slice(0, middle)), batch._rows(slice(middle, None))]
    (whole, weights), *others = (
        changed(prepared, objective, similarity, batches, max_tokens=most)
        for batches, most in (([batch], 10_000), ([batch], 150), (halves, 10_000), (halves, 100))
    )
    judges = isinstance(objective, Matching)
    fresh = dict(make_seeing_model(prepared, dropout=0.0, similarity=similarity, judges=judges).named_parameters())
    assert all(bool((weights[name] != fresh[name]).any()) for name in weights if name.startswith(("space", "beside")))
    for done, found in others:
        assert done.sums == pytest.approx(whole.sums, rel=1e-4)
        assert done.counts == pytest.approx(whole.counts, rel=1e-5)
        for parameter, weight in weights.items():
            torch.testing.assert_close(found[parameter], weight, rtol=1e-3, atol=1e-5, msg=parameter)


@pytest.mark.parametrize(
    "objective",
    [
        Contrastive(inner=LabelSmoothedCrossEntropy()),
        Contrastive(inner=RDrop()),
        Matching(inner=LabelSmoothedCrossEntropy()),  # whose decoder reads other texts in the second pass
    ],
    ids=["plain", "two passes", "judged"],
)
def test_both_passes_over_a_part_draw_the_same(prepared, monkeypatch, objective):
    shared = []
    share = WholeUpdate.share

    def watched(self, name, part, own, loss_of):
        start = self._starts[name][part]
        shared.append((own["text"], self._all[name]["text"][start : start + len(own["text"])]))
        shared.append((own["thing"], self._all[name]["thing"][start : start + len(own["thing"])]))
        return share(self, name, part, own, loss_of)

    monkeypatch.setattr(WholeUpdate, "share", watched)
    changed(prepared, objective, "vectors", [batch_of(prepared)], max_tokens=150, dropout=0.5)
    assert len(shared) > 4
    for second, first in shared:
        torch.testing.assert_close(second.detach(), first)


def test_a_pair_without_a_picture_adds_nothing(prepared):
    batch = batch_of(prepared)
    with_picture = batch._rows((batch.source.parts["image"].numbers_B >= 0).nonzero().squeeze(1))
    assert len(with_picture.indices) < len(batch.indices)
    objective = Contrastive(inner=LabelSmoothedCrossEntropy())
    model = make_seeing_model(prepared, dropout=0.0).train()
    all_pairs, seen = objective(model, batch), objective(model, with_picture)
    for name in ("contrast", "text_alone"):
        assert float(all_pairs.sums[name]) == pytest.approx(float(seen.sums[name]), rel=1e-4)
        assert int(all_pairs.counts[name]) == int(seen.counts[name])
    assert int(seen.counts["contrast"]) == len(with_picture.indices)


def test_texts_find_their_pictures_after_some_updates(prepared):
    batch = batch_of(prepared)
    rows = [batch.indices.tolist().index(number) for number in batch.indices.tolist() if number % 6 < len(PICTURES)]
    batch = batch._rows(torch.tensor(rows[:12]))
    torch.manual_seed(0)
    model = make_seeing_model(prepared, dropout=0.0)
    objective = Contrastive(inner=LabelSmoothedCrossEntropy(), weight=2.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = objective(model, batch)
        loss.minimised.backward()
        optimizer.step()
        losses.append(float(loss.sums["contrast"] / loss.counts["contrast"]))
    assert losses[0] > 2.0 and losses[-1] < losses[0] - 0.7


def test_what_cannot_be_is_refused(prepared):
    with pytest.raises(ValueError, match=r"space.similarity \(dots\) must be one of vectors, words"):
        space_of("dots")
    with pytest.raises(ValueError, match=r"space.hidden \(0\) must be at least 1"):
        space_of(hidden=0)
    with pytest.raises(ValueError, match=r"objective.alone \(-1\) must be at least 0"):
        Contrastive(inner=LabelSmoothedCrossEntropy(), alone=-1)
    with pytest.raises(ValueError, match=r"needs a model with a space .* \+space@model.space=shared"):
        Contrastive(inner=LabelSmoothedCrossEntropy()).check(make_model(prepared))
    with pytest.raises(ValueError, match="space needs another source than text"):
        make_model(prepared, space=partial(SharedSpace, width=8))
