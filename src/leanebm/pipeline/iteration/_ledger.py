"""Which stages of an iteration are done, and who does them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import psutil

from leanebm._shown import sentence
from leanebm.errors import ConfigError, LeanEbmError
from leanebm.pipeline._pulse import BEATS_TO_EXPIRE, lease_in, pulse
from leanebm.pipeline.events import Observer, stage
from leanebm.pipeline.iteration.manifest import IterationManifest, StageRecord, digest_of

T = TypeVar("T")

Found = tuple[str, dict[str, Any]]
"""A stage's output, hashed, and its figures."""

_ALIVE: Final = "alive"
"""A file that changes as long as the process lives that iterates."""


_AGAIN: Final = "delete it, validation and test beside it, and what came after it to have it made again"


@attrs.define
class Ledger:
    """Does the stages that are not done, and writes down each one as it ends.

    One process does so. Those that joined it help with the work that can be shared out, and otherwise wait until the
    stage is written down.
    """

    folder: Path
    manifest: IterationManifest
    """As it was before the first stage; the one on the disk has the stages."""

    observer: Observer
    gives_up_s: float | None = None
    """Seconds without a sign of life from the process that iterates, after which one that joined it gives up, unless
    that process says after how many; ``None`` for the process that iterates."""

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
        if before is not None:
            self._compare(before)

    def begin(self) -> None:
        """Say what is iterated on, before the first stage is done, for those who join."""
        if IterationManifest.read(self.folder) is None:
            self.manifest.write(self.folder)

    async def join(self) -> None:
        """Wait until another process iterates in the folder.

        Raises:
            ConfigError: its settings or theorems are others.
            LeanEbmError: none does.
        """
        self._compare(await self._awaited(lambda: IterationManifest.read(self.folder)))

    async def caught_up(self) -> None:
        """Wait until the manifest on the disk has all that is done."""

        def has_all() -> bool | None:
            manifest = IterationManifest.read(self.folder)
            return (manifest is not None and len(manifest.stages) >= len(self.done)) or None

        await self._awaited(has_all)

    def _compare(self, before: IterationManifest) -> None:
        if differences := self.manifest.differences(before):
            raise ConfigError(
                f"{self.folder} holds an iteration with other settings or theorems. Set these as they were, or choose "
                "another folder @ --output. This one has:",
                differences,
            )

    async def stage(
        self,
        name: str,
        seed: int,
        inputs: Mapping[str, str],
        work: Callable[[Path], Awaitable[Found]],
        *,
        shared: Callable[[Path], Awaitable[object]] | None = None,
        holds: Callable[[StageRecord], bool] | None = None,
    ) -> StageRecord:
        """Do ``work`` in the stage's folder, unless that says that it is done.

        Args:
            name: the stage's folder.
            seed: of its random choices.
            inputs: SHA-256 of what it is given, by name.
            work: does all of it.
            shared: does as much of it as several processes can share; ``work`` begins with it.
            holds: whether what was found is still there, as far as later stages read it; asked of a stage that is done.

        Raises:
            ConfigError: it was done with other inputs, or what it found is not there any more.
            LeanEbmError: the process that this one joined is gone.
        """
        folder, inputs = self.folder / name, {"settings": digest_of(self.manifest.settings), **inputs}
        record = StageRecord.read(folder)
        if record is None and self.gives_up_s is not None:
            with stage(self.observer, f"helping with {_spoken(name)}", f"in {folder}"):
                if shared is not None:
                    # One that does not share its folder shows no life, and could not write there beside this one.
                    await self._awaited(lambda: self._beat() or StageRecord.read(folder))
                    await shared(folder)
                record = await self._awaited(lambda: StageRecord.read(folder))
        if record is None:
            cpu_s, wall_s = _cpu_s(), time.monotonic()
            with stage(self.observer, _spoken(name), f"in {folder}"):
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
                [_AGAIN, "or choose another folder @ --output"],
            )
        elif holds is not None and self.gives_up_s is None:
            self.require(record, holds)
        self.done.append(record)
        if self.gives_up_s is None:
            self._gather()
        return record

    def require(self, record: StageRecord, holds: Callable[[StageRecord], bool]) -> None:
        """See that what a stage found is still there.

        Raises:
            ConfigError: it is not.
        """
        try:
            why = "" if holds(record) else ": some of it is another now, or is gone"
        except (LeanEbmError, OSError, ValueError) as error:
            why = f": {sentence(error)}"
        if why:
            raise ConfigError(
                f"{_spoken(record.stage)} is done, and {self.folder} does not hold what it found{why}",
                [f"restore the files of {self.folder / record.stage}, or {_AGAIN}"],
            )

    def _gather(self) -> None:
        """Let the manifest on the disk have all that is done; what it says of later stages stays while it is true."""
        before = IterationManifest.read(self.folder)
        if before is None or list(before.stages[: len(self.done)]) != self.done:
            attrs.evolve(self.manifest, stages=tuple(self.done)).write(self.folder)

    async def _awaited(self, look: Callable[[], T | None]) -> T:
        """What ``look`` sees, once that is there."""
        own_s = self.gives_up_s or 0.0
        heard, since_s = "", time.monotonic()
        while (seen := look()) is None:
            gives_up_s = lease_in(heard, own_s)
            if (beat := self._beat()) != heard:
                heard, since_s = beat, time.monotonic()
            elif time.monotonic() - since_s >= gives_up_s:
                raise LeanEbmError(
                    f"the process that iterates in {self.folder} has shown no sign of life for {gives_up_s:g} s. Start "
                    "it with --engine shards, with --resume if it had begun, and then this one again"
                )
            await asyncio.sleep(min(1.0, gives_up_s / BEATS_TO_EXPIRE))
        return seen

    def _beat(self) -> str:
        try:
            return (self.folder / _ALIVE).read_text()
        except (OSError, ValueError):
            return ""

    @contextmanager
    def showing_life(self, expires_s: float) -> Iterator[None]:
        """Let others see that this process lives, until the block is left.

        A thread does it, which no training holds up.

        Args:
            expires_s: seconds after which this process, if it is silent, is taken for dead.
        """
        left = threading.Event()

        def beat() -> None:
            count = 0
            while not left.is_set():
                count += 1
                with contextlib.suppress(OSError):  # then those who joined give up, which costs nothing
                    (self.folder / _ALIVE).write_text(pulse(count, expires_s))
                left.wait(expires_s / BEATS_TO_EXPIRE)

        thread = threading.Thread(target=beat, name="sign of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join()
            with contextlib.suppress(OSError):
                (self.folder / _ALIVE).unlink()

    def output(self, name: str) -> str:
        """The hash of what the stage ``name`` found; a word where there was no such stage."""
        record = self.record(name)
        return "none" if record is None else record.output

    def record(self, name: str) -> StageRecord | None:
        """What is written down of the stage ``name``; ``None`` where there was no such stage."""
        return next((record for record in self.done if record.stage == name), None)


def _spoken(name: str) -> str:
    return name.replace("rounds/", "round ").replace("/", ", ")


def _cpu_s() -> float:
    """Seconds of processors that this process took, and those below it: Lean's workers, too, which outlive a stage."""
    spent = sum(os.times()[:4])  # without the fifth, which is the time of day
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended, and is among ours that have
            spent += sum(process.cpu_times()[:4])
    return spent


def _versions() -> dict[str, str]:
    return {"leanebm": version("leanebm"), "torch": version("torch"), "python": platform.python_version()}
