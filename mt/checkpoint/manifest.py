"""Sizes and digests of a step folder's files, so that damage is found before the files are used.

`manifest.json` is written together with the folder, and lists every file that is added later. It protects against disk
errors and accidents, not against attacks: who can change a file can change the manifest too.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mt.checkpoint.small_file import check_file, read_json
from mt.data.lock import alone
from mt.data.whole_folder import json_text, remove_unfinished, write_whole

FILE_NAME = "manifest.json"
FORMAT = 1
ADDING = "adding"  # key of the manifest: files that are being added or replaced, with their new marks
CHUNK_BYTES = 2**20
MAX_FILES = 1000


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Size and digest of a file."""

    bytes: int
    sha256: str

    @classmethod
    def of_content(cls, content: builtins.bytes) -> Mark:
        """The mark of a file with this content."""
        return cls(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())

    @classmethod
    def of(cls, path: Path) -> Mark:
        """The mark of a file as it is now."""
        digest, size = hashlib.sha256(), 0
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return cls(bytes=size, sha256=digest.hexdigest())


def write_manifest(folder: Path, known: Mapping[str, Mark]) -> None:
    """Writes the manifest of a folder that is being written; files whose marks are `known` are not read again."""
    names = sorted(path.name for path in folder.iterdir() if path.name != FILE_NAME)
    marks = {name: known.get(name) or Mark.of(folder / name) for name in names}
    (folder / FILE_NAME).write_text(_text(marks), "utf-8")


def has_manifest(folder: Path) -> bool:
    """Whether the folder has a manifest: folders of older versions have none."""
    return (folder / FILE_NAME).is_file()


def read_manifest(folder: Path, key: str = "files") -> dict[str, Mark]:
    """The marks of the folder's files, or of those that are being added (`key` "adding").

    Raises ValueError for a manifest that is missing or invalid.
    """
    path = folder / FILE_NAME
    if not has_manifest(folder):
        raise ValueError(f"{folder} has no {FILE_NAME}, so that it cannot be checked for damage")
    body = read_json(path)
    files = body.get(key, {} if key == ADDING else None)
    if body.get("format") != FORMAT or not isinstance(files, dict) or len(files) > MAX_FILES:
        raise ValueError(f"{path} is not a manifest of format {FORMAT}")
    marks = {}
    for name, mark in files.items():
        if name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise ValueError(f"{path}: a file ({name!r}) must be one of the folder itself")
        try:
            marks[name] = Mark(bytes=int(mark["bytes"]), sha256=str(mark["sha256"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ValueError(f"{path}: {name} must have bytes and sha256, not {mark}") from None
    return marks


def check_listed(folder: Path, names: Collection[str]) -> None:
    """Raises ValueError where one of `names` exists but is not in the manifest."""
    known = {FILE_NAME, *read_manifest(folder), *read_manifest(folder, ADDING)}
    for name in names:
        if name not in known and (folder / name).exists():
            raise ValueError(f"{folder / name} is not in {FILE_NAME}: another program put it there, delete it")


def verify_sizes(folder: Path, names: Collection[str] | None = None) -> dict[str, list[Mark]]:
    """The allowed marks of those of `names` (None: all files) that the manifest lists; checks existence and size.

    A file whose replacement was interrupted may be the old or the new one.
    Raises ValueError naming the first file that is not. Reads nothing but the manifest.
    """
    adding = read_manifest(folder, ADDING)
    allowed = {
        name: [mark, *([adding[name]] if name in adding else [])]
        for name, mark in read_manifest(folder).items()
        if names is None or name in names
    }
    for name, mark in adding.items():  # new ones
        if name not in allowed and (names is None or name in names) and (folder / name).exists():
            allowed[name] = [mark]
    for name, marks in allowed.items():
        path = folder / name
        if not path.exists():
            raise ValueError(f"{path} is missing: it must have {marks[0].bytes} bytes, says {FILE_NAME}")
        check_file(path)
        if path.stat().st_size not in [mark.bytes for mark in marks]:
            raise ValueError(
                f"{path} is cut short or changed: it has {path.stat().st_size} bytes, must have {marks[0].bytes},"
                f" says {FILE_NAME}"
            )
    return allowed


def verify(folder: Path, names: Collection[str] | None = None) -> None:
    """Compares those of `names` (None: all files) that the manifest lists with their digests.

    Raises ValueError naming the first file that is missing, cut short or changed, the rule and the values. Takes half a
    second a gigabyte where the processor has instructions for SHA-256, about two and a half elsewhere.
    """
    for name, marks in verify_sizes(folder, names).items():
        found = Mark.of(folder / name)
        if found not in marks:
            raise ValueError(
                f"{folder / name} is damaged or changed: its SHA-256 is {found.sha256[:16]}…, must be"
                f" {marks[0].sha256[:16]}…, says {FILE_NAME}"
            )


def add_file(folder: Path, name: str, content: str | bytes) -> None:
    """Writes a file into a finished step folder, completely or not at all; the manifest is valid at every moment.

    Of two processes that add files, the second waits for the first.
    """
    content = content.encode("utf-8") if isinstance(content, str) else content
    with alone(folder):
        remove_unfinished(
            folder
        )  # left by a process that was killed: no other process is writing, since we hold the lock
        if not has_manifest(folder):  # an older version's folder: a manifest of this file alone would be incomplete
            write_whole(folder / name, content)
            return
        marks, new = read_manifest(folder), Mark.of_content(content)
        # old and new content are both valid during the change, and every file is in the manifest
        write_whole(folder / FILE_NAME, _text(marks, {**_still_open(folder, name), name: new}))
        write_whole(folder / name, content)
        write_whole(folder / FILE_NAME, _text({**marks, name: new}, _still_open(folder, name)))


def _still_open(folder: Path, name: str) -> dict[str, Mark]:
    """Marks of other files than `name` whose replacement was interrupted."""
    return {other: mark for other, mark in read_manifest(folder, ADDING).items() if other != name}


def _text(marks: Mapping[str, Mark], adding: Mapping[str, Mark] | None = None) -> str:
    lists = {"files": marks, **({ADDING: adding} if adding else {})}
    return json_text(
        {"format": FORMAT, **{key: {name: asdict(mark) for name, mark in of.items()} for key, of in lists.items()}}
    )
