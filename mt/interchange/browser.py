"""Exports for browsers: a folder for any static host, whose page translates on the reader's device.

It has the graphs of `mt.interchange.onnx`, the server's page (`mt/serving/page`) with another `engine.js`, whose calls
are answered by a worker, and the runtime. Nothing is sent anywhere: the page's policy allows its own folder alone.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping
from html.entities import html5
from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from mt.checkpoint.folder import LoadedModel
from mt.data.tokenizer import Tokenizer
from mt.inference.abbreviations import AFTER_ORDINALS, BEFORE_NUMBERS, BEFORE_WORDS
from mt.inference.confidence import Calibration
from mt.inference.decodable import Decodable
from mt.inference.tags import TARGET_TAG, Tags
from mt.interchange import onnx
from mt.interchange.browser_engine import BrowserEngine, check_node
from mt.interchange.browser_runtime import copy_runtime
from mt.interchange.engine import Engine
from mt.interchange.fate import EXACT, Fate, Rules, exact, left_out
from mt.interchange.onnx_engine import DECODER, ENCODER
from mt.interchange.plan import Plan
from mt.search.beam import Beam

OWN = Path(__file__).parent / "page"
SHARED = Path(__file__).parents[1] / "serving" / "page"
MODEL, RUNTIME, ENGINE = "model", "runtime", "engine"
FIRST = (  # what the worker reads before it can translate
    f"{MODEL}/settings.json",
    f"{MODEL}/tokenizers.json",
    f"{MODEL}/texts.json",
    f"{MODEL}/encoder_model.onnx",
    f"{MODEL}/decoder_model_merged.onnx",
    f"{RUNTIME}/ort-wasm-simd-threaded.wasm",
)
BYTE = 6  # type of a piece, as a number of sentencepiece's protocol
KINDS = {1: "unigram", 2: "bpe"}
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " worker-src 'self'; form-action 'none'; base-uri 'none'"
)
USE = """\
Copy this folder to any host of static files. To look at it here:

```sh
python -m http.server --directory .
```

and open the address that it prints. A file that is opened without a server (`file://`) cannot load its model.

The page translates on the reader's device: no text leaves it, and it works without a network once it is loaded.
The first visit loads {megabytes:.1f} MB.
"""


def _alignment(value: Any, plan: Plan) -> Fate:
    return Fate(EXACT, "read at one layer: the page links words by it")


RULES: Rules = {
    **onnx.RULES,
    "search": exact("our beam search in JavaScript"),
    "search.min_length": left_out("the page does not have it"),
    "search.no_repeat_ngram": left_out("the page does not have it"),
    "document": left_out("the page translates each line alone"),
    "alignment": _alignment,
    "alignment.shift": exact(),
    "alignment.signal": exact("an output of the decoder: value_norms"),
    "alignment.threshold": exact(),
    "layer.num_heads": exact(),
    "layer.num_kv_heads": exact(),
    "layer.head_size": exact(),
    "encoder.self_attention": onnx.carried,
    "decoder.self_attention": onnx.carried,
    "decoder.cross_attention": onnx.carried,
}


class Browser:
    """The target."""

    rules = RULES
    search = Beam

    def write(
        self, plan: Plan, loaded: LoadedModel, folder: Path, *, quantization: str | None, **flags: Any
    ) -> Mapping[str, str]:
        check_node()
        copy_runtime(folder / RUNTIME, flags.get("runtime"))
        (folder / MODEL).mkdir()
        onnx.write_graphs(plan, folder, quantization=quantization, reads_attention=True)
        for name in (ENCODER, DECODER):
            (folder / name).rename(folder / MODEL / Path(name).name)
        shutil.rmtree((folder / ENCODER).parent)
        for name in onnx.CONFIGS:
            (folder / name).unlink()
        sides = [plan.tokenizers.source] if plan.is_joint else [plan.tokenizers.source, plan.tokenizers.target]
        _write(folder / MODEL / "tokenizers.json", [tokenizer_data(side) for side in sides])
        _write(folder / MODEL / "settings.json", _settings(plan, loaded))
        _write(folder / MODEL / "texts.json", texts_data())
        _write_page(folder)
        files = [{"name": name, "bytes": (folder / name).stat().st_size} for name in FIRST]
        _write(folder / "files.json", files)
        whole = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return {"Use": USE.format(megabytes=whole / 1e6)}

    def engine(self, folder: Path) -> Engine:
        return BrowserEngine(folder)

    def decodable(self, folder: Path, *, device: str, shortlist: bool) -> Decodable:
        raise ValueError(f"{folder} is for browsers: the same model as an export for onnx runs with --engine onnx")


TARGET = Browser()


def tokenizer_data(tokenizer: Tokenizer) -> dict[str, Any]:
    """A sentencepiece model as `engine/tokenizer.js` reads it."""
    model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is loaded
    model.ParseFromString(tokenizer.to_bytes())
    bytes_at = [id_ for id_, one in enumerate(model.pieces) if one.type == BYTE]
    return {
        "kind": KINDS[model.trainer_spec.model_type],
        "pieces": [[one.piece, one.score, one.type] for one in model.pieces],
        "charsmap": base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode(),
        "collapses": model.normalizer_spec.remove_extra_whitespaces,
        "composes": tokenizer.is_composing,
        "symbols": list(tokenizer.reserved_symbols),
        "bytes": bytes_at[0] if model.trainer_spec.byte_fallback else None,
    }


def texts_data() -> dict[str, Any]:
    """What scripts of the page must know to read texts as Python does: entities of HTML, and abbreviations."""
    names = ("before_words", "before_numbers", "after_ordinals")
    lists = (BEFORE_WORDS, BEFORE_NUMBERS, AFTER_ORDINALS)
    return {
        "entities": {name: text for name, text in html5.items() if name.endswith(";")},
        "abbreviations": {name: sorted(words) for name, words in zip(names, lists, strict=True)},
    }


def _settings(plan: Plan, loaded: LoadedModel) -> dict[str, Any]:
    choice, calibration = plan.alignment, Calibration.load(loaded.folder)
    return {
        "name": loaded.folder.parent.name,
        "pairs": _pairs(plan, Tags.of(loaded.card, plan.tokenizers.source)),
        "search": plan.search_settings(),
        "max_pieces": plan.max_pieces,
        "table_rows": None if plan.target_table is None else len(plan.target_table),
        "calibration": None if calibration is None else list(calibration.word),
        "alignment": {"heads": list(choice.heads), "shift": choice.shift, "threshold": choice.threshold},
    }


def _pairs(plan: Plan, tags: Tags) -> list[dict[str, Any]]:
    """The pairs of languages in the page's lists, and the tag of each: as the server has them."""
    named = {tag: found[1] for tag in tags.known if (found := TARGET_TAG.fullmatch(tag))}
    pairs: list[tuple[str, str | None]] = [(language, tag) for tag, language in named.items()]
    if plan.target_language not in named.values() and (tags.reads_untagged is not False or not named):
        pairs.append((plan.target_language, None))
    return [
        {"source": plan.source_language, "target": language, "tag": tag, "tags": list(tags.known)}
        for language, tag in pairs
    ]


def _write_page(folder: Path) -> None:
    """The server's page, with our own engine behind it."""
    for path in sorted(SHARED.iterdir()):
        shutil.copyfile(path, folder / path.name)
    shutil.copyfile(OWN / "engine.js", folder / "engine.js")  # in place of the server's
    (folder / ENGINE).mkdir()
    for path in sorted((OWN / ENGINE).glob("*.js")):
        shutil.copyfile(path, folder / ENGINE / path.name)
    page = (SHARED / "index.html").read_text("utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    assert page.count("<head>\n") == 1
    (folder / "index.html").write_text(page.replace("<head>\n", f"<head>\n{policy}\n"), "utf-8")


def _write(path: Path, body: Any) -> None:
    path.write_text(json.dumps(body, ensure_ascii=False) + "\n", "utf-8")
