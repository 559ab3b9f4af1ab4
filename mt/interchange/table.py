"""The targets of exports: a row each. `mt.interchange.NAME` has the target itself, as `TARGET`. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Row:
    """A target as the command knows it before it loads anything.

    about          what the export is, for --help
    packages       that writing and measuring it need, of the extra `export`
    quantizations  roundings that it offers
    translates     whether `--engine` of the commands that translate takes it
    flags          its own flags: name -> arguments of argparse; what they are given reaches `Target.write` by name
    """

    about: str
    packages: tuple[str, ...]
    quantizations: tuple[str, ...] = ()
    translates: bool = False
    flags: dict[str, dict[str, Any]] = field(default_factory=dict)


TARGETS: dict[str, Row] = {
    "ctranslate2": Row(
        about="a folder for CTranslate2: fast on CPUs and GPUs, without PyTorch",
        packages=("ctranslate2",),
        quantizations=("int8",),
        translates=True,
    ),
    "transformers": Row(
        about="a folder for transformers (AutoModelForSeq2SeqLM) and the Hugging Face Hub",
        packages=("transformers", "tokenizers"),
        translates=True,
    ),
    "onnx": Row(
        about="a folder for onnxruntime and transformers.js: on CPUs, GPUs, phones and in browsers, in many languages",
        packages=("onnx", "onnxruntime"),
        quantizations=("int8",),
        translates=True,
    ),
    "browser": Row(
        about="a folder for any static host: a page that translates on the reader's device, without a server",
        packages=("onnx",),
        quantizations=("int8",),
        flags={
            "--runtime": {
                "metavar": "FOLDER",
                "type": Path,
                "help": "folder of onnxruntime-web; another version than the one needed is refused (default: from npm)",
            }
        },
    ),
}

ENGINES = tuple(name for name, row in TARGETS.items() if row.translates)
