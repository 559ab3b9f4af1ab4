"""Two directions made one."""

import numpy as np
import pytest

from mt import flags
from mt.alignment.symmetrize import SOFT_PRODUCT, SYMMETRIZATIONS, soft_product

FORWARD = {(0, 0), (1, 1), (1, 2), (4, 4), (6, 1)}
BACKWARD = {(0, 0), (1, 1), (2, 2), (3, 5)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("forward", FORWARD),
        ("backward", BACKWARD),
        ("intersection", {(0, 0), (1, 1)}),
        ("union", FORWARD | BACKWARD),
        # 1-2 touches 1-1, and target 2 was alone; 2-2 touches it, and source 2 was; 4-4 touches nothing
        ("grow-diag", {(0, 0), (1, 1), (1, 2), (2, 2)}),
        # 6-1 has a source of its own, though target 1 is taken
        ("grow-diag-final", {(0, 0), (1, 1), (1, 2), (2, 2), (4, 4), (6, 1), (3, 5)}),
        ("grow-diag-final-and", {(0, 0), (1, 1), (1, 2), (2, 2), (4, 4), (3, 5)}),
    ],
)
def test_what_each_keeps(name, expected):
    assert SYMMETRIZATIONS[name](FORWARD, BACKWARD) == expected


@pytest.mark.parametrize("name", SYMMETRIZATIONS)
def test_all_lie_between_intersection_and_union_and_agree_where_directions_do(name):
    rng = np.random.default_rng(1)
    symmetrize = SYMMETRIZATIONS[name]
    for _ in range(50):
        forward, backward = ({(int(s), int(t)) for s, t in rng.integers(0, 7, (9, 2))} for _ in range(2))
        assert forward & backward <= symmetrize(forward, backward) <= forward | backward
        assert symmetrize(forward, forward) == forward
        turned = ({(t, s) for s, t in links} for links in (forward, backward))
        if name not in ("forward", "backward") and "final" not in name:
            # the order of neighbours breaks ties, so that only what is kept for certain is the same turned round
            assert forward & backward <= {(s, t) for t, s in symmetrize(*turned)} <= forward | backward


def test_the_soft_product_is_sure_where_both_are():
    forward_TS = np.array([[1.0, 0.0], [0.5, 0.5]])
    backward_ST = np.array([[1.0, 0.0], [0.0, 0.5]])
    assert np.allclose(soft_product(forward_TS, backward_ST), [[1.0, 0.0], [0.0, 0.5]])


def test_the_names_on_the_command_line_are_those_of_the_rules():
    assert {"forward", "backward", *flags.SYMMETRIZATIONS} == {*SYMMETRIZATIONS, SOFT_PRODUCT}
