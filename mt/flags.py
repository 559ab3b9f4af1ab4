"""The parser of all commands with ordinary flags, and the flags that several of them share. Never imports torch."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from mt.interchange.table import ENGINES
from mt.number import Number
from mt.search.length_penalty import LEAST_ALPHA, MOST_ALPHA
from mt.search.temperature import COLDEST, HOTTEST
from mt.search.utilities import UTILITIES

NEEDS_OWN_ENGINE = {  # flags that an export cannot fulfil
    "--precision": "the export has its own numbers",
    "--document": "an export translates lines alone",
    "--rerank": "its weights belong to a checkpoint",
    **dict.fromkeys(("--confidence", "--abstain"), "an export tells no probabilities of pieces"),
    **dict.fromkeys(("--alignment", "--coverage", "--markup", "--format"), "attention is read in our own engine"),
}
SOFT_PRODUCT = "soft-product"
SYMMETRIZATIONS = ("intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and", SOFT_PRODUCT)


class Flags(argparse.ArgumentParser):
    """A parser whose errors are ValueErrors, so that they are reported in one line like all others."""

    def __init__(self, **how: Any):
        super().__init__(**how)
        self.idle: list[tuple[str, str, Callable[[argparse.Namespace], bool]]] = []

    def refuse_idle(self, flag: str, when: str, is_so: Callable[[argparse.Namespace], bool]) -> None:
        """Refuses `flag` where it is given without effect: `is_so` decides, `when` names the case."""
        self.idle.append((flag, when, is_so))

    def parse_args(  # type: ignore[override]  # one signature for the overloads of argparse
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> Any:
        flags = super().parse_args(args, namespace)
        # parse again without defaults: a value that is not None was given
        given = super().parse_args(args, argparse.Namespace(**dict.fromkeys(vars(flags))))
        for flag, when, is_so in self.idle:
            if getattr(given, flag.removeprefix("--").replace("-", "_")) is not None and is_so(flags):
                raise ValueError(f"{flag} has no effect {when}")
        return flags

    def error(self, message: str) -> NoReturn:
        refused = re.fullmatch(r"argument (?:\S+/)?(\S+): (\(.*\) must be .*)", message, re.S)
        raise ValueError(f"{refused[1]} {refused[2]}" if refused else f"{message} (--help lists the flags)")


Group = argparse._ActionsContainer  # a parser, or a group of its flags


def add_corpus(flags: Group) -> None:
    """Adds `--source` and `--target`: the files of a parallel corpus."""
    flags.add_argument("--source", metavar="FILE", required=True, help="sentences, one a line (plain or compressed)")
    flags.add_argument("--target", metavar="FILE", required=True, help="their translations")


def add_checkpoint(flags: Group, *, several: bool = False, is_searched: bool = True) -> None:
    """Adds `--checkpoint`; `several`: it takes more than one, which are averaged; `is_searched`: for translation."""
    averaged = "; several: their mean probabilities" if several else ""
    averaged += ", with the search of the first" if several and is_searched else ""
    flags.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        nargs="+" if several else None,
        help=f"a run, such as checkpoints/demo, or one step in it{averaged}"
        " (default: the newest finished run in checkpoints)",
    )


def add_device(flags: Group) -> None:
    """Adds `--device`."""
    flags.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")


def add_precision(flags: Group) -> None:
    """Adds `--precision` of a finished model."""
    flags.add_argument(
        "--precision",
        default="float32",
        help="float32, bfloat16, on a CPU int8, or auto: bfloat16 where the device is faster in it"
        " (default: %(default)s, the same in any batch)",
    )


def add_batch_tokens(flags: Group, *, is_searched: bool = True) -> None:
    """Adds `--batch-tokens`; `is_searched`: for translation, where a beam takes more memory."""
    divided = "; divided by the beam size" if is_searched else ""
    flags.add_argument(
        "--batch-tokens",
        metavar="N",
        type=Number(int, least=1),
        help=f"padded source pieces in a batch (default: 10240, on a GPU 40960{divided})",
    )


def add_beam(flags: Group) -> None:
    """Adds `--beam-size` and `--length-penalty`."""
    flags.add_argument(
        "--beam-size",
        metavar="N",
        type=Number(int, least=1),
        help="hypotheses kept for each sentence; 1 is greedy (default: the checkpoint's)",
    )
    flags.add_argument(
        "--length-penalty",
        metavar="ALPHA",
        type=Number(float, least=LEAST_ALPHA, most=MOST_ALPHA),
        help="0 none, more favours longer translations (default: the checkpoint's)",
    )


def add_candidates(flags: Group) -> None:
    """Adds `--candidates` of retrieval."""
    flags.add_argument(
        "--candidates",
        metavar="N",
        type=Number(int, least=0, most=10_000),
        default=50,
        help="the nearest vectors, which the decoder orders anew; 0: vectors alone (default: %(default)s)",
    )


def add_lengths(flags: Group) -> None:
    """Adds `--min-length`, `--max-length` and `--no-repeat-ngram`."""
    flags.add_argument("--min-length", metavar="N", type=Number(int, least=0), help="fewest target pieces (default: 0)")
    most = "most target pieces (default: twice the source and 20)"
    flags.add_argument("--max-length", metavar="N", type=Number(int, least=1), help=most)
    flags.add_argument(
        "--no-repeat-ngram",
        metavar="N",
        type=Number(int, least=0),
        help="no n-gram of that size twice in a translation (default: 0, off)",
    )


def add_n_best(flags: Group, *, written: str) -> None:
    """Adds `--n-best`; `written` says how several translations of a line are written."""
    flags.add_argument(
        "--n-best",
        metavar="N",
        type=Number(int, least=1),
        default=1,
        help=f"translations for each line{written} (default: 1)",
    )


def add_sampling(flags: Flags, group: Group) -> None:
    """Adds `--sample`, `--mbr` and what belongs to them; `flags` refuses what is given without one of them."""
    drawing = "--sample, --mbr"
    group.add_argument("--sample", action="store_true", help="draw from the model's distribution instead of searching")
    group.add_argument(
        "--mbr",
        metavar="N",
        type=Number(int, least=2),
        help="draw N samples and take the one most like the others (minimum Bayes risk); the score is its expected "
        "utility from 0 to 100",
    )
    group.add_argument(
        "--utility", choices=UTILITIES, default="chrf", help="of --mbr: how alike two texts are (default: %(default)s)"
    )
    group.add_argument(
        "--temperature",
        metavar="T",
        type=Number(float, least=COLDEST, most=HOTTEST),
        default=1.0,
        help=f"of {drawing}: below 1 is tamer (default: 1)",
    )
    group.add_argument(
        "--top-k",
        metavar="N",
        type=Number(int, least=0),
        default=0,
        help=f"of {drawing}: only the k most likely pieces (default: 0, all)",
    )
    group.add_argument(
        "--top-p",
        metavar="P",
        type=Number(float, above=0, most=1),
        default=1.0,
        help=f"of {drawing}: only the likeliest pieces that hold this mass (default: 1)",
    )
    group.add_argument(
        "--epsilon",
        metavar="P",
        type=Number(float, least=0, most=1),
        help=f"of {drawing}: only pieces of at least this probability (default: 0.02 of --mbr, else 0, all)",
    )
    group.add_argument("--seed", metavar="N", type=Number(int), default=1, help=f"of {drawing} (default: 1)")
    for flag in ("--temperature", "--top-k", "--top-p", "--epsilon", "--seed"):
        flags.refuse_idle(flag, "without --sample or --mbr", lambda given: not given.sample and given.mbr is None)
    flags.refuse_idle("--utility", "without --mbr", lambda given: given.mbr is None)


def add_rerank(flags: Group) -> None:
    """Adds `--rerank`."""
    flags.add_argument(
        "--rerank",
        metavar="FOLDER",
        type=Path,
        help="of many translations take the one that this checkpoint of the other direction finds likely, too, by the "
        "weights that mt.rerank found; the score is the weighted sum of log-probabilities and length",
    )


def check_sampling(args: argparse.Namespace) -> None:
    """Raises ValueError where two ways of searching are asked for."""
    given = [
        flag
        for flag, is_given in (
            ("--sample", args.sample),
            ("--mbr", args.mbr is not None),
            ("--beam-size", args.beam_size is not None),
        )
        if is_given
    ]
    if len(given) > 1:
        raise ValueError(f"{given[0]} and {given[1]}: give one of them, not both")


def add_max_pieces(flags: Group) -> None:
    """Adds `--max-pieces`."""
    flags.add_argument(
        "--max-pieces",
        metavar="N",
        type=Number(int, least=1),
        help="longer lines are split at sentence ends, as a note says (default: data.max_pieces in training, or 200)",
    )


def add_workers(flags: Group) -> None:
    """Adds `--workers`."""
    flags.add_argument(
        "--workers",
        metavar="N",
        type=Number(int, least=1),
        help="processes for many lines, each with one thread (default: one a core, or OMP_NUM_THREADS; 1 on a GPU)",
    )


def add_shortlist(flags: Group) -> None:
    """Adds `--shortlist`."""
    flags.add_argument(
        "--shortlist",
        action="store_true",
        help="look only at the target pieces that the checkpoint's shortlist has for a source (python -m mt.shortlist)",
    )


def add_translation_of_corpora(flags: Flags, *, several: bool) -> None:
    """Adds how a corpus is translated: the search (`several`: with `--n-best`), sampling, speed and memory."""
    add_beam(flags)
    add_lengths(flags)
    if several:
        add_n_best(flags, written="")
    add_sampling(flags, flags)
    add_tag(flags)
    add_batch_tokens(flags)
    add_max_pieces(flags)
    add_workers(flags)
    add_shortlist(flags)
    add_device(flags)
    add_precision(flags)


def add_tag(flags: Group, name: str = "--tag", of: str = "each source line") -> None:
    """Adds `--tag`."""
    flags.add_argument(
        name, metavar="TAG", help=f"put before {of}, for a model that was trained with tags: '<2de>' (default: none)"
    )


def add_engine(parser: Flags, flags: Group | None = None) -> None:
    """Adds `--engine`; flags of the whole command must be there, since those that need our own engine are refused."""
    (flags or parser).add_argument(
        "--engine",
        choices=ENGINES,
        help="run an export: --checkpoint is the folder that mt.export wrote for this engine (default: a checkpoint in"
        " our own engine)",
    )
    parser.refuse_idle(
        "--engine", "without --checkpoint, the folder that mt.export wrote", lambda given: not given.checkpoint
    )
    known = {option for action in parser._actions for option in action.option_strings}
    for flag, why in NEEDS_OWN_ENGINE.items():
        if flag in known:
            parser.refuse_idle(flag, f"with --engine: {why}", lambda given: given.engine is not None)


def add_trees(flags: Group) -> None:
    """Adds `--trees` of the source sentences."""
    flags.add_argument(
        "--trees",
        metavar="FILE",
        help="their trees, for a model with structured attention: see translate --help",
    )


def add_gold(parser: Flags, flags: Group | None = None, *, prints: str = "") -> None:
    """Adds `--gold` and `--gold-base`; `prints`: what the command does with the links."""
    flags = flags or parser
    flags.add_argument(
        "--gold", metavar="FILE", help=f"links made by people (Pharaoh, NAACL, or a Blinker folder){prints}"
    )
    flags.add_argument(
        "--gold-base", type=Number(int), choices=(0, 1), default=0, help="first position in Pharaoh files (default: 0)"
    )
    parser.refuse_idle("--gold-base", "without --gold", lambda given: not given.gold)


def add_reverse(parser: Flags, flags: Group | None = None, *, use: str) -> None:
    """Adds `--reverse` and `--reverse-tag`: a model of the other direction, and its `use`."""
    flags = flags or parser
    flags.add_argument("--reverse", metavar="FOLDER", help=f"a checkpoint of the other direction, {use}")
    add_tag(flags, "--reverse-tag", "each target line, which --reverse reads")
    parser.refuse_idle("--reverse-tag", "without --reverse", lambda given: not given.reverse)


def add_symmetrize(flags: Group, *, default: str, more: Sequence[str] = ()) -> None:
    """Adds `--symmetrize`, which may also be one of `more`."""
    flags.add_argument(
        "--symmetrize",
        choices=(*more, *SYMMETRIZATIONS),
        default=default,
        help=f"how links of two directions become one; {SOFT_PRODUCT}: weights are multiplied (default: %(default)s)",
    )
