"""What one attention slot costs at a length: time and memory of a training step, time and cache of a decoding step.

A mixer is measured alone, on random queries, keys and values of one sentence: the other parts of a model, which are
the same for every variant, would hide the differences.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mt.attention.contract import CausalMixer, MemoryMixer, Mixer
from mt.attention.reading import Reading
from mt.attention.source_facts import SourceFacts
from mt.comparison.variant import ROLES, Variant
from mt.device import choose_device, machine
from mt.training.memory import LiveTensors

SECONDS_EACH = 2.0  # a measurement is repeated for so long at most
SENTENCE = 32  # pieces a sentence, for variants that need sentences of a source
STEPS = 2  # decoding steps before the past is measured


@dataclass(frozen=True, kw_only=True)
class CostSettings:
    """How slots are measured. Raises ValueError naming the setting, its rule and value."""

    lengths: Sequence[int]  # positions of source and target
    num_heads: int = 4
    head_size: int = 64
    repeats: int = 20  # the median is taken
    device: str = "auto"

    def __post_init__(self):
        for name in ("num_heads", "head_size", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"costs.{name} ({getattr(self, name)}) must be at least 1")
        if any(length < 1 for length in self.lengths):
            raise ValueError(f"costs.lengths ({list(self.lengths)}) must be at least 1 each")

    def how(self) -> dict[str, Any]:
        """What a measurement at one length depends on: the settings and the machine."""
        own = {name: value for name, value in asdict(self).items() if name not in ("lengths", "device")}
        return own | {"machine": machine(choose_device(self.device))}


def measure_alone(
    variant: Variant, length: int, settings: CostSettings, exact: Variant | None = None
) -> dict[str, Any]:
    """`measure` in its own process; {"failed": why} if it runs out of memory or the variant refuses the length."""
    has_forkserver = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if has_forkserver else "spawn")
    if has_forkserver:
        context.set_forkserver_preload([__name__])  # it imports torch once for all
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(measure, variant, length, settings, exact).result()
        except BrokenProcessPool:
            return {"failed": "out of memory: the system ended it"}


def measure(variant: Variant, length: int, settings: CostSettings, exact: Variant | None = None) -> dict[str, Any]:
    """Medians at `length` source and as many target positions, batch of one sentence, float32.

    train_seconds  forward and backward of the whole length
    train_bytes    peak memory of its tensors, including inputs and their gradients
    step_seconds   one more target position, with the cache that the role keeps (encoder: none)
    cache_bytes    the size of that cache
    difference     largest difference to the result of `exact`, divided by its largest value; missing without `exact`

    {"failed": why} if the variant refuses the length or memory runs out.
    """
    device = choose_device(settings.device)
    torch.manual_seed(0)
    try:
        mixer = variant.make_mixer(settings.num_heads, settings.head_size).to(device)
        whole = _whole_length(mixer, ROLES[variant.slot], length, device)
        inputs = _inputs(length, settings, device)
        found: dict[str, Any] = {"train_bytes": _peak(whole, inputs, device)}
        found["train_seconds"] = _median_seconds(lambda: _train(whole, inputs), settings.repeats, device)
        with torch.inference_mode():
            found |= _decoding(mixer.eval(), ROLES[variant.slot], length, settings, device)
            if exact is not None:
                # with the code of training: without gradients dense attention may use the same kernel
                other = exact.make_mixer(settings.num_heads, settings.head_size).to(device)
                expected = _whole_length(other, ROLES[variant.slot], length, device)(*inputs)
                found["difference"] = float((whole(*inputs) - expected).abs().max() / expected.abs().max())
    except (ValueError, MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return {"failed": " ".join(str(error).split()) or "out of memory"}
    return found


def held_bytes(value: Any) -> int:
    """Bytes of the storages that a Summary or a Past keeps alive, each counted once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in _tensors(value)}
    return sum(storages.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _tensors(one)
    elif hasattr(value, "__dict__"):
        for one in vars(value).values():
            yield from _tensors(one)


def _inputs(length: int, settings: CostSettings, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    shape = (1, settings.num_heads, length, settings.head_size)
    q, k, v = (torch.randn(shape, device=device) for _ in range(3))
    return q, k, v


def _whole_length(
    mixer: Any, role: type[Mixer], length: int, device: torch.device
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """heads_BHTK of all positions at once, as in training in the slot of that role."""
    known = _known(mixer, length, device)
    if role is MemoryMixer:
        from_decoder = _from_decoder(mixer, length, length, device)
        return lambda q, k, v: mixer.read(q, mixer.summarize(k, v, None, **known), **from_decoder)
    if role is CausalMixer:
        return lambda q, k, v: mixer.extend(q, k, v, mixer.start())[0]
    return lambda q, k, v: mixer.attend(q, k, v, None, **known)


def _known(mixer: Any, length: int, device: torch.device) -> dict[str, Any]:
    """Source facts that the mixer needs: of a document in whose sentences each piece's head is the next piece."""
    if not mixer.needs_from_source:
        return {}
    places = torch.arange(length, device=device)
    segments = places // SENTENCE
    distances = (places - places[:, None]).clamp_min(0).to(torch.int8)
    distances = distances.masked_fill(segments != segments[:, None], -1)
    return SourceFacts(segments_BS=segments[None], tree_distance_BSS=distances[None]).of(mixer.needs_from_source)


def _from_decoder(mixer: Any, num_queries: int, num_keys: int, device: torch.device) -> dict[str, Any]:
    """What the mixer needs from the decoder: made once for all layers, so not measured."""
    if not mixer.needs_from_decoder:
        return {}
    return Reading(prior_RTS=torch.rand(1, num_queries, num_keys, device=device)).of(mixer.needs_from_decoder)


def _train(whole: Callable[..., Tensor], inputs: Sequence[Tensor]) -> None:
    q, k, v = (x.detach().requires_grad_() for x in inputs)
    whole(q, k, v).sum().backward()


def _peak(whole: Callable[..., Tensor], inputs: Sequence[Tensor], device: torch.device) -> int:
    """Peak bytes, counted tensor by tensor, so the same in every run and on every device."""
    with LiveTensors() as tensors:
        _train(whole, [x.clone() for x in inputs])
    return tensors.peak


def _decoding(
    mixer: Any, role: type[Mixer], length: int, settings: CostSettings, device: torch.device
) -> dict[str, Any]:
    q, k, v = _inputs(length, settings, device)
    one = _inputs(1, settings, device)
    if role is MemoryMixer:
        summary = mixer.summarize(k, v, None, **_known(mixer, length, device))
        from_decoder = _from_decoder(mixer, 1, length, device)
        seconds = _median_seconds(lambda: mixer.read(one[0], summary, **from_decoder), settings.repeats, device)
        return {"step_seconds": seconds, "cache_bytes": held_bytes(summary)}
    if role is CausalMixer:
        _, past = mixer.extend(q, k, v, mixer.start())
        for _ in range(STEPS):  # the past then has the layout of ordinary steps
            _, past = mixer.extend(*one, past)
        seconds = _median_seconds(lambda: mixer.extend(*one, past), settings.repeats, device)
        return {"step_seconds": seconds, "cache_bytes": held_bytes(past)}
    return {}


def _median_seconds(work: Callable[[], object], repeats: int, device: torch.device) -> float:
    work()  # warm-up
    found: list[float] = []
    while not found or (len(found) < repeats and sum(found) < SECONDS_EACH):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def wait(device: torch.device) -> None:
    """Returns when all work that was given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
