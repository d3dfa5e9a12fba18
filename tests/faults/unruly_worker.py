"""A fake worker with worse manners than ``fake_worker.py`` has.

Run as a program, with the scenario and the path of that module. It adds these tactics:

==================  ==================================================================================
``stop``            stops its own process (SIGSTOP), as a debugger or an out-of-memory daemon might
``late``            answers properly, but too late for a deadline below a second
``babble``          answers with lines, for ever
``stream``          answers with one line, for ever
``wail``            writes to standard error for ever, and never answers
``wail N``          writes N bytes to standard error, then answers properly
``nul``             answers with NUL bytes
``dangle``          writes half an answer, then nothing
``close``           closes its standard output and lives on
``hoard``           takes ever more memory
``gain N``          takes N MiB of memory, keeps them, and answers properly
``stutter``         answers, and repeats that answer when it is asked the next thing
``grumble``         refuses, and repeats that refusal when it is asked the next thing
==================  ==================================================================================
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fake_worker import FakeWorker
else:
    FakeWorker = runpy.run_path(sys.argv[2])["FakeWorker"]

_MEBIBYTE = 2**20
_OVER_AT_LAST = {"late", "wail", "gain", "stutter"}


class UnrulyWorker(FakeWorker):
    """The program itself."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        super().__init__(scenario)
        self.last_line = b""
        self.repeats = 0

    def misbehave(self, text: str) -> bool:
        return super().misbehave(text) or text.split(" ")[0] in _OVER_AT_LAST

    def acts(self) -> dict[str, Callable[[str], None]]:
        return super().acts() | {
            "stop": lambda _: os.kill(os.getpid(), signal.SIGSTOP),
            "late": lambda _: time.sleep(1.0),
            # Many lines in one piece of the pipe: a first line alone would be an answer like any other.
            "babble": lambda _: self.write_for_ever(1, b'{"parseError": "and another thing"}\n' * 64),
            "stream": lambda _: self.write_for_ever(1, b"x" * _MEBIBYTE),
            "wail": self.do_wail,
            "nul": lambda _: self.write(b"\0\0\0\0\n"),
            "dangle": self.do_dangle,
            "close": self.do_close,
            "hoard": self.do_hoard,
            "gain": self.do_gain,
            "stutter": self.do_stutter,
            "grumble": self.do_stutter,
        }

    def write_for_ever(self, descriptor: int, data: bytes) -> None:
        while True:
            os.write(descriptor, data)

    def do_wail(self, size: str) -> None:
        if not size:
            self.write_for_ever(2, b"PANIC at toy: unreachable code\n" * 1000)
        left = int(size)
        while left > 0:
            left -= os.write(2, b"x" * min(left, _MEBIBYTE))

    def do_dangle(self, _: str) -> None:
        self.write(b'{"nextStateId": 7, "goa')
        signal.pause()

    def do_close(self, _: str) -> None:
        os.close(1)
        signal.pause()

    def do_hoard(self, _: str) -> None:
        hoard = []
        while True:
            hoard.append(b"x" * _MEBIBYTE)
            time.sleep(0.002)

    def do_gain(self, mebibytes: str) -> None:
        self.hoard = b"x" * (int(mebibytes) * _MEBIBYTE)

    def do_stutter(self, _: str) -> None:
        self.repeats = 2  # this answer is remembered, the next one is preceded by it

    def write(self, data: bytes) -> None:
        if self.repeats:
            self.repeats -= 1
            if self.repeats:
                self.last_line = data
            else:
                super().write(self.last_line)
                time.sleep(0.05)  # so that it is read alone, as if it were the answer
        super().write(data)


if __name__ == "__main__":
    UnrulyWorker(json.loads(sys.argv[1])).run()
