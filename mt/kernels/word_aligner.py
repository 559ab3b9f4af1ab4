"""The word aligner's step and its numbering of word pairs in C; `mt/alignment` has both in numpy and explains them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from mt.kernels.library import library

FERTILITIES, VECTOR = 5, 16  # as in the C file

_pointer, _long, _float = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float


class Corpus(ctypes.Structure):
    """What both directions read. Pointers are those of contiguous arrays, which the caller keeps."""

    _fields_ = (
        *((name, _long) for name in ("num_pairs", "longest")),
        *(
            (name, _pointer)
            for name in "source_start target_start cell_start source target kind weight of_kind".split()
        ),
        *((name, _float) for name in ("word_prior", "stem_prior", "null_share")),
    )


class Direction(ctypes.Structure):
    """What one direction reads, changes (`posterior`) and adds to (`jump_sum` and what follows)."""

    _fields_ = tuple(
        (name, _pointer)
        for name in (
            *("given_count", "given_stem_count", "share", "share_in_stem", "null"),
            *("fertility", "fertility_prior", "jump", "posterior", "jump_sum", "null_sum", "fertility_sum"),
        )
    )


@dataclass(frozen=True, eq=False)
class Filled:
    """A structure of pointers, and the arrays that they point to."""

    structure: ctypes.Structure
    arrays: tuple[np.ndarray, ...]


def filled(structure: type[ctypes.Structure], /, **values: np.ndarray | float) -> Filled:
    """The structure with these numbers and arrays. An array must be contiguous and of the C file's type."""
    arrays = tuple(value for value in values.values() if isinstance(value, np.ndarray))
    assert all(array.flags.c_contiguous for array in arrays)
    fields = {name: value.ctypes.data if isinstance(value, np.ndarray) else value for name, value in values.items()}
    return Filled(structure(**fields), arrays)


def is_there() -> bool:
    """Whether there are kernels on this machine."""
    return library() is not None


def align_step(
    corpus: Filled, forward: Filled, backward: Filled, *, longest: int, has_jumps: bool, has_fertility: bool
) -> tuple[float, float]:
    """Runs the step; returns the log-likelihoods of both directions."""
    kernels = library()
    assert kernels is not None
    likelihoods = np.zeros(2)
    room = np.empty(7 * longest * longest + (2 * FERTILITIES + 14) * (longest + 1), dtype=np.float32)
    structures = (ctypes.addressof(each.structure) for each in (corpus, forward, backward))
    kernels.call("align_step", *structures, has_jumps, has_fertility, likelihoods.ctypes.data, room.ctypes.data)
    return float(likelihoods[0]), float(likelihoods[1])


def number_pairs(
    source_start: np.ndarray,
    target_start: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    num_targets: int,
    num_cells: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(the key source * num_targets + target of each distinct pair of words, the number of the pair of each cell)."""
    kernels = library()
    assert kernels is not None
    kind, keys = np.empty(num_cells, dtype=np.uint32), np.empty(num_cells, dtype=np.int64)
    count = np.zeros(1, dtype=np.int64)
    places = (each.ctypes.data for each in (source_start, target_start, source, target))
    out = (each.ctypes.data for each in (kind, keys, count))
    kernels.call("number_pairs", len(source_start) - 1, *places, num_targets, *out)
    if count[0] < 0:
        raise MemoryError("no memory for the pairs of words")
    return keys[: count[0]].copy(), kind
