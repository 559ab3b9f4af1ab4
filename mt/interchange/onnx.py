"""Exports for ONNX (onnx.ai): two graphs by the conventions of transformers.js, and a program that runs them.

The graphs are written operation by operation from the plan, so no dimension can be frozen by an example.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mt.checkpoint.folder import LoadedModel
from mt.data.tokenizer import BOS, EOS, PAD
from mt.inference.decodable import BANNED, Decodable
from mt.interchange.engine import Engine
from mt.interchange.fate import (
    EXACT,
    FLOATS,
    REFUSED,
    ZEROS,
    Fate,
    Rules,
    changed,
    exact,
    left_out,
    one_of,
)
from mt.interchange.onnx_attention import WEIGHTS
from mt.interchange.onnx_engine import DECODER, ENCODER, RUNNER, RUNNER_FILE, OnnxDecodable, OnnxEngine
from mt.interchange.onnx_model import decoder_graph, encoder_graph, needs_pieces
from mt.interchange.plan import TRANSFORMER, Plan
from mt.interchange.tokenizer_json import write_tokenizer
from mt.search.beam import Beam

CONFIGS = ("config.json", "generation_config.json")
SAME_INTEGERS = "--quantization int8 writes the same integers"
NOT_WRITTEN = "there are no ONNX operations for it here"
USE = """\
```sh
pip install onnxruntime numpy sentencepiece
python translate.py < lines.txt
```

`Translator` in `translate.py` does the same from Python: `Translator(".").translate(["A line."])`. It searches as the
trained model is searched, with its length penalty.
"""
IN_A_BROWSER = """\
transformers.js reads the folder, and has no beam search, so its translations are those of greedy search:

```js
import {{ pipeline }} from "@huggingface/transformers";
const translator = await pipeline("translation", "{name}", {{ dtype: "fp32" }});
const [{{ translation_text }}] = await translator("A line.");
```
"""
NO_BROWSER = "transformers.js cannot run it: {why}.\n"


def carried(value: Any, plan: Plan) -> Fate:
    """Attention that has operations."""
    if value.kind in WEIGHTS:
        return Fate(EXACT)
    return Fate(REFUSED, "it needs trees of its sources" if value.kind == "structured" else NOT_WRITTEN)


def _cross_attention(value: Any, plan: Plan) -> Fate:
    if value.kind in WEIGHTS and needs_pieces(plan):
        return Fate(EXACT, "by one more input, encoder_input_ids, which transformers.js does not give")
    return carried(value, plan)


def _single(value: Any, plan: Plan) -> Fate:
    if isinstance(value, tuple):
        return Fate(EXACT, "transformers.js wants one number for all layers, and cannot run it")
    return Fate(EXACT)


RULES: Rules = {
    "encoder": one_of(TRANSFORMER, why=NOT_WRITTEN),
    "encoder.layer": one_of(TRANSFORMER, why=NOT_WRITTEN),
    "decoder.layer": one_of(TRANSFORMER, why=NOT_WRITTEN),
    "encoder.num_layers": exact(),
    "decoder.num_layers": exact(),
    "encoder.self_attention": carried,
    "decoder.self_attention": carried,
    "decoder.cross_attention": _cross_attention,
    "layer.num_heads": _single,
    "layer.num_kv_heads": _single,
    "layer.head_size": _single,
    "layer.feed_forward_dim": exact(),
    "layer.activation": one_of("relu", "gelu", "swish", "swiglu", why=NOT_WRITTEN),
    "layer.norm": one_of("layer", "rms", why=NOT_WRITTEN),
    "layer.norm_position": one_of("pre", "post", why=NOT_WRITTEN),
    "layer.positions": one_of("sinusoidal", "learned", "rotary", "none", why=NOT_WRITTEN),
    "tie": exact(),
    "vocabulary": exact(),
    "lexicon": exact(),
    "changes": changed(remove_heads=ZEROS, int8_weights=f"{FLOATS}; {SAME_INTEGERS}"),
    "tags": exact(),
    "document": exact(),
    "search": exact("translate.py has our beam search; transformers.js searches greedily"),
    "search.min_length": left_out("translate.py does not have it"),
    "search.no_repeat_ngram": left_out("translate.py does not have it"),
    "alignment": exact("an output of the decoder: cross_attentions.N of that layer"),
    "alignment.shift": left_out("the model gives the weights; links made of them must be shifted"),
    "alignment.signal": left_out("the model gives weights, not norms of values"),
    "alignment.threshold": left_out("the model gives the weights; apply it where links are made of them"),
    "shortlist": left_out("all pieces are computed"),
}


class Onnx:
    """The target."""

    rules = RULES
    search = Beam

    def write(
        self, plan: Plan, loaded: LoadedModel, folder: Path, *, quantization: str | None, **flags: Any
    ) -> Mapping[str, str]:
        write_graphs(plan, folder, quantization=quantization)
        rows = None if plan.target_table is None else len(plan.target_table)
        write_tokenizer(folder, plan.tokenizers.source, rows=rows)
        shutil.copy(RUNNER_FILE, folder / RUNNER)
        reasons = without_transformers_js(plan)
        js = NO_BROWSER.format(why=", ".join(reasons)) if reasons else IN_A_BROWSER.format(name=folder.name)
        return {"Use": USE, "In JavaScript": js}

    def engine(self, folder: Path) -> Engine:
        return OnnxEngine(folder)

    def decodable(self, folder: Path, *, device: str, shortlist: bool) -> Decodable:
        return OnnxDecodable(folder, device=device, shortlist=shortlist)


TARGET = Onnx()


def write_graphs(plan: Plan, folder: Path, *, quantization: str | None, reads_attention: bool = False) -> None:
    """Both graphs, and the configuration that transformers.js reads; `reads_attention`: see `decoder_graph`."""
    (folder / ENCODER).parent.mkdir()
    encoder_graph(plan, quantization=quantization).save(folder / ENCODER, title="encoder")
    decoder = decoder_graph(plan, quantization=quantization, reads_attention=reads_attention)
    decoder.save(folder / DECODER, title="decoder")
    for name, body in zip(CONFIGS, (_config(plan), _generation(plan)), strict=True):
        (folder / name).write_text(json.dumps(body, indent=2) + "\n", "utf-8")


def without_transformers_js(plan: Plan) -> list[str]:
    """Why transformers.js cannot run this model."""
    reasons = []
    if plan.uniform_heads() is None:
        reasons.append("heads differ between layers")
    if needs_pieces(plan):
        reasons.append("attention needs the source's pieces")
    if not plan.is_joint:
        reasons.append("each side has a vocabulary of its own")
    source = plan.tokenizers.source
    if source.reserved_symbols or source.encode("a  b") == source.encode("a b"):
        reasons.append("its regular expressions are not those of the tokenizer, which has symbols or collapses blanks")
    return reasons


def _config(plan: Plan) -> dict[str, Any]:
    """`config.json`: of it transformers.js reads the sizes of caches."""
    groups, size = plan.decoder[0].heads[0][1:]
    halves = {"encoder": plan.encoder, "decoder": plan.decoder}
    return {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "is_encoder_decoder": True,
        "d_model": groups * size,
        **{f"{half}_layers": len(layers) for half, layers in halves.items()},
        **{f"{half}_attention_heads": groups for half in halves},
        "vocab_size": plan.tokenizers.source.size,
        "decoder_vocab_size": plan.tokenizers.target.size,
        **_ids(),
    }


def _generation(plan: Plan) -> dict[str, Any]:
    """`generation_config.json`."""
    return {**_ids(), "suppress_tokens": list(BANNED), "max_new_tokens": 2 * plan.max_pieces + 20}


def _ids() -> dict[str, Any]:
    return {
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "decoder_start_token_id": BOS,
        "forced_eos_token_id": None,
    }
