"""One guarded child process: lines in, lines out, a tail of its standard error, and its certain end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import termios
from collections.abc import Callable
from typing import cast

import psutil

from leanebm._cancelled import uninterrupted
from leanebm.lean._child import GUARD
from leanebm.lean.backends.base import WorkerCommand

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_STDERR_TAIL_BYTES = 16 * 1024
_ORDERLY_END_S = 2.0
_REAP_DEADLINE_S = 10.0


class LineTooLongError(ValueError):
    """A line grew beyond the limit before its end was seen."""


class LineBuffer:
    """Collects bytes as they come and hands out complete lines without their newline.

    Holds at most ``max_line_bytes`` of an unfinished line.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._bytes = bytearray()
        # Everything before this offset is known to hold no newline, so a long line is scanned once.
        self._scanned = 0

    def __bool__(self) -> bool:
        """Whether anything is waiting, a complete line or not."""
        return bool(self._bytes)

    def feed(self, data: bytes) -> None:
        """Append ``data``."""
        self._bytes += data

    def next_line(self) -> bytes | None:
        """Take the oldest complete line, or ``None`` while there is none.

        Raises:
            LineTooLongError: the line, finished or not, is longer than the limit.
        """
        end = self._bytes.find(b"\n", self._scanned)
        length = len(self._bytes) if end < 0 else end
        if length > self._max_line_bytes:
            raise LineTooLongError(f"a line of more than {self._max_line_bytes} bytes")
        if end < 0:
            self._scanned = length
            return None
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        self._scanned = 0
        return line

    @property
    def is_overfull(self) -> bool:
        """Whether more is held than any line may have, so that reading on is pointless."""
        return len(self._bytes) > self._max_line_bytes


def kill_group(pid: int) -> None:
    """Kill every process of the group that ``pid`` leads or led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _bytes_waiting(pipe: asyncio.ReadTransport) -> int:
    """How much the kernel holds for us. The event loop reports it only at its next turn."""
    if pipe.is_closing():
        return 0
    answer = fcntl.ioctl(pipe.get_extra_info("pipe"), termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


class _Pipes(asyncio.SubprocessProtocol):
    """What the event loop reports about the child."""

    def __init__(self, max_line_bytes: int, on_output: Callable[[], None]) -> None:
        self.lines = LineBuffer(max_line_bytes)
        self.stderr = bytearray()
        self.is_at_eof = False
        self.exited = asyncio.Event()
        self.output = asyncio.Event()
        self._on_output = on_output
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _STDERR:
            self.stderr += data
            del self.stderr[:-_STDERR_TAIL_BYTES]
            return
        self.lines.feed(data)
        if self.lines.is_overfull and self._transport is not None:
            # Nobody will ever take what is held now; what follows stays in the kernel's pipe.
            cast("asyncio.ReadTransport", self._transport.get_pipe_transport(_STDOUT)).pause_reading()
        self._tell()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        if fd == _STDOUT:
            self.is_at_eof = True
            self._tell()

    def process_exited(self) -> None:
        self.exited.set()
        if self._transport is not None:
            # Whatever the guard left behind (everything, if it was killed itself) holds the pipes open.
            kill_group(self._transport.get_pid())

    def _tell(self) -> None:
        self.output.set()
        self._on_output()


class ChildProcess:
    """A worker's process, in a session of its own, that cannot outlive us.

    It is started through ``_guard.py``, which starts it on our word, and kills it when the pipe whose write
    end we hold is closed. That is our orderly way to end it, and the kernel's way when we are killed ourselves.
    """

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes, lifeline: int) -> None:
        self._transport = transport
        self._pipes = pipes
        self._lifeline: int | None = lifeline
        self._stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(_STDIN))
        self._stdout = cast("asyncio.ReadTransport", transport.get_pipe_transport(_STDOUT))
        self._family: tuple[psutil.Process, ...] = ()

    @classmethod
    async def spawn(
        cls, command: WorkerCommand, *, max_line_bytes: int, on_output: Callable[[], None] = lambda: None
    ) -> ChildProcess:
        """Start ``command``; ``on_output`` is called whenever it wrote something or ended."""
        guarded, lifeline = os.pipe()
        arguments = (str(guarded), str(command.stack_mib or 0), *command.argv)
        try:
            transport, pipes = await asyncio.get_running_loop().subprocess_exec(
                lambda: _Pipes(max_line_bytes, on_output),
                *(sys.executable, "-I", "-S", str(GUARD), *arguments),
                cwd=command.cwd,
                env=dict(command.env),
                pass_fds=(guarded,),
                start_new_session=True,
            )
            # Only now may the program start: had we been cancelled before, nobody would know its group.
            with contextlib.suppress(BrokenPipeError):
                os.write(lifeline, b"!")
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(guarded)
        return cls(transport, pipes, lifeline)

    @property
    def pid(self) -> int:
        """Process id of the guard, which is also the id of the process group."""
        return self._transport.get_pid()

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; ``None`` while it runs."""
        return self._transport.get_returncode()

    @property
    def has_unread_output(self) -> bool:
        """Whether it wrote something that was not read yet, by us or by the event loop."""
        return bool(self._pipes.lines) or _bytes_waiting(self._stdout) > 0

    @property
    def is_at_eof(self) -> bool:
        """Whether it closed its standard output; what it wrote before may still be unread."""
        return self._pipes.is_at_eof

    @property
    def stderr_tail(self) -> str:
        """The last of what it wrote to standard error, at most 16 KiB."""
        return self._pipes.stderr.decode("utf-8", "replace").strip()

    def write(self, line: bytes) -> None:
        """Write one line, its newline included; what is wrong with the process is noticed at the next read.

        Does not wait: what a process that does not read leaves in our memory is the one line it was asked.
        """
        self._stdin.write(line)

    async def read_line(self) -> bytes:
        """The next line of its standard output, without the newline.

        Raises:
            EOFError: it closed its standard output or ended; a half-written line is not a line.
            LineTooLongError: the line exceeds the limit.
        """
        while (line := self._pipes.lines.next_line()) is None:
            if self._pipes.is_at_eof:
                raise EOFError
            self._pipes.output.clear()
            await self._pipes.output.wait()
        return line

    def find_family(self) -> None:
        """Remember which processes make up this worker, so that :meth:`rss_mib` need not search for them.

        To be called once the program has started everything it starts.
        """
        with contextlib.suppress(psutil.Error, OSError):
            self._family = tuple(psutil.Process(self.pid).children(recursive=True))

    def rss_mib(self) -> float:
        """Resident memory of the worker's processes, in MiB; 0 once they are gone."""
        total = 0
        for process in self._family:
            with contextlib.suppress(psutil.Error, OSError):  # gone, or we have no descriptor left to look with
                total += process.memory_info().rss
        return total / 2**20

    async def kill(self) -> None:
        """End the whole group and reap it; done to the end even when the caller is cancelled. May be repeated."""
        await uninterrupted(self._kill())

    async def _kill(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
            # The guard now kills the program and reaps it, so that init is left no zombie.
            await self.exited_within(_ORDERLY_END_S)
        if self.returncode is None:  # else the id may belong to another process by now
            kill_group(self.pid)
            await self.exited_within(_REAP_DEADLINE_S)
        self._transport.close()

    async def exited_within(self, seconds: float) -> None:
        """Wait until the process has ended, but no longer than that; see :attr:`returncode`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pipes.exited.wait()
