"""Everything that an interrupted training needs to go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import attrs
import safetensors
import safetensors.torch
import torch
from cattrs.preconf.json import make_converter

from leanebm.energy.diagnostics._files import write_atomically
from leanebm.errors import EnergyError

__all__ = ["Evaluated", "TrainingState"]

SCHEMA_VERSION: Final = 1
_METADATA_KEY: Final = "leanebm.training_state"

_json = make_converter(forbid_extra_keys=True)


@attrs.frozen(kw_only=True)
class Evaluated:
    """What validation said after a step."""

    step: int
    metrics: Mapping[str, float]


@attrs.frozen(kw_only=True, eq=False)
class TrainingState:
    """One file: tensors as safetensors, the rest as JSON in its metadata, so that both are of one moment."""

    settings: Mapping[str, Any]
    """All that the result depends on, as JSON values; a run with others must not go on from here."""

    step: int
    """Steps made."""

    skipped: Mapping[str, int]
    """Steps left out as not finite, by learner."""

    best: Evaluated | None
    """The best head's figures; the head itself is the checkpoint beside this file."""

    tensors: Mapping[str, torch.Tensor] = attrs.field(repr=False)
    """Weights, counts of random draws and optimizer moments."""

    def save(self, path: Path) -> None:
        """Put the state in place of the one before it, atomically.

        Raises:
            OSError: the disk is full, the folder is gone …
        """
        known = attrs.evolve(self, tensors={})
        text = json.dumps({"schema_version": SCHEMA_VERSION, "state": _json.unstructure(known)})
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        write_atomically(path, safetensors.torch.save(contiguous, {_METADATA_KEY: text}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a state back.

        Raises:
            EnergyError: the file is damaged, or of another version.
        """
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                described = json.loads((file.metadata() or {})[_METADATA_KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
            raise EnergyError(
                f"{path} cannot be read ({error}), so the training in {path.parent} cannot go on. "
                "Restore it, or train into another folder."
            ) from error
        if described.get("schema_version") != SCHEMA_VERSION:
            raise EnergyError(
                f"{path} has schema version {described.get('schema_version')}; this leanebm goes on from "
                f"{SCHEMA_VERSION}. Finish the training with the leanebm that began it."
            )
        return attrs.evolve(_json.structure({**described["state"], "tensors": {}}, cls), tensors=tensors)

    def differences(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """One phrase a setting that differs, such as ``$.trainer.seed: 0 in the folder, 1 now``."""
        theirs, ours = dict(_leaves("$", self.settings)), dict(_leaves("$", settings))
        return tuple(
            f"{path}: {theirs.get(path)!r} in the folder, {ours.get(path)!r} now"
            for path in sorted({*theirs, *ours})
            if theirs.get(path) != ours.get(path)
        )


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(f"{path}.{key}", below)
    else:
        yield path, list(value) if isinstance(value, tuple) else value  # JSON knows no tuples
