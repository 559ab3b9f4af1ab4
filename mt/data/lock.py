"""One process at a time: the others wait."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes that prepare one folder at once are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock in the file at `path`, as soon as nobody else does; a process that dies lets go of it."""
    with open(path, "w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                log.warning(
                    "%s: the file system knows no locks (%s): nothing guards against a second process", path, error
                )
        yield
