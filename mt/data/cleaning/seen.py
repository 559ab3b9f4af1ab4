"""The pictures and sounds of a block of pairs while it is cleaned, and the rules for captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mt.data.block import Block
from mt.data.cleaning.settings import CleaningSettings
from mt.data.images.decode import PictureReader
from mt.data.named_file import UnusableFile
from mt.data.sounds.decode import SoundReader


@dataclass(frozen=True)
class Seen:
    """Digests of pictures and of sounds, and boxes, a pair each (None: it has none), and the values by digest."""

    digests: list[bytes | None]
    sound_digests: list[bytes | None]
    boxes: list[str]
    values: dict[bytes, np.ndarray]

    @classmethod
    def of(cls, block: Block, reasons: dict[int, str], decode: PictureReader, decode_sound: SoundReader) -> Seen:
        """Decodes the pictures and sounds of a block; why one cannot be read is added to `reasons`."""
        seen = cls([None] * len(block), [None] * len(block), block.lines("boxes"), {})
        for place, name in enumerate(block.lines("image")):
            if place in reasons or not name:
                continue
            try:
                decoded = decode(name)
                seen.boxes[place] = decoded.boxes(seen.boxes[place])
            except UnusableFile as error:
                reasons[place] = error.fault.reason
            except ValueError:
                reasons[place] = "malformed boxes"
            else:
                seen.digests[place] = decoded.digest
                seen.values[decoded.digest] = decoded.pixels
        for place, name in enumerate(block.lines("sound")):
            if place in reasons or not name:
                continue
            try:
                heard = decode_sound(name)
            except UnusableFile as error:
                reasons[place] = error.fault.reason
            else:
                seen.sound_digests[place] = heard.digest
                seen.values[heard.digest] = heard.samples
        return seen

    def shows(self, place: int) -> bool:
        """Whether the pair has a picture or a sound, so that its source may be blank."""
        return self.digests[place] is not None or self.sound_digests[place] is not None

    def keyed(self, texts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Texts to find repeats by: equal sentences about two pictures, or sounds, are two pairs."""
        rows = zip(texts, self.digests, self.sound_digests, strict=True)
        return [
            (" ".join([*(one.hex() for one in own if one is not None), text[0]]), text[1]) if any(own) else text
            for text, *own in rows
        ]

    def stored(self, digests: Sequence[bytes | None]) -> Iterator[tuple[bytes, np.ndarray] | None]:
        """Digest and value of each pair's picture, or sound."""
        return (None if digest is None else (digest, self.values[digest]) for digest in digests)


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
