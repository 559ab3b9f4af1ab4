"""`torch.manual_seed` at the price of what is there: 2 microseconds without an accelerator, not a millisecond."""

import torch


def seed_only_devices_that_exist() -> None:
    """From now on nothing is noted for kinds of devices that this machine lacks.

    `torch.manual_seed` notes the seed for each kind in case that it is initialized later, and with it a printed stack,
    which takes most of the time of a test that makes a tiny model.
    """
    for devices in (torch.cuda, torch.xpu, torch.mtia):
        if not devices.is_available():
            devices.manual_seed_all = _seed_nothing


def _seed_nothing(seed: int) -> None:
    pass
