"""Lengths tell whether the lines of both sides go together, where they stop to, and by how many lines they are out."""

import numpy as np
import pytest

from mt.data.diagnosis.agreement import FEWEST_PAIRS, Agreement
from mt.data.diagnosis.section import Level

COUNT = 4000


def lengths(seed=1, count=COUNT):
    rng = np.random.default_rng(seed)
    source = rng.integers(10, 120, count)
    return source, (source * rng.uniform(0.9, 1.4, count)).astype(int)


def findings(source, target, numbers=None):
    section = Agreement.of(source, target, numbers or range(len(source))).section()
    return [(finding.level, finding.line()) for finding in section.findings]


def test_translations_agree():
    source, target = lengths()
    assert Agreement.of(source, target, range(COUNT)).overall > 0.9
    assert findings(source, target) == []


def test_shuffled_lines_do_not():
    source, target = lengths()
    ((level, line),) = findings(source, np.random.default_rng(2).permutation(target))
    assert level == Level.STOP
    assert "do not correspond" in line and "sorted, shuffled" in line


@pytest.mark.parametrize("shift, side", [(1, "target lacks 1 line"), (-1, "source lacks 1 line"), (3, "lacks 3 lines")])
def test_a_missing_line_is_found_with_its_place(shift, side):
    source, target = lengths()
    middle = COUNT // 2
    without = [np.delete(one, range(middle, middle + abs(shift))) for one in (source, target)]
    count = len(without[0])
    pair = (source[:count], without[1]) if shift > 0 else (without[0], target[:count])
    ((level, line),) = findings(*pair)
    assert level == Level.STOP
    assert side in line
    first, last = (
        int(number.replace(",", "")) for number in line.split("between pair ")[1].split(" on ")[0].split(" and ")
    )
    assert first - 1 <= middle <= last


def test_a_part_in_the_middle_is_named():
    source, target = lengths()
    target[1000:2000] = np.random.default_rng(2).permutation(target[1000:2000])
    ((level, line),) = findings(source, target)
    assert level == Level.STOP
    assert "from about pair 1,001 to 2,000" in line


def test_places_are_those_of_the_corpus_when_pairs_are_a_sample_of_it():
    source, target = lengths()
    target[2000:] = np.random.default_rng(2).permutation(target[2000:])
    ((_, line),) = findings(source, target, [10 * number for number in range(COUNT)])
    assert "between pair 18,001 and 22,000" in line


def test_a_few_pairs_say_nothing():
    source, target = lengths(count=FEWEST_PAIRS - 1)
    assert Agreement.of(source, target, range(len(source))).overall is None
    assert findings(source, target[::-1]) == []
