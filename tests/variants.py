"""Every attention variant as its settings file makes it."""

import pytest
from omegaconf import OmegaConf

from mt.checkpoint.rebuild import build
from mt.settings import config_folder


def variants(role):
    """A factory of each settings file that plays the role, named after the file."""
    for path in sorted((config_folder() / "attention").glob("*.yaml")):
        factory = build(OmegaConf.to_container(OmegaConf.load(path)))
        if isinstance(factory(2, 4), role):
            yield pytest.param(factory, id=path.stem)
