"""What `test_distributed.py` has torchrun start: the runs that it compares, on as many processes as there are."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import torch

from mt.attention.prior import Prior
from mt.checkpoint.validation import Validation
from mt.objective.guided import Guidance
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.matching import Matching
from mt.objective.projected_distillation import ProjectedDistillation
from mt.objective.r_drop import RDrop
from mt.objective.teacher import Teachers
from mt.training.distributed import Ranks
from mt.training.parameters import freeze
from mt.training.source_lexicon import LexiconSettings, fill_lexicon
from tests.training.runs import (
    SEEN,
    WithPassesThatDiffer,
    count_up,
    make_model,
    make_seeing_model,
    make_trainer,
    prepare_numbers,
)

FROZEN = ["encoder", "target_embedding"]


def projected(prepared):
    """An objective with weights of its own."""
    teachers = Teachers([make_model(prepared, seed=7)], prepared.tokenizers, ["a"])
    return ProjectedDistillation(inner=LabelSmoothedCrossEntropy(), teacher=teachers)


def main(corpus_folder: Path, work: Path) -> None:
    torch.set_num_threads(1)
    ranks = Ranks.join("cpu")
    prepared = ranks.on_first_rank(partial(prepare_numbers, corpus_folder, work / "prepared"))
    prepared = prepared or prepare_numbers(corpus_folder, work / "prepared")

    def run(name, *, resume=False, dropout=0.0, validate=None, model=None, **settings):
        trainer = make_trainer(
            prepared,
            work / name,
            model=model or make_model(prepared, dropout=dropout, seed=7 if resume else 1),
            ranks=ranks,
            resume=resume,
            validate=validate,
            **settings,
        )
        outcome = trainer.run()
        # nobody goes on before the first has let go of the folder
        ranks.on_first_rank(getattr(trainer.store, "close", lambda: None))
        return outcome

    run("together", ema_decay=0.9, accumulate=2, max_tokens=600, max_steps=7)
    run("small_batches", max_tokens=40, max_steps=6)  # of which some ranks get no sentence
    run("from_one", resume=True, ema_decay=0.9, max_steps=8)
    run("with_dropout", dropout=0.3, max_steps=5)
    run("with_dropout", dropout=0.3, max_steps=8, resume=True)
    run("with_dropout_whole", dropout=0.3, max_steps=8)
    run("sharded", shard=True, ema_decay=0.9, accumulate=2, max_tokens=600, max_steps=7)
    run("sharded_from_one", resume=True, shard=True, ema_decay=0.9, max_steps=8)
    for name, cut in (("r_drop", False), ("r_drop_sharded", True)):
        run(name, objective=WithPassesThatDiffer(RDrop()), shard=cut, max_steps=5)
    for name, cut in (("matching", False), ("matching_sharded", True)):
        model, objective = (
            make_seeing_model(prepared, dropout=0.0, judges=True),
            Matching(inner=LabelSmoothedCrossEntropy()),
        )
        run(name, objective=objective, model=model, reading=SEEN, accumulate=2, shard=cut, max_steps=5)
    for name, cut in (("projected", False), ("projected_sharded", True)):
        how = {"objective": projected(prepared), "shard": cut, "accumulate": 2, "ema_decay": 0.9}
        run(name, **how, max_steps=5)
        run(name, **how, max_steps=7, resume=True)
    for name, cut in (("with_prior", False), ("with_prior_sharded", True)):
        model = make_model(prepared, dropout=0.0, cross_attention=Prior)
        fill_lexicon(model, LexiconSettings(), Guidance(), prepared, ranks)
        run(name, model=model, shard=cut, max_steps=5)

    for name, cut in (("frozen", False), ("frozen_sharded", True)):
        model = make_model(prepared, dropout=0.0)
        freeze(model, FROZEN)
        run(name, model=model, shard=cut, ema_decay=0.9, max_steps=5)

    def interrupted(model, step):
        if ranks.rank == ranks.world_size - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return Validation(numbers={"loss": 1.0, "bleu": 1.0})

    outcome = run("interrupted", validate=interrupted)
    assert outcome.signal == signal.SIGTERM and outcome.position.step == 5, outcome
    # ranks whose clocks and numbers differ stop and judge as the first does
    outcome = run("patience", validate=count_up([3.0 - ranks.rank, 2.0 + ranks.rank]), patience=1, max_steps=100)
    assert outcome.position.step == 10, outcome
    run("time", max_steps=None, time_budget=f"{1 + ranks.rank}s", validate_every=100_000)
    ranks.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
