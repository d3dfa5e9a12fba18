from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from leanebm.data import proofs_of, read_tactic_pairs

Leanebm = Callable[..., Result]


@pytest.mark.usefixtures("toy_lean")
def test_the_proofs_of_several_runs_become_one_file(leanebm_command: Leanebm) -> None:
    Path("a.txt").write_text("3\n8\n")
    Path("b.txt").write_text("1\n")
    for name in ("a", "b"):
        assert leanebm_command("search", "--theorems", f"{name}.txt", "--output", f"runs/{name}").exit_code == 0
    result = leanebm_command("export", "runs/a", "runs/b/trajectory", "--output", "new/pairs.jsonl")
    assert result.exit_code == 0
    assert "3 certified proofs, " in result.stdout
    assert "proofs by length: 1 of 1, " in result.stdout
    assert "rows of pairs, written to new/pairs.jsonl" in result.stdout
    again = ["export", "runs/a", "--output", "new/pairs.jsonl"]
    refused = leanebm_command(*again)
    assert refused.exit_code == 2
    assert "pairs.jsonl already exists: add --overwrite to write over it, or name another file" in refused.stderr
    proofs = proofs_of(read_tactic_pairs("new/pairs.jsonl"))
    assert sorted(proof.theorem.statement or "" for proof in proofs) == ["1", "3", "8"]
    assert leanebm_command("export", "--overwrite", *again[1:]).exit_code == 0
    assert len(proofs_of(read_tactic_pairs("new/pairs.jsonl"))) == 2


def test_a_folder_without_a_run_is_named(leanebm_command: Leanebm) -> None:
    result = leanebm_command("export", "nowhere", "--output", "pairs.jsonl")
    assert result.exit_code == 2
    assert "'RUN...': Path 'nowhere' does not exist" in result.stderr


@pytest.mark.usefixtures("toy_lean")
def test_a_place_that_cannot_be_written_to_is_named(leanebm_command: Leanebm) -> None:
    Path("a.txt").write_text("3\n")
    assert leanebm_command("search", "--theorems", "a.txt", "--output", "runs/a").exit_code == 0
    result = leanebm_command("export", "runs/a", "--output", "a.txt/pairs.jsonl")
    assert result.exit_code == 2
    assert "a.txt/pairs.jsonl cannot be written to: " in result.stderr
    assert "a.txt is not a folder; choose another place" in result.stderr
