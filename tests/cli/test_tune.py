from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from leanebm.pipeline import TuningRun, WorkbenchOpener
from leanebm.testing import ToyWorld

Leanebm = Callable[..., Result]


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch, toy_bench: Callable[..., WorkbenchOpener], leanebm_command: Leanebm) -> None:
    assert callable(leanebm_command)  # it has changed the folder
    Path("theorems.txt").write_text("3\n31\n7\n12\n")
    opening = toy_bench(ToyWorld.countdown(32))
    monkeypatch.setattr("leanebm.pipeline.TuningRun", functools.partial(TuningRun, opening=opening))


def tune(leanebm_command: Leanebm, *options: str) -> Result:
    return leanebm_command("tune", "--theorems", "theorems.txt", "--output", "out", "--budget", "16", *options)


def test_a_person_sees_every_choice_and_the_best(leanebm_command: Leanebm) -> None:
    result = tune(leanebm_command, "--alphas", "0,1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["alpha0", "alpha1", "settings:"]
    assert sum(line.endswith("best") for line in lines) == 1
    assert leanebm_command("search", "--config", "out/tuned.toml", "--output", "x", "--dry-run").exit_code == 0


def test_json_and_resuming(leanebm_command: Leanebm) -> None:
    first = json.loads(tune(leanebm_command, "--alphas", "0", "--json").stdout)
    assert first["best"] == "alpha0"
    again = tune(leanebm_command, "--alphas", "0,1")
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    found = json.loads(tune(leanebm_command, "--alphas", "0,1", "--resume", "--json").stdout)
    assert [arm["alpha"] for arm in found["arms"]] == [0.0, 1.0]
    assert found["arms"][0] == first["arms"][0]


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ("a", "is not a list of numbers"),
        ("1;2", "is not a list of numbers"),
        ("", "is not a list of numbers"),
        ("-1", "is no weight"),
        ("nan", "is no weight"),
    ],
)
def test_what_is_no_number_is_refused(leanebm_command: Leanebm, numbers: str, why: str) -> None:
    result = tune(leanebm_command, "--alphas", numbers)
    assert result.exit_code == 2
    assert why in result.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--scorer", "breadth_first"], "No such option '--scorer'"),
        (["--beta", "1"], "No such option '--beta'"),
        (["--betas", "1"], "--betas are weights of an energy head: name one with --ebm-path"),
    ],
)
def test_what_would_have_no_effect_is_refused(leanebm_command: Leanebm, options: list[str], says: str) -> None:
    result = tune(leanebm_command, *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not Path("out").exists()


def test_workers_share_the_searches_and_choose_alike(leanebm_command: Leanebm) -> None:
    alone = json.loads(tune(leanebm_command, "--alphas", "0,1", "--json").stdout)
    shared = [
        json.loads(
            tune(leanebm_command, "--alphas", "0,1", "--json", "--output", "shared", "--engine", "shards").stdout
        )
        for _ in range(2)
    ]
    assert shared[0] == shared[1] == alone | {"settings": "shared/tuned.toml"}
    assert len(list(Path("shared").glob("arms/*/trajectory/*/"))) >= 2


def test_a_share_of_the_searches_chooses_nothing(leanebm_command: Leanebm) -> None:
    assert "--shard" not in leanebm_command("tune", "--help").stdout
    result = tune(leanebm_command, "--engine", "shards", "--shard", "1/2")
    assert result.exit_code == 2
    assert "No such option '--shard'" in result.stderr
