"""weights.npz and model.json to a CTranslate2 model in FOLDER/ctranslate2: convert_ctranslate2.py FOLDER"""

import json
import sys
from pathlib import Path

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

MAX_POSITIONS = 1024
ACTIVATIONS = {
    "relu": common_spec.Activation.RELU,
    "gelu": common_spec.Activation.GELU,
    "swiglu": common_spec.Activation.SWISH,
}


def main():
    folder = Path(sys.argv[1])
    model = json.loads((folder / "model.json").read_text("utf-8"))
    with np.load(folder / "weights.npz") as file:
        weights = dict(file)
    spec = build(model, weights)
    spec.validate()
    spec.optimize(quantization=None)  # the type of the numbers is chosen when the model is loaded
    target = folder / "ctranslate2"
    target.mkdir(exist_ok=True)
    spec.save(str(target))


def build(model, weights):
    """The specification, filled."""
    is_rotary = model["positions"] == "rotary"
    how = {
        "pre_norm": True,
        "activation": ACTIVATIONS[model["activation"]],
        "ffn_glu": model["activation"] == "swiglu",
        "rms_norm": model["norm"] == "rms",
        **({"rotary_dim": 0, "rotary_interleave": False} if is_rotary else {}),  # 0: all of a head
    }
    spec = transformer_spec.TransformerSpec(
        transformer_spec.TransformerEncoderSpec(model["encoder_layers"], model["num_heads"], **how),
        transformer_spec.TransformerDecoderSpec(model["decoder_layers"], model["num_heads"], **how),
    )
    embedding = weights["source_embedding.tokens.weight"]
    table = sinusoids(MAX_POSITIONS, model["dim"])
    for half, embeddings in ((spec.encoder, spec.encoder.embeddings[0]), (spec.decoder, spec.decoder.embeddings)):
        embeddings.weight = embedding
        half.scale_embeddings = True
        if not is_rotary:
            half.position_encodings.encodings = table
    spec.decoder.projection.weight = embedding
    set_norm(spec.encoder.layer_norm, weights, "encoder.norm")
    set_norm(spec.decoder.layer_norm, weights, "decoder.norm")
    for number, layer in enumerate(spec.encoder.layer):
        name = f"encoder.layers.{number}"
        set_self_attention(layer.self_attention, weights, f"{name}.attention", f"{name}.attention_residual.norm")
        set_feed_forward(layer.ffn, weights, name)
    for number, layer in enumerate(spec.decoder.layer):
        name = f"decoder.layers.{number}"
        set_self_attention(layer.self_attention, weights, f"{name}.self_attention", f"{name}.self_residual.norm")
        for part, linear in zip(("query", "key_value", "output"), layer.attention.linear, strict=True):
            set_linear(linear, weights, f"{name}.cross_attention.{part}")
        set_norm(layer.attention.layer_norm, weights, f"{name}.cross_residual.norm")
        set_feed_forward(layer.ffn, weights, name)
    for register in (spec.register_source_vocabulary, spec.register_target_vocabulary):
        register(model["pieces"])
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = 1e-5
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = "<s>", "</s>", "<unk>"
    spec.config.decoder_start_token = "<s>"
    return spec


def set_self_attention(spec, weights, name, norm):
    """Queries, keys and values are one product in CTranslate2; we have keys and values in one already."""
    for part in ("weight", "bias"):
        both = np.concatenate([weights[f"{name}.query.{part}"], weights[f"{name}.key_value.{part}"]])
        setattr(spec.linear[0], part, both)
    set_linear(spec.linear[1], weights, f"{name}.output")
    set_norm(spec.layer_norm, weights, norm)


def set_feed_forward(spec, weights, layer):
    if hasattr(spec, "linear_0_noact"):  # the gate, then what it scales, are one matrix here
        for part in ("weight", "bias"):
            gate, scaled = np.split(weights[f"{layer}.feed_forward.up.{part}"], 2)
            setattr(spec.linear_0, part, gate), setattr(spec.linear_0_noact, part, scaled)
    else:
        set_linear(spec.linear_0, weights, f"{layer}.feed_forward.up")
    set_linear(spec.linear_1, weights, f"{layer}.feed_forward.down")
    set_norm(spec.layer_norm, weights, f"{layer}.feed_forward_residual.norm")


def set_linear(spec, weights, name):
    spec.weight, spec.bias = weights[f"{name}.weight"], weights[f"{name}.bias"]


def set_norm(spec, weights, name):
    spec.gamma = weights[f"{name}.weight"]
    if f"{name}.bias" in weights:
        spec.beta = weights[f"{name}.bias"]


def sinusoids(length, dim):
    """Position 0 first, sines before cosines."""
    half = dim // 2
    speeds = np.exp(np.arange(half) * (-np.log(10000.0) / (half - 1)))
    angles = np.outer(np.arange(length), speeds)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


if __name__ == "__main__":
    main()
