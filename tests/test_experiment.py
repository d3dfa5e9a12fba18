"""The driver of the experiments; that it goes all the way, ``nox -s experiment -- --small`` shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import attrs
import experiment
import pytest
from experiment import EQUATIONS, KINDS, Experiment, Kind, small

from leanebm.data.conjectures import SHIPPED_LOGIC, read_conjecture_file


@pytest.fixture
def tiny() -> Kind:
    options = ("--number", "20", "--unseen", "0", "--family", "rewriting")
    return attrs.evolve(small(EQUATIONS), statements=options, fresh=0)


def test_a_stage_that_was_run_to_its_end_is_left_out(tiny: Kind, tmp_path: Path) -> None:
    Experiment(tiny, tmp_path, [0], 1).make_statements()
    made = tmp_path / "statements.parquet"
    assert len(read_conjecture_file(made).conjectures) == 20
    made.write_bytes(b"")
    Experiment(tiny, tmp_path, [0], 1).make_statements()
    assert made.read_bytes() == b""
    (tmp_path / ".statements.done").unlink()
    Experiment(tiny, tmp_path, [0], 1).make_statements()
    assert len(read_conjecture_file(made).conjectures) == 20


def test_a_stage_that_was_run_with_other_options_is_run_again(tiny: Kind, tmp_path: Path) -> None:
    Experiment(tiny, tmp_path, [0], 1).make_statements()
    more = attrs.evolve(tiny, statements=("--number", "21", *tiny.statements[2:]))
    Experiment(more, tmp_path, [0], 1).make_statements()
    assert len(read_conjecture_file(tmp_path / "statements.parquet").conjectures) == 21


def test_heads_are_trained_again_where_more_was_searched(
    tiny: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []

    def run(typed: list[str], *, check: bool, env: dict[str, str]) -> SimpleNamespace:
        assert not check
        assert env["PYTHONPATH"].startswith(str(Path(experiment.__file__).parent))
        commands.append(typed[3])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("experiment.subprocess.run", run)
    for number in (16, 16, 17):
        Experiment(attrs.evolve(tiny, train=(number, 8)), tmp_path, [0], 1).train("head0", 0, ())
    assert commands == ["train-ebm"] * 2


def test_a_command_that_fails_ends_it_and_is_run_again(tiny: Kind, tmp_path: Path) -> None:
    wrong = attrs.evolve(tiny, statements=("--number", "none"))
    for _ in range(2):
        with pytest.raises(SystemExit, match="leanebm conjecture ended with 2; started again"):
            Experiment(wrong, tmp_path, [0], 1).make_statements()


def test_statements_other_than_the_shipped_ones_end_it(tiny: Kind, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="the factory makes other statements now"):
        Experiment(attrs.evolve(tiny, shipped=SHIPPED_LOGIC), tmp_path, [0], 1).make_statements()


def test_what_is_reported_on_shares_no_skeleton_with_what_is_learnt_from(tiny: Kind, tmp_path: Path) -> None:
    options = ("--number", "60", "--unseen", "0", "--family", "bool_equations", "--difficulty", "1")
    experiment = Experiment(attrs.evolve(tiny, statements=options, fresh=60), tmp_path, [0], 1)
    experiment.make_statements()
    learnt, drawn, judged = (
        {each.skeleton for each in read_conjecture_file(tmp_path / f"{name}.parquet").conjectures}
        for name in ("statements", "drawn", "fresh")
    )
    assert drawn & learnt
    assert judged == drawn - learnt
    assert judged


@pytest.mark.parametrize("kind", KINDS.values())
def test_small_is_the_same_with_less(kind: Kind) -> None:
    less = small(kind)
    assert (less.without, less.candidates) == (kind.without, kind.candidates)
    assert less.statements[2:] == kind.statements[2:]
    assert less.train < kind.train
    assert less.budget < kind.budget


def test_told_to_end_it_ends_the_command_that_it_runs(tmp_path: Path) -> None:
    typed = [sys.executable, "-u", experiment.__file__, "--kind", "logic", "--small", "--folder", str(tmp_path)]
    with subprocess.Popen(
        typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as run:
        assert run.stdout is not None
        assert any("making conjectures" in line for line in run.stdout), "the command runs"
        run.send_signal(signal.SIGTERM)
        assert run.wait(60)
        assert not _lives(run.pid), "it waited for the command, which would go on for seconds by itself"


def _lives(group: int) -> bool:
    """Whether a process of the group runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
