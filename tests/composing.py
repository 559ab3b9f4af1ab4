"""Settings as a command composes them, for many tests: the files of each choice of files are read once.

Hydra takes 0.2 s for a composition, and nearly all of it for the files. Values are put in afterwards, by Hydra itself.
"""

import copy
from functools import cache
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from mt.settings import config_folder


def composed(command: str, overrides: list[str]) -> dict[str, Any]:
    """The settings of a command (`train`, `doctor` ...) as plain values."""
    return copy.deepcopy(_composed_once(command, *overrides))


@cache
def _composed_once(command: str, *overrides: str) -> dict[str, Any]:
    choices = [one for one in overrides if _chooses_a_file(one)]
    settings = copy.deepcopy(_of_files(command, *choices))
    values = [_parsed(one) for one in overrides if one not in choices]
    ConfigLoaderImpl._apply_overrides_to_config(values, settings)
    return OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)


def _chooses_a_file(override: str) -> bool:
    """Whether it is one such as model=tiny, data/cleaning=off or attention@model.encoder.self_attention=window.

    Hydra's own settings, which it takes out afterwards, go with the files.
    """
    name = override.partition("=")[0].lstrip("+~")
    return "/" in name or "@" in name or name.startswith("hydra.") or (config_folder() / name).is_dir()


@cache
def _of_files(command: str, *choices: str) -> DictConfig:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose(command, overrides=[*choices])


@cache
def _parsed(override: str):
    return OverridesParser.create().parse_override(override)
