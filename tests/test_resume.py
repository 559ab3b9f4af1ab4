"""The short form of scripts/resume_proof.py: a training that is killed twice ends where an undisturbed one does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_a_run_that_is_killed_ends_as_if_it_had_not_been(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "resume_proof.py"), "--kills", "2", "--work", str(tmp_path)]
    settings = ["trainer.max_steps=24"]
    done = subprocess.run(
        [*command, *settings], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"^2 kills, \d starts: weights, optimizer state and metrics are identical$", done.stdout, re.M)
