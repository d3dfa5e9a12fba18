from __future__ import annotations

import subprocess
from pathlib import Path

import attrs
import pytest

from leanebm.errors import WorkerStartError
from leanebm.lean import LeanPoolConfig
from leanebm.lean._tasks import serving
from leanebm.lean._worker import LeanWorker
from leanebm.lean.embedded.embedded_lean import REPL_SOURCES, EmbeddedLean

LEAN = EmbeddedLean(node=Path("/n/node"), runtime=Path("/c/lean"), repl=Path("/c/repl"), lean_version="4.0.0")


def test_a_worker_is_started_over_its_imports() -> None:
    command = LEAN.worker_command(("Init", "Std"))
    assert command.backend == "embedded"
    assert command.argv[0] == "/n/node"
    assert command.argv[-4:] == ("/c/lean/lean.js", "ReplProgram", "Init", "Std")
    assert command.env["LEAN_PATH"] == "/c/lean/lib:/c/repl"


def test_a_worker_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("NODE_OPTIONS", "--inspect")
    env = LEAN.worker_command().env
    assert "OPENAI_API_KEY" not in env
    assert "NODE_OPTIONS" not in env


def test_v8_does_not_use_up_the_whole_stack() -> None:
    command = LEAN.worker_command()
    (flag,) = [argument for argument in command.argv if argument.startswith("--stack-size=")]
    assert command.stack_mib is not None
    assert int(flag.partition("=")[2]) / 1024 < 0.9 * command.stack_mib


def test_our_sources_ship_with_the_package() -> None:
    launchers = ("launch.js", "launch_compile.js", "launch_image.js")
    for name in ("Repl.lean", "compile.lean", *launchers, "keyed.js", "runtime.js", "symbols.js", "watchdog.js"):
        assert (REPL_SOURCES / name).is_file()


def test_modules_that_are_not_in_the_library_are_named(tmp_path: Path) -> None:
    (tmp_path / "lib" / "Init").mkdir(parents=True)
    for file in ("Init.olean", "Init/Core.olean"):
        (tmp_path / "lib" / file).touch()
    lean = attrs.evolve(LEAN, runtime=tmp_path)
    assert lean.absent(["Init", "Init.Core"]) == ()
    assert lean.absent(["Mathlib", "Init", "Init.Cor", "Init.Core.olean"]) == ("Mathlib", "Init.Cor", "Init.Core.olean")


@pytest.mark.lean
def test_the_repls_code_runs_without_the_library(embedded_lean: EmbeddedLean) -> None:
    """Half of a worker's memory was modules that only the REPL's types are made of."""
    command = embedded_lean.worker_command(("--version",))
    no_root = embedded_lean.library / "Lake"  # Lean wants some folder beside the script
    env = {**command.env, "LEAN_PATH": f"{no_root}:{embedded_lean.repl}"}
    shown = subprocess.run(command.argv, env=env, cwd=command.cwd, capture_output=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"leanebm's REPL, Lean 4." in shown.stdout


@pytest.mark.lean
async def test_a_part_that_was_removed_meanwhile_is_named(embedded_lean: EmbeddedLean, tmp_path: Path) -> None:
    """As by another version of leanebm that tidies up the cache."""
    command = attrs.evolve(embedded_lean, repl=tmp_path / "repl").worker_command()
    async with serving() as servants:
        with pytest.raises(WorkerStartError, match=r"/repl is gone.* start again"):
            await LeanWorker.start(command, LeanPoolConfig.embedded(), index=0, servants=servants)
