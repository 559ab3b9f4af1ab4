"""Says how much `retrieve` finds in a test set: R@1, R@5 and R@10, median rank and mAP@R, in both directions.

Line n of --reference belongs to line n of --images (or --sounds), which have a file name a line, as a prepared corpus
has them. A text finds any picture that it is true of: of drawn scenes all are known, else those beside an equal text.
Beside the model's own similarity, with and without the decoder's likelihood, stand others of the same points. Of drawn
scenes it also says how often a text is told from one in which a single attribute is changed.
"""

from __future__ import annotations

import argparse
import json
import sys

from mt.command_line import command_name
from mt.flags import Flags, add_candidates, add_checkpoint, add_device, add_precision


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    flags = Flags(
        prog=f"{command_name()} evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    flags.add_argument("--images", metavar="FILE", help="the name of a picture a line")
    flags.add_argument("--sounds", metavar="FILE", help="the name of a sound a line")
    flags.add_argument("--reference", metavar="FILE", required=True, help="the text of each")
    flags.add_argument("--source", metavar="FILE", help="lines that begin with the tag of the text's language: <2de>")
    flags.add_argument(
        "--language", metavar="CODE", help="of all texts, in place of --source (default: the model's own)"
    )
    flags.refuse_idle("--language", "with --source", lambda flags: bool(flags.source))
    add_checkpoint(flags, is_searched=False)
    add_candidates(flags)
    flags.add_argument("--json", action="store_true", help="the scores as JSON")
    add_device(flags)
    add_precision(flags)
    return flags


def main(argv: list[str]) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    if (flags.images is None) == (flags.sounds is None):
        raise ValueError("exactly one of --images and --sounds is needed")
    kind = "image" if flags.images else "sound"
    path = flags.images or flags.sounds
    from mt.checkpoint.steps import newest_run
    from mt.data.formats.lines import check_lines, read_lines
    from mt.data.named_file import UnusableFile
    from mt.data.scenes.grammar import LANGUAGES
    from mt.data.scenes.scene import MARK, Scene
    from mt.evaluation.changed_scenes import changed_scores, changed_table
    from mt.evaluation.retrieval_table import as_table, described, evaluate, galleries, judges_of_truth
    from mt.inference.retriever import Retriever

    names, texts = list(read_lines(path)), list(read_lines(flags.reference))
    sources = list(read_lines(flags.source)) if flags.source else [""] * len(names)
    check_lines(path, names, [(flags.reference, texts), (flags.source or path, sources)])
    for number, (name, text) in enumerate(zip(names, texts, strict=True), start=1):
        if not (name.strip() and text.strip()):
            raise ValueError(f"{path} and {flags.reference}, line {number}: neither may be blank")
    checkpoint = flags.checkpoint or str(newest_run())
    retriever = Retriever.load(checkpoint, device=flags.device, precision=flags.precision)
    tags = retriever.translator.tags
    own = None if flags.source else tags.of_language(flags.language, retriever.translator.language)
    of_lines = [source.partition(" ")[0] or None if flags.source else own for source in sources]
    for number, tag in enumerate(of_lines, start=1):
        try:
            tags.check(tag)
        except ValueError as error:
            raise ValueError(f"{flags.source}, line {number}: {error}") from None
    reader, read = retriever.reader(kind, retriever.folder(kind)), []
    for number, name in enumerate(names, start=1):
        try:
            read.append(reader(name))
        except UnusableFile as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    found = galleries(names, read, texts, of_lines, flags.language or retriever.translator.language)
    scores = {
        language: evaluate(retriever, gallery, kind, candidates=flags.candidates) for language, gallery in found.items()
    }
    changed = {
        language: changed_scores(
            list(map(Scene.of, gallery.names)), language, judges_of_truth(retriever, gallery, kind)
        )
        for language, gallery in found.items()
        if kind == "image" and language in LANGUAGES and all(name.startswith(MARK) for name in gallery.names)
    }
    if flags.json:
        sys.stdout.write(f"{json.dumps({'retrieval': scores, 'changed': changed})}\n")
        return 0
    counts = {language: described(gallery, kind) for language, gallery in found.items()}
    tables = [as_table(scores, counts), *(f"{name}: {changed_table(of)}" for name, of in changed.items())]
    sys.stdout.write("\n\n".join(tables) + "\n")
    return 0
