"""Train a translation model: raw parallel text to BLEU, translations and alignments, in one command.

    python -m mt.train                               the corpus that comes with the project, a small model
    python -m mt.train experiment=multi30k           a published setting (configs/experiment)
    python -m mt.train data=text data.folder=my/corpus data.source_language=en data.target_language=de   your own text
    python -m mt.train model=base trainer.time_budget=30m batches.max_tokens=8192
    python -m mt.train start_from=checkpoints/demo name=mine data=text …     from another run's weights

The same command resumes a stopped run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mt.settings import run_hydra

if TYPE_CHECKING:
    from torch import nn

    from mt.checkpoint.run_folder import RunFolder
    from mt.checkpoint.validation import Validation
    from mt.evaluation.alignment_reference import Reference
    from mt.evaluation.tokenization import Tokenization
    from mt.model.seq2seq import Seq2Seq
    from mt.training.assembly import Assembly, Parts
    from mt.training.distributed import Ranks
    from mt.training.trainer import Outcome, Trainer

log = logging.getLogger("mt.train")


def main(settings: Mapping[str, Any]) -> float | None:
    """Prepares the data, trains, and finishes: settings -> parts -> one call each. Gives the best validation metric."""
    from mt.checkpoint.changes import settings_to_resume
    from mt.evaluation.alignment_reference import Reference
    from mt.evaluation.final import final_table
    from mt.training.assembly import Assembly, Parts, check_settings
    from mt.training.distributed import Ranks

    check_settings(settings)
    settings = settings_to_resume(settings)
    parts = Parts.of(settings)
    parts.set_up_process()
    ranks = Ranks.join(parts.device.type)
    if not ranks.is_first:
        logging.getLogger("mt").setLevel(logging.ERROR)  # only the first process logs
    tokenizations = _tokenizations(parts)
    run = _open_run(parts, settings, ranks)
    # the other ranks find it prepared, unless another machine has its own folders
    prepared = ranks.on_first_rank(parts.prepare) or parts.prepare()
    run.check_tokenizers(prepared.tokenizers)
    if ranks.is_first:
        prepared.ledger.save(run.path / "ledger.json")
    assembly = Assembly.of(parts, prepared)
    run.describe(assembly.card, prepared.tokenizers, assembly.priors)
    reference = cache(lambda: Reference.of_validation(prepared))  # learned once, if necessary
    validate = _make_validate(assembly, run.path, tokenizations["valid"], reference, ranks)
    trainer = _make_trainer(assembly, run, validate, ranks)
    if trainer.position.step and _is_finished(trainer, run):
        if ranks.is_first:
            log.info(
                "%s: already at %s (name=… starts another run, fresh=true this one again)",
                run.path,
                trainer.reason_to_stop(),
            )
            assert run.scores is not None
            print(final_table(run.scores))
        ranks.leave()
        return trainer.position.best
    outcome = _train(trainer, run, settings)
    ranks.leave()
    if outcome.signal is not None:
        log.warning("%s; the same command resumes from there", outcome.reason)
        raise SystemExit(128 + outcome.signal)
    if ranks.is_first:
        log.info("training is done: %s, %.1f minutes", outcome.reason, outcome.position.seconds / 60)
        validate_last = partial(validate, step=outcome.position.step)
        _finish(assembly, run, outcome, settings, tokenizations, validate_last, reference, ranks)
    return outcome.position.best


def _tokenizations(parts: Parts) -> dict[str, Tokenization]:
    """How each held-out set is scored, by name; warns where the right tokenizer of a language is missing."""
    fitting = parts.fitting_scores()
    for note in dict.fromkeys(one.note for one in fitting.values() if one.note):
        log.warning(note)
    return {name: one.tokenization for name, one in fitting.items()}


def _open_run(parts: Parts, settings: Mapping[str, Any], ranks: Ranks) -> RunFolder:
    """The run's folder, which the first process opens and locks."""
    from mt.checkpoint.run_folder import RunFolder

    # changed files with the same settings are also a change
    seen = {**settings, "corpus": parts.fingerprint()}
    same_corpus = parts.former_fingerprints()
    opened = ranks.on_first_rank(
        lambda: RunFolder.open(
            settings["folder"],
            seen,
            fresh=settings["fresh"],
            allow=settings["resume"]["allow"],
            same_corpus=same_corpus,
        )
    )
    return opened or RunFolder(Path(settings["folder"]))


def _make_validate(
    assembly: Assembly, folder: Path, tokenization: Tokenization, reference: Callable[[], Reference], ranks: Ranks
) -> Callable[..., Validation]:
    """(model, step) -> the validation of this model."""
    from mt.inference.translator import Translator

    prepared, max_pieces = assembly.prepared, assembly.parts.data.max_pieces
    where = _where(assembly, ranks)
    validator = assembly.parts.make_validator(
        prepared.valid,
        assembly.valid_batches(),
        tokenization=tokenization,
        reference=reference,
        folder=folder,
        language=assembly.parts.data.target_language,
    )

    def validate(model: Seq2Seq, *, step: int) -> Validation:
        translator = Translator(
            model, prepared.tokenizers, max_pieces=max_pieces, device=where.device, precision=where.precision
        )
        return validator(translator, step)

    return validate


class _Where(NamedTuple):
    """Device and precision of what decodes, as `Translator` takes them."""

    device: str
    precision: str


def _where(assembly: Assembly, ranks: Ranks) -> _Where:
    return _Where(str(ranks.device(assembly.parts.device)), assembly.parts.trainer.precision)


def _make_trainer(assembly: Assembly, run: RunFolder, validate: Callable[..., Validation], ranks: Ranks) -> Trainer:
    """A trainer that starts from the run's last checkpoint, or from the first weights if there is none."""
    from mt.training.starting_point import note_start
    from mt.training.tracker import NoTracker
    from mt.training.trainer import Trainer

    parts, batches = assembly.parts, assembly.batches(ranks=ranks)
    found = ranks.on_first_rank(run.resume_point)
    if not ranks.broadcast_object(found is not None):
        assembly.take_first_weights(ranks)
        ranks.on_first_rank(lambda: note_start(parts.start, run.path))
    return Trainer(
        settings=parts.trainer,
        learner=assembly.learner(ranks),
        batches=batches,
        schedule=parts.schedule,
        validate=validate,
        store=run,
        tracker=parts.tracker if ranks.is_first else NoTracker(),
        folder=run.path,
        resume=found[1] if found else None,
    )


def _is_finished(trainer: Trainer, run: RunFolder) -> bool:
    """Whether the run has reached its limit and its scores are written, as the first process sees it."""
    return trainer.ranks.broadcast_object(trainer.reason_to_stop() is not None and run.scores is not None)


def _train(trainer: Trainer, run: RunFolder, settings: Mapping[str, Any]) -> Outcome:
    """Trains until the run ends. Raises ValueError where memory does not suffice."""
    import torch

    if trainer.position.step:
        if trainer.ranks.is_first:
            run.reopen()
        log.info("%s: resuming at step %d", run.path, trainer.position.step)
    trainer.tracker.start(run.path, settings, trainer.position.step)
    try:
        outcome = trainer.run()
    except torch.OutOfMemoryError as error:  # outside the updates, where smaller parts would have helped
        raise ValueError(f"out of memory: take a smaller model or batches.max_tokens ({error})") from error
    trainer.tracker.finish()
    return outcome


def _finish(
    assembly: Assembly,
    run: RunFolder,
    outcome: Outcome,
    settings: Mapping[str, Any],
    tokenizations: dict[str, Tokenization],
    validate: Callable[[nn.Module], Validation],
    reference: Callable[[], Reference],
    ranks: Ranks,
) -> None:
    """Finishes the checkpoint, scores the test sets, and prints the table."""
    from mt.data.shards import ShardedStore
    from mt.device import peak_memory_mib
    from mt.evaluation.final import final_table, finish_run
    from mt.model.seq2seq import parameter_counts
    from mt.training.settings import METRICS
    from mt.training.starting_point import noted_start

    parts, prepared = assembly.parts, assembly.prepared
    if isinstance(prepared.train, ShardedStore):
        prepared.train.ledger.save(run.path / "ledger.json")  # counts the shards as they are read
    metric, start, where = parts.trainer.metric, noted_start(run.path), _where(assembly, ranks)
    scores = finish_run(
        parts.final,
        run,
        prepared,
        search_node=settings["search"],
        search=parts.search,
        metric=metric,
        is_more_better=METRICS[metric] > 0,
        data=parts.data,
        score_settings=parts.scores,
        tokenizations=tokenizations,
        validate=lambda of_model: validate(of_model).for_checkpoint(),
        reference=reference,
        training={
            **asdict(outcome.position),
            "parameters": parameter_counts(assembly.model)["total"],
            "peak_memory_mib": peak_memory_mib(),
            "reason": outcome.reason,
            **({"started_from": start} if start else {}),
        },
        device=where.device,
        precision=where.precision,
    )
    print(final_table(scores))


def cli() -> None:
    """The console script."""
    run_hydra(main, "train")


if __name__ == "__main__":
    cli()
