"""One of our checkpoints in the formats of CTranslate2 and Hugging Face.

Only what the benchmark's model is made of can be told to both: pre-norm, LayerNorm, ReLU, sinusoidal positions, one
joint vocabulary, all embeddings tied. CTranslate2 also has RMSNorm, SwiGLU and rotary positions. The weights go through
weights.npz, so that no peer needs our code.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import environments
import numpy as np
from processes import done
from setting import HERE, Work

NEEDED = {
    "activation": ("relu",),
    "norm": ("layer",),
    "norm_position": ("pre",),
    "positions": ("sinusoidal",),
}
OF_CTRANSLATE2 = NEEDED | {
    "activation": ("relu", "gelu", "swiglu"),
    "norm": ("layer", "rms"),
    "positions": ("sinusoidal", "rotary"),
}


def convert(
    checkpoint: Path, work: Work, names: Iterable[str], python: Callable[[str, Work], Path] = environments.python
) -> None:
    """Writes weights.npz and model.json, and beside them the format of each of these peers, by its `python`."""
    from mt.checkpoint.folder import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    node = loaded.card.model
    layer = node["layer"]
    names = list(names)
    for name, known in (OF_CTRANSLATE2 if names == ["ctranslate2"] else NEEDED).items():
        if layer[name] not in known:
            few = " or ".join(known)
            raise ValueError(f"model.layer.{name} ({layer[name]}) must be {few} to be converted for the benchmark")
    has_own_heads = layer["num_kv_heads"] != layer["num_heads"] or layer.get("head_size") is not None
    if node["tie"] != "all" or loaded.card.changes or has_own_heads:
        raise ValueError(
            "the benchmark's model has model.tie=all, no changes, as many key-value heads as heads, and no head_size"
        )
    shutil.rmtree(work.converted, ignore_errors=True)
    work.converted.mkdir(parents=True)
    weights = {name: parameter.detach().numpy() for name, parameter in loaded.model.named_parameters()}
    np.savez(work.converted / "weights.npz", **weights)
    size = {
        "dim": layer["dim"],
        "feed_forward_dim": layer["feed_forward_dim"],
        "num_heads": layer["num_heads"],
        **{name: layer[name] for name in NEEDED},
        "encoder_layers": node["encoder"]["num_layers"],
        "decoder_layers": node["decoder"]["num_layers"],
        "pieces": loaded.tokenizers.target.pieces(range(loaded.tokenizers.target.size)),
    }
    (work.converted / "model.json").write_text(json.dumps(size, indent=1, ensure_ascii=False) + "\n", "utf-8")
    loaded.tokenizers.target.save(work.converted / "sentencepiece.model")
    for name in names:
        script = HERE / "peers" / f"convert_{name}.py"
        done([python(name, work), script, work.converted])
