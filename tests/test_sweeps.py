"""Several runs by one command: over a launcher (SLURM's queue), and searching for the best settings."""

import json
import os
import pickle
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from mt.checkpoint.names import LONGEST_NAME, job_folder
from tests.children import run
from tests.conftest import SHORT_VALIDATION, train_overrides

ROOT = Path(__file__).resolve().parents[1]
PEAKS = "schedule.peak=tag(log,interval(1e-3,1e-1))"

# Stands in for `mt.train`: notes its settings, and finds a peak of 0.01 the best. A script, since a launcher's jobs are
# other processes.
STAND_IN = """
import json, math, os
from pathlib import Path
from mt.settings import run_hydra
from tests.children import run

def main(settings):
    Path(f"job_{os.getpid()}_{settings['schedule']['peak']}.json").write_text(json.dumps(settings))
    if settings["trainer"]["seed"] == 13:
        raise ValueError("seed must not\\n be unlucky")
    return -abs(math.log10(settings["schedule"]["peak"]) + 2)

run_hydra(main, "train")
"""


def has_plugin(name):
    return find_spec("hydra_plugins") is not None and find_spec(f"hydra_plugins.{name}") is not None


needs_launcher = pytest.mark.skipif(not has_plugin("hydra_submitit_launcher"), reason="needs the extra `cluster`")
needs_sweeper = pytest.mark.skipif(not has_plugin("hydra_optuna_sweeper"), reason="needs the extra `sweep`")


def call(folder, *arguments, path=""):
    """Runs Python in a folder, with programs of `path` before others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MT_", "SLURM_"))}
    environment |= {"PYTHONPATH": str(ROOT), "PATH": os.pathsep.join(filter(None, [str(path), os.environ["PATH"]]))}
    return run(arguments, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def train(tmp_path):
    """Calls the stand-in with overrides; gives what became of the process, and the settings of every job."""
    script = tmp_path / "train.py"
    script.write_text(STAND_IN, "utf-8")

    def call_with(*overrides, path=""):
        done = call(tmp_path, script.name, *overrides, path=path)
        notes = sorted(tmp_path.glob("job_*.json"))
        jobs = [json.loads(note.read_text()) for note in notes]
        for note in notes:
            note.unlink()
        return done, jobs

    return call_with


def error_lines(done):
    return [line for line in done.stderr.splitlines() if line.startswith("train: error: ")]


@pytest.mark.parametrize(
    ("choice", "extra"),
    [
        ("hydra/launcher=slurm", "cluster"),
        ("hydra/launcher=submitit_local", "cluster"),
        ("hydra/sweeper=tune", "sweep"),
        ("hydra/sweeper=optuna", "sweep"),
    ],
)
def test_a_plugin_that_is_missing_is_named_with_its_extra(tmp_path, choice, extra):
    without = "import sys; sys.modules['hydra_plugins'] = None; from mt.train import cli; sys.argv[0] = 'train'; cli()"
    done = call(tmp_path, "-c", without, "-m", choice)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"needs a package that is missing: pip install 'mt-trainer[{extra}]'" in done.stderr


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param("hydra/launcher=slurm", marks=needs_launcher),
        pytest.param("hydra/sweeper=tune", marks=needs_sweeper),
    ],
)
def test_a_choice_that_one_run_would_not_hear_is_refused(train, choice):
    done, jobs = train(choice)
    assert (done.returncode, error_lines(done), jobs) == (2, [f"train: error: {choice} needs --multirun"], [])


@needs_launcher
def test_a_launcher_does_the_jobs_in_processes_of_their_own_and_brings_back_what_they_return(train, tmp_path):
    done, jobs = train("-m", "hydra/launcher=submitit_local", "name=few", "schedule.peak=0.1,0.01")
    assert done.returncode == 0, done.stderr
    assert sorted(job["folder"] for job in jobs) == [
        f"checkpoints/few.multirun/name=few,schedule.peak={peak}" for peak in ("0.01", "0.1")
    ]
    found = tmp_path.glob("checkpoints/few.multirun/.submitit/*/*_result.pkl")
    results = [pickle.loads(path.read_bytes()) for path in found]
    assert sorted(result.return_value for _, result in results) == [-1.0, 0.0]


@needs_launcher
def test_a_mistake_in_a_job_of_a_launcher_is_one_line(train):
    done, _ = train("-m", "hydra/launcher=submitit_local", "trainer.seed=12,13")
    assert done.returncode == 2
    assert error_lines(done) == ["train: error: seed must not be unlucky"]
    assert "Traceback" not in done.stderr


@pytest.fixture
def slurm_that_refuses(tmp_path):
    """A folder with programs by SLURM's names; sbatch keeps what it is given as `batch` and refuses it."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    sbatch = f'cp "$1" {tmp_path / "batch"}; echo "sbatch: error: there is no such partition" >&2; exit 1'
    for name, does in (("srun", "exit 1"), ("sbatch", sbatch)):
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    return folder


@needs_launcher
def test_what_slurm_is_asked_for(train, tmp_path, slurm_that_refuses):
    asked = [
        f"hydra.launcher.{part}" for part in ("partition=gpu", "nodes=2", "gpus_per_node=8", "setup=[module load x]")
    ]
    done, jobs = train("-m", "hydra/launcher=slurm", *asked, "name=large", "trainer.seed=1,2", path=slurm_that_refuses)
    assert (done.returncode, jobs) == (2, [])
    assert error_lines(done) == ["train: error: sbatch: error: there is no such partition"]
    batch = (tmp_path / "batch").read_text()
    flags = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", batch, re.M))
    expected = {
        "job-name": "large",
        "partition": "gpu",
        "array": "0-1%2",
        "nodes": "2",
        "gpus-per-node": "8",
        "ntasks-per-node": "8",  # a process for each GPU
        "signal": "USR2@300",  # submitit's: it queues the job again
        "time": "240",
    }
    assert {name: flags.get(name) for name in expected} == expected
    assert not {"account", "mem", "gpus-per-task"} & set(flags)
    assert batch.index("module load x") < batch.index("\nsrun ")


@needs_launcher
def test_a_machine_without_slurm_is_reported_so(train):
    done, jobs = train("-m", "hydra/launcher=slurm")
    assert (done.returncode, jobs) == (2, [])
    assert error_lines(done) == ['train: error: Could not detect "srun", are you indeed on a slurm cluster?']
    assert "Traceback" not in done.stderr


@needs_launcher
def test_a_job_that_left_no_result_is_reported_with_its_last_words(train, tmp_path):
    script = (tmp_path / "train.py").read_text()
    dies = "print('out of memory', file=__import__('sys').stderr, flush=True); os._exit(9)"
    # the launcher waits for a result that a file system may still hold back: here not for 15 seconds
    hurries = "import submitit.core.core; submitit.core.core.Job._results_timeout_s = 1\n"
    body = script.replace("def main(settings):\n", f"def main(settings):\n    {dies}\n")
    (tmp_path / "train.py").write_text(hurries + body)
    done, _ = train("-m", "hydra/launcher=submitit_local")
    assert done.returncode == 2
    (line,) = error_lines(done)
    assert "has not produced any output" in line and line.endswith("out of memory")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@needs_sweeper
def test_a_search_finds_better_settings_and_writes_them_down(train, tmp_path):
    search = ("-m", "hydra/sweeper=tune", "hydra.sweeper.n_trials=15", "name=search", PEAKS)
    done, jobs = train(*search)
    assert done.returncode == 0, done.stderr
    peaks = [job["schedule"]["peak"] for job in jobs]
    assert len({job["folder"] for job in jobs}) == len(peaks) == 15
    found = yaml.safe_load((tmp_path / "checkpoints/search.multirun/optimization_results.yaml").read_text())
    assert found["best_params"]["schedule.peak"] == min(peaks, key=lambda peak: abs(peak - 0.01) / peak)
    assert found["best_value"] > -0.3
    again, same = train(*search)
    assert again.returncode == 0
    assert sorted(job["folder"] for job in same) == sorted(job["folder"] for job in jobs)


@needs_sweeper
def test_a_mistake_in_a_search_is_one_line(train):
    done, jobs = train("-m", "hydra/sweeper=tune", "trainer.seed=13", PEAKS)
    assert (done.returncode, len(jobs)) == (2, 1)
    assert error_lines(done) == ["train: error: seed must not be unlucky"]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "several",
    [
        pytest.param(["hydra/launcher=submitit_local", "trainer.seed=2"], marks=needs_launcher),
        pytest.param(
            ["hydra/sweeper=tune", "hydra.sweeper.n_trials=2", "model.layer.dropout=interval(0.0,0.3)"],
            marks=needs_sweeper,
        ),
    ],
    ids=["launcher", "sweeper"],
)
def test_several_runs_train(corpus_folder, tmp_path, several):
    few_steps = ["trainer.max_steps=3", "trainer.validate_every=3", f"folder={tmp_path / 'runs'}"]
    overrides = [*train_overrides(corpus_folder, tmp_path), *few_steps, *SHORT_VALIDATION]
    done = call(tmp_path, "-m", "mt.train", "-m", *overrides, *several)
    assert done.returncode == 0, done.stderr
    scores = [json.loads(path.read_text()) for path in (tmp_path / "runs.multirun").glob("*/scores.json")]
    assert [score["training"]["step"] for score in scores] == [3] * (1 if several[0].endswith("local") else 2)


def test_a_job_is_named_after_what_is_particular_to_it():
    assert job_folder("data.folder=my/corpus,trainer.seed=1") == "data.folder=my.corpus,trainer.seed=1"


def test_names_too_long_for_a_file_system_are_cut_and_stay_different():
    long = [f"{'ä' * 200},trainer.seed={seed}" for seed in (1, 2)]
    names = [job_folder(name) for name in long]
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= LONGEST_NAME for name in names)


def test_every_extra_is_locked_but_for_the_large_ones():
    extras = (ROOT / "pyproject.toml").read_text("utf-8").split("[project.optional-dependencies]\n")[1].split("\n[")[0]
    (locked,) = re.findall(r"^LOCKED := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert {*locked.split(), "sweep", "docs", "ja", "ko", "comet", "export", "ray", "search", "vision"} == set(
        re.findall(r"^(\w+) = \[", extras, re.M)
    )
