"""Tensors by name in a safetensors file: written in one pass, read by memory-mapping.

The library reads. Writing is done here because it must name the file and the reason when a disk is full, compute
its digest while writing, and copy tensors from the GPU one at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mt.checkpoint.array_file import check_header
from mt.checkpoint.manifest import Mark

# the format's names of what a checkpoint may hold (https://huggingface.co/docs/safetensors)
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> Mark:
    """Writes the file; returns its size and digest. Raises OSError when writing fails."""
    # wide types first, so that each begins at a multiple of its size
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, end = {}, 0
    for name in names:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with open(path, "wb", buffering=0) as file:

        def put(content: bytes | memoryview) -> None:
            digest.update(content)
            while content:  # an unbuffered write may write only a part
                content = content[file.write(content) :]

        put(len(text).to_bytes(8, "little") + text)
        for name in names:
            whole = tensors[name].detach().cpu().contiguous()
            if whole.numel():
                put(whole.view(-1).view(torch.uint8).numpy().data)
    return Mark(bytes=8 + len(text) + end, sha256=digest.hexdigest())


class TensorFile(Mapping[str, Tensor]):
    """The tensors of a file, each mapped when it is read. Raises ValueError for a file of another kind.

    `shapes` and `dtypes` come from the header; no tensor is read for them.
    """

    def __init__(self, path: Path):
        self.path = path
        check_header(path)
        try:
            tensors = safe_open(path, framework="pt")
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118  it is not a mapping
            self.shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            self.dtypes = {name: DTYPES[part.get_dtype()] for name, part in slices.items()}
        except (SafetensorError, OSError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        except KeyError as error:
            raise ValueError(f"{path} cannot be read: numbers of type {error} are unknown") from error

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.shapes:
            raise KeyError(name)
        # a mapping of its own: what is read of one file stays in memory as long as any tensor of it
        with safe_open(self.path, framework="pt") as file:
            return file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)
