from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from leanebm.cli._options import arm_options
from leanebm.pipeline import EvaluationRun, RunConfig, WorkbenchOpener, summarise_run
from leanebm.testing import ToyWorld

Leanebm = Callable[..., Result]

PLAIN = "plain=--scorer length_normalised"
BROAD = "broad=--scorer breadth_first"


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch, toy_bench: Callable[..., WorkbenchOpener], leanebm_command: Leanebm) -> None:
    assert callable(leanebm_command)  # it has changed the folder
    Path("theorems.txt").write_text("3\n31\n7\n12\n")
    opening = toy_bench(ToyWorld.countdown(32))
    monkeypatch.setattr("leanebm.pipeline.EvaluationRun", functools.partial(EvaluationRun, opening=opening))


def evaluate(leanebm_command: Leanebm, *options: str) -> Result:
    return leanebm_command("eval", "--theorems", "theorems.txt", "--output", "out", "--budget", "16", *options)


def test_a_person_sees_comparisons_headroom_and_where_the_runs_are(leanebm_command: Leanebm) -> None:
    result = evaluate(leanebm_command, "--arm", PLAIN, "--arm", BROAD)
    assert result.exit_code == 0
    assert result.stdout.startswith("broad beside plain\n")
    [headings] = [line.split() for line in result.stdout.splitlines() if line.startswith("expansions ")]
    assert headings[1:7] == ["plain", "broad", "plain", "only", "broad", "only"]
    assert "experiment" not in result.stdout
    assert "proved: plain " in result.stdout
    assert "headroom: the baseline proves" in result.stdout
    assert "answers were there already" in result.stdout
    assert summarise_run("out/arms/plain").totals.attempted == 4


def test_json_has_every_arm(leanebm_command: Leanebm) -> None:
    found = json.loads(evaluate(leanebm_command, "--arm", PLAIN, "--arm", BROAD, "--headroom", "1", "--json").stdout)
    assert list(found["arms"]) == ["plain", "broad"]
    assert len(found["comparisons"]) == 1
    assert found["headroom"] is None
    assert found["tactics_asked"] > 0


def test_costs_and_budgets_are_chosen_and_times_of_arms_are_not_told(leanebm_command: Leanebm) -> None:
    chosen = ("--by", "tactic-calls", "--budgets", "4,32", "--json")
    found = json.loads(evaluate(leanebm_command, "--arm", PLAIN, "--arm", BROAD, *chosen).stdout)
    [comparison] = found["comparisons"]
    assert comparison["cost"] == "tactic_calls"
    assert [row["budget"] for row in comparison["budgets"]] == [4, 32]
    assert comparison["budgets"][0]["gain"].keys() == {"value", "low", "high"}
    assert found["arms"]["plain"]["seconds"] == {}


@pytest.mark.parametrize(("option", "value"), [("--budgets", "4"), ("--by", "policy-calls")])
def test_what_is_for_a_comparison_is_refused_with_one_arm(leanebm_command: Leanebm, option: str, value: str) -> None:
    result = evaluate(leanebm_command, "--arm", PLAIN, option, value)
    assert result.exit_code == 2
    assert f"{option} is for comparing arms: add another --arm" in result.stderr
    assert not Path("out").exists()


def test_what_an_arm_sets_and_changes_nothing_is_told_once(leanebm_command: Leanebm) -> None:
    idle = ("--arm", f"{PLAIN} --encoder sglang_encode", "--arm", f"{BROAD} --encoder sglang_encode")
    result = evaluate(leanebm_command, *idle, "--headroom", "1")
    assert result.exit_code == 0
    assert result.stderr.count("note: --encoder changes nothing: nothing asks the server for embeddings") == 1


def test_each_theorem_is_searched_as_often_as_asked(leanebm_command: Leanebm) -> None:
    asked = ("--arm", PLAIN, "--headroom", "1", "--pass-n", "3")
    found = json.loads(evaluate(leanebm_command, *asked, "--json").stdout)
    assert found["arms"]["plain"]["searches"] == 12
    assert found["arms"]["plain"]["attempted"] == 4
    said = leanebm_command("summary", "out/arms/plain").stdout
    assert "12 searches; a theorem counts as proved if one of its searches proved it" in said


def test_options_of_the_command_hold_for_every_arm_and_its_own_outweigh_them(leanebm_command: Leanebm) -> None:
    arms = ["--arm", "all=", "--arm", "own=--scorer cumulative"]
    assert evaluate(leanebm_command, "--scorer", "breadth_first", *arms).exit_code == 0
    for name, kind in (("all", "breadth_first"), ("own", "cumulative")):
        assert f'"{kind}"' in Path("out", "arms", name, "config.toml").read_text()


def test_a_typed_key_outweighs_the_environments_for_every_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEANEBM_API_KEY", "from-environment")

    @click.command()
    @arm_options
    def keys(*, arms: Mapping[str, RunConfig]) -> None:
        for config in arms.values():
            click.echo(config.policy.api_key)

    arms = ["--arm", "a=", "--arm", "b=--scorer breadth_first"]
    assert CliRunner().invoke(keys, ["--api-key", "typed", *arms]).output == "typed\ntyped\n"
    assert CliRunner().invoke(keys, arms).output == "from-environment\n" * 2


def test_an_oracle_and_a_portfolio_are_arms_by_their_words(leanebm_command: Leanebm) -> None:
    arms = [BROAD, "portfolio=--search portfolio:other=shortest_state", "oracle=--scorer oracle:runs=out"]
    result = evaluate(leanebm_command, *(word for arm in arms for word in ("--arm", arm)), "--json")
    assert result.exit_code == 0
    expansions = {name: arm["expansions"] for name, arm in json.loads(result.stdout)["arms"].items()}
    assert expansions["oracle"] < min(expansions["broad"], expansions["portfolio"])
    assert 'kind = "shortest_state"' in Path("out", "arms", "portfolio", "config.toml").read_text()


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ([], "Missing option '--arm'"),
        (["plain"], "is not NAME=OPTIONS"),
        ([PLAIN, PLAIN], "two arms have one name"),
        (["a=--scorer 'unclosed"], "--arm a"),
        (["a=--no-such-option 1"], "No such option"),
        ([PLAIN, "b=--scorer nonsense"], "@ --scorer, of --arm b"),
        ([PLAIN, "b=--scorer length_normalised:alpha=x"], "@ --scorer alpha, of --arm b"),
        (["a=--api-key hunter2"], "No such option '--api-key'"),
        (["a=--beta 1"], "there is no energy head"),
        ([PLAIN, "b=--candidates 3"], "@ --candidates"),
        ([PLAIN, "b=--budget 3"], "@ --budget"),
        (["../a="], "is no name for an arm"),
    ],
)
def test_mistakes_are_told_before_any_work(leanebm_command: Leanebm, arms: list[str], says: str) -> None:
    result = evaluate(leanebm_command, *(word for arm in arms for word in ("--arm", arm)))
    assert result.exit_code == 2
    assert says in result.stderr
    assert not Path("out").exists()


def test_shares_say_who_compares_the_arms(leanebm_command: Leanebm) -> None:
    arms = ("--arm", PLAIN, "--arm", BROAD)
    for number in ("1/2", "2/2"):
        share = evaluate(leanebm_command, *arms, "--engine", "shards", "--shard", number)
        assert share.exit_code == 0
        assert "not compared: when all shares are done, --resume without --engine" in share.stdout
    whole = evaluate(leanebm_command, *arms, "--resume")
    assert "broad beside plain" in whole.stdout
    assert "tactics: Lean ran 0, and" not in whole.stdout
    assert summarise_run("out/arms/broad").totals.attempted == 4


def test_a_share_of_nothing_is_refused_before_any_work(leanebm_command: Leanebm) -> None:
    result = evaluate(leanebm_command, "--arm", PLAIN, "--shard", "1/2")
    assert result.exit_code == 2
    assert "add --engine shards" in result.stderr
    assert not Path("out").exists()


def test_it_goes_on_where_it_is_told_to(leanebm_command: Leanebm) -> None:
    assert evaluate(leanebm_command, "--arm", PLAIN).exit_code == 0
    again = evaluate(leanebm_command, "--arm", PLAIN, "--arm", BROAD)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert evaluate(leanebm_command, "--arm", PLAIN, "--arm", BROAD, "--resume").exit_code == 0
