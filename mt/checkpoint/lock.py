"""One process at a time in a run folder: a second one is told who is there."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

try:
    import fcntl
except ImportError:  # Windows: two runs in one folder are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

FILE_NAME = ".lock"

_held: WeakValueDictionary[Path, Lock] = WeakValueDictionary()


class Lock:
    """The lock of a folder, held as long as this object lives; it dies with the process, however that ends.

    Within a process it is shared (`lock`): a notebook may open its own run again.
    """

    def __init__(self, folder: Path):
        self.folder, self._process = folder, os.getpid()
        self._file = _locked_file(folder)

    @property
    def is_ours(self) -> bool:
        """Whether this process holds it, on the folder that is there now."""
        try:
            there = (self.folder / FILE_NAME).stat()
        except FileNotFoundError:
            return False
        own = os.fstat(self._file.fileno())
        return self._process == os.getpid() and (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

    def __del__(self):
        if hasattr(self, "_file"):
            self._file.close()


def lock(folder: Path) -> Lock:
    """The lock of `folder`. Raises ValueError, saying which process has it, when another one does."""
    folder = folder.resolve()
    held = _held.get(folder)
    if held is None or not held.is_ours:
        held = _held[folder] = Lock(folder)
    return held


def _locked_file(folder: Path) -> BinaryIO:
    while True:
        file = open(folder / FILE_NAME, "a+b")  # noqa: SIM115  it stays open
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                with file:
                    raise ValueError(f"{folder} is in use by another run ({_holder(file)})") from None
            log.warning("%s: the file system knows no locks (%s): nothing guards against a second run", folder, error)
        try:
            if os.fstat(file.fileno()).st_ino == (folder / FILE_NAME).stat().st_ino:
                break
        except FileNotFoundError:  # deleted together with its run, between opening and locking
            pass
        file.close()
    about = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    if file.tell():  # who held it before
        file.truncate(0)
    file.write(json.dumps(about).encode() + b"\n")
    file.flush()
    return file


def _holder(file: BinaryIO) -> str:
    try:
        file.seek(0)
        about = json.loads(file.read(4096))
        return f"process {about['process']} on {about['host']} since {about['since']}"
    except (ValueError, KeyError, TypeError, OSError):
        return "which has not said its name yet"
