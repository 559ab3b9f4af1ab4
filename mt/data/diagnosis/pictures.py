"""The pictures of a corpus: how many pairs have one, their sizes, and the boxes of words in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mt.data.diagnosis.section import Section, share, table
from mt.data.images.boxes import read_boxes
from mt.data.images.decode import PictureReader
from mt.data.images.settings import ImageSettings
from mt.data.named_file import UnusableFile
from mt.data.pair import Pair

LOOKED_AT = 500  # pictures of a split that are decoded for their sizes
SIZES_SHOWN = 3
ENLARGED = 2.0  # a picture this many times smaller than data.images.size wastes the model's work


def pictures_section(splits: Mapping[str, Sequence[Pair]], settings: ImageSettings) -> Section:
    """The section of the report; `splits` are sampled pairs by the name of their split. Empty without pictures."""
    section = Section("pictures", "pictures and boxes of words (of the sample)")
    if not any(pair.image for pairs in splits.values() for pair in pairs):
        return section
    rows = [["", "pairs", "with a picture", "pictures", "with boxes", "boxes", "sizes, in pixels"]]
    for name, pairs in splits.items():
        seen = [pair for pair in pairs if pair.image]
        names = list(dict.fromkeys(pair.image for pair in seen if pair.image))
        boxed = [pair for pair in seen if pair.boxes]
        num_boxes = sum(len(_boxes(pair)) for pair in boxed)
        sizes, faults = _sizes(names, settings)
        common = ", ".join(f"{width} x {height}" for (width, height), _ in sizes.most_common(SIZES_SHOWN))
        more = ", …" if len(sizes) > SIZES_SHOWN else ""
        counts = [len(pairs), len(seen), len(names), len(boxed), num_boxes]
        rows.append([name, *(f"{count:,}" for count in counts), f"{common}{more}"])
        keys = ("pairs", "with a picture", "pictures", "with boxes", "boxes")
        section.numbers[name] = dict(zip(keys, counts, strict=True)) | {
            "sizes": {f"{width} x {height}": count for (width, height), count in sizes.most_common()},
            "unreadable": dict(faults),
        }
        _judge(section, name, len(seen), len(pairs), sizes, faults, settings)
    section.lines = [*table(rows), f"each becomes {settings.size} x {settings.size} ({settings.fit})"]
    return section


def _sizes(names: Sequence[str], settings: ImageSettings) -> tuple[Counter[tuple[int, int]], Counter[str]]:
    """How many pictures have each size, and how many cannot be read, by reason; of some at even distances."""
    read, sizes, faults = PictureReader(settings), Counter[tuple[int, int]](), Counter[str]()
    for name in names[:: max(1, len(names) // LOOKED_AT)]:
        try:
            fit = read(name).fit
        except UnusableFile as error:
            faults[error.fault.reason] += 1
        else:
            sizes[fit.width, fit.height] += 1
    return sizes, faults


def _boxes(pair: Pair) -> list:
    try:
        return read_boxes(pair.boxes or "")
    except ValueError:  # the cleaning counts it
        return []


def _judge(
    section: Section,
    name: str,
    num_seen: int,
    num_pairs: int,
    sizes: Counter[tuple[int, int]],
    faults: Counter[str],
    settings: ImageSettings,
) -> None:
    num_read = sizes.total() + faults.total()
    for reason, count in faults.items():
        section.improve(
            f"{share(count, num_read)} of the pictures of {name} cannot be read ({reason})",
            "repair them; their pairs are dropped from train, and are refused elsewhere",
        )
    if 0 < num_seen < num_pairs:
        section.note(f"{share(num_pairs - num_seen, num_pairs)} of the pairs of {name} have no picture")
    num_small = sum(count for size, count in sizes.items() if max(size) * ENLARGED < settings.size)
    if num_small > num_read / 2:
        section.improve(
            f"most pictures of {name} are less than half of data.images.size ({settings.size})",
            "a smaller data.images.size costs less and shows the same",
        )
