"""Whatever an older version wrote still loads, translates alike and resumes: a stored run of each format.

fixtures/NAME is the run folder of two updates of a tiny model, as the program of that time wrote it; expected.json
holds what that program's model gave. From oldest to newest:
    started      model.yaml 1, training.json 1, config.yaml 1: no manifest, a place is an epoch and a batch
    cursor       training.json 2: blocks, sources, more rules of cleaning
    documents    model.yaml 1 with documents and longest source
    attention    … with separators
    unmarked     the last before training.json and config.yaml said their format; composed text, tags
    without_noise  config.yaml 2, before batches.noise
"""

import copy
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from mt.checkpoint.card import ModelCard
from mt.checkpoint.changes import read_settings, settings_to_resume
from mt.checkpoint.folder import load_checkpoint, read_training, write_checkpoint
from mt.checkpoint.manifest import write_manifest
from mt.checkpoint.migrations import DEFAULTS, FORMATS, LIFTS, MOVED, NewerFormat, as_begun, lifted
from mt.checkpoint.rebuild import build, find_target
from mt.checkpoint.run_folder import RunFolder
from mt.data.source import Text
from mt.data.tokenizer import BOS, EOS
from mt.inference.translator import Translator
from mt.search.greedy import Greedy
from mt.training.tracker import Wandb
from mt.training.trainer import Position
from tests.conftest import composed_settings

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text("utf-8"))
RUNS = list(EXPECTED)
OF_FORMAT = {  # kind -> format -> the run that has it
    "model.yaml": {1: "started"},
    "training.json": {1: "started", 2: "cursor"},
    "config.yaml": {1: "started", 2: "without_noise"},
}
SOURCES = ("eins zwei drei", "acht fünf", "sechs")


@pytest.fixture(params=RUNS)
def old(request, tmp_path):
    """The folder of an old run, to be read and written."""
    return Path(shutil.copytree(FIXTURES / request.param, tmp_path / request.param))


def step_of(run):
    return run / "step_000002"


def test_every_format_of_a_file_has_a_stored_one():
    for kind, runs in OF_FORMAT.items():
        assert list(runs) == list(range(1, FORMATS[kind])), kind
        for number, run in runs.items():
            (path,) = (FIXTURES / run).rglob(kind)
            body = yaml.safe_load(path.read_text("utf-8"))
            told = 2 if "cursor" in body else 1
            assert body.get("format", told if kind == "training.json" else 1) == number
    assert OF_FORMAT.keys() | {"wandb_id.txt"} == LIFTS.keys()


def test_an_old_checkpoint_gives_the_logits_and_translations_that_it_gave(old):
    loaded = load_checkpoint(step_of(old))
    model, tokenizers, expected = loaded.model.eval(), loaded.tokenizers, EXPECTED[old.name]
    target = torch.tensor([[BOS, *tokenizers.target.encode("one two")]])
    for source, of_source in zip(SOURCES, expected["logits"], strict=True):
        with torch.no_grad():
            source = Text.of([tokenizers.source.encode(source)])
            logits = model(source, target) @ model.output.weight.T
        torch.testing.assert_close(logits[0, -1], torch.tensor(of_source), rtol=1e-4, atol=1e-5)
    translator = Translator(loaded.model, tokenizers, device="cpu", precision="float32")
    found = translator.translate(list(SOURCES), search=Greedy(max_length=12))
    assert [one.text for one in found] == expected["translations"]


def test_an_old_training_state_holds_all_that_training_counts(old):
    state = read_training(step_of(old))
    position = Position.from_dict(state.numbers)
    assert (position.step, position.cursor.epoch, position.skipped) == (2, 0, 0)
    assert position.cursor.batch == (0 if old.name == "started" else 2), "an epoch of another order begins again"
    assert {name.partition(".")[0] for name in state.tensors} == {"weights", "optimizer"}
    weights = {name.removeprefix("weights.") for name in state.tensors if name.startswith("weights.")}
    assert weights == dict(load_checkpoint(step_of(old)).model.named_parameters()).keys()


def settings_today(run):
    """What the command that made the old runs composes today."""
    small = [f"model.layer.{name}={size}" for name, size in (("dim", 4), ("num_heads", 2), ("feed_forward_dim", 4))]
    return composed_settings(
        [
            *("data=text", "data.name=numbers", "data.source_language=de", "data.target_language=en"),
            *("data.folder=corpus", "tokenizer.vocab_size=40", "tokenizer.byte_fallback=false", "model=tiny", *small),
            *("model.encoder.num_layers=1", "model.decoder.num_layers=1", "batches.max_tokens=300", "search=greedy"),
            *("schedule.peak=0.008", "schedule.warmup_steps=2", "trainer.max_steps=2", "trainer.validate_every=2"),
            *("trainer.precision=float32", "trainer.device=cpu"),
        ]
    ) | {"folder": str(run)}


def opened(run, settings, **how):
    """The run, opened with these settings as `mt.train` does; its folder may have moved."""
    seen = {**settings, "folder": "checkpoints/numbers", "corpus": "another"}
    own = yaml.safe_load((run / "config.yaml").read_text("utf-8")).get("corpus", "")
    return RunFolder.open(run, seen, same_corpus=[own], **how)


def test_the_command_of_an_old_run_resumes_it_as_it_began(old, caplog):
    settings = settings_to_resume(settings_today(old))
    cleaning = settings["data"]["cleaning"]
    assert cleaning["drop_html"] is (old.name != "started")
    assert ("data.cleaning.drop_html=false" in caplog.text) is (old.name == "started")
    assert settings["tokenizer"]["normalization"] == (
        "nfc" if old.name in ("unmarked", "without_noise") else "identity"
    )
    build(settings["data"]["cleaning"]), build(settings["tokenizer"]), build(settings["scores"])
    with opened(old, settings) as run:
        assert run.resume_point() is not None
    again = settings_to_resume(settings_today(old))
    assert again == settings, "what was resumed once is resumed in the same way"
    assert read_settings(old)["begun"] == (2 if old.name == "without_noise" else 1)


def test_a_setting_that_is_given_or_allowed_is_left_and_told_apart_from_a_default(old):
    settings = settings_today(old)
    given = {**settings, "tokenizer": {**settings["tokenizer"], "normalization": "nfkc"}}
    assert settings_to_resume(given)["tokenizer"]["normalization"] == "nfkc"
    with pytest.raises(ValueError, match=r"to continue unchanged, tokenizer.normalization=(identity|nfc)$"):
        opened(old, settings_to_resume(given))
    allowed = {**settings, "resume": {"allow": ["tokenizer"]}}
    assert settings_to_resume(allowed)["tokenizer"] == settings["tokenizer"]
    assert settings_to_resume({**settings, "fresh": True}) == {**settings, "fresh": True}


@pytest.mark.parametrize("kind", LIFTS)
@pytest.mark.parametrize("wrong", [0, -1, 1.5, "1", True, [1]])
def test_a_format_that_is_none_is_refused_in_one_line(kind, wrong):
    with pytest.raises(ValueError, match=rf"^x: format \(.*\) must be a whole number from 1 to {FORMATS[kind]}$"):
        lifted(kind, {"format": wrong}, Path("x"))


@pytest.mark.parametrize("name", ["model.yaml", "training.json", "config.yaml"])
def test_a_newer_format_is_refused_in_one_line_and_nothing_is_set_aside(name, tmp_path):
    run = Path(shutil.copytree(FIXTURES / "unmarked", tmp_path / "run"))
    (path,) = run.rglob(name)
    body = {**yaml.safe_load(path.read_text("utf-8")), "format": 99}
    path.write_text(json.dumps(body), "utf-8")
    write_manifest(run / "step_000002", {})
    read = {
        "model.yaml": lambda: load_checkpoint(run / "step_000002"),
        "training.json": lambda: read_training(run / "step_000002"),
        "config.yaml": lambda: RunFolder.open(run, {}),
    }[name]
    with pytest.raises(ValueError, match=rf"{name} has format 99, this program reads up to {FORMATS[name]}: update it"):
        read()
    if name == "training.json":
        with pytest.raises(NewerFormat):
            opened(run, settings_to_resume(settings_today(run))).resume_point()
    assert (run / "step_000002").is_dir(), "a step of a newer version is not damaged"


def test_lifting_changes_nothing_that_is_said_and_nothing_of_the_format_of_today():
    said = {"trainer": {"skip_limit": 9}, "scores": {"tokenize": "zh"}, "data": {"cleaning": {"drop_html": True}}}
    new = lifted("config.yaml", said, Path("x"))
    assert (new["trainer"]["skip_limit"], new["scores"]["tokenize"]) == (9, "zh")
    assert new["data"]["cleaning"]["drop_html"] is True and new["data"]["cleaning"]["drop_mojibake"] is False
    assert lifted("config.yaml", new, Path("x")) == new
    today = {"format": FORMATS["config.yaml"], "trainer": {}}
    assert lifted("config.yaml", today, Path("x")) == today


def test_every_target_in_old_settings_is_found_where_it_is_now():
    for old, new in MOVED.items():
        target = find_target(old)
        assert f"{target.__module__}.{target.__name__}" == new
        node = {"_target_": old, "inner": [{"_target_": old}]}
        assert lifted("config.yaml", {"a": node}, Path("x"))["a"] == {"_target_": new, "inner": [{"_target_": new}]}


@pytest.mark.parametrize("name", ["LowRank", "MultiScale", "Pooled"])
def test_a_checkpoint_whose_attention_has_moved_loads_and_gives_the_same_logits(name, parts, tmp_path):
    old = f"mt.attention.reduced.{name}"
    new = MOVED[old]
    node = copy.deepcopy(parts["card"].model)
    node["decoder"]["cross_attention"] = {"_target_": new, "_partial_": True}
    sizes = {f"{side}_vocab_size": getattr(parts["tokenizers"], side).size for side in ("source", "target")}
    model = build(node, **sizes).eval()
    folder = tmp_path / "step_000001"
    card = ModelCard(model=node, source_language="de", target_language="en")
    weights = dict(model.named_parameters())
    write_checkpoint(folder, card=card, weights=weights, tokenizers=parts["tokenizers"], scores={})
    text = (folder / "model.yaml").read_text("utf-8")
    (folder / "model.yaml").write_text(text.replace(new, old), "utf-8")
    assert old in (folder / "model.yaml").read_text("utf-8")
    write_manifest(folder, {})
    source, target = torch.tensor([[5, 6, 7, 8, EOS]]), torch.tensor([[BOS, 6, 5]])
    loaded = load_checkpoint(folder).model.eval()
    assert type(loaded.decoder.layers[0].cross_attention.mixer).__module__ == new.rpartition(".")[0]
    torch.testing.assert_close(loaded(Text(source), target), model(Text(source), target), rtol=0, atol=0)


def test_every_default_of_then_is_one_that_todays_settings_take():
    settings = composed_settings([])
    for defaults in DEFAULTS.values():
        for name, (then, now) in defaults.items():
            node = settings
            for key in name.split(".")[:-1]:
                node = node[key]
            assert node[name.split(".")[-1]] == now, f"{name}: its default has changed once more"
            build({**node, name.split(".")[-1]: then})


def test_a_run_of_today_keeps_what_it_was_given_however_old_the_value():
    settings = composed_settings([])
    own = {**settings, "begun": 2, "tokenizer": {**settings["tokenizer"], "normalization": "identity"}}
    assert as_begun(own, settings) == settings


@pytest.mark.parametrize(("text", "known"), [("abc\n", ("abc", 0)), ("abc\n7\n", ("abc", 7))])
def test_the_run_id_of_wandb_is_read_with_and_without_the_last_step(tmp_path, text, known):
    tracker = Wandb()
    tracker._file = tmp_path / "wandb_id.txt"
    tracker._file.write_text(text)
    assert tracker._read() == known
