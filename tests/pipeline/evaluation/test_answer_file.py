from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import (
    Candidate,
    Goal,
    Hypothesis,
    ProofAdvanced,
    ProofFinished,
    ProofState,
    StateRef,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
)
from leanebm.errors import ConfigError, TrajectoryError
from leanebm.pipeline import AnswerFile

NOWHERE = StateRef(-1, -1)

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
seconds = st.floats(min_value=0.0, max_value=1e6)
hypotheses = st.builds(Hypothesis, text, text, st.none() | text, st.booleans())
goals = st.builds(Goal, text=text, target=text, hypotheses=st.tuples(hypotheses), case_name=st.none() | text)


@st.composite
def states(draw: st.DrawFn) -> ProofState:
    some = tuple(draw(st.lists(goals, max_size=3)))
    return ProofState(goals=some, key=draw(text), ref=NOWHERE, coupling=tuple(range(len(some))))


outcomes = st.one_of(
    st.builds(ProofAdvanced, states(), seconds),
    st.builds(ProofFinished, states(), seconds),
    st.builds(TacticRejected, text, seconds),
    st.builds(TacticTimedOut, text, seconds),
)


@given(outcome=outcomes, tactic=text, goal=st.integers(0, 5))
def test_an_outcome_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, outcome: TacticOutcome, tactic: str, goal: int
) -> None:
    with AnswerFile.open(tmp_path_factory.mktemp("answers") / "file", {}) as answers:
        answers.keep_outcome("t", "s", goal, tactic, outcome)
        found = answers.outcome("t", "s", goal, tactic)
        assert found == outcome
        if isinstance(outcome, ProofAdvanced | ProofFinished):
            assert isinstance(found, ProofAdvanced | ProofFinished)
            assert found.state.coupling == outcome.state.coupling
            assert found.state.ref == NOWHERE
        assert answers.outcome("t", "s", goal + 1, tactic) is None
        assert answers.outcome("other", "s", goal, tactic) is None


def test_roots_and_proposals_come_back(tmp_path: Path) -> None:
    root = ProofState(goals=(Goal(text="⊢ 1 = 1", target="1 = 1"),), key="k", ref=StateRef(3, 7))
    candidates = (Candidate("rfl", -0.25, 2), Candidate("simp", -1.5, is_truncated=True))
    with AnswerFile.open(tmp_path / "file", {}) as answers:
        assert answers.root("t") is None
        assert answers.proposal("k", 2) is None
        answers.keep_root("t", root)
        answers.keep_proposal("k", 2, candidates)
    with AnswerFile.open(tmp_path / "file", {}) as answers:
        assert answers.root("t") == root
        assert answers.proposal("k", 2) == candidates
        assert answers.proposal("k", 3) is None


def test_answers_of_another_lean_are_refused_with_what_differs(tmp_path: Path) -> None:
    with AnswerFile.open(tmp_path / "file", {"lean": "4.1", "seed": 0}):
        pass
    with (
        pytest.raises(ConfigError, match=r'"4\.2", there "4\.1" @ lean'),
        AnswerFile.open(tmp_path / "file", {"lean": "4.2", "seed": 0}),
    ):
        pass


def test_what_was_not_said_before_is_said_from_then_on(tmp_path: Path) -> None:
    with AnswerFile.open(tmp_path / "file", {}) as answers:
        answers.require({"policy": None})
        answers.require({"policy": None})
        with pytest.raises(ConfigError, match="@ policy"):
            answers.require({"policy": {"model": "m"}})


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database " * 500)
    with pytest.raises(ConfigError, match="delete it"), AnswerFile.open(tmp_path / "file", {}):
        pass
    with pytest.raises(ConfigError, match="cannot be opened"), AnswerFile.open(tmp_path / "no" / "file", {}):
        pass


def test_a_damaged_answer_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for damage in ("{", "[]", '{"fate": "unheard"}', '{"fate": "rejected"}'):
        with AnswerFile.open(path, {}) as answers:
            answers.keep_outcome("t", "s", 0, "rfl", TacticRejected("no", 0.1))
        database = sqlite3.connect(path)
        with database:
            database.execute("UPDATE transition SET outcome = ?", (damage,))
        database.close()
        with AnswerFile.open(path, {}) as answers, pytest.raises(TrajectoryError, match="file cannot be used"):
            answers.outcome("t", "s", 0, "rfl")
