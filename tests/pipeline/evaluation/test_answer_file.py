from __future__ import annotations

import gzip
import json
import subprocess
import sys
from contextlib import ExitStack
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
from leanebm.errors import TrajectoryError
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
    path = tmp_path_factory.mktemp("answers") / "file"
    answers = AnswerFile.read(path)
    answers.keep_outcome("s", goal, tactic, outcome)
    answers.write()
    answers = AnswerFile.read(path)
    found = answers.outcome("s", goal, tactic)
    assert found == outcome
    if isinstance(outcome, ProofAdvanced | ProofFinished):
        assert isinstance(found, ProofAdvanced | ProofFinished)
        assert found.state.coupling == outcome.state.coupling
        assert found.state.ref == NOWHERE
    assert answers.outcome("s", goal + 1, tactic) is None
    assert answers.outcome("other", goal, tactic) is None


def test_roots_and_proposals_come_back(tmp_path: Path) -> None:
    root = ProofState(goals=(Goal(text="⊢ 1 = 1", target="1 = 1"),), key="k", ref=StateRef(3, 7))
    candidates = (Candidate("rfl", -0.25, 2), Candidate("simp", -1.5, is_truncated=True))
    answers = AnswerFile.read(tmp_path / "file")
    assert answers.root() is None
    assert answers.proposal("k", 2) is None
    answers.keep_root(root)
    answers.keep_proposal("k", 2, candidates)
    answers.write()
    answers = AnswerFile.read(tmp_path / "file")
    assert answers.root() == root
    assert answers.proposal("k", 2) == candidates
    assert answers.proposal("k", 3) is None


def test_of_two_workers_answers_both_stay_and_the_first_counts(tmp_path: Path) -> None:
    first, second = AnswerFile.read(tmp_path / "file"), AnswerFile.read(tmp_path / "file")
    for answers, said, own in ((first, "first", "a"), (second, "second", "b")):
        answers.keep_outcome("s", 0, "both", TacticRejected(said, 0.1))
        answers.keep_outcome("s", 0, own, TacticRejected(own, 0.1))
        answers.write()
    read = AnswerFile.read(tmp_path / "file")
    assert [read.outcome("s", 0, tactic) for tactic in ("both", "a", "b")] == [
        TacticRejected(said, 0.1) for said in ("first", "a", "b")
    ]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


WRITER = """
import sys
from leanebm.core import TacticRejected
from leanebm.pipeline import AnswerFile

path, who = sys.argv[1:]
answers = [AnswerFile.read(f"{path}-{number}") for number in range(40)]
for number, each in enumerate(answers):
    each.keep_outcome("s", 0, "both", TacticRejected(who, 0.1))
    each.keep_outcome("s", 0, who, TacticRejected(who, 0.1))
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
for each in answers:
    each.write()
"""


def test_workers_that_write_at_the_same_time_lose_and_mix_nothing(tmp_path: Path) -> None:
    workers = ("one", "two", "three")
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WRITER, tmp_path / "file", who],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for who in workers
        ]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
    assert [process.returncode for process in started] == [0, 0, 0]
    for number in range(40):
        read = [AnswerFile.read(tmp_path / f"file-{number}") for _ in range(2)]
        assert [read[0].outcome("s", 0, who) for who in workers] == [TacticRejected(who, 0.1) for who in workers]
        [first, again] = [each.outcome("s", 0, "both") for each in read]
        assert first == again
        assert isinstance(first, TacticRejected)
        assert first.message in workers
    assert len(list(tmp_path.glob("*/*"))) == 40 * len(workers), "nothing is left half-written"


def test_who_was_killed_before_it_had_written_hides_nobody_elses_answers(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "0.json.gz").touch()
    for tactic in ("a", "b"):
        answers = AnswerFile.read(tmp_path / "file")
        answers.keep_outcome("s", 0, tactic, TacticRejected(tactic, 0.1))
        answers.write()
    read = AnswerFile.read(tmp_path / "file")
    assert [read.outcome("s", 0, tactic) for tactic in "ab"] == [TacticRejected(tactic, 0.1) for tactic in "ab"]
    assert names(tmp_path / "file") == [f"{number}.json.gz" for number in range(3)]


@pytest.mark.parametrize("deleted", [(0,), (1,), (2,), (0, 1), (0, 2), (0, 1, 2)])
def test_a_file_that_was_deleted_hides_no_other_and_its_answers_are_asked_again(
    tmp_path: Path, deleted: tuple[int, ...]
) -> None:
    path = tmp_path / "file"
    late = AnswerFile.read(path)
    for tactic in "abc":
        answers = AnswerFile.read(path)
        answers.keep_outcome("s", 0, tactic, TacticRejected("first", 0.1))
        answers.write()
    for number in deleted:
        (path / f"{number}.json.gz").unlink()
    known = {tactic for number, tactic in enumerate("abc") if number not in deleted}
    answers = AnswerFile.read(path)
    assert {tactic for tactic in "abc" if answers.outcome("s", 0, tactic) is not None} == known
    for tactic in "abc":  # whoever had read before all that asks for all of it
        late.keep_outcome("s", 0, tactic, TacticRejected("late", 0.1))
        if tactic not in known:
            answers.keep_outcome("s", 0, tactic, TacticRejected("again", 0.1))
    answers.write()
    late.write()
    read = AnswerFile.read(path)
    assert {read.outcome("s", 0, tactic) for tactic in known} <= {TacticRejected("first", 0.1)}
    assert {read.outcome("s", 0, tactic) for tactic in {*"abc"} - known} == {TacticRejected("again", 0.1)}


def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    AnswerFile.read(tmp_path / "file").write()
    answers = AnswerFile.read(tmp_path / "file")
    answers.keep_outcome("s", 0, "a", TacticRejected("a", 0.1))
    answers.write()
    answers.write()
    AnswerFile.read(tmp_path / "file").write()
    assert names(tmp_path / "file") == ["0.json.gz"]


@pytest.mark.parametrize(
    "content",
    [b"no answers", gzip.compress(b"[]")[:-4], gzip.compress(b"[1]"), gzip.compress(b"{")],
    ids=["text", "cut", "no answers", "no JSON"],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "0.json.gz").write_bytes(content)
    with pytest.raises(TrajectoryError, match=r"file/0\.json\.gz cannot be used: .*Delete it"):
        AnswerFile.read(tmp_path / "file")


def test_answers_that_unpack_to_more_than_is_read_are_neither_read_nor_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("leanebm.pipeline.evaluation.answer_file.MAX_UNPACKED_BYTES", 1000)
    path, first = tmp_path / "file", tmp_path / "file" / "0.json.gz"
    path.mkdir()
    first.write_bytes(gzip.compress(b"[" + b" " * 10_000 + b"]"))
    with pytest.raises(TrajectoryError, match="it unpacks to more than 1000 bytes, the most that are read"):
        AnswerFile.read(path)
    first.unlink()
    for tactic in ("short", "long" * 1000):
        answers = AnswerFile.read(path)
        answers.keep_outcome("s", 0, tactic, TacticRejected("no", 0.1))
        answers.write()
        assert AnswerFile.read(path).outcome("s", 0, "short") is not None
    assert "stays as it is" in caplog.text
    assert names(path) == [first.name]


def test_a_file_that_cannot_be_read_need_not_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "file" / "0.json.gz").mkdir(parents=True)
    with pytest.raises(TrajectoryError, match=r"cannot be read: it is a folder, and only regular files are read$"):
        AnswerFile.read(tmp_path / "file")


@pytest.mark.parametrize("damage", [[], {"fate": "unheard"}, {"fate": "rejected"}, None])
def test_a_damaged_answer_is_an_error_that_names_the_files(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "file"
    path.mkdir()
    (path / "0.json.gz").write_bytes(gzip.compress(json.dumps([[["outcome", "s", 0, "rfl"], damage]]).encode()))
    with pytest.raises(TrajectoryError, match=r"file/\*\.json\.gz cannot be used"):
        AnswerFile.read(path).outcome("s", 0, "rfl")
