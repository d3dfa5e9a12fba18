from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import Result

import leanebm.pipeline
from leanebm.core import ProofSearch, Theorem
from leanebm.pipeline import SearchRun, WorkbenchOpener, read_run_config
from leanebm.pipeline.parts import FAMILIES
from leanebm.testing import LOST, ToyWorld

Leanebm = Callable[..., Result]


@pytest.mark.usefixtures("toy_lean")
def test_a_run_is_told_line_by_line_and_summed_up(leanebm_command: Leanebm, theorems: str) -> None:
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a", "--concurrency", "1")
    assert result.exit_code == 0
    assert "searching 3 theorems into runs/a" in result.stderr
    assert "[1/3] proved" in result.stderr
    assert result.stdout.startswith("3 of 3 theorems proved and certified\n")
    assert "proofs:       runs/a/proofs" in result.stdout
    assert len(list(Path("runs/a/proofs").glob("*.lean"))) == 3


@pytest.mark.parametrize(("deadly", "status"), [("3 8 31", 3), ("8", 0)])
def test_a_run_in_which_every_search_broke_is_no_success(
    leanebm_command: Leanebm, theorems: str, toy_lean: ToyWorld, deadly: str, status: int
) -> None:
    moves = cast("dict[str, Any]", toy_lean.moves)
    for number in deadly.split():
        moves[number] = dict.fromkeys(moves[number], LOST)
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a")
    assert result.exit_code == status
    assert ("leanebm: something broke in every search, first this: " in result.stderr) == (status == 3)


@pytest.mark.usefixtures("toy_lean")
def test_resuming_searches_only_what_is_left(leanebm_command: Leanebm, theorems: str) -> None:
    first = ["search", "--theorems", theorems, "--output", "runs/a"]
    assert leanebm_command(*first, "--max-theorems", "2").exit_code == 0
    refused = leanebm_command(*first)
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    resumed = leanebm_command(*first, "--resume")
    assert "searching one theorem (2 done before) into runs/a" in resumed.stderr
    assert "3 of 3 theorems proved and certified" in resumed.stdout


@pytest.mark.usefixtures("toy_lean")
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--budget", "7", "  - --budget: 7, not 5\n"),
        ("--scorer", "length_normalised:alpha=1", "  - --scorer alpha: 1.0, not 0.5\n"),
        ("--search", "puct:c=2", "  - --search c: 2.0, not 1.25\n"),
    ],
)
def test_other_settings_are_refused_by_their_options_before_anything_starts(
    leanebm_command: Leanebm,
    theorems: str,
    monkeypatch: pytest.MonkeyPatch,
    dry: tuple[str, ...],
    option: str,
    value: str,
    said: str,
) -> None:
    run = ["search", "--theorems", theorems, "--output", "runs/a", "--budget", "5", "--search", "puct"]
    assert leanebm_command(*run, "--max-theorems", "1").exit_code == 0
    starts: list[object] = []
    opening: Any = starts.append
    monkeypatch.setattr("leanebm.pipeline.SearchRun", functools.partial(SearchRun, opening=opening))
    refused = leanebm_command(*run, "--resume", option, value, *dry)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "$." not in refused.stderr
    assert starts == []


@pytest.mark.usefixtures("toy_lean")
def test_a_default_that_is_typed_is_the_same_setting(leanebm_command: Leanebm, theorems: str) -> None:
    run = ["search", "--theorems", theorems, "--output", "runs/a", "--search"]
    assert leanebm_command(*run, "puct", "--max-theorems", "1").exit_code == 0
    assert leanebm_command(*run, "puct:c=1.25", "--resume").exit_code == 0
    assert leanebm_command(*run, "puct", "--resume", "--dry-run").exit_code == 0


@pytest.mark.usefixtures("toy_lean")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--record", "tape", "--wall-s", "5"), "leave this out @ --wall-s"),
        (("--record", "there"), "there already exists"),
        (("--record", "there/tape"), "there/tape cannot be written to: "),
        (("--output", "there/run"), "there/run cannot be written to: "),
        (("--output", "done"), "add --resume to go on with that run"),
    ],
)
def test_what_a_run_would_refuse_a_dry_run_refuses(
    leanebm_command: Leanebm, theorems: str, options: tuple[str, ...], said: str
) -> None:
    Path("there").touch()
    run = ["search", "--theorems", theorems, "--output", "done", "--max-theorems", "1"]
    assert leanebm_command(*run).exit_code == 0
    for dry in ([], ["--dry-run"]):
        refused = leanebm_command("search", "--theorems", theorems, "--output", "new", *options, *dry)
        assert refused.exit_code == 2
        assert said in refused.stderr
        assert not Path("new").exists()


@pytest.mark.usefixtures("toy_lean")
@pytest.mark.parametrize(
    "kind",
    [
        *FAMILIES[ProofSearch].built_in,
        "beam:width=2",
        "depth_first:max_depth=8,max_children=2",
        "distinct_heads:most=1,oversampling=3",
        "limits:unchanged=1,haves=0",
        "portfolio:other=shortest_state",
        "probing:probes=['halve','decrement'],log_prob=-0.5",
        "puct:c=2.0",
        "probing+cheap_first+portfolio:other=shortest_state,probes=['halve']",
    ],
)
def test_every_search_runs_resumes_and_is_recorded(leanebm_command: Leanebm, theorems: str, kind: str) -> None:
    run = ["search", "--theorems", theorems, "--output", "runs/a", "--search", kind, "--budget", "40"]
    run += ["--whole-proofs"] * (kind == "whole_proofs")
    assert leanebm_command(*run, "--max-theorems", "1").exit_code == 0
    resumed = leanebm_command(*run, "--resume")
    assert "searching 2 theorems (1 done before) into runs/a" in resumed.stderr
    summary = json.loads(leanebm_command("summary", "runs/a", "--json").stdout)
    assert summary["attempted"] == 3
    assert summary["proved"] >= 1
    assert len(list(Path("runs/a/proofs").glob("*.lean"))) == summary["proved"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("beam:width=0", "a beam is at least 1 wide, not 0 @ --search"),
        ("depth_first:max_depth=0", "both bounds are at least 1: max_depth is 0, max_children 4 @ --search"),
        ("depth_first:max_children=-1", "both bounds are at least 1: max_depth is 16, max_children -1 @ --search"),
        ("distinct_heads:most=0", "both numbers are at least 1: most is 0, oversampling 2 @ --search"),
        ("distinct_heads:oversampling=-3", "both numbers are at least 1: most is 2, oversampling -3 @ --search"),
        ("limits:haves=-1", "limits are at least 0: unchanged is 3, haves -1 @ --search"),
        ("probing:log_prob=0.5", "log_prob must be a finite natural logarithm of a probability, got 0.5 @ --search"),
        ("probing:log_prob=nan", "log_prob must be a finite natural logarithm of a probability, got nan @ --search"),
        ("probing:log_prob=-inf", "log_prob must be a finite natural logarithm of a probability, got -inf @ --search"),
        ("probing:probes=['rfl','']", "probes are a list of tactics, none of them blank, not ('rfl', '') @ --search"),
        ("puct:c=-1", "c weighs exploration, so it is finite and at least 0, not -1.0 @ --search"),
        ("puct:c=nan", "c weighs exploration, so it is finite and at least 0, not nan @ --search"),
        ("puct:c=inf", "c weighs exploration, so it is finite and at least 0, not inf @ --search"),
    ],
)
def test_what_a_search_cannot_be_told_is_refused_before_anything_starts(
    leanebm_command: Leanebm, theorems: str, kind: str, said: str
) -> None:
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a", "--search", kind)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("runs").exists()


@pytest.mark.lean
@pytest.mark.parametrize("kind", ["and_or", "puct:c=2.0"])
def test_with_real_lean_what_they_find_is_certified_again_from_its_files(leanebm_command: Leanebm, kind: str) -> None:
    Path("two.txt").write_text("∀ p q : Prop, p → q → (q ∧ p) ∧ (p ∨ q)\n∀ p q r : Prop, p ∧ (q ∧ r) → (r ∧ p) ∧ q\n")
    automation = "grind,omega,simp_all,decide,simp"
    run = ["search", "--theorems", "two.txt", "--output", "a", "--search", kind, "--without", automation]
    result = leanebm_command(*run, "--budget", "32", "--candidates", "8", "--num-workers", "1")
    assert "2 of 2 theorems proved and certified" in result.stdout, result.stderr
    if kind == "and_or":
        assert any("·" in path.read_text() for path in Path("a/proofs").glob("*.lean"))
    proofs = [str(path) for path in Path("a/proofs").glob("*.lean")]
    assert leanebm_command("certify", proofs[0]).exit_code == 0


@pytest.mark.usefixtures("toy_lean")
def test_statements_that_lean_refuses_are_counted_and_if_there_are_no_others_that_is_the_result(
    leanebm_command: Leanebm, theorems: str
) -> None:
    Path(theorems).write_text("3\n99\n")
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a")
    assert result.exit_code == 0
    assert "1 of 1 theorems proved and certified" in result.stdout
    assert "not searched: 1 of 2, whose statements Lean refused:\n  " in result.stdout
    assert " @ line_2\n" in result.stdout
    Path(theorems).write_text("98\n99\n")
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/b")
    assert result.exit_code == 2
    assert "nothing was searched, for Lean refused every statement (2):" in result.stderr
    assert "@ line_1" in result.stderr


def test_a_dry_run_says_what_it_would_do_and_does_nothing(leanebm_command: Leanebm, theorems: str) -> None:
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a", "--budget", "7", "--dry-run")
    assert result.exit_code == 0
    assert "would search 3 theorems into runs/a" in result.stderr
    assert "line_1: 3" in result.stderr
    assert not Path("runs").exists()


PARTS = """
class Fragile:
    def __init__(self, size: int = 1) -> None:
        if not size:
            raise RuntimeError("no room")

    async def propose(self, state, n):
        return []

    async def energies(self, states):
        return [0.0 for _ in states]

    async def identity(self):
        raise AssertionError

    async def encode(self, texts):
        raise AssertionError


class AsksServer(Fragile):
    def __init__(self, encoder, size: int = 1) -> None:
        super().__init__(size)
"""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--policy", "fragile_parts:Fragile:size=0"], "Fragile could not be made"),
        (["--policy", "fragile_parts:AsksServer:size=0"], "AsksServer could not be made"),
        (["--energy-model", "fragile_parts:AsksServer:size=0"], "AsksServer could not be made"),
        (["--ebm-path", "logic", "--state-encoder", "fragile_parts:Fragile:size=0"], "Fragile could not be made"),
        (["--policy", "fragile_parts:Fragile:sizes=0"], "unknown setting sizes"),
        (["--policy", "no_such_parts:Fragile"], "cannot be imported"),
        (["--ebm-path", "logic", "--scorer", "length_normalised:alpha=0.25"], "beside another exponent"),
    ],
)
def test_a_part_that_cannot_be_made_is_refused_by_a_dry_run_as_by_a_run(
    leanebm_command: Leanebm, theorems: str, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    Path("fragile_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(Path.cwd())
    for dry in ([], ["--dry-run"]):
        refused = leanebm_command("search", "--theorems", theorems, "--output", "new", *options, *dry)
        assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr
        assert not Path("new").exists()
    sys.modules.pop("fragile_parts", None)


@pytest.mark.parametrize(
    "given",
    [
        ["--budget", "7"],
        ["--theorems", "library:val", "--max-theorems", "2"],
        ["--server-url", "http://localhost:1", "--encoder", "sglang_encode"],
        ["--without", "grind,omega"],
    ],
)
def test_what_a_dry_run_prints_can_be_given_back_as_it_is(
    leanebm_command: Leanebm, theorems: str, given: list[str]
) -> None:
    command = ["search", "--theorems", theorems, "--output", "runs/a"]
    printed = leanebm_command(*command, *given, "--dry-run").stdout
    Path("run.toml").write_text(printed)
    assert leanebm_command(*command, "--config", "run.toml", "--dry-run").stdout == printed
    assert read_run_config(Path("run.toml")) != read_run_config()


@pytest.mark.usefixtures("toy_lean")
def test_workers_share_a_folder_by_the_same_command(leanebm_command: Leanebm, theorems: str) -> None:
    command = ["search", "--theorems", theorems, "--output", "runs/a", "--engine", "shards"]
    for _ in range(2):
        result = leanebm_command(*command)
        assert result.exit_code == 0
        assert result.stdout.startswith("3 of 3 theorems proved and certified\n")
    assert leanebm_command(*command, "--dry-run").exit_code == 0
    assert leanebm_command(*command, "--budget", "7").exit_code == 2, "an unlike worker is refused"


def test_bad_lines_are_all_told_before_any_work(leanebm_command: Leanebm, theorems: str) -> None:
    Path(theorems).write_text("3\n(8\n8)\n")
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a")
    assert result.exit_code == 2
    assert "theorems.txt:2" in result.stderr
    assert "theorems.txt:3" in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("theorems", "why"), [("missing.txt", "cannot read the theorem file"), ("library:best", "there is no split 'best'")]
)
def test_a_missing_set_is_bad_input(leanebm_command: Leanebm, theorems: str, why: str) -> None:
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a")
    assert result.exit_code == 2
    assert why in result.stderr


@pytest.mark.parametrize("key", [["--api-key", "hunter2"], ["--api-key=hunter2"]])
def test_ctrl_c_keeps_what_was_found_and_says_how_to_go_on(
    leanebm_command: Leanebm,
    theorems: str,
    toy_lean: ToyWorld,
    toy_bench: Callable[..., WorkbenchOpener],
    monkeypatch: pytest.MonkeyPatch,
    key: list[str],
) -> None:
    make: Callable[..., Any] = vars(leanebm.pipeline)["SearchRun"]

    opened: list[Theorem] = []

    class InterruptedAtTheThird:
        def open(self, theorem: Theorem) -> Any:
            opened.append(theorem)
            if theorem.statement == "31" and opened.count(theorem) == 2:  # all are looked at before the search
                os.kill(os.getpid(), signal.SIGINT)
            return toy_lean.open(theorem)

    opening = toy_bench(toy_lean, environment=InterruptedAtTheThird())
    monkeypatch.setattr("leanebm.pipeline.SearchRun", functools.partial(SearchRun, opening=opening))
    command = ["search", "--theorems", theorems, "--output", "runs/a", "--concurrency", "1", *key]
    result = leanebm_command(*command)
    assert result.exit_code == 130
    assert "Kept: 2 of 3 theorems searched, 2 proved." in result.stderr
    go_on = f"Go on with:  leanebm {' '.join(command)} --resume"
    assert go_on.replace("hunter2", "KEY") in result.stderr
    assert "hunter2" not in result.output
    monkeypatch.setattr("leanebm.pipeline.SearchRun", make)
    assert "3 of 3 theorems proved" in leanebm_command(*command, "--resume").stdout


def test_stopped_before_it_began_there_is_nothing_to_resume(
    leanebm_command: Leanebm, theorems: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        async def run(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    monkeypatch.setattr("leanebm.pipeline.SearchRun", Stopped)
    result = leanebm_command("search", "--theorems", theorems, "--output", "runs/a")
    assert result.exit_code == 130
    assert "Stopped before searching began; run the same command again." in result.stderr
