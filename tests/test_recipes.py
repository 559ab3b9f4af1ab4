"""`scripts/recipes.py`: every recipe composes, and the table says what was found."""

import sys
from pathlib import Path

import pytest

from tests.conftest import composed_settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import recipes


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_composes(monkeypatch, tmp_path, name):
    trained = {}
    monkeypatch.setattr(recipes, "train", lambda run, overrides: trained.update({run: overrides}))
    run = recipes.made(tmp_path, tmp_path / "corpus", name, 2, ["trainer.log_every=7"], 30)
    settings = composed_settings(trained.pop(run))
    steps = recipes.RECIPES[name].updates or 30
    assert settings["trainer"]["max_steps"] == settings["trainer"]["validate_every"] == steps
    assert settings["trainer"]["seed"] == 2 and settings["trainer"]["log_every"] == 7
    after = recipes.RECIPES[name].after
    assert list(trained) == ([tmp_path / f"{after}-2"] if after else [])  # what it starts from is trained first
    assert settings["start_from"] == (str(tmp_path / f"{after}-2") if after else None)


def test_the_table_has_means_spreads_and_chance():
    references = ["a small house stands here today"] * 10
    worse = [["a small cat stands here today"] * 10, ["a small cat stands there today"] * 10]
    base = recipes.Found(
        worse, [10.0, 12.0], [1.0, 2.0], [3.0, 4.0], [20.0, 21.0], [(0.01, 0.02)] * 2, [(0.03, 0.04)] * 2
    )
    other = recipes.Found([references] * 2, [20.0, 22.0], [2.0, 3.0], [5.0, 6.0], [9.0, 9.0], [], [])
    first, second = list(recipes.rows({"plain": base, "other": other}, references))[2:]
    assert first.startswith("| plain | 11.00 |") and first.endswith(
        "|  |  | 1.5 | 3.50 | 20.5 | 0.010, 0.020 | 0.030, 0.040 |"
    )
    assert (
        second.startswith("| other | 21.00 | 100.00 | 100.00 to 100.00 | +")
        and "| 0.001 | 2.5 | 5.50 | 9.0 |" in second
    )
