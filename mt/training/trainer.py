"""The training loop: batches in, updates, validation, checkpoints; stops and resumes anywhere between two updates."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from mt.checkpoint.folder import TrainingState
from mt.checkpoint.validation import Validation
from mt.data.batching import TokenBatches
from mt.training.bad_batches import keep_bad_batches
from mt.training.distributed import put_together
from mt.training.learner import Learner
from mt.training.limits import Limits, Position
from mt.training.progress import Progress, Speed
from mt.training.run_state import collect_state, collect_weights, restore_state
from mt.training.settings import METRICS, TrainerSettings
from mt.training.signals import noted_signals
from mt.training.tracker import Guarded, MetricsFile, Tracker
from mt.training.updater import Update
from mt.training.watch import Watch

log = logging.getLogger(__name__)

ROLLBACKS = 3  # returns to a checkpoint, without a new one between them, before the run fails


class Store(Protocol):
    """Where checkpoints go; `mt.checkpoint.run_folder.RunFolder` is one."""

    def save(
        self,
        name: str,
        weights: Mapping[str, Tensor],
        scores: Mapping[str, Any],
        training: TrainingState,
        *,
        is_best: bool,
    ) -> object: ...
    def prune(self, keep_last: int) -> None: ...
    def resume_point(self) -> tuple[Path, TrainingState] | None: ...


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended: its last position and why it stopped."""

    position: Position
    reason: str
    signal: int | None = None  # the one that stopped it, if any: the same command resumes


class Trainer:
    """Trains what `learner` holds on `batches`; `run` does the work.

    Of several processes each reads its share of every batch; all of them validate, the first one writes.
    `resume` is the state of an earlier checkpoint, on the first process.
    """

    def __init__(
        self,
        *,
        settings: TrainerSettings,
        learner: Learner,
        batches: TokenBatches,
        schedule: Callable[[int, float], float],
        validate: Callable[..., Validation],  # (model, step=)
        store: Store,
        tracker: Tracker,
        folder: Path,
        resume: TrainingState | None = None,
    ):
        self.settings, self.learner, self.batches, self.schedule = settings, learner, batches, schedule
        self.ranks = learner.ranks
        self.validate, self.store, self.tracker = validate, store, Guarded(tracker)
        self.watch = Watch(warmup_steps=getattr(schedule, "warmup_steps", 0))
        self.folder = folder  # of the run
        is_resumed = self.ranks.broadcast_object(resume is not None)
        self.position = restore_state(learner, resume) if is_resumed else Position()
        self.metrics = MetricsFile(folder / "metrics.jsonl") if self.ranks.is_first else None
        if self.metrics:
            self.metrics.cut(self.position.step)
        self.limits = Limits(settings, epochs=batches.epochs, seconds=self.position.seconds)
        self._problem: OSError | None = None  # why the first rank could not write the last checkpoint
        self._is_written = True  # the last checkpoint, as all ranks know
        self._judged: tuple[dict[str, Any], float, bool] | None = (
            None  # the last validation: scores, metric, is it best
        )

    def reason_to_stop(self) -> str | None:
        """Which limit has been reached, in words; None before."""
        return self.limits.reason_to_stop(self.position)

    def run(self) -> Outcome:
        """Trains until a limit, the end of patience, or a signal; writes a checkpoint before it returns.

        Raises ValueError when the loss stays not finite, OSError when the last checkpoint cannot be written.
        """
        settings = self.settings
        progress = Progress(total_steps=settings.max_steps, is_shown=self.ranks.is_first)
        self.limits.start_clock(self.position.seconds)
        speed = Speed()
        with noted_signals() as seen:
            if self._is_validation_due():  # a signal came before it
                self._validate_and_save(progress)
            while True:
                share, stopping = self._agreed(seen)
                reason = self.limits.reason_to_stop(self.position, share)
                if reason is not None or stopping:
                    break
                update = self._update(share)
                speed.add(update.target_tokens)
                if update.is_skipped:
                    if self.position.skipped_in_a_row >= settings.skip_limit:
                        self._roll_back()
                    continue
                position = self.position
                loss = position.step, update.loss_nats, update.target_tokens
                self._say(progress, self.watch.loss(*loss, stage=position.cursor.stage))
                if self.learner.device.type == "cpu":
                    threads = torch.get_num_threads()
                    now = self.limits.elapsed()
                    self._say(progress, self.watch.waiting(self.position.step, seconds=now, num_threads=threads))
                self._log(update, speed)
                progress.update(
                    step=self.position.step,
                    share=self.limits.share(self.position),
                    loss_nats=update.loss_nats / max(1, update.target_tokens),
                    tokens_per_second=speed.tokens_per_second,
                    seconds=self.position.seconds,
                )
                if self._is_validation_due() and not self._agreed(seen)[1]:
                    self._validate_and_save(progress)
                    speed = Speed()
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
            raise self._problem or SystemExit(2)  # only the first rank reports the error
        return Outcome(position=self.position, reason=str(reason), signal=stopping or None)

    def _agreed(self, seen: list[int]) -> tuple[float, int]:
        """The share of the run that is done, by the first rank's clock, and a signal that any rank received (or 0)."""
        every = self.ranks.all_gather(self.limits.share(self.position), seen[0] if seen else 0)
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
        learner, step = self.learner, position.step
        update = learner.updater(learner.optimizer, group, step=step, learning_rate=rate, by_part=is_logged)
        self.position = replace(position, cursor=cursor, seconds=self.limits.elapsed())
        if update.is_skipped:
            self.position = replace(
                self.position, skipped=position.skipped + 1, skipped_in_a_row=position.skipped_in_a_row + 1
            )
            name = f"step_{position.step:06d}_{position.skipped + 1:04d}_{self.ranks.rank}"
            where = keep_bad_batches(
                self.folder,
                name,
                step=position.step,
                update=update,
                group=group,
                cursors=cursors,
                batches=self.batches,
            )
            if self.ranks.is_first:
                log.warning(
                    "step %d: the loss (%g nats) or the gradient (norm %g) is not finite: the update is skipped, %s",
                    position.step,
                    update.loss_nats,
                    update.gradient_norm,
                    where,
                )
            return update
        learner.average.update()
        self.position = replace(
            self.position,
            step=position.step + 1,
            target_tokens=position.target_tokens + update.target_tokens,
            ema_updates=learner.average.num_updates,
            skipped_in_a_row=0,
            logged_loss_nats=position.logged_loss_nats + update.loss_nats,
            logged_tokens=position.logged_tokens + update.target_tokens,
        )
        return update

    def _roll_back(self) -> None:
        """Returns to the weights of the last checkpoint; the data continues from the present place."""
        position = self.position
        found = self.ranks.on_first_rank(self.store.resume_point)
        times = position.rollbacks + 1
        if not self.ranks.broadcast_object(found is not None) or times > ROLLBACKS:
            why = (
                f"after going back {ROLLBACKS} times"
                if times > ROLLBACKS
                else "and there is no checkpoint to go back to"
            )
            if not self.ranks.is_first:
                raise SystemExit(2)  # only the first rank reports the error
            raise ValueError(
                f"step {position.step}: {position.skipped_in_a_row} updates in a row had a loss or gradient that was"
                f" not finite, {why}. Likely causes: a learning rate that is too high (schedule.peak), bfloat16 where"
                " float32 is needed (trainer.precision), broken data (see bad_batches/)"
            )
        restored = restore_state(self.learner, found[1] if found else None)
        self.position = replace(
            restored,
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
                "%d updates in a row were skipped: back to the checkpoint of step %d, continuing with the next data",
                position.skipped_in_a_row,
                self.position.step,
            )

    def _is_validation_due(self) -> bool:
        step = self.position.step
        return step > 0 and step % self.settings.validate_every == 0 and self.position.validated_step != step

    def _is_log_due(self, step: int) -> bool:
        return step % self.settings.log_every == 0 or step == 1

    def _validate_and_save(self, progress: Progress) -> None:
        settings = self.settings
        learner = self.learner
        learner.average.swap()
        learner.model.eval()
        with put_together(learner.updater.loss):
            own = self.validate(learner.model, step=self.position.step)
        learner.average.swap()
        numbers, samples, details = self.ranks.broadcast_object((own.numbers, own.samples, own.details))
        validation = replace(own, numbers=numbers, samples=samples, details=details)
        value = validation.numbers[settings.metric]
        sign, best = METRICS[settings.metric], self.position.best
        is_best = not math.isnan(value) and (best is None or sign * value > sign * best)
        before = self.position
        self.position = replace(
            before,
            validations_without_best=0 if is_best else before.validations_without_best + 1,
            validated_step=before.step,
            seconds=self.limits.elapsed(),
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
        """Writes a checkpoint after a validation. If that fails, `best` and the last checkpoint are unchanged."""
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

    def _log(self, update: Update, speed: Speed) -> None:
        """Writes a line of metrics where one is due: the mean loss since the last one, the newest value of the rest."""
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
        """Writes each picture to a file of this step, in a folder of its name. On a full disk the picture is lost."""
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
        """Writes a checkpoint; returns whether it succeeded. A disk that is full now may have room the next time."""
        name = f"step_{self.position.step:06d}"
        if not (self.ranks.is_first or self.settings.shard):  # has nothing to add
            self._is_written = not self.ranks.broadcast_object(None)
            return self._is_written
        state = collect_state(self.learner, self.position)
        self.learner.average.swap()
        weights = collect_weights(self.learner)
        self._problem = None
        if self.ranks.is_first:
            try:
                self.store.save(name, weights, scores, state, is_best=is_best)
            except OSError as error:
                self._problem = error
                log.warning(
                    "step %d: the checkpoint could not be written (%s): earlier ones are kept, training continues",
                    self.position.step,
                    error,
                )
        self.learner.average.swap()
        self._is_written = not self.ranks.broadcast_object(self._problem is not None)
        return self._is_written
