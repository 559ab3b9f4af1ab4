"""Locks for one process at a time: a second one that would write the same files waits, or is refused.

Locks are the system's (flock): they end with the process that holds them, in any case. Where a file system does not
support locks, a warning says so and nothing is protected.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

try:
    import fcntl
except ImportError:  # Windows: the user must avoid two processes that write the same files
    fcntl = None  # type: ignore[assignment]  # stands for a module

log = logging.getLogger(__name__)

FILE_NAME = ".lock"  # of a run
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # never wait for a pipe in place of the file

_held: WeakValueDictionary[Path, Lock] = WeakValueDictionary()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds the lock of a folder, or of the file at `path`; waits until it is free."""
    descriptor = _locked(path, may_wait=True)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Keeps writers (`alone`) away from `folder` while it is read; other readers are allowed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if fcntl is not None:
            with suppress(OSError):  # the file system does not support locks: the writer warns
                fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def claimed(path: Path, name: Path) -> int:
    """A descriptor of the folder, or the file to be written, at `path`, exclusive to this process until it is closed.

    The file is created if necessary. Raises ValueError, naming `name`, when another process has it, or when it is a
    link, a device, or a file with a second name.
    """
    descriptor = _locked(path, may_wait=False, name=name)
    about = os.fstat(descriptor)
    if stat.S_ISREG(about.st_mode) and about.st_nlink > 1:
        os.close(descriptor)
        raise ValueError(f"{path} is a hard link to another file, whose content would be lost: delete the link")
    return descriptor


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Creates the folder if necessary, and keeps other processes from writing into it.

    Raises ValueError when another one has it. A folder that was created here and is empty at the end is removed.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = claimed(folder, folder)
    try:
        yield
    finally:
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
        os.close(descriptor)


class Lock:
    """The lock of a folder, held until this object is deleted or the process ends.

    Within a process it is shared (`lock`): a notebook may open its own run again.
    """

    def __init__(self, folder: Path):
        self.folder, self._process = folder, os.getpid()
        self._descriptor = _locked(folder / FILE_NAME, may_wait=False, name=folder)
        about = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        }
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, json.dumps(about).encode() + b"\n")

    @property
    def is_ours(self) -> bool:
        """Whether this process holds it, on the present folder."""
        return self._process == os.getpid() and _is_there(self._descriptor, self.folder / FILE_NAME)

    def __del__(self):
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def lock(folder: Path) -> Lock:
    """The lock of `folder`. Raises ValueError, naming the process, when another one holds it."""
    folder = folder.resolve()
    held = _held.get(folder)
    if held is None or not held.is_ours:
        held = _held[folder] = Lock(folder)
    return held


def _locked(path: Path, *, may_wait: bool, name: Path | None = None) -> int:
    name = name or path
    while True:
        descriptor = _opened(path, is_reading_enough=may_wait)
        try:
            _lock(descriptor, path, name, may_wait)
        except BaseException:
            os.close(descriptor)
            raise
        if _is_there(descriptor, path):
            return descriptor
        os.close(descriptor)  # deleted, or renamed to its final name, between opening and locking


def _lock(descriptor: int, path: Path, name: Path, may_wait: bool) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if may_wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            log.warning(
                "%s: the file system does not support locks (%s): nothing prevents a second process from writing",
                name,
                error,
            )
        elif path.name == FILE_NAME:
            raise ValueError(f"{name} is in use by another run ({_holder(descriptor)})") from None
        else:
            raise ValueError(f"{name} is being written by another process: wait for it, or choose another") from None


def _opened(path: Path, *, is_reading_enough: bool) -> int:
    if path.is_dir() and not path.is_symlink():
        return os.open(path, os.O_RDONLY)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP or path.is_symlink():
            raise ValueError(f"{path} must be a plain file, not a link") from None
        if not is_reading_enough or error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM) or not path.is_file():
            raise
        descriptor = os.open(path, os.O_RDONLY | NO_LINK)  # another user's file, which we may only read
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} must be a plain file, not a link or a device")
    return descriptor


def _is_there(descriptor: int, path: Path) -> bool:
    try:
        there, own = path.stat(follow_symlinks=False), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)


def _holder(descriptor: int) -> str:
    try:
        about: Any = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {about['process']} on {about['host']} since {about['since']}"
    except (ValueError, KeyError, TypeError, OSError):
        return "whose name is not known yet"
