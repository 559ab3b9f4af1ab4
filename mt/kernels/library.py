"""The functions of the C files, called with tensors.

Where they cannot be compiled (`mt.kernels.compiling`), `library()` is None and every operation runs its torch line.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from mt.kernels.compiling import AMX, AVX2, WITH_BFLOAT16, Code, code_or_reason, is_by_intel

_pointer, _int, _long, _float = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_float
# functions of the C files, by name, with the types of their arguments; none returns anything
TILE_SIGNATURES: dict[str, tuple[type, ...]] = {  # those that need AMX, or bfloat16 in AVX-512
    "pack_weight": (_pointer, _int, _long, _long, _int, _long, _long, _pointer, _int),
    "tile_product": (_pointer, _long, _pointer, _pointer, _int, _pointer, *[_long] * 4, _int),
    "tile_weight_gradient": (_pointer, _long, _pointer, _long, _pointer, _pointer, _int, *[_long] * 3, _int),
    "tile_attend": (*[_pointer] * 8, *[_long] * 6, _float, _int),
    "tile_attend_backward": (*[_pointer] * 9, *[_long] * 6, _float, _int),
}
VECTOR_SIGNATURES: dict[str, tuple[type, ...]] = {  # those that need AVX-512
    "pack_panels": (_pointer, _long, _long, _pointer, _int),
    "vector_product": (_pointer, _long, _pointer, _pointer, _int, _pointer, *[_long] * 3, _int),
    "vector_weight_gradient": (_pointer, _long, _pointer, _long, _pointer, _int, *[_long] * 3, _int),
}
SIGNATURES: dict[str, tuple[type, ...]] = {
    "align_step": (_pointer, _pointer, _pointer, _int, _int, _pointer, _pointer, _int),
    "cross_entropy": (_pointer, _int, _long, _pointer, _long, _long, _float, _int, _pointer, _int),
    "cross_entropy_of_two": (
        *(_pointer, _pointer, _int, _long, _pointer, _long, _long, _float, _float, _int, _pointer, _int),
    ),
    "norm": (*[_pointer] * 3, _int, _float, *[_pointer] * 2, _long, _long, _int),
    "norm_backward": (*[_pointer] * 4, _int, *[_pointer] * 3, _long, _long, _int),
    "add_dropped": (_pointer, _pointer, _int, _pointer, _int, _pointer, _int, _long, _int),
    "relu_backward": (_pointer, _pointer, _int, _pointer, _long, _int),
    "gate": (_pointer, _int, _pointer, _long, _long, _int),
    "gate_backward": (_pointer, _pointer, _int, _pointer, _long, _long, _int),
    "rotate": (_pointer, _int, *[_pointer] * 4, *[_long] * 5, _int),
    "column_sums": (_pointer, _int, _pointer, _long, _long, _int),
    "attend": (*[_pointer] * 3, _int, *[_pointer] * 5, *[_long] * 6, _float, _int),
    "attend_backward": (*[_pointer] * 5, _int, *[_pointer] * 4, *[_long] * 6, _float, _int),
    "number_pairs": (_long, _pointer, _pointer, _pointer, _pointer, _long, _pointer, _pointer, _pointer, _int),
}


@dataclass(frozen=True)
class Library:
    """The loaded functions. `call` takes tensors (contiguous unless the function takes strides) and numbers."""

    functions: Mapping[str, Callable[..., None]]
    level: str
    compiler: str

    def call(self, name: str, *arguments: Tensor | int | float | None) -> None:
        """Runs the function with as many threads as torch has, which is its last argument."""
        values = [value.data_ptr() if isinstance(value, Tensor) else value for value in arguments]
        self.functions[name](*values, torch.get_num_threads())


@cache
def library() -> Library | None:
    """The library for this machine; None where there is none. Raises ValueError for a wrong MT_KERNELS."""
    found = found_or_reason()
    return found if isinstance(found, Library) else None


@cache
def found_or_reason() -> Library | str:
    """The library, or why there is none."""
    code = code_or_reason()
    if isinstance(code, str):
        return code
    return library_of(code)


def library_of(code: Code) -> Library:
    """The functions of compiled code."""
    signatures = SIGNATURES | (TILE_SIGNATURES if code.level in WITH_BFLOAT16 else {})
    signatures |= VECTOR_SIGNATURES if code.level != AVX2 else {}
    functions = {name: getattr(code.loaded, name) for name in signatures}
    for name, function in functions.items():
        function.argtypes, function.restype = signatures[name], None
    return Library(functions, code.level, code.compiler)


def has_tiles() -> bool:
    """Whether the kernels multiply bfloat16 themselves, by AMX or AVX-512: where that is faster than float32."""
    kernels = library()
    return kernels is not None and (kernels.level == AMX or (kernels.level in WITH_BFLOAT16 and not is_by_intel()))


def has_wide_vectors() -> bool:
    """Whether the kernels multiply matrices themselves in float32, by AVX-512."""
    kernels = library()
    return kernels is not None and kernels.level != AVX2


def call(name: str, *arguments: Tensor | int | float | None) -> None:
    """`Library.call` of this machine's library, which must be there (`applies_to`)."""
    kernels = library()
    assert kernels is not None
    kernels.call(name, *arguments)


def description() -> str:
    """What the doctor says of the kernels of this machine."""
    found = found_or_reason()
    if isinstance(found, Library):
        return f"native kernels for {found.level}, compiled by {found.compiler}"
    return f"no native kernels, torch computes alone: {found}"


def applies_to(*tensors: Tensor | None) -> bool:
    """Whether the kernels can work on these tensors: on the CPU, float32 or bfloat16, and nothing is being traced."""
    return library() is not None and all(
        tensor is None or (tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.bfloat16))
        for tensor in tensors
    ) and not torch.compiler.is_compiling()  # fmt: skip
