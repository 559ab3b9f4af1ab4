"""Input of the alignment commands: sentences, trees, gold links, and the model of the other direction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from mt.alignment.gold import Gold, check_gold, from_blinker, from_lines
from mt.alignment.regions import Box
from mt.data.formats.lines import read_lines
from mt.data.images.boxes import read_boxes
from mt.data.images.decode import PictureReader
from mt.data.images.picture import Picture
from mt.data.named_file import UnusableFile
from mt.inference.aligner import Aligner
from mt.inference.translator import Translator
from mt.words import num_words, other_blank

log = logging.getLogger(__name__)


def read(path: str) -> list[str]:
    """The lines of a file, or of standard input for "-"."""
    return list(read_lines(path))


def check_count(path: str, lines: Sequence[str], sources: Sequence[str], source_path: str) -> None:
    """Raises ValueError unless both files have the same number of lines."""
    if len(lines) != len(sources):
        raise ValueError(
            f"{path} has {len(lines)} lines, {source_path} has {len(sources)}: line n of both must correspond"
        )


def read_trees(
    path: str, sources: Sequence[str], source_path: str, *, translator: Translator, checkpoint: str | Path
) -> list[str]:
    """The tree of every source (blank: no tree), for a model that uses trees."""
    translator.check_trees(path, checkpoint)
    trees = list(read_lines(path))
    check_count(path, trees, sources, source_path)
    return trees


def read_gold(
    path: str, sources: Sequence[str], targets: Sequence[str], *, base: int = 0, is_beginning: bool = False
) -> list[Gold]:
    """The gold links of every line, or with `is_beginning` of the first lines, checked against the sentences."""
    count = len(sources)
    try:
        if Path(path).is_dir():
            found = from_blinker(Path(path), count, read=read_lines, is_beginning=is_beginning)
        else:
            found = from_lines(read(path), count, base=base, is_beginning=is_beginning)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if is_beginning and not found:
        raise ValueError(f"{path}: there are no links")
    _warn_of_other_blanks(path, found, sources, targets)
    try:
        check_within(found, sources, targets)
    except ValueError as error:
        raise ValueError(f"{path}, {error} (--gold-base sets the first index)") from None
    return found


def check_within(gold: Sequence[Gold], sources: Sequence[str], targets: Sequence[str]) -> None:
    """Raises ValueError, naming the sentence, for a link outside its pair. Further pairs may have no gold links."""
    for number, (of_pair, source, target) in enumerate(zip(gold, sources, targets, strict=False), start=1):
        try:
            check_gold(of_pair, num_words(source), num_words(target))
        except ValueError as error:
            raise ValueError(f"sentence {number}: {error}") from None


def _warn_of_other_blanks(path: str, gold: Sequence[Gold], sources: Sequence[str], targets: Sequence[str]) -> None:
    """Warns that positions may be shifted if links come from a tool that also splits words at other blanks."""
    pairs = [
        (number, blank)
        for number, (links, *pair) in enumerate(zip(gold, sources, targets, strict=False), start=1)
        if links.possible and (blank := next(filter(None, map(other_blank, pair)), None))
    ]
    if pairs:
        number, blank = pairs[0]
        log.warning(
            "%s: %d linked sentence pairs have blanks other than U+0020, the first is sentence %d with %s; such a "
            "blank does not separate words here: links made with another splitting into words are shifted",
            path,
            len(pairs),
            number,
            blank,
        )


def load_reverse(checkpoint: str, aligner: Aligner, device: str, precision: str = "float32") -> Aligner:
    """The model of the other direction. Raises ValueError if its direction is another one."""
    reverse = Aligner.load(checkpoint, device=device, precision=precision)
    if reverse.direction not in _turned(aligner.direction):
        raise ValueError(
            f"--reverse ({checkpoint}) must translate in the opposite direction of {aligner.direction},"
            f" not {reverse.direction}"
        )
    return reverse


def _turned(direction: str) -> set[str]:
    """Possible reverses of "en-pt-BR": a hyphen may be part of a language's name."""
    parts = direction.split("-")
    return {"-".join((*parts[at:], *parts[:at])) for at in range(1, len(parts))}


def read_pictures(
    images: str, boxes: str | None, sources: Sequence[str], source_name: str, aligner: Aligner
) -> tuple[list[Picture | None], list[list[Box]] | None]:
    """The prepared picture of each line (None for a blank name), and the boxes of its target words in it.

    Raises ValueError, naming file and line, for a picture or a box that cannot be read, and for a model that sees none.
    """
    settings = aligner.translator.images
    if settings is None:
        raise ValueError(f"--images ({images}) is for a model that sees pictures: this one was trained on text alone")
    names = read(images)
    check_count(images, names, sources, source_name)
    of_words = [""] * len(names) if boxes is None else read(boxes)
    if boxes is not None:
        check_count(boxes, of_words, sources, source_name)
    decode = PictureReader(settings)
    pictures: list[Picture | None] = []
    found: list[list[Box]] = []
    for number, (name, line) in enumerate(zip(names, of_words, strict=True), start=1):
        try:
            decoded = decode(name) if name.strip() else None
            pictures.append(None if decoded is None else decoded.pixels)
            lines = "" if decoded is None else decoded.boxes(line)
            found.append([Box(*box) for box in read_boxes(lines)])
        except UnusableFile as error:
            raise ValueError(f"{images}, line {number}: {error}") from None
        except ValueError as error:
            raise ValueError(f"{boxes}, line {number}: {error}") from None
    return pictures, found if boxes is not None else None
