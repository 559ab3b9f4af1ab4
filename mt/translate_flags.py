"""The flags of `translate`. Never imports torch."""

from __future__ import annotations

from pathlib import Path

from mt.flags import (
    Flags,
    Group,
    add_batch_tokens,
    add_beam,
    add_device,
    add_engine,
    add_lengths,
    add_max_pieces,
    add_n_best,
    add_precision,
    add_rerank,
    add_sampling,
    add_shortlist,
    add_tag,
    add_workers,
)
from mt.number import Number


def parser() -> Flags:
    """The flags."""
    flags = Flags(
        prog="translate",
        description="Translate sentences with a trained model: from the command line, a file, or standard input to "
        "standard output.",
        epilog="As many lines come out as went in, in their order. With --n-best, --scores or --alignment a line has "
        "columns between tabs: line number, score, translation, word links (source-target, from 0); in the translation "
        "of such a line a tab is written \\t, a line feed \\n, a carriage return \\r, a backslash \\\\, and other ends "
        "of a line as \\u2028.",
    )
    _add_lines(flags.add_argument_group("what is translated"))
    _add_demands(flags.add_argument_group("what a translation must have"))
    add_beam(searching := flags.add_argument_group("how translations are found"))
    add_sampling(flags, searching)
    add_rerank(searching)
    _add_columns(flags.add_argument_group("what is written"))
    _add_files(flags.add_argument_group("files of other formats"))
    _add_running(running := flags.add_argument_group("device, speed and memory"))
    add_engine(flags, running)
    for flag in ("--replace", "--no-review-mark", "--source-language", "--target-language"):
        flags.refuse_idle(flag, "without --format", lambda given: not given.format)
    return flags


def _add_lines(flags: Group) -> None:
    flags.add_argument("sentences", nargs="*", help="sentences to translate; none: lines of --input or standard input")
    flags.add_argument(
        "--checkpoint",
        nargs="+",
        metavar="FOLDER",
        help="run or step folder; several: their mean probabilities, with the search of the first, in which "
        "--alignment, --markup and --coverage read attention (default: the newest finished run in checkpoints/)",
    )
    flags.add_argument("--input", metavar="FILE", type=Path, help="text to translate, a sentence a line (UTF-8)")
    flags.add_argument(
        "--output", metavar="FILE", type=Path, help="FILE.unfinished until it is whole (default: stdout)"
    )
    flags.add_argument(
        "--document",
        action="store_true",
        help="the lines are sentences of documents, each ended by a blank line: translate each in the context of its "
        "neighbours, as the checkpoint was trained to (data.document)",
    )
    flags.add_argument(
        "--trees",
        metavar="FILE",
        type=Path,
        help="file with a dependency tree a line, for a model with structured attention: the position of each word's "
        "head, 0 for a root ('2 3 0'); an empty line: none; of the line alone, with --document, too",
    )
    flags.add_argument(
        "--images",
        metavar="FILE",
        type=Path,
        help="file with the picture of each line, for a model that sees: a path a line (of a drawn scene, its text); "
        "an empty line: none; a line without text then gets a caption of its picture",
    )
    flags.add_argument(
        "--sounds",
        metavar="FILE",
        type=Path,
        help="likewise the sound of each line, a wav file, for a model that hears",
    )
    add_tag(flags)
    add_max_pieces(flags)


def _add_demands(flags: Group) -> None:
    flags.add_argument("--prefix", metavar="TEXT", default="", help="what each translation must begin with")
    flags.add_argument(
        "--prefix-column",
        metavar="N",
        type=Number(int, least=2),
        help="the lines have columns between tabs: the first is translated, column N says what its translation must "
        "begin with",
    )
    flags.add_argument(
        "--terms",
        metavar="FILE",
        type=Path,
        help="terms: source, tab, target, one a line; where a source stands in a line (as whole words, in upper or "
        "lower case), its target must stand in the translation, as often; a note says where it does not, and --json "
        "has all of them",
    )
    add_lengths(flags)


def _add_columns(flags: Group) -> None:
    add_n_best(flags, written=", each a line of its own")
    flags.add_argument("--scores", action="store_true", help="a column with log-probability / length penalty")
    flags.add_argument("--alignment", action="store_true", help="a column with word links")
    flags.add_argument("--json", action="store_true", help="a JSON object a line, with all of it")
    flags.add_argument(
        "--coverage",
        action="store_true",
        help="in --json: source words that seem to be left out of a translation (hardly read by attention, or left "
        "over for its last step; position from 0), the share of the others, target words that no source word seems to "
        "support (where the checkpoint has learned links), and target words repeated in a row",
    )
    flags.add_argument(
        "--confidence",
        action="store_true",
        help="in --json: the chance that each target word is right, as calibrated on the validation set, and the share "
        "of the line's words that should be (line_confidence)",
    )
    flags.add_argument(
        "--abstain",
        metavar="P",
        type=Number(float, least=0, most=1),
        help="leave a line empty whose confidence is below P; a note names it (default: 0, never)",
    )
    flags.add_argument(
        "--markup",
        action="store_true",
        help="carry tags (<b>…</b>, <br/>) and placeholders ({name}, %%s) over by word links, and decode entities; "
        "translated is the text without them, whose words --alignment counts, and each branch of ICU messages "
        "({n, plural, one {…} other {…}}), after the text of the line; what stands in code, pre, kbd, script, style or "
        'translate="no" stays as it is',
    )


def _add_files(flags: Group) -> None:
    flags.add_argument(
        "--format",
        metavar="NAME",
        help="the format of --input (txt, po, xliff, tmx, srt, vtt, md, html): only its texts are translated, sentence "
        "by sentence, and all else stays byte for byte, with --markup in the texts",
    )
    flags.add_argument(
        "--replace",
        choices=("fuzzy", "all"),
        help="in PO, XLIFF and TMX: translations that are made anew (default: none, only what lacks one is translated)",
    )
    flags.add_argument(
        "--no-review-mark",
        action="store_true",
        help="in PO, XLIFF and TMX: do not mark new translations as waiting for a review (fuzzy, or a state)",
    )
    for side in ("source", "target"):
        name = f"--{side}-language"
        flags.add_argument(name, metavar="TAG", help=f"{side} language of XLIFF and TMX (default: the checkpoint's)")


def _add_running(flags: Group) -> None:
    add_workers(flags)
    add_batch_tokens(flags)
    add_shortlist(flags)
    add_device(flags)
    add_precision(flags)
