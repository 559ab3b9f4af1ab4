"""Trains as the command of JoeyNMT does (`python -m joeynmt train`), with a meter: train_joeynmt.py SPECIFICATION.json

JoeyNMT tokenizes while it trains, makes batches of sentences of any length, and has no bfloat16.
"""

import json
import sys
from pathlib import Path

import joeynmt.__main__
import joeynmt.batch
import yaml
from meter import Meter

EVER = 10**6  # updates


def main():
    specification = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    if specification["precision"] != "float32":
        sys.exit("JoeyNMT trains in float32 on a CPU: it turns its fp16 off there, and has no bfloat16")
    meter = Meter(specification["updates"])
    make = joeynmt.batch.Batch.__init__

    def make_counted(batch, *arguments, **named):
        make(batch, *arguments, **named)
        meter.count(batch.ntokens, batch.nseqs)

    joeynmt.batch.Batch.__init__ = make_counted
    config = Path(specification["scratch"]) / "joeynmt.yaml"
    config.write_text(yaml.safe_dump(settings(specification)), "utf-8")
    sys.argv = ["joeynmt", "train", str(config), "--skip-test"]
    joeynmt.__main__.main()


def settings(specification):
    """Its configuration file."""
    text, model, scratch = (specification[name] for name in ("text", "model", "scratch"))

    def side(language):
        return {
            "lang": language,
            "level": "bpe",
            "voc_file": f"{text}/vocabulary.txt",
            "tokenizer_type": "sentencepiece",
            "tokenizer_cfg": {"model_file": f"{text}/sentencepiece.model"},
        }

    half = {
        "type": "transformer",
        "num_layers": model["num_layers"],
        "num_heads": model["num_heads"],
        "embeddings": {"embedding_dim": model["dim"], "scale": True, "dropout": specification["dropout"]},
        "hidden_size": model["dim"],
        "ff_size": model["feed_forward_dim"],
        "dropout": specification["dropout"],
        "layer_norm": "pre",
        "activation": "relu",
    }
    return {
        "name": "bench",
        "joeynmt_version": "2.3.0",
        "model_dir": f"{scratch}/joeynmt",
        "use_cuda": False,
        "fp16": False,
        "random_seed": specification["seed"],
        "data": {
            "train": f"{text}/train",
            "dev": f"{text}/valid",
            "dataset_type": "plain",
            "src": side(specification["source"]),
            "trg": side(specification["target"]),
        },
        "testing": {"batch_size": 1024, "batch_type": "token", "eval_metrics": ["bleu"]},
        "training": {
            "optimizer": "adamw",
            "adam_betas": [0.9, 0.98],
            "learning_rate": specification["learning_rate"],
            "learning_rate_min": 1e-9,
            "learning_rate_warmup": specification["warmup_steps"],
            "scheduling": "warmupinversesquareroot",
            "clip_grad_norm": 1.0,
            "label_smoothing": specification["label_smoothing"],
            "normalization": "tokens",
            "batch_size": specification["batch_tokens"],
            "batch_type": "token",
            "epochs": EVER,
            "validation_freq": EVER,
            "logging_freq": 100,
            "early_stopping_metric": "bleu",
            "overwrite": True,
            "shuffle": True,
        },
        "model": {
            "initializer": "xavier_uniform",
            "embed_initializer": "xavier_uniform",
            "tied_embeddings": True,
            "tied_softmax": True,
            "encoder": half,
            "decoder": half,
        },
    }


if __name__ == "__main__":
    main()
