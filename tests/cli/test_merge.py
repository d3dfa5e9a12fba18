from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Leanebm = Callable[..., Result]


@pytest.fixture
def shares(leanebm_command: Leanebm, tmp_path: Path, toy_lean: object) -> list[str]:
    """The folders of two machines, which did one share each."""
    del toy_lean
    (tmp_path / "theorems.txt").write_text("3\n8\n31\n")
    search = ("search", "--theorems", "theorems.txt", "--engine", "shards")
    for number in "12":
        assert leanebm_command(*search, "--shard", f"{number}/2", "--output", f"runs/{number}").exit_code == 0
    return ["runs/1", "runs/2"]


def test_shares_become_one_run(leanebm_command: Leanebm, shares: list[str]) -> None:
    result = leanebm_command("merge", *shares, "--output", "runs/all")
    assert result.exit_code == 0
    assert result.stdout.startswith("3 of 3 theorems proved and certified\n")
    assert "proofs:       runs/all/proofs" in result.stdout
    assert json.loads(leanebm_command("summary", "runs/all", "--json").stdout)["proved"] == 3
    resumed = ("search", "--theorems", "theorems.txt", "--output", "runs/all", "--resume")
    assert "searching nothing more: all is done" in leanebm_command(*resumed).stderr


@pytest.mark.parametrize(
    "command",
    [
        ("summary", "runs/shared"),
        ("export", "runs/shared", "--output", "pairs.jsonl", "--overwrite"),
        ("compare", "runs/shared", "runs/shared"),
        ("view", "runs/shared", "--text"),
        ("view", "runs/shared", "--text", "--theorem", "line_2"),
    ],
)
def test_a_folder_with_parts_is_read_as_what_it_will_be_merged_to(
    leanebm_command: Leanebm, shares: list[str], command: tuple[str, ...]
) -> None:
    for share in shares:
        shutil.copytree(f"{share}/trajectory", "runs/shared/trajectory", dirs_exist_ok=True)
    before = leanebm_command(*command)
    assert before.exit_code == 0
    assert leanebm_command("merge", "runs/shared").exit_code == 0
    after = leanebm_command(*command)
    assert (after.exit_code, after.stdout) == (0, before.stdout)
    assert before.stdout or Path("pairs.jsonl").stat().st_size


def test_what_cannot_be_merged_is_one_message(leanebm_command: Leanebm, shares: list[str]) -> None:
    Path("empty").mkdir()
    result = leanebm_command("merge", *shares, "empty")
    assert result.exit_code == 2
    assert "no results @ empty" in result.stderr
