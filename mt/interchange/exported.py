"""What every export has beside its target's files: tokenizers, and what a program that runs it must know."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mt.checkpoint.folder import LoadedModel
from mt.checkpoint.small_file import read_json
from mt.data.whole_folder import json_text
from mt.inference.tags import Tags
from mt.interchange.plan import Plan
from mt.interchange.table import TARGETS
from mt.interchange.target import Target, check_packages, find_target

SETTINGS = "export.json"
NEEDED = ("source_language", "target_language", "tokenizers", "search", "reads_untagged", "max_pieces")


def write_common(folder: Path, plan: Plan, loaded: LoadedModel, *, name: str, quantization: str | None) -> None:
    """What every export has beside its target's files: tokenizers, and what a program that runs it must know."""
    plan.tokenizers.save(folder)
    tags = Tags.of(loaded.card, plan.tokenizers.source)
    body = {
        "target": name,
        "quantization": quantization,
        "source_language": plan.source_language,
        "target_language": plan.target_language,
        "tokenizers": ["tokenizer.model"] * 2 if plan.is_joint else ["source.model", "target.model"],
        "search": plan.search_settings(),
        "is_composing": plan.tokenizers.source.is_composing,
        "reserved_symbols": list(plan.tokenizers.source.reserved_symbols),
        "reads_untagged": tags.reads_untagged,
        "max_pieces": plan.max_pieces,
        "max_length": plan.max_length,
        "table_rows": None if plan.target_table is None else len(plan.target_table),
        "alignment": asdict(plan.alignment),
        "settings": {key: value if isinstance(value, int) else str(value) for key, value in plan.settings.items()},
    }
    (folder / SETTINGS).write_text(json_text(body), "utf-8")


def read_settings(folder: Path) -> dict[str, Any]:
    """The content of `export.json`. Raises ValueError for a folder that is not an export of this version's targets."""
    if not (folder / SETTINGS).is_file():
        raise ValueError(f"{folder} is not an export: it has no {SETTINGS}")
    body = read_json(folder / SETTINGS)
    if body.get("target") not in TARGETS:
        raise ValueError(f"{folder / SETTINGS}: target ({body.get('target')}) must be one of {', '.join(TARGETS)}")
    if lacks := [name for name in NEEDED if name not in body]:
        raise ValueError(f"{folder / SETTINGS} lacks {', '.join(lacks)}: export again")
    return body


def target_of(folder: Path) -> tuple[str, Target]:
    """The target that an exported folder is for. Raises ValueError where it is none, or a package is missing."""
    name = read_settings(folder)["target"]
    check_packages(name)
    return name, find_target(name)
