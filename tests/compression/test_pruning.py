"""What is removed is gone, and was as if it gave nothing; the rest stays; a smaller model trains on."""

import json
import shutil

import pytest
import torch

from mt import prune
from mt.alignment.choice import FILE_NAME, Choice
from mt.alignment.tap import Tap
from mt.attention.relative import Relative
from mt.checkpoint.folder import LoadedModel, load_checkpoint
from mt.checkpoint.manifest import add_file
from mt.checkpoint.steps import find_step
from mt.compression.importance import (
    BY,
    head_importance,
    layer_importance,
    loss_nats,
    masked_heads,
    neuron_importance,
)
from mt.compression.pruning import (
    SLOTS,
    attentions,
    feed_forwards,
    remove_heads,
    remove_layers,
    remove_neurons,
    with_all_heads,
)
from mt.compression.selection import least_heads, least_layers, least_neurons
from mt.data.batching import Batch, Cursor, TokenBatches
from mt.data.source import Text
from mt.inference.aligner import Aligner
from mt.inference.translator import Translator
from mt.interchange.plan import plan_of
from mt.model.alignment_head import add_alignment_head
from mt.model.feed_forward import FeedForward
from mt.prune import kept_alignment, main
from mt.train import main as train
from tests.conftest import composed_settings
from tests.test_refusals import overrides_of
from tests.training.conftest import prepared  # noqa: F401 (a fixture)
from tests.training.runs import make_model

ENCODER, SELF, CROSS = (
    "encoder.layers.0.attention",
    "decoder.layers.0.self_attention",
    "decoder.layers.0.cross_attention",
)
SOURCE, TARGET = Text.of([[5, 6, 7, 3], [8, 9, 3]]), torch.tensor([[2, 5, 9], [2, 7, 0]])


@pytest.fixture
def batches(prepared):  # noqa: F811
    made = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=600, seed=1)
    return [made.read(Cursor(batch=number))[0] for number in range(2)]


def fresh(prepared, seed=3):  # noqa: F811
    return make_model(prepared, seed=seed, dropout=0.0).eval()


@pytest.mark.parametrize("name", [ENCODER, SELF, CROSS])
def test_a_model_without_a_head_computes_what_it_does_where_the_head_gives_nothing(prepared, name):  # noqa: F811
    model = fresh(prepared)
    with masked_heads({attentions(model)[name]: [0]}):
        masked = model(SOURCE, TARGET)
    whole, size = model(SOURCE, TARGET), sum(parameter.numel() for parameter in model.parameters())
    remove_heads(model, heads={name: [0]})
    torch.testing.assert_close(model(SOURCE, TARGET), masked, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(masked, whole)
    assert size - sum(parameter.numel() for parameter in model.parameters()) == 4 * 16 * 32 + 3 * 16
    state = model.start(SOURCE)  # step by step, too
    steps = [model.extend(TARGET[:, place : place + 1], state)[0] for place in range(1)]
    torch.testing.assert_close(steps[0], masked[:, :1], rtol=1e-5, atol=1e-6)


def test_a_removed_head_has_only_zeros_where_attention_is_read(prepared):  # noqa: F811
    model, taps = fresh(prepared), [Tap(), Tap()]
    model(SOURCE, TARGET, tap=taps[0])
    remove_heads(model, heads={CROSS: [0]})
    model(SOURCE, TARGET, tap=taps[1])
    before, after = (tap.weights() for tap in taps)
    assert after.shape == before.shape and not after[:, :, 0].any()
    torch.testing.assert_close(after[:, :, 1], before[:, :, 1])
    norms = model.decoder.layers[0].cross_attention.value_norms(torch.randn(2, 4, 32))
    assert norms.shape == (2, 2, 4) and not norms[:, 0].any() and norms[:, 1].all()


@pytest.mark.parametrize("activation", ["relu", "swiglu"])
def test_a_model_without_neurons_computes_what_it_does_where_they_give_nothing(activation):
    part, x = FeedForward(8, 6, activation=activation), torch.randn(3, 2, 8)
    kept = part.down.weight.clone()
    with torch.no_grad():
        part.down.weight[:, [1, 4]] = 0.0
    masked = part(x)
    holder = torch.nn.ModuleDict({"a": part})
    with torch.no_grad():
        part.down.weight.copy_(kept)
    remove_neurons(holder, neurons={"a": [1, 4]})
    torch.testing.assert_close(part(x), masked)
    assert part.down.in_features == 4


def test_programs_with_one_number_of_heads_get_a_model_that_computes_the_same(prepared):  # noqa: F811
    model, tap = remove_heads(fresh(prepared), heads={CROSS: [0], ENCODER: [1]}), Tap()
    pruned, known = model(SOURCE, TARGET, tap=tap), tap.weights()
    assert {part.num_heads for part in attentions(model).values()} == {1, 2}
    with_all_heads(model)
    assert {part.num_heads for part in attentions(model).values()} == {2}
    torch.testing.assert_close(model(SOURCE, TARGET, tap=(tap := Tap())), pruned)
    torch.testing.assert_close(tap.weights()[:, :, 1], known[:, :, 1])


def test_an_alignment_head_follows_the_heads_whose_keys_it_reads(prepared):  # noqa: F811
    model = add_alignment_head(fresh(prepared), layer=0)
    with masked_heads({attentions(model)[CROSS]: [0]}):
        model(SOURCE, TARGET, tap=(tap := Tap()))
    masked, left = tap.weights(), remove_heads(model, heads={CROSS: [0]})
    left(SOURCE, TARGET, tap=(tap := Tap()))
    assert tap.weights().shape == masked.shape and not tap.weights()[:, 1, 0].any()
    torch.testing.assert_close(tap.weights()[:, 1, 1], masked[:, 1, 1])
    with_all_heads(left)(SOURCE, TARGET, tap=(tap := Tap()))
    torch.testing.assert_close(tap.weights()[:, 1, 1], masked[:, 1, 1])


def test_layers_move_up_and_a_loaded_layer_is_the_one_that_was_left(prepared):  # noqa: F811
    model = make_model(prepared)
    model.encoder.layers.append(fresh(prepared, seed=9).encoder.layers[0])
    last = model.encoder.layers[1]
    remove_layers(model, layers={"encoder": [0]})
    assert list(model.encoder.layers) == [last]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: remove_heads(m, heads={ENCODER: [0, 1]}), "must keep at least one of its 2 heads"),
        (lambda m: remove_heads(m, heads={ENCODER: [2]}), "has no head 2, only 0, 1"),
        (lambda m: remove_heads(m, heads={"encoder": [2]}), "encoder must be one of encoder.layers.0.attention, "),
        (lambda m: remove_neurons(m, neurons={"encoder.layers.0.feed_forward": 64}), "one at least must stay"),
        (lambda m: remove_neurons(m, neurons={"x": 1}), "x must be one of"),
        (lambda m: remove_layers(m, layers={"decoder": [0]}), "decoder has layers 0 to 0, of which one at least"),
        (lambda m: remove_layers(m, layers={"decoder": [7]}), "decoder has no layer 7, only 0 to 0"),
        (lambda m: remove_layers(m, layers={"middle": [0]}), "middle must be one of encoder, decoder"),
    ],
)
def test_what_cannot_be_removed_is_refused(prepared, change, message):  # noqa: F811
    with pytest.raises(ValueError, match=message):
        change(make_model(prepared))


def test_attention_with_weights_for_each_head_is_refused(prepared):  # noqa: F811
    with pytest.raises(ValueError, match="has weights of its own for each head"):
        remove_heads(make_model(prepared, encoder=Relative), heads={ENCODER: [0]})


@pytest.mark.parametrize("by", BY)
def test_every_importance_ranks_every_head(prepared, batches, by):  # noqa: F811
    model = fresh(prepared)
    found = head_importance(model, batches, by)
    assert {name: len(one) for name, one in found.items()} == {ENCODER: 2, SELF: 2, CROSS: 2}
    assert all(torch.isfinite(one).all() and len(set(one.tolist())) == 2 for one in found.values())
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():  # a head that gives nothing is needed least, by what looks at the loss
        attentions(model)[CROSS].output.weight[:, :16] = 0.0
    if by in ("gradient", "trial"):
        assert head_importance(model, batches, by)[CROSS][0].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("by", BY)
def test_an_importance_does_not_depend_on_how_pairs_are_batched(prepared, by):  # noqa: F811
    batch = Batch(
        source=Text.of([[5, 6, 7, 9, 3], [8, 3], [8, 9, 3]]),
        target_in_BT=torch.tensor([[2, 5, 0, 0], [2, 7, 8, 6], [2, 0, 0, 0]]),
        target_out_BT=torch.tensor([[5, 3, 0, 0], [7, 8, 6, 3], [3, 0, 0, 0]]),
        num_tokens=7,
        indices=torch.arange(3),
        keys_B=torch.arange(3),
    )
    model, alone = fresh(prepared), batch.within(1)  # without any padding
    found, expected = head_importance(model, [batch], by), head_importance(model, alone, by)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_by_trial_an_importance_is_what_the_loss_rises_by(prepared, batches):  # noqa: F811
    model = fresh(prepared)
    before, rise = loss_nats(model, batches), head_importance(model, batches, "trial")[CROSS][1].item()
    remove_heads(model, heads={CROSS: [1]})
    assert loss_nats(model, batches) - before == pytest.approx(rise, abs=1e-4)
    assert layer_importance(model, batches) == {}  # one layer a side: none can go
    for half in (model.encoder, model.decoder):
        half.layers.append(half.layers[0])
    assert list(layer_importance(model, batches)) == [(half, n) for half in ("encoder", "decoder") for n in (0, 1)]
    add_alignment_head(model, layer=0)
    assert list(layer_importance(model, batches)) == [("encoder", 0), ("encoder", 1)]


def test_the_least_important_go_and_every_attention_keeps_its_best():
    importance = {ENCODER: torch.tensor([0.1, 0.2, 0.3]), CROSS: torch.tensor([0.25, 0.9, 0.8])}
    assert least_heads(importance, {"all": 0.5}) == {ENCODER: [0, 1], CROSS: [0]}
    assert least_heads(importance, {"cross": 0.34}) == {CROSS: [0]}
    with pytest.raises(ValueError, match=r"heads of all \(0.9\) must be at most 0.67"):
        least_heads(importance, {"all": 0.9})
    with pytest.raises(ValueError, match=r"heads of all \(0.01\) must be at least 0.17, one head"):
        least_heads(importance, {"all": 0.01})
    neurons = {"a": torch.tensor([0.4, 0.1, 0.3, 0.2])}
    assert least_neurons(neurons, 0.5) == {"a": [1, 3]}
    with pytest.raises(ValueError, match=r"neurons \(0.1\) must be at least 0.25, one neuron"):
        least_neurons(neurons, 0.1)


def test_the_layers_that_cost_least_go_and_each_half_keeps_one():
    costs = {("encoder", 0): 0.1, ("encoder", 1): 0.2, ("decoder", 0): 0.9, ("decoder", 1): 0.8, ("decoder", 2): 0.7}
    assert least_layers(costs, 2) == [("encoder", 0), ("decoder", 2)]  # encoder 1 is the last of its half
    assert least_layers(costs, 3) == [("encoder", 0), ("decoder", 2), ("decoder", 1)]
    for count in (0, 4):
        with pytest.raises(ValueError, match=rf"--layers \({count}\) must be from 1 to 3: each half keeps one"):
            least_layers(costs, count)
    with pytest.raises(ValueError, match="no layer can go"):
        least_layers({}, 1)


def test_neurons_are_ranked_by_the_gradient(prepared, batches):  # noqa: F811
    model = fresh(prepared)
    part = feed_forwards(model)["decoder.layers.0.feed_forward"]
    with torch.no_grad():
        part.down.weight[:, 7] = 0.0
    assert neuron_importance(model, batches)["decoder.layers.0.feed_forward"].argmin() == 7


def test_the_command_writes_a_checkpoint_that_translates_aligns_and_trains_on(
    trained_run, corpus_folder, tmp_path, capsys
):
    valid = ["--source", f"{corpus_folder}/valid.de", "--target", f"{corpus_folder}/valid.en"]
    pruned = tmp_path / "pruned"
    flags = ["--checkpoint", str(trained_run), "--output", str(pruned), *valid]
    assert main([*flags, "--cross-heads", "0.5", "--neurons", "0.25"]) == 0
    said = capsys.readouterr().out
    assert "heads of cross-attention: 4 -> 2" in said and "neurons: 192 -> 144" in said
    loaded = load_checkpoint(pruned)
    assert [change["_target_"].rpartition(".")[2] for change in loaded.card.changes] == [
        "remove_heads",
        "remove_neurons",
    ]
    report = json.loads((pruned / "pruning.json").read_text())
    size = sum(parameter.numel() for parameter in loaded.model.parameters())
    assert report["parameters_after"] == size < report["parameters_before"]
    lines = ["eins zwei drei", "acht"]
    float32 = [found.text for found in Translator.of(loaded, device="cpu").translate(lines)]
    assert len(float32) == 2
    [first, _] = Aligner.load(pruned, device="cpu").attention(lines)
    assert first.num_heads == 2
    plan = plan_of(load_checkpoint(pruned))  # what every export reads
    assert plan.uniform_heads() == (2, 2, 16) and plan.settings["changes"] == ("remove_heads", "remove_neurons")
    with pytest.raises(ValueError, match="must be a new folder"):
        main([*flags, "--heads", "0.2"])
    more = [f"start_from={pruned}", "trainer.max_steps=4", "trainer.validate_every=2", "validation.attention_lines=0"]
    more += ["model.layer.dim=32", "model.layer.num_heads=2", "model.layer.feed_forward_dim=64"]
    more += ["model.encoder.num_layers=1", "model.decoder.num_layers=2", "trainer.precision=float32"]
    settings = composed_settings(overrides_of(corpus_folder, tmp_path / "healed", more))
    train({**settings, "trainer": {**settings["trainer"], "max_steps": 2}})
    train(settings)  # resumed, from its own checkpoint
    healed = load_checkpoint(tmp_path / "healed" / "run")
    assert list(healed.card.changes) == list(loaded.card.changes)
    assert size == sum(parameter.numel() for parameter in healed.model.parameters())


@pytest.mark.parametrize(
    ("layer", "flags", "left"),
    [
        (1, ["--layers", "decoder.0"], 0),  # it has moved up
        (0, ["--layers", "decoder.1"], 0),
        (1, ["--layers", "decoder.1"], None),
        (1, ["--encoder-heads", "0.5"], 1),
    ],
)
def test_what_alignments_are_read_from_follows_the_layers_that_stay(
    trained_run, corpus_folder, tmp_path, layer, flags, left
):
    step, valid = tmp_path / "step", [f"{corpus_folder}/valid.{side}" for side in ("de", "en")]
    shutil.copytree(find_step(trained_run), step)
    add_file(step, FILE_NAME, Choice(layer, (1,), 1, threshold=0.4, error_rate=0.1).to_json())
    given = ["--source", valid[0], "--target", valid[1], "--limit", "8", "--output", str(tmp_path / "pruned")]
    assert main(["--checkpoint", str(step), *given, *flags]) == 0
    path = tmp_path / "pruned" / FILE_NAME
    assert path.is_file() == (left is not None)
    if left is not None:
        assert Choice.from_json(path.read_text()) == Choice(left, (1,), 1, threshold=0.4)


def test_the_choice_of_an_alignment_head_stays_where_the_decoder_keeps_its_layers(prepared, tmp_path):  # noqa: F811
    model, text = add_alignment_head(fresh(prepared), layer=0), Choice(1, (0,), 1, error_rate=0.1).to_json()
    (tmp_path / FILE_NAME).write_text(text)
    loaded = LoadedModel(folder=tmp_path, card=None, model=model, tokenizers=prepared.tokenizers, search=None)
    assert kept_alignment(loaded, []) is None  # as it was


def test_the_command_knows_every_importance_and_slot_that_there_is():
    assert prune.BY == BY and set(prune.SLOTS) == set(SLOTS)  # written twice, since --help comes without torch


def test_a_model_that_sees_is_refused(seeing_run, tmp_path):
    (tmp_path / "text").write_text("x\n")
    files = ["--source", str(tmp_path / "text"), "--target", str(tmp_path / "text")]
    with pytest.raises(ValueError, match=r"has encoders beside that of text \(image\): only text is pruned"):
        main(["--checkpoint", str(seeing_run), "--output", str(tmp_path / "o"), *files, "--heads", "0.5"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "there is nothing to remove"),
        (["--heads", "0.1", "--cross-heads", "0.1"], "give one of them, not both"),
        (["--layers", "middle.1"], r"--layers \(middle.1\) must be like encoder.2"),
        (["--heads", "0.95"], r"heads of all \(0.95\) must be at most"),
    ],
)
def test_mistakes_are_refused_and_nothing_is_left(trained_run, corpus_folder, tmp_path, flags, message):
    valid = ["--source", f"{corpus_folder}/valid.de", "--target", f"{corpus_folder}/valid.en", "--limit", "8"]
    with pytest.raises(ValueError, match=message):
        main(["--checkpoint", str(trained_run), "--output", str(tmp_path / "o"), *valid, *flags])
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").iterdir())
