"""What we set out to reach, beside what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from setting import MODELS, SHORTLIST

FLOP_A_TARGET_TOKEN = 45e6  # of `small`, forward and backward, without padding: 6 x 7.6 million parameters
PYTHON_PEERS = ("transformers",)  # that decode the same weights
MIB_A_GIB = 1024
CACHE_BYTES = 2 * MODELS["base"].num_layers * MODELS["base"].dim * 4

Parts = Mapping[str, dict]  # bodies of the result files by part


class NotMeasured(Exception):
    """A part, or somebody in it, is missing."""


@dataclass(frozen=True)
class Target:
    """`measured` gives the number from the parts; with `at_most` it is to be no more than `bound`, else no less.

    `without_amx` is the bound for processors without AMX, where it is another one.
    """

    what: str
    bound: float
    measured: Callable[[Parts], float]
    form: str = ",.0f"
    at_most: bool = False
    without_amx: float | None = None

    def row(self, parts: Parts) -> list[str]:
        """What, target, measured, and measured / target. Raises NotMeasured."""
        value, bound = self.measured(parts), self.bound
        if self.without_amx is not None and not any(has_amx(body) for body in parts.values()):
            bound = self.without_amx
        sign = "≤" if self.at_most else "≥"
        is_met = value <= bound if self.at_most else value >= bound
        share = f"{value / bound:.2f}"
        return [
            self.what,
            f"{sign} {bound:{self.form}}",
            f"{value:{self.form}}",
            f"**{share}**" if is_met else f"{share} (missed)",
        ]


def has_amx(body: Mapping[str, Any]) -> bool:
    """Whether the machine that measured a part multiplies bfloat16 by AMX."""
    return "amx_bf16" in body["machine"].get("instructions", [])


def number(run: dict, path: str) -> float:
    """A number in a run, under a key, or keys with dots between."""
    value: Any = run
    for key in path.split("."):
        value = value[key]
    return value


def median(runs: Iterable[dict], path: str) -> float:
    """Of a number in the runs."""
    values = [number(run, path) for run in runs]
    if not values:
        raise NotMeasured(path)
    return statistics.median(values)


def middle(parts: Parts, part: str, path: str, **who: Any) -> float:
    """The median over the rounds of a number of `who` in a part."""
    runs = parts.get(part, {"runs": []})["runs"]
    return median([run for run in runs if all(run.get(key) == value for key, value in who.items())], path)


def speed_path(body: Mapping[str, Any]) -> str:
    """Of one thread the processor's time counts, which other work on the machine changes least; else the clock's."""
    return CPU_SPEED if body["machine"].get("threads") == "1" else SPEED


def over_peers(part: str, precision: str = "bfloat16", **how: str) -> Callable[[Parts], float]:
    """Our speed with the system's allocator by the fastest peer's: in bfloat16 of any precision, else of the same."""

    def measured(parts: Parts) -> float:
        if part not in parts:
            raise NotMeasured(part)
        path = speed_path(parts[part])
        ours = middle(parts, part, path, tool="mt", precision=precision, allocator="system")
        same = {} if precision == "bfloat16" else {"precision": precision}
        return ours / max(of_peers(parts, part, path, **how, **same))

    return measured


def two_threads(parts: Parts) -> Parts:
    """Raises NotMeasured where training was measured with one thread, which says nothing of the whole machine."""
    if "training" not in parts or speed_path(parts["training"]) == CPU_SPEED:
        raise NotMeasured("training with two threads")
    return parts


def fair_share(run: dict, runs: Iterable[dict], cores: int) -> float:
    """The speed of a run beside busy processes by what sharing the cores fairly leaves of the quiet speed."""
    quiet = median(
        (one for one in runs if (one["kind"], one["tool"], one["busy"]) == (run["kind"], run["tool"], 0)), "speed"
    )
    return run["speed"] / (quiet * cores / (cores + run["busy"]))


def least_share(parts: Parts) -> float:
    """The least of our medians, of all kinds of work and numbers of busy processes."""
    body = parts.get("busy", {"runs": []})
    shares: dict[tuple, list[float]] = {}
    for run in body["runs"]:
        if run["tool"] == "mt" and run["busy"]:
            share = fair_share(run, body["runs"], body["machine"]["cores"])
            shares.setdefault((run["kind"], run["busy"]), []).append(share)
    if not shares:
        raise NotMeasured("busy")
    return min(map(statistics.median, shares.values()))


def of_peers(parts: Parts, part: str, path: str, **how: str) -> list[float]:
    """The number of every peer, in every precision."""
    runs = parts.get(part, {"runs": []})["runs"]
    kinds = {(run["tool"], run["precision"]) for run in runs if run["tool"] != "mt"}
    kinds &= {(run["tool"], run["precision"]) for run in runs if all(run[key] == value for key, value in how.items())}
    if not kinds:
        raise NotMeasured(part)
    return [middle(parts, part, path, **{**how, "tool": tool, "precision": each}) for tool, each in sorted(kinds)]


def share_of_limit(parts: Parts) -> float:
    """Of the tokens that the machine's float32 products allow, with no time for anything else, in percent."""
    speed = middle(two_threads(parts), "training", SPEED, tool="mt", precision="float32", allocator="system")
    return 100 * speed / (parts["training"]["products"]["float32"] / FLOP_A_TARGET_TOKEN)


def lean(parts: Parts) -> float:
    """Our peak by the leanest peer's."""
    ours = middle(parts, "training", "peak_mib", tool="mt", precision="bfloat16", allocator="system")
    return ours / min(of_peers(parts, "training", "peak_mib", allocator="system"))


def engine(path: str, name: str, best: Callable, parts: Parts) -> float:
    """The best of an engine's precisions, with the whole vocabulary."""
    runs = [run for run in parts.get("decoding", {"runs": []})["runs"] if run["engine"] == name]
    precisions = {run["precision"] for run in runs if not run["precision"].endswith(SHORTLIST)}
    if not precisions:
        raise NotMeasured(name)
    return best(middle(parts, "decoding", path, engine=name, precision=each) for each in sorted(precisions))


def beam_float32(parts: Parts) -> float:
    ours, theirs = (middle(parts, "decoding", BEAM, engine=name, precision="float32") for name in ("mt", "ctranslate2"))
    return ours / theirs


def a_core(stage: str) -> Callable[[Parts], float]:
    """Pairs a second of one core's time, of a stage of preparation."""
    return lambda parts: middle(parts, "preparation", f"{stage}_per_cpu_second", tool="one core")


CPU_SPEED = "target_tokens_per_cpu_second"
SPEED, BEAM, ONE = "target_tokens_per_second", "beam.sentences_per_second", "one_beam.median_ms"
TARGETS = (
    Target(
        "training `small`, bfloat16, target tokens/s",
        11_000,
        lambda parts: middle(
            two_threads(parts), "training", SPEED, tool="mt", precision="bfloat16", allocator="system"
        ),
    ),
    Target(
        "training `small`, bfloat16, divided by the fastest other tool's",
        4,
        over_peers("training", allocator="system"),
        ".2f",
        without_amx=2.5,
    ),
    Target(
        "… divided by the fastest other tool's, with tcmalloc", 2.5, over_peers("training", allocator="tcmalloc"), ".2f"
    ),
    Target(
        "training `small`, bfloat16, peak memory divided by the least of the other tools",
        0.5,
        lean,
        ".2f",
        at_most=True,
    ),
    Target(
        "training `small`, float32, divided by the fastest other tool's",
        1.7,
        over_peers("training", "float32", allocator="system"),
        ".2f",
    ),
    Target("training `small`, float32, % of what the machine's matrix products allow", 75, share_of_limit),
    Target(
        "training `base`, bfloat16, divided by the fastest other tool's",
        3,
        over_peers("training-base", allocator="system"),
        ".2f",
    ),
    Target(
        "training `base`, float32, divided by the fastest other tool's",
        2,
        over_peers("training-base", "float32", allocator="system"),
        ".2f",
    ),
    Target(
        "training `base`, peak memory, GiB (an update of two batches)",
        3,
        lambda parts: middle(parts, "training-base", "peak_mib", tool="mt", precision="bfloat16") / MIB_A_GIB,
        ".2f",
        at_most=True,
    ),
    Target("beam 5, float32, sentences/s divided by CTranslate2's in float32", 1, beam_float32, ".2f"),
    Target(
        "beam 5, best precision, divided by CTranslate2's best",
        1,
        lambda parts: engine(BEAM, "mt", max, parts) / engine(BEAM, "ctranslate2", max, parts),
        ".2f",
    ),
    Target(
        "beam 5, best precision, divided by the fastest Python tool's",
        5,
        lambda parts: engine(BEAM, "mt", max, parts) / max(engine(BEAM, peer, max, parts) for peer in PYTHON_PEERS),
        ".2f",
    ),
    Target(
        "beam 5, same text as CTranslate2 in float32, %",
        99,
        lambda parts: 100 * middle(parts, "decoding", "beam.identical", engine="mt", precision="float32"),
        ".1f",
    ),
    Target(
        "one sentence at a time, beam 5, time divided by CTranslate2's",
        1.5,
        lambda parts: engine(ONE, "mt", min, parts) / engine(ONE, "ctranslate2", min, parts),
        ".2f",
        at_most=True,
    ),
    Target("beside busy processes, least share of a fair part of the cores", 0.6, least_share, ".2f"),
    Target("preparation, cleaning, pairs/s on a core", 100_000, a_core("cleaned")),
    Target("preparation, encoding, pairs/s on a core", 28_000, a_core("encoded")),
    Target(
        "`translate` of one sentence, start included, s",
        2,
        lambda parts: middle(parts, "start", "seconds", what="one sentence", who="mt.translate"),
        ".2f",
        at_most=True,
    ),
    Target(
        "translating with `base`, peak memory, MiB (`--precision int8 --batch-tokens 128`)",
        600,
        lambda parts: middle(parts, "memory", "peak_mib", model="base", how="lean"),
        at_most=True,
    ),
    Target(
        "cache of `base`, bytes for a target token (target: keys and values in float32)",
        CACHE_BYTES,
        lambda parts: middle(parts, "memory", "target_token_bytes", model="base"),
        at_most=True,
    ),
)
