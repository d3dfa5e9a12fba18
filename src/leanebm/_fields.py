"""Validators, metadata and defaults of settings that several modules share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs.validators import lt

from leanebm.errors import ConfigError

if TYPE_CHECKING:
    import torch

_KEY: Final = re.compile(r"[!-~]+")


def check_api_key(_: object, attribute: attrs.Attribute[Any], value: str | None) -> None:
    """Validate a key, or ``None``: it must fit into an HTTP header as one word.

    Raises:
        ValueError: it does not. The message does not hold it: keys are not to be written down.
    """
    if value is not None and not _KEY.fullmatch(value):
        raise ValueError(f"{attribute.name!r} must be visible ASCII characters without spaces, at least one")


FINITE: Final[Any] = lt(float("inf"))
"""A validator of numbers that are reckoned with; ``nan`` passes no comparison at all."""


SAME_RESULTS: Final = {"affects_results": False}
"""A field's metadata where it decides how fast, how patiently or through which address, and never what is found."""


DEVICE: Final = r"cpu|cuda(:\d+)?"
"""A name's pattern, for the settings, which are read where torch may not be installed."""


EMBEDDED_WORKER_MIB: Final = 600
"""To plan for an embedded worker: it has 380 when it is ready (``benchmarks/embedded_lean.py``), and grows with what it
runs; of five that were at work on theorems of core Lean, the largest had 583."""

MAX_RSS_MIB: Final = 3072
"""At which a worker over Lean's own library is replaced when nothing else was set."""

MAX_RSS_MIB_WITH_MORE: Final = 12288
"""The same over anything else. What a project's modules hold is mapped into memory and counts as resident, although
workers share it: of Mathlib, 6.5 GB in July 2026 (docs/mathlib.md)."""


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
