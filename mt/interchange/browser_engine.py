"""Runs exports for browsers in Node.js: the same scripts and the same compiled runtime that a browser runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mt.interchange.browser_runtime import PACKAGE, VERSION
from mt.interchange.engine import Candidate, Pair
from mt.interchange.onnx_engine import constants_of

OWN = Path(__file__).parent / "page"
MEASURE, ENGINE = OWN / "measure.mjs", "engine"
SPECIAL = {"pad_id": "<pad>", "unk_id": "<unk>", "bos_id": "<s>", "eos_id": "</s>"}
LEAST_NODE = 18


def check_node() -> str:
    """The program `node`. Raises ValueError in one line where it is missing: the export is measured with it."""
    node = shutil.which("node")
    if node is None:
        raise ValueError(
            f"browser needs Node.js {LEAST_NODE} or newer: the export is measured with it (node is not in PATH)"
        )
    return node


class BrowserEngine:
    """An exported folder in onnxruntime-web, run by the folder's own scripts, which must be those of this version."""

    def __init__(self, folder: Path):
        self._node, self._folder = check_node(), folder
        for own in sorted((OWN / ENGINE).glob("*.js")):
            if (folder / ENGINE / own.name).read_bytes() != own.read_bytes():
                raise ValueError(
                    f"{folder / ENGINE / own.name} is not the script of this version, so it is not run: export again"
                )
        self._process = subprocess.Popen(
            [self._node, str(MEASURE), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        weakref.finalize(self, _end, self._process)
        about = self._ask("about")
        self.versions: Mapping[str, str] = {PACKAGE: about["onnxruntime_web"] or VERSION, "node": about["node"]}

    def _ask(self, name: str, given: Any = None) -> Any:
        """What measure.mjs answers. Raises ValueError in one line where it fails."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"name": name, "given": given}) + "\n")
            self._process.stdin.flush()
            found = json.loads(self._process.stdout.readline() or '{"error": "it has ended"}')
        except BrokenPipeError:
            found = {"error": "it has ended"}
        if "error" in found:
            again = f"node {MEASURE} {self._folder}"
            raise ValueError(f"{self._folder}: Node.js cannot run it ({found['error'][:200]}); more: {again}")
        return found["answer"]

    def tokenize(self, lines: Sequence[str]) -> list[list[int]]:
        return self._ask("tokenize", list(lines))

    def detokenize(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return self._ask("detokenize", list(map(list, ids)))

    def log_probs(self, pairs: Sequence[Pair]) -> list[list[float]] | None:
        return self._ask("log_probs", _plain(pairs))

    def translate(self, lines: Sequence[str], *, shortlist: bool = False) -> list[Candidate]:
        found = self._ask("translate", list(lines))
        return [Candidate(tuple(one["ids"]), one["text"], one["log_prob"], one["score"]) for one in found]

    def attention(self, pairs: Sequence[Pair]) -> list[np.ndarray | None] | None:
        return [np.array(rows) if rows else None for rows in self._ask("attention", _plain(pairs))]

    def records(self, lines: Sequence[str], how: Sequence[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
        """What the page gets of each line: translations with links, how sure their words are, what is left out, terms.

        `how`: of each line what `Translator.record` of translator.js takes: tag, prefix, numBest, terms.
        """
        return self._ask("records", {"lines": list(lines), "how": list(how or [{}] * len(lines))})

    def constants(self) -> Mapping[str, float]:
        model = self._folder / "model"
        pieces = [piece for piece, *_ in json.loads((model / "tokenizers.json").read_text("utf-8"))[-1]["pieces"]]
        graphs = (constants_of(model / f"{name}.onnx") for name in ("encoder_model", "decoder_model_merged"))
        ids = {name: float(pieces.index(piece)) for name, piece in SPECIAL.items()}
        return {**ids, **{name: value for found in graphs for name, value in found.items()}}

    def without(self) -> Mapping[str, str]:
        return {}


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the program, and lets go of its pipes."""
    process.kill()
    process.communicate()


def _plain(pairs: Sequence[Pair]) -> list[list[list[int]]]:
    return [[list(source), list(target)] for source, target in pairs]
