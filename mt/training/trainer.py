"""The training loop: batches in, updates, validation, checkpoints; stops and resumes anywhere between two updates."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mt.checkpoint.folder import TrainingState, load_weights
from mt.data.batching import Batch, TokenBatches
from mt.device import choose_device, choose_precision, mixed_precision
from mt.training.ema import MovingAverage
from mt.training.objective import LabelSmoothedCrossEntropy
from mt.training.progress import Progress
from mt.training.tracker import MetricsFile, Tracker

log = logging.getLogger(__name__)

METRICS = {"bleu": 1.0, "chrf": 1.0, "loss": -1.0}  # sign: is more better?


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """When to stop, how to update, what to keep. Raises ValueError naming the setting, its rule and value."""

    max_steps: int | None = None  # updates
    max_epochs: float | None = None  # passes over the training data
    time_budget: str | float | None = None  # wall-clock for the whole run, resumed parts included, e.g. 90s, 30m, 2h
    accumulate: int = 1  # batches an update
    clip_norm: float = 1.0  # longest gradient, 0 leaves it alone
    ema_decay: float = 0.0  # moving average of the weights, used for validation and the checkpoint; 0 = none
    precision: str = "auto"  # auto | float32 | bfloat16 (matrix products under autocast)
    device: str = "auto"  # auto | cpu | cuda | cuda:1 …
    validate_every: int = 500  # updates between validations, each of which writes a checkpoint
    metric: str = "bleu"  # bleu | chrf | loss: what "best" means on the validation set
    patience: int | None = None  # validations without a new best before the run stops; none = never
    keep_last: int = 2  # checkpoints kept beside the best one
    log_every: int = 50  # updates between lines in metrics.jsonl
    seed: int = 1  # of weights, dropout and the order of the data

    def __post_init__(self):
        if self.max_steps is None and self.max_epochs is None and self.time_budget is None:
            raise ValueError("trainer: one of max_steps, max_epochs, time_budget must be given, all are null")
        for name in ("max_steps", "accumulate", "validate_every", "log_every", "patience", "keep_last"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"trainer.{name} ({value}) must be a whole number of at least 1")
        if self.max_epochs is not None and self.max_epochs <= 0:
            raise ValueError(f"trainer.max_epochs ({self.max_epochs}) must be above 0")
        if self.metric not in METRICS:
            raise ValueError(f"trainer.metric ({self.metric}) must be one of {', '.join(METRICS)}")
        if self.clip_norm < 0:
            raise ValueError(f"trainer.clip_norm ({self.clip_norm}) must be 0 or more")
        if self.time_budget is not None:
            parse_duration(self.time_budget)


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `30m`, `1.5h` or a plain number of seconds. Raises ValueError."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    body, unit = (text[:-1], units[text[-1]]) if str(text)[-1:] in units else (text, 1.0)
    try:
        seconds = float(body) * unit
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"trainer.time_budget ({text}) must be a time such as 90s, 30m or 2h")
    return seconds


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a run has come. `batch` counts batches of `epoch` that are already used."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    target_tokens: int = 0
    seconds: float = 0.0
    best: float | None = None  # the metric at the best validation, as reported
    validations_without_best: int = 0
    validated_step: int | None = None
    ema_updates: int = 0


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What the validation function gives: numbers by name (`loss`, `bleu`, `chrf` …) and a few sample translations."""

    numbers: Mapping[str, float]
    samples: list[str] = field(default_factory=list)  # lines to show


class Store(Protocol):
    """Where checkpoints go; `mt.checkpoint.run_folder.RunFolder` is one."""

    def save(
        self, name: str, weights: Mapping[str, Tensor], scores: Mapping, training: TrainingState, *, is_best: bool
    ) -> None: ...
    def prune(self, keep_last: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended: its last position and why it stopped."""

    position: Position
    reason: str
    signal: int | None = None  # the one that stopped it, if any: the same command goes on


class Trainer:
    """Trains `model` on `batches`. Everything it needs is handed in; `run` does the work.

    The gradient of an update is that of the summed loss over all its batches divided by their real target tokens, so
    accumulation does not change what is learned.
    """

    def __init__(
        self,
        *,
        settings: TrainerSettings,
        model: nn.Module,
        batches: TokenBatches,
        objective: LabelSmoothedCrossEntropy,
        optimizer: Callable[[nn.Module], torch.optim.Optimizer],
        schedule: Callable[[int, float], float],
        validate: Callable[[nn.Module], Validation],
        store: Store,
        tracker: Tracker,
        metrics_path: Path,
        resume: TrainingState | None = None,
    ):
        self.settings, self.batches, self.objective, self.schedule = settings, batches, objective, schedule
        self.device = choose_device(settings.device)
        self.dtype = choose_precision(settings.precision, self.device)
        self.model = model.to(self.device)
        self.optimizer = optimizer(self.model)
        self.average = MovingAverage(self.model, settings.ema_decay)
        self.validate, self.store, self.tracker = validate, store, tracker
        self.position = Position()
        if resume is not None:
            self._restore(resume)
        self.metrics = MetricsFile(metrics_path, resume_step=self.position.step)
        self._budget = parse_duration(settings.time_budget) if settings.time_budget else None
        self._started, self._seconds_before = time.monotonic(), self.position.seconds

    def run(self) -> Outcome:
        """Trains until a limit, the end of patience, or a signal; writes a checkpoint before it returns."""
        settings = self.settings
        progress = Progress(total_steps=settings.max_steps)
        self._started, self._seconds_before = time.monotonic(), self.position.seconds
        window = _Window()
        batches = self._batches()
        with _signals() as signals:
            if self._is_validation_due():  # a signal came before it
                self._validate_and_save(progress)
            while (reason := self.reason_to_stop()) is None and not signals:
                window.add(self._update(batches))
                position = self.position
                if position.step % settings.log_every == 0 or position.step == 1:
                    self._record({"epoch": position.epoch, **window.numbers()})
                progress.update(
                    step=position.step,
                    share=self._share(),
                    loss_nats=window.loss_nats,
                    tokens_per_second=window.tokens_per_second,
                    seconds=position.seconds,
                )
                if self._is_validation_due() and not signals:
                    self._validate_and_save(progress)
                    window = _Window()
            is_saved = self.position.validated_step == self.position.step
            if signals:
                reason = f"stopped by {signal.Signals(signals[0]).name} at step {self.position.step}"
                if not is_saved:
                    self._save(scores={}, is_best=False)
            elif not is_saved:
                self._validate_and_save(progress)
        progress.close()
        return Outcome(position=self.position, reason=str(reason), signal=signals[0] if signals else None)

    def _update(self, batches: Iterator[tuple[Batch, Position]]) -> dict[str, float]:
        """One optimizer step on `accumulate` batches; gives its numbers."""
        group = [next(batches) for _ in range(self.settings.accumulate)]
        num_tokens = sum(batch.num_tokens for batch, _ in group)
        rate = self.schedule(self.position.step + 1, self._share())
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        self.model.train()
        loss_nats = 0.0
        for batch, _ in group:
            batch = batch.to(self.device)
            with mixed_precision(self.device, self.dtype):
                states_BTD = self.model(batch.source_BS, batch.target_in_BT)
                is_real_BT = batch.target_out_BT != self.model.pad
                loss = self.objective(states_BTD[is_real_BT], self.model.output, batch.target_out_BT[is_real_BT])
            (loss.smoothed_nats / num_tokens).backward()
            loss_nats += float(loss.plain_nats)
        clip_norm = self.settings.clip_norm or math.inf
        gradient_norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), clip_norm))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update()
        after = group[-1][1]
        self.position = replace(
            self.position,
            step=self.position.step + 1,
            epoch=after.epoch,
            batch=after.batch,
            target_tokens=self.position.target_tokens + num_tokens,
            seconds=self._elapsed(),
            ema_updates=self.average.num_updates,
        )
        return {
            "loss_nats": loss_nats,
            "target_tokens": num_tokens,
            "gradient_norm": gradient_norm,
            "learning_rate": rate,
        }

    def _batches(self) -> Iterator[tuple[Batch, Position]]:
        """Batches from the position on, without end, each with the position behind it."""
        epoch, start = self.position.epoch, self.position.batch
        while True:
            total = self.batches.num_batches(epoch)
            for index, batch in enumerate(self.batches.iterate(epoch, start), start=start + 1):
                is_last = index == total
                yield batch, Position(epoch=epoch + is_last, batch=0 if is_last else index)
            epoch, start = epoch + 1, 0

    def _is_validation_due(self) -> bool:
        step = self.position.step
        return step > 0 and step % self.settings.validate_every == 0 and self.position.validated_step != step

    def _elapsed(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _share(self) -> float:
        """The share of the run that is done (0 to 1), by whichever limit comes first."""
        settings, position = self.settings, self.position
        shares = [0.0]
        if settings.max_steps is not None:
            shares.append(position.step / settings.max_steps)
        if settings.max_epochs is not None:
            epochs = position.epoch + position.batch / self.batches.num_batches(position.epoch)
            shares.append(epochs / settings.max_epochs)
        if self._budget is not None:
            shares.append(self._elapsed() / self._budget)
        return min(1.0, max(shares))

    def reason_to_stop(self) -> str | None:
        """Which limit has been reached, in words; None while there is more to do."""
        settings, position = self.settings, self.position
        if settings.patience is not None and position.validations_without_best >= settings.patience:
            return f"no better {settings.metric} in {settings.patience} validations"
        if self._share() < 1.0:
            return None
        if settings.max_steps is not None and position.step >= settings.max_steps:
            return f"step {position.step} of {settings.max_steps}"
        if settings.max_epochs is not None and position.epoch >= settings.max_epochs:
            return f"epoch {position.epoch} of {settings.max_epochs:g}"
        return f"time budget of {settings.time_budget}" if self._budget else f"epoch {settings.max_epochs:g}"

    def _validate_and_save(self, progress: Progress) -> None:
        settings = self.settings
        self.average.swap()
        self.model.eval()
        validation = self.validate(self.model)
        self.average.swap()
        value = validation.numbers[settings.metric]
        sign, best = METRICS[settings.metric], self.position.best
        is_best = best is None or sign * value > sign * best
        self.position = replace(
            self.position,
            best=value if is_best else best,
            validations_without_best=0 if is_best else self.position.validations_without_best + 1,
            validated_step=self.position.step,
            seconds=self._elapsed(),
        )
        self._record({f"valid_{name}": number for name, number in validation.numbers.items()})
        text = ", ".join(f"{name} {number:.2f}" for name, number in validation.numbers.items())
        progress.say(f"step {self.position.step}: validation {text}{' (best so far)' if is_best else ''}")
        for line in validation.samples:
            progress.say(f"    {line}")
        self._save(scores={"step": self.position.step, **validation.numbers}, is_best=is_best)
        self.store.prune(settings.keep_last)

    def _record(self, numbers: Mapping[str, Any]) -> None:
        numbers = {"seconds": round(self.position.seconds, 2), **numbers}
        self.metrics.record(self.position.step, numbers)
        self.tracker.record(self.position.step, numbers)

    def _save(self, scores: Mapping[str, Any], *, is_best: bool) -> None:
        name = f"step_{self.position.step:06d}"
        state = self._state()
        self.average.swap()
        self.store.save(name, dict(self.model.named_parameters()), scores, state, is_best=is_best)
        self.average.swap()

    def _state(self) -> TrainingState:
        names = [name for name, _ in self.model.named_parameters()]
        tensors = {f"weights.{name}": p.detach() for name, p in self.model.named_parameters()}
        # the swap in _save exchanges values in place, so what is held here must be a copy
        tensors = {name: tensor.clone() for name, tensor in tensors.items()} if self.settings.ema_decay else tensors
        tensors |= {f"average.{name}": tensor.clone() for name, tensor in self.average.tensors().items()}
        by_parameter = {id(p): name for name, p in zip(names, self.model.parameters(), strict=True)}
        for parameter, state in self.optimizer.state.items():
            for key, value in state.items():
                tensors[f"optimizer.{key}.{by_parameter[id(parameter)]}"] = torch.as_tensor(value)
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return TrainingState(tensors=tensors, numbers=asdict(self.position))

    def _restore(self, state: TrainingState) -> None:
        self.position = Position(**state.numbers)
        groups: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "optimizer": {}, "random": {}}
        for name, tensor in state.tensors.items():
            group, _, rest = name.partition(".")
            groups[group][rest] = tensor
        load_weights(self.model, groups["weights"], Path("training.safetensors"))
        self.average.load(groups["average"], self.position.ema_updates)
        for name, parameter in self.model.named_parameters():
            own = {
                key.partition(".")[0]: tensor
                for key, tensor in groups["optimizer"].items()
                if key.partition(".")[2] == name
            }
            if own:
                # the step count too: the fused form reads it on the parameter's device
                self.optimizer.state[parameter] = {
                    key: tensor.to(parameter.device, copy=True) for key, tensor in own.items()
                }
        torch.set_rng_state(groups["random"]["cpu"])
        if self.device.type == "cuda" and "cuda" in groups["random"]:
            torch.cuda.set_rng_state(groups["random"]["cuda"], self.device)


class _Window:
    """Numbers since the last validation, for the progress bar and the metrics file."""

    def __init__(self):
        self._loss = self._tokens = self._all_tokens = 0.0
        self._last: dict[str, float] = {}
        self._since = time.monotonic()
        self.loss_nats = self.tokens_per_second = 0.0

    def add(self, numbers: Mapping[str, float]) -> None:
        self._loss += numbers["loss_nats"]
        self._tokens += numbers["target_tokens"]
        self._all_tokens += numbers["target_tokens"]
        self._last = dict(numbers)
        self.loss_nats = self._loss / self._tokens
        self.tokens_per_second = self._all_tokens / max(time.monotonic() - self._since, 1e-9)

    def numbers(self) -> dict[str, float]:
        """The mean loss since the last call, and the latest of the rest."""
        numbers = {
            "loss": round(self.loss_nats, 5),
            "target_tokens_per_second": round(self.tokens_per_second, 1),
            "gradient_norm": round(self._last["gradient_norm"], 5),
            "learning_rate": self._last["learning_rate"],
        }
        self._loss = self._tokens = 0.0
        return numbers


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that fills when SIGINT or SIGTERM comes; a second signal is no longer held back."""
    seen: list[int] = []

    def note(number: int, _frame: object) -> None:
        seen.append(number)
        log.warning("%s: finishing this update and writing a checkpoint", signal.Signals(number).name)
        for name in before:
            signal.signal(name, before[name])

    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        for name in before:
            signal.signal(name, note)
    except ValueError:  # not in the main thread: signals are somebody else's business
        pass
    try:
        yield seen
    finally:
        for name, handler in before.items():
            if signal.getsignal(name) is note:
                signal.signal(name, handler)
