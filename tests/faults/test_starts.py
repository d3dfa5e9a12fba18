"""Programs that never become a worker: the pool says why, within its deadline, and leaves nobody behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from leanebm.errors import WorkerStartError
from leanebm.lean import CommandBackend, LeanPool, LeanPoolConfig


def _config(script: str, deadline_s: float = 60.0, **settings: Any) -> LeanPoolConfig:
    backend = CommandBackend(argv=("sh", "-c", script), **settings)
    return LeanPoolConfig(
        backend=backend,
        num_workers=1,
        imports=(),
        startup_deadline_s=deadline_s,
        max_start_failures=1,
        max_line_bytes=4096,
    )


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "exit status 3"),
        ("kill -KILL $$", "killed by signal 9"),
        ("kill -STOP $$", "not ready after 0.5 s"),
        ("exec sleep 1000", "not ready after 0.5 s"),
        ("printf rea; exec sleep 1000", "not ready after 0.5 s"),
        ("exec 1>&-; exec sleep 1000", "closing its standard output"),
        ("echo Ready; exec sleep 1000", "(?s)not ready after 3 s.*it wrote:\nReady"),
        ("printf '\\377\\376ready.\\n'; exec sleep 1000", "(?s)not ready after 3 s.*it wrote:"),
        ("printf 'ready.\\000\\n'; exec sleep 1000", "(?s)not ready after 3 s.*it wrote:"),
        ("exec cat /dev/zero", "a line of more than 4096 bytes"),
        ("exec yes", r"(?s)not ready after 3 s.*it wrote:\ny"),
        ("echo ready.; exec yes", "worker protocol"),
        ("yes complaint >&2 & exec sleep 1000", "not ready after 0.5 s"),
        ("echo ready.", "exit status 0"),
        ("echo ready.; exec sleep 1000", "not ready after 0.5 s"),
        ("echo ready.; read stat; echo nonsense; exec sleep 1000", "not a line of JSON"),
        ("echo ready.; read stat; kill -KILL $$", "killed by signal 9"),
    ],
)
async def test_a_program_that_is_no_worker_is_told_apart(script: str, words: str) -> None:
    said = re.search(r"after ([0-9.]+) s", words)
    deadline_s = float(said[1]) if said else 60.0  # whatever else is wrong with it has the time to show
    with pytest.raises(WorkerStartError, match=words):
        async with LeanPool(_config(script, deadline_s)):
            pytest.fail("it was entered")


async def test_a_working_directory_that_is_gone_is_a_failed_start(tmp_path: Path) -> None:
    with pytest.raises(WorkerStartError, match="gone"):
        async with LeanPool(_config("exit 3", cwd=tmp_path / "gone")):
            pytest.fail("it was entered")
