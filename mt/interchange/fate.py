"""What becomes of a setting in an export, and the rules by which a target decides it. Imports no library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mt.interchange.plan import Plan

EXACT, ROUNDED, LEFT_OUT, REFUSED = "exact", "rounded", "left out", "refused"
LEVELS = (EXACT, ROUNDED, LEFT_OUT, REFUSED)
ABSENT = (None, (), "")  # values of settings that a model does not have
ZEROS = "removed heads are zeros, which take their room again"
FLOATS = "integers of 8 bits are multiplied out to float32"


@dataclass(frozen=True)
class Fate:
    """What a target makes of one setting: one of LEVELS, and why, or what a user should know about it.

    exact     the exported model computes the same
    rounded   it computes the same with rounded numbers
    left out  translations do not need it, and the export does not have it
    refused   without it the translations would be others, so there is no export
    """

    level: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.level}: {self.why}" if self.why else self.level


Rule = Callable[[Any, "Plan"], Fate]
Rules = Mapping[str, Rule]


def exact(why: str = "") -> Rule:
    """Any value goes exactly; `why` is what a user should know of one that is not absent."""
    return lambda value, plan: Fate(EXACT, "" if value in ABSENT else why)


def left_out(why: str) -> Rule:
    """No value goes, and translations do not need it. An absent value needs no reason."""
    return lambda value, plan: Fate(EXACT) if value in ABSENT else Fate(LEFT_OUT, why)


def one_of(*values: Any, why: str) -> Rule:
    """These values go exactly, others are refused because of `why`."""
    return lambda value, plan: Fate(EXACT) if value in values else Fate(REFUSED, why)


def attention(*kinds: str, why: str) -> Rule:
    """Attention (`mt.interchange.plan.AttentionPlan`) of these kinds goes exactly, others are refused."""
    return lambda value, plan: Fate(EXACT) if value.kind in kinds else Fate(REFUSED, why)


def changed(**notes: str) -> Rule:
    """What was done to a model after its training goes exactly, since a plan describes the model that is left.

    `notes`: what a user should know of a change, by the name of its function.
    """
    return lambda value, plan: Fate(EXACT, "; ".join(notes[name] for name in dict.fromkeys(value) if name in notes))


def fates(rules: Rules, plan: Plan) -> dict[str, Fate]:
    """What becomes of each setting of a plan; a setting without a rule is refused, so that none is forgotten."""
    unknown = Fate(REFUSED, "there is no rule for this setting")
    return {name: rules[name](value, plan) if name in rules else unknown for name, value in plan.settings.items()}


def shown(value: Any) -> str:
    """The value of a setting, in words."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def refusals(found: Mapping[str, Fate]) -> dict[str, Fate]:
    """Those that prevent an export."""
    return {name: fate for name, fate in found.items() if fate.level == REFUSED}
