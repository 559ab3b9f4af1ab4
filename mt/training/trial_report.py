"""What a trial predicts for the whole training: time, memory, and whether it starts to learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from mt.data.diagnosis.section import Section
from mt.kernels.library import description as kernels
from mt.training.settings import TrainerSettings, parse_duration
from mt.training.trial import Memory, Speed, Trial

TIGHT = 0.85  # of what is free
FEW_EPOCHS, MANY_EPOCHS = 3, 300
FEW_UPDATES = 10  # for an estimate of time


def trial_section(
    trial: Trial, settings: TrainerSettings, parameters: Mapping[str, int], *, max_tokens: int, times_larger: float
) -> Section:
    """The section on training; the corpus is `times_larger` than what the trial ran on."""
    section = Section("training", f"what training will take ({_device(trial)})")
    embeddings = sum(count for part, count in parameters.items() if "embedding" in part)
    section.lines.append(
        f"the model: {parameters['total']:,} parameters, {embeddings / parameters['total']:.0%} of them in embeddings"
    )
    if trial.device.type == "cpu":
        section.lines.append(f"on this machine: {kernels()}")
    section.numbers = {"parameters": dict(parameters), "device": str(trial.device), "precision": str(trial.precision)}
    _memory(section, trial.memory, max_tokens)
    if trial.speed is not None:
        _time(section, trial.speed, settings, times_larger)
    return section


def _device(trial: Trial) -> str:
    return f"{trial.device.type.upper() if trial.device.type == 'cpu' else trial.device}, {str(trial.precision)[6:]}"


def _memory(section: Section, memory: Memory, max_tokens: int) -> None:
    section.numbers["memory"] = asdict(memory) | {"estimate": memory.estimate}
    named = memory.parts | {"Python and data": memory.before}
    parts = ", ".join(f"{name} {_gib(size)}" for name, size in named.items() if size)
    section.lines.append(f"memory of updates: about {_gib(memory.estimate)} ({parts})")
    known = {"the trial took {}": memory.measured, "{} were free": memory.free}
    facts = [words.format(_gib(size)) for words, size in known.items() if size is not None]
    section.lines.append(f"  {', '.join([*facts, 'validations come on top'])}")
    if memory.free is None:
        return
    remedy = f"a lower batches.max_tokens ({max_tokens}) with a higher trainer.accumulate, or a smaller model"
    if memory.needed > memory.free:
        section.stop(f"updates need about {_gib(memory.needed)}, and {_gib(memory.free)} are free", remedy)
    elif memory.needed > TIGHT * memory.free:
        section.improve(f"updates need about {_gib(memory.needed)} of the {_gib(memory.free)} that are free", remedy)


def _time(section: Section, speed: Speed, settings: TrainerSettings, times_larger: float) -> None:
    epoch = speed.seconds / speed.epochs * times_larger
    update = speed.seconds / speed.updates
    section.numbers["speed"] = asdict(speed) | {"seconds per epoch": epoch, "seconds per update": update}
    rough = "; a rough guess, a larger doctor.trial_seconds gives a better one" if speed.updates < FEW_UPDATES else ""
    section.lines += [
        f"time: {_duration(epoch)} an epoch, {update:.2g} s an update"
        f" ({speed.target_tokens / speed.seconds:,.0f} target tokens a second over {speed.updates} updates{rough})",
        f"loss in the trial: {speed.first_loss_nats:.2f} nats a token at first, {speed.last_loss_nats:.2f} at its end",
    ]
    whole = _whole(settings, epoch, update)
    if whole is not None:
        seconds, limit = whole
        epochs = seconds / epoch
        section.lines.append(
            f"the whole training: {_duration(seconds)} and {epochs:,.1f} epochs until {limit}, validations not counted"
        )
        section.numbers["whole"] = {"seconds": seconds, "epochs": epochs, "limit": limit}
        if epochs < FEW_EPOCHS:
            section.improve(
                f"until {limit} training sees every pair {epochs:.1f} times",
                "raise it; 10 to 50 are usual for small corpora",
            )
        elif epochs > MANY_EPOCHS and settings.patience is None:
            section.improve(
                f"until {limit} training sees every pair {epochs:,.0f} times: it will learn the corpus by heart",
                "lower it, or set trainer.patience",
            )
    if not math.isfinite(speed.last_loss_nats):
        section.stop("the loss is not finite", "lower schedule.peak")


def _whole(settings: TrainerSettings, epoch: float, update: float) -> tuple[float, str] | None:
    """Seconds until the first limit, and which that is."""
    limits = []
    if settings.max_steps is not None:
        limits.append((settings.max_steps * update, f"trainer.max_steps={settings.max_steps}"))
    if settings.max_epochs is not None:
        limits.append((settings.max_epochs * epoch, f"trainer.max_epochs={settings.max_epochs:g}"))
    if settings.time_budget is not None:
        limits.append((parse_duration(settings.time_budget), f"trainer.time_budget={settings.time_budget}"))
    return min(limits, default=None)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} seconds"
