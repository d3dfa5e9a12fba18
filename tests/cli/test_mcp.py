"""``leanebm mcp``, asked by the SDK's own client over a pipe, with the real Lean behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leanebm.lean.embedded import EmbeddedLean

mcp: Any = pytest.importorskip("mcp")

SOURCE = str(Path(__file__).parents[2] / "src")
COMMAND = ["-c", "from leanebm.cli import main; main()", "mcp", "--lean", "embedded", "--num-workers", "1"]


def answer(result: Any) -> dict[str, Any]:
    assert not result.is_error, result.content
    told: dict[str, Any] = json.loads(result.content[0].text)
    return told


@pytest.mark.lean
@pytest.mark.filterwarnings("default")
async def test_an_agent_opens_steps_proves_and_certifies(embedded_lean: EmbeddedLean, tmp_path: Path) -> None:
    assert embedded_lean.node.is_file()
    home = str(Path.home())
    server = mcp.StdioServerParameters(
        command=sys.executable, args=COMMAND, env={"PYTHONPATH": SOURCE, "HOME": home}, cwd=str(tmp_path)
    )
    async with mcp.Client(server) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"open", "step", "close", "prove", "certify"}
        opened = answer(await client.call_tool("open", {"statement": "∀ n : Nat, 0 + n = n"}))
        session = opened["session"]
        refused = answer(await client.call_tool("step", {"session": session, "state": 0, "tactic": "rfl'"}))
        assert refused["outcome"] == "rejected"
        introduced = answer(await client.call_tool("step", {"session": session, "state": 0, "tactic": "intro n"}))
        assert "⊢ 0 + n = n" in introduced["goals"]
        done = answer(
            await client.call_tool("step", {"session": session, "state": introduced["state"], "tactic": "simp"})
        )
        assert done["outcome"] == "finished"
        proof = {"statement": "∀ n : Nat, 0 + n = n", "tactics": done["tactics"]}
        assert answer(await client.call_tool("certify", proof))["certified"] is True
        cheat = answer(await client.call_tool("certify", {"statement": "1 = 2", "tactics": ["sorry"]}))
        assert cheat["certified"] is False
        assert answer(await client.call_tool("prove", {"statement": "2 + 2 = 4"}))["certified"] is True
        wrong = await client.call_tool("open", {"statement": "1 +"})
        assert wrong.is_error
        assert answer(await client.call_tool("close", {"session": session})) == {"closed": session}


def test_a_client_that_hangs_up_at_once_ends_it_and_standard_output_stays_clean() -> None:
    """No Lean is waited for."""
    done = subprocess.run(
        [sys.executable, *COMMAND],
        input="",
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={"PYTHONPATH": SOURCE, "HOME": str(Path.home()), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
