"""What every command promises: help at once, mistakes in one line, settings found from any folder."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from mt.command_line import run
from mt.settings import config_folder, config_groups, hydra_help, run_hydra
from tests.children import PATIENCE_SECONDS
from tests.children import run as run_fork

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ["translate", "evaluate", "align", "score", "shortlist", "export", "serve", "back_translate", "distill"]
TOOLS += ["prune", "quantize", "compare_models", "caption", "rerank", "retrieve"]
HYDRA_COMMANDS = ["train", "prepare", "doctor", "compare_attention"]
TAKES_LONG_TO_IMPORT = {
    "torch",
    "numpy",
    "matplotlib",
    "datasets",
    "sacrebleu",
    "sentencepiece",
    "hydra",
    "omegaconf",
    "PIL",
}
EXPERIMENTS = sorted(path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml"))


def call(folder, *arguments):
    """Runs Python from another folder, as a user of an installed package does."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture(autouse=True)
def untouched_process(monkeypatch):
    """Commands set an environment variable of Hydra's, which may not reach the next test."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.delenv("MT_DEBUG", raising=False)


@pytest.fixture
def train(monkeypatch, capsys, tmp_path):
    """Calls a stand-in for `mt-train` with overrides; gives exit code, stderr, and the settings of every job."""
    monkeypatch.chdir(tmp_path)

    def call_with(*overrides, fails_for_seed=None):
        jobs = []

        def main(settings):
            jobs.append(settings)
            if settings["trainer"]["seed"] == fails_for_seed:
                raise ValueError("seed must not\n be unlucky")

        monkeypatch.setattr(sys, "argv", ["/bin/mt-train", *overrides])
        code = 0
        try:
            run_hydra(main, "train")
        except SystemExit as leaving:
            code = leaving.code
        return code, capsys.readouterr().err, jobs

    return call_with


@pytest.mark.parametrize("command", TOOLS + HYDRA_COMMANDS)
def test_help_needs_no_heavy_import_and_no_particular_folder(command, tmp_path):
    helped = call(tmp_path, "-X", "importtime", "-m", f"mt.{command}", "--help")
    assert helped.returncode == 0, helped.stderr
    assert len(helped.stdout.splitlines()) > 5
    imported = set(re.findall(r"\| +([\w.]+)$", helped.stderr, re.M))
    assert "mt" in imported
    assert not imported & TAKES_LONG_TO_IMPORT
    assert not list(tmp_path.iterdir())


WITH_ENGINE = {
    "--precision float32": ("with --engine: the export has its own numbers", ""),
    "--document": ("with --engine: an export translates lines alone", ""),
    "--rerank m": ("with --engine: its weights belong to a checkpoint", ""),
    **dict.fromkeys(
        ("--confidence", "--abstain 0.5"), ("with --engine: an export tells no probabilities of pieces", "")
    ),
    **dict.fromkeys(
        ("--alignment", "--coverage", "--markup", "--format po"),
        ("with --engine: attention is read in our own engine", ""),
    ),
}
ENGINE_ALONE = {
    "--engine ctranslate2": ("without --checkpoint, the folder that mt.export wrote", "--checkpoint c"),
}
SAMPLING = {
    **{
        flag: ("without --sample or --mbr", "--sample")
        for flag in ("--temperature 1", "--top-k 0", "--top-p 1", "--epsilon 0", "--seed 1")
    },
    "--utility chrf": ("without --mbr", "--mbr 8"),
}
# (command, flags that it cannot do without) -> a flag that has no effect: when, and what it takes that it has one
IDLE = {
    ("align", "--source s --output o"): {
        "--gold-base 1": ("without --gold", "--gold g"),
        "--boxes b": ("without --images", "--images i"),
        "--reverse-tag <2de>": ("without --reverse", "--reverse r"),
        "--symmetrize union": ("without --reverse", "--reverse r"),
        "--grid all": ("without png or svg among --formats", "--formats json,svg"),
        "--limit 7": ("without html, png or svg among --formats", "--formats html"),
    },
    ("align_choose", "--source s --target t"): {
        "--gold-base 0": ("without --gold", "--gold g"),
        "--reverse-tag <2de>": ("without --reverse", "--reverse r"),
    },
    ("align_corpus", "--source s --target t --output o"): {
        "--gold-base 0": ("without --gold", "--gold g"),
        "--threshold 0.4": ("without --symmetrize soft-mean or soft-product", "--symmetrize soft-product"),
        "--checkpoint m": ("without --units pieces", "--units pieces"),
    },
    ("translate", ""): {
        **SAMPLING,
        **{
            flag: ("without --format", "--format po")
            for flag in ("--replace all", "--no-review-mark", "--source-language en", "--target-language de")
        },
        **WITH_ENGINE,
        **ENGINE_ALONE,
    },
    ("back_translate", "--checkpoint c --input i --output o"): SAMPLING,
    ("distill", "data --teacher t --source s --output o"): {
        **SAMPLING,
        **{flag: ("without --choose nearest", "--choose nearest") for flag in ("--reference r", "--n-best 4")},
    },
    ("rerank", "--source s --target t"): {"--reverse-tag <2en>": ("without --reverse", "--reverse m")},
    ("score", ""): {"--json": ("with --contrast", "")},
    ("prune", "--source s --target t --output o"): {"--by gradient": ("without heads to remove", "--heads 0.4")},
    ("compare_models", "m --source s --target t --output o"): {"--gold-base 1": ("without --gold", "--gold g")},
    ("quantize", "--output o"): {
        "--gold-base 1": ("without --gold", "--gold g --source s"),
        **{f"{flag} x": ("without --source", "--source s") for flag in ("--target", "--gold", "--tag")},
    },
    ("evaluate", "--reference r --source s"): {
        **{flag: WITH_ENGINE[flag] for flag in ("--precision float32", "--document")},
        **ENGINE_ALONE,
    },
    ("evaluate", "--reference r"): {
        flag: ("with --hypotheses: they are scored as they are", "--source s")
        for flag in (
            *(
                "--output o",
                "--checkpoint c",
                "--beam-size 5",
                "--length-penalty 1",
                "--batch-tokens 9",
            ),
            *("--device auto", "--precision float32", "--document", "--trees t", "--shortlist", "--tag <2de>"),
        )
    }
    | {flag: ("without --confidence or --paired", "--confidence") for flag in ("--samples 500", "--seed 12345")}
    | {flag: ("without --images or --sounds", "--sounds s") for flag in ("--with-another", "--restore 0.3")}
    | {flag: ("without comet among --metrics", "--metrics comet") for flag in ("--comet-model m", "--comet-python p")},
}
IDLE_BESIDE = {  # what makes them idle, where that is not the default
    "--grid all": "--formats json,pharaoh",
    "--limit 7": "--formats json,pharaoh",
    "--threshold 0.4": "--symmetrize union",
    "--json": "--contrast",
    **dict.fromkeys(WITH_ENGINE, "--engine ctranslate2 --checkpoint c"),
    **{
        flag: "--hypotheses h"
        for flag, (when, _) in IDLE["evaluate", "--reference r"].items()
        if when.startswith("with --hypotheses") and flag not in WITH_ENGINE
    },
}


@pytest.mark.parametrize(
    ("command", "needed", "flag", "when", "mended"),
    [(*command, flag, *told) for command, cases in IDLE.items() for flag, told in cases.items()],
)
def test_a_flag_that_would_have_no_effect_is_refused(command, needed, flag, when, mended):
    parser, beside = import_module(f"mt.{command}").parser(), IDLE_BESIDE.get(flag, "")
    beside = "--hypotheses h" if "--hypotheses" in when else beside
    name, *value = flag.split()
    with pytest.raises(ValueError, match=f"^{name} has no effect {when}$"):  # with the default as value, too
        parser.parse_args([*needed.split(), *beside.split(), *flag.split()])
    attribute = name.removeprefix("--").replace("-", "_")
    given = getattr(parser.parse_args([*needed.split(), *mended.split(), *flag.split()]), attribute)
    given = given if isinstance(given, list) else [given]  # of a flag that may have several values
    assert [str(one).removesuffix(".0") for one in given] == (value or ["True"])
    assert parser.parse_args([*needed.split(), *beside.split()])


def test_every_flag_that_may_have_no_effect_is_in_the_table():
    for command in {command for command, _ in IDLE}:
        known = [flag for flag, _, _ in import_module(f"mt.{command}").parser().idle]
        cases = [flag for (of, _), cases in IDLE.items() if of == command for flag in cases]
        assert sorted(known) == sorted(flag.split()[0] for flag in cases)


def test_a_flag_without_effect_ends_the_command_with_code_2(tmp_path):
    flags = ["--source", "s", "--output", "o", "--symmetrize", "union"]
    refused = run_fork(["-m", "mt.align", *flags], cwd=tmp_path, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "--symmetrize has no effect without --reverse" in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", TOOLS + HYDRA_COMMANDS)
def test_an_unknown_flag_is_refused_without_a_traceback(command, tmp_path):
    refused = run_fork(["-m", f"mt.{command}", "--no-such-flag"], cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert refused.stderr.startswith(f"{command}: error: ") and refused.stderr.count("\n") == 1
    assert not refused.stdout


def test_every_console_script_has_its_command():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    scripts = re.findall(r'^(?:mt-)?([\w-]+) = "mt\.(\w+):cli"$', project, re.M)
    assert sorted(script.replace("-", "_") for script, _ in scripts) == sorted(TOOLS + HYDRA_COMMANDS)
    assert all(
        script.replace("-", "_") == module and callable(import_module(f"mt.{module}").cli) for script, module in scripts
    )


@pytest.mark.slow  # composes settings, 0.2 s each time
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.max_stpes=3", "there is no setting trainer.max_stpes; did you mean trainer.max_steps?"),
        ("max_step=3", "did you mean trainer.max_steps?"),
        ("modle=small", "did you mean model?"),
        ("model=smal", "did you mean small?"),
        ("attention=dense", "attention@model.decoder.cross_attention"),
        ("experiment=no_such_thing", "experiment has no option no_such_thing"),
        ("name=???", "name has no value: give it one with name=..."),
        ("name=${nowhere}", "name: Interpolation key 'nowhere' not found"),
        ("trainer", "cannot read 'trainer': a setting is given as name=value"),
        ("trainer.seed=1,2", "trainer.seed=1,2: several values need --multirun"),
        ("--max-steps=3", "unrecognized arguments: --max-steps=3"),
    ],
)
def test_a_mistake_in_an_override_is_one_line(train, override, words):
    code, said, jobs = train(override)
    assert (code, jobs) == (2, [])
    assert said.startswith("mt-train: error: ")
    assert words in said
    assert said.count("\n") == 1


def test_a_refused_value_is_one_line(train):
    assert train("trainer.seed=13", fails_for_seed=13)[:2] == (2, "mt-train: error: seed must not be unlucky\n")


def test_the_environment_asks_for_tracebacks(train, monkeypatch):
    monkeypatch.setenv("MT_DEBUG", "1")
    with pytest.raises(ValueError, match="unlucky"):
        train("trainer.seed=13", fails_for_seed=13)


def test_settings_arrive_as_plain_values_and_hydra_leaves_no_folders(train, tmp_path):
    code, _, (settings,) = train("name=first", "trainer.max_steps=3")
    assert code == 0
    assert settings["folder"] == "checkpoints/first"
    assert settings["trainer"]["max_steps"] == 3
    assert type(settings) is type(settings["trainer"]) is dict
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_failed_job_of_a_multirun_does_not_stop_the_others(train):
    code, said, jobs = train("trainer.seed=12,13,14", "--multirun", fails_for_seed=13)
    assert [job["trainer"]["seed"] for job in jobs] == [12, 13, 14]
    assert code == 2
    assert said.endswith("mt-train: error: seed must not be unlucky\n")
    assert "Traceback" not in said


@pytest.mark.slow  # composes settings, 0.2 s each time
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_starts_with_its_command(train, experiment):
    code, said, jobs = train(f"experiment={experiment}")
    assert (code, len(jobs)) == (0, 1), said
    text = (ROOT / "configs" / "experiment" / f"{experiment}.yaml").read_text("utf-8")
    assert any(line.startswith(f"# python -m mt.train experiment={experiment}") for line in text.splitlines())


def test_a_command_whose_settings_go_on_from_anothers_has_its_groups_and_settings(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/bin/mt-doctor"])
    assert config_groups("doctor") == config_groups("train")
    assert "max_tokens: 8192" in hydra_help(run, "doctor") and "trial_seconds: 10" in hydra_help(run, "doctor")


def test_groups_are_named_as_an_override_names_them():
    groups = config_groups("train")
    assert groups["experiment"] == EXPERIMENTS
    assert {"model", "data", "attention@model.decoder.cross_attention"} <= set(groups)
    assert not any(group.startswith("hydra") for group in groups)
    assert (config_folder() / "train.yaml").is_file()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("dim (100) must be\n a multiple"), 2, "align: error: dim (100) must be a multiple\n"),
        (FileNotFoundError(2, "No such file", "a.txt"), 2, "align: error: a.txt: No such file\n"),
        (OSError("no such data set"), 2, "align: error: no such data set\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_tool_leaves_with_one_line_and_an_exit_code(monkeypatch, capsys, error, code, said):
    def main():
        raise error

    monkeypatch.setattr(sys, "argv", ["/somewhere/mt/align.py"])
    with pytest.raises(SystemExit) as leaving:
        run(main)
    assert (leaving.value.code, capsys.readouterr().err) == (code, said)


def test_what_only_we_can_get_wrong_keeps_its_traceback():
    def main():
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        run(main)


def test_a_closed_pipe_is_no_error(tmp_path):
    many_lines = "from mt.command_line import run; run(lambda: print('a line\\n' * 100_000))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", many_lines], cwd=tmp_path, env=environment, **pipes) as writer:
        writer.stdout.readline()
        writer.stdout.close()
        assert (writer.stderr.read(), writer.wait(timeout=PATIENCE_SECONDS)) == (b"", 141)


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["fresh=true"]], ids=str)
def test_a_job_of_a_multirun_has_the_same_folder_begun_afresh_or_not(train, more):
    code, said, jobs = train("trainer.seed=12,13", *more, "--multirun")
    assert code == 0, said
    assert [job["folder"] for job in jobs] == [f"checkpoints/bundled.multirun/trainer.seed={seed}" for seed in (12, 13)]


def test_leaving_at_once_does_what_waits_for_the_end_and_keeps_the_code():
    script = (
        "import atexit; from mt.command_line import leaving_at_once\n"
        "atexit.register(print, 'at the end')\n"
        "with leaving_at_once():\n    print('said'); raise SystemExit({})"
    )
    for end, code in (("", 0), ("3", 3)):
        done = subprocess.run([sys.executable, "-c", script.format(end)], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (code, "said\nat the end\n")
