"""R-Drop is what its paper says, whatever the chunks, and is refused where it could do nothing."""

import pytest
import torch
from torch import nn

from mt.data.batching import Cursor, TokenBatches
from mt.objective.guided import Guidance
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.r_drop import RDrop
from tests.training.runs import WithPassesThatDiffer, make_model, make_trainer


def batch_of(prepared):
    return TokenBatches(prepared.train, prepared.tokenizers, max_tokens=300, seed=1).read(Cursor())[0]


def value_and_gradients(prepared, objective):
    model = make_model(prepared, dropout=0.0).train()
    loss = objective(model, batch_of(prepared))
    loss.minimised.backward()
    return loss, {name: parameter.grad for name, parameter in model.named_parameters()}


def the_paper(model, batch):
    """Half of the loss in the paper, from all logits at once."""
    real_BT = batch.target_out_BT != model.pad
    one, other = (model.output(model(batch.source, batch.target_in_BT))[real_BT] for _ in range(2))
    targets = batch.target_out_BT[real_BT]
    smoothed = [nn.functional.cross_entropy(x, targets, label_smoothing=0.1, reduction="sum") for x in (one, other)]
    p, q = (logits.log_softmax(dim=-1) for logits in (one, other))
    both = [nn.functional.kl_div(*pair, reduction="sum", log_target=True) for pair in ((p, q), (q, p))]
    return (sum(smoothed) + 5.0 * sum(both) / 2) / 2


@pytest.mark.parametrize("chunk", [5, 10_000])
def test_value_and_gradient_are_those_of_the_paper(prepared, chunk):
    loss, gradients = value_and_gradients(prepared, WithPassesThatDiffer(RDrop(chunk_tokens=chunk)))
    model = make_model(prepared, dropout=0.0).train()
    expected = WithPassesThatDiffer(the_paper)(model, batch_of(prepared))
    assert float(loss.minimised.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert float(loss.sums["divergence"]) > 0
    expected.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-5, msg=name)


def test_two_equal_passes_cost_what_one_costs(prepared):
    loss, gradients = value_and_gradients(prepared, RDrop())
    one, of_one = value_and_gradients(prepared, LabelSmoothedCrossEntropy())
    torch.testing.assert_close(loss.minimised, one.minimised)
    torch.testing.assert_close(loss.sums["nats"], one.sums["nats"])
    assert loss.sums["divergence"] == 0
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, of_one[name], rtol=1e-4, atol=1e-5, msg=name)


def test_dropout_makes_the_passes_differ_and_a_model_without_is_refused(prepared, tmp_path):
    model = make_model(prepared, dropout=0.3).train()
    RDrop().check(model)
    assert RDrop()(model, batch_of(prepared)).sums["divergence"] > 0
    for objective in (RDrop(), Guidance(links="learned", layer=0).around(RDrop())):
        with pytest.raises(ValueError, match=r"objective \(r_drop\) .* so model.layer.dropout or .* must be above 0"):
            make_trainer(prepared, tmp_path / "run", model=make_model(prepared, dropout=0.0), objective=objective)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_an_alpha_that_cannot_be_is_refused(alpha):
    with pytest.raises(ValueError, match=rf"objective.alpha \({alpha}\) must be above 0"):
        RDrop(alpha=alpha)
