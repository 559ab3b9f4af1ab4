"""What a slot costs is counted on the variant alone, and nothing that goes wrong there ends a comparison."""

import os
from dataclasses import dataclass

import pytest
import torch
import yaml

from mt.comparison.costs import CostSettings, held_bytes, measure, measure_alone
from mt.comparison.variant import Variant
from mt.settings import config_folder

H, K, L = 2, 8, 40
SETTINGS = CostSettings(lengths=[L], num_heads=H, head_size=K, repeats=2, device="cpu")
FLOAT = 4  # bytes


def variant(attention, slot="decoder.cross_attention", **settings):
    node = yaml.safe_load((config_folder() / "attention" / f"{attention}.yaml").read_text("utf-8"))
    return Variant(name=attention, slot=slot, attention=attention, node=node, settings=settings)


def test_a_cache_of_keys_and_values_grows_with_the_length_and_sums_do_not():
    def cache(length, *which, **settings):
        return measure(variant(*which, **settings), length, SETTINGS)["cache_bytes"]

    assert cache(L, "dense") == 2 * H * L * K * FLOAT
    assert cache(3 * L, "dense") == 3 * cache(L, "dense")
    for which, settings in ((("window",), {"reach": 8}), (("average",), {}), (("linear",), {})):
        which = (*which, "decoder.self_attention")
        assert cache(3 * L, *which, **settings) == cache(L, *which, **settings)
    assert cache(L, "window", "decoder.self_attention", reach=8) == 2 * H * (8 + 1) * K * FLOAT


def test_memory_is_counted_and_therefore_the_same_each_time():
    dense, chunked = variant("dense"), variant("chunked")
    first, again = (measure(dense, L, SETTINGS)["train_bytes"] for _ in range(2))
    assert first == again > H * L * L * FLOAT
    assert measure(chunked, 4 * L, SETTINGS)["train_bytes"] < measure(dense, 4 * L, SETTINGS)["train_bytes"]


def test_an_exact_variant_is_measured_against_what_it_is_to_compute():
    exact = measure(variant("chunked"), L, SETTINGS, variant("dense"))["difference"]
    other = measure(variant("window", "decoder.self_attention", reach=2), L, SETTINGS, variant("dense"))["difference"]
    assert 0 < exact < 1e-5 and other > 0.1  # another way to the same
    assert "difference" not in measure(variant("chunked"), L, SETTINGS)


def test_a_measurement_knows_its_machine(monkeypatch):
    here = SETTINGS.how()["machine"]
    assert f"torch {torch.__version__}" in here and "thread" in here
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    assert SETTINGS.how()["machine"] != here and "77 threads" in SETTINGS.how()["machine"]


def test_times_are_positive_and_an_encoder_has_no_step():
    found = measure(variant("dense"), L, SETTINGS)
    assert found["train_seconds"] > 0 and found["step_seconds"] > 0
    assert set(measure(variant("dense", "encoder.self_attention"), L, SETTINGS)) == {"train_bytes", "train_seconds"}


@dataclass(frozen=True, kw_only=True)
class Refusing(Variant):
    """Has its own bounds."""

    def make_mixer(self, num_heads, head_size):
        raise ValueError("40 pieces\nare too many")


def test_a_variant_that_refuses_a_length_says_why():
    refusing = Refusing(name="refusing", slot="decoder.cross_attention", attention="dense", node={})
    assert measure(refusing, L, SETTINGS) == {"failed": "40 pieces are too many"}


@dataclass(frozen=True, kw_only=True)
class Killed(Variant):
    """Ends its process, as a system without memory does."""

    def make_mixer(self, num_heads, head_size):
        os._exit(9)


def test_a_process_that_the_system_ends_is_told_as_out_of_memory():
    killed = Killed(name="killed", slot="decoder.cross_attention", attention="dense", node={})
    assert measure_alone(killed, L, SETTINGS)["failed"].startswith("out of memory")
    assert measure_alone(variant("dense"), L, SETTINGS)["cache_bytes"] == 2 * H * L * K * FLOAT


def test_a_storage_with_two_names_is_counted_once():
    both = torch.zeros(2, 3)
    assert held_bytes([both[0], both[1], (both,)]) == 6 * FLOAT


@pytest.mark.parametrize(
    "values, message",
    [
        ({"lengths": [0]}, r"costs\.lengths \(\[0\]\) must be at least 1 each"),
        ({"lengths": [8], "repeats": 0}, r"costs\.repeats \(0\) must be at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        CostSettings(**values)


def test_an_unknown_or_unfitting_slot_is_refused():
    with pytest.raises(ValueError, match=r"variants\.dense\.slot \(decoder\) must be one of"):
        variant("dense", "decoder")
    with pytest.raises(ValueError, match=r"must be attention for cross-attention \(MemoryMixer\); this one is for"):
        variant("window").make_mixer(H, K)


@pytest.mark.parametrize("attention", ["sections", "structured"])
def test_attention_that_asks_for_the_structure_of_a_source_is_measured_with_one(attention):
    dense, own = (measure(variant(name, "encoder.self_attention"), 4 * L, SETTINGS) for name in ("dense", attention))
    assert own["train_bytes"] >= dense["train_bytes"] + H * (4 * L) ** 2 * FLOAT  # the biases of each head
