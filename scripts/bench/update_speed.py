"""Speed of training updates, for kernels.py: python scripts/bench/update_speed.py UPDATES SETTING …

Target tokens a second, of CPU time and of the clock. Runs on the package that PYTHONPATH finds, so that an older
checkout can be measured too. Prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mt.data.batching import Cursor
from mt.training.assembly import Assembly, Parts
from mt.training.distributed import Ranks

try:
    from mt.settings import config_folder
except ImportError:  # an older checkout
    from mt.command_line import config_folder

WARM_UP = 2  # updates: torch compiles its products, memory is taken


def begun(overrides: list[str]) -> tuple[Parts, Assembly]:
    """A run of these settings with its first weights, before any update."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        settings = OmegaConf.to_container(compose("train", overrides=overrides), resolve=True)
    parts = Parts.of(settings)
    parts.set_up_process()
    assembly = Assembly.of(parts, parts.prepare())
    assembly.take_first_weights(Ranks())
    return parts, assembly


def main(updates: int, overrides: list[str]) -> None:
    """Trains from nothing on the first batches of the run."""
    parts, assembly = begun(overrides)
    batches, learner, cursor = assembly.batches(), assembly.learner(), Cursor()
    tokens, losses = 0, []
    for step in range(WARM_UP + updates):
        batch, cursor = batches.read(cursor)
        if step == WARM_UP:
            cpu, wall, tokens = time.process_time(), time.perf_counter(), 0
        done = learner.updater(learner.optimizer, [batch], step=step, learning_rate=parts.schedule(step + 1, 0.0))
        tokens += done.target_tokens
        losses.append(done.loss_nats / done.target_tokens)
    result = {
        "tokens_per_cpu_second": tokens / (time.process_time() - cpu),
        "tokens_per_second": tokens / (time.perf_counter() - wall),
        "loss": losses[-1],
        "losses": losses,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
