"""Models that learn to write a line of random words again, in its order or another, for the small experiments."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402 - found by the line above

from mt.attention.contract import Mixer  # noqa: E402
from mt.attention.dense import Dense  # noqa: E402
from mt.data.source import Text  # noqa: E402
from mt.data.tokenizer import BOS, EOS, NUM_SPECIAL  # noqa: E402
from mt.model.decoder import Decoder  # noqa: E402
from mt.model.encoder import Encoder  # noqa: E402
from mt.model.layer import LayerSettings  # noqa: E402
from mt.model.seq2seq import Seq2Seq  # noqa: E402

VOCABULARY, SENTENCES, WARMUP, PEAK = 64, 64, 50, 5e-3

Order = Callable[[torch.Tensor], torch.Tensor]  # source words_BS to target words_BS


def model_of(
    max_positions: int,
    *,
    positions: str = "sinusoidal",
    encoder_attention: Callable[..., Mixer] = Dense,
    cross_attention: Callable[..., Mixer] = Dense,
) -> Seq2Seq:
    """64 wide, 2+2 layers."""
    settings = LayerSettings(
        dim=64, num_heads=4, num_kv_heads=4, feed_forward_dim=128, norm="rms", dropout=0.0, positions=positions
    )
    return Seq2Seq(
        layer=settings,
        encoder=partial(Encoder, num_layers=2, self_attention=encoder_attention),
        decoder=partial(Decoder, num_layers=2, self_attention=Dense, cross_attention=cross_attention),
        source_vocab_size=VOCABULARY,
        target_vocab_size=VOCABULARY,
        max_positions=max_positions,
    )


def same(words_BS: torch.Tensor) -> torch.Tensor:
    """The order of the source."""
    return words_BS


def batch(length: int, order: Order, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """source_BS, target_in_BT, target_out_BT of lines of one length, in which words come again."""
    words = torch.randint(NUM_SPECIAL, VOCABULARY, (SENTENCES, length), generator=generator)
    start, end = torch.full((SENTENCES, 1), BOS), torch.full((SENTENCES, 1), EOS)
    written = order(words)
    return torch.cat((words, end), dim=1), torch.cat((start, written), dim=1), torch.cat((written, end), dim=1)


def trained(model: Seq2Seq, steps: int, lengths: tuple[int, int], order: Order = same) -> Seq2Seq:
    """AdamW, linear warm-up and fall; every batch of another length, from the first of `lengths` to the second."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.98))
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = PEAK * min((step + 1) / WARMUP, 1) * (1 - step / steps)
        length = int(torch.randint(lengths[0], lengths[1] + 1, (), generator=generator))
        source_BS, target_in_BT, target_out_BT = batch(length, order, generator)
        logits_BTV = model.output(model(Text(source_BS), target_in_BT))
        loss = torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), target_out_BT.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


@torch.inference_mode()
def share_right(model: Seq2Seq, length: int, order: Order = same) -> float:
    """The share of words and ends of greedy outputs that are right, from 0 to 1."""
    source_BS, _, wanted_BT = batch(length, order, torch.Generator().manual_seed(length))
    state, tokens_B, found = model.start(Text(source_BS)), torch.full((SENTENCES,), BOS), []
    for _ in range(wanted_BT.shape[1]):
        logits_BV, state = model.step(tokens_B, state)
        tokens_B = logits_BV.argmax(dim=-1)
        found.append(tokens_B)
    return (torch.stack(found, dim=1) == wanted_BT).float().mean().item()
