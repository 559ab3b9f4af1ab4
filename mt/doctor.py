"""Examine a corpus before training: what is in it, what is wrong with it, how long training will take.

    python -m mt.doctor data=text data.folder=my/corpus data.source_language=en data.target_language=de
    python -m mt.doctor experiment=multi30k model=base       any settings of mt-train
    python -m mt.doctor data=text … doctor.trial_seconds=0   without running the model

Prepared files and checkpoints are not changed. The report goes to stdout and ends in a verdict; doctor.json and
lengths.png go to doctor.folder. Exit code: 0 when ready, 1 when not, 2 when a setting is wrong.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mt.settings import run_hydra

if TYPE_CHECKING:
    from mt.data.diagnosis.section import Section
    from mt.data.prepare import Prepared
    from mt.training.assembly import Parts

log = logging.getLogger("mt.doctor")


def main(settings: dict[str, Any]) -> None:
    """Prints the report of what `settings` describe; exits with 1 where training should not begin."""
    from mt.checkpoint.rebuild import build
    from mt.data.diagnosis.examine import examine
    from mt.data.diagnosis.section import Level, report, to_json, verdict
    from mt.data.whole_folder import write_json
    from mt.training.assembly import Parts

    doctor = build(settings["doctor"])
    parts = Parts.of({name: node for name, node in settings.items() if name != "doctor"})
    parts.set_up_process()
    data = parts.data
    folder = Path(doctor.folder or f"{Path(data.prepared)}.doctor")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mt-doctor-") as scratch:
        examined = examine(
            data,
            parts.tokenizer,
            kept=parts.kept_tokenizers,
            max_pairs=doctor.max_pairs,
            folder=Path(scratch) / "prepared",
            picture=folder / "lengths.png",
        )
        sections = examined.sections
        if examined.prepared is not None:
            sections.append(_training(parts, doctor.trial_seconds, examined.prepared, examined.times_larger))
    write_json(folder / "doctor.json", to_json(sections))
    log.info("doctor.json and lengths.png are in %s", folder)
    print(report(f"corpus {data.name}: {data.source_language} to {data.target_language}", sections))
    if verdict(finding for section in sections for finding in section.findings)[0] == Level.STOP:
        raise SystemExit(1)


def _training(parts: Parts, trial_seconds: float, prepared: Prepared, times_larger: float) -> Section:
    """Whether the model can train on the prepared sample, and the time and memory it will take."""
    from mt.data.diagnosis.section import Section
    from mt.model.seq2seq import parameter_counts
    from mt.training.assembly import Assembly
    from mt.training.distributed import Ranks
    from mt.training.trial import run_trial
    from mt.training.trial_report import trial_section

    try:
        assembly = Assembly.of(parts, prepared)
        assembly.valid_batches()
        assembly.take_first_weights(Ranks())
        batches, by_length = assembly.batches(), assembly.batches(shuffle=False)
        trial = run_trial(
            assembly.learner,
            settings=parts.trainer,
            device=parts.device,
            batches=batches,
            by_length=by_length,
            schedule=parts.schedule,
            seconds=trial_seconds,
        )
    except ValueError as error:
        section = Section("training", "what training will take")
        section.stop("training cannot begin", " ".join(str(error).split()))
        return section
    return trial_section(
        trial,
        parts.trainer,
        parameter_counts(assembly.model),
        max_tokens=batches.max_tokens,
        times_larger=times_larger,
    )


def cli() -> None:
    """The command, also as the script `mt-doctor`."""
    run_hydra(main, "doctor")


if __name__ == "__main__":
    cli()
