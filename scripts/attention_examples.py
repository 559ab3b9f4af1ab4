"""Attention taken apart, on tensors small enough to read: shapes, maps, caches, and every variant beside the others.

    python scripts/attention_examples.py

For readers of the papers who would like to see the numbers. Each statement is also asserted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mt.attention import (
    Average,
    Axial,
    BySource,
    CausalMixer,
    Chunked,
    Dense,
    Diagonal,
    DynamicHeads,
    Entmax,
    Gated,
    Hierarchical,
    KeyValueMixer,
    Linear,
    Local,
    LowRank,
    MemoryMixer,
    Mixer,
    MultiHead,
    MultiScale,
    Pooled,
    Prior,
    Rectified,
    Relative,
    Sections,
    Spatial,
    Ssru,
    Structured,
    Threshold,
    TopK,
    Window,
    causal_mask,
    padding_mask,
)

# B batch, D model, H heads, G key-value heads, T queries (target), S keys (source), K head size

# A variant is a line: its name here, and what makes it of (number of heads, head size).
VARIANTS: dict[str, Callable[..., Mixer]] = {
    "dense": Dense,
    "chunked": Chunked,
    "top-k, k 2": partial(TopK, k=2),
    "threshold": partial(Threshold, share=0.2),
    "1.5-entmax": Entmax,
    "sparsemax": partial(Entmax, alpha=2.0),
    "rectified": Rectified,
    "gated": Gated,
    "local": partial(Local, reach=3.0),
    "diagonal": partial(Diagonal, reach=3.0),
    "prior": Prior,
    "dynamic heads": DynamicHeads,
    "hierarchical": Hierarchical,
    "sections": Sections,
    "linear, elu": Linear,
    "linear, random": partial(Linear, features="random", num_features=256),
    "low rank": partial(LowRank, rank=3),
    "pooled by 2": partial(Pooled, factor=2),
    "scales 1 and 3": partial(MultiScale, factors=(1, 3)),
    "window of 2": partial(Window, reach=2),
    "average": Average,
    "ssru": partial(Ssru, per="head"),
    "relative": Relative,
    "structured": Structured,
    "spatial": Spatial,
    "axial": Axial,
    "by source": BySource,
}

SOURCE = "I have not eaten the cake".split()
TARGET = "ich habe den Kuchen nicht gegessen".split()
LINKS = [0, 1, 4, 5, 2, 3]  # of each target word, the source word that it translates
SHADES = " .:-=+*#%@"  # of a weight, from 0 to 1
HEADS, SIZE = 2, 16


def main() -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for number, section in enumerate(SECTIONS, start=1):
            title, _, text = (section.__doc__ or "").partition("\n\n")
            print(f"\n{number}. {title}\n" + "-" * (len(title) + 3))
            print("\n".join(line.removeprefix("    ") for line in text.rstrip().splitlines()) + "\n")
            section()


def shapes() -> None:
    """Queries, keys, values and maps

    A query asks, keys answer, values are what is brought: heads = weights(q, k) @ v. Nothing says that there must be as
    many queries as keys. Heads look in parallel, each at its own K of the D numbers; with fewer key-value heads (G)
    than heads (H), some share their keys.
    """
    B, T, S, D, H, G = 3, 4, 6, 16, 4, 2
    attention = MultiHead(D, num_heads=H, num_kv_heads=G, mixer=Dense, role=MemoryMixer, slot="decoder.cross_attention")
    target_BTD, memory_BSD = torch.randn(B, T, D), torch.randn(B, S, D)
    ids_BS = torch.tensor([[7, 7, 7, 7, 7, 7], [7, 7, 7, 7, 0, 0], [7, 7, 0, 0, 0, 0]])  # 0 is padding
    mask = padding_mask(ids_BS, pad=0)
    summary = attention.summarize(memory_BSD, mask)
    weights_BHTS, out_BTD = attention.read_weights(target_BTD, summary), attention.read(target_BTD, summary)
    for name, tensor in {
        "what asks              B T D": target_BTD,
        "what is asked          B S D": memory_BSD,
        "keys                 B G S K": summary.k_NGSK,
        "values               B G S K": summary.v_NGSK,
        "mask, may look       B 1 1 S": mask,
        "maps                 B H T S": weights_BHTS,
        "what comes out         B T D": out_BTD,
    }.items():
        print(f"  {name}   {' x '.join(map(str, tensor.shape)):>14}")
    assert weights_BHTS.shape == (B, H, T, S) and out_BTD.shape == target_BTD.shape
    torch.testing.assert_close(weights_BHTS.sum(-1), torch.ones(B, H, T))  # every row shares out a whole 1,
    assert weights_BHTS[1, :, :, 4:].max() == 0  # and padding gets nothing of it
    print("\n  Rows of a map sum to one; the last two places of sentence 1 are padding, and hold exactly 0.")


def self_and_cross() -> None:
    """Self-attention and cross-attention are one thing

    They differ in where keys and values come from: from the same words as the queries, or from the other language.
    The decoder's self-attention has a mask besides, so that no word sees those that are still to come.
    """
    mixer = Dense(HEADS, SIZE)
    source, target = source_words(), target_words()
    for name, asked, labels, mask in (
        ("encoder self-attention", (source, source), (SOURCE, SOURCE), None),
        ("decoder self-attention", (target, target), (TARGET, TARGET), causal_mask(6, 0, target.device)),
        ("cross-attention", (target, source), (TARGET, SOURCE), None),
    ):
        weights_BHTS = mixer.weights(*asked, mask)
        print(text_of([(name, weights_BHTS)], *labels))
        if mask is not None:
            assert weights_BHTS.triu(1).max() == 0
    assert weights_BHTS[0, 0].argmax(-1).tolist() == LINKS  # each target word finds the word that it translates


def caches() -> None:
    """What is cached, and what changes

    Keys and values of cross-attention are made of the encoder's memory, which depends on the source alone. A new target
    word only brings another query, so they are made once a sentence (the summary) and read at every step. In the
    decoder's self-attention each new word brings a key and a value of its own to those before (the past), which stay
    what they were: they depend on earlier words alone. Bytes, for one sentence of 6 words, over ten steps:
    """
    k, v = source_words(), torch.randn(1, HEADS, 6, SIZE)
    print(f"  {'':16}{'summary before':>16}{'after 10':>10}{'past at 1':>14}{'at 5':>8}{'at 10':>8}")
    for name, mixer in mixers():
        row = f"  {name:16}"
        if isinstance(mixer, MemoryMixer):
            summary = mixer.summarize(k, v, None)
            before = [(tensor, tensor.data_ptr(), tensor.clone()) for tensor in tensors(summary)]
            size = num_bytes(summary)
            for _ in range(10):
                mixer.read(torch.randn(1, HEADS, 1, SIZE), summary)
            for (old, place, copy), now in zip(before, tensors(summary), strict=True):
                assert now is old and now.data_ptr() == place and now.equal(copy)  # the same tensors, untouched
            row += f"{size:>16,}{num_bytes(summary):>10,}"
        else:
            row += f"{'-':>16}{'-':>10}"
        if isinstance(mixer, CausalMixer):
            past, sizes = mixer.start(), []
            for _ in range(10):
                q, new_k, new_v = (torch.randn(1, HEADS, 1, SIZE) for _ in range(3))
                _, past = mixer.extend(q, new_k, new_v, past)
                sizes.append(num_bytes(past))
            assert sizes == sorted(sizes)
            row += f"{sizes[0]:>14,}{sizes[4]:>8,}{sizes[9]:>8,}"
            row += "   constant" if sizes[0] == sizes[9] else "   constant from 2 on" if sizes[1] == sizes[9] else ""
            if isinstance(mixer, (Linear, Average)):
                assert sizes[0] == sizes[9]
            elif isinstance(mixer, Window):
                assert sizes[1] == sizes[9]  # its reach is 2
            elif type(mixer) is Dense:
                assert sizes[9] == 10 * sizes[0]
        print(row)

    mixer, past = Dense(HEADS, SIZE), None
    for _ in range(10):
        q, new_k, new_v = (torch.randn(1, HEADS, 1, SIZE) for _ in range(3))
        old, (_, past) = past, mixer.extend(q, new_k, new_v, past or mixer.start())
        if old is not None:  # what was there before is still there, and what is new stands behind it
            assert past.k_BGSK[:, :, :-1].equal(old.k_BGSK) and past.k_BGSK[:, :, -1:].equal(new_k)
    print("\n  The summary is the same object with the same numbers after ten steps; a past only ever gets longer, or,")
    print("  where sums take the place of words (linear, average, ssru) or far ones are let go (window), not that.")


def step_by_step() -> None:
    """Step by step is all at once

    Training asks all positions together under the causal mask; decoding adds them one by one to the past. Both have to
    be the same function, or a model is asked what it was never taught. The largest difference over six words:
    """
    q = k = target_words()
    v = torch.randn(1, HEADS, 6, SIZE)
    for name, mixer in mixers():
        if not isinstance(mixer, CausalMixer):
            continue
        mask, past, steps = causal_mask(6, 0, q.device), mixer.start(), []
        at_once = mixer.gate(q, k, mask) * mixer.activation(mixer.weights(q, k, mask) @ v)
        for t in range(6):
            heads, past = mixer.extend(*(x[:, :, t : t + 1] for x in (q, k, v)), past)
            steps.append(heads)
        difference = (torch.cat(steps, dim=2) - at_once).abs().max()
        assert difference < 1e-5
        print(f"  {name:16}{difference:10.1e}")


def maps() -> None:
    """One example, every variant

    Cross-attention of the sentence above, head 0: a variant is how it makes weights of q and k. Those for
    self-attention alone look at the target itself, under the causal mask.
    """
    cross, own = [], []
    for name, mixer in mixers():
        q, length = target_words(), len(TARGET)
        if isinstance(mixer, MemoryMixer):
            k, kept, mask = source_words(), cross, None
        else:
            k, kept, mask = q, own, causal_mask(length, 0, q.device) if isinstance(mixer, CausalMixer) else None
        kept.append((name, mixer.weights(q, k, mask)))
    for some, labels in ((cross, SOURCE), (own, TARGET)):
        for start in range(0, len(some), 3):
            print(text_of(some[start : start + 3], TARGET, labels))
    for _, weights_BHTS in cross + own:
        torch.testing.assert_close(weights_BHTS.sum(-1), torch.ones(1, HEADS, 6))
    print(f"  from 0 to 1: [{SHADES}]")


class Hardest(KeyValueMixer):
    """All weight on the best key."""

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask)
        return torch.nn.functional.one_hot(scores_BHTS.argmax(-1), scores_BHTS.shape[-1]).float()


def a_variant_of_your_own() -> None:
    """A variant of your own

    It says its weights. As a KeyValueMixer it has every role with that: it attends, is summarized and read, and extends
    a past. This one, `Hardest` of this file, puts all weight on the best key.
    """
    mixer = Hardest(HEADS, SIZE)
    q, k, v = target_words(), source_words(), torch.randn(1, HEADS, 6, SIZE)
    torch.testing.assert_close(mixer.read(q, mixer.summarize(k, v, None)), mixer.attend(q, k, v, None))
    print(text_of([("hardest", mixer.weights(q, k, None))], TARGET, SOURCE))
    assert mixer.weights(q, k, None)[0, 0].argmax(-1).tolist() == LINKS


SECTIONS = (shapes, self_and_cross, caches, step_by_step, maps, a_variant_of_your_own)


def source_words() -> Tensor:
    """words_BHSK: a direction for each source word, the same wherever it is asked for; near words are a bit alike."""
    words_SK = torch.randn(6, SIZE, generator=torch.Generator().manual_seed(4))
    words_SK = words_SK + 0.5 * words_SK.roll(1, dims=0)
    return (2.8 * torch.nn.functional.normalize(words_SK, dim=-1)).expand(1, HEADS, 6, SIZE)


def target_words() -> Tensor:
    """words_BHTK: what a target word asks for is the word that it translates, and a little of everything."""
    noise = 0.3 * torch.randn(1, HEADS, 6, SIZE, generator=torch.Generator().manual_seed(5))
    return source_words()[:, :, LINKS] + noise


def mixers() -> Iterator[tuple[str, Mixer]]:
    """Every variant, with fresh weights where it has any."""
    for name, make in VARIANTS.items():
        torch.manual_seed(2)
        yield name, make(HEADS, SIZE).eval()


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors of a summary or a past."""
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from tensors(getattr(value, field.name))


def num_bytes(value: Any) -> int:
    """Of all tensors of a summary or a past; views of one tensor count once."""
    largest: dict[int, int] = {}
    for tensor in tensors(value):
        place = tensor.untyped_storage().data_ptr()
        largest[place] = max(largest.get(place, 0), tensor.numel() * tensor.element_size())
    return sum(largest.values())


def text_of(named: list[tuple[str, Tensor]], rows: list[str], columns: list[str]) -> str:
    """Maps side by side as shades, head 0 of sentence 0."""
    gap, width = "    ", 3 * len(columns)
    lines = [" " * 12 + gap.join(f"{name:{width}}" for name, _ in named)]
    lines.append(" " * 12 + gap.join("".join(f"{word[:2]:3}" for word in columns) for _ in named))
    for t, word in enumerate(rows):
        shaded = ("".join(shade(float(weight)) * 2 + " " for weight in map_BHTS[0, 0, t]) for _, map_BHTS in named)
        lines.append(f"  {word:10}" + gap.join(shaded))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def shade(weight: float) -> str:
    return SHADES[min(int(weight * len(SHADES)), len(SHADES) - 1)]


if __name__ == "__main__":
    main()
