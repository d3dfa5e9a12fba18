"""Where torch computes, by name; a device that is not there is told before any work starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leanebm.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = ["DEVICE", "torch_device"]

DEVICE: Final = r"cpu|cuda(:\d+)?"
"""A name's pattern, for the settings, which are read where torch may not be installed."""


def torch_device(name: str) -> torch.device:
    """The device of a name that matches :data:`DEVICE`.

    Raises:
        ConfigError: torch sees no such device on this machine.
    """
    import torch

    device = torch.device(name)
    seen = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= seen:
        raise ConfigError(
            f"device {name!r} was asked for, but torch {torch.__version__} sees {seen or 'no'} CUDA device(s) here: "
            "use cpu, or install a torch that is made for this machine's driver"
        )
    return device
