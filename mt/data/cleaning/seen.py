"""The pictures of a block of pairs while it is cleaned, and the rules for captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mt.data.block import Block
from mt.data.cleaning.settings import CleaningSettings
from mt.data.images.decode import PictureFault, PictureReader
from mt.data.images.picture import Picture


@dataclass(frozen=True)
class Seen:
    """Digests and boxes, a pair each (None: no picture), and pixels by digest."""

    digests: list[bytes | None]
    boxes: list[str]
    pixels: dict[bytes, Picture]

    @classmethod
    def of(cls, block: Block, reasons: dict[int, str], decode: PictureReader) -> Seen:
        """Decodes the pictures of a block; why one cannot be read is added to `reasons`."""
        seen = cls([None] * len(block), block.lines("boxes"), {})
        for place, name in enumerate(block.lines("image")):
            if place in reasons or not name:
                continue
            try:
                decoded = decode(name)
                seen.boxes[place] = decoded.boxes(seen.boxes[place])
            except PictureFault as error:
                reasons[place] = error.fault.reason
            except ValueError:
                reasons[place] = "malformed boxes"
            else:
                seen.digests[place] = decoded.digest
                seen.pixels[decoded.digest] = decoded.pixels
        return seen

    def keyed(self, texts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Texts to find repeats by: equal sentences about two pictures are two pairs."""
        return [
            text if digest is None else (f"{digest.hex()} {text[0]}", text[1])
            for text, digest in zip(texts, self.digests, strict=True)
        ]

    def pictures(self) -> Iterator[tuple[bytes, Picture] | None]:
        """Digest and pixels of each pair."""
        return (None if digest is None else (digest, self.pixels[digest]) for digest in self.digests)


def caption_rules(settings: CleaningSettings) -> CleaningSettings:
    """The rules for a text without another side."""
    return replace(
        settings,
        max_length_ratio=None,
        drop_identical=False,
        drop_address_mismatch=False,
        numbers="any",
        drop_wrong_language=False,
    )
