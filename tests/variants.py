"""Every attention variant as its settings file makes it."""

from functools import cache

import pytest
from omegaconf import OmegaConf

from mt.checkpoint.rebuild import build
from mt.settings import config_folder


def variants(role):
    """A factory of each settings file that plays the role, named after the file."""
    for name, factory, made in _all_variants():
        if isinstance(made, role):
            yield pytest.param(factory, id=name)


@cache
def _all_variants():
    """(name, factory, what it makes) of each settings file."""
    paths = sorted((config_folder() / "attention").glob("*.yaml"))
    factories = {path.stem: build(OmegaConf.to_container(OmegaConf.load(path))) for path in paths}
    return [(name, factory, factory(2, 4)) for name, factory in factories.items()]
