"""Makes an index for `retrieve`: a vector of each picture, sound or text, with its name, in a folder.

--images and --sounds take a folder, in which all files with a usual ending are read, or a file with a name a line, as
the model's corpora have them.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from mt.command_line import command_name
from mt.flags import Flags, add_checkpoint, add_device, add_precision

log = logging.getLogger("mt.retrieve")

ENDINGS = {
    "images": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"),
    "sounds": (".wav",),
}
MOST_TOLD = 5  # files that cannot be used


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    flags = Flags(
        prog=f"{command_name()} index", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind, what in (("images", "pictures"), ("sounds", "wav files")):
        flags.add_argument(f"--{kind}", metavar="PATH", type=Path, help=f"a folder of {what}, or a file of their names")
    flags.add_argument("--texts", metavar="FILE", help="a text a line; blank lines are left out")
    flags.add_argument(
        "--language", metavar="CODE", help="of --texts, where the model knows several (default: its own)"
    )
    flags.add_argument(
        "--output", metavar="FOLDER", type=Path, required=True, help="the index; an older one is replaced"
    )
    flags.add_argument(
        "--approximate",
        action="store_true",
        help="for a million things and more: a search compares only those that are likely near, and the share of the"
        " nearest that it finds is printed; needs faiss: pip install 'mt-trainer[search]'",
    )
    add_checkpoint(flags, is_searched=False)
    add_device(flags)
    add_precision(flags)
    return flags


def main(argv: list[str]) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    given = [name for name in ("images", "sounds", "texts") if getattr(flags, name) is not None]
    if len(given) != 1:
        raise ValueError("exactly one of --images, --sounds and --texts is needed")
    if flags.language and given != ["texts"]:
        raise ValueError("--language has no effect without --texts")
    if flags.output.exists() and not (flags.output / "about.json").is_file():
        raise ValueError(f"--output ({flags.output}) must be a new folder or an index")
    from mt.checkpoint.steps import newest_run
    from mt.data.formats.lines import read_lines
    from mt.inference import cells
    from mt.inference.retriever import WORDS, Retriever, index_of

    if flags.approximate:
        cells.package()  # before minutes of work
    [name] = given
    kind, about = name.removesuffix("s"), dict[str, str | None]()
    if name == "texts":
        names = list(read_lines(flags.texts))
    elif getattr(flags, name).is_dir():
        names = names_in(getattr(flags, name), ENDINGS[name])
        about["folder"] = str(getattr(flags, name).resolve())
    else:
        names = [line for line in read_lines(getattr(flags, name)) if line.strip()]
    checkpoint = flags.checkpoint or str(newest_run())
    retriever = Retriever.load(checkpoint, device=flags.device, precision=flags.precision)
    if name != "texts" and "folder" not in about:
        about["folder"] = retriever.folder(kind)
    if name == "texts":
        retriever.translator.tags.of_language(flags.language, retriever.translator.language)
        about["language"] = flags.language or retriever.translator.language
    left_out: list[str] = []
    index = index_of(retriever, kind, names, about=about, say=left_out.append)
    index = index.approximated() if flags.approximate else index
    index.save(flags.output)
    for message in left_out[:MOST_TOLD]:
        log.warning("left out: %s", message)
    if len(left_out) > MOST_TOLD:
        log.warning("left out: %d more", len(left_out) - MOST_TOLD)
    log.info("%s: %d %s", flags.output, len(index), WORDS[kind])
    if index.cells is not None:
        probed, of = index.cells.num_probed, index.cells.index.nlist
        log.info("recall@10 against exact search: %.1f %%, with %d of %d cells", 100 * index.cells.recall, probed, of)
    return 0


def names_in(folder: Path, endings: tuple[str, ...]) -> list[str]:
    """The files in a folder, and in folders in it, with one of these endings; by name, relative to the folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in endings)
