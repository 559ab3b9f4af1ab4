"""Rounded weights: a quarter of the bytes, the same numbers wherever they are read, and training that knows of them."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from mt.checkpoint.array_file import read_arrays
from mt.checkpoint.changed import OF_TRANSLATIONS
from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import add_file
from mt.checkpoint.steps import find_step
from mt.compression.quantization import int8_weights
from mt.inference.aligner import Aligner
from mt.inference.native import NativeTranslator
from mt.inference.options import Options
from mt.inference.packed import Int8Linear, int8_engines, side_by_side
from mt.inference.translator import Translator
from mt.kernels.decoding import can_translate
from mt.model.rounded import RoundedLinear, RoundedMatrix, float_tensors, floats_again
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.rounded import RoundedWeights, rounded_passes
from mt.prune import main as prune
from mt.quantize import main
from mt.train import main as train
from tests.compression.test_pruning import SOURCE, TARGET, batches, fresh  # noqa: F401 (a fixture)
from tests.conftest import composed_settings, made_once, reversed_pairs
from tests.test_refusals import overrides_of
from tests.training.conftest import prepared  # noqa: F401 (a fixture)

LINES = reversed_pairs(24, 9)[0]
LEFT_OUT = {"manifest.json", "training.safetensors", "training.json"}  # which comes last; of training alone


@pytest.fixture(scope="module")
def rounded(trained_run, corpus_folder, tmp_path_factory):
    def make(folder):
        for precision in ("int8", "bfloat16"):
            flags = ["--checkpoint", str(trained_run), "--output", str(folder / precision), "--to", precision]
            assert main(flags) == 0

    return made_once(tmp_path_factory, "rounded", make)


def test_weights_are_stored_as_integers_with_a_scale_a_row(rounded, trained_run):
    stored, floats = load_file(rounded / "int8" / "model.safetensors"), load_checkpoint(trained_run).model
    query = "decoder.layers.1.cross_attention.query"
    rows, scale = stored[f"{query}.matrix.rows_OI"], stored[f"{query}.matrix.scale_O"]
    assert rows.dtype == torch.int8 and rows.abs().amax(1).eq(127).all()
    weight = floats.get_submodule(query).weight.detach()
    assert ((rows * scale[:, None]) - weight).abs().le(scale[:, None] * 0.5001).all()
    assert sum("rows_OI" in name and "embedding" in name for name in stored) == 1  # one, tied
    bytes_of = {
        name: sum(t.numel() * t.element_size() for t in load_file(rounded / name / "model.safetensors").values())
        for name in ("int8", "bfloat16")
    }
    whole = 4 * sum(parameter.numel() for parameter in floats.parameters())
    assert bytes_of["int8"] < 0.4 * whole and 0.5 * whole < bytes_of["bfloat16"] < 0.6 * whole


def test_every_reader_finds_the_same_numbers(rounded):
    loaded = load_checkpoint(rounded / "int8")
    model, plain = loaded.model.eval(), floats_again(load_checkpoint(rounded / "int8").model.eval())
    source, target = SOURCE, TARGET
    torch.testing.assert_close(model(source, target), plain(source, target))
    assert model.is_source_tied and plain.is_source_tied and plain.output.weight is plain.target_embedding.tokens.weight
    floats = float_tensors({**dict(model.named_parameters()), **dict(model.named_buffers())})
    arrays = read_arrays(rounded / "int8" / "model.safetensors")
    assert arrays.keys() == floats.keys() == dict(plain.named_parameters()).keys()
    for name, tensor in floats.items():
        torch.testing.assert_close(torch.from_numpy(arrays[name]), tensor.detach(), rtol=0, atol=0)


def test_rounded_weights_are_multiplied_in_bfloat16_where_torch_does_so_slowly(rounded, monkeypatch):
    monkeypatch.setattr("mt.inference.packed.has_onednn", lambda dtype: dtype == torch.float32)  # as with AVX2 alone
    monkeypatch.setattr("mt.inference.translator.NativeSearch.of", lambda *_, **__: None)
    model = Translator.load(rounded / "int8", device="cpu", precision="bfloat16").model
    exact = load_checkpoint(rounded / "int8").model.eval()
    with torch.inference_mode():
        found, expected = model(SOURCE, TARGET).float(), exact(SOURCE, TARGET)
    torch.testing.assert_close(found.softmax(-1), expected.softmax(-1), rtol=0, atol=0.03)


def test_a_changed_checkpoint_appears_whole_or_not_at_all(trained_run, tmp_path, monkeypatch):
    found = set()

    def full(folder, marks):
        found.update(path.name for path in folder.iterdir())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mt.checkpoint.folder.write_manifest", full)
    with pytest.raises(OSError, match="No space left"):
        main(["--checkpoint", str(trained_run), "--output", str(tmp_path / "int8")])
    assert found == {path.name for path in find_step(trained_run).iterdir()} - LEFT_OUT
    assert not (tmp_path / "int8").exists()


@pytest.mark.skipif(not {"fbgemm", "onednn"} <= int8_engines(), reason="no int8 products here")
def test_stored_integers_are_packed_as_they_are():
    torch.manual_seed(0)
    linears = [torch.nn.Linear(24, 16), torch.nn.Linear(24, 40)]
    stored = [RoundedLinear(linear, RoundedMatrix(linear.weight)) for linear in linears]
    packed, x = side_by_side(stored, torch.int8), torch.randn(5, 24)
    assert isinstance(packed, Int8Linear)
    torch.testing.assert_close(packed(x), side_by_side(linears, torch.int8)(x))
    rows = torch.ops.quantized.linear_unpack(packed.weight)[0].int_repr()
    torch.testing.assert_close(rows, torch.cat([one.matrix.rows_OI for one in stored]), rtol=0, atol=0)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("kind", ["int8", "bfloat16"])
def test_a_rounded_checkpoint_translates_and_aligns_as_the_one_it_was_made_of(rounded, trained_run, kind, precision):
    if precision == "int8" and not {"fbgemm", "onednn"} <= int8_engines():
        pytest.skip("no int8 products here")

    def texts(folder):
        return [found.text for found in Translator.load(folder, device="cpu", precision=precision).translate(LINES)]

    same = sum(one == other for one, other in zip(texts(trained_run), texts(rounded / kind), strict=True))
    assert same >= 22
    links = [Aligner.load(folder, device="cpu").align(LINES[:3], LINES[:3]) for folder in (trained_run, rounded / kind)]
    for one, other in zip(*links, strict=True):
        assert abs(one.weights_TS - other.weights_TS).max() < 0.1


@pytest.mark.skipif(not can_translate("float32"), reason="no native code here")
def test_native_code_translates_it_without_torch(rounded):
    native = NativeTranslator.load([rounded / "int8"], Options(device="cpu"))
    assert native is not None
    plain = Translator.load(rounded / "int8", device="cpu")
    plain.native = None
    assert [one.text for one in native.translate(LINES)] == [one.text for one in plain.translate(LINES)]


def test_passes_of_training_see_what_would_be_stored_and_gradients_reach_the_weights(prepared, batches):  # noqa: F811
    model, batch = fresh(prepared), batches[0]
    names = [name for name, _ in model.named_parameters()]
    loss = RoundedWeights(inner=LabelSmoothedCrossEntropy())(model, batch)
    loss.minimised.backward()
    assert [name for name, _ in model.named_parameters()] == names
    assert model.output.weight is model.target_embedding.tokens.weight
    assert all(parameter.grad is not None for parameter in model.parameters())
    with rounded_passes(model):
        inside = model(SOURCE, TARGET)
    outside = model(SOURCE, TARGET)
    int8_weights(model)
    torch.testing.assert_close(inside, model(SOURCE, TARGET))
    assert not torch.allclose(inside, outside, atol=1e-6)


def test_the_command_prints_scores_and_refuses_what_is_rounded(rounded, trained_run, corpus_folder, tmp_path, capsys):
    test = ["--source", f"{corpus_folder}/test.de", "--target", f"{corpus_folder}/test.en"]
    assert main(["--checkpoint", str(trained_run), "--output", str(tmp_path / "o"), *test]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows[2:5]] == [["before", "float32"], ["after", "float32"], ["after", "int8"]]
    assert rows[2][5:] == ["60", "of", "60"] and abs(float(rows[2][2]) - float(rows[4][2])) < 5
    with pytest.raises(ValueError, match="has rounded weights already"):
        main(["--checkpoint", str(rounded / "int8"), "--output", str(tmp_path / "p")])
    with pytest.raises(ValueError, match="must be a new folder"):
        main(["--checkpoint", str(trained_run), "--output", str(tmp_path / "o")])


def test_what_was_measured_of_translations_stays_with_rounded_weights_and_goes_with_removed_ones(
    trained_run, corpus_folder, tmp_path, caplog
):
    step = tmp_path / "step"
    shutil.copytree(find_step(trained_run), step)
    for name in OF_TRANSLATIONS:
        add_file(step, name, f"what {name} holds")
    for precision in ("int8", "bfloat16"):
        assert main(["--checkpoint", str(step), "--output", str(tmp_path / precision), "--to", precision]) == 0
        for name in OF_TRANSLATIONS:
            assert (tmp_path / precision / name).read_text() == f"what {name} holds"
    flags = ["--source", f"{corpus_folder}/valid.de", "--target", f"{corpus_folder}/valid.en", "--limit", "8"]
    assert prune(["--checkpoint", str(step), "--output", str(tmp_path / "pruned"), *flags, "--neurons", "0.5"]) == 0
    for name in OF_TRANSLATIONS:
        assert not (tmp_path / "pruned" / name).exists() and f"{name} is left out" in caplog.text


def test_bfloat16_is_not_rounded_twice_in_silence(rounded, tmp_path, caplog):
    flags = ["--checkpoint", str(rounded / "bfloat16"), "--output", str(tmp_path / "o")]
    with pytest.raises(ValueError, match=r"--checkpoint \(.*bfloat16\) has bfloat16 weights already"):
        main([*flags, "--to", "bfloat16"])
    assert not (tmp_path / "o").exists() and not caplog.messages
    assert main(flags) == 0  # int8
    assert "has bfloat16 weights, which are rounded once more: float32 weights lose less" in caplog.text


def test_pruning_a_bfloat16_checkpoint_gives_a_smaller_one_with_the_same_numbers(
    rounded, corpus_folder, tmp_path, capsys
):
    flags = ["--source", f"{corpus_folder}/valid.de", "--target", f"{corpus_folder}/valid.en", "--limit", "8"]
    before = rounded / "bfloat16"
    assert prune(["--checkpoint", str(before), "--output", str(tmp_path / "o"), *flags, "--cross-heads", "0.5"]) == 0
    assert "stored in bfloat16, as before" in capsys.readouterr().out
    one, other = (load_file(folder / "model.safetensors") for folder in (before, tmp_path / "o"))
    assert {name: tensor.dtype for name, tensor in one.items()} == {name: of.dtype for name, of in other.items()}
    assert sum(tensor.nbytes for tensor in other.values()) < sum(tensor.nbytes for tensor in one.values())
    for name, tensor in other.items():  # whole rows and columns are left out, and nothing else changes
        assert set(tensor.flatten().tolist()) <= set(one[name].flatten().tolist())


def test_a_training_starts_from_rounded_weights_as_floats(rounded, corpus_folder, tmp_path):
    more = [f"start_from={rounded / 'int8'}", "trainer.max_steps=2", "trainer.validate_every=2"]
    more += ["validation.attention_lines=0", "objective=rounded", "trainer.precision=float32"]
    more += ["model.layer.dim=32", "model.layer.num_heads=2", "model.layer.feed_forward_dim=64"]
    more += ["model.encoder.num_layers=1", "model.decoder.num_layers=2"]
    train(composed_settings(overrides_of(corpus_folder, tmp_path, more)))
    assert load_checkpoint(tmp_path / "run").card.changes == []
