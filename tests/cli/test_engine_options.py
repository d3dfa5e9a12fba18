from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Leanebm = Callable[..., Result]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--shard", "1/2"], "add --engine shards"),
        (["--lease-s", "9"], "take over from one another: add --engine shards or ray"),
        (["--lease-s", "9", "--engine", "shards", "--shard", "1/2"], "take over from one another"),
        (["--engine", "shards", "--shard", "3/2"], "there is no share 3 of 2"),
        (["--engine", "shards", "--record", "tape.jsonl"], "a recording is of one process"),
        (["--ray-address", "local"], "--ray-address is for --engine ray"),
        (["--longest-first", "runs/b"], "--longest-first is for workers"),
        (["--engine", "ray", "--ray-address", "nonsense"], "'nonsense' is neither HOST:PORT nor 'local'"),
    ],
)
def test_engines_that_make_no_sense_are_refused_before_any_work(
    leanebm_command: Leanebm, theorems: str, given: list[str], why: str
) -> None:
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a", *given)
    assert result.exit_code == 2
    assert why in result.stderr
    assert not Path("runs").exists()
