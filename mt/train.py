"""Train a translation model: raw parallel text to BLEU, translations and alignments, in one command.

    python -m mt.train                               the corpus that comes with the project, a small model
    python -m mt.train experiment=multi30k           a published setting (configs/experiment)
    python -m mt.train data=text data.train.source=train.en data.train.target=train.de …    your own text
    python -m mt.train model=base trainer.time_budget=30m batches.max_tokens=8192

The same command again goes on where the run stopped.
"""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from mt.command_line import did_you_mean, run_hydra

log = logging.getLogger("mt.train")

EXAMPLES = 10_000  # training pairs that are looked at for tags in their text
LONG_PIECES = 1024  # sources from which memory is dearer than time
GROUPS = ("data", "tokenizer", "model", "objective", "optimizer", "schedule", "search", "tracker")
OWN = ("batches", "guidance", "lexicon", "scores", "trainer", "validation", "final")
SETTINGS = ("name", "folder", "fresh", "resume", *GROUPS, *OWN)


def main(settings: dict[str, Any]) -> float | None:
    """Prepares the data, trains, and finishes: settings -> parts -> one call each. Gives the best validation metric."""
    # batches come in more shapes than oneDNN could keep products for: fewer are as fast, and take less memory
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    import torch

    from mt.checkpoint.changes import settings_to_resume
    from mt.checkpoint.folder import ModelCard
    from mt.checkpoint.rebuild import build
    from mt.checkpoint.run_folder import RunFolder
    from mt.data.batching import TokenBatches
    from mt.data.prepare import corpus_fingerprint, former_fingerprints, prepare
    from mt.data.sources import reads_untagged, target_languages
    from mt.device import choose_device, give_back_freed_memory, keep_freed_memory, peak_memory_mib
    from mt.evaluation.choose_alignment import Reference
    from mt.evaluation.final import final_table, finish_run
    from mt.inference.tags import Tags
    from mt.inference.translator import Translator
    from mt.model.seq2seq import parameter_counts
    from mt.training.assembly import Parts
    from mt.training.distributed import Ranks
    from mt.training.fit import check_fit
    from mt.training.guiding_links import find_links, guide_of
    from mt.training.source_lexicon import fill_lexicon
    from mt.training.source_sentences import check_sentences, with_separator
    from mt.training.source_trees import source_trees
    from mt.training.tracker import NoTracker
    from mt.training.trainer import METRICS, Trainer, Validation

    for name in SETTINGS:
        if name not in settings:
            raise ValueError(f"the setting {name} is missing")
    for name in settings:
        if name not in SETTINGS:  # from a settings file: the command line's are checked already
            raise ValueError(f"there is no setting {name}{did_you_mean(name, SETTINGS)}")
    settings = settings_to_resume(settings)
    parts = Parts.of(settings)
    trainer_settings, data, guidance = parts.trainer, parts.data, parts.guidance
    held_out = {"valid": data.valid, **data.tests}
    fitting = {
        name: parts.scores.fitting(*target_languages(corpus, data.target_language)) for name, corpus in held_out.items()
    }
    tokenizations = {name: one.tokenization for name, one in fitting.items()}
    device = choose_device(trainer_settings.device)
    if device.type == "cpu":
        (give_back_freed_memory if data.max_pieces > LONG_PIECES else keep_freed_memory)()
    ranks = Ranks.join(device.type)
    if not ranks.is_first:
        logging.getLogger("mt").setLevel(logging.ERROR)  # one process speaks for all
    for note in dict.fromkeys(one.note for one in fitting.values() if one.note):
        log.warning(note)
    # files that changed under the same settings are a change too
    seen = {**settings, "corpus": corpus_fingerprint(data, parts.tokenizer)}
    how = {"fresh": settings["fresh"], "allow": settings["resume"]["allow"]}
    same_corpus = former_fingerprints(data, parts.tokenizer)
    opened = ranks.first_alone(lambda: RunFolder.open(settings["folder"], seen, same_corpus=same_corpus, **how))
    run = opened or RunFolder(Path(settings["folder"]))

    ranks.first_alone(lambda: prepare(data, parts.tokenizer))
    prepared = prepare(data, parts.tokenizer)  # there already, unless another machine has folders of its own
    tokenizers = prepared.tokenizers
    run.check_tokenizers(tokenizers)
    if ranks.is_first:
        prepared.ledger.save(run.path / "ledger.json")
    torch.manual_seed(trainer_settings.seed)
    model_settings = with_separator(settings["model"], data.document, tokenizers.source)
    vocabularies = {"source_vocab_size": tokenizers.source.size, "target_vocab_size": tokenizers.target.size}
    model = build(model_settings, **vocabularies)
    check_sentences(model)
    check_fit(model, tokenizers, max_pieces=data.max_pieces)
    trees = source_trees(model, prepared)
    counts = parameter_counts(model)
    log.info("parameters: %s", ", ".join(f"{part} {count:,}" for part, count in counts.items()))
    examples = (pair.source for pair in prepared.train.sample(EXAMPLES))
    card = ModelCard(
        model=model_settings,
        source_language=data.source_language,
        target_language=data.target_language,
        max_pieces=data.max_pieces,
        document=data.document,
        reads_untagged=reads_untagged(data.train, examples, tokenizers.source.reserved_symbols),
    )
    for held_out in (prepared.valid, *prepared.tests.values()):
        Tags.of(card, tokenizers.source).check_held_out(held_out)
    run.describe(card, tokenizers)

    where = {"device": str(ranks.device(device)), "precision": trainer_settings.precision}
    reference = cache(lambda: Reference.of_validation(prepared))  # learned once, where it has to be
    valid_tokens = max(8192, 2 * data.max_pieces + 2)  # a batch holds the longest pair at least
    validator = parts.make_validator(
        prepared.valid,
        TokenBatches(prepared.valid_store, tokenizers, max_tokens=valid_tokens, seed=0, shuffle=False, trees=trees),
        tokenization=tokenizations["valid"],
        reference=reference,
        folder=run.path,
    )

    def validate(of_model: torch.nn.Module) -> Validation:
        translator = Translator(of_model, tokenizers, max_pieces=data.max_pieces, **where)
        return Validation(**vars(validator(translator, trainer.position.step)))

    ranks.first_alone(lambda: find_links(guidance.links, prepared))
    batches = parts.make_batches(
        prepared.train,
        tokenizers,
        seed=trainer_settings.seed,
        guide=guide_of(guidance, prepared),
        trees=trees,
        rank=ranks.rank,
        world_size=ranks.world_size,
    )
    found = ranks.first_alone(run.resume_point)
    if not ranks.told(found is not None):  # else it comes with the weights
        fill_lexicon(model, parts.lexicon, guidance, prepared, ranks)
    tracker = parts.tracker if ranks.is_first else NoTracker()
    trainer = Trainer(
        settings=trainer_settings,
        model=model,
        batches=batches,
        objective=guidance.around(parts.objective),
        optimizer=parts.optimizer,
        schedule=parts.schedule,
        validate=validate,
        store=run,
        tracker=tracker,
        folder=run.path,
        resume=found[1] if found else None,
        ranks=ranks,
    )
    if trainer.position.step:
        reason = trainer.reason_to_stop()
        if ranks.told(reason is not None and run.scores is not None):
            if ranks.is_first:
                log.info("%s: already at %s (name=… starts another run, fresh=true this one again)", run.path, reason)
                print(final_table(run.scores))
            ranks.leave()
            return trainer.position.best
        if ranks.is_first:
            run.reopen()
        log.info("%s: going on at step %d", run.path, trainer.position.step)
    trainer.tracker.start(run.path, settings, trainer.position.step)
    try:
        outcome = trainer.run()
    except torch.OutOfMemoryError as error:  # outside the updates, where smaller parts would have helped
        raise ValueError(f"out of memory: take a smaller model or batches.max_tokens ({error})") from error
    trainer.tracker.finish()
    ranks.leave()
    if outcome.signal is not None:
        log.warning("%s; the same command goes on from there", outcome.reason)
        raise SystemExit(128 + outcome.signal)
    if not ranks.is_first:
        return outcome.position.best
    log.info("training is done: %s, %.1f minutes", outcome.reason, outcome.position.seconds / 60)
    if data.keep_shards is not None:
        prepared.train.ledger.save(run.path / "ledger.json")  # counts the shards as they are read
    scores = finish_run(
        parts.final,
        run,
        prepared,
        search_node=settings["search"],
        search=parts.search,
        metric=trainer_settings.metric,
        is_more_better=METRICS[trainer_settings.metric] > 0,
        tokenizations=tokenizations,
        validate=lambda of_model: validate(of_model).for_checkpoint(),
        reference=reference,
        training={
            **asdict(outcome.position),
            "parameters": counts["total"],
            "peak_memory_mib": peak_memory_mib(),
            "reason": outcome.reason,
        },
        **where,
    )
    print(final_table(scores))
    return outcome.position.best


def cli() -> None:
    """The console script."""
    run_hydra(main, "train")


if __name__ == "__main__":
    cli()
