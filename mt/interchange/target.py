"""What a target is, and how one is found: the seam where a new export is one file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from mt.checkpoint.folder import LoadedModel
from mt.inference.decodable import Decodable
from mt.interchange.engine import Engine
from mt.interchange.fate import ABSENT, EXACT, REFUSED, Fate, Rules, fates, refusals, shown
from mt.interchange.plan import Plan
from mt.interchange.table import TARGETS
from mt.listing import listed
from mt.search.beam import Beam


class Target(Protocol):
    """A target reads a plan. Its module imports without its packages, so that every target can be asked what it takes.

    rules   for each setting of a plan, what becomes of it
    search  the class of the search that `translate --engine` uses with `decodable`
    """

    rules: Rules
    search: type[Beam]

    def write(
        self, plan: Plan, loaded: LoadedModel, folder: Path, *, quantization: str | None, **flags: Any
    ) -> Mapping[str, str]:
        """Writes the target's files into an empty folder, and gives what its card says: title -> Markdown.

        Beside them the folder gets what all exports have: tokenizers, `export.json`, evidence, certificate, card and
        licence. `loaded` has the model as it was built, for a target that traces it.
        """

    def engine(self, folder: Path) -> Engine:
        """The exported folder in its own engine. Raises ValueError for a folder that it cannot run."""

    def decodable(self, folder: Path, *, device: str, shortlist: bool) -> Decodable:
        """The exported folder for the commands that translate. Raises ValueError for what it cannot do."""


def find_target(name: str) -> Target:
    """The target of this name."""
    return import_module(f"mt.interchange.{name}").TARGET


def check_packages(name: str) -> None:
    """Raises ValueError, with what to install, where a package of a target is missing."""
    if missing := [package for package in TARGETS[name].packages if find_spec(package) is None]:
        raise ValueError(
            f"{name} needs packages that are missing ({', '.join(missing)}): pip install 'mt-trainer[export]'"
        )


def check_carried(name: str, plan: Plan) -> dict[str, Fate]:
    """What becomes of each setting. Raises ValueError naming what the target refuses, and which targets take it."""
    found = fates(find_target(name).rules, plan)
    refused = refusals(found)
    if not refused:
        return found
    first, fate = next(iter(refused.items()))
    more = f" (and {listed(list(refused)[1:])})" if len(refused) > 1 else ""
    others = [other for other in TARGETS if other != name and not refusals(fates(find_target(other).rules, plan))]
    instead = f"; {' and '.join(others)} can take this model" if others else "; no other target can take this model"
    raise ValueError(f"{name} cannot take {first} ({shown(plan.settings[first])}): {fate.why}{more}{instead}")


def what(plan: Plan) -> str:
    """A table of what each target makes of each setting, and the reasons of all that is not exact."""
    found = {name: fates(find_target(name).rules, plan) for name in TARGETS}
    header = ["setting", "value", *TARGETS]
    rows = [
        [setting, shown(value), *(found[name][setting].level for name in TARGETS)]
        for setting, value in plan.settings.items()
        if value not in ABSENT
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    title = "  ".join(cell.ljust(width) for cell, width in zip(header, widths, strict=True)).rstrip()
    reasons = [f"{name}: {setting}: {fate}" for name, of in found.items() for setting, fate in of.items() if fate.why]
    verdicts = [f"{name}: {'refuses' if refusals(of) else 'takes'} this model" for name, of in found.items()]
    return "\n".join([title, *table, "", *reasons, *([""] if reasons else []), *verdicts])


def not_exact(found: Mapping[str, Fate]) -> dict[str, str]:
    """What the certificate says of settings: those that are not exact, with the reason."""
    return {name: str(fate) for name, fate in found.items() if fate.level not in (EXACT, REFUSED)}
