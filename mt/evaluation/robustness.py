"""How a test set's scores change when its sources have noise, one kind at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mt.data.held_out import HeldOut
from mt.data.noise.kinds import KINDS
from mt.data.noise.settings import Noise
from mt.evaluation.report import table
from mt.evaluation.scores import Scores, score
from mt.evaluation.tokenization import Tokenization

METRICS = ("bleu", "chrf")
PLAIN = "plain"
FIRST_KEY = 1_000_000  # of the draws; the same for every model, so that two of them read the same noise


def with_noise(test: HeldOut, kind: str, fixed: Collection[str] = ()) -> HeldOut:
    """The test with this kind of noise in every pair where it is possible; references have what is to be copied.

    Pictures and sounds stay; boxes, which belong to words by their places, are left out.
    """
    noise = Noise(**{kind: 1.0})
    pairs = [noise(pair, FIRST_KEY + number, fixed) for number, pair in enumerate(test.pairs())]
    beside = {name: getattr(test, name) for name in ("images", "pictures", "sounds", "waves")}
    return replace(HeldOut.read(test.name, pairs), **beside)


def robustness(
    test: HeldOut,
    translate: Callable[[HeldOut], Sequence[str]],
    tokenization: Tokenization,
    *,
    fixed: Collection[str] = (),
) -> dict[str, Scores]:
    """The scores of the plain test and of the test with each kind of noise; `fixed` words get none."""
    sets = {PLAIN: test} | {kind: with_noise(test, kind, fixed) for kind in KINDS}
    return {
        name: score(
            translate(one),
            [one.targets],
            metrics=METRICS,
            tokenize=tokenization.tokenize,
            ter=tokenization.ter,
        )
        for name, one in sets.items()
    }


def robustness_table(of_tests: Mapping[str, Mapping[str, Any]]) -> str:
    """The scores that `scores.json` holds under "robustness", a row for each test and kind, with the change of BLEU."""
    rows = {
        f"{test}, {kind} ({body['bleu'] - kinds[PLAIN]['bleu']:+.1f} BLEU)": Scores.from_dict(body)
        for test, kinds in of_tests.items()
        for kind, body in kinds.items()
    }
    return table(rows, first_column="robustness")
