"""The training loop: batches in, updates, validation, checkpoints; stops and resumes anywhere between two updates."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mt.checkpoint.folder import TrainingState
from mt.checkpoint.outline import kept_tensors
from mt.data.batching import Cursor, TokenBatches
from mt.device import choose_device, choose_precision
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Objective
from mt.training.bad_batches import keep_bad_batches
from mt.training.distributed import Ranks, copy_whole, put_together, whole
from mt.training.ema import MovingAverage
from mt.training.progress import Progress
from mt.training.tracker import Guarded, MetricsFile, Tracker
from mt.training.updater import Update, Updater
from mt.training.watch import Watch

log = logging.getLogger(__name__)

METRICS = {"bleu": 1.0, "chrf": 1.0, "loss": -1.0}  # sign: is more better?
ROLLBACKS = 3  # in a row, without a new checkpoint between them, before the run gives up
SAME_SIGNAL_SECONDS = 2.0


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
    skip_limit: int = (
        5  # skipped updates in a row (loss or gradient not finite) before going back to the last checkpoint
    )
    shard: bool = False  # of several processes each holds but a part of the model (FSDP2), for models that do not fit
    log_every: int = 50  # updates between lines in metrics.jsonl
    seed: int = 1  # of weights, dropout and the order of the data

    def __post_init__(self):
        if self.max_steps is None and self.max_epochs is None and self.time_budget is None:
            raise ValueError("trainer: one of max_steps, max_epochs, time_budget must be given, all are null")
        for name in ("max_steps", "accumulate", "validate_every", "log_every", "patience", "keep_last", "skip_limit"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"trainer.{name} ({value}) must be a whole number of at least 1")
        if self.max_epochs is not None and self.max_epochs <= 0:
            raise ValueError(f"trainer.max_epochs ({self.max_epochs}) must be above 0")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"trainer.seed ({self.seed}) must be from 0 to 2**63 - 1")
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
    """How far a run has come, and what it counts on the way."""

    step: int = 0  # updates done
    cursor: Cursor = field(default_factory=Cursor)  # the next batch
    target_tokens: int = 0
    seconds: float = 0.0
    best: float | None = None  # the metric at the best validation, as reported
    validations_without_best: int = 0
    validated_step: int | None = None
    ema_updates: int = 0
    skipped: int = 0  # updates, for a loss or gradient that was not finite
    skipped_in_a_row: int = 0
    rollbacks: int = 0  # since the last checkpoint
    logged_loss_nats: float = 0.0  # since the last line in the metrics file
    logged_tokens: int = 0

    @classmethod
    def from_dict(cls, numbers: Mapping[str, Any]) -> Position:
        """The position that `asdict` made plain. Raises ValueError where something is missing or unknown."""
        for kind, found in ((cls, numbers), (Cursor, numbers.get("cursor"))):
            names = {one.name for one in fields(kind)}
            if not isinstance(found, Mapping) or found.keys() != names:
                wrong = sorted(names ^ found.keys()) if isinstance(found, Mapping) else [type(found).__name__]
                raise ValueError(
                    f"the checkpoint's training state must hold {', '.join(sorted(names))}"
                    f" (not so: {', '.join(wrong)}): choose another name=…, or fresh=true to start again"
                )
        return cls(**{**numbers, "cursor": Cursor(**numbers["cursor"])})


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What the validation function gives: numbers by name (`loss`, `bleu`, `chrf` …) and a few sample translations.

    `details` are more numbers, which are recorded and not shown; `pictures` draw themselves to a PNG file.
    `about_scores` stands beside the numbers in the checkpoint's scores.json.
    """

    numbers: Mapping[str, float]
    samples: list[str] = field(default_factory=list)  # lines to show
    details: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    about_scores: Mapping[str, Any] = field(default_factory=dict)

    def for_checkpoint(self) -> dict[str, Any]:
        """What is kept with the weights."""
        return {**self.numbers, **self.about_scores}


class Store(Protocol):
    """Where checkpoints go; `mt.checkpoint.run_folder.RunFolder` is one."""

    def save(
        self, name: str, weights: Mapping[str, Tensor], scores: Mapping, training: TrainingState, *, is_best: bool
    ) -> None: ...
    def prune(self, keep_last: int) -> None: ...
    def resume_point(self) -> tuple[Path, TrainingState] | None: ...


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended: its last position and why it stopped."""

    position: Position
    reason: str
    signal: int | None = None  # the one that stopped it, if any: the same command goes on


class Trainer:
    """Trains `model` on `batches`. Everything it needs is handed in; `run` does the work.

    Of several processes (`ranks`) each reads its share of every batch; all of them validate, the first one writes.
    """

    def __init__(
        self,
        *,
        settings: TrainerSettings,
        model: Seq2Seq,
        batches: TokenBatches,
        objective: Objective,
        optimizer: Callable[[nn.Module], torch.optim.Optimizer],
        schedule: Callable[[int, float], float],
        validate: Callable[[nn.Module], Validation],
        store: Store,
        tracker: Tracker,
        folder: Path,
        resume: TrainingState | None = None,
        ranks: Ranks | None = None,
    ):
        self.settings, self.batches, self.schedule = settings, batches, schedule
        self.ranks = ranks or Ranks()
        self.device = self.ranks.device(choose_device(settings.device))
        self.model = model.to(self.device)
        self.updater = Updater(
            self.model,
            objective,
            clip_norm=settings.clip_norm,
            max_tokens=batches.max_tokens,
            device=self.device,
            dtype=choose_precision(settings.precision, self.device),
            seed=settings.seed,
            ranks=self.ranks,
            shard=settings.shard,
        )
        self.optimizer = optimizer(self.model)
        self.average = MovingAverage(self.model, settings.ema_decay)
        self.validate, self.store, self.tracker = validate, store, Guarded(tracker)
        self.watch = Watch(warmup_steps=getattr(schedule, "warmup_steps", 0))
        self.folder = folder  # of the run
        self.position = Position()
        if self.ranks.told(resume is not None):
            self._restore(resume)
        self.metrics = MetricsFile(folder / "metrics.jsonl") if self.ranks.is_first else None
        if self.metrics:
            self.metrics.cut(self.position.step)
        self._budget = parse_duration(settings.time_budget) if settings.time_budget else None
        self._started, self._seconds_before = time.monotonic(), self.position.seconds
        self._problem: OSError | None = None  # why the first rank could not write the last checkpoint
        self._is_written = True  # it could, as all ranks know
        self._judged: tuple[dict[str, Any], float, bool] | None = (
            None  # the last validation: scores, metric, is it best
        )

    def run(self) -> Outcome:
        """Trains until a limit, the end of patience, or a signal; writes a checkpoint before it returns.

        Raises ValueError when the loss stays not finite, OSError when the last checkpoint cannot be written.
        """
        settings = self.settings
        progress = Progress(total_steps=settings.max_steps, is_shown=self.ranks.is_first)
        self._started, self._seconds_before = time.monotonic(), self.position.seconds
        speed = _Speed()
        with _signals() as seen:
            if self._is_validation_due():  # a signal came before it
                self._validate_and_save(progress)
            while True:
                share, stopping = self._agreed(seen)
                reason = self.reason_to_stop(share)
                if reason is not None or stopping:
                    break
                update = self._update(share)
                speed.add(update.target_tokens)
                if update.is_skipped:
                    if self.position.skipped_in_a_row >= settings.skip_limit:
                        self._roll_back()
                    continue
                self._say(progress, self.watch.loss(self.position.step, update.loss_nats, update.target_tokens))
                if self.device.type == "cpu":
                    threads = torch.get_num_threads()
                    now = self._elapsed()
                    self._say(progress, self.watch.waiting(self.position.step, seconds=now, num_threads=threads))
                self._log(update, speed)
                progress.update(
                    step=self.position.step,
                    share=self._share(),
                    loss_nats=update.loss_nats / max(1, update.target_tokens),
                    tokens_per_second=speed.tokens_per_second,
                    seconds=self.position.seconds,
                )
                if self._is_validation_due() and not self._agreed(seen)[1]:
                    self._validate_and_save(progress)
                    speed = _Speed()
            is_validated = self.position.validated_step == self.position.step
            if stopping:
                reason = f"stopped by {signal.Signals(stopping).name} at step {self.position.step}"
            if is_validated and not self._is_written:
                self._save_validated()
            elif stopping and not is_validated:
                self._save(scores={}, is_best=False)
            elif not is_validated:
                self._validate_and_save(progress)
        progress.close()
        if not self._is_written:
            raise self._problem or SystemExit(2)  # said once, by the first
        return Outcome(position=self.position, reason=str(reason), signal=stopping or None)

    def _agreed(self, seen: list[int]) -> tuple[float, int]:
        """The share of the run that is done by the first rank's clock, and a signal that any rank has seen (or 0)."""
        every = self.ranks.gathered(self._share(), seen[0] if seen else 0)
        return float(every[0, 0]), int(every[:, 1].max())

    def _update(self, share: float) -> Update:
        """One optimizer step on `accumulate` batches."""
        position = self.position
        group, cursor = [], position.cursor
        cursors = []
        for _ in range(self.settings.accumulate):
            cursors.append(self.batches.entered(cursor, position.step))
            batch, cursor = self.batches.read(cursor, step=position.step)
            group.append(batch)
        rate = self.schedule(position.step + 1, share)
        is_logged = self._is_log_due(position.step + 1)
        update = self.updater(self.optimizer, group, step=position.step, learning_rate=rate, wants_parts=is_logged)
        self.position = replace(position, cursor=cursor, seconds=self._elapsed())
        if update.is_skipped:
            self.position = replace(
                self.position, skipped=position.skipped + 1, skipped_in_a_row=position.skipped_in_a_row + 1
            )
            name = f"step_{position.step:06d}_{position.skipped + 1:04d}_{self.ranks.rank}"
            about = {"step": position.step, "update": update, "group": group, "cursors": cursors}
            where = keep_bad_batches(self.folder, name, batches=self.batches, **about)
            if self.ranks.is_first:
                log.warning(
                    "step %d: the loss (%g nats) or the gradient (norm %g) is not finite: the update is skipped, %s",
                    position.step,
                    update.loss_nats,
                    update.gradient_norm,
                    where,
                )
            return update
        self.average.update()
        self.position = replace(
            self.position,
            step=position.step + 1,
            target_tokens=position.target_tokens + update.target_tokens,
            ema_updates=self.average.num_updates,
            skipped_in_a_row=0,
            logged_loss_nats=position.logged_loss_nats + update.loss_nats,
            logged_tokens=position.logged_tokens + update.target_tokens,
        )
        return update

    def _roll_back(self) -> None:
        """Back to the weights of the last checkpoint; the data goes on from here."""
        position = self.position
        found = self.ranks.first_alone(self.store.resume_point)
        times = position.rollbacks + 1
        if not self.ranks.told(found is not None) or times > ROLLBACKS:
            why = (
                f"after going back {ROLLBACKS} times"
                if times > ROLLBACKS
                else "and there is no checkpoint to go back to"
            )
            if not self.ranks.is_first:
                raise SystemExit(2)  # said once, by the first
            raise ValueError(
                f"step {position.step}: {position.skipped_in_a_row} updates in a row had a loss or gradient that was"
                f" not finite, {why}. Likely causes: a learning rate that is too high (schedule.peak), bfloat16 where"
                " float32 is needed (trainer.precision), broken data (see bad_batches/)"
            )
        self._restore(found[1] if found else None)
        self.position = replace(
            self.position,
            cursor=position.cursor,
            seconds=position.seconds,
            skipped=position.skipped,
            skipped_in_a_row=0,
            rollbacks=times,
        )
        if self.metrics:
            self.metrics.cut(self.position.step)
            self.tracker.cut(self.position.step)
            log.warning(
                "%d updates in a row were skipped: back to the checkpoint of step %d, with the data that comes next",
                position.skipped_in_a_row,
                self.position.step,
            )

    def _is_validation_due(self) -> bool:
        step = self.position.step
        return step > 0 and step % self.settings.validate_every == 0 and self.position.validated_step != step

    def _is_log_due(self, step: int) -> bool:
        return step % self.settings.log_every == 0 or step == 1

    def _elapsed(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _share(self) -> float:
        """The share of the run that is done (0 to 1), by whichever limit comes first."""
        return min(1.0, max(self._shares().values()))

    def _shares(self) -> dict[str, float]:
        settings, position = self.settings, self.position
        shares = {}
        if settings.max_steps is not None:
            shares["steps"] = position.step / settings.max_steps
        if settings.max_epochs is not None:
            shares["epochs"] = self.batches.epochs(position.cursor) / settings.max_epochs
        if self._budget is not None:
            shares["time"] = self._elapsed() / self._budget
        return shares

    def reason_to_stop(self, share: float | None = None) -> str | None:
        """Which limit has been reached, in words; None while there is more to do. `share`: what all ranks agreed on."""
        settings, position = self.settings, self.position
        if settings.patience is not None and position.validations_without_best >= settings.patience:
            return f"no better {settings.metric} in {settings.patience} validations"
        if (self._share() if share is None else share) < 1.0:
            return None
        shares = self._shares()
        limit = max(shares, key=shares.__getitem__)
        if limit == "steps":
            return f"step {position.step} of {settings.max_steps}"
        if limit == "epochs":
            return f"epoch {self.batches.epochs(position.cursor):g} of {settings.max_epochs:g}"
        return f"time budget of {settings.time_budget}"

    def _validate_and_save(self, progress: Progress) -> None:
        settings = self.settings
        self.average.swap()
        self.model.eval()
        with put_together(self.updater.loss):
            own = self.validate(self.model)
        self.average.swap()
        told = self.ranks.told({"numbers": own.numbers, "samples": own.samples, "details": own.details})
        validation = Validation(**told, pictures=own.pictures, about_scores=own.about_scores)
        value = validation.numbers[settings.metric]
        sign, best = METRICS[settings.metric], self.position.best
        is_best = not math.isnan(value) and (best is None or sign * value > sign * best)
        before = self.position
        self.position = replace(
            before,
            validations_without_best=0 if is_best else before.validations_without_best + 1,
            validated_step=before.step,
            seconds=self._elapsed(),
        )
        every = {**validation.numbers, **validation.details}
        self._record({f"valid_{name}": number for name, number in every.items()})
        self._draw(validation.pictures)
        text = ", ".join(f"{name} {number:.2f}" for name, number in validation.numbers.items())
        progress.say(f"step {self.position.step}: validation {text}{' (best so far)' if is_best else ''}")
        for line in validation.samples:
            progress.say(f"    {line}")
        self._say(progress, self.watch.validation(self.position.step, validation.numbers))
        self._judged = {"step": self.position.step, **validation.for_checkpoint()}, value, is_best
        self._save_validated()

    def _save_validated(self) -> None:
        """A checkpoint of what was just validated. Where it fails, best and the way back are what they were before."""
        assert self._judged is not None
        before, (scores, value, is_best) = self.position, self._judged
        self.position = replace(before, best=value if is_best else before.best, rollbacks=0)
        if not self._save(scores, is_best=is_best):
            self.position = before
        elif self.ranks.is_first:
            try:
                self.store.prune(self.settings.keep_last)
            except OSError as error:
                log.warning("old checkpoints could not be deleted: %s", error)

    def _say(self, progress: Progress, warning: str | None) -> None:
        if warning is not None and self.ranks.is_first:
            progress.say(f"warning: {warning}")

    def _log(self, update: Update, speed: _Speed) -> None:
        """A line in the metrics file where one is due: the mean loss since the last one, and the latest of the rest."""
        position = self.position
        if not self._is_log_due(position.step):
            return
        numbers = {
            "epoch": position.cursor.epoch,
            "loss": round(position.logged_loss_nats / max(1, position.logged_tokens), 5),
            "target_tokens_per_second": round(speed.tokens_per_second, 1),
            "gradient_norm": round(update.gradient_norm, 5),
            "learning_rate": update.learning_rate,
            **{f"gradient_norm_{part}": round(norm, 5) for part, norm in update.norms_of_parts.items()},
        }
        means = update.means()
        assert not numbers.keys() & means.keys(), f"an objective must not sum what is recorded already: {[*means]}"
        numbers |= {name: round(mean, 5) for name, mean in means.items()}
        self._record(numbers | ({"skipped_updates": position.skipped} if position.skipped else {}))
        self.position = replace(position, logged_loss_nats=0.0, logged_tokens=0)

    def _record(self, numbers: Mapping[str, Any]) -> None:
        if self.metrics:
            numbers = {"seconds": round(self.position.seconds, 2), **numbers}
            self.metrics.record(self.position.step, numbers)
            self.tracker.record(self.position.step, numbers)

    def _draw(self, pictures: Mapping[str, Callable[[Path], None]]) -> None:
        """Each picture to a file of this step, in a folder of its name. A disk that is full costs the picture."""
        for name, draw in pictures.items() if self.ranks.is_first else ():
            path = self.folder / name / f"step_{self.position.step:06d}.png"
            try:
                path.parent.mkdir(exist_ok=True)
                draw(path)
            except OSError as error:
                log.warning("%s could not be drawn: %s", path, error)
                continue
            self.tracker.picture(self.position.step, name, path)

    def _save(self, scores: Mapping[str, Any], *, is_best: bool) -> bool:
        """Writes a checkpoint; whether that went well. A disk that is full now may have room the next time."""
        name = f"step_{self.position.step:06d}"
        if not (self.ranks.is_first or self.settings.shard):  # has nothing to add
            self._is_written = not self.ranks.told(None)
            return self._is_written
        state = self._state()
        self.average.swap()
        weights = self._collected(kept_tensors(self.model))
        self._problem = None
        if self.ranks.is_first:
            try:
                self.store.save(name, weights, scores, state, is_best=is_best)
            except OSError as error:
                self._problem = error
                log.warning(
                    "step %d: the checkpoint could not be written (%s): the ones before are kept, training goes on",
                    self.position.step,
                    error,
                )
        self.average.swap()
        self._is_written = not self.ranks.told(self._problem is not None)
        return self._is_written

    def _state(self) -> TrainingState:
        parameters = dict(self.model.named_parameters())
        # without an average the weights are those that stand beside them in the checkpoint
        kept = kept_tensors(self.model) if self._has_average else {}
        tensors = {f"weights.{name}": tensor for name, tensor in kept.items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.tensors().items()}
        for name, parameter in parameters.items():
            for key, value in self.optimizer.state[parameter].items() if parameter in self.optimizer.state else ():
                tensors[f"optimizer.{key}.{name}"] = torch.as_tensor(value)
        # weights and average change places while the checkpoint is written
        return TrainingState(tensors=self._collected(tensors, copy=self._has_average), numbers=asdict(self.position))

    def _collected(self, tensors: Mapping[str, Tensor], *, copy: bool = False) -> dict[str, Tensor]:
        """The whole tensors on the CPU of the first rank, one after the other; nothing on the other ranks."""
        collected = {}
        for name, tensor in tensors.items():
            tensor = whole(tensor.detach())
            if self.ranks.is_first:
                collected[name] = tensor.clone() if copy and tensor.device.type == "cpu" else tensor.cpu()
        return collected

    @property
    def _has_average(self) -> bool:
        return self.settings.ema_decay > 0.0

    def _restore(self, state: TrainingState | None) -> None:
        """Takes everything back that `_state` gave the first rank; the other ranks hand in None."""
        self.position = Position.from_dict(self.ranks.told(state.numbers if state else None))
        tensors = state.tensors if state else {}
        known = self.ranks.told({name: (tuple(t.shape), t.dtype) for name, t in tensors.items()})
        kept, averages = kept_tensors(self.model), self.average.tensors()
        _check_fit(known, kept, averages)
        self.average.num_updates = self.position.ema_updates
        with torch.no_grad():
            for name, (shape, dtype) in known.items():
                tensor = self.ranks.shared(tensors.get(name), shape, dtype)
                group, _, rest = name.partition(".")
                if group == "weights":
                    copy_whole(kept[rest], tensor)
                elif group == "average" and averages:
                    copy_whole(averages[rest], tensor)
                elif group == "optimizer":
                    key, _, owner = rest.partition(".")
                    self._restore_moment(kept[owner], key, tensor)

    def _restore_moment(self, parameter: Tensor, key: str, tensor: Tensor) -> None:
        own = self.optimizer.state[parameter]
        if tensor.ndim == 0:  # the step count; the fused form reads it on the parameter's device
            own[key] = tensor.to(parameter.device, copy=True)
        else:
            own[key] = torch.empty_like(parameter, dtype=tensor.dtype)
            copy_whole(own[key], tensor)


def _check_fit(
    known: Mapping[str, tuple[tuple[int, ...], torch.dtype]], kept: Mapping[str, Tensor], averages: Mapping[str, Tensor]
) -> None:
    """Raises ValueError unless a training state holds what the model needs, and nothing that it does not have."""
    wanted = {f"{group}.{name}" for group, names in (("weights", kept), ("average", averages)) for name in names}
    for name in sorted(wanted - known.keys()):
        raise ValueError(f"the checkpoint's training state does not fit the model: it lacks {name}")
    for name, (shape, _) in known.items():
        owner = name.split(".", 2 if name.startswith("optimizer.") else 1)[-1]
        if owner not in kept or (shape and shape != tuple(kept[owner].shape)):
            raise ValueError(f"the checkpoint's training state does not fit the model: {name} of shape {list(shape)}")


class _Speed:
    """Target tokens a second since it was made."""

    def __init__(self):
        self._tokens, self._since = 0, time.monotonic()

    def add(self, target_tokens: int) -> None:
        self._tokens += target_tokens

    @property
    def tokens_per_second(self) -> float:
        return self._tokens / max(time.monotonic() - self._since, 1e-9)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that fills when SIGINT or SIGTERM comes; another one seconds later is no longer held back.

    At once it may be the same one: a cluster tells every process, and torchrun tells its own again.
    """
    seen: list[int] = []
    since: list[float] = []

    def note(number: int, _frame: object) -> None:
        if seen and time.monotonic() - since[0] < SAME_SIGNAL_SECONDS:
            return
        if seen:
            for name in before:
                signal.signal(name, before[name])
            signal.raise_signal(number)
        seen.append(number)
        since.append(time.monotonic())
        log.warning("%s: finishing this update and writing a checkpoint", signal.Signals(number).name)

    handlers = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    # what is ignored, as SIGINT in a shell's background job, stays so
    before = {name: handler for name, handler in handlers.items() if handler is not signal.SIG_IGN}
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
