"""Scores as a table for readers and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mt.evaluation.scores import Scores, metric_name
from mt.evaluation.significance import Interval

Intervals = Mapping[str, Mapping[str, Interval]]  # by name and metric
PValues = Mapping[str, Mapping[str, float]]


def table(
    scores: Mapping[str, Scores],
    *,
    first_column: str = "test",
    intervals: Intervals | None = None,
    p: PValues | None = None,
) -> str:
    """A text table: one row for each named set, all with the same metrics, then the signatures.

    With `intervals` each score is followed by mean and half width of its confidence interval, with `p` by its p.

    | test       BLEU  BLEU lower-cased  chrF2    TER  length ratio  lines
    | test2016  38.51             39.12  63.20  44.87         0.987   1000
    """
    metrics = list(dict.fromkeys(metric for one in scores.values() for metric in one.values))
    with_p = any((p or {}).values())
    heads = [head for metric in metrics for head in ([metric_name(metric), "p"] if with_p else [metric_name(metric)])]
    rows = [[first_column, *heads, "length ratio", "lines"]]
    for name, one in scores.items():
        row = [name]
        for metric in metrics:
            row.append(f"{one.values[metric]:.2f}" if metric in one.values else "-")
            if (around := (intervals or {}).get(name, {}).get(metric)) is not None:
                row[-1] += f" ({around.mean:.2f} ± {around.half_width:.2f})"
            if with_p:
                value = (p or {}).get(name, {}).get(metric)
                row.append("-" if value is None else f"{value:.4f}")
        rows.append([*row, f"{one.length_ratio:.3f}", str(one.num_lines)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells in rows:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]))
    return "\n".join([*lines, "", *_signature_lines(scores)])


def to_json(
    scores: Mapping[str, Scores], *, intervals: Intervals | None = None, p: PValues | None = None, **more: Any
) -> str:
    """The named sets' scores, and further facts, as one JSON object."""
    of_sets: dict[str, dict[str, Any]] = {name: one.to_dict() for name, one in scores.items()}
    for name, of_set in of_sets.items():
        if around := (intervals or {}).get(name):
            of_set["confidence"] = {metric: asdict(one) for metric, one in around.items()}
        if values := (p or {}).get(name):
            of_set["p"] = dict(values)
    body = {"scores": of_sets, **more}
    return json.dumps(body, ensure_ascii=False, indent=2, allow_nan=False)


def _signature_lines(scores: Mapping[str, Scores]) -> list[str]:
    """Each signature once, with the sets it is for where sets differ."""
    holders: dict[tuple[str, str], list[str]] = {}
    for name, one in scores.items():
        for metric, signature in one.signatures.items():
            holders.setdefault((metric, signature), []).append(name)
    width = max(len(metric_name(metric)) for metric, _ in holders)
    lines = []
    for (metric, signature), names in holders.items():
        where = "" if len(names) == len(scores) else f"  ({', '.join(names)})"
        lines.append(f"{metric_name(metric):{width}}  {signature}{where}")
    return lines
