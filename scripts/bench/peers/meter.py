"""Counts what a peer trains on: a line for every update of any optimizer of torch, in the same way for every peer.

    {"seconds": monotonic clock, "target_tokens": so far, "sentences": so far}

Target tokens are those that the loss is taken of: the pieces of the targets and one end of sentence each; padding and
the begin of sentence are not counted.
"""

import json
import time

from torch.optim.optimizer import register_optimizer_step_post_hook


class Meter:
    """Writes to the file `path`; `count` is called for every batch that the model is trained on."""

    def __init__(self, path):
        self._file = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115 (open until the process is stopped)
        self._target_tokens = self._sentences = 0
        register_optimizer_step_post_hook(self._updated)

    def count(self, target_tokens, sentences):
        self._target_tokens += int(target_tokens)
        self._sentences += int(sentences)

    def _updated(self, *_):
        row = {
            "seconds": time.monotonic(),
            "target_tokens": self._target_tokens,
            "sentences": self._sentences,
        }
        self._file.write(json.dumps(row) + "\n")
