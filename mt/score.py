"""Scores given translations: the log-probability that a model gives each of them, in total and token by token.

Lines have columns between tabs: a source, then one or several targets. One output line per input line: the total in
nats for each target, between tabs; with --json everything. Natural logarithms, end of sentence included, no length
penalty. With --contrast the lines are kind of error, source, right target, wrong targets, and a table comes out.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mt.command_line import command_name, run
from mt.data.whole_folder import whole_file
from mt.flags import Flags, add_batch_tokens, add_checkpoint, add_device, add_precision, add_tag, add_trees

if TYPE_CHECKING:
    from mt.inference.request import Request
    from mt.inference.scorer import Scored

log = logging.getLogger("mt.score")


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    flags = Flags(prog=command_name(), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_checkpoint(flags, several=True, is_searched=False)
    flags.add_argument(
        "--input",
        metavar="FILE",
        help="source and targets, a line each (UTF-8, plain or compressed; default: standard input)",
    )
    flags.add_argument("--output", metavar="FILE", type=Path, help="file to write (default: standard output)")
    add_tag(flags)
    add_trees(flags)
    flags.add_argument(
        "--json",
        action="store_true",
        help="a JSON object a line: line, source, and for each target its text, log_prob (the total), "
        "log_prob_per_token (the mean) and tokens (piece and log_prob of each)",
    )
    flags.add_argument(
        "--contrast",
        action="store_true",
        help="print for each kind of error in how many sources the right target is likelier than every wrong one, and "
        "by how many nats on average",
    )
    flags.refuse_idle("--json", "with --contrast", lambda given: given.contrast)
    add_batch_tokens(flags, is_searched=False)
    add_device(flags)
    add_precision(flags)
    return flags


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    from mt.checkpoint.steps import newest_run
    from mt.data.formats.compressed import check_output, find_file
    from mt.data.formats.lines import STANDARD_INPUT, STDIN

    path = flags.input or STDIN
    for name in filter(None, (flags.input, flags.trees)):
        if find_file(name).is_file():
            open(find_file(name), "rb").close()  # a wrong path should not wait for the model
    check_output(flags.output, {"--input": flags.input, "--trees": flags.trees})
    checkpoints = flags.checkpoint or [str(newest_run())]
    if not flags.checkpoint:
        log.info("checkpoint: %s", checkpoints[0])
    from mt.evaluation.contrast import by_kind, contrast_table
    from mt.inference.scorer import Scorer
    from mt.inference.translator import Translator

    translator = Translator.load(*checkpoints, device=flags.device, precision=flags.precision)
    translator.tags.check(flags.tag)
    if flags.trees:
        translator.check_trees(flags.trees, " and ".join(checkpoints))
    with whole_file(flags.output) if flags.output else nullcontext(sys.stdout) as output:
        kinds: list[str] = []
        scored = Scorer(translator).score(_pairs(path, flags, kinds), batch_tokens=flags.batch_tokens)
        if flags.contrast:
            of_targets = [[target.log_prob for target in targets] for _, targets in scored]
            if not kinds:
                raise ValueError(f"{STANDARD_INPUT if path == STDIN else path} has no lines: there is nothing to score")
            output.write(f"{contrast_table(by_kind(zip(kinds, of_targets, strict=True)))}\n")
            return 0
        for number, (request, targets) in enumerate(scored, start=1):
            output.write(f"{_row(number, request, targets, flags.json)}\n")
    return 0


def _pairs(path: str, flags: argparse.Namespace, kinds: list[str]) -> Iterator[tuple[Request, list[str]]]:
    """The sources and targets of the input; a blank line has none. Raises ValueError for a source without targets.

    With --contrast, `kinds` gets the first column of each line, and blank lines are left out.
    """
    from mt.data.formats.lines import STANDARD_INPUT, STDIN, read_lines
    from mt.data.visible import is_visible
    from mt.inference.request import Request

    name = STANDARD_INPUT if path == STDIN else path
    trees = read_lines(flags.trees) if flags.trees else repeat("")
    for number, line in enumerate(read_lines(path), start=1):
        if flags.contrast and not is_visible(line):
            continue
        kind, line = line.split("\t", 1) if flags.contrast and "\t" in line else ("", line)
        source, *targets = line.split("\t")
        if flags.contrast and len(targets) < 2:
            rule = "kind, source, right target and at least one wrong target are needed, with tabs between them"
            raise ValueError(f"{name}, line {number}: {rule}")
        kinds.append(kind)
        tree = next(trees, None)
        if tree is None:
            raise ValueError(
                f"--trees ({flags.trees}) has {number - 1} lines, fewer than there are sources: one for each"
            )
        if not targets and is_visible(source):
            raise ValueError(f"{name}, line {number}: a source, a tab and a target are needed, there is no tab")
        yield Request(source, tag=flags.tag, tree=tree), targets
    if flags.trees and next(trees, None) is not None:
        raise ValueError(f"--trees ({flags.trees}) has more lines than there are sources: one for each")


def _row(number: int, request: Request, targets: Sequence[Scored], as_json: bool) -> str:
    """The output for a line."""
    if not as_json:
        return "\t".join(f"{target.log_prob:.4f}" for target in targets)
    bodies: list[dict[str, Any]] = [
        {
            "text": target.target,
            "log_prob": round(target.log_prob, 4),
            "log_prob_per_token": round(target.log_prob_per_token, 4),
            "tokens": [
                {"piece": piece, "log_prob": round(log_prob, 4)}
                for piece, log_prob in zip(target.pieces, target.token_log_probs, strict=True)
            ],
        }
        for target in targets
    ]
    from mt.inference.records import json_line

    return json_line({"line": number, "source": request.text, "targets": bodies})


def cli() -> NoReturn:
    """The command, also as the script `mt-score`."""
    run(main)


if __name__ == "__main__":
    cli()
