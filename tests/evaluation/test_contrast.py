"""The table of contrastive pairs counts sources whose right target is likelier than every wrong one."""

import pytest

from mt.evaluation.contrast import by_kind, contrast_table


def test_a_kind_counts_what_is_likelier_than_every_wrong_target():
    found = by_kind([("a", (-1.0, -2.0)), ("b", (-3.0, -1.0)), ("a", (-1.0, -1.5, -0.5)), ("a", (-1.0, -1.0))])
    assert [(one.kind, one.num_pairs, one.num_right) for one in found] == [("a", 3, 1), ("b", 1, 0)]
    assert found[0].margin_nats == pytest.approx((1.0 - 0.5 + 0.0) / 3)
    assert contrast_table(found).splitlines()[-1].split() == ["all", "4", "25.0", "-0.38"]
