from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
from cancellation import cancel_at_every_await
from hypothesis import given
from hypothesis import strategies as st

from leanebm.lean import WorkerCommand
from leanebm.lean._process import ChildProcess, LineBuffer, LineTooLongError

Spawn = Callable[..., Awaitable[ChildProcess]]
_PIDS = "sh -c 'echo $$; exec sleep 1000' & echo $$; wait"


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn]:
    """Starts shell scripts, and ends them with the test."""
    async with AsyncExitStack() as stack:

        async def start(script: str, *, max_line_bytes: int = 1000) -> ChildProcess:
            command = WorkerCommand(backend="shell", argv=("sh", "-c", script))
            process = await ChildProcess.spawn(command, max_line_bytes=max_line_bytes)
            stack.push_async_callback(process.kill)
            return process

        yield start


async def test_lines_go_in_and_come_out(spawn: Spawn) -> None:
    process = await spawn("read a; echo got $a; echo more")
    process.write(b"hello\n")
    assert await process.read_line() == b"got hello"
    assert await process.read_line() == b"more"
    with pytest.raises(EOFError):
        await process.read_line()
    await process.exited_within(60)
    assert process.returncode == 0


async def test_half_a_line_is_not_a_line(spawn: Spawn) -> None:
    process = await spawn("printf half")
    with pytest.raises(EOFError):
        await process.read_line()


async def test_an_endless_line_is_given_up_and_not_stored(spawn: Spawn) -> None:
    process = await spawn("while :; do printf 0123456789; done", max_line_bytes=5000)
    with pytest.raises(LineTooLongError):
        await process.read_line()


async def test_a_child_that_does_not_read_does_not_block_its_end(spawn: Spawn) -> None:
    process = await spawn("exec sleep 1000")
    process.write(b"x" * 2**22)
    await asyncio.sleep(0)
    await process.kill()
    assert process.returncode is not None


async def test_only_the_tail_of_standard_error_is_kept(spawn: Spawn) -> None:
    process = await spawn("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; echo done")
    assert await process.read_line() == b"done"
    await process.exited_within(60)
    assert process.stderr_tail.endswith("line 2999")
    assert len(process.stderr_tail) <= 16 * 1024


async def _family(process: ChildProcess) -> list[psutil.Process]:
    return [psutil.Process(int(await process.read_line())) for _ in range(2)]


def _assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


async def test_kill_ends_and_reaps_the_group(spawn: Spawn) -> None:
    process = await spawn(_PIDS)
    members = await _family(process)
    await process.kill()
    _assert_gone(members)
    assert not psutil.pid_exists(process.pid)
    await process.kill()  # once more does no harm


async def test_kill_is_done_to_the_end_although_the_caller_is_cancelled(spawn: Spawn) -> None:
    process = await spawn(_PIDS)
    members = await _family(process)
    killing = asyncio.ensure_future(process.kill())
    await asyncio.sleep(0)
    killing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killing
    assert process.returncode is not None
    _assert_gone(members)


async def test_a_killed_guard_takes_its_program_along(spawn: Spawn) -> None:
    process = await spawn(_PIDS)
    members = await _family(process)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(EOFError):
        await process.read_line()
    _assert_gone(members)


async def test_a_stopped_guard_is_killed_all_the_same(spawn: Spawn) -> None:
    process = await spawn(_PIDS)
    members = await _family(process)
    os.kill(process.pid, signal.SIGSTOP)
    await process.kill()
    assert process.returncode == -signal.SIGKILL
    _assert_gone(members)


async def test_memory_is_that_of_the_program_not_of_the_guard(spawn: Spawn) -> None:
    hoarder = "import sys; hoard = b'x' * (64 * 2**20); print(flush=True); sys.stdin.read()"
    process = await spawn(f'exec {sys.executable} -c "{hoarder}"')
    await process.read_line()
    process.find_family()
    assert process.rss_mib() >= 64
    await process.kill()
    assert process.rss_mib() == 0


async def test_a_working_directory_that_does_not_exist_is_an_os_error() -> None:
    command = WorkerCommand(backend="shell", argv=("true",), cwd=Path("/no-such-directory"))
    with pytest.raises(OSError, match="no-such-directory"):
        await ChildProcess.spawn(command, max_line_bytes=1000)


async def test_a_start_that_is_cancelled_never_runs_the_program(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    command = WorkerCommand(backend="shell", argv=("sh", "-c", f"touch {ran}; exec sleep 1000"))
    before = psutil.Process().children()
    was_started = False

    async def start_and_end() -> None:
        nonlocal was_started
        was_started = False
        ran.unlink(missing_ok=True)
        process = await ChildProcess.spawn(command, max_line_bytes=1000)
        was_started = True
        await process.kill()

    async def check() -> None:
        assert psutil.Process().children() == before
        assert was_started or not ran.exists()

    sweep = await cancel_at_every_await(start_and_end, afterwards=check)
    assert sweep.cancellations > 4


# --- lines ---


_lines = st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"\n", b" ")), max_size=6)


@given(lines=_lines, cuts=st.lists(st.integers(0, 140)), rest=st.sampled_from([b"", b"half"]))
def test_lines_come_out_whole_however_the_bytes_came_in(lines: list[bytes], cuts: list[int], rest: bytes) -> None:
    data = b"".join(line + b"\n" for line in lines) + rest
    buffer = LineBuffer(100)
    taken = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        buffer.feed(data[start:end])
        while (line := buffer.next_line()) is not None:
            taken.append(line)
    assert taken == lines
    assert bool(buffer) == bool(rest)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_over_the_limit_is_refused_finished_or_not(end: bytes) -> None:
    buffer = LineBuffer(4)
    buffer.feed(b"12345" + end)
    assert buffer.is_overfull
    with pytest.raises(LineTooLongError, match="4 bytes"):
        buffer.next_line()


def test_a_line_of_exactly_the_limit_is_accepted() -> None:
    buffer = LineBuffer(4)
    buffer.feed(b"1234\n")
    assert buffer.next_line() == b"1234"
