from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from toy_iteration import THEOREMS, open_toy

from leanebm.data import write_theorems
from leanebm.pipeline.iteration.iteration_run import IterationRun

Leanebm = Callable[..., Result]

SETTINGS = """
rounds = 1
alphas = [0.5]
betas = [0.5]
replay_proofs = false
[theorems]
train = "train.jsonl"
validation = "validation.jsonl"
[run.search.budget]
max_expansions = 24
[head]
hidden = [8]
[head.trainer]
max_steps = 4
eval_every = 2
log_every = 1
"""


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch, leanebm_command: Leanebm) -> None:
    assert callable(leanebm_command)  # it has changed the folder
    Path("iterate.toml").write_text(SETTINGS)
    write_theorems("train.jsonl", THEOREMS.train)
    write_theorems("validation.jsonl", THEOREMS.validation)
    opened = functools.partial(IterationRun, opening=open_toy)
    monkeypatch.setattr("leanebm.pipeline.iteration.iteration_run.IterationRun", opened)


def test_an_iteration_prints_its_table_and_writes_its_page(leanebm_command: Leanebm) -> None:
    result = leanebm_command("iterate", "iterate.toml", "--output", "out")
    assert result.exit_code == 0, result.output
    arms = [line.split()[1] for line in result.stdout.splitlines() if line.strip().startswith("0 ")]
    assert arms == ["frozen", "energy"]
    assert "curves: out/report.html" in result.stdout
    assert Path("out/report.html").read_text().startswith("<!doctype html>")

    summary = leanebm_command("summary", "out")
    assert summary.stdout == result.stdout.partition("curves:")[0]
    told = json.loads(leanebm_command("summary", "out", "--json").stdout)
    again = leanebm_command("iterate", "iterate.toml", "--output", "out", "--resume", "--json")
    assert json.loads(again.stdout) == told
    assert told["judged_on"] == "validation"

    refused = leanebm_command("iterate", "iterate.toml", "--output", "out")
    assert (refused.exit_code, "--resume" in refused.stderr) == (2, True)


def test_a_dry_run_starts_nothing_and_prints_settings_that_can_be_given(leanebm_command: Leanebm) -> None:
    result = leanebm_command("iterate", "iterate.toml", "--output", "out", "--dry-run")
    assert result.exit_code == 0
    assert "would go through 1 round with 12 train, 6 validation, 0 test theorems into out" in result.stderr
    assert tomllib.loads(result.stdout)["theorems"]["train"] == "train.jsonl"
    Path("again.toml").write_text(result.stdout)
    assert leanebm_command("iterate", "again.toml", "--output", "out", "--dry-run").stdout == result.stdout
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--join"], "--engine shards @ --join"),
        (["--join", "--engine", "ray"], "--engine shards @ --join"),
        (["--join", "--engine", "shards", "--resume"], "--resume is for the process that iterates"),
        (["--engine", "shards", "--shard", "1/2"], "No such option '--shard'"),
        (["--engine", "shards", "--shard", "1/2", "--dry-run"], "No such option '--shard'"),
        (["--dry-run", "--json"], "--json is for what is found"),
        (["--engine", "shards", "--join", "--lease-s", "0.1"], "no sign of life for 0.1 s"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(
    leanebm_command: Leanebm, options: list[str], says: str
) -> None:
    result = leanebm_command("iterate", "iterate.toml", "--output", "out", *options)
    assert result.exit_code in (2, 3)
    assert says in result.stderr
    assert not Path("out").exists()


CUDA = 'device = "cuda:99"\n'
NO_MODEL = '[finetune]\nmodel = "nowhere"\n[run.policy]\nurl = "http://127.0.0.1:9"\n'


@pytest.mark.parametrize(
    ("lines", "says", "options"),
    [(CUDA, "cuda:99", []), (NO_MODEL, "nowhere", []), (NO_MODEL, "nowhere", ["--dry-run"])],
)
def test_what_is_not_there_is_missed_before_any_work(
    leanebm_command: Leanebm, lines: str, says: str, options: list[str]
) -> None:
    Path("iterate.toml").write_text(SETTINGS + lines)
    result = leanebm_command("iterate", "iterate.toml", "--output", "out", *options)
    assert (result.exit_code, says in result.stderr) == (2, True)
    assert not Path("out").exists()


@pytest.mark.parametrize("lines", ['[head.encoder]\nkind = "{}"\n', '[run.parts.policy]\nkind = "{}"\n'])
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_part_that_cannot_be_made_is_missed_before_any_work(
    leanebm_command: Leanebm, lines: str, options: list[str]
) -> None:
    Path("iterate.toml").write_text(SETTINGS + lines.format(f"{__name__}:Unmakeable"))
    result = leanebm_command("iterate", "iterate.toml", "--output", "out", *options)
    assert (result.exit_code, "Unmakeable could not be made" in result.stderr) == (2, True), result.stderr
    assert not Path("out").exists()


class Unmakeable:
    """A policy and an encoder for which there is no room."""

    def __init__(self) -> None:
        raise RuntimeError("no room")

    async def propose(self, state: object, n: int) -> object: ...

    async def identity(self) -> object: ...

    async def encode(self, texts: object) -> object: ...


def test_a_dry_run_is_for_any_machine(leanebm_command: Leanebm) -> None:
    Path("iterate.toml").write_text(SETTINGS + CUDA)
    assert leanebm_command("iterate", "iterate.toml", "--output", "out", "--dry-run").exit_code == 0


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("rounds = 0\n", "$.rounds"),
        ("ronds = 3\n", "unknown setting ronds"),
        ("alphas = [0.5\n", "iterate.toml"),
    ],
)
def test_wrong_settings_are_named_before_any_work(leanebm_command: Leanebm, lines: str, says: str) -> None:
    Path("iterate.toml").write_text(lines + SETTINGS.replace("rounds = 1\n", ""))
    result = leanebm_command("iterate", "iterate.toml", "--output", "out")
    assert result.exit_code == 2
    assert says in result.stderr
    assert not Path("out").exists()
