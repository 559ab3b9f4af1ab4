"""Keeps the sentences of updates whose loss or gradient was not finite, to help find the cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mt.data.batching import Batch, Cursor, TokenBatches
from mt.data.whole_folder import write_json
from mt.training.updater import Update

FOLDER = "bad_batches"
MOST = 50  # files


def keep_bad_batches(
    run: Path,
    name: str,
    *,
    step: int,
    update: Update,
    group: Sequence[Batch],
    cursors: Sequence[Cursor],
    batches: TokenBatches,
) -> str:
    """Writes the sentences of `group`, read from `batches` at `cursors`, to a file `name`; says where, or why not."""
    path = run / FOLDER / f"{name}.json"
    pairs = [
        {"pair": int(number), "source": pair.source, "target": pair.target}
        for batch, cursor in zip(group, cursors, strict=True)
        for number, pair in zip(batch.indices, batches.texts(cursor, batch.indices.numpy()), strict=True)
    ]
    numbers = {"loss_nats": str(update.loss_nats), "gradient_norm": str(update.gradient_norm)}  # JSON has no inf
    try:
        path.parent.mkdir(exist_ok=True)
        if len(list(path.parent.iterdir())) >= MOST:
            return f"there are {MOST} such files already"
        write_json(path, {"step": step, **numbers, "cursors": list(map(asdict, cursors)), "pairs": pairs})
    except OSError as error:
        return f"its sentences could not be written: {error}"
    return f"its sentences are in {path}"
