"""Where the time of a training update goes: python scripts/bench/step_profile.py UPDATES SETTING …

A table for docs/benchmarks.md, of torch's profiler: each operation's own time, by what it is for. The shares are those
of the clock, so that other work on the machine blurs them; they are also given in milliseconds of the processor's time,
which is measured over the same updates. A second table says how much of the batches is padding. The profiler itself
costs a few percent, most of it in what is called "Python, autograd and the rest".
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import torch
from torch.profiler import ProfilerActivity, profile, record_function
from update_speed import WARM_UP, begun

from mt.data.batching import Cursor
from mt.data.source import Text

DATA, LOSS, REST = "reading a batch", "loss over the vocabulary", "Python, autograd and the rest"
ATTENTION, OPTIMIZER = "attention", "optimizer"
PRODUCTS = ("mkldnn::_linear_pointwise", "aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm")
KINDS = {  # the first that has the name of the operation, or of one that contains it
    DATA: (DATA,),
    LOSS: ("_FusedLoss",),
    OPTIMIZER: ("Optimizer.step",),  # Muon multiplies matrices
    ATTENTION: ("_Attend", "aten::bmm", "aten::_softmax"),
    "norms, residual sums, dropout": ("_AddDropped", "_RoundedNorm", "_ResidualNorm", "NativeLayerNorm", "layer_norm"),
    "layers: own products, bias, relu": ("_Linear",),
    "rotary positions": ("_Rotated",),
    "activations that are not relu": ("_Gated", "silu", "Silu", "gelu", "Gelu"),
    "embeddings and their gradients": ("Embedding", "aten::embedding"),
    "clipping": ("vector_norm", "_foreach"),
    "copies and sums of gradients": ("SplitBackward", "SplitWithSizes", "ViewBackward", "AccumulateGrad", "aten::add_"),
}


def kind_of(event: torch.autograd.profiler_util.FunctionEvent) -> str:
    """What the operation is for."""
    names, parent = [event.name], event.cpu_parent
    while parent is not None:
        names.append(parent.name)
        parent = parent.cpu_parent
    found = (kind for kind, parts in KINDS.items() if any(part in name for part in parts for name in names))
    kind = next(found, REST)
    if event.name in PRODUCTS and kind not in (ATTENTION, OPTIMIZER):
        return f"products of {'the loss' if kind == LOSS else 'layers'}, by oneDNN or MKL"
    return kind


def main(updates: int, overrides: list[str]) -> None:
    """Trains from nothing on the first batches of the run."""
    parts, assembly = begun(overrides)
    batches, learner, cursor = assembly.batches(), assembly.learner(), Cursor()
    sizes: Counter[str] = Counter()

    def update(step: int) -> None:
        nonlocal cursor
        with record_function(DATA):
            batch, cursor = batches.read(cursor)
        learner.updater(learner.optimizer, [batch], step=step, learning_rate=parts.schedule(step + 1, 0.0))
        learner.average.update()
        assert isinstance(batch.source, Text)
        sizes.update({"target": batch.num_tokens, "target, padded": batch.target_out_BT.numel()})
        sizes.update({"source": sum(map(len, batch.source.pieces())), "both, padded": batch.padded_tokens})

    for step in range(WARM_UP):
        update(step)
    sizes.clear()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        start = time.process_time()
        for step in range(WARM_UP, WARM_UP + updates):
            update(step)
        seconds = (time.process_time() - start) / updates
    times: Counter[str] = Counter()
    for event in found.events():
        times[kind_of(event)] += event.self_cpu_time_total
    print("| what | % | ms an update |\n|---|---|---|")
    for kind, part in times.most_common():
        share = part / times.total()
        print(f"| {kind} | {100 * share:.1f} | {1000 * seconds * share:,.0f} |")
    print(f"| all | 100 | {1000 * seconds:,.0f} |\n\n| side | tokens an update | padding, % |\n|---|---|---|")
    padded = {"target": sizes["target, padded"], "source": sizes["both, padded"] - sizes["target, padded"]}
    for side, rows in padded.items():
        print(f"| {side} | {sizes[side] / updates:,.0f} | {100 * (1 - sizes[side] / rows):.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
