"""Numbers are refused where they enter: every flag of every command, every setting of every configuration."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from mt.checkpoint.small_file import read_yaml
from mt.number import Number, check_numbers
from mt.settings import config_folder, run_hydra

COMMANDS = ("translate", "evaluate", "align", "align_choose", "align_corpus", "align_head", "shortlist")
NOT_FINITE = ("nan", "inf", "-inf", "1e400", "-1e400")
NOT_WHOLE = (*NOT_FINITE, str(10**30), str(-(10**30)), "1.5", "9" * 5000)

NUMBERS = {
    f"{command} {action.option_strings[-1]}": (import_module(f"mt.{command}").parser(), action)
    for command in COMMANDS
    for action in import_module(f"mt.{command}").parser()._actions
    if action.type in (int, float) or isinstance(action.type, Number)
}


def test_the_numbers_of_all_commands_have_one_type():
    assert len(NUMBERS) > 30
    assert [name for name, (_, action) in NUMBERS.items() if not isinstance(action.type, Number)] == []


@pytest.mark.parametrize("name", NUMBERS)
def test_a_flag_refuses_what_is_no_number_by_its_name(name):
    parser, action = NUMBERS[name]
    flag, kind = action.option_strings[-1], action.type.kind
    needed = [
        part
        for other in parser._actions
        if other.required and other.option_strings
        for part in (other.option_strings[-1], "x")
    ]
    for text in NOT_WHOLE if kind is int else NOT_FINITE:
        with pytest.raises(ValueError) as refused:
            parser.parse_args([*needed, f"{flag}={text}"])
        assert str(refused.value).startswith(
            f"{flag} ({text}) must be {'a whole number' if kind is int else 'a number'}"
        )
    if action.default is not None:  # what is the default may be given
        parser_type = action.type
        assert parser_type(str(action.default)) == action.default


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--length-penalty=500", "--length-penalty (500) must be a number, from -10 to 10"),
        ("--temperature=1e300", "--temperature (1e300) must be a number, from 0.001 to 1000"),
        ("--temperature=0", "--temperature (0) must be a number, from 0.001 to 1000"),
        ("--top-p=0", "--top-p (0) must be a number, above 0 and at most 1"),
        ("--n-best=0", "--n-best (0) must be a whole number of at most 64 bits, at least 1"),
    ],
)
def test_a_flag_out_of_range_is_refused_with_its_rule(flag, message):
    with pytest.raises(ValueError) as refused:
        import_module("mt.translate_flags").parser().parse_args(["--sample", flag])
    assert str(refused.value) == message


def test_the_borders_of_a_number_are_as_its_rule_says():
    share = Number(float, above=0, most=1)
    assert share("1") == 1.0 and share("1e-9") == 1e-9
    for text in ("0", "1.0000001", "-0.5"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"must be a number, above 0 and at most 1"):
            share(text)
    assert Number(int)(str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(argparse.ArgumentTypeError):
        Number(int)(str(2**63))


def leaves(node, prefix=""):
    """(full name, mapping, key) of every value in nested mappings."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", node, key


CONFIGS = sorted(
    path.relative_to(config_folder()).as_posix()
    for path in config_folder().rglob("*.yaml")
    if path.parts[-2] != "experiment" and "hydra" not in path.parts
)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_setting_of_every_file_refuses_what_is_no_number_by_its_name(config):
    """Every value, whatever it is now: a setting that is null, or text, can be given a number, too."""
    settings = yaml.safe_load((config_folder() / config).read_text("utf-8"))
    check_numbers(settings)
    for name, node, key in list(leaves(settings)):
        before = node[key]
        for wrong in (float("nan"), float("inf"), -float("inf"), 2**63, -(2**63) - 1, [1, float("nan")]):
            node[key] = wrong
            with pytest.raises(ValueError) as refused:
                check_numbers(settings)
            assert str(refused.value).startswith(name) and " must be a " in str(refused.value)
        node[key] = before


@pytest.mark.slow  # composes settings, 0.2 s each time
@pytest.mark.parametrize(
    ("config", "override"),
    [
        *(("train", f"trainer.clip_norm={text}") for text in ("nan", "-1e400")),
        ("train", f"trainer.max_steps={10**30}"),
        ("train", "final.length_penalties=[0.6,nan]"),
        ("train", "batches.mixture.weights={web:inf}"),
        ("prepare", "num_processes=inf"),
        ("doctor", "doctor.trial_seconds=nan"),
        ("compare_attention", "tolerance=nan"),
        ("compare_attention", "seeds=[1,99999999999999999999]"),
    ],
)
def test_a_setting_on_the_command_line_is_refused_before_the_command_begins(monkeypatch, capsys, config, override):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr(sys, "argv", [f"/bin/{config}", override])
    begun = []

    def main(settings):
        begun.append(settings)

    with pytest.raises(SystemExit) as leaving:
        run_hydra(main, config)
    said = capsys.readouterr().err
    assert (leaving.value.code, begun, said.count("\n")) == (2, [], 1)
    assert said.startswith(f"{config}: error: {override.partition('=')[0]}") and "must be a" in said


def test_a_name_in_a_mapping_is_checked_too():
    with pytest.raises(ValueError, match=r"batches.mixture.schedule: a name \(inf\) must be a finite number"):
        check_numbers({"batches": {"mixture": {"schedule": {float("inf"): {"web": 0}}}}})
    with pytest.raises(ValueError, match=r"seed \(a number of 16610 bits\) must be"):
        check_numbers({"seed": 10**5000})


@pytest.mark.parametrize("value", [".nan", ".inf", "1.0e+400", str(10**30)])
def test_the_numbers_of_a_checkpoint_are_checked_too(tmp_path, value):
    path = Path(tmp_path / "search.yaml")
    path.write_text(f"_target_: mt.search.beam.Beam\nlength_penalty: {value}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"search\.yaml\.length_penalty \(.*\) must be a "):
        read_yaml(path)
