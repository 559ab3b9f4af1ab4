"""The parser of all commands with ordinary flags, and the flags that several of them share. Never imports torch."""

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from mt.interchange.table import ENGINES
from mt.number import Number
from mt.search.length_penalty import LEAST_ALPHA, MOST_ALPHA

NEEDS_OWN_ENGINE = {  # flags that an export cannot fulfil
    "--precision": "the export has its own numbers",
    "--document": "an export translates lines alone",
    "--confidence": "an export tells no probabilities of pieces",
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
        help="float32, bfloat16, on a CPU int8, or auto: bfloat16 where the device has it (default: %(default)s, the"
        " same in any batch)",
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
