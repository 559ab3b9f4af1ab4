"""Exports for transformers (github.com/huggingface/transformers): a folder that `from_pretrained` reads.

Where its own classes compute the same, the folder names one: Pegasus for pre-norm layers, Marian for post-norm ones.
Every other model comes with `modeling_mt.py`, which is read with `trust_remote_code=True`.
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
    LEFT_OUT,
    REFUSED,
    ZEROS,
    Fate,
    Rules,
    attention,
    changed,
    exact,
    left_out,
    one_of,
)
from mt.interchange.plan import TRANSFORMER, Plan
from mt.interchange.tokenizer_json import write_tokenizer
from mt.interchange.transformers_engine import (
    OWN_CODE,
    OWN_CODE_FILE,
    RUNNER,
    RUNNER_FILE,
    TransformersEngine,
    TransformersSearcher,
)
from mt.interchange.transformers_weights import MARIAN, PEGASUS, own_weights, their_class, their_weights, write_weights
from mt.interchange.whole_search import WholeBeam, WholeDecodable

NOT_HELD = "modeling_mt.py does not hold it"
ATTENTION = ("dense", "chunked", "gated", "window", "top_k", "threshold", "rectified", "entmax")
USE = """\
```sh
pip install transformers torch
python translate.py < lines.txt
```

`Translator` in `translate.py` does the same from Python. It ranks the n best of a beam search by the length penalty of
the training. A plain call is nearly the same: transformers divides by a power of the length.

```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("."{code})
model = AutoModelForSeq2SeqLM.from_pretrained("."{code})
found = model.generate(**tokenizer(["A line."], return_tensors="pt"))
print({target}.batch_decode(found, skip_special_tokens=True))
```

There is no `pipeline("translation")` since transformers 5.
"""
CODE_NOTE = "`trust_remote_code=True` runs `modeling_mt.py` of this folder: read it before you do.\n"
MARIAN_NOTE = """\
The tables of positions are in `model.safetensors`, and `save_pretrained` of a Marian model leaves them out: a copy that
is saved from transformers has other positions and translates badly. Copy the files themselves.
"""


def _alignment(value: Any, plan: Plan) -> Fate:
    if plan.alignment.layer >= len(plan.decoder):
        return Fate(LEFT_OUT, "an alignment head beside the decoder's layers; translations do not need it")
    return Fate(EXACT, "by output_attentions; read them with attn_implementation='eager'")


def _single(value: Any, plan: Plan) -> Fate:
    if isinstance(value, tuple):
        return Fate(REFUSED, "the configuration has one number for all layers")
    return Fate(EXACT)


RULES: Rules = {
    "encoder": one_of(TRANSFORMER, why=NOT_HELD),
    "encoder.layer": one_of(TRANSFORMER, why=NOT_HELD),
    "decoder.layer": one_of(TRANSFORMER, why=NOT_HELD),
    "encoder.num_layers": exact(),
    "decoder.num_layers": exact(),
    "encoder.self_attention": attention(*ATTENTION, "relative", why=NOT_HELD),
    "decoder.self_attention": attention(*ATTENTION, "relative", "average", why=NOT_HELD),
    "decoder.cross_attention": attention(*ATTENTION, "local", "diagonal", why=NOT_HELD),
    "layer.num_heads": _single,
    "layer.num_kv_heads": _single,
    "layer.head_size": _single,
    "layer.feed_forward_dim": exact(),
    "layer.activation": one_of("relu", "gelu", "swish", "swiglu", why=NOT_HELD),
    "layer.norm": one_of("layer", "rms", why=NOT_HELD),
    "layer.norm_position": one_of("pre", "post", why=NOT_HELD),
    "layer.positions": one_of("sinusoidal", "learned", "rotary", why=NOT_HELD),
    "tie": exact(),
    "vocabulary": exact("the target's tokenizer is the subfolder `target` where vocabularies are separate"),
    "lexicon": one_of(None, why=NOT_HELD),
    "changes": changed(remove_heads=ZEROS, int8_weights=FLOATS),
    "tags": exact(),
    "document": exact(),
    "search": exact("translate.py ranks by our length penalty; generate alone divides by a power of the length"),
    "search.min_length": left_out("translate.py does not have it"),
    "search.no_repeat_ngram": left_out("translate.py does not have it"),
    "alignment": _alignment,
    "alignment.shift": left_out("the model gives the weights; links made of them must be shifted"),
    "alignment.signal": left_out("the model gives weights, not norms of values"),
    "alignment.threshold": left_out("the model gives the weights; apply it where links are made of them"),
    "shortlist": left_out("transformers computes all pieces"),
}


class Transformers:
    """The target."""

    rules = RULES
    search = WholeBeam

    def write(
        self, plan: Plan, loaded: LoadedModel, folder: Path, *, quantization: str | None, **flags: Any
    ) -> Mapping[str, str]:
        theirs, rows = their_class(plan), None if plan.target_table is None else len(plan.target_table)
        config, weights = _config(plan, theirs), own_weights(plan) if theirs is None else their_weights(plan, theirs)
        _write_json(folder / "config.json", config)
        _write_json(folder / "generation_config.json", _generation(plan))
        write_weights(folder / "model.safetensors", weights)
        write_tokenizer(folder, plan.tokenizers.source, rows=rows)
        if not plan.is_joint:
            (folder / "target").mkdir()
            write_tokenizer(folder / "target", plan.tokenizers.target, rows=rows)
        if theirs is None:
            shutil.copy(OWN_CODE_FILE, folder / OWN_CODE)
        shutil.copy(RUNNER_FILE, folder / RUNNER)
        target = "tokenizer" if plan.is_joint else 'AutoTokenizer.from_pretrained("target")'
        use = USE.format(code="" if theirs else ", trust_remote_code=True", target=target)
        notes = {None: CODE_NOTE, PEGASUS: "", MARIAN: MARIAN_NOTE}
        return {"Use": f"{use}\n{notes[theirs]}"}

    def engine(self, folder: Path) -> Engine:
        return TransformersEngine(folder)

    def decodable(self, folder: Path, *, device: str, shortlist: bool) -> Decodable:
        return WholeDecodable(TransformersSearcher(folder, device=device, shortlist=shortlist), None)


TARGET = Transformers()


def _config(plan: Plan, theirs: str | None) -> dict[str, Any]:
    """`config.json`, for the class of transformers or, without one, for modeling_mt.py."""
    source, target = plan.tokenizers.source.size, plan.tokenizers.target.size
    rows = 0 if plan.target_table is None else len(plan.target_table)
    heads, groups, size = plan.uniform_heads() or (0, 0, 0)  # rules refuse a model whose heads differ
    widths = {
        half: [layer.feed_forward_dim for layer in layers]
        for half, layers in (("encoder", plan.encoder), ("decoder", plan.decoder))
    }
    common = {
        "architectures": [theirs or "MtForConditionalGeneration"],
        "is_encoder_decoder": True,
        "dtype": "float32",
        "vocab_size": source,
        "d_model": plan.dim,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "decoder_start_token_id": BOS,
        "forced_eos_token_id": None,
        "tie_word_embeddings": plan.settings["tie"] != "none",
    }
    if theirs is not None:
        own = (
            {}
            if theirs == PEGASUS
            else {
                "decoder_vocab_size": target,
                "share_encoder_decoder_embeddings": plan.settings["tie"] == "all",
            }
        )
        return {
            **common,
            **own,
            "model_type": {PEGASUS: "pegasus", MARIAN: "marian"}[theirs],
            **{f"{half}_layers": len(of) for half, of in widths.items()},
            **{f"{half}_ffn_dim": of[0] for half, of in widths.items()},
            **{f"{half}_attention_heads": heads for half in widths},
            "activation_function": plan.settings["layer.activation"],
            "max_position_embeddings": rows,
            "scale_embedding": True,
            "dropout": 0.1,
        }
    slots = ("encoder.self_attention", "decoder.self_attention", "decoder.cross_attention")
    kinds = {slot: {"kind": plan.settings[slot].kind, **plan.settings[slot].settings} for slot in slots}
    return {
        **common,
        "model_type": "mt_seq2seq",
        "auto_map": {
            "AutoConfig": "modeling_mt.MtConfig",
            "AutoModelForSeq2SeqLM": "modeling_mt.MtForConditionalGeneration",
        },
        "decoder_vocab_size": target,
        "num_heads": heads,
        "num_kv_heads": groups,
        "head_size": size,
        **{f"{half}_ffn_dims": of for half, of in widths.items()},
        "activation": plan.settings["layer.activation"],
        "norm": plan.settings["layer.norm"],
        "norm_epsilon": plan.constants["norm_epsilon"],
        "pre_norm": plan.is_pre_norm,
        "positions": "table" if rows else plan.settings["layer.positions"],
        "rows": rows,
        "rotary_base": plan.constants.get("rotary_base", 0.0),
        "embedding_scale": plan.constants["embedding_scale"],
        "tie": plan.settings["tie"],
        "encoder_attention": kinds[slots[0]],
        "decoder_attention": kinds[slots[1]],
        "cross_attention": kinds[slots[2]],
    }


def _generation(plan: Plan) -> dict[str, Any]:
    """`generation_config.json`: what `generate` does unless it is told otherwise."""
    is_beam = plan.search.size > 1
    return {
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "decoder_start_token_id": BOS,
        "forced_eos_token_id": None,
        "suppress_tokens": list(BANNED),
        "num_beams": plan.search.size,
        **({"length_penalty": plan.search.length_penalty, "early_stopping": "never"} if is_beam else {}),
        "max_new_tokens": min(
            2 * plan.max_pieces + 20, 1 << 20 if plan.target_table is None else len(plan.target_table)
        ),
        "do_sample": False,
    }


def _write_json(path: Path, body: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", "utf-8")
