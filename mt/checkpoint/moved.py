"""Classes and functions that have moved inside the package: settings that were written before name the old place."""

from __future__ import annotations

MOVED = {
    "mt.training.objective.LabelSmoothedCrossEntropy": "mt.objective.label_smoothing.LabelSmoothedCrossEntropy",
    "mt.training.guidance.Guidance": "mt.objective.guided.Guidance",
}


def current_target(path: str) -> str:
    """The place of a `_target_` today."""
    return MOVED.get(path, path)
