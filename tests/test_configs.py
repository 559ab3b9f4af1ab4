"""Every settings file composes, and what it describes can be built."""

import shutil
from itertools import zip_longest

import pytest
import torch
from omegaconf import OmegaConf

from mt.attention.contract import CausalMixer, EncoderMixer, MemoryMixer
from mt.checkpoint.rebuild import build, find_target
from mt.data.files import files_of
from mt.model.seq2seq import parameter_counts
from mt.settings import config_folder

PARTS = ("data", "tokenizer", "objective", "optimizer", "schedule", "search", "tracker", "trainer", "final")
NEEDED = {
    **{
        name: ["data.folder=x", "data.source_language=en", "data.target_language=de"]
        for name in ("text", "tsv", "jsonl", "parquet", "tmx", "xliff", "po", "back_translated", "distilled", "adapted")
    },
    "multilingual": ["data.folder=x"],
    **{f"{kind}distillation": ["objective.teacher.checkpoints=x"] for kind in ("", "attention_", "hidden_")},
    "hub": [
        *("data.source_language=en", "data.target_language=de", "data.train.path=x"),
        *("data.train.source_field=en", "data.train.target_field=de"),
    ],
}


GROUPS = ("data", "tokenizer", "objective", "optimizer", "schedule", "search", "tracker")


def options(group):
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


def build_all(settings):
    parts = {name: build(settings[name]) for name in PARTS}
    parts["sampling"] = build(settings["batches"]["sampling"])
    parts["validation search"] = build(settings["validation"]["search"])
    parts["model"] = build_model(settings["model"])
    return parts


def build_model(node):
    with torch.device("meta"):  # sizes without memory
        return build(node, source_vocab_size=8000, target_vocab_size=8000)


@pytest.mark.slow  # composes settings, 0.2 s each time
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_builds(composed, experiment):
    parts = build_all(composed([f"experiment={experiment}"]))
    assert all(part is not None for part in parts.values())


@pytest.mark.slow  # composes settings, 0.2 s each time
def test_every_option_of_a_group_builds(composed):
    """One of each group at a time, since composing takes most of the time."""
    assert all(options(group) for group in GROUPS)
    for chosen in zip_longest(*map(options, GROUPS)):
        overrides = [f"{group}={option}" for group, option in zip(GROUPS, chosen, strict=True) if option]
        is_taught = any(one.startswith("objective=") and one.endswith("distillation") for one in overrides)
        taught = ["objective.teacher.checkpoints=x"] if is_taught else []
        settings = composed([*overrides, *taught, *NEEDED.get(chosen[0], [])])
        for group in GROUPS:
            build(settings[group])


@pytest.mark.slow  # composes settings, 0.2 s each time
@pytest.mark.parametrize(
    "name, layers, millions",
    [
        ("tiny", (2, 2), 2),
        ("small", (3, 3), 7.6),
        ("base", (6, 6), 48),
        ("big", (6, 6), 185),
        ("deep_shallow", (12, 1), 46),
        ("student_tiny", (6, 2), 11.0),
        ("student_base", (6, 4), 23.2),
        ("student_portable", (6, 2), 11.0),
    ],
)
def test_models_have_the_sizes_that_their_names_promise(composed, name, layers, millions):
    model = build_all(composed([f"model={name}"]))["model"]
    assert (len(model.encoder.layers), len(model.decoder.layers)) == layers
    assert parameter_counts(model)["total"] == pytest.approx(millions * 1e6, rel=0.06)


@pytest.mark.parametrize("variant", options("attention"))
def test_every_attention_variant_fits_a_slot_and_is_refused_by_name_where_it_does_not(composed, variant):
    """By the roles that its class plays."""
    roles = {
        "encoder.self_attention": EncoderMixer,
        "decoder.self_attention": CausalMixer,
        "decoder.cross_attention": MemoryMixer,
    }
    node = OmegaConf.to_container(OmegaConf.load(config_folder() / "attention" / f"{variant}.yaml"))
    fitting, path = composed(["model=tiny"])["model"], node["_target_"]
    fits = {slot for slot, role in roles.items() if issubclass(find_target(path), role)}
    assert fits
    for slot in fits:
        part, name = slot.split(".")
        fitting[part][name] = node
    model = build_model(fitting)
    for slot, role in roles.items():
        part, name = slot.split(".")
        if slot in fits:
            layer = getattr(model, part).layers[0]
            mixer = type((layer.attention if part == "encoder" else getattr(layer, name)).mixer)
            assert f"{mixer.__module__}.{mixer.__name__}" == path
            continue
        alone = composed(["model=tiny"])["model"]
        alone[part][name] = node
        refused = rf"{slot} \({path.rpartition('.')[2]}\) must be attention for .* \({role.__name__}\); this one is for"
        with pytest.raises(ValueError, match=refused):
            build_model(alone)


@pytest.mark.parametrize("slot", ["encoder.self_attention", "decoder.self_attention", "decoder.cross_attention"])
def test_a_slot_gets_the_settings_file_of_its_variant_and_others_keep_theirs(composed, slot):
    plain, chosen = (composed([*more, "model=tiny"])["model"] for more in ([], [f"attention@model.{slot}=linear"]))
    part, name = slot.split(".")
    plain[part][name] = OmegaConf.to_container(OmegaConf.load(config_folder() / "attention" / "linear.yaml"))
    assert chosen == plain


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_gated_units_take_the_place_of_half_a_model(composed, half):
    plain = composed(["model=tiny"])
    assert "layer" not in plain["model"][half]
    chosen = [f"layer@model.{half}.layer=gated_unit", f"attention@model.{half}.self_attention=squared"]
    model = build_all(composed(["model=tiny", *chosen]))["model"]
    layer = getattr(model, half).layers[0]
    attention = layer.attention if half == "encoder" else layer.self_attention
    assert type(attention).__name__ == "GatedUnit" and attention.mixer.power == 2
    assert not hasattr(layer, "feed_forward")
    other = {"encoder": "decoder", "decoder": "encoder"}[half]
    assert type(getattr(model, other).layers[0]) is type(getattr(build_all(plain)["model"], other).layers[0])


def test_a_mistyped_setting_deep_inside_is_named(composed, tmp_path):
    settings = composed([])
    settings["model"]["layer"]["drpout"] = 0.1
    with pytest.raises(ValueError, match=r"has no setting drpout; did you mean dropout"):
        build_all(settings)


def test_configs_hold_nothing_but_settings(tmp_path):
    shutil.copytree(config_folder(), tmp_path / "configs")
    assert {path.suffix for path in (tmp_path / "configs").rglob("*") if path.is_file()} == {".yaml"}


@pytest.mark.slow  # composes settings, 0.2 s each time
def test_all_file_formats_have_the_same_knobs(composed):
    """What a corpus of files can be asked for does not depend on its format."""
    knobs = {}
    for option in options("data"):
        data = composed([f"data={option}", *NEEDED.get(option, [])])["data"]
        if files_of(build(data).train):
            knobs[option] = set(data) - {"images", "sounds"}  # beside lines of text
    assert knobs.keys() >= {"text", "tsv", "jsonl", "parquet", "tmx", "xliff", "po"}
    assert {option: knobs["text"] ^ names for option, names in knobs.items()} == {option: set() for option in knobs}
