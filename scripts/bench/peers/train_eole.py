"""Trains with Eole as its command does (`eole train`), with a meter: train_eole.py SPECIFICATION.json"""

import json
import sys
from pathlib import Path

import eole.trainer
import yaml
from eole.bin.main import main as eole_main
from meter import Meter

EVER = 10**6  # updates


def main():
    specification = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    meter = Meter(specification["updates"])
    process = eole.trainer.BatchProcessor.process_batch

    def process_counted(processor, batch, *arguments, **named):
        targets = batch["tgt"][:, 1:]  # what comes after the begin of sentence
        meter.count(targets.ne(processor.train_loss.padding_idx).sum(), len(targets))
        return process(processor, batch, *arguments, **named)

    eole.trainer.BatchProcessor.process_batch = process_counted
    config = Path(specification["scratch"]) / "eole.yaml"
    config.write_text(yaml.safe_dump(settings(specification)), "utf-8")
    sys.argv = ["eole", "train", "--config", str(config)]
    eole_main()


def settings(specification):
    """Its configuration file."""
    text, model, scratch = (specification[name] for name in ("text", "model", "scratch"))
    source, target = specification["source"], specification["target"]
    return {
        "seed": specification["seed"],
        "share_vocab": True,
        "src_vocab": f"{text}/vocabulary.txt",
        "tgt_vocab": f"{text}/vocabulary.txt",
        "src_vocab_size": 8000,
        "tgt_vocab_size": 8000,
        "overwrite": True,
        "report_every": 100,
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "decoder_start_token": "<s>",
        "transforms": ["sentencepiece"],
        "transforms_configs": {
            "sentencepiece": {
                "src_subword_model": f"{text}/sentencepiece.model",
                "tgt_subword_model": f"{text}/sentencepiece.model",
            }
        },
        "data": {
            "corpus": {"path_src": f"{text}/train.{source}", "path_tgt": f"{text}/train.{target}"},
        },
        "training": {
            "world_size": 1,
            "gpu_ranks": [],
            "compute_dtype": {"float32": "fp32", "bfloat16": "bf16"}[specification["precision"]],
            "use_amp": True,
            "log_attention_entropy": False,
            "batch_type": "tokens",
            "batch_size": specification["batch_tokens"],
            "batch_size_multiple": 1,
            "bucket_size": 29000,
            "num_workers": 0,
            "normalization": "tokens",
            "accum_count": [1],
            "optim": "adamw",
            "adam_beta2": 0.98,
            "learning_rate": specification["learning_rate"],
            "warmup_steps": specification["warmup_steps"],
            "decay_method": "rsqrt",
            "max_grad_norm": 1.0,
            "label_smoothing": specification["label_smoothing"],
            "dropout": [specification["dropout"]],
            "attention_dropout": [0.0],
            "dropout_steps": [0],
            "param_init_method": "xavier_uniform",
            "model_path": f"{scratch}/eole",
            "train_steps": EVER,
            "valid_steps": EVER,
            "save_checkpoint_steps": EVER,
        },
        "model": {
            "architecture": "transformer",
            "layers": model["num_layers"],
            "heads": model["num_heads"],
            "hidden_size": model["dim"],
            "transformer_ff": model["feed_forward_dim"],
            "mlp_activation_fn": "relu",
            "add_qkvbias": True,
            "add_final_linear_bias": True,
            "add_ffnbias": True,
            "share_embeddings": True,
            "share_decoder_embeddings": True,
            "embeddings": {
                "word_vec_size": model["dim"],
                "position_encoding": True,
                "position_encoding_type": "SinusoidalConcat",
            },
        },
    }


if __name__ == "__main__":
    main()
