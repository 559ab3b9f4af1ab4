"""The short form of scripts/resume_proof.py: a training that is killed twice ends where an undisturbed one does."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import ForkOfCommand

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "resume_proof.py"
SMALLER = (
    *("data.train.plain.size=600", "data.train.tagged.corpus.size=300", "data.valid.size=20", "data.tests.test.size=5"),
    *("tokenizer.vocab_size=400", "batches.max_tokens=512", "validation.attention_lines=0", "search.max_length=8"),
    "trainer.max_steps=24",  # the mixture changes after 20
)


@pytest.mark.slow
def test_a_run_that_is_killed_ends_as_if_it_had_not_been(tmp_path, monkeypatch, capsys):
    prove = runpy.run_path(str(SCRIPT))["main"]
    monkeypatch.setattr(subprocess, "Popen", ForkOfCommand)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--kills", "2", "--work", str(tmp_path), *SMALLER])
    code, (said, errors) = prove(), capsys.readouterr()
    assert code == 0, said[-3000:] + errors[-3000:]
    assert re.search(r"^2 kills, \d starts: weights, optimizer state and metrics are identical$", said, re.M)
