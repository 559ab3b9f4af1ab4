"""`scripts/student.sh`: each step takes what the one before wrote, and its trainings compose."""

import shlex
import subprocess
from pathlib import Path

from tests.children import PATIENCE_SECONDS
from tests.conftest import composed_settings

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "student.sh"
PYTHON = '#!/bin/sh\nprintf "%s\\n" "$*" >> steps\n'  # writes down what it is asked to do


def test_the_whole_recipe_is_one_command(tmp_path):
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    subprocess.run(
        ["bash", SCRIPT, "corpus", "trainer.max_epochs=2"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(tmp_path / "python"), "SEEDS": "1 2"},
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    steps = [shlex.split(line)[1:] for line in (tmp_path / "steps").read_text().splitlines()]
    names = "train train distill train train quantize shortlist compare_models"
    assert [command for command, *_ in steps] == [f"mt.{name}" for name in names.split()]
    first, second, student, healed = [composed_settings(given) for command, *given in steps if command == "mt.train"]
    assert [first["name"], second["name"]] == ["teacher/seed1", "teacher/seed2"]
    assert all(one["trainer"]["max_epochs"] == 2 for one in (first, second, student, healed))
    made = steps[2]
    assert made[made.index("--teacher") + 1 :][:2] == [first["folder"], second["folder"]]
    assert student["data"]["train"]["made"]["path"] == made[made.index("--output") + 1]
    assert healed["start_from"] == student["folder"] and healed["model"] == student["model"]
    assert healed["objective"]["_target_"].endswith("RoundedWeights")
    _, quantized, shortlisted, compared = [step for step in steps if step[0] != "mt.train"]
    assert quantized[quantized.index("--checkpoint") + 1] == healed["folder"]
    small = quantized[quantized.index("--output") + 1]
    assert shortlisted[shortlisted.index("--checkpoint") + 1] == small
    assert compared[1:5] == [first["folder"], student["folder"], healed["folder"], small]
    assert compared[5] == f"{small}@shortlist"
