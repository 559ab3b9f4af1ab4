"""Hard negatives are drawn from the contrastive softmax by the keys of pairs, and a layer learns to tell them apart."""

from types import SimpleNamespace

import pytest
import torch

from mt.data.batching import Cursor, TokenBatches
from mt.objective.draws import between
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.matching import Matching, negatives
from tests.objective.test_contrastive import rows_of, space_of
from tests.training.runs import SEEN, make_seeing_model

MODEL = SimpleNamespace(space=space_of())
torch.nn.init.constant_(MODEL.space.log_scale, 0.7)  # so that no negative is too rare to be seen


def rows_with_keys(keys):
    return {**rows_of(), "key": torch.tensor(keys)}


def test_numbers_between_keys_are_uniform_and_belong_to_the_pair():
    first, second = torch.arange(300), torch.arange(1000, 1400)
    numbers = between(first, second)
    assert float(numbers.min()) > 0 and float(numbers.max()) < 1
    assert float(numbers.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(numbers.var()) == pytest.approx(1 / 12, abs=0.005)
    assert torch.equal(between(first[7:9], second[[5, 3]]), numbers[7:9][:, [5, 3]])
    assert not torch.equal(between(first, second, stream=1), numbers)


@pytest.mark.parametrize("of_texts", [False, True], ids=["pictures", "texts"])
def test_a_negative_is_never_known_to_be_true_and_depends_on_no_order(of_texts):
    true = {0: {0, 2}, 1: {1, 4}, 2: {0, 2}, 3: {3}, 4: {1, 4}}
    drawn = set()
    for start in range(0, 500, 5):
        rows = rows_with_keys(range(start, start + 5))
        numbers, has = negatives(MODEL, rows, rows, of_texts=of_texts)
        assert has.all() and not [n for n in range(5) if int(numbers[n]) in true[n]]
        drawn |= {(n, int(numbers[n])) for n in range(5)}
        order = torch.tensor([3, 0, 4, 1, 2])
        moved = {key: value[order] for key, value in rows.items()}
        others, _ = negatives(MODEL, {key: value[1:3] for key, value in rows.items()}, moved, of_texts=of_texts)
        assert order[others].tolist() == numbers[1:3].tolist()
    assert len(drawn) == sum(5 - len(true[n]) for n in range(5))  # each that can be drawn is


def test_negatives_follow_the_softmax_of_the_similarities():
    counts = torch.zeros(5)
    for start in range(0, 10_000, 5):
        rows = rows_with_keys(range(start, start + 5))
        numbers, _ = negatives(MODEL, rows, rows, of_texts=False)
        counts[numbers[3]] += 1
    logits = (MODEL.space.scale().detach() * rows["text"] @ rows["thing"].T)[3]
    logits[3] = -torch.inf
    torch.testing.assert_close(counts / counts.sum(), logits.softmax(0), atol=0.03, rtol=0)


def test_where_all_is_true_nothing_false_is_judged():
    rows = rows_with_keys(range(5)) | {"text_key": torch.ones(5, dtype=torch.int64)}
    assert not negatives(MODEL, rows, rows, of_texts=False)[1].any()


def test_a_layer_learns_what_is_true(prepared):
    batches = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=400, seed=1, **SEEN)
    batch, _ = batches.read(Cursor())
    batch = batch._rows((batch.source.parts["image"].numbers_B >= 0).nonzero().squeeze(1)[:6])
    model = make_seeing_model(prepared, dropout=0.0, judges=True).train()
    objective = Matching(inner=LabelSmoothedCrossEntropy(), match=3.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    nats = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = objective(model, batch)
        loss.minimised.backward()
        optimizer.step()
        nats.append(float(loss.sums["match"] / loss.counts["match"]))
    assert max(nats[:3]) > 0.5 and sum(nats[-5:]) / 5 < 0.45


def test_a_space_that_does_not_judge_is_refused(prepared):
    objective = Matching(inner=LabelSmoothedCrossEntropy())
    with pytest.raises(ValueError, match=r"needs a space that judges: model\.space\.judges=true"):
        objective.check(make_seeing_model(prepared))
    objective.check(make_seeing_model(prepared, judges=True))
