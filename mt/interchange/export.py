"""Writes an export: the target's files, what every export has, and its certificate, all or nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mt.checkpoint.folder import load_checkpoint
from mt.data.whole_folder import whole_folder
from mt.interchange import certificate, evidence
from mt.interchange.card import CARD, LICENSE, card_text, check_licence, licence_text
from mt.interchange.evidence import Evidence, evidence_of
from mt.interchange.exported import target_of, write_common
from mt.interchange.lines import Lines
from mt.interchange.plan import plan_of
from mt.interchange.target import check_carried, check_packages, find_target, not_exact

log = logging.getLogger(__name__)


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
    check_licence(licence)
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
