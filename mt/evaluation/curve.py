"""The training curve of a run, drawn from its metrics.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can distinguish
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"


def draw_curve(metrics: Path, outputs: Sequence[Path], *, title: str) -> None:
    """Writes pictures (their suffix gives the format) of losses in nats per target token and of validation BLEU."""
    lines = list(_whole_lines(metrics))
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    loss_axes = figure.add_subplot()
    for key, label, colour in (("loss", "training loss", BLUE), ("valid_loss", "validation loss", GREEN)):
        points = [(line["step"], line[key]) for line in lines if key in line]
        loss_axes.plot(*_columns(points), color=colour, label=label, linewidth=1.4)
    loss_axes.set(xlabel="updates", ylabel="nats per target token")
    loss_axes.set_title(title, parse_math=False)  # a name with dollar signs is not a formula
    loss_axes.set_ylim(bottom=0)
    bleu_axes = loss_axes.twinx()
    points = [(line["step"], line["valid_bleu"]) for line in lines if "valid_bleu" in line]
    bleu_axes.plot(*_columns(points), color=ORANGE, marker="o", markersize=3, label="validation BLEU", linewidth=1.4)
    bleu_axes.set_ylabel("BLEU")
    bleu_axes.set_ylim(0, 100 if max((value for _, value in points), default=0) > 60 else None)
    handles = [*loss_axes.get_lines(), *bleu_axes.get_lines()]
    loss_axes.legend(handles, [str(handle.get_label()) for handle in handles], loc="center right", frameon=False)
    for axes in (loss_axes, bleu_axes):
        axes.spines[["top"]].set_visible(False)
    for path in outputs:
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _whole_lines(metrics: Path) -> Iterator[dict[str, Any]]:
    """The lines of a metrics file, without those that a full disk cut short."""
    for line in metrics.read_text(encoding="utf-8", errors="replace").splitlines() if metrics.exists() else ():
        with suppress(ValueError):
            yield json.loads(line)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [step for step, _ in points], [value for _, value in points]
