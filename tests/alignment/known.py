"""Translations whose word alignment is known, and tiny models that learn them in seconds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mt.alignment.gold import Gold
from mt.alignment.links import Link, to_pharaoh
from mt.checkpoint.card import ModelCard
from mt.checkpoint.folder import write_checkpoint
from mt.checkpoint.rebuild import build
from mt.data.source import Text, padded
from mt.data.tokenizer import BOS, EOS, PAD, TokenizerSettings, train_tokenizers

NUMBERS = "eins zwei drei vier fünf sechs sieben acht neun zehn".split()
NOUNS = {"Haus": "house", "Boot": "boat", "Hund": "dog", "Vogel": "bird"}
COMPOUNDS = {"Hausboot": "houseboat", "Boothaus": "boathouse", "Hundhaus": "doghouse", "Vogelhaus": "birdhouse"}
ADJECTIVES = {"alt": "old", "rot": "red", "klein": "small", "leer": "empty"}

SENTENCES, PEAK = 32, 0.01  # of training: sentences in a batch, the highest learning rate
LAYERS, HEADS = 2, 2  # of the decoder


@dataclass(frozen=True, eq=False)
class Task:
    """Every word has its translation, and target word n is that of source word `order(words)[n]`."""

    name: str
    words: dict[str, str]
    order: Callable[[list[str]], list[int]]
    vocab_size: int = 500  # more than there are: every word becomes a piece
    steps: int = 450  # of training, a batch each

    def pairs(self, count: int, *, seed: int) -> tuple[list[str], list[str], list[set[Link]]]:
        """Sentences of 2 to 7 different words, their translations, and the links between them."""
        rng, sources, targets, links = random.Random(seed), [], [], []
        for _ in range(count):
            words = rng.sample(list(self.words), rng.randint(2, 7))
            order = self.order(words)
            sources.append(" ".join(words))
            targets.append(" ".join(self.words[words[place]] for place in order))
            links.append({(place, number) for number, place in enumerate(order)})
        return sources, targets, links

    def write(self, folder: Path, name: str, count: int, *, seed: int) -> None:
        """The same as files: NAME.source, NAME.target, NAME.links."""
        sources, targets, links = self.pairs(count, seed=seed)
        for ending, lines in (("source", sources), ("target", targets), ("links", map(to_pharaoh, links))):
            (folder / f"{name}.{ending}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def first_word_last(words: list[str]) -> list[int]:
    return [*range(1, len(words)), 0]


COPY = Task("copy", {word: word for word in NUMBERS}, lambda words: list(range(len(words))))
REVERSE = Task("reverse", {word: word for word in NUMBERS}, lambda words: list(range(len(words)))[::-1], steps=600)
DICTIONARY = Task("dictionary", NOUNS | COMPOUNDS | ADJECTIVES, first_word_last, vocab_size=84, steps=700)


def as_gold(links: list[set[Link]]) -> list[Gold]:
    return [Gold.of(of_line, set()) for of_line in links]


def train(task: Task, folder: Path) -> Path:
    """The step folder of a model that has learned the task. It translates from xx into xx, and so either way round."""
    torch.manual_seed(1)
    sources, targets, _ = task.pairs(3000, seed=1)
    how = TokenizerSettings(model_type="bpe", vocab_size=task.vocab_size, byte_fallback=False, character_coverage=1.0)
    # compounds seldom, so that a small vocabulary leaves them in parts
    seen = [pair for pair in task.words.items() for _ in range(1 if pair[0] in COMPOUNDS else 2)]
    tokenizers = train_tokenizers(*zip(*seen, strict=True), len(seen), how)
    slot = {"_target_": "mt.attention.dense.Dense", "_partial_": True}
    layer = {"dim": 32, "num_heads": HEADS, "num_kv_heads": HEADS, "feed_forward_dim": 64, "dropout": 0.0}
    part = {"_partial_": True, "self_attention": slot}
    node = {
        "_target_": "mt.model.seq2seq.Seq2Seq",
        "layer": {"_target_": "mt.model.layer.LayerSettings", **layer},
        "encoder": {"_target_": "mt.model.encoder.Encoder", "num_layers": 1, **part},
        "decoder": {"_target_": "mt.model.decoder.Decoder", "num_layers": LAYERS, "cross_attention": slot, **part},
    }
    model = build(node, source_vocab_size=tokenizers.source.size, target_vocab_size=tokenizers.target.size)
    ids = list(zip(*(tokenizers.source.encode_many(side) for side in (sources, targets)), strict=True))
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=task.steps)
    rng = random.Random(1)
    for _ in range(task.steps):
        batch = rng.sample(ids, SENTENCES)
        states_BTD = model(Text.of([s for s, _ in batch]), padded([[BOS, *t] for _, t in batch]))
        wanted_BT = padded([[*t, EOS] for _, t in batch])
        loss = torch.nn.functional.cross_entropy(model.output(states_BTD).mT, wanted_BT, ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    card = ModelCard(model=node, source_language="xx", target_language="xx")
    weights = dict(model.named_parameters())
    write_checkpoint(folder, card=card, weights=weights, tokenizers=tokenizers, scores={})
    return folder
