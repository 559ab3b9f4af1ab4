"""Commands with settings: the settings' folder, starting Hydra, its errors and `--help`. Never imports torch."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from inspect import cleandoc
from pathlib import Path
from textwrap import indent
from traceback import walk_tb
from typing import Any, NoReturn

from mt.checkpoint.names import as_typed, check_places, check_typed, job_folder, sweep_folder
from mt.command_line import command_name, is_debugging, one_line, one_line_errors
from mt.number import check_numbers
from mt.terminal import settle_streams

# what Hydra's plugins add to its groups, and the extra that brings each
PLUGINS = {"hydra/launcher/submitit_": "cluster", "hydra/sweeper/optuna": "sweep"}

HYDRA_FLAGS = """\
flags:
  --cfg job           print the settings that would be used, and exit
  --multirun, -m      one run for each combination: -m trainer.seed=1,2,3
                      in the queue of a cluster with hydra/launcher=slurm, a search with hydra/sweeper=tune
  --hydra-help        Hydra's own flags
  MT_DEBUG=1          (in the environment) tracebacks instead of one-line errors"""


def config_folder() -> Path:
    """The folder with the settings files: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def run_hydra(main: Callable[[dict[str, Any]], float | None], config_name: str) -> None:
    """Runs `main` on `config_name`.yaml and the overrides on the command line, made plain dicts, lists and values.

    Mistakes in overrides, and ValueError or OSError from `main`, are one line on stderr and code 2. With --multirun
    the jobs after a failed one still run.
    """
    with one_line_errors():
        settle_streams()
    if {"--help", "-h"} & set(sys.argv[1:]):
        with one_line_errors():
            print(hydra_help(main, config_name), flush=True)  # before Hydra is imported, which is slow
        return
    debug = is_debugging()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra passes errors on, and we report them

    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.main import get_args_parser
    from hydra.types import RunMode
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    def job(config: DictConfig) -> float | None:
        alone = HydraConfig.get().mode != RunMode.MULTIRUN
        with one_line_errors() if alone else nullcontext():
            settings = checked(config, config_name, overrides)
            if alone:
                refuse_unused_plugin(HydraConfig.get().runtime.choices)
            elif "folder" in settings:
                # each job has its own folder, or they would resume one another's runs
                job_name = job_folder(HydraConfig.get().job.override_dirname)
                settings["folder"] = sweep_folder(settings["folder"], job_name)
            return main(settings)  # a number, for a sweeper to optimize

    job.__module__ = main.__module__  # Hydra names the job after it

    with one_line_errors():
        parser = get_args_parser()
        parser.error = _refuse_flag  # type: ignore[method-assign]
        sys.argv[1:] = map(as_typed, sys.argv[1:])
        overrides = parser.parse_args().overrides
        check_typed(overrides)
        try:
            hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=config_name)(job)()
            sys.stdout.flush()  # here, where a closed pipe is still noticed in order
        except (HydraException, OmegaConfBaseException) as error:
            if debug:
                raise
            raise ValueError(worded(error, config_name, overrides)) from error
        except RuntimeError as error:
            if debug or not is_from("submitit", error):
                raise
            raise ValueError(worded_by_launcher(error)) from error


def refuse_unused_plugin(choices: Mapping[str, str]) -> None:
    """Raises ValueError where a launcher or a sweeper is chosen without --multirun, where Hydra does not use them."""
    for group in ("hydra/launcher", "hydra/sweeper"):
        if choices[group] != "basic":
            raise ValueError(f"{group}={choices[group]} needs --multirun")


def is_from(package: str, error: Exception) -> bool:
    """Whether the error is of a kind that this package defines, or raised by a line of it."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return package in {type(error).__module__.partition(".")[0], frame.f_globals["__name__"].partition(".")[0]}


def worded_by_launcher(error: Exception) -> str:
    """Submitit's error: its first words, and the last line of what it quotes under a ruler."""
    said, *quoted = re.split(r"^-{10,}$", str(error), flags=re.M)
    return " ".join([said, *quoted[0].strip().splitlines()[-1:]]) if quoted else said


def _refuse_flag(message: str) -> NoReturn:
    raise ValueError(f"{message} (all flags must be together, before or after the settings; --help lists them)")


def worded(error: Any, config_name: str, overrides: list[str]) -> str:
    """What Hydra or OmegaConf refused, in one line, with the nearest known name."""
    unknown = re.match(r"Could not override '([^']+)'", str(error))
    if unknown and "Did you mean" not in str(error):
        known = setting_names(config_name, overrides)
        if unknown[1] in known:
            return f"{unknown[1]} has no such entry yet: one is added with + before the name: +{unknown[1]}.ENTRY=..."
        return f"there is no setting {unknown[1]}{did_you_mean(unknown[1], known)}"
    missing = getattr(error, "missing_cfg_file", None) or ""
    for plugin, extra in PLUGINS.items():
        if missing.startswith(plugin):
            group, _, option = missing.rpartition("/")
            return f"{group}={option} needs a package that is missing: pip install 'mt-trainer[{extra}]'"
    if missing and getattr(error, "options", None):
        group, _, option = error.missing_cfg_file.rpartition("/")
        hint = did_you_mean(option, error.options)
        return f"{group} has no option {option}: it can be {', '.join(sorted(error.options))}{hint}"
    if type(error).__name__ == "MissingMandatoryValue":
        return f"{error.full_key} has no value: give it one with {error.full_key}=..."
    if type(error).__name__ == "OverrideParseException":
        reason = one_line(error).partition(" See ")[0]
        quoted = quoted_override(error.override)
        hint = f"; quoted it can be read: {quoted}" if quoted else ""
        return f"cannot read {error.override!r}: a setting is given as name=value ({reason}){hint}"
    ambiguous = re.match(r"Ambiguous value for argument '(.+)'", str(error))
    if ambiguous:
        given = next((one for one in overrides if one.partition("=")[0] == ambiguous[1]), "")
        quoted = quoted_override(given)
        hint = f"; a text with a comma is quoted: {quoted}" if quoted else ""
        return f"{ambiguous[1]}: several values need --multirun (a list is written name=[a,b]{hint})"
    if getattr(error, "full_key", None):
        return f"{error.full_key}: {str(error).splitlines()[0]}"
    return one_line(error)


def quoted_override(override: str) -> str | None:
    """The override as a shell takes it, its value as a text in quotes; "~" before a path becomes the home folder.

    None where that is impossible in one line: it has no name, or its value contains line ends or "${".
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Quote, QuotedString
    from hydra.errors import HydraException

    name, equals, value = override.partition("=")
    value = os.path.expanduser(value)
    quoted = f"{name}={QuotedString(text=value, quote=Quote.double).with_quotes()}"
    try:
        is_same = bool(equals) and OverridesParser.create().parse_override(quoted).value() == value
    except HydraException:
        return None
    is_one_line = " ".join(quoted.split()) == quoted
    return shlex.quote(quoted) if is_same and is_one_line and "${" not in value else None


def config_search() -> AbstractContextManager[Any]:
    """Inside the block Hydra composes from our settings files; in a command that Hydra runs it already does."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():
        return nullcontext()
    return initialize_config_dir(version_base="1.3", config_dir=str(config_folder()))


def composed(config_name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The settings that a command would get from these overrides. Raises ValueError for those that it would refuse."""
    from hydra import compose
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    typed = list(map(as_typed, overrides))
    check_typed(typed)
    try:
        with config_search():
            made = compose(config_name, overrides=typed)
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(worded(error, config_name, typed)) from error
    return checked(made, config_name, typed)


def checked(config: Any, config_name: str, overrides: list[str]) -> dict[str, Any]:
    """The composed settings as plain values. Raises ValueError for a missing value, a number or a folder in them."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        settings: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ValueError(worded(error, config_name, overrides)) from error
    check_numbers(settings)
    check_places(settings)
    return settings


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`; did you mean X?` for the known name nearest to `name`, or nothing; the last part of a name is enough."""
    by_last_part = {full.rpartition(".")[2]: full for full in reversed(known)}
    near = get_close_matches(name, [full for full in known if not name.startswith(f"{full}.")], n=1, cutoff=0.7)
    near = near or [by_last_part[part] for part in get_close_matches(name.rpartition(".")[2], by_last_part, n=1)]
    return f"; did you mean {near[0]}?" if near else ""


def setting_names(config_name: str, overrides: list[str]) -> list[str]:
    """All settings by their full names, and the groups, under the groups chosen in `overrides`."""
    from hydra import compose
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    def names(node: Any, prefix: str) -> Iterator[str]:
        for key, value in node.items() if isinstance(node, dict) else ():
            yield f"{prefix}{key}"
            yield from names(value, f"{prefix}{key}.")

    groups = config_groups(config_name)
    choices = [choice for choice in overrides if choice.partition("=")[0] in groups and "," not in choice]
    try:
        with config_search():
            config = compose(config_name, overrides=choices)
    except HydraException:
        return list(groups)
    return [*groups, *names(OmegaConf.to_container(config, resolve=False), "")]


def config_files(config_name: str) -> list[Path]:
    """`config_name`.yaml, after the files that it builds on (`- train` among its defaults)."""
    file = config_folder() / f"{config_name}.yaml"
    names = re.findall(r"^ *- *(\w+) *$", file.read_text("utf-8"), re.M)
    return [*(base for name in names if name != "_self_" for base in config_files(name)), file]


def config_groups(config_name: str) -> dict[str, list[str]]:
    """The options of every group that `config_name`.yaml chooses from, itself or through its choices.

    A group is named as an override names it: `model`, `data/cleaning`, `attention@model.decoder.cross_attention`.
    """
    folder = config_folder()
    groups: dict[str, list[str]] = {}
    waiting = [(file, "") for file in config_files(config_name)]
    while waiting:
        file, package = waiting.pop(0)
        # `- model: small`, `- /attention@decoder.cross_attention: dense`; not `- override ...`
        choices = re.findall(r"^ *- *(?:optional +)?(/?[\w/]+)(?:@([\w.]+))? *:", file.read_text("utf-8"), re.M)
        for choice, slot in choices:
            group = choice[1:] if choice.startswith("/") else (file.parent / choice).relative_to(folder).as_posix()
            place = ".".join(filter(None, [package, slot])) if slot else group.replace("/", ".")
            name = f"{group}@{place}" if slot else group
            options = sorted((folder / group).glob("*.yaml"))
            if options and name not in groups and not group.startswith("hydra"):
                groups[name] = [option.stem for option in options]
                waiting += [(option, place) for option in options]
    return groups


def hydra_help(main: Callable[[dict[str, Any]], float | None], config_name: str) -> str:
    """What `--help` prints: the docstring of the command's module, groups with their options, settings, flags."""
    groups = config_groups(config_name)
    width = max(map(len, groups), default=0)
    text = "".join(file.read_text("utf-8") for file in config_files(config_name))
    # top-level entries other than Hydra's own: the list of groups shows `defaults:`
    entries = re.split(r"^(?=\S)", text, flags=re.M)
    settings = "".join(entry for entry in entries if not entry.startswith(("#", "defaults:", "hydra:", "---")))
    name = command_name()
    return "\n".join(
        [
            f"usage: {name} [group=option] [setting=value] [flags]",
            "",
            cleandoc(sys.modules[main.__module__].__doc__ or ""),
            "",
            "groups, each with its options (group=option):",
            *(f"  {group:{width}}  {' '.join(options)}" for group, options in groups.items()),
            "",
            f"settings (setting=value; those of the groups are in {config_folder()}):",
            indent(settings.strip(), "  "),
            "",
            HYDRA_FLAGS,
        ]
    )
