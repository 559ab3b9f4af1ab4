"""The card of an export (README.md) and its licence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mt.checkpoint.folder import LoadedModel
from mt.checkpoint.small_file import read_json
from mt.interchange.certificate import summary
from mt.interchange.fate import ABSENT, shown
from mt.interchange.plan import Plan

CARD, LICENSE = "README.md", "LICENSE"
NOT_STATED = "not stated: ask who trained the model"
CODE_LICENSE = """\
The program files of this folder (*.py, *.js, *.html) are part of mt-trainer.

Licensed under the Apache License, Version 2.0 (the "License"); you may not use these files except in compliance with
the License. You may obtain a copy of the License at

    http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an
"AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific
language governing permissions and limitations under the License.

The licence of the model (weights, vocabulary and configuration) is {model}.
"""


def check_licence(name: str | None) -> None:
    """Raises ValueError for a licence that is neither a name nor an address: it goes into the YAML of the card."""
    if name is not None and not re.fullmatch(r"[\w.+:/-]+", name):
        raise ValueError(f"--license ({name}) must be a name, such as apache-2.0, or an address, without blanks")


def licence_text(model: str | None) -> str:
    """The file LICENSE; `model`: the licence of the weights, as a name (SPDX) or an address."""
    return CODE_LICENSE.format(model=model or NOT_STATED)


def card_text(
    plan: Plan, loaded: LoadedModel, certificate: Mapping[str, Any], sections: Mapping[str, str], *, licence: str | None
) -> str:
    """The model card: YAML of the languages, what the model is, how to use it, its scores, and what was measured."""
    source, target, name = plan.source_language, plan.target_language, certificate["target"]
    lines = [
        "---",
        f"language: [{source}, {target}]",
        *([f"license: {licence}"] if licence else []),
        f"library_name: {name}",
        "pipeline_tag: translation",
        "tags: [translation]",
        "---",
        "",
        f"# Translation from {source} to {target}",
        "",
        f"An encoder-decoder Transformer, exported for {name}. Licence of the model: {licence or NOT_STATED}.",
    ]
    for title, text in sections.items():
        lines += ["", f"## {title}", "", text.strip()]
    lines += ["", "## Scores", "", *_scores(loaded)]
    lines += [
        "",
        "## Certificate",
        "",
        "Measured by running these files in their own engine (`certificate.json`; `python -m mt.export verify FOLDER`"
        " measures again):",
        "",
        *(f"- {line}" for line in summary(certificate)),
        "",
        "## Settings",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {shown(value)} |" for name, value in plan.settings.items() if value not in ABSENT),
    ]
    return "\n".join(lines) + "\n"


def _scores(loaded: LoadedModel) -> list[str]:
    """The run's test scores with their signatures, and the step's scores on the validation set."""
    found = []
    run = loaded.folder.parent / "scores.json"
    tests = read_json(run).get("tests", {}) if run.is_file() else {}
    for test, body in tests.items():
        for quoted, value in body.get("with_signature", {}).items():
            found.append(f"- {test}: `{quoted}` = {value:.2f}")
    step = loaded.folder / "scores.json"
    numbers = read_json(step) if step.is_file() else {}
    plain = {name: value for name, value in numbers.items() if isinstance(value, (int, float))}
    if plain:
        found.append(f"- validation while training: `{json.dumps(plain)}`")
    return found or ["None are recorded with the checkpoint."]
