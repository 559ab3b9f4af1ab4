"""The processes of one run, started by torchrun: their ranks, what they exchange, how gradients are averaged.

A single process needs none of this: with `Ranks()` every function here does nothing.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from mt.model.seq2seq import Seq2Seq

# When a rank dies, torchrun ends the others at once; this only bounds how long one rank may wait for another, as at
# the end of a validation that every rank does for itself.
PATIENCE = timedelta(hours=2)
ATTENTION_METHODS = ("summarize", "read", "read_weights", "extend")  # that a decoder calls, each like a forward


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those of the run; `local` is its number on this machine, and so its GPU."""

    rank: int = 0
    world_size: int = 1
    local: int = 0
    _control: Any = field(default=None, compare=False)  # a group on the CPU for small messages, on every device

    @classmethod
    def join(cls, device_type: str) -> Ranks:
        """Joins the other processes that torchrun started; a single process where torchrun's variables are not set.

        Raises ValueError where the environment is incomplete or names a GPU that is not there.
        """
        world_size = _number("WORLD_SIZE", 1)
        if world_size == 1:
            return cls()
        rank, local = _number("RANK"), _number("LOCAL_RANK", 0)
        if device_type == "cuda":
            if local >= torch.cuda.device_count():
                raise ValueError(
                    f"LOCAL_RANK ({local}) must be below {torch.cuda.device_count()}, the GPUs of this machine:"
                    " lower --nproc-per-node"
                )
            torch.cuda.set_device(local)
            dist.init_process_group("nccl", device_id=torch.device("cuda", local), timeout=PATIENCE)
            return cls(rank=rank, world_size=world_size, local=local, _control=dist.new_group(backend="gloo"))
        dist.init_process_group("gloo", timeout=PATIENCE)
        return cls(rank=rank, world_size=world_size, local=local, _control=dist.group.WORLD)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the checkpoints, the metrics and the log."""
        return self.rank == 0

    def device(self, chosen: torch.device) -> torch.device:
        """The device of this process: of several processes, each uses the GPU with its local number."""
        return torch.device("cuda", self.local) if self.world_size > 1 and chosen.type == "cuda" else chosen

    def all_gather(self, *numbers: float) -> Tensor:
        """The numbers of all ranks: float64 of shape (world_size, len(numbers)), on the CPU, the same on every rank."""
        own = torch.tensor([numbers], dtype=torch.float64)
        if self.world_size == 1:
            return own
        every = [torch.empty_like(own) for _ in range(self.world_size)]
        dist.all_gather(every, own, group=self._control)
        return torch.cat(every)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all ranks, which may differ in their sizes, without gradients."""
        if self.world_size == 1:
            return [tensor]
        shapes = [tuple(map(int, shape)) for shape in self.all_gather(*tensor.shape).tolist()]
        sizes = [math.prod(shape) for shape in shapes]
        dtype = torch.uint8 if tensor.dtype == torch.bool else tensor.dtype  # not every backend sends bits
        flat = torch.zeros(max(1, *sizes), dtype=dtype, device=tensor.device)
        flat[: tensor.numel()] = tensor.flatten()
        every = [torch.empty_like(flat) for _ in shapes]
        dist.all_gather(every, flat)
        return [one[:size].view(shape).to(tensor.dtype) for one, size, shape in zip(every, sizes, shapes, strict=True)]

    def broadcast_object(self, value: Any) -> Any:
        """The first rank's argument, on every rank."""
        if self.world_size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._control)
        return box[0]

    def broadcast(self, tensor: Tensor | None, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A CPU tensor of the first rank, on every rank."""
        if self.world_size == 1:
            assert tensor is not None
            return tensor
        tensor = tensor.cpu().contiguous() if tensor is not None else torch.empty(tuple(shape), dtype=dtype)
        dist.broadcast(tensor, src=0, group=self._control)
        return tensor

    def on_first_rank(self, work: Callable[[], Any]) -> Any:
        """The result of `work` on the first rank, None on the others, which wait; an error in it ends all ranks."""
        result, problem = None, None
        if self.is_first:
            try:
                result = work()
            except (ValueError, OSError) as error:
                problem = error
        if self.broadcast_object(problem is not None):
            raise problem or SystemExit(2)  # only the first rank reports the error
        return result

    def leave(self) -> None:
        """Ends the process group when all ranks are done."""
        if self.world_size == 1:
            return
        dist.barrier(group=self._control)
        # gloo's threads free the last tensors just after the work is done, and need Python's lock (GIL) for it; ending
        # the group holds that lock and waits for the threads: seen to hang (torch 2.13) without this pause
        time.sleep(0.2)
        dist.destroy_process_group()


def replicated(module: nn.Module, model: Seq2Seq, ranks: Ranks) -> nn.Module:
    """`module`, which holds `model`, with a copy on every rank, whose gradients become the mean over ranks (DDP)."""
    if ranks.world_size == 1:
        return module
    return DistributedDataParallel(
        module,
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
        # a rank's part of a batch may have no picture, and the gates of by_source are not used for text alone
        find_unused_parameters=model.beside is not None or any(map(_reads_sources, module.modules())),
    )


def _reads_sources(module: nn.Module) -> bool:
    return "sources_BS" in getattr(module, "needs_from_source", ())


def sharded(module: nn.Module, model: Seq2Seq, ranks: Ranks, device: torch.device) -> nn.Module:
    """`module`, which holds `model`, with every parameter sharded over the ranks and gathered for use (FSDP2).

    The units gathered one by one are the layers, and each attention within a decoder layer: the memory is summarized
    before the layers run.
    """
    mesh = init_device_mesh(device.type, (ranks.world_size,))
    for layer in model.decoder.layers:
        for attention in (layer.self_attention, layer.cross_attention):
            assert isinstance(attention, nn.Module)
            fully_shard(attention, mesh=mesh)
            for method in ATTENTION_METHODS:
                if hasattr(attention, method):
                    register_fsdp_forward_method(attention, method)
    for layer in (*getattr(model.encoder, "layers", ()), *model.decoder.layers):
        fully_shard(layer, mesh=mesh)
    fully_shard(module, mesh=mesh)
    return module


@contextmanager
def put_together(module: nn.Module) -> Iterator[None]:
    """Inside the block, sharded parameters outside the layers, such as embeddings, are complete on every rank."""
    if not isinstance(module, FSDPModule):
        yield
        return
    module.unshard()
    try:
        yield
    finally:
        module.reshard()


def without_sync(module: nn.Module, is_last: bool) -> AbstractContextManager:
    """Gradients are averaged over ranks only at the last batch of an update."""
    if isinstance(module, DistributedDataParallel) and not is_last:
        return module.no_sync()
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(is_last)
    return nullcontext()


def whole(tensor: Tensor) -> Tensor:
    """The whole tensor, of which this rank may hold a shard; every rank must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def copy_whole(target: Tensor, source: Tensor) -> None:
    """Copies this rank's shard of the whole tensor `source`, which every rank has, into `target`."""
    if isinstance(target, DTensor):
        source = distribute_tensor(source.to(target.device), target.device_mesh, target.placements, src_data_rank=None)
    target.copy_(source)


def _number(name: str, default: int | None = None) -> int:
    text = os.environ.get(name, "" if default is None else str(default))
    if not text.isdigit():
        raise ValueError(f"{name} ({text}) must be a whole number: start several processes with torchrun")
    return int(text)
