from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from leanebm.core import Theorem
from leanebm.data import KnownProof, read_contrastive_set, write_tactic_pairs
from leanebm.pipeline import ContrastiveRun, StageProgressed, WorkbenchOpener
from leanebm.testing import ToyWorld

Leanebm = Callable[..., Result]
ToyBench = Callable[..., WorkbenchOpener]
COMMAND = ["generate-negatives", "--tactic-pairs", "pairs.jsonl", "--output", "data/a", "--concurrency", "1"]


def countdown(start: int) -> KnownProof:
    return KnownProof(
        theorem=Theorem(name=f"n{start}", statement=str(start)),
        tactics=(*["decrement"] * (start - 1), "done"),
        states=tuple(f"⊢ {n}" for n in range(start, 0, -1)),
    )


@pytest.fixture
def pairs(leanebm_command: Leanebm) -> Leanebm:
    """The command, in a folder with a file of four known proofs, one of them a single step and one no proof."""
    wrong = KnownProof(theorem=Theorem(name="wrong", statement="5"), tactics=("halve", "done"), states=("⊢ 5", "⊢ 2"))
    write_tactic_pairs("pairs.jsonl", [pair for each in (*map(countdown, (1, 3, 4)), wrong) for pair in each.pairs])
    return leanebm_command


@pytest.fixture
def toy_generation(monkeypatch: pytest.MonkeyPatch, toy_bench: ToyBench) -> Callable[..., Any]:
    """Lets the command replay in the countdown world."""
    make = functools.partial(ContrastiveRun, opening=toy_bench(ToyWorld.countdown(32)))
    monkeypatch.setattr("leanebm.pipeline.ContrastiveRun", make)
    return make


@pytest.mark.usefixtures("toy_generation")
def test_a_run_is_told_line_by_line_and_summed_up(pairs: Leanebm) -> None:
    result = pairs(*COMMAND, "--audit", "2")
    assert result.exit_code == 0
    for words in (
        "replaying 3 known proofs (1 too short) into data/a",
        "[1/3] verified         n3 ",
        "[3/3] tactic_rejected  wrong ",
        "5 groups with 5 negatives from 2 verified proofs",
        "wrong: tactic_rejected at step 0:",
        "evidence: 5 dead, 0 unknown; 0 groups have no negative; the policy proposed 5 of 5 steps itself",
        "pairs by tier: 5 sibling, ",
        "with both labels: 0 of ",
        "false negatives: 0 of 2 sampled were proved with 5 times the budget: 0.0% (95 % interval 0.0% to 65.8%)",
        "report: data/a/report.json",
    ):
        assert words in result.output
    assert len(list(read_contrastive_set("data/a/groups").rows())) == 5


@pytest.mark.usefixtures("toy_generation")
def test_options_reach_the_run(pairs: Leanebm) -> None:
    options = ["--min-steps", "4", "--target-negatives", "1", "--closers", "a, b", "--probe-expansions", "0"]
    more = [
        "--probe-candidates",
        "3",
        "--probe-wall-s",
        "7",
        "--candidates-per-step",
        "2",
        "--round",
        "2",
        "--temperature",
        "0.5",
    ]
    result = pairs(*COMMAND, *options, *more)
    assert "replaying one known proof (3 too short) into data/a" in result.stderr
    [run] = read_contrastive_set("data/a/groups").runs
    assert run.config["negatives"] == {
        "min_steps": 4,
        "candidates_per_step": 2,
        "target_negatives": 1,
        "closers": ["a", "b"],
        "probe_expansions": 0,
        "probe_candidates": 3,
        "probe_wall_s": 7.0,
        "round": 2,
    }
    assert run.config["run"]["policy"]["temperature"] == 0.5
    assert {group.round for group in read_contrastive_set("data/a/groups").rows()} == {2}


@pytest.mark.usefixtures("toy_generation")
def test_resuming_replays_only_what_is_left(pairs: Leanebm) -> None:
    assert pairs(*COMMAND, "--max-theorems", "2").exit_code == 0
    refused = pairs(*COMMAND)
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    assert "replaying 2 known proofs (1 done before, 1 too short) into data/a" in pairs(*COMMAND, "--resume").stderr


def test_ctrl_c_keeps_what_was_found_and_says_how_to_go_on(
    pairs: Leanebm, toy_generation: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted_at_the_first(*arguments: Any, observer: Any, **more: Any) -> Any:
        class Interrupting:
            def notify(self, event: object) -> None:
                observer.notify(event)
                if isinstance(event, StageProgressed):
                    os.kill(os.getpid(), signal.SIGINT)

        return toy_generation(*arguments, observer=Interrupting(), **more)

    monkeypatch.setattr("leanebm.pipeline.ContrastiveRun", interrupted_at_the_first)
    result = pairs(*COMMAND)
    assert result.exit_code == 130
    kept = read_contrastive_set("data/a/groups").records
    assert f"Kept: {len(kept)} proofs replayed, {sum(record.num_groups for record in kept)} groups." in result.stderr
    assert f"Go on with:  leanebm {' '.join(COMMAND)} --resume" in result.stderr
    monkeypatch.setattr("leanebm.pipeline.ContrastiveRun", toy_generation)
    assert "5 groups" in pairs(*COMMAND, "--resume").stdout


def test_stopped_before_it_began_there_is_nothing_to_resume(pairs: Leanebm, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        async def run(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    monkeypatch.setattr("leanebm.pipeline.ContrastiveRun", Stopped)
    result = pairs(*COMMAND)
    assert result.exit_code == 130
    assert "Stopped before replaying began; run the same command again." in result.stderr


def test_bad_lines_are_all_told_before_any_work(pairs: Leanebm) -> None:
    Path("pairs.jsonl").write_text('{"theorem": "t"}\nnonsense\n')
    result = pairs(*COMMAND)
    assert result.exit_code == 2
    assert "pairs.jsonl:1" in result.stderr
    assert "pairs.jsonl:2" in result.stderr
    assert not Path("data").exists()
