"""The certificate of an export: what was measured by running its files in their own engine, and the verdict.

`certificate.json` lists every other file of the folder with its digest. `verify` measures the same files again, on the
same lines, perhaps on another machine.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

import mt
from mt.checkpoint.folder import WEIGHTS, LoadedModel
from mt.checkpoint.manifest import Mark
from mt.checkpoint.small_file import read_json
from mt.device import machine, processor
from mt.interchange.bounds import REFUSED, verdict_of
from mt.interchange.engine import Engine
from mt.interchange.evidence import Evidence
from mt.interchange.measure import measure
from mt.interchange.plan import Plan
from mt.listing import listed

FILE_NAME = "certificate.json"
FORMAT = 1


def certify(engine: Engine, evidence: Evidence, *, quantization: str | None) -> dict[str, Any]:
    """The measurements and the verdict; nothing of where and when."""
    measured = measure(engine, evidence)
    return {**verdict_of(measured, quantization=quantization), **measured}


def check_verdict(name: str, body: Mapping[str, Any]) -> None:
    """Raises ValueError with the reasons where the verdict is "refused"."""
    if body["verdict"] == REFUSED:
        raise ValueError(
            f"{name}: the export is not what the model is: {listed(body['reasons'], between='; ', longest=200)}"
        )


def circumstances(engine: Engine) -> dict[str, Any]:
    """When, where and with what it was measured."""
    return {
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "versions": {
            "mt": mt.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            **engine.versions,
        },
        "processor": processor(),
        "model_ran_on": machine(torch.device("cpu")),
    }


def about_checkpoint(loaded: LoadedModel) -> dict[str, Any]:
    """Which checkpoint was exported: its step, and the digest of its weights, as its manifest has it."""
    mark = Mark.of(loaded.folder / WEIGHTS)
    return {"run": loaded.folder.parent.name, "step": loaded.folder.name, "sha256": mark.sha256, "bytes": mark.bytes}


def limits(plan: Plan) -> dict[str, Any]:
    """How long sources and targets may be, and what happens beyond."""
    table = plan.target_table
    return {
        "trained_source_pieces": plan.max_pieces,
        "table_rows": None if table is None else len(table),
        "beyond": "the engine refuses lines that are longer than the table; nothing is cut"
        if table is not None
        else "no limit; longer lines than in training are translated worse",
    }


def digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and digest of every file of an export but the certificate."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE_NAME)
    found = {}
    for path in files:
        mark = Mark.of(path)
        found[path.relative_to(folder).as_posix()] = {"bytes": mark.bytes, "sha256": mark.sha256}
    return found


def read_certificate(folder: Path) -> dict[str, Any]:
    """The certificate of an export. Raises ValueError for a folder that is none, or that a newer version wrote."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise ValueError(f"{folder} is not an export: it has no {FILE_NAME}")
    body = read_json(path)
    if body.get("format") != FORMAT:
        raise ValueError(f"{path} has format {body.get('format')}, this version reads {FORMAT}")
    return body


def check_digests(folder: Path, body: Mapping[str, Any]) -> None:
    """Raises ValueError naming the files that are missing, changed or not in the certificate."""
    found, said = digests(folder), body["files"]
    wrong = [f"{name} is missing" for name in said if name not in found]
    wrong += [f"{name} is changed" for name in said if name in found and found[name] != said[name]]
    wrong += [f"{name} is not in the certificate" for name in found if name not in said]
    if wrong:
        raise ValueError(f"{folder}: {listed(wrong, between='; ')}")


def to_text(body: Mapping[str, Any]) -> str:
    """The certificate as its file has it."""
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def summary(body: Mapping[str, Any]) -> list[str]:
    """What was measured, a line each, for the terminal and the card."""
    scores, decoding, attention = (body[name] for name in ("scores", "decoding", "attention"))
    tokens = body["tokenizer"]
    rows = [
        f"verdict: {body['verdict']}",
        f"tokenizer: {tokens['different_ids']} of {tokens['lines']} lines and {tokens['hostile_different_ids']} of"
        f" {tokens['hostile_lines']} hostile lines have other pieces",
    ]
    if "not_measured" in scores:
        rows.append(f"log-probabilities of given targets: not measured ({scores['not_measured']})")
    else:
        rows.append(
            f"log-probabilities of {scores['tokens']} given tokens: largest difference {scores['max']:.2g} nats, median"
            f" {scores['median']:.2g}"
        )
    rows.append(
        f"translations: {decoding['same_text']} of {decoding['sentences']} have the same text; scores of the same"
        f" pieces differ by at most {decoding['max_a_token']:.2g} nats a token"
    )
    if "not_measured" in attention:
        rows.append(f"alignment heads: not measured ({attention['not_measured']})")
    else:
        rows.append(f"alignment heads: weights of {attention['pairs']} lines differ by at most {attention['max']:.2g}")
    if "shortlist" in body:
        found = body["shortlist"]
        rows.append(f"with the shortlist: {found['same_text']} of {found['sentences']} have the same text")
    for name, title in (("bleu", "BLEU"), ("chrf", "chrF2")):
        if name in body["quality"]:
            one = body["quality"][name]
            spread = one["difference_95"]
            rows.append(
                f"{title}: {one['export']:.2f}, of the model {one['model']:.2f}; difference {spread['mean']:+.2f} ±"
                f" {spread['half_width']:.2f} (95 %, paired bootstrap)"
            )
    rows += [f"not carried: {name}: {why}" for name, why in body.get("settings", {}).items()]
    return rows
