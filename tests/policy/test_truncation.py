from __future__ import annotations

import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Goal, Hypothesis, ProofState, StateRef
from leanebm.policy import truncate_state, truncate_text

NAMES = st.sampled_from(["a", "b", "c", "h", "h'", "x✝", "n₁", "inst✝¹", "ih"])
TERMS = st.lists(
    st.one_of(NAMES, st.sampled_from(["=", "Nat", "f", "∀", "→", "\n    +"])), min_size=1, max_size=12
).map(" ".join)
HYPOTHESES = st.builds(lambda names, type_: (" ".join(names), type_), st.lists(NAMES, min_size=1, max_size=3), TERMS)


@st.composite
def goals(draw: st.DrawFn) -> tuple[list[str], str]:
    """The lines of a goal's hypotheses, and its target."""
    declared = [f"{names} : {type_}" for names, type_ in draw(st.lists(HYPOTHESES, max_size=10))]
    case = ["case inl.h"] if draw(st.booleans()) else []
    return [*case, *declared], f"⊢ {draw(TERMS)}"


def printed(state: list[tuple[list[str], str]]) -> str:
    return "\n\n".join("\n".join([*lines, target]) for lines, target in state)


STATES = st.lists(goals(), min_size=1, max_size=3)
LIMITS = st.integers(min_value=64, max_value=600)


@given(st.one_of(STATES.map(printed), st.text(max_size=300)), LIMITS)
def test_the_limit_holds_for_any_text_and_a_second_time_changes_nothing(text: str, limit: int) -> None:
    short = truncate_text(text, limit)
    assert len(short) <= limit
    assert truncate_text(short, limit) == short
    assert (short == text) == (len(text) <= limit)


@given(STATES, LIMITS)
def test_targets_stay_and_lines_keep_their_order(state: list[tuple[list[str], str]], limit: int) -> None:
    text = printed(state)
    short = truncate_text(text, limit)
    skeleton = printed([(["case inl.h", "… 99 hypotheses left out"], target) for _, target in state])
    if len(skeleton) <= limit:
        assert [part.rpartition("⊢")[2] for part in short.split("\n\n")] == [target[1:] for _, target in state]
    kept = [line for line in short.split("\n") if not line.startswith("…")]
    lines = iter(text.split("\n"))
    if "characters left out" not in short:
        assert all(line in lines for line in kept)


@given(goals(), LIMITS)
def test_every_hypothesis_is_shown_or_counted(goal: tuple[list[str], str], limit: int) -> None:
    lines, target = goal
    short = truncate_text(printed([goal]), limit)
    if "character" in short:
        return
    number = sum(len(line.partition(" :")[0].split()) for line in lines if not line.startswith("case"))
    shown = sum(
        len(line.partition(" :")[0].split())
        for line in short.removesuffix(target).split("\n")
        if " :" in line and not line.startswith((" ", "…"))
    )
    counted = re.search(r"… (\d+) hypothes[ie]s left out", short)
    assert shown + (int(counted[1]) if counted else 0) == number


STATE = """case succ
α : Type
n m k : Nat
far : k = 7
unrelated : α = α
middle : m < k
near : n = m
long : ∀ x : Nat,
    x = x
⊢ n + 0 = n"""


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (128, ["α", "n m k", "far", "unrelated", "middle", "near", "long"]),
        (127, ["n m k", "far", "middle", "near", "long"]),
        (100, ["n m k", "far", "middle", "near"]),
        (90, ["n m k", "middle", "near"]),
        (75, ["n m k", "near"]),
        (66, ["near"]),
    ],
)
def test_the_nearest_hypotheses_are_kept(limit: int, kept: list[str]) -> None:
    short = truncate_text(STATE, limit)
    shown = [line.partition(" :")[0] for line in short.split("\n") if " :" in line and line[0] != " "]
    assert len(short) <= limit
    assert shown == kept
    assert short.startswith("case succ\n")
    assert short.endswith("\n⊢ n + 0 = n")


def test_the_first_goal_has_the_first_say() -> None:
    goal = "h : " + "p" * 40 + "\n⊢ h = h"
    short = truncate_text(f"{goal}\n\n{goal}", 90)
    assert short == f"{goal}\n\n… 1 hypothesis left out\n⊢ h = h"


def test_where_targets_do_not_fit_the_last_goals_go() -> None:
    goals_ = "\n\n".join(f"⊢ {name * 40}" for name in "pqr")
    assert truncate_text(goals_, 70) == "⊢ " + "p" * 40 + "\n\n… 2 goals left out"
    short = truncate_text(goals_.replace("p", "p" * 5), 90)
    assert re.fullmatch(r"⊢ p+\n… \d+ characters left out\n\n… 2 goals left out", short)


def test_what_was_left_out_before_is_counted_again() -> None:
    once = truncate_text(STATE, 100)
    assert "… 3 hypotheses left out" in once
    assert "… 8 hypotheses left out" in truncate_text(once, 66)


def state_of(*texts: str) -> ProofState:
    def goal(text: str) -> Goal:
        lines = text.split("\n")
        hypotheses = tuple(
            Hypothesis(name, line.partition(" : ")[2])
            for line in lines[:-1]
            for name in line.partition(" : ")[0].split()
        )
        return Goal(text=text, target=lines[-1].removeprefix("⊢ "), hypotheses=hypotheses)

    return ProofState(tuple(map(goal, texts)), "key", StateRef(1, 0))


def test_a_states_hypotheses_go_with_its_text() -> None:
    state = state_of(f"a b : Nat\nfar : {'p' * 60}\nh : a = b\n⊢ a = 0", "⊢ True")
    short = truncate_state(state, 64)
    assert short.text == "… 1 hypothesis left out\na b : Nat\nh : a = b\n⊢ a = 0\n\n⊢ True"
    assert [hypothesis.name for hypothesis in short.goals[0].hypotheses] == ["a", "b", "h"]
    assert short.goals[0].target == "a = 0"
    assert (short.key, short.ref) == (state.key, state.ref)


def test_a_short_state_is_left_alone() -> None:
    state = state_of("a : Nat\n⊢ a = 0")
    assert truncate_state(state, 64) is state


def test_a_state_whose_target_does_not_fit_says_so() -> None:
    short = truncate_state(state_of("⊢ " + "p" * 500, "⊢ q"), 100)
    assert len(short.text) <= 100
    assert "characters left out" in short.goals[0].target
    assert short.goals[1].text == "… 1 goal left out"


@given(st.lists(st.integers(1, 200), min_size=1, max_size=40), st.integers(64, 400))
def test_a_state_that_loses_goals_is_still_a_state(lengths: list[int], limit: int) -> None:
    state = state_of(*("⊢ " + "p" * length for length in lengths))
    state = attrs.evolve(state, coupling=tuple(index // 2 for index in range(len(lengths))))
    short = truncate_state(state, limit)
    assert len(short.text) <= limit
    assert short.coupling == state.coupling[: len(short.goals)]
    assert truncate_text(state.text, limit) == short.text
