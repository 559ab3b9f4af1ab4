import pytest

from mt.checkpoint.migrations import MOVED
from mt.checkpoint.rebuild import build, find_target
from mt.search.beam import Beam


def test_a_node_is_built_with_its_nested_nodes():
    node = {"_target_": "mt.search.beam.Beam", "size": 3}
    assert build(node) == Beam(size=3)
    assert build({"a": [node, 1], "b": "text"}) == {"a": [Beam(size=3), 1], "b": "text"}
    assert build(node, size=4) == Beam(size=4)


def test_a_partial_node_is_a_factory():
    factory = build({"_target_": "mt.search.beam.Beam", "_partial_": True, "size": 3})
    assert factory(n_best=2) == Beam(size=3, n_best=2)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "mt.data.prepare.os.system",
        "mt.data.prepare.json",
        "mt.data.prepare.Path",
        "mt.data.prepare._open",
        "mtx.evil.run",
        "mt",
        "",
    ],
)
def test_targets_outside_the_package_are_refused(target):
    with pytest.raises(ValueError, match=r"_target_ \(.*\) (must be a public|does not exist)"):
        build({"_target_": target})


def test_a_target_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match=r"_target_ \(mt\.search\.beam\.Bean\) does not exist"):
        build({"_target_": "mt.search.beam.Bean"})


@pytest.mark.parametrize("old", MOVED)
def test_a_target_that_has_moved_is_found_where_it_is_now(old):
    target = find_target(old)
    assert f"{target.__module__}.{target.__name__}" == MOVED[old]


def test_an_unknown_setting_names_the_nearest_one():
    with pytest.raises(
        ValueError, match=r"mt\.search\.beam\.Beam has no setting length_penality; did you mean length_penalty"
    ):
        build({"_target_": "mt.search.beam.Beam", "length_penality": 1.0})


@pytest.mark.parametrize(
    "node, message",
    [
        ({"_target_": "mt.search.beam.Beam", "size": "wide"}, r"Beam.size \(wide\) must be a whole number"),
        ({"_target_": "mt.search.beam.Beam", "max_length": 1.5}, r"max_length \(1.5\) must be a whole number or null"),
        ({"_target_": "mt.training.schedule.Cosine", "peak": None}, r"Cosine.peak \(None\) must be a number"),
        (
            {"_target_": "mt.training.optimizer.adamw", "_partial_": True, "betas": 0.9},
            r"adamw.betas \(0.9\) must be a",
        ),
        ({"_target_": "mt.evaluation.final.FinalSettings", "length_penalties": ["a"]}, r"\(a\) must be a number"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name_and_rule(node, message):
    with pytest.raises(ValueError, match=message):
        build(node)
