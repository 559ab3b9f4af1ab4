"""Captions of pictures: one line for each picture, in order.

A picture is a file (PNG, JPEG, WebP, GIF, BMP, TIFF, PPM), prepared as the checkpoint's were (its size, how it fits).
With --heatmaps FOLDER the picture is drawn once for each word, bright where the word looked: 0001.png and 0001.svg for
the first one, and maps.jsonl with the numbers.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mt.command_line import command_name, run
from mt.flags import Flags, add_batch_tokens, add_checkpoint, add_device, add_precision
from mt.number import Number
from mt.search.length_penalty import LEAST_ALPHA, MOST_ALPHA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mt.inference.aligner import Aligner
    from mt.inference.translation import Translation

log = logging.getLogger("mt.caption")


def parser() -> argparse.ArgumentParser:
    """The flags; nothing heavy is imported for them."""
    flags = Flags(prog=command_name(), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("pictures", metavar="PICTURE", nargs="+", help="a picture file")
    add_checkpoint(flags)
    flags.add_argument(
        "--language",
        metavar="CODE",
        help="of the captions, where the model knows several: de (default: its target language)",
    )
    flags.add_argument(
        "--n-best",
        metavar="N",
        type=Number(int, least=1, most=1000),
        default=1,
        help="captions of each picture, best first; with more than 1 a line has number, score and caption between tabs",
    )
    flags.add_argument(
        "--beam-size",
        metavar="N",
        type=Number(int, least=1, most=1000),
        help="hypotheses kept (default: the checkpoint's)",
    )
    flags.add_argument(
        "--length-penalty",
        metavar="ALPHA",
        type=Number(float, least=LEAST_ALPHA, most=MOST_ALPHA),
        help="more favours longer captions (default: the checkpoint's)",
    )
    flags.add_argument("--heatmaps", metavar="FOLDER", type=Path, help="draw where the words of the best looked")
    add_batch_tokens(flags)
    add_device(flags)
    add_precision(flags)
    return flags


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, raises ValueError or OSError for a user's mistakes."""
    flags = parser().parse_args(argv)
    from mt.checkpoint.steps import newest_run

    checkpoint = flags.checkpoint or str(newest_run())
    if not flags.checkpoint:
        log.info("checkpoint: %s", checkpoint)
    from mt.data.images.decode import PictureReader
    from mt.inference.aligner import Aligner
    from mt.inference.request import Request
    from mt.search.beam import adjusted

    aligner = Aligner.load(checkpoint, device=flags.device, precision=flags.precision)
    translator = aligner.translator
    if translator.images is None:
        raise ValueError(f"{checkpoint} sees no pictures: captions need a model trained with model.beside.image")
    tag = translator.tags.of_language(flags.language, aligner.direction.rpartition("-")[2])
    read = PictureReader(translator.images)
    requests = [Request("", tag=tag, picture=read(name).pixels) for name in flags.pictures]
    search = adjusted(
        translator.search, beam_size=flags.beam_size, length_penalty=flags.length_penalty, n_best=flags.n_best
    )
    found = []
    for number, translation in enumerate(
        translator.translate(requests, search=search, batch_tokens=flags.batch_tokens), start=1
    ):
        for candidate in translation.candidates[: flags.n_best]:
            sys.stdout.write(
                f"{candidate.text}\n" if flags.n_best == 1 else f"{number}\t{candidate.score:.4f}\t{candidate.text}\n"
            )
        for note in translation.notes:
            log.warning("%s: %s", flags.pictures[number - 1], note)
        found.append(translation)
    if flags.heatmaps:
        draw(aligner, found, flags.pictures, flags.heatmaps)
    return 0


def draw(aligner: Aligner, found: Sequence[Translation], names: Sequence[str], folder: Path) -> None:
    """Writes the heatmaps of the best captions."""
    import json

    from mt.alignment.picture_map import PictureMap, save_picture_map
    from mt.data.whole_folder import write_whole

    folder.mkdir(parents=True, exist_ok=True)
    raws = aligner.attention(
        [""] * len(found),
        [one.text for one in found],
        pictures=[one.picture for one in found],
        tag=found[0].tag,
    )
    lines = []
    for number, (one, raw, name) in enumerate(zip(found, raws, names, strict=True), start=1):
        mapped = PictureMap.of(raw, one.text, aligner.choice)
        assert one.picture is not None
        save_picture_map(one.picture, mapped, folder / f"{number:04d}")
        lines.append(json.dumps({"picture": name, "caption": one.text, **mapped.to_json()}, ensure_ascii=False))
    write_whole(folder / "maps.jsonl", "".join(f"{line}\n" for line in lines))


def cli() -> NoReturn:
    """The command, also as the script `mt-caption`."""
    run(main)


if __name__ == "__main__":
    cli()
