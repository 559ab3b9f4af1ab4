"""Overrides can be typed as they are documented, and one that cannot be read is answered with a form that can."""

import re
import subprocess

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from mt.settings import config_folder, quoted_override, worded

VALUES = [
    "ü", "日本語", "a=b", "v1 (copy)", "#", "a#b", "'", '"', "it's", "it's \"x\"", "a\\", "\\\\", "\\'", 'a\\\\"b',
    "a,b",
    "{", "}", "[", "]", "train[40:]", "train[:10%]", "$HOME", "`ls`", "x;y", "a|b", "a&b", "!x", "*", "?", "<x>",
    "a~b", "é è", "%", "@", "(", "C:\\x\\", "-", "x:y", "null", "1e3", "",
]  # fmt: skip


def parsed(override):
    return OverridesParser.create().parse_override(override).value()


def test_the_quoted_form_can_be_pasted_into_a_shell_and_read():
    forms = [quoted_override(f"data.folder={value}") for value in VALUES]
    done = subprocess.run(["sh", "-c", f"printf '%s\\n' {' '.join(forms)}"], capture_output=True, text=True, check=True)
    assert [parsed(form) for form in done.stdout.splitlines()] == VALUES


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert quoted_override("data.folder=~/x") == "'data.folder=\"/home/me/x\"'"


@pytest.mark.parametrize(
    "override", ["data.folder", "data.folder=${x}", "data.folder=a\nb", "data.folder=a  (b)", "(=1"]
)
def test_what_has_no_quoted_form_gets_none(override):
    assert quoted_override(override) is None


@pytest.mark.parametrize("value", ["~/x", "ü", "a=b", "v1 (copy)", "#", "'", "train[40:]"])
def test_what_cannot_be_read_is_answered_with_the_quoted_form(value):
    override = f"data.folder={value}"
    with pytest.raises(HydraException) as refused:
        OverridesParser.create().parse_overrides([override])
    message = worded(refused.value, "prepare", [override])
    assert message.endswith(f"; quoted it can be read: {quoted_override(override)}")
    assert "\n" not in message


def test_overrides_in_the_comments_of_settings_files_can_be_typed_as_they_stand():
    num_found = 0
    for file in config_folder().rglob("*.yaml"):
        for line in re.findall(r"^#.*", file.read_text("utf-8"), re.M):
            for quoted, plain in re.findall(r"'([~+]?[\w.@/]+=[^']*)'|(?<![\w'\"])([\w]+\.[\w.]+=[^\s']+)", line):
                override = quoted or plain.rstrip(".,;:")
                if override.count(")") > override.count("("):
                    override = override.removesuffix(")")
                if "..." not in override and "…" not in override:
                    OverridesParser.create().parse_override(override)
                    num_found += 1
    assert num_found > 20
