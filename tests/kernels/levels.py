"""Every instruction set that this machine has, for tests of the operations."""

from contextlib import contextmanager

from mt.kernels import library as kernels
from mt.kernels.compiling import LEVELS, code_of, processor_flags
from mt.kernels.library import Library, library_of

HERE = [level.name for level in LEVELS if level.needs <= processor_flags()]


@contextmanager
def at_level(name):
    """The operations use the library of this level; "off": torch."""
    before = kernels.found_or_reason
    kernels.library.cache_clear()
    kernels.found_or_reason = lambda: "off" if name == "off" else loaded(name)
    try:
        yield
    finally:
        kernels.found_or_reason = before
        kernels.library.cache_clear()


def loaded(name) -> Library:
    return library_of(code_of(next(level for level in LEVELS if level.name == name)))
