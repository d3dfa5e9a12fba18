from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from leanebm._cancelled import in_thread
from leanebm.lean._child import run_child


def shell(command: str) -> list[str]:
    return ["/bin/sh", "-c", command]


def test_status_and_output_are_told(tmp_path: Path) -> None:
    result = run_child(shell("echo out; echo err >&2; exit 3"), cwd=tmp_path, deadline_s=30.0)
    assert (result.status, result.timed_out) == (3, False)
    assert set(result.output.split()) == {"out", "err"}


def test_only_the_end_of_a_long_output_is_kept(tmp_path: Path) -> None:
    result = run_child(shell("yes | head -c 200000; echo end"), cwd=tmp_path, deadline_s=30.0)
    assert len(result.output) <= 16 * 1024
    assert result.output.endswith("end")


def test_the_environment_can_be_given(tmp_path: Path) -> None:
    result = run_child(shell('echo "$ONLY-$HOME"'), cwd=tmp_path, deadline_s=30.0, env={"ONLY": "this"})
    assert result.output == "this-"


def test_our_keys_are_not_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEANEBM_API_KEY", "hunter2")
    result = run_child(shell('echo "$PATH-$LEANEBM_API_KEY"'), cwd=tmp_path, deadline_s=30.0)
    assert result.output == f"{os.environ['PATH']}-"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_deadline_ends_the_child(tmp_path: Path) -> None:
    result = run_child(["sleep", "600"], cwd=tmp_path, deadline_s=0.0)
    assert result.timed_out
    assert result.status < 0


def test_an_exception_of_the_watcher_ends_the_child_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def stop() -> None:
        if pids.exists() and len(pids.read_text().split()) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(shell(f"sleep 600 & echo $! $$ > {pids}; wait"), cwd=tmp_path, deadline_s=30.0, on_poll=stop)
    grandchild, child = map(int, pids.read_text().split())
    assert not is_alive(child)
    while is_alive(grandchild):  # nobody's child now: killed already, reaped by the system in its own time
        os.sched_yield()


def _pids(file: Path) -> list[int]:
    while not file.exists() or len(file.read_text().split()) < 2:
        os.sched_yield()
    return [int(pid) for pid in file.read_text().split()]


def _wait_for_the_end_of(pids: list[int]) -> None:
    while any(map(is_alive, pids)):
        os.sched_yield()


_FAMILY = "sleep 600 & echo $! $$ > pids; wait"


def test_the_child_does_not_outlive_us(tmp_path: Path) -> None:
    ours = (
        "from pathlib import Path; from leanebm.lean._child import run_child; "
        f"run_child(['/bin/sh', '-c', {_FAMILY!r}], cwd=Path({str(tmp_path)!r}), deadline_s=600)"
    )
    with subprocess.Popen([sys.executable, "-c", ours]) as process:
        pids = _pids(tmp_path / "pids")
        process.kill()
    _wait_for_the_end_of(pids)


async def test_a_child_that_nobody_waits_for_any_more_is_ended(tmp_path: Path) -> None:
    running = asyncio.ensure_future(in_thread(partial(run_child, shell(_FAMILY), cwd=tmp_path, deadline_s=600.0)))
    pids = await asyncio.to_thread(_pids, tmp_path / "pids")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.to_thread(_wait_for_the_end_of, pids)


def test_a_program_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    for program in ("no-such-program-here", str(tmp_path / "data")):
        with pytest.raises(OSError, match=f"cannot run '{program}'"):
            run_child([program], cwd=tmp_path, deadline_s=30.0)
    with pytest.raises(FileNotFoundError):
        run_child(["true"], cwd=tmp_path / "nowhere", deadline_s=30.0)
