"""Everything that an interrupted training needs to go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import attrs
import safetensors
import safetensors.torch
from cattrs.preconf.json import make_converter
from torch import Tensor

from leanebm._shown import writer
from leanebm.errors import EnergyError
from leanebm.storage import write_atomically

SCHEMA_VERSION: Final = 1

_METADATA_KEY: Final = "leanebm.training_state"

_json = make_converter(forbid_extra_keys=True)

_DAMAGE: Final = (
    OSError,
    KeyError,
    TypeError,
    ValueError,
    RecursionError,
    ExceptionGroup,
    safetensors.SafetensorError,
)
"""What reading a file can raise that is not one of ours."""


@attrs.frozen(kw_only=True)
class Evaluated:
    """What validation said after a step."""

    step: int
    metrics: Mapping[str, float]


@attrs.frozen(kw_only=True)
class TrainingState:
    """How far a training has come.

    On the disk it is JSON in the metadata of the safetensors file that holds weights, counts of random draws and
    optimizer moments, so that all of it is of one moment.
    """

    settings: Mapping[str, Any]
    """All that the result depends on, as JSON values; a run with others must not go on from here."""

    step: int
    """Steps made."""

    skipped: Mapping[str, int]
    """Steps left out as not finite, by learner."""

    best: Evaluated | None
    """The best head's figures; the head itself is the checkpoint beside this file."""

    def save(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        """Put state and tensors in the place of those before them, atomically.

        Raises:
            OSError: the disk is full, the folder is gone …
        """
        told = {"schema_version": SCHEMA_VERSION, "leanebm_version": version("leanebm")}
        text = json.dumps({**told, "state": _json.unstructure(self)})
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_atomically(path, safetensors.torch.save(contiguous, {_METADATA_KEY: text}))

    @classmethod
    def load(cls, path: Path) -> tuple[Self, dict[str, Tensor]]:
        """Read state and tensors back.

        Raises:
            EnergyError: the file is damaged, or of another version.
        """
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                described = json.loads((file.metadata() or {})[_METADATA_KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            found = described["schema_version"]
            state = _json.structure(described["state"], cls) if found == SCHEMA_VERSION else None
        except _DAMAGE as error:
            raise EnergyError(
                f"{path} cannot be read ({error}), so the training in {path.parent} cannot go on. "
                "Restore it, or train into another folder."
            ) from error
        if state is None:
            raise EnergyError(
                f"{path} has schema version {found}; this leanebm goes on from {SCHEMA_VERSION}. "
                f"Finish the training with {writer(described.get('leanebm_version'))}."
            )
        return state, tensors
