"""Scores translations against references: BLEU, chrF, TER, COMET, each with its signature.

Translates --source with a checkpoint, or takes translations that exist already (--hypotheses), of several systems side
by side. The table, or JSON, goes to stdout.
"""

import argparse
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from mt.command_line import command_name, run
from mt.data.whole_folder import whole_file
from mt.flags import (
    Flags,
    add_batch_tokens,
    add_beam,
    add_checkpoint,
    add_device,
    add_engine,
    add_precision,
    add_tag,
    add_trees,
)
from mt.number import Number

if TYPE_CHECKING:
    from mt.evaluation.systems import Question
    from mt.evaluation.tokenization import ScoreSettings, Tokenization
    from mt.inference.translator import Translator

log = logging.getLogger("mt.evaluate")


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    if not (flags.hypotheses or flags.source or flags.images or flags.sounds):
        raise ValueError("--source FILE is needed (or --hypotheses FILE, to score translations that exist already)")
    from mt.data.formats.compressed import check_output

    inputs = ("source", "reference", "hypotheses", "images", "sounds", "trees")
    check_output(flags.output, {f"--{name}": getattr(flags, name) for name in inputs})
    if flags.images or flags.sounds:
        return evaluate_beside(flags)

    from mt.data.formats.lines import check_lines, read_lines
    from mt.evaluation.report import table, to_json
    from mt.evaluation.systems import ask, distinct_names
    from mt.evaluation.tokenization import ScoreSettings

    question = _question(flags)  # before minutes of translating
    settings = ScoreSettings(tokenize=flags.tokenize, ter=flags.ter)
    first = flags.source or flags.hypotheses[0]
    lines = list(read_lines(first))
    references = [list(read_lines(path)) for path in flags.reference]
    others = dict(zip(flags.reference, references, strict=True))
    systems = {}
    for name, path in zip(distinct_names(flags.hypotheses), flags.hypotheses, strict=True):
        systems[name] = others[path] = list(read_lines(path))
    check_lines(first, lines, others.items())

    how: dict[str, Any] = {}
    if systems:
        tokenization = _tokenization(settings, flags, None)
    else:
        from mt.checkpoint.steps import newest_run

        # opened first: a wrong path should not wait for the translations
        with whole_file(flags.output) if flags.output else nullcontext() as output:
            checkpoints = flags.checkpoint or [str(newest_run())]
            tokenization = _tokenization(settings, flags, checkpoints[0])
            translated = _translate(flags, checkpoints, lines)
            if output:
                output.writelines(f"{line}\n" for line in translated.texts)
        how = translated.how
        for note in how["notes"]:
            log.warning("%s", note)
        systems = {Path(first).name: translated.texts}
    answer = ask(question, systems, references, tokenization=tokenization, sources=lines if flags.source else None)
    resampling = _resampling(question, systems)
    if flags.json:
        print(to_json(answer.scores, intervals=answer.intervals, p=answer.p, **how, **resampling))
        return 0
    first_column = "system" if len(systems) > 1 else "test"
    print(table(answer.scores, first_column=first_column, intervals=answer.intervals, p=answer.p))
    for name, said in resampling.items():
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in said.items())}")
    if how:
        print(
            f"\ntranslated {len(lines)} lines in {how['seconds']:.1f} s ({how['sentences_per_second']:.1f} sentences/s)"
            f" with {how['search']} on {how['device']}, {how['precision']}"
        )
    return 0


def evaluate_beside(flags: argparse.Namespace) -> int:
    """Captions pictures or sounds, or translates beside them, and scores that; returns the exit code."""
    import json

    from mt.checkpoint.steps import newest_run
    from mt.evaluation.beside import as_table, check_flags, evaluate
    from mt.evaluation.tokenization import ScoreSettings

    check_flags(flags)
    checkpoint = (flags.checkpoint or [str(newest_run())])[0]
    how = {name: getattr(flags, name) for name in ("tag", "with_another", "restore", "device", "precision")}
    how |= {name: getattr(flags, name) for name in ("beam_size", "length_penalty", "batch_tokens")}
    how["tokenization"] = _tokenization(ScoreSettings(tokenize=flags.tokenize, ter=flags.ter), flags, checkpoint)
    files = {kind: path for kind, path in (("image", flags.images), ("sound", flags.sounds)) if path}
    with whole_file(flags.output) if flags.output else nullcontext() as output:
        scores, texts = evaluate(checkpoint, files, sources=flags.source, references=flags.reference, **how)
        if output:
            output.writelines(f"{text}\n" for text in texts)
    print(json.dumps(scores, indent=2) if flags.json else as_table(scores))
    return 0


class Translated(NamedTuple):
    """Translations, and how they were made, as a JSON record."""

    texts: list[str]
    how: dict[str, Any]


def _translate(flags: argparse.Namespace, checkpoints: Sequence[str], lines: Sequence[str]) -> Translated:
    """Translates the lines of --source as the flags say."""
    from tqdm import tqdm

    from mt.data.document import contexts
    from mt.evaluation.alignment_input import read_trees
    from mt.inference.document import document_of
    from mt.inference.request import NO_CONTEXT, Request
    from mt.inference.tags import numbered
    from mt.search.beam import adjusted

    document = document_of(Path(checkpoints[0])) if flags.document else None
    translator = _translator(flags, checkpoints)
    translator.tags.check(flags.tag)
    translator.tags.check_lines(numbered(lines), flags.tag)  # check all lines before minutes of translating
    search = adjusted(translator.search, beam_size=flags.beam_size, length_penalty=flags.length_penalty, n_best=1)
    start = time.perf_counter()
    trees: Sequence[str | None] = [None] * len(lines)
    if flags.trees:
        named = " and ".join(checkpoints)
        trees = read_trees(flags.trees, lines, flags.source, translator=translator, checkpoint=named)
    of_lines = [NO_CONTEXT] * len(lines) if document is None else contexts(lines, document)
    requests = [
        Request(line, tag=flags.tag, tree=tree, context=context)
        for line, tree, context in zip(lines, trees, of_lines, strict=True)
    ]
    found = translator.translate(requests, search=search, batch_tokens=flags.batch_tokens)
    translations = list(tqdm(found, total=len(lines), unit="line", disable=None))
    seconds = time.perf_counter() - start
    how = {
        "checkpoint": checkpoints[0] if len(checkpoints) == 1 else list(checkpoints),
        **({"tag": flags.tag} if flags.tag else {}),
        "search": str(search),
        "device": str(translator.device),
        "precision": flags.engine or str(translator.dtype).removeprefix("torch."),
        "seconds": round(seconds, 3),
        "sentences_per_second": round(len(lines) / seconds, 2),
        "notes": [f"line {n}: {note}" for n, one in enumerate(translations, start=1) for note in one.notes],
    }
    return Translated([translation.text for translation in translations], how)


def _translator(flags: argparse.Namespace, checkpoints: Sequence[str]) -> "Translator":
    from mt.inference.translator import Translator

    device, shortlist = flags.device, flags.shortlist
    if flags.engine:
        from mt.interchange.translating import load_translator  # and the engine

        return load_translator(checkpoints, flags.engine, device=device, shortlist=shortlist)
    return Translator.load(*checkpoints, device=device, precision=flags.precision, shortlist=shortlist)


def _question(flags: argparse.Namespace) -> "Question":
    from mt.evaluation.systems import Question

    metrics = [name.strip() for name in flags.metrics.split(",") if name.strip()]
    if flags.paired and len(flags.hypotheses) < 2:
        raise ValueError(
            f"--paired ({flags.paired}) needs two systems or more: repeat --hypotheses, the baseline first"
        )
    if "comet" in metrics and not flags.source:
        raise ValueError("metrics (comet) needs --source FILE: COMET also reads the sources")
    return Question(
        metrics=metrics,
        confidence=flags.confidence,
        paired=flags.paired,
        samples=flags.samples,
        seed=flags.seed,
        comet_model=Path(flags.comet_model) if flags.comet_model else None,
        comet_python=flags.comet_python or sys.executable,
    )


def _tokenization(settings: "ScoreSettings", flags: argparse.Namespace, checkpoint: str | None) -> "Tokenization":
    """The tokenization: of the flag, the checkpoint, or the target language in the files' names."""
    from mt.data.sources import language_of_tag
    from mt.evaluation.systems import languages_of_names

    if flags.target_language:
        languages = [flags.target_language]
    elif named := language_of_tag(flags.tag):
        languages = [named]
    elif checkpoint is not None and flags.engine:
        from mt.interchange.translating import target_language  # imports torch

        languages = [target_language(checkpoint)]
    elif checkpoint is not None:
        from mt.checkpoint.folder import read_card  # imports torch
        from mt.checkpoint.steps import find_step

        languages = [read_card(find_step(Path(checkpoint))).target_language]
    else:
        languages = languages_of_names(*flags.reference, *flags.hypotheses)
    fitting = settings.fitting(*languages)
    if fitting.note:
        log.warning(fitting.note)
    return fitting.tokenization


def _resampling(question: "Question", systems: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """How intervals and p were computed, for readers."""
    from mt.evaluation.significance import SAMPLES

    said: dict[str, dict[str, Any]] = {}
    if question.confidence:
        said["confidence"] = {"level": 0.95, "samples": question.bootstrap_samples, "seed": question.seed}
    if question.paired:
        said["paired"] = {
            "test": question.paired,
            "baseline": next(iter(systems)),
            "samples": question.samples or SAMPLES[question.paired],
            "seed": question.seed,
        }
    return said


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    parser = Flags(prog=command_name(), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = parser.add_argument_group("what is scored (files may be plain or compressed, one sentence a line)")
    text.add_argument("--source", metavar="FILE", help="sentences to translate")
    text.add_argument(
        "--reference", metavar="FILE", action="append", required=True, help="their translations; repeat for several"
    )
    text.add_argument(
        "--hypotheses",
        metavar="FILE",
        action="append",
        default=[],
        help="score these translations instead of making them; repeat for several systems, the baseline first",
    )
    text.add_argument(
        "--images",
        metavar="FILE",
        help="pictures to caption, a file name a line (of a drawn scene, its text), with --reference; --source then"
        " has the sentence beside each picture, if there is any. Reports BLEU-4, CIDEr-D and, of drawn scenes, how many"
        " captions are true; of sentences BLEU, chrF and, where each comes twice with two translations, how many of the"
        " words by which these differ are right",
    )
    text.add_argument("--sounds", metavar="FILE", help="the same with wav files; both may be given")
    text.add_argument(
        "--with-another",
        action="store_true",
        help="also the same with another picture, or sound (that of the next line, or sentence, that has a different"
        " one), and of sentences without any: what the model does without the right one",
    )
    text.add_argument(
        "--restore",
        metavar="RATE",
        type=Number(float, above=0, most=1),
        help="of --source, also how many words, colours and nouns are restored, if words are hidden at this rate (0.3),"
        " by a model trained with objective=masked_words",
    )
    text.add_argument("--output", metavar="FILE", help="keep the translations here")

    how = parser.add_argument_group("how it is translated")
    add_checkpoint(how, several=True)
    add_beam(how)
    add_tag(how)
    add_trees(how)
    add_batch_tokens(how)
    add_device(how)
    add_precision(how)
    how.add_argument(
        "--document",
        action="store_true",
        help="as in translate: each line in its context, blank lines between documents",
    )
    how.add_argument("--shortlist", action="store_true", help="as in translate: faster, at some cost in BLEU")
    add_engine(parser, how)

    report = parser.add_argument_group("what is reported")
    report.add_argument(
        "--metrics",
        metavar="NAMES",
        default="bleu,bleu_lowercase,chrf,ter",
        help="with commas between them: bleu, bleu_lowercase, chrf, chrf++, ter, comet (default: %(default)s)",
    )
    report.add_argument(
        "--target-language",
        metavar="CODE",
        help="of the translations, which says how BLEU and TER find words (default: the checkpoint's, or what the name"
        " of the reference ends in, such as test.zh)",
    )
    report.add_argument(
        "--tokenize",
        metavar="NAME",
        default="auto",
        help="how BLEU finds words: auto fits the target language; 13a, intl, zh, ja-mecab, ko-mecab, char; flores101,"
        " flores200, spBLEU-1K (their models are in ~/.sacrebleu/models); none for tokenised text (default:"
        " %(default)s)",
    )
    report.add_argument(
        "--ter",
        metavar="NAME",
        default="auto",
        help="words of TER: auto fits the target language; tercom: between blanks; asian: and each Han character; char:"
        " and each character of every script without blanks (default: %(default)s). In lines of more than 500 words no"
        " moves are looked for, which a warning and the signature count",
    )
    report.add_argument(
        "--confidence", action="store_true", help="with each score the mean and 95%% interval of a bootstrap"
    )
    report.add_argument(
        "--paired",
        metavar="TEST",
        help="p of each difference to the first of several systems: bootstrap (Koehn 2004) or randomization"
        " (approximate randomization, Riezler and Maxwell 2005)",
    )
    report.add_argument(
        "--samples",
        metavar="N",
        type=Number(int, least=1),
        help="of the bootstrap, or trials of the randomization (default: 1000, and 10000)",
    )
    report.add_argument(
        "--seed",
        metavar="N",
        type=Number(int, least=1, most=2**32 - 1),
        default=12345,
        help="of --confidence and --paired (default: %(default)s)",
    )
    report.add_argument(
        "--comet-model",
        metavar="FOLDER",
        help="for --metrics comet: a COMET model, with hparams.yaml and checkpoints/*.ckpt; nothing is downloaded. Its"
        " weights are unpickled, which can run code: take models from people you trust",
    )
    report.add_argument(
        "--comet-python",
        metavar="FILE",
        help="the Python that has unbabel-comet, whose old numpy can stay in an environment of its own (default: this"
        " one)",
    )
    report.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    how_translated = (
        "checkpoint",
        "beam-size",
        "length-penalty",
        "batch-tokens",
        "device",
        "precision",
        "document",
        "trees",
        "shortlist",
        "tag",
    )
    for name in ("output", *how_translated):
        parser.refuse_idle(
            f"--{name}", "with --hypotheses: they are scored as they are", lambda flags: flags.hypotheses
        )
    alone = "without --images or --sounds", lambda flags: not (flags.images or flags.sounds)
    for name in ("with-another", "restore"):
        parser.refuse_idle(f"--{name}", *alone)
    no_resampling = "without --confidence or --paired", lambda flags: not (flags.confidence or flags.paired)
    for name in ("samples", "seed"):
        parser.refuse_idle(f"--{name}", *no_resampling)
    for name in ("comet-model", "comet-python"):
        parser.refuse_idle(f"--{name}", "without comet among --metrics", lambda flags: "comet" not in flags.metrics)
    return parser


def cli() -> NoReturn:
    """The command, also as the script `mt-evaluate`."""
    run(main)


if __name__ == "__main__":
    cli()
