"""Names and folders in settings: refused before anything is touched, and kept as they were typed."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from mt.checkpoint.names import as_typed, check_places, check_typed, job_folder, sweep_folder
from tests.children import run

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ["train", "doctor", "prepare", "compare_attention"]

REFUSED = [
    ("name=", "name ('') must not be empty"),
    ("name=.", "name (.) must be a name"),
    ("name=..", "name (..) must be a name"),
    ("name=../x", "name (../x) must be a name"),
    ("name=x/..", "name (x/..) must be a name"),
    ("name=x/../../y", "must be a name"),
    ("name=/tmp", "name (/tmp) must be a name"),
    ("name=null", "name must be text, not null"),
    (f"name={'n' * 241}", "has a part of 241 bytes, must have 240 at most"),
    (f"name={'ä' * 130}", "has a part of 260 bytes, must have 240 at most"),
    ("name=exp.multirun", "name (exp.multirun) must not end in .multirun"),
    ("name='a\tb'", r"name (a\tb) must not contain control characters"),
    ("folder=", "folder ('') must not be empty"),
    ("folder=.", "folder (.) must end in the name of a folder"),
    ("folder=x/..", "folder (x/..) must end in the name of a folder"),
    ("folder=/", "folder (/) must end in the name of a folder"),
    ("folder=null", "folder must be text, not null"),
    (f"folder=a/{'n' * 241}/b", "has a part of 241 bytes"),
    ("data.name=", "data.name ('') must not be empty"),
    ("data.name=../../x", "data.name (../../x) must be a name"),
    ("data.prepared=", "data.prepared ('') must not be empty"),
    ("data.prepared=..", "data.prepared (..) must end in the name of a folder"),
    ("doctor.folder=", "doctor.folder ('') must not be empty"),
]


@pytest.mark.parametrize(("override", "said"), REFUSED, ids=lambda text: text[:30])
def test_a_name_that_is_none_is_refused_typed_or_in_a_file(override, said):
    with pytest.raises(ValueError) as typed:
        check_typed([override])
    key, _, value = override.partition("=")
    settings = place = {}
    *path, last = key.split(".")
    for part in path:
        place = place.setdefault(part, {})
    place[last] = None if value == "null" else value.strip("'")
    with pytest.raises(ValueError) as composed:
        check_places(settings)
    for refused in (typed, composed):
        assert said in str(refused.value) and str(refused.value).isprintable() and len(str(refused.value)) < 300


@pytest.mark.parametrize("name", ["exp", "a/b", "v1 (copy)", "ü", "a=b", "...", "1e3", ".hidden", "n" * 240])
def test_other_names_are_taken(name):
    places = {"name": name, "folder": f"checkpoints/{name}", "data": {"name": name, "prepared": "../d/x/"}}
    others = {"folder": "/tmp/x", "doctor": {"folder": None}, "variants": {"a": 1}, "tasks": {"b": 1}}
    for settings in (places, others):
        before = deepcopy(settings)
        check_places(settings)
        assert settings == before  # taken as they are


def test_a_number_in_a_settings_file_is_no_name():
    with pytest.raises(ValueError, match=r"name \(1000.0\) must be text: write it in quotes"):
        check_places({"name": 1e3})
    with pytest.raises(ValueError, match=r"variants: a name \(../x\) must not contain '/'"):
        check_places({"variants": {"../x": {}}})


@pytest.mark.parametrize(
    ("argument", "typed"),
    [
        ("name=1e3", "name='1e3'"),
        ("name=1_000", "name='1_000'"),
        ("name=007", "name='007'"),
        ("name=true", "name='true'"),
        ("name=nan", "name='nan'"),
        ("data.name=2024", "data.name='2024'"),
        ("folder=-5", "folder='-5'"),
        ("name=1,exp,2e3", "name='1',exp,'2e3'"),
        ("name=null", "name=null"),
        ("name=exp", "name=exp"),
        ("name='1'", "name='1'"),
        ("trainer.seed=5", "trainer.seed=5"),
        ("-m", "-m"),
    ],
)
def test_a_name_stays_the_text_that_was_typed(argument, typed):
    assert as_typed(argument) == typed


STAND_IN = """
import json, sys
from mt.settings import run_hydra

def main(settings):
    print(json.dumps([settings.get("name"), settings.get("folder")]))

sys.argv[0] = sys.argv.pop(1)
run_hydra(main, sys.argv[0])
"""


def call(folder, *arguments):
    return run(["-c", STAND_IN, *arguments], cwd=folder, capture_output=True, text=True)


def test_names_reach_the_commands_as_they_were_typed(tmp_path):
    for name in ("1e3", "1_000", "true"):
        done = call(tmp_path, "train", f"name={name}")
        assert json.loads(done.stdout) == [name, f"checkpoints/{name}"], done.stderr
    done = call(tmp_path, "train", "-m", "name=1e3,exp", "fresh=true")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        ["1e3", "checkpoints/1e3.multirun/name=1e3"],
        ["exp", "checkpoints/exp.multirun/name=exp"],
    ], done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *([command, "data.name=.."] for command in COMMANDS[:3]),
        ["train", "name=", "folder='x/${name}'", "fresh=true"],
        ["train", "-m", "name=..", "trainer.seed=1,2"],
        ["train", "name=${data.source_language}/.."],
        ["compare_attention", "folder=null"],
        ["doctor", f"name={'x' * 300}"],
    ],
    ids=lambda arguments: " ".join(arguments)[:50],
)
def test_every_command_refuses_in_one_line_and_touches_nothing(tmp_path, arguments):
    (tmp_path / "x").mkdir()
    done = call(tmp_path, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["x"]


def test_a_sweep_is_never_the_folder_of_a_run():
    assert sweep_folder("checkpoints/exp/", job_folder("trainer.seed=1")) == "checkpoints/exp.multirun/trainer.seed=1"
    assert job_folder("") == "defaults"
