"""Do positions hold beyond the lengths of the training? Copying, trained on short lines, tried on longer ones.

A small model learns to copy lines of 2 to 12 random words of a vocabulary of 60, in which words come again, so that it
must know where it is. Then it copies lines of up to three times the longest, greedily; shown is the share of words (and
of ends) that stand where they should. Randomized positions are drawn from the first 36.

    python scripts/length_extrapolation.py sinusoidal rotary randomized     # half a minute each on a core
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402 - found by the line above

from mt.attention.dense import Dense  # noqa: E402
from mt.data.tokenizer import BOS, EOS, NUM_SPECIAL  # noqa: E402
from mt.model.decoder import Decoder  # noqa: E402
from mt.model.encoder import Encoder  # noqa: E402
from mt.model.layer import POSITIONS, LayerSettings  # noqa: E402
from mt.model.seq2seq import Seq2Seq  # noqa: E402

LONGEST, VOCABULARY, SENTENCES, WARMUP, PEAK = 12, 64, 64, 50, 5e-3
LENGTHS = (6, 12, 15, 18, 24, 36)


def main() -> None:
    """Prints a line for each kind of positions."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("positions", nargs="+", choices=POSITIONS)
    flags.add_argument("--steps", type=int, default=500, help="updates (default: %(default)s)")
    flags.add_argument("--seed", type=int, default=0)
    args = flags.parse_args()
    torch.set_num_threads(1)
    print("words where they should be, %, by length".ljust(44), *(f"{length:5}" for length in LENGTHS))
    for positions in args.positions:
        torch.manual_seed(args.seed)
        model = trained(model_of(positions), args.steps)
        shares = (100 * copied(model, length) for length in LENGTHS)
        print(positions.ljust(44), *(f"{share:5.1f}" for share in shares), flush=True)


def model_of(positions: str) -> Seq2Seq:
    """64 wide, 2+2 layers."""
    settings = LayerSettings(
        dim=64, num_heads=4, num_kv_heads=4, feed_forward_dim=128, norm="rms", dropout=0.0, positions=positions
    )
    return Seq2Seq(
        layer=settings,
        encoder=partial(Encoder, num_layers=2, self_attention=Dense),
        decoder=partial(Decoder, num_layers=2, self_attention=Dense, cross_attention=Dense),
        source_vocab_size=VOCABULARY,
        target_vocab_size=VOCABULARY,
        max_positions=3 * LONGEST,
    )


def batch(num_sentences: int, length: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """source_BS, target_in_BT, target_out_BT of lines of one length."""
    words = torch.randint(NUM_SPECIAL, VOCABULARY, (num_sentences, length), generator=generator)
    start, end = torch.full((num_sentences, 1), BOS), torch.full((num_sentences, 1), EOS)
    ended = torch.cat((words, end), dim=1)
    return ended, torch.cat((start, words), dim=1), ended


def trained(model: Seq2Seq, steps: int) -> Seq2Seq:
    """AdamW, linear warm-up and fall; every batch of another length."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.98))
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = PEAK * min((step + 1) / WARMUP, 1) * (1 - step / steps)
        length = int(torch.randint(2, LONGEST + 1, (), generator=generator))
        source_BS, target_in_BT, target_out_BT = batch(SENTENCES, length, generator)
        logits_BTV = model.output(model(source_BS, target_in_BT))
        loss = torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), target_out_BT.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


@torch.inference_mode()
def copied(model: Seq2Seq, length: int) -> float:
    """The share of words and ends of greedy copies that are right."""
    source_BS, _, wanted_BT = batch(SENTENCES, length, torch.Generator().manual_seed(length))
    state, tokens_B, found = model.start(source_BS), torch.full((SENTENCES,), BOS), []
    for _ in range(wanted_BT.shape[1]):
        logits_BV, state = model.step(tokens_B, state)
        tokens_B = logits_BV.argmax(dim=-1)
        found.append(tokens_B)
    return (torch.stack(found, dim=1) == wanted_BT).float().mean().item()


if __name__ == "__main__":
    main()
