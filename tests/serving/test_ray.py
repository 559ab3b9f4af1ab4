"""Ray, where it is installed: a data set through actors, and the server as a deployment."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from mt.inference.translator import Translator
from mt.serving.bulk import TranslateBatch
from tests.children import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[2]
ALONE = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1"}
LINES = ["eins zwei", "drei", "", "vier fünf sechs"]


def environment():
    return os.environ | ALONE | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}


def test_a_batch_of_columns_gets_the_translations_as_one_column_more(trained_run):
    translate = TranslateBatch(trained_run, device="cpu")
    batch = {"text": np.array(LINES, dtype=object), "number": np.arange(4)}
    found = translate(batch)
    assert found["translation"].tolist() == [
        one.text for one in Translator.load(trained_run, device="cpu").translate(LINES)
    ]
    assert found["number"] is batch["number"] and "translation" not in batch
    with pytest.raises(ValueError, match=r"source \(text\) must be a column of the data: line"):
        translate({"line": []})


def test_ray_data_translates_a_file(trained_run, tmp_path):
    pytest.importorskip("ray", reason="needs the extra ray")
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in LINES), "utf-8")
    command = [sys.executable, "scripts/deploy/ray_data.py", "--checkpoint", str(trained_run), "--batch-size", "2"]
    command += ["--input", str(tmp_path / "in.txt"), "--output", str(tmp_path / "out.txt")]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = [one.text for one in Translator.load(trained_run, device="cpu").translate(LINES)]
    assert (tmp_path / "out.txt").read_text("utf-8").split("\n")[:-1] == expected


def test_the_server_runs_as_a_deployment_of_ray_serve(trained_run, tmp_path):
    pytest.importorskip("ray.serve", reason="needs the extra ray")
    command = [sys.executable, "scripts/deploy/ray_serve.py", "--checkpoint", str(trained_run), "--port", "8127"]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=log)
    try:
        wait_for(lambda: "ready: " in (tmp_path / "log").read_text() or process.poll() is not None)
        url = re.search(r"^ready: (\S+)$", (tmp_path / "log").read_text(), re.M)[1]
        answer = httpx.post(f"{url}/hf", json={"inputs": LINES[:2]}, timeout=PATIENCE_SECONDS)
        expected = [one.text for one in Translator.load(trained_run, device="cpu").translate(LINES[:2])]
        assert [one["translation_text"] for one in answer.json()] == expected
        assert httpx.get(f"{url}/health/ready").status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_SECONDS)
