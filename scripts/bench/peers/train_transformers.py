"""Trains a Marian model of Hugging Face transformers: train_transformers.py SPECIFICATION.json

The loop is written with care: batches of similar length under a budget of tokens, ids encoded beforehand, a fused
optimizer. (Its Seq2SeqTrainer knows batches of a number of sentences alone.)
"""

import json
import random
import sys
from pathlib import Path

import sentencepiece
import torch
from meter import Meter
from transformers import MarianConfig, MarianMTModel

PAD, BOS, EOS, IGNORED = 0, 2, 3, -100
LENGTH_NOISE = 1.5  # tokens, so that other sentences meet in every epoch


def main():
    specification = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.manual_seed(specification["seed"])
    meter = Meter(specification["updates"])
    model = build(specification)
    model.register_forward_pre_hook(
        lambda _, __, inputs: meter.count(target_tokens(inputs["decoder_input_ids"]), len(inputs["input_ids"])),
        with_kwargs=True,
    )
    print("parameters", sum(parameter.numel() for parameter in model.parameters()), flush=True)
    pairs = encoded(specification)
    train(model, pairs, specification)


def build(specification):
    """The model, which has norms behind its parts, unlike the others'."""
    size = specification["model"]
    config = MarianConfig(
        vocab_size=8000,
        d_model=size["dim"],
        encoder_layers=size["num_layers"],
        decoder_layers=size["num_layers"],
        encoder_attention_heads=size["num_heads"],
        decoder_attention_heads=size["num_heads"],
        encoder_ffn_dim=size["feed_forward_dim"],
        decoder_ffn_dim=size["feed_forward_dim"],
        activation_function="relu",
        dropout=specification["dropout"],
        attention_dropout=0.0,
        activation_dropout=0.0,
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        max_position_embeddings=512,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        forced_eos_token_id=EOS,
    )
    model = MarianMTModel(config).train()
    model.set_attn_implementation("eager")  # on a CPU a quarter faster than sdpa in bfloat16, the same in float32
    return model


def encoded(specification):
    """The ids of every pair, EOS at the end of both sides."""
    processor = sentencepiece.SentencePieceProcessor(model_file=f"{specification['text']}/sentencepiece.model")
    sides = []
    for language in (specification["source"], specification["target"]):
        lines = Path(f"{specification['text']}/train.{language}").read_text("utf-8").removesuffix("\n").split("\n")
        sides.append([[*ids, EOS] for ids in processor.encode(lines)])
    return list(zip(*sides, strict=True))


def train(model, pairs, specification):
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=specification["learning_rate"], betas=(0.9, 0.98), eps=1e-9, weight_decay=0, fused=True
    )
    warmup = specification["warmup_steps"]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (warmup / (step + 1)) ** 0.5)
    )
    is_mixed = specification["precision"] == "bfloat16"
    generator = random.Random(specification["seed"])
    while True:
        for batch in batches(pairs, 2 * specification["batch_tokens"], generator):
            inputs, labels = tensors(batch)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_mixed):
                logits = model(**inputs, use_cache=False).logits
                loss = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1),
                    labels.flatten(),
                    ignore_index=IGNORED,
                    label_smoothing=specification["label_smoothing"],
                )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)


def batches(pairs, max_tokens, generator):
    """An epoch: pairs of similar length, padded tokens of both sides at most `max_tokens`, in random order."""
    noise = [generator.random() * LENGTH_NOISE for _ in pairs]
    order = sorted(range(len(pairs)), key=lambda i: (int(len(pairs[i][0]) + noise[i]), len(pairs[i][1]) + noise[i]))
    made, batch, longest = [], [], [0, 0]
    for index in order:
        wider = [max(most, len(side)) for most, side in zip(longest, pairs[index], strict=True)]
        if batch and (len(batch) + 1) * sum(wider) > max_tokens:
            made.append(batch)
            batch, wider = [], [len(side) for side in pairs[index]]
        batch.append(pairs[index])
        longest = wider
    made.append(batch)
    generator.shuffle(made)
    return made


def tensors(batch):
    """What the model takes, and the labels: targets with EOS, padding ignored."""
    source, labels = (padded([pair[side] for pair in batch], fill) for side, fill in ((0, PAD), (1, IGNORED)))
    starts = torch.full((len(batch), 1), BOS)
    decoder_input = torch.cat([starts, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, PAD)], dim=1)
    inputs = {"input_ids": source, "attention_mask": source != PAD, "decoder_input_ids": decoder_input}
    return inputs, labels


def target_tokens(decoder_input):
    """What the loss is taken of: the begin of sentence and every piece each have one token to foretell."""
    return ((decoder_input != PAD) & (decoder_input != EOS)).sum()


def padded(rows, fill):
    longest = max(map(len, rows))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])


if __name__ == "__main__":
    main()
