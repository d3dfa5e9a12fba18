from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from fake_worker import fake_worker_argv

Leanebm = Callable[..., Result]


@pytest.fixture
def arguments(leanebm_command: Leanebm) -> list[str]:
    """Two theorems, one of which does not elaborate, on a fake Lean."""
    assert leanebm_command is not None
    Path("theorems.txt").write_text("P\nbad P\n")
    Path("fake.toml").write_text(f"[lean.backend]\nkind = 'command'\nargv = {json.dumps(fake_worker_argv())}\n")
    tactics = ["--tactic", "done", "--tactic", "step"]
    return ["probe", "--theorems", "theorems.txt", "--config", "fake.toml", "--num-workers", "1", *tactics]


def test_a_table_says_which_tactic_closes_what(leanebm_command: Leanebm, arguments: list[str]) -> None:
    result = leanebm_command(*arguments)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert lines[0] == ["theorem", "done", "step"]
    assert ["line_1", "+"] in lines
    assert ["line_2", "?", "?"] in lines
    assert "0 of 2 need a search" in result.stdout


def test_json_holds_the_same(leanebm_command: Leanebm, arguments: list[str]) -> None:
    answer = json.loads(leanebm_command(*arguments, "--json").stdout)
    assert answer["closed"] == {"done": 1, "step": 0}
    assert answer["needs_search"] == 0
    one, bad = answer["theorems"]
    assert one == {"name": "line_1", "closed_by": ["done"], "error": ""}
    assert bad["error"]
