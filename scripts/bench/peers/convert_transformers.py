"""weights.npz and model.json to an M2M100 model in FOLDER/transformers: convert_transformers.py FOLDER

M2M100 is the pre-norm, sinusoidal, tied Transformer among the models of Hugging Face; Marian has its norms elsewhere.
Its positions start at 1 when padding is 0, and those of our model at 0: `load` moves its table by one.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration

PAD, BOS, EOS = 0, 2, 3
MAX_POSITIONS = 1024


def main():
    folder = Path(sys.argv[1])
    model = json.loads((folder / "model.json").read_text("utf-8"))
    with np.load(folder / "weights.npz") as file:
        weights = {name: torch.from_numpy(file[name]) for name in file.files}
    converted = M2M100ForConditionalGeneration(config(model))
    missing, unknown = converted.load_state_dict(renamed(model, weights), strict=False)
    tied = {"lm_head.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"}
    assert set(missing) <= tied and not unknown, (missing, unknown)
    converted.tie_weights()
    converted.save_pretrained(folder / "transformers")


def config(model):
    return M2M100Config(
        vocab_size=len(model["pieces"]),
        d_model=model["dim"],
        encoder_layers=model["encoder_layers"],
        decoder_layers=model["decoder_layers"],
        encoder_attention_heads=model["num_heads"],
        decoder_attention_heads=model["num_heads"],
        encoder_ffn_dim=model["feed_forward_dim"],
        decoder_ffn_dim=model["feed_forward_dim"],
        activation_function="relu",
        max_position_embeddings=MAX_POSITIONS,
        scale_embedding=True,
        tie_word_embeddings=True,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
    )


def renamed(model, weights):
    """The state of the model."""
    state = {"model.shared.weight": weights["source_embedding.tokens.weight"]}

    def copy(theirs, ours):
        for part in ("weight", "bias"):
            state[f"{theirs}.{part}"] = weights[f"{ours}.{part}"]

    def attention(theirs, ours):
        copy(f"{theirs}.q_proj", f"{ours}.query")
        copy(f"{theirs}.out_proj", f"{ours}.output")
        for part in ("weight", "bias"):
            keys, values = weights[f"{ours}.key_value.{part}"].chunk(2)
            state[f"{theirs}.k_proj.{part}"], state[f"{theirs}.v_proj.{part}"] = keys, values

    for half, slots in (
        ("encoder", {"self_attn": "attention"}),
        ("decoder", {"self_attn": "self", "encoder_attn": "cross"}),
    ):
        copy(f"model.{half}.layer_norm", f"{half}.norm")
        for number in range(model[f"{half}_layers"]):
            theirs, ours = f"model.{half}.layers.{number}", f"{half}.layers.{number}"
            for slot, name in slots.items():
                attention(f"{theirs}.{slot}", f"{ours}.{name}_attention" if half == "decoder" else f"{ours}.{name}")
                copy(f"{theirs}.{slot}_layer_norm", f"{ours}.{name}_residual.norm")
            copy(f"{theirs}.fc1", f"{ours}.feed_forward.up")
            copy(f"{theirs}.fc2", f"{ours}.feed_forward.down")
            copy(f"{theirs}.final_layer_norm", f"{ours}.feed_forward_residual.norm")
    return state


def load(folder, dtype):
    """The converted model, ready to generate."""
    model = M2M100ForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval()
    for half in (model.model.encoder, model.model.decoder):
        table = half.embed_positions
        moved = table.get_embedding(MAX_POSITIONS, table.embedding_dim)  # row p holds position p
        table.weights[1 : MAX_POSITIONS + 1] = moved.to(table.weights.dtype)
    return model


if __name__ == "__main__":
    main()
