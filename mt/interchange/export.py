"""Writes an export: the target's files, what every export has, and its certificate, all or nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mt.checkpoint.folder import LoadedModel, load_checkpoint
from mt.checkpoint.small_file import read_json
from mt.data.whole_folder import json_text, whole_folder
from mt.inference.tags import Tags
from mt.interchange import certificate, evidence
from mt.interchange.card import CARD, LICENSE, card_text, licence_text
from mt.interchange.evidence import Evidence, evidence_of, search_settings
from mt.interchange.lines import Lines
from mt.interchange.plan import Plan, plan_of
from mt.interchange.table import TARGETS
from mt.interchange.target import Target, check_carried, check_packages, find_target, not_exact

log = logging.getLogger(__name__)

SETTINGS = "export.json"  # what a program that runs the export must know of the model


def export(
    name: str,
    checkpoint: str | Path,
    output: Path,
    lines: Lines,
    *,
    quantization: str | None = None,
    tag: str | None = None,
    licence: str | None = None,
    **flags: Any,
) -> dict[str, Any]:
    """Writes the folder `output` for the target of this name, whole or not at all, and gives its certificate.

    `flags` are the target's own. Raises ValueError in one line for a model that the target cannot take, for a missing
    package, and for an export that does not compute what the model computes.
    """
    check_packages(name)
    check_output(output)
    if quantization is not None and lines.references is None:
        raise ValueError(f"--quantization {quantization} needs --reference: what rounding costs is measured in BLEU")
    target, loaded = find_target(name), load_checkpoint(checkpoint)
    plan = plan_of(loaded)
    settings = not_exact(check_carried(name, plan))
    with whole_folder(output) as folder:
        sections = target.write(plan, loaded, folder, quantization=quantization, **flags)
        write_common(folder, plan, loaded, name=name, quantization=quantization)
        ours = evidence_of(lambda: load_checkpoint(checkpoint), plan, lines.sources, lines.references, tag=tag)
        (folder / evidence.FILE_NAME).write_text(ours.to_json(), "utf-8")
        engine = target.engine(folder)
        body = {
            "format": certificate.FORMAT,
            "target": name,
            "quantization": quantization,
            **certificate.certify(engine, ours, quantization=quantization),
            "settings": settings,
            "limits": certificate.limits(plan),
            "lines": {"from": lines.origin, "left_out": ours.left_out},
            "checkpoint": certificate.about_checkpoint(loaded),
            **certificate.circumstances(engine),
        }
        certificate.check_verdict(name, body)
        (folder / LICENSE).write_text(licence_text(licence), "utf-8")
        (folder / CARD).write_text(card_text(plan, loaded, body, sections, licence=licence), "utf-8")
        body["files"] = certificate.digests(folder)
        (folder / certificate.FILE_NAME).write_text(certificate.to_text(body), "utf-8")
    return body


def check_output(output: Path) -> None:
    """Raises ValueError unless `output` is free: it does not exist, is empty, or is an export, which is replaced."""
    if not output.exists():
        return
    if not output.is_dir():
        raise ValueError(f"--output ({output}) must be a folder")
    if any(output.iterdir()) and not (output / certificate.FILE_NAME).is_file():
        raise ValueError(f"--output ({output}) must be a new or empty folder, or an earlier export: it has other files")


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
        "search": search_settings(plan),
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
    return body


def target_of(folder: Path) -> tuple[str, Target]:
    """The target that an exported folder is for. Raises ValueError where it is none, or a package is missing."""
    name = read_settings(folder)["target"]
    check_packages(name)
    return name, find_target(name)


def verify(folder: Path) -> dict[str, Any]:
    """Measures an export again on the lines of its evidence, and gives the new certificate, which is not written.

    Raises ValueError where a file is missing or changed, and where the export fails its rules here.
    """
    before = certificate.read_certificate(folder)
    certificate.check_digests(folder, before)
    name, target = target_of(folder)
    engine = target.engine(folder)
    body: Mapping[str, Any] = certificate.certify(engine, Evidence.read(folder), quantization=before["quantization"])
    found = {**before, **body, **certificate.circumstances(engine)}
    certificate.check_verdict(f"{folder} ({name})", found)
    return found
