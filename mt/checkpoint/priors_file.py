"""The word links that a training learned, as arrays in its checkpoint: evidence for aligning other text.

`priors.safetensors` holds `source_words` and `target_words` (UTF-8, a word a line), and for each pair of words the
places in both (`source`, `target`) and the number of their `links`. A checkpoint whose training learned no links has
no such file. Never imports torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from mt.checkpoint.array_file import check_header
from mt.checkpoint.manifest import check_listed, has_manifest, verify
from mt.checkpoint.steps import PRIORS, find_step
from mt.data.lock import shared

TYPES = {"source_words": "U8", "target_words": "U8", "source": "I32", "target": "I32", "links": "F32"}
MAX_BYTES = 2**26  # of an untrusted file; what a training writes has a fraction of it


def has_priors(step: Path) -> bool:
    """Whether a step folder has a file of priors, sound or not."""
    return (step / PRIORS).is_symlink() or (step / PRIORS).exists()


def read_priors(checkpoint: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """(file, arrays) of a run or step folder, checked by its manifest; the arrays' types are right, not their content.

    Raises ValueError where there is none, or one that is damaged or no file of priors.
    """
    folder = find_step(checkpoint)
    path = folder / PRIORS
    with shared(folder):
        if not has_priors(folder):
            raise ValueError(f"{folder} has no {PRIORS}: its training learned no word links (guidance.links=learned)")
        check_header(path)
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path} has {path.stat().st_size} bytes, must have {MAX_BYTES} at most")
        if has_manifest(folder):
            check_listed(folder, (PRIORS,))
            verify(folder, (PRIORS,))
        try:
            with safe_open(path, framework="numpy") as file:
                stored = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
                kinds = {name: one.get_dtype() for name, one in stored.items() if len(one.get_shape()) == 1}
                if kinds != TYPES or len(stored) != len(TYPES):
                    raise ValueError(f"{path} must hold {', '.join(TYPES)}, each a row of {', '.join(TYPES.values())}")
                return path, {name: file.get_tensor(name) for name in TYPES}
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
