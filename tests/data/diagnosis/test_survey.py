"""A walk through a corpus counts everything, keeps an even sample, and raises nothing."""

import pytest

from mt.data.diagnosis.counts import counts_section
from mt.data.diagnosis.section import Level
from mt.data.diagnosis.survey import survey
from mt.data.pair import Fault, Pair
from mt.data.sources import Source


class Numbers:
    """Pairs of a number and its double; some cannot be read, and the walk may break off."""

    def __init__(self, count, faults=(), error=None):
        self.count, self.faults, self.error = count, set(faults), error

    def __iter__(self):
        for number in range(self.count):
            fault = Fault("not UTF-8", f"x.de: not UTF-8 at line {number + 1}") if number in self.faults else None
            yield Pair(f" {number}", f"{2 * number} ", None, fault)
        if self.error:
            raise self.error

    def fingerprint(self):
        return "numbers"


def walked(corpus, max_pairs=30_000, see=None):
    return survey("train", {"train": Source(corpus=corpus)}, max_pairs, see)


def test_a_small_corpus_is_taken_whole_in_its_order():
    seen = []
    found = walked(Numbers(50), see=seen.append)
    assert [drawn.number for drawn in found.sample] == list(range(50))
    assert [drawn.pair for drawn in found.sample] == seen == [Pair(str(n), str(2 * n)) for n in range(50)]
    assert found.is_whole


def test_a_large_one_is_sampled_evenly():
    found = walked(Numbers(20_000), max_pairs=1000)
    numbers = [drawn.number for drawn in found.sample]
    assert (found.num_pairs, len(numbers), found.is_whole) == (20_000, 1000, False)
    assert numbers == sorted(set(numbers))
    for tenth in range(10):
        assert 60 <= sum(2000 * tenth <= number < 2000 * (tenth + 1) for number in numbers) <= 140


def test_what_cannot_be_read_is_counted_and_left_out():
    found = walked(Numbers(100, faults=range(10, 20)))
    assert (found.num_pairs, found.num_readable, len(found.sample)) == (100, 90, 90)
    assert found.unreadable["not UTF-8"].count == 10
    assert found.unreadable["not UTF-8"].messages[0] == "x.de: not UTF-8 at line 11"


@pytest.mark.parametrize("error", [ValueError("line counts must be equal"), OSError("disk on fire")])
def test_a_walk_that_breaks_off_keeps_what_it_has(error):
    found = walked(Numbers(30, error=error))
    assert (len(found.sample), found.problem) == (30, str(error))
    assert any(str(error) in finding.line() for finding in counts_section([found], malformed="refuse").findings)


def test_sources_are_counted_each():
    found = survey("train", {"web": Source(corpus=Numbers(30)), "news": Source(corpus=Numbers(7))}, 100)
    assert found.counts == {"web": 30, "news": 7}
    assert {drawn.source_name for drawn in found.sample} == {"web", "news"}


@pytest.mark.parametrize("malformed, level", [("refuse", Level.STOP), ("drop", Level.IMPROVE)])
def test_unreadable_lines_stop_training_unless_they_may_be_dropped(malformed, level):
    found = walked(Numbers(20_000, faults=[3]))
    (finding,) = counts_section([found], malformed=malformed).findings
    assert finding.level == level
    assert "1 line of train cannot be read, not UTF-8 (first: x.de: not UTF-8 at line 4)" in finding.what


def test_an_unreadable_line_of_a_held_out_set_always_does():
    found = survey("test", {"test": Source(corpus=Numbers(500, faults=[3]))}, 1000)
    good = walked(Numbers(20_000))
    (finding,) = counts_section([good, found], malformed="drop").findings
    assert finding.level == Level.STOP


@pytest.mark.parametrize("count, level", [(0, Level.STOP), (5, Level.STOP), (5000, Level.IMPROVE), (20_000, None)])
def test_too_little_text_is_reported(count, level):
    levels = [finding.level for finding in counts_section([walked(Numbers(count))], malformed="refuse").findings]
    assert [one for one in levels if one > Level.NOTE] == ([level] if level is not None else [])
