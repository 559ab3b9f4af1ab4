"""The one line in which a checkpoint is refused, by a process with little memory."""

import time
from pathlib import Path

import pytest

from mt.checkpoint.folder import load_checkpoint
from mt.checkpoint.manifest import write_manifest
from tests.checkpoint.conftest import in_child
from tests.children import PATIENCE_SECONDS

resource = pytest.importorskip("resource", reason="needs limits of a process")


def refused(step, *, seal=True, load=load_checkpoint):
    """The one line that loading the folder ends in, in a process that has little memory more."""
    if seal:
        write_manifest(step, {})

    def loaded():
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 256 * 2**20, resource.RLIM_INFINITY))
        # ends only what would never end
        seconds = int(time.process_time()) + PATIENCE_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        with pytest.raises(ValueError) as error:
            load(step)
        return str(error.value)

    said, status = in_child(loaded)
    assert status == 0, said
    assert "\n" not in said and said.isprintable() and len(said) < 700
    return said
