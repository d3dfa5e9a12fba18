"""Which stages of an iteration are done."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs

from leanebm.errors import ConfigError
from leanebm.pipeline.events import Observer, stage
from leanebm.pipeline.iteration.manifest import IterationManifest, StageRecord, digest_of

Found = tuple[str, dict[str, Any]]
"""A stage's output, hashed, and its figures."""


@attrs.define
class Ledger:
    """Does the stages that are not done, and writes down each one as it ends."""

    folder: Path
    manifest: IterationManifest
    """As it was before the first stage; the one on the disk has the stages."""

    observer: Observer
    done: list[StageRecord] = attrs.field(init=False, factory=list)

    def open(self, *, resume: bool) -> None:
        """Make sure that the folder is new, or holds this very iteration.

        Raises:
            ConfigError: it does not.
        """
        before = IterationManifest.read(self.folder)
        if before is not None and not resume:
            raise ConfigError(
                f"{self.folder} holds an iteration",
                ["add --resume to go on with it, or choose another folder @ --output"],
            )
        if before is not None and (differences := self.manifest.differences(before)):
            raise ConfigError(f"{self.folder} holds an iteration with other settings or theorems:", differences)

    async def stage(
        self, name: str, seed: int, inputs: Mapping[str, str], work: Callable[[Path], Awaitable[Found]]
    ) -> StageRecord:
        """Do ``work`` in the stage's folder, unless that says that it is done.

        Raises:
            ConfigError: it was done with other inputs.
        """
        folder, inputs = self.folder / name, {"settings": digest_of(self.manifest.settings), **inputs}
        record = StageRecord.read(folder)
        if record is None:
            cpu_s, wall_s = _cpu_s(), time.monotonic()
            with stage(self.observer, name.replace("rounds/", "round ").replace("/", ", "), f"in {folder}"):
                output, result = await work(folder)
            cost = {"cpu_s": round(_cpu_s() - cpu_s, 3), "wall_s": round(time.monotonic() - wall_s, 3)}
            record = StageRecord(
                stage=name, seed=seed, inputs=inputs, output=output, result=result, versions=_versions(), cost=cost
            )
            record.write(folder)
        elif record.inputs != inputs:
            changed = sorted(key for key in {*inputs, *record.inputs} if inputs.get(key) != record.inputs.get(key))
            raise ConfigError(
                f"{folder} was made from other {' and '.join(changed)} than are there now",
                ["delete it and what came after it to have it made again, or choose another folder @ --output"],
            )
        self.done.append(record)
        attrs.evolve(self.manifest, stages=tuple(self.done)).write(self.folder)
        return record

    def output(self, name: str) -> str:
        """The hash of what the stage ``name`` found; a word where there was no such stage."""
        return next((record.output for record in self.done if record.stage == name), "none")


def _cpu_s() -> float:
    """Seconds of processors that this process took, and those below it that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _versions() -> dict[str, str]:
    return {"leanebm": version("leanebm"), "torch": version("torch"), "python": platform.python_version()}
