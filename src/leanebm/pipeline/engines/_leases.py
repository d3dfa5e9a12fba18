"""Who works on which item, kept as files in a folder that all workers see.

.. code-block:: text

    leases/
      NAME.0  NAME.1 …   claims; each holds its worker's name, after RELEASED once it has lost the item
      NAME.done          somebody's result is on the disk; holds that worker's name
      workers/WORKER     changes with every beat of that worker's heart; gone when it has left in good order

Three things are relied upon, and no more. Of several who create one file exclusively, one succeeds. Who opens a file
reads what was written before it was last closed. And a clock runs evenly on each machine: a worker is taken for dead
when another one has seen no beat for so long *by its own clock*, so that what the clocks say need not agree. For how
long says the worker that beats, so that leases need not be alike.

A claim is never removed and never changes hands. Who takes over from a dead worker creates the next one, and again one
alone succeeds. Thus a listing may be old: what follows from an old one is an attempt that fails.

What the files say is not trusted to be what a worker wrote: a machine that goes down leaves empty files, or zeros.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, final

from leanebm._shown import named_repr
from leanebm.pipeline._pulse import lease_in, pulse
from leanebm.storage import file_stem, not_written

MAX_CLAIMS: Final = 5
"""Claims of one item: one whose search kills whoever is at it must not kill all workers."""

_RELEASED: Final = "_"  # no worker's name begins so
_DONE: Final = "done"

_WORD: Final = re.compile(rb"[A-Za-z0-9_-]{1,100}")
"""What every file holds: a worker's name, with or without RELEASED, or a beat."""


@final
class Leases:
    """One worker's view of the claims, and its own.

    Every method may wait for a file system, and none is called by two threads at once.

    Args:
        folder: the same for all workers.
        worker: this one's name, which nobody had before.
        names: of the items that wait, in the order in which they are to be started.
        expires_s: seconds without a beat after which this worker is dead, and after which it begins what is slow
            elsewhere.
        clock: in seconds; runs evenly.
    """

    def __init__(
        self,
        folder: Path,
        worker: str,
        names: Iterable[str],
        *,
        expires_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._worker = worker
        self._beat_file = folder / "workers" / worker
        self._expires_s = expires_s
        self._clock = clock
        self._beats = 0
        self._names = {file_stem(name): name for name in names}
        self._unclaimed = deque(self._names)
        self._claims: dict[str, tuple[int, float]] = {}
        """Each claimed item's last claim, and when it was first seen here."""
        self._done: set[str] = set()
        self._outdated: dict[str, str] = {}
        """What marks say of items that wait all the same: Lean refused the statement, or the result is gone."""

        self._mine: dict[str, int] = {}
        self._lost: dict[str, float] = {}
        """Of mine, those that others may try, and since when."""

        self._heard: dict[str, tuple[str, float]] = {}
        """Each worker's last beat, and when it was first seen here."""

    __repr__ = named_repr("_folder", "_worker")

    def beat(self) -> None:
        """Say that this worker lives, and look at what the others did.

        Raises:
            ConfigError, TrajectoryError: the folder cannot be written to.
        """
        self._beats += 1
        with self._on_disk():
            self._beat_file.parent.mkdir(parents=True, exist_ok=True)
            self._beat_file.write_text(pulse(self._beats, self._expires_s))
            self._look()
            if self._beats == 1:
                self._doubt_marks()

    def leave(self) -> None:
        """Let go of everything at once."""
        with contextlib.suppress(OSError):  # then the others wait until this worker's last beat is old
            self._beat_file.unlink()

    def is_done(self, name: str) -> bool:
        """Whether somebody's result was on the disk at the last beat."""
        return file_stem(name) in self._done

    def claim(self) -> str | None:
        """Claim an item: the next one that nobody has, or else one whose worker is dead or slow.

        An item that another worker, who lives, has had for so long as it takes to expire is claimed a second time:
        who is idle has nothing better to do, and whoever is first, counts.

        Raises:
            ConfigError, TrajectoryError: the folder cannot be written to, as for all that follow.
        """
        with self._on_disk():
            return self._claim()

    def _claim(self) -> str | None:
        while self._unclaimed:
            stem = self._unclaimed.popleft()
            if stem not in self._claims and stem not in self._done and self._create(stem, 0):
                return self._names[stem]
        for stem, (number, seen_s) in list(self._claims.items()):
            if not self._is_open(stem) or number + 1 >= MAX_CLAIMS:
                continue
            is_slow = self._clock() - seen_s >= self._expires_s
            if not is_slow and self._lives(self._holder(stem, number), seen_s):
                continue
            if not self._ended_now(stem) and self._create(stem, number + 1):
                return self._names[stem]
        return None

    def is_waiting_for_others(self) -> bool:
        """Whether other workers who live are at items, or will try what was lost here.

        So one of these may have to be taken over yet, and nobody leaves before all is told. What has ended since the
        last beat is seen, at the cost of a look at those items that had not.
        """
        with self._on_disk():
            return any(self._may_end(stem) for stem in self._claims)

    def _may_end(self, stem: str) -> bool:
        """Whether another worker may end the item yet."""
        if not (self._is_open(stem) or stem in self._lost) or self._ended_now(stem):
            return False
        number, seen_s = self._claims[stem]
        holders = [self._holder(stem, each) for each in range(number + 1)]
        if any(self._lives(holder, seen_s) for holder in holders):
            return True
        if stem not in self._lost or number + 1 >= MAX_CLAIMS:
            return False
        if self._clock() - self._lost[stem] >= MAX_CLAIMS * self._expires_s:
            return False  # whoever is here has had the time: it may not be among their items
        tried = {holder.removeprefix(_RELEASED) for holder in holders}
        return any(self._lives(worker, seen_s) for worker in self._heard.keys() - tried)

    def unfinished(self) -> list[str]:
        """Items of which nobody has said that they are done."""
        return [name for stem, name in self._names.items() if stem not in self._done]

    def given_up(self) -> list[str]:
        """Items that were claimed so often, in vain, that nobody claims them again."""
        return [
            self._names[stem]
            for stem, (number, _) in self._claims.items()
            if stem not in self._done and number + 1 >= MAX_CLAIMS
        ]

    def end(self, name: str, *, is_final: bool) -> None:
        """Say what became of a claimed item: its result is on the disk, or it may be tried by another worker."""
        stem = file_stem(name)
        with self._on_disk():
            if not is_final:
                (self._folder / f"{stem}.{self._mine[stem]}").write_text(f"{_RELEASED}{self._worker}")
                self._lost[stem] = self._clock()
            elif stem in self._outdated:
                (self._folder / f"{stem}.{_DONE}").write_text(self._worker)
            else:
                with contextlib.suppress(FileExistsError):  # another worker was first
                    self._put(f"{stem}.{_DONE}", self._worker)
        if is_final:
            self._done.add(stem)

    def _look(self) -> None:
        now_s = self._clock()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                stem, _, kind = entry.name.rpartition(".")
                if stem not in self._names:
                    continue
                if kind == _DONE:
                    if stem not in self._done and self._is_marked(stem):
                        self._done.add(stem)
                elif kind.isdecimal() and (stem not in self._claims or int(kind) > self._claims[stem][0]):
                    self._claims[stem] = int(kind), now_s
        heard = {file.name: _text_of(file) for file in self._beat_file.parent.iterdir()}
        known = self._heard
        self._heard = {  # a file may be empty at first, and again while it is written anew
            worker: known[worker] if worker in known and known[worker][0] == beat else (beat, now_s)
            for worker, beat in heard.items()
        }

    def _doubt_marks(self) -> None:
        """Have those items done again that nobody who is here has finished.

        They wait, so when this worker came, the disk held no result of theirs: the statement was refused, and may be
        another one by now, or a damaged result was deleted.
        """
        for stem in list(self._done):
            finished_by = _text_of(self._folder / f"{stem}.{_DONE}")
            if finished_by not in self._heard and self._claims.get(stem, (0, 0.0))[0] + 1 < MAX_CLAIMS:
                self._outdated[stem] = finished_by
                self._done.remove(stem)

    def _is_marked(self, stem: str) -> bool:
        """Whether somebody says now that the item is done."""
        mark = self._folder / f"{stem}.{_DONE}"
        return mark.exists() and (stem not in self._outdated or _text_of(mark) != self._outdated[stem])

    def _ended_now(self, stem: str) -> bool:
        """Whether the item has ended since the last look; then it is known from now on."""
        if self._is_marked(stem):
            self._done.add(stem)
        return stem in self._done

    def _is_open(self, stem: str) -> bool:
        """Whether the item may concern this worker yet: what it has tried itself is for others."""
        return stem not in self._done and stem not in self._mine

    def _holder(self, stem: str, number: int) -> str:
        return _text_of(self._folder / f"{stem}.{number}")

    def _lives(self, worker: str, claimed_s: float) -> bool:
        if worker.startswith(_RELEASED):
            return False
        if worker and worker not in self._heard:  # it came, or left, since the last look
            return self._beat_file.with_name(worker).exists()
        if not worker:  # who claimed it has not written its name yet, or died before it could
            return self._clock() - claimed_s < self._expires_s
        beat, since_s = self._heard[worker]
        return self._clock() - since_s < lease_in(beat, self._expires_s)

    def _create(self, stem: str, number: int) -> bool:
        try:
            self._put(f"{stem}.{number}", self._worker)
        except FileExistsError:
            self._claims[stem] = number, self._clock()
            return False
        self._claims[stem] = number, self._clock()
        self._mine[stem] = number
        return True

    @contextlib.contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise not_written(self._folder, error) from error

    def _put(self, name: str, text: str) -> None:
        with (self._folder / name).open("x") as file:
            file.write(text)


def _text_of(file: Path) -> str:
    """What a file holds; empty if that is nothing that a worker writes."""
    try:
        with file.open("rb") as opened:
            content = opened.read(200)
    except (FileNotFoundError, IsADirectoryError):  # whoever wrote it has just left; none of ours
        return ""
    return content.decode() if _WORD.fullmatch(content) else ""
