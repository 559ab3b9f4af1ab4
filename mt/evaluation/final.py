"""After training: chooses average, length penalty and heads on the validation set, then scores the test sets."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from mt.alignment.choice import FILE_NAME, Choice
from mt.checkpoint.average import average_weights
from mt.checkpoint.folder import load_checkpoint, load_weights
from mt.checkpoint.manifest import add_file
from mt.checkpoint.run_folder import RunFolder
from mt.checkpoint.small_file import yaml_text
from mt.data.held_out import HeldOut
from mt.data.prepare import Prepared
from mt.data.settings import DataSettings
from mt.data.whole_folder import write_whole
from mt.evaluation.alignment_reference import Reference, ranked
from mt.evaluation.ambiguity import ambiguous_words, is_twofold
from mt.evaluation.captions import caption_scores, truths_of
from mt.evaluation.curve import draw_curve
from mt.evaluation.pictures import pointing_of
from mt.evaluation.report import table
from mt.evaluation.robustness import robustness, robustness_table
from mt.evaluation.scores import Scores, score, ter_without_moves, zero_bleu
from mt.evaluation.tokenization import ScoreSettings, Tokenization
from mt.evaluation.transfer import Transfer, transfer_table
from mt.inference.aligner import Aligner
from mt.inference.confidence import FILE_NAME as CALIBRATION
from mt.inference.confidence import Calibration, word_probabilities
from mt.inference.request import held_out_requests
from mt.inference.translator import Translator
from mt.search.length_penalty import check_alpha
from mt.search.search import Search

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinalSettings:
    """What is tried on the validation set after training. Test sets are never used for a choice."""

    average_last: int = 0  # also try the average of this many last checkpoints
    length_penalties: Sequence[float] = ()  # try these; empty keeps the one of the search
    robustness: bool = False  # score the tests again under each kind of noise (`mt.data.noise`)
    compare_start: bool = True  # with start_from: both models on both runs' tests (`mt.evaluation.transfer`)

    def __post_init__(self):
        if self.average_last < 0:
            raise ValueError(f"final.average_last ({self.average_last}) must be 0 or more")
        for alpha in self.length_penalties:
            check_alpha("final.length_penalties", alpha)
        for name in ("robustness", "compare_start"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"final.{name} ({getattr(self, name)}) must be true or false")


def finish_run(
    settings: FinalSettings,
    run: RunFolder,
    prepared: Prepared,
    *,
    search_node: Mapping[str, Any],
    search: Search,
    metric: str,
    is_more_better: bool,
    data: DataSettings,
    score_settings: ScoreSettings,
    tokenizations: Mapping[str, Tokenization],
    validate: Callable[[nn.Module], Mapping[str, Any]],
    reference: Callable[[], Reference],
    training: Mapping[str, Any],
    device: str,
    precision: str,
) -> dict[str, Any]:
    """Averages, chooses length penalty and alignment heads, scores the tests; writes results to the run's folder.

    `tokenizations` has one for "valid" and one for each test; `validate` gives what a step's `scores.json` holds.
    Returns what the run's `scores.json` holds: the tests' scores with their signatures, and `training`.
    """
    if settings.average_last > 1:
        _try_average(settings.average_last, run, metric, is_more_better, validate)
    best = run.best
    assert best is not None, "a finished run has a best step"
    aligner = Aligner.load(best, device=device, precision=precision)
    translator = aligner.translator
    search = _choose_length_penalty(
        settings.length_penalties, search, translator, prepared.valid, tokenizations["valid"]
    )
    node = {**search_node, "length_penalty": search.length_penalty}
    add_file(best, "search.yaml", yaml_text(node))
    if translator.images is not None and prepared.valid.boxes is not None:
        aligner.choice = _choose_by_boxes(aligner, prepared.valid, best)
    else:
        _choose_alignment(aligner, reference(), best)
    _calibrate(translator, search, prepared.valid, best)
    scores: dict[str, Any] = {"checkpoint": best.name, "search": node, "training": dict(training), "tests": {}}
    for name, test in prepared.tests.items():
        path = run.path / "translations" / f"{name}.txt"
        scores["tests"][name] = _score_test(test, aligner, search, path, tokenizations[name])
    if settings.robustness:
        fixed, translate = set(translator.tokenizers.source.reserved_symbols), partial(_texts, translator, search)
        scores["robustness"] = {
            name: {kind: one.to_dict() for kind, one in found.items()}
            for name, test in prepared.tests.items()
            for found in [robustness(test, translate, tokenizations[name], fixed=fixed)]
        }
    if settings.compare_start and (start := training.get("started_from")):
        compare = Transfer(before=Path(start["checkpoint"]), after=best, device=device, precision=precision)
        scores["transfer"] = compare(prepared.tests, data, score_settings)
    draw_curve(run.path / "metrics.jsonl", [run.path / "curve.png", run.path / "curve.svg"], title=run.path.name)
    run.finish(scores)
    return scores


def _pointing(aligner: Aligner, test: HeldOut) -> dict[str, float]:
    """The pointing game at the head that was chosen, and at the best other head, which was not guided."""
    pointing, choice = pointing_of(aligner, test), aligner.choice
    other = pointing.best_except(choice.layer, choice.heads[0])
    return {**pointing.at(choice), "pointing_best_other_head": pointing.at(other)["pointing"]}


def final_table(scores: Mapping[str, Any]) -> str:
    """The tests' scores of a `scores.json` as a table, with the signatures below."""
    if not scores["tests"]:
        return "no test sets were given (data.tests)"
    found = [table({name: Scores.from_dict(test) for name, test in scores["tests"].items()})]
    for name, make in (("robustness", robustness_table), ("transfer", transfer_table)):
        if of_tests := scores.get(name):
            found.append(make(of_tests))
    return "\n\n".join(found)


def _texts(translator: Translator, search: Search, test: HeldOut) -> list[str]:
    """The translations of a test."""
    return [one.text for one in translator.translate(held_out_requests(test), search=search)]


def _try_average(number: int, run: RunFolder, metric: str, is_more_better: bool, validate) -> None:
    folders = run.steps()[-number:]
    weights = average_weights(folders)
    model = load_checkpoint(folders[-1]).model
    load_weights(model, weights, run.path / "average")
    numbers = validate(model.eval())
    assert run.best is not None
    before = json.loads((run.best / "scores.json").read_text("utf-8"))[metric]
    is_better = (numbers[metric] > before) == is_more_better and numbers[metric] != before
    log.info(
        "average of the last %d checkpoints: validation %s %.2f against %.2f of the best one: %s",
        len(folders),
        metric,
        numbers[metric],
        before,
        "taken" if is_better else "left",
    )
    if is_better:
        run.save("average", weights, {"average_of": [folder.name for folder in folders], **numbers}, is_best=True)


def _choose_length_penalty(
    alphas: Sequence[float], search: Search, translator: Translator, valid: HeldOut, tokenization: Tokenization
) -> Search:
    tried = {}
    for alpha in alphas:
        texts = _texts(translator, replace(search, length_penalty=alpha), valid)
        tried[alpha] = score(
            texts, [valid.targets], metrics=("bleu",), tokenize=tokenization.tokenize, ter=tokenization.ter
        ).bleu
        log.info("length penalty %g: validation BLEU %.2f", alpha, tried[alpha])
    return replace(search, length_penalty=max(tried, key=tried.__getitem__)) if tried else search


def _choose_by_boxes(aligner: Aligner, valid: HeldOut, folder: Path) -> Choice:
    """The head that points best into the gold boxes of the validation set."""
    pointing = pointing_of(aligner, valid)
    choice = pointing.best()
    add_file(folder, FILE_NAME, choice.to_json())
    found = pointing.at(choice)
    log.info(
        "alignment: %s points best on the validation set: %.1f %% of words in their boxes (chance %.1f %%)",
        choice.describe(),
        found["pointing"],
        found["pointing_chance"],
    )
    return choice


def _choose_alignment(aligner: Aligner, reference: Reference, folder: Path) -> None:
    try:
        choice = ranked(aligner, reference)[0]
    except ValueError as error:
        log.warning("alignment: the default heads are used: %s", error)
        return
    add_file(folder, FILE_NAME, choice.to_json())
    log.info(
        "alignment: layer %d, heads %s, shift %d, %s have the lowest error rate on the validation set: %.3f (%s)",
        choice.layer,
        ",".join(map(str, choice.heads)),
        choice.shift,
        choice.signal,
        choice.error_rate,
        choice.measured_on,
    )


def _calibrate(translator: Translator, search: Search, valid: HeldOut, folder: Path) -> None:
    """Adds to the checkpoint what its confidence in words and lines is worth, by the validation set."""
    of_lines = translator.translate(held_out_requests(valid), search=search)
    calibration = Calibration.of(
        (word_probabilities(one.candidates[0], translator.tokenizers.target), one.text, target)
        for one, target in zip(of_lines, valid.targets, strict=True)
    )
    if calibration is None:
        log.warning("confidence is not calibrated: the validation set has too few words")
        return
    add_file(folder, CALIBRATION, calibration.to_json())
    log.info(
        "confidence: calibrated on the validation set; expected calibration error %.3f for words, %.3f for lines",
        calibration.word_error,
        calibration.line_error,
    )


def _score_test(
    test: HeldOut, aligner: Aligner, search: Search, path: Path, tokenization: Tokenization
) -> dict[str, Any]:
    translator = aligner.translator
    start = time.perf_counter()
    texts = _texts(translator, search, test)
    seconds = time.perf_counter() - start
    path.parent.mkdir(exist_ok=True)
    write_whole(path, "".join(text + "\n" for text in texts))
    scores: Scores = score(texts, [test.targets], tokenize=tokenization.tokenize, ter=tokenization.ter)
    for warning in filter(None, (zero_bleu(scores), ter_without_moves(scores))):
        log.warning("%s: %s", test.name, warning)
    log.info("%s: %d sentences in %.1f s (%.1f a second)", test.name, len(texts), seconds, len(texts) / seconds)
    of_captions: dict[str, Any] = {}
    if (known := truths_of(test, translator.language)) is not None:
        of_captions = caption_scores(texts, known, tokenization)
        if test.boxes is not None:
            of_captions |= {name: round(value, 4) for name, value in _pointing(aligner, test).items()}
        log.info("%s: %s", test.name, ", ".join(f"{name} {value:.2f}" for name, value in of_captions.items()))
    if is_twofold(test.sources, test.targets):
        of_captions["ambiguous_words"] = round(ambiguous_words(texts, test.targets), 4)
        log.info("%s: %.2f %% of ambiguous words are right", test.name, of_captions["ambiguous_words"])
    return {**scores.to_dict(), **of_captions, "sentences_per_second": round(len(texts) / seconds, 1)}
