"""Commands in the README are ones that the program takes."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from mt.command_line import config_folder

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def commands():
    blocks = [block.replace("\\\n", " ") for block in re.findall(r"```sh\n(.*?)```", README, re.S)]
    lines = [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]
    table = re.findall(r"^\|.*?\| `(python -m mt\.[^`]+|make [^`]+)` \|", README, re.M)
    return list(dict.fromkeys([*lines, *table]))


@pytest.mark.parametrize("command", commands())
def test_command_is_understood(composed, command):
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        target = next(word for word in words[1:] if "=" not in word)
        assert re.search(rf"^{target}:", MAKEFILE, re.M)
        return
    script = next((word for word in words[:2] if word.startswith("scripts/")), None)
    if script:
        assert (ROOT / script).is_file()
        return
    start = 0 if words[0] == "translate" else words.index("-m") + 1  # behind python or torchrun
    name, words = words[start].removeprefix("mt."), words[start + 1 :]
    if name in ("train", "prepare", "doctor"):
        # a search's own settings come with the extra `sweep`, and tests/test_sweeps.py runs them
        assert composed([word for word in words if "=" in word and "," not in word and word != "hydra/sweeper=tune"])
    elif name == "compare_attention":
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            assert compose(name, overrides=words)
    else:
        assert import_module(f"mt.{name}").parser().parse_args(words)


def test_there_are_commands_to_understand():
    assert len(commands()) >= 8


def test_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).stat().st_size > 5000, picture


def test_every_room_and_file_of_the_tree_exists():
    tree = README.split("## How it is built")[1].split("```")[1]
    for name in re.findall(r"^ {2,4}(\w+(?:\.py|/))", tree, re.M):
        assert list(ROOT.glob(f"**/{name.rstrip('/')}")), name
