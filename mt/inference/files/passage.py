"""What a format of files to translate is: it finds the texts of a file, and says which bytes a translation changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mt.data.formats.lines import BYTE_ORDER_MARK, refuse_other_data
from mt.data.formats.writing import Edit

REPLACE = ("none", "fuzzy", "all")


@dataclass(frozen=True, kw_only=True)
class FileSettings:
    """How a file is translated.

    source_language  of TMX and XLIFF
    target_language
    replace          which translations of a file with two languages are made anew: none, fuzzy ones, or all
    review           whether new translations are marked as waiting for a review (PO: fuzzy; XLIFF: a state)
    """

    source_language: str = "en"
    target_language: str = "de"
    replace: str = "none"
    review: bool = True

    def __post_init__(self) -> None:
        if self.replace not in REPLACE:
            raise ValueError(f"replace ({self.replace}) must be one of: {', '.join(REPLACE)}")


@dataclass(frozen=True)
class Passage:
    """A place of a file: its `lines` are translated separately, then `put` makes them changes of the content.

    A line has no line end, and its markup is read by `mt.inference.markup`.
    """

    place: str  # for messages: "line 3"
    lines: tuple[str, ...]
    put: Callable[[Sequence[str]], list[Edit]]


class FileFormat:
    """Base of a format: a subclass finds the passages. Raises ValueError, with file and line, for a damaged file."""

    name: str
    title: str  # in messages
    endings: tuple[str, ...]
    replaces = True  # the source by its translation; otherwise a file has both

    def passages(self, content: bytes, name: str, settings: FileSettings) -> list[Passage]:
        """The texts to translate of a file with this content (as `decoded` gives it), in order."""
        raise NotImplementedError

    def frame(self, content: bytes, name: str, settings: FileSettings) -> object:
        """What no translation may change, as far as it is not held by changing texts alone: it is compared."""
        return None

    def decoded(self, content: bytes, name: str) -> tuple[bytes, Callable[[bytes], bytes]]:
        """The content as `passages` takes it, in UTF-8, and the function that restores the file's form."""
        return content, bytes

    def num_left(self, content: bytes, name: str, settings: FileSettings) -> int:
        """Translations that are in the file already and stay."""
        return 0


class TextFile:
    """A file of UTF-8 text: `text` is what it holds without its byte order mark.

    Raises ValueError, with the line, for anything but UTF-8.
    """

    def __init__(self, content: bytes, name: str):
        refuse_other_data(content, name)
        plain = content.removeprefix(BYTE_ORDER_MARK)
        try:
            self.text = plain.decode()
        except UnicodeDecodeError as error:
            line = plain.count(b"\n", 0, error.start) + 1
            at = f"byte {len(content) - len(plain) + error.start} (0x{plain[error.start]:02x})"
            raise ValueError(f"{name}: not UTF-8 at line {line}, {at}") from None
        codes = np.frombuffer(self.text.encode("utf-32-le"), dtype=np.uint32)
        lengths = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
        self._bytes = len(content) - len(plain) + np.concatenate(([0], np.cumsum(lengths)))
        self._line_ends = np.flatnonzero(codes == ord("\n"))

    def edit(self, first: int, last: int, new: str) -> Edit:
        """The change of the characters from `first` to before `last`."""
        return Edit(int(self._bytes[first]), int(self._bytes[last]), new.encode())

    def place(self, character: int) -> str:
        """ "line 3" for a character."""
        return f"line {int(np.searchsorted(self._line_ends, character)) + 1}"
