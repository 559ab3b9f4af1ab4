"""Folders and files that appear completely or not at all: written under another name, synced, then renamed.

A kill at any moment leaves the old or the new content; `remove_unfinished` removes the rest. Unfinished files have
random names and are created exclusively, so that a link put there is never followed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from mt.data.lock import claimed

UNFINISHED = ".unfinished"  # the suffix of a name while it is written, or deleted
REPLACED = ".replaced"  # the suffix of an old folder while it is replaced
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a write says where there is no room
LONGEST_BEGINNING = 200  # bytes of a name that its unfinished name keeps: the whole must not be too long for the system


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder that becomes `path` when the block succeeds, and is deleted when it fails.

    An existing folder at `path` is replaced; processes that have mapped its files keep reading the old ones. An OSError
    names the file by its final name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _unfinished(path)
    try:
        with _named_errors(temporary, path):
            temporary.mkdir()  # fails if the name exists
            yield temporary
            for inside in temporary.rglob("*"):
                _sync(inside)
            _sync(temporary)
            _replace(path, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(path: Path, new: Path) -> None:
    """Moves the folder `new` to `path`. A rename cannot replace a full folder, so the old one is renamed first."""
    aside = path.with_name(f".{path.name}{REPLACED}")
    if path.exists():
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    try:
        new.rename(path)
        _sync(path.parent)
    except BaseException:
        if path.exists():
            path.rename(new)
        if aside.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Writes a file so that it appears completely or not at all; text becomes UTF-8, line ends are unchanged."""
    path = Path(path)
    content = content.encode("utf-8") if isinstance(content, str) else content
    temporary = _unfinished(path)
    try:
        with _named_errors(temporary, path):
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync(path.parent)
    finally:
        _discard(temporary)


@contextmanager
def whole_file(path: str | Path, *, keep: Callable[[Path], int] = lambda unfinished: 0) -> Iterator[TextIO]:
    """Yields a UTF-8 file to write, which gets the name `path` when the block succeeds.

    Until then it is `path`.unfinished, and stays that when the block fails, if anything was written: it may be hours of
    work. `keep` gets the file that an earlier process left and returns how many of its first bytes to keep. The file is
    locked: raises ValueError when another process is writing it. Anything but a regular file, like /dev/null or a
    pipe, is written directly.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        with _named_errors(path, path):
            stream = open(path, "w", encoding="utf-8", newline="\n")  # noqa: SIM115 (closed below)
        with _named_where_full(path), stream:
            yield stream
        return
    place = path.resolve()  # an output that is a link stays one
    temporary = place.with_name(place.name + UNFINISHED)
    with _named_errors(temporary, path):
        file = open(claimed(temporary, path), "r+", encoding="utf-8", newline="\n")  # noqa: SIM115 (closed below)
    with _named_where_full(path), file:
        try:
            with _named_errors(temporary, path):
                os.truncate(file.fileno(), keep(temporary))
                file.seek(0, os.SEEK_END)
            yield file
            with _named_errors(temporary, path):
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(place)
                _sync(place.parent)
        finally:  # still locked: no other process writes it before it is closed
            with suppress(OSError):  # a full disk; what could be written is kept
                file.flush()
            if temporary.is_file() and temporary.stat().st_size == 0:
                temporary.unlink()


def write_json(path: str | Path, body: Any) -> None:
    """Writes readable JSON, completely or not at all."""
    write_whole(path, json_text(body))


def json_text(body: Any) -> str:
    """JSON as people read it."""
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def link_whole(paths: Sequence[Path], target: str) -> None:
    """Makes each path a link to `target`, in order, replacing older links.

    A full disk is detected before the first one changes.
    """
    temporaries = [_unfinished(path) for path in paths]
    try:
        for path, temporary in zip(paths, temporaries, strict=True):
            with _named_errors(temporary, path):
                temporary.symlink_to(target)
        for path, temporary in zip(paths, temporaries, strict=True):
            with _named_errors(temporary, path):
                temporary.replace(path)
                _sync(path.parent)
    finally:
        for temporary in temporaries:
            _discard(temporary)


def remove_whole(path: Path) -> None:
    """Deletes a folder in one step, so that it is never seen partly deleted.

    What cannot be deleted now is left to `remove_unfinished`.
    """
    temporary = _unfinished(path)
    path.rename(temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def remove_unfinished(folder: Path, is_ours: Callable[[str], bool] = lambda name: True) -> None:
    """Completes or removes what a kill left in `folder` under our names. No other process may be writing them."""
    for path in sorted(folder.iterdir()):
        whole = written_name(path.name)
        if path.name.startswith(".") and path.name.endswith(REPLACED):
            place = folder / path.name[1:].removesuffix(REPLACED)
            if not is_ours(place.name):
                continue
            if place.exists():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.rename(place)
        elif whole is not None and is_ours(whole):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def written_name(name: str) -> str | None:
    """The final or former name of a file that is being written or deleted; None for any other."""
    found = re.fullmatch(rf"\.(.+)\.[0-9a-f]+{re.escape(UNFINISHED)}", name, re.DOTALL)
    return found[1] if found else None


def _discard(temporary: Path) -> None:
    with suppress(OSError):  # it does not exist, or is left to `remove_unfinished`
        temporary.unlink()


def _unfinished(path: Path) -> Path:
    beginning = os.fsdecode(os.fsencode(path.name)[:LONGEST_BEGINNING])
    return path.with_name(f".{beginning}.{secrets.token_hex(8)}{UNFINISHED}")


@contextmanager
def _named_errors(temporary: Path, path: Path) -> Iterator[None]:
    """Makes an OSError name the requested file, since errors of writing and renaming do not."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # with a message by us, or by a library
            raise
        name = str(error.filename2 or error.filename or path).replace(str(temporary), str(path))
        raise OSError(error.errno, error.strerror, name) from error


@contextmanager
def _named_where_full(path: Path) -> Iterator[None]:
    """Makes the error of a full disk name the file that is written; other errors in the block are those of others."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _sync(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders, nor sync a file opened for reading
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
