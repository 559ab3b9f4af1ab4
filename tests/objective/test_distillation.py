"""What a student learns from a teacher: whole distributions, maps, states and their relations; and what is refused."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from mt.attention.dense import Dense
from mt.compression.pruning import remove_heads
from mt.data.batching import Cursor, TokenBatches
from mt.model.decoder import Decoder
from mt.model.encoder import Encoder
from mt.model.layer import LayerSettings
from mt.model.seq2seq import Seq2Seq
from mt.objective.attention_distillation import AttentionDistillation, map_divergence
from mt.objective.contract import make_weights
from mt.objective.distillation import Distillation, best_and_rest, divergence_from, mean_log_probs
from mt.objective.guided import Guidance
from mt.objective.hidden_distillation import HiddenDistillation, relation_distance
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.projected_distillation import ProjectedDistillation
from mt.objective.simcut import SimCut
from mt.objective.teacher import Teachers, layer_of_teacher
from mt.training.distributed import Ranks
from mt.training.muon import muon
from mt.training.schedule import Constant
from mt.training.schedule_free import schedule_free
from mt.training.teachers import LoadedTeachers
from mt.training.updater import Updater
from tests.training.runs import assert_same, make_model, make_trainer, own_weights, weights

N, V = 11, 23


@pytest.fixture
def batch(prepared):
    return TokenBatches(prepared.train, prepared.tokenizers, max_tokens=300, seed=1).read(Cursor())[0]


@pytest.fixture
def teachers(prepared):
    return Teachers([make_model(prepared, seed=seed) for seed in (7, 8)], prepared.tokenizers, ["a", "b"])


def test_with_the_whole_vocabulary_the_divergence_is_that_of_distributions_and_never_more_with_less():
    torch.manual_seed(0)
    taught, student = (torch.randn(N, V).mul(2).log_softmax(-1) for _ in range(2))
    exact = nn.functional.kl_div(student, taught, log_target=True, reduction="sum")
    found = [divergence_from(*best_and_rest(taught, best), student) for best in (1, 4, V, V + 5)]
    torch.testing.assert_close(found[2], exact)
    torch.testing.assert_close(found[3], exact)
    assert 0 < found[0] < found[1] < exact
    torch.testing.assert_close(divergence_from(*best_and_rest(taught, 4), taught), torch.tensor(0.0), atol=1e-4, rtol=0)


def test_value_and_gradient_are_those_of_the_definition_whatever_the_chunks(prepared, batch, teachers):
    temperature, weight, size = 2.0, 0.7, prepared.tokenizers.target.size
    model = make_model(prepared, dropout=0.0).train()
    how = {"teacher": teachers, "weight": weight, "temperature": temperature, "best": size, "smoothing": 0.1}
    loss = Distillation(**how, chunk_tokens=7)(model, batch)
    loss.minimised.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    real_BT = batch.target_out_BT != model.pad
    logits, *taught = (
        one.output(one(batch.source, batch.target_in_BT))[real_BT] for one in (model, *teachers.models())
    )
    p = torch.stack([(one / temperature).softmax(-1) for one in taught]).mean(0)
    divergence = nn.functional.kl_div((logits / temperature).log_softmax(-1), p, reduction="sum")
    smoothed = nn.functional.cross_entropy(logits, batch.target_out_BT[real_BT], label_smoothing=0.1, reduction="sum")
    expected = (1 - weight) * smoothed + weight * temperature**2 * divergence
    expected.backward()
    torch.testing.assert_close(loss.minimised, expected)
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=1e-5)


def test_the_mean_of_teachers_is_that_of_their_probabilities():
    torch.manual_seed(1)
    outputs, states = [nn.Linear(5, V, bias=False) for _ in range(3)], torch.randn(N, 5)
    found = mean_log_probs([(output, states) for output in outputs], 1.5).exp()
    torch.testing.assert_close(found, torch.stack([(one(states) / 1.5).softmax(-1) for one in outputs]).mean(0))


@pytest.mark.parametrize("heads", ["mean", "matched"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_maps_or_states(prepared, batch, heads):
    model = make_model(prepared, seed=7, dropout=0.0)
    teacher = Teachers([make_model(prepared, seed=7)], prepared.tokenizers, ["a"])
    plain = LabelSmoothedCrossEntropy()
    maps = AttentionDistillation(inner=plain, teacher=teacher, heads=heads, temperature=0.5)(model, batch)
    hidden = HiddenDistillation(inner=plain, teacher=teacher)(model, batch)
    assert maps.sums["attention_divergence"].item() == pytest.approx(0, abs=1e-4)
    assert hidden.sums["hidden_distance"].item() == pytest.approx(0, abs=1e-4)
    other = make_model(prepared, seed=8, dropout=0.0)
    assert AttentionDistillation(inner=plain, teacher=teacher)(other, batch).sums["attention_divergence"] > 0.1


def test_divergence_of_maps_and_distance_of_relations_are_their_definitions():
    torch.manual_seed(2)
    p, q = (torch.randn(N, 3, 6).softmax(-1) for _ in range(2))
    torch.testing.assert_close(map_divergence(p, q), nn.functional.kl_div(q.log(), p, reduction="sum") / 3)
    student, teacher, real = torch.randn(1, 4, 5), torch.randn(1, 4, 9), torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    cosine = nn.functional.cosine_similarity
    differences = [
        (cosine(student[0, i], student[0, j], dim=0) - cosine(teacher[0, i], teacher[0, j], dim=0)) ** 2
        for i in range(3)
        for j in range(3)
    ]
    torch.testing.assert_close(relation_distance(student, teacher, real), sum(differences) / 3)


@pytest.fixture
def projected(prepared):
    """() -> an objective with a teacher that is wider than the student."""
    layer = LayerSettings(dim=48, num_heads=3, num_kv_heads=3, feed_forward_dim=20)
    size = prepared.tokenizers.source.size
    torch.manual_seed(7)
    teacher = Seq2Seq(
        layer=layer,
        encoder=partial(Encoder, num_layers=1, self_attention=Dense),
        decoder=partial(Decoder, num_layers=2, self_attention=Dense, cross_attention=Dense),
        source_vocab_size=size,
        target_vocab_size=size,
    )
    teachers = Teachers([teacher], prepared.tokenizers, ["a"])
    return lambda: ProjectedDistillation(inner=LabelSmoothedCrossEntropy(), teacher=teachers)


def test_the_distance_of_projected_states_is_its_definition_and_sends_gradients_to_model_and_projection(
    prepared, batch, projected
):
    model, objective = make_model(prepared, dropout=0.0), projected()
    [projection] = make_weights(objective, model)
    loss, plain = objective(model, batch), objective.inner(model, batch)
    real_BT = batch.target_out_BT != model.pad
    own, taught = (one(batch.source, batch.target_in_BT)[real_BT] for one in (model, *objective.teacher.models()))
    expected = (own @ projection.weight.T - taught).square().sum() / 48
    torch.testing.assert_close(loss.sums["projected_distance"], expected.detach())
    torch.testing.assert_close(loss.minimised, plain.minimised + expected)
    (loss.minimised - plain.minimised).backward()
    assert projection.weight.grad.any() and model.encoder.norm.weight.grad.any()


def test_weights_of_an_objective_depend_on_the_seed_alone_and_disturb_no_other_draw(prepared, projected):
    def made(seed, before):
        model = make_model(prepared)
        torch.manual_seed(before)
        how = {"clip_norm": 1.0, "max_tokens": 300, "device": torch.device("cpu"), "dtype": torch.float32}
        updater = Updater(model, projected(), seed=seed, ranks=Ranks(), **how)
        assert torch.initial_seed() == before
        after = torch.randn(1)
        torch.manual_seed(before)
        assert torch.equal(after, torch.randn(1))
        return updater.weights[0].weight

    assert torch.equal(made(1, 5), made(1, 6)) and not torch.equal(made(1, 5), made(2, 5))


def test_the_norms_of_all_parts_make_the_norm_of_the_gradient(prepared, batch, projected):
    model = make_model(prepared, dropout=0.0)
    how = {"clip_norm": 1.0, "max_tokens": 300, "device": torch.device("cpu"), "dtype": torch.float32}
    updater = Updater(model, projected(), seed=1, ranks=Ranks(), **how)
    optimizer = muon(model, updater.weights)
    update = updater(optimizer, [batch], step=0, learning_rate=0.0, by_part=True)
    assert update.norms_of_parts["objective"] > 0
    assert sum(norm**2 for norm in update.norms_of_parts.values()) == pytest.approx(update.gradient_norm**2, rel=1e-4)


def test_an_objective_carries_the_weights_of_the_one_that_it_wraps(prepared, projected):
    outer = Guidance(links="learned", weight=0.5).around(projected())
    outer.inner.inner = inner = projected()
    assert list(make_weights(outer, make_model(prepared))) == [outer.inner.projection, inner.projection]
    assert not list(make_weights(LabelSmoothedCrossEntropy(), make_model(prepared)))


@pytest.mark.parametrize("optimizer", [muon, schedule_free])
def test_a_projection_is_learned_resumes_exactly_and_stays_out_of_the_model(prepared, projected, tmp_path, optimizer):
    def run(folder, **settings):
        how = {"optimizer": optimizer, "schedule": Constant(peak=1e-2, warmup_steps=2), "objective": projected()}
        trainer = make_trainer(prepared, tmp_path / folder, **how, **settings)
        before = own_weights(trainer)
        trainer.run()
        assert not torch.equal(before["0.weight"], own_weights(trainer)["0.weight"])
        return trainer

    whole = run("whole", max_steps=6)
    run("parts", max_steps=3)
    parts = run("parts", max_steps=6, resume=True)
    assert_same(weights(parts), weights(whole))
    assert_same(own_weights(parts), own_weights(whole))
    stored = load_file(tmp_path / "whole" / "last" / "model.safetensors")
    assert stored.keys() == dict(whole.learner.model.named_parameters()).keys()


def test_a_run_goes_on_with_the_weights_of_its_objective_or_not_at_all(prepared, projected, tmp_path):
    make_trainer(prepared, tmp_path / "with", objective=projected(), max_steps=1).run()
    make_trainer(prepared, tmp_path / "without", max_steps=1).run()
    with pytest.raises(ValueError, match=r"does not fit model and objective: objective\.0\.weight of shape \[48, 32\]"):
        make_trainer(prepared, tmp_path / "with", resume=True)
    with pytest.raises(ValueError, match=r"does not fit model and objective: it lacks objective\.0\.weight"):
        make_trainer(prepared, tmp_path / "without", objective=projected(), resume=True)


def test_layers_of_a_deeper_teacher_are_spread_evenly_and_the_last_teaches_the_last():
    assert [layer_of_teacher(layer, 2, 6) for layer in range(2)] == [2, 5]
    assert [layer_of_teacher(layer, 3, 3) for layer in range(3)] == [0, 1, 2]
    assert [layer_of_teacher(layer, 4, 2) for layer in range(4)] == [0, 0, 0, 1]


def test_teachers_are_loaded_when_needed_and_frozen(trained_run, prepared):
    [model] = LoadedTeachers(checkpoints=str(trained_run)).models()
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())
    missing = LoadedTeachers(checkpoints=["nowhere"])
    with pytest.raises(ValueError, match=r"checkpoint \(nowhere\) does not exist"):
        Distillation(teacher=missing).check(make_model(prepared))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: Distillation(teacher=t, weight=0), r"objective.weight \(0\) must be above 0 and at most 1"),
        (lambda t: Distillation(teacher=t, temperature=0), r"objective.temperature \(0\)"),
        (lambda t: Distillation(teacher=t, best=0), r"objective.best \(0\)"),
        (lambda t: HiddenDistillation(inner=None, teacher=t, weight=-1), r"objective.weight \(-1\)"),
        (lambda t: ProjectedDistillation(inner=None, teacher=t, weight=0), r"objective.weight \(0\)"),
        (lambda t: AttentionDistillation(inner=None, teacher=t, heads="some"), r"objective.heads \(some\)"),
    ],
)
def test_wrong_settings_are_refused(teachers, make, message):
    with pytest.raises(ValueError, match=message):
        make(teachers)


@pytest.mark.parametrize("temperature", [0.01, 0.3, 100.0])
def test_maps_are_distributions_at_every_temperature_that_is_allowed(temperature):
    how = AttentionDistillation(inner=None, teacher=None, temperature=temperature)
    weights_BHTS = torch.tensor([[[[0.05] * 20 + [0.0], [0.6, 0.4, *[0.0] * 19]]]], requires_grad=True)
    maps_NAS = how._maps(weights_BHTS, [0], SimpleNamespace(real_N=torch.arange(2)))
    torch.testing.assert_close(maps_NAS.sum(-1), torch.ones(2, 1))
    assert not maps_NAS[0, 0, 20:].any() and not maps_NAS[1, 0, 2:].any()
    ratio = maps_NAS[1, 0, 1] / maps_NAS[1, 0, 0]
    torch.testing.assert_close(ratio, torch.tensor((2 / 3) ** (1 / temperature)))
    maps_NAS[..., 0].sum().backward()
    assert torch.isfinite(weights_BHTS.grad).all()


@pytest.mark.parametrize("heads", ["mean", "matched"])
def test_removed_heads_have_no_part_in_the_distillation_of_maps(prepared, batch, heads):
    student, taught = (make_model(prepared, seed=seed, dropout=0.0) for seed in (7, 8))
    for model in (student, taught):
        with torch.no_grad():  # both heads of a model look alike
            attention = model.decoder.layers[0].cross_attention
            for linear, K in ((attention.query, 16), (attention.key_value, 16)):
                linear.weight[K : 2 * K], linear.bias[K : 2 * K] = linear.weight[:K].clone(), linear.bias[:K].clone()
    objective = AttentionDistillation(
        inner=LabelSmoothedCrossEntropy(), teacher=Teachers([taught], prepared.tokenizers, ["a"]), heads=heads
    )
    whole = objective(student, batch).sums["attention_divergence"]
    for model in (student, taught):
        remove_heads(model, heads={"decoder.layers.0.cross_attention": [1]})
        torch.testing.assert_close(objective(student, batch).sums["attention_divergence"], whole)


def test_the_maps_of_whole_sentences_are_distilled_where_the_inner_objective_also_cuts_some(prepared, batch):
    model = make_model(prepared, seed=7, dropout=0.0)
    teacher = Teachers([make_model(prepared, seed=7)], prepared.tokenizers, ["a"])
    loss = AttentionDistillation(inner=SimCut(rate=0.5), teacher=teacher)(model, batch)
    assert loss.sums["attention_divergence"].item() == pytest.approx(0, abs=1e-4)
