"""What is recommended follows from what was measured, by the rule that the report states."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mt.comparison.comparison import Comparison
from mt.comparison.report import markdown, page, values_as_csv
from mt.comparison.results import Results
from mt.comparison.runs import Task
from mt.comparison.variant import Variant

CROSS, OWN = "decoder.cross_attention", "decoder.self_attention"
LENGTHS = [128, 256, 512]
FAILED = {"how": {"machine": "an abacus"}, "failed": "out of memory"}


def variant(name, slot=CROSS, **more):
    return Variant(name=name, slot=slot, attention=name, node={}, **more)


def run(bleu, *, error_rate=20.0):
    return {
        "overrides": [],
        "tests": {"test": {"bleu": bleu, "chrf": bleu + 10}},
        "signatures": {"test": {"bleu": "nrefs:1|tok:13a", "chrf": "nrefs:1|nc:6"}},
        "alignment": {"set": "test", "measured_on": "gold links", "error_rate": error_rate},
        "maps": {"entropy": 1.0, "sparsity": 0.5, "sink_mass": 0.1, "coverage": 0.9},
        "parameters": 1000,
        "updates": 10,
        "peak_memory_mib": 100,
    }


def cost(**values):
    of_all = dict.fromkeys(("train_seconds", "train_bytes", "step_seconds", "cache_bytes"), 1.0)
    return {"how": {"machine": "an abacus"}} | of_all | values


@pytest.fixture
def comparison(tmp_path):
    """Dense; sharp: better and slower; quick: faster from 256 on; poor: cheapest, and a BLEU below; own: elsewhere."""
    results = Results.open(tmp_path)
    scores = {"dense": (40, 41), "sharp": (42, 41.5), "quick": (39.8, 40.5), "poor": (38, 39), "own": (40, 41)}
    for name, of_seeds in scores.items():
        for seed, bleu in enumerate(of_seeds, start=1):
            results.add_run("words", name, seed, run(bleu, error_rate=10.0 if name in ("sharp", "poor") else 20.0))
    for length in LENGTHS:
        results.add_cost(CROSS, "dense", length, cost(step_seconds=length / 100, train_bytes=length**2))
        results.add_cost(CROSS, "sharp", length, cost(step_seconds=length / 99))
        results.add_cost(CROSS, "quick", length, cost(step_seconds=2.0, train_bytes=length))
        results.add_cost(CROSS, "poor", length, cost(step_seconds=0.1, cache_bytes=0.5))
        results.add_cost(OWN, "dense", length, cost())
        results.add_cost(OWN, "own", length, cost(step_seconds=0.99) if length > 128 else FAILED)
    return Comparison(
        baseline=variant("dense"),
        variants=[
            variant("dense"),
            variant("sharp"),
            variant("quick"),
            variant("poor"),
            variant("own", OWN),
        ],
        tasks=[Task(name="words", overrides=["model=tiny"])],
        seeds=[1, 2],
        lengths=LENGTHS,
        tolerance=0.5,
        results=Results.open(tmp_path),  # as they were kept
        p_values={"words/sharp/test": {"bleu": 0.01, "chrf": 0.2}, "words/quick/test": {"bleu": 0.6, "chrf": 0.6}},
    )


@pytest.mark.parametrize("write, draws", [(markdown, False), (values_as_csv, False), (page, True)])
def test_plots_are_drawn_for_the_page_alone(comparison, monkeypatch, write, draws):
    drawn = []
    monkeypatch.setattr("mt.comparison.report.cost_plot", lambda *_: drawn.append("cost") or b"<svg></svg>")
    monkeypatch.setattr("mt.comparison.report.quality_plot", lambda *_: drawn.append("quality") or b"<svg></svg>")
    write(comparison)
    assert bool(drawn) == draws


def by_name(comparison, name):
    return next(one for one in comparison.variants if one.name == name)


def test_an_exact_variant_may_always_be_chosen_for_its_costs_and_never_for_the_chance_of_its_training(comparison):
    exact = [replace(one, is_exact=one.name in ("sharp", "poor")) for one in comparison.variants]
    comparison = replace(comparison, variants=exact)
    assert comparison.is_eligible(by_name(comparison, "poor"))
    assert comparison.best_by_cost(CROSS, "step_seconds")[0][1].name == "poor"
    assert comparison.best_translation(CROSS).name == "dense" and comparison.best_alignment(CROSS)[0].name == "dense"
    assert "poor computes what dense does, up to rounding" in markdown(comparison)
    assert "-2.00 (words, test)" in markdown(comparison)


def test_differences_are_those_of_the_means_over_seeds(comparison):
    (found,) = comparison.differences(by_name(comparison, "sharp"))
    assert (found.bleu, found.bleu_difference, found.chrf_difference) == (41.75, 1.25, 1.25)
    assert found.p == {"bleu": 0.01, "chrf": 0.2}
    (itself,) = comparison.differences(comparison.baseline)
    assert itself.bleu_difference == 0


def test_a_variant_below_the_tolerance_is_not_recommended(comparison):
    assert comparison.is_eligible(by_name(comparison, "quick"))
    assert not comparison.is_eligible(by_name(comparison, "poor"))
    assert "poor" not in str(
        comparison.best_by_cost(CROSS, "step_seconds") + comparison.best_by_cost(CROSS, "cache_bytes")
    )
    assert comparison.best_alignment(CROSS)[0].name == "sharp"


def test_a_seed_that_is_missing_or_failed_makes_a_variant_unknown(comparison):
    comparison.results.runs["words/quick/2"] = {"overrides": [], "failed": "training ended with 2: no memory"}
    quick = by_name(comparison, "quick")
    assert comparison.differences(quick) == [] and not comparison.is_eligible(quick)
    assert "quick failed: training ended with 2: no memory" in markdown(comparison)


def test_a_gain_counts_where_the_bootstrap_is_sure(comparison):
    assert comparison.best_translation(CROSS).name == "sharp"
    comparison.p_values["words/sharp/test"]["bleu"] = 0.3
    assert comparison.best_translation(CROSS).name == "dense"


def test_a_gain_on_one_test_set_among_several_does_not_count(comparison):
    comparison.tasks.append(Task(name="letters", overrides=[]))
    for name, bleu in (("dense", 30), ("sharp", 31)):
        for seed in (1, 2):
            comparison.results.add_run("letters", name, seed, run(bleu))
    for p, chosen in ((0.3, "dense"), (0.01, "sharp")):
        comparison.p_values["letters/sharp/test"] = {"bleu": p, "chrf": p}
        assert comparison.best_translation(CROSS).name == chosen


def test_links_that_a_variant_trains_with_do_not_measure_its_alignments(comparison):
    variants = [replace(one, knows_links=one.name == "sharp") for one in comparison.variants]
    comparison = replace(comparison, variants=variants)
    assert comparison.best_alignment(CROSS)[0].name == "sharp"
    assert "Not considered for alignments" not in markdown(comparison)
    for name in ("dense", "sharp"):
        for seed in (1, 2):
            comparison.results.run("words", name, seed)["alignment"]["measured_on"] = "links of the statistical aligner"
    assert comparison.best_alignment(CROSS)[0].name == "dense"
    assert "Not considered for alignments: sharp." in markdown(comparison)


def test_the_report_says_how_far_an_exact_variant_differs(comparison):
    comparison = replace(
        comparison, variants=[replace(one, is_exact=one.name == "quick") for one in comparison.variants]
    )
    assert "(1e-05)" not in markdown(comparison)
    for length, difference in zip(LENGTHS, (1e-7, 3e-6, 2e-6), strict=True):
        comparison.results.cost(CROSS, "quick", length)["difference"] = difference
    said = "The results of quick differ from those of dense by at most"
    assert f"{said} 3.0e-06 of the largest value, which is rounding (1e-05)." in markdown(comparison)
    comparison.results.cost(CROSS, "quick", 512)["difference"] = 2e-3
    assert f"{said} 2.0e-03 of the largest value, which is more than rounding (1e-05)." in markdown(comparison)


def test_the_cheapest_is_chosen_by_length_and_crossovers_are_found(comparison):
    chosen = comparison.best_by_cost(CROSS, "step_seconds")
    assert [(lengths, one.name) for lengths, one in chosen] == [([128], "dense"), ([256, 512], "quick")]
    assert comparison.crossover(by_name(comparison, "quick"), "step_seconds") == 256
    assert comparison.crossover(by_name(comparison, "sharp"), "step_seconds") is None
    # a hundredth below is no difference that a timing shows
    assert comparison.crossover(by_name(comparison, "own"), "step_seconds") is None
    assert [one.name for _, one in comparison.best_by_cost(OWN, "step_seconds")] == ["dense"]


def test_markdown_holds_numbers_and_choices(comparison):
    text = markdown(comparison)
    assert f"| {CROSS} | decoding: one more target position | 128: dense; 256 to 512: quick |" in text
    assert f"| {CROSS} | alignment | sharp (error rate 10.0 %) |" in text
    assert "Not eligible: poor." in text
    assert "| sharp | decoder.cross_attention | 41.75 | +1.25 | 0.010 |" in text
    assert "own at 128: out of memory" in text
    assert "Measured on: an abacus." in text


def test_csv_has_every_value_in_a_line(comparison):
    rows = list(csv.DictReader(io.StringIO(values_as_csv(comparison))))
    found = next(row for row in rows if row["value"] == "41.5")
    about = {"part": "run", "task": "words", "test": "test", "variant": "sharp", "seed": "2", "measure": "bleu"}
    assert about.items() <= found.items()
    costs = [row for row in rows if row["part"] == "cost" and row["variant"] == "own"]
    assert {row["length"] for row in costs} == {"256", "512"} and len(costs) == 8


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))


@pytest.mark.slow
def test_the_page_stands_alone_and_has_the_tables_of_the_markdown(comparison):
    text = page(comparison)
    tags = Tags()
    tags.feed(text)
    names = [tag for tag, _ in tags.seen]
    assert names.count("table") == len(re.findall(r"^\| --- ", markdown(comparison), re.M))
    assert names.count("svg") == 3  # a task, two slots
    assert not any("src" in each or each.get("href", "").startswith("http") for _, each in tags.seen)
    assert "<td>+1.25</td>" in text


def test_a_report_of_nothing_says_so(tmp_path):
    nothing = Comparison(
        baseline=variant("dense"),
        variants=[variant("dense"), variant("sharp")],
        tasks=[Task(name="words", overrides=[])],
        seeds=[1],
        lengths=[],
        tolerance=0.5,
        results=Results.open(tmp_path),
    )
    assert "Not measured." in markdown(nothing) and "<p>Not measured.</p>" in page(nothing)


def test_scores_are_shown_with_their_signatures_once_where_they_are_known(comparison):
    said = "Scores: BLEU `nrefs:1|tok:13a` (test); chrF2 `nrefs:1|nc:6` (test)."
    assert markdown(comparison).count(said) == 1
    for measured in comparison.results.runs.values():
        del measured["signatures"]  # as older versions left it
    assert "Scores: " not in markdown(comparison)
