import pytest

from mt.inference.loops import Loop, loops


@pytest.mark.parametrize(
    "source, target, found",
    [
        ("a b", "x y z", []),
        ("a b", "x x", []),
        ("a b", "x x x", [Loop(0, 1, 3)]),
        ("a b", "z x y x y x y x", [Loop(1, 2, 3)]),
        ("a b", "x x x x x x", [Loop(0, 1, 6)]),
        ("a b", "x x x y z y z y z", [Loop(0, 1, 3), Loop(3, 2, 3)]),
        ("very very very good", "sehr sehr sehr gut", []),
        ("very very very good", "sehr sehr sehr sehr gut", [Loop(0, 1, 4)]),
        ("", "", []),
    ],
)
def test_loops(source, target, found):
    assert loops(source.split(), target.split()) == found
