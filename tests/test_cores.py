"""Which cores a process may use, and how its threads wait for one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mt.cores import (
    SPIN_SETTINGS,
    available_cores,
    cpu_quota,
    num_threads,
    seconds_waited_for_a_core,
    wait_without_spinning,
)
from mt.training.watch import WAITING_SECONDS, Watch

ROOT = Path(__file__).resolve().parents[1]
MODULES = ["mt.train", "mt.translate", "mt.evaluate", "mt.align", "mt.data.workers", "mt.attention", "mt.device"]


@pytest.mark.parametrize("module", MODULES)
def test_how_threads_wait_is_set_before_torch_is_loaded(module):
    code = f"""
import sys
class First:
    def find_spec(self, name, path=None, target=None):
        import os
        if name == "torch":
            print("torch", *(os.environ.get(setting) for setting in {list(SPIN_SETTINGS)!r}), flush=True)
            os._exit(0)  # loading it takes a second more and shows nothing more
sys.meta_path.insert(0, First())
import {module}, torch
"""
    plain = {name: value for name, value in os.environ.items() if name not in SPIN_SETTINGS}
    environment = {**plain, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["torch", *SPIN_SETTINGS.values()]


@pytest.mark.parametrize("chosen", ["GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY"])
def test_what_the_user_chose_for_waiting_threads_stays(chosen):
    environment = {chosen: "active"}
    wait_without_spinning(environment)
    assert environment == {chosen: "active"}


def test_the_threads_are_those_asked_for_or_the_cores():
    assert num_threads({"OMP_NUM_THREADS": "3"}) == 3
    assert num_threads({"OMP_NUM_THREADS": "3,2"}) == 3  # a number for each level of nested parallel parts
    assert num_threads({}) == num_threads({"OMP_NUM_THREADS": "many"}) == available_cores()


def control_groups(folder, *, mount, membership, files):
    """A /proc/self with one control group file system, and the files of its groups."""
    proc = folder / "proc"
    proc.mkdir()
    kind, root, options = mount
    place = f"31 23 0:28 {root} {folder}/sys rw,relatime shared:9 - {kind} cgroup rw,{options}"
    (proc / "mountinfo").write_text(f"22 1 0:2 / / rw - ext4 /dev/a rw\n{place}\n")
    (proc / "cgroup").write_text(f"{membership}\n")
    for name, text in files.items():
        path = folder / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return proc


V1, V2 = ("cgroup", "/", "cpu,cpuacct"), ("cgroup2", "/", "nsdelegate")


@pytest.mark.parametrize(
    "mount, membership, files, cores",
    [
        (V2, "0::/a/b", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
        (V2, "0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        (V2, "0::/a/b", {"a/b/cpu.max": "max 100000"}, None),
        (V2, "0::/", {"cpu.max": "300000 100000"}, 3.0),
        (V2, "0::/not/seen/here", {"cpu.max": "70000 100000"}, 0.7),
        (V1, "4:cpu,cpuacct:/x", {"x/cpu.cfs_quota_us": "250000", "x/cpu.cfs_period_us": "100000"}, 2.5),
        (V1, "4:cpu,cpuacct:/x", {"x/cpu.cfs_quota_us": "-1", "x/cpu.cfs_period_us": "100000"}, None),
        (V1, "4:memory:/x", {"x/cpu.cfs_quota_us": "250000", "x/cpu.cfs_period_us": "100000"}, None),
        (("cgroup", "/docker/1", "cpu"), "4:cpu:/docker/1", {"cpu.cfs_quota_us": "5", "cpu.cfs_period_us": "10"}, 0.5),
    ],
    ids=["v2", "parent", "none", "root", "hidden", "v1", "v1-none", "v1-other", "v1-container"],
)
def test_the_quota_of_a_container_is_read(tmp_path, mount, membership, files, cores):
    assert cpu_quota(control_groups(tmp_path, mount=mount, membership=membership, files=files)) == cores


def test_a_system_without_control_groups_has_no_quota(tmp_path):
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize("quota, cores", [(0.3, 1), (1.0, 1), (1.2, 2), (None, 64), (1000.0, 64)])
def test_a_quota_bounds_the_cores_rounded_up(monkeypatch, quota, cores):
    monkeypatch.setattr("mt.cores.cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert available_cores() == cores


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not count waiting")
def test_the_time_that_threads_waited_is_counted():
    before = seconds_waited_for_a_core()
    assert 0 <= before <= seconds_waited_for_a_core()


def warnings(waited, *, num_threads=2):
    """What a watch says when its threads have waited so many seconds in all, one number a window."""
    watch, numbers = Watch(warmup_steps=0), iter(waited)
    clock = [(step, step * WAITING_SECONDS) for step in range(len(waited))]
    said = [
        watch.waiting(step, seconds=now, num_threads=num_threads, waited=lambda: next(numbers)) for step, now in clock
    ]
    return [text for text in said if text]


def test_training_says_once_that_other_work_takes_its_cores(monkeypatch):
    for name in (*SPIN_SETTINGS, "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    (said,) = warnings([3.0, 3.5, 33.5, 63.5, 93.5])
    assert "step 2" in said and "waited 50% of the time" in said and "OMP_NUM_THREADS=1" in said
    assert "OMP_NUM_THREADS" not in warnings([0.0, 20.0], num_threads=1)[0]
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert "OMP_WAIT_POLICY=active" in warnings([0.0, 30.0])[0]


@pytest.mark.parametrize("waited", [[0.0, 1.0, 2.0], [None, None, None], [0.0, None, 40.0]])
def test_training_says_nothing_of_other_work_without_a_reason(waited):
    assert warnings(waited) == []
