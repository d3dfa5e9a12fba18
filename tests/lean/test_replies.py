from __future__ import annotations

from typing import Any

import pytest

from leanebm.core import Goal, Hypothesis, ProofState, StateRef
from leanebm.errors import CommandRefused
from leanebm.lean import _replies
from leanebm.lean._replies import (
    CertifiedReply,
    CertifyRejectedReply,
    JsonObject,
    LibraryTheoremReply,
    LimitReached,
    MalformedReplyError,
    TacticFailed,
    UnitMessages,
    UnusableState,
    certify_reply,
    expect,
    library_reply,
    optional,
    print_reply,
    ref_in,
    start_reply,
    units_reply,
)

_EPOCH = 7

_FLAGS = {"hasSorry": False, "hasUnsafe": False}


def tactic_reply(reply: JsonObject) -> object:
    return _replies.tactic_reply(reply, _EPOCH)


def _state(reply: JsonObject) -> ProofState:
    state = tactic_reply(reply)
    assert isinstance(state, ProofState)
    return state


def _error(text: str, severity: str = "error") -> dict[str, Any]:
    return {"fileName": "<Pantograph>", "pos": {"line": 0, "column": 12}, "severity": severity, "data": text}


def _wire_goal(**changes: Any) -> dict[str, Any]:
    variable = {"name": "_uniq.1", "userName": "n", "isInaccessible": False, "type": {"pp": "Nat"}}
    return {"name": "_uniq.2", "fragment": "tactic", "target": {"pp": "n = n"}, "vars": [variable]} | changes


# --- goal.tactic: four shapes ---


def test_success_is_a_new_state() -> None:
    reply = {"nextStateId": 3, "goals": [_wire_goal(ppGoal="n : Nat\n⊢ n = n")], "key": "k", "messages": [], **_FLAGS}
    goal = Goal("n : Nat\n⊢ n = n", "n = n", (Hypothesis("n", "Nat"),))
    state = _state(reply)
    assert (state.goals, state.key, state.ref) == ((goal,), "k", StateRef(_EPOCH, 3))


def test_no_goals_and_a_state_id_is_a_finished_proof() -> None:
    assert _state({"nextStateId": 0, "goals": [], "messages": [], **_FLAGS}).is_solved


def test_the_short_form_is_understood() -> None:
    state = _state({"stateId": 1, "goals": ["n : Nat\n⊢ n + 0 = n"]})
    assert state.ref == StateRef(_EPOCH, 1)
    assert state.goals[0].target == "n + 0 = n"


def test_a_failed_tactic_is_its_error_messages() -> None:
    reply = {"messages": [_error("ignored", "warning"), _error("unsolved goals\n")], **_FLAGS}
    assert tactic_reply(reply) == TacticFailed("unsolved goals")


@pytest.mark.parametrize("reply", [{"messages": ["oh"], **_FLAGS}, {"tacticErrors": ["oh"]}])
def test_older_servers_send_bare_strings(reply: dict[str, Any]) -> None:
    assert tactic_reply(reply) == TacticFailed("oh")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<Pantograph>:1:1: expected", "expected"),
        ("<Pantograph>:12:34: one\n<Pantograph>:2:1: other", "one\nother"),
        ("of <Pantograph>:1:1: nothing", "of <Pantograph>:1:1: nothing"),
    ],
)
def test_text_that_does_not_parse_is_a_failed_tactic_without_places_that_nobody_has_seen(said: str, shown: str) -> None:
    assert tactic_reply({"parseError": said, **_FLAGS}) == TacticFailed(shown)
    with pytest.raises(CommandRefused) as caught:
        _replies.refuse_if_error({"error": "elab", "desc": said}, "goal.start")
    assert caught.value.description == shown
    assert (caught.value.place is None) == said.startswith("of")


_HEARTBEATS = "(deterministic) timeout at `whnf`, maximum number of heartbeats (200000) has been reached"


@pytest.mark.parametrize(
    ("kind", "description", "told"),
    [
        ("io", "interrupt", "interrupt"),
        ("internal", "interrupt", "interrupt"),
        ("core", _HEARTBEATS, _HEARTBEATS),
        ("io", f"{_HEARTBEATS}\n\nNote: Use `set_option maxHeartbeats <num>` to set the limit.", _HEARTBEATS),
        (
            "io",
            "maximum recursion depth has been reached\nuse `set_option maxRecDepth <num>` to increase limit",
            "maximum recursion depth has been reached",
        ),
    ],
)
def test_limits_inside_lean_are_limits(kind: str, description: str, told: str) -> None:
    assert tactic_reply({"error": kind, "desc": description}) == LimitReached(told)


def test_a_limit_that_was_logged_is_a_limit_too() -> None:
    told = "maximum recursion depth has been reached"
    assert tactic_reply({"messages": [_error(told)]}) == LimitReached(told)


def test_any_other_error_under_a_tactic_is_its_failure() -> None:
    assert tactic_reply({"error": "io", "desc": "no such file"}) == TacticFailed("io: no such file")


@pytest.mark.parametrize("kind", ["command", "arguments", "operation", "main", "index"])
def test_a_request_that_was_not_understood_says_nothing_about_the_tactic(kind: str) -> None:
    with pytest.raises(CommandRefused) as caught:
        tactic_reply({"error": kind, "desc": "Unable to parse json"})
    assert caught.value.kind == kind
    assert caught.value.command == "goal.tactic"


@pytest.mark.parametrize("flag", [{"hasSorry": True}, {"hasUnsafe": True}, {"messages": [_error("recovered")]}])
def test_a_success_that_must_not_be_used_comes_with_an_objection(flag: dict[str, Any]) -> None:
    reply = tactic_reply({"nextStateId": 4, "goals": [], **_FLAGS, **flag})
    assert isinstance(reply, UnusableState)
    assert reply.objection
    assert ref_in(reply) == StateRef(_EPOCH, 4)


def test_warnings_are_no_objection() -> None:
    _state({"nextStateId": 4, "goals": [], "messages": [_error("Try this", "information")], **_FLAGS})


@pytest.mark.parametrize(
    "reply",
    [
        {"goals": [], **_FLAGS},
        {"nextStateId": 3, **_FLAGS},
        {"nextStateId": None, "goals": []},
        {"nextStateId": True, "goals": []},
        {"nextStateId": -1, "goals": []},
        {"nextStateId": 3, "goals": {}},
        {"nextStateId": 3, "goals": [7]},
        {"nextStateId": 3, "goals": [{"vars": []}]},
        {"nextStateId": 3, "goals": ["no turnstile"]},
        {"nextStateId": 3, "goals": ["⊢ p"], "groups": []},
        {"nextStateId": 3, "goals": ["⊢ p"], "groups": [True]},
        {"nextStateId": 3, "goals": ["⊢ p"], "groups": 0},
        {"messages": [], **_FLAGS},
        {**_FLAGS},
        {},
        {"error": "io"},
        {"error": None, "desc": "what"},
    ],
)
def test_what_matches_no_shape_is_malformed_and_never_a_proof(reply: dict[str, Any]) -> None:
    with pytest.raises(MalformedReplyError):
        tactic_reply(reply)


# --- goals ---


def test_a_goal_without_its_text_is_rendered() -> None:
    reply = _state({"nextStateId": 1, "goals": [_wire_goal(userName="inl._@.X._hyg.3")]})
    assert reply.goals[0].text == "case inl\nn : Nat\n⊢ n = n"
    assert reply.goals[0].case_name == "inl"
    assert reply.key


@pytest.mark.parametrize("marks", [{"fragment": "conv"}, {"fragment": None, "isConversion": True}])
def test_a_conversion_goal_is_rendered_with_a_bar(marks: dict[str, Any]) -> None:
    reply = _state({"nextStateId": 1, "goals": [_wire_goal(vars=[], **marks)]})
    assert reply.goals[0].text == "| n = n"


@pytest.mark.parametrize(("said", "coupling"), [({"groups": [0, 1, 0]}, (0, 1, 0)), ({}, (0, 0, 0))])
def test_goals_share_metavariables_unless_the_worker_says_otherwise(said: dict[str, Any], coupling: object) -> None:
    assert _state({"nextStateId": 1, "goals": [_wire_goal()] * 3, **said}).coupling == coupling


# --- other commands ---


def test_a_started_proof_may_come_with_its_state_or_without() -> None:
    assert start_reply({"stateId": 0, "root": "_uniq.9"}, _EPOCH) == StateRef(_EPOCH, 0)
    started = start_reply({"stateId": 0, "root": "_uniq.9", "goals": [_wire_goal()], "key": "k"}, _EPOCH)
    assert isinstance(started, ProofState)
    assert (started.key, started.ref) == ("k", StateRef(_EPOCH, 0))


def test_a_refused_start_says_so() -> None:
    with pytest.raises(CommandRefused, match="unknown identifier"):
        start_reply({"error": "elab", "desc": "unknown identifier"}, _EPOCH)


def test_a_printed_state_is_where_it_was() -> None:
    ref = StateRef(_EPOCH, 3)
    printed = print_reply({"goals": [_wire_goal()], "extraMVars": [], "rootHasMVar": False}, ref)
    assert (printed.ref, printed.goals[0].target) == (ref, "n = n")


def test_a_certificate_is_read() -> None:
    wire = {"statement": "p", "fingerprint": "f", "axioms": ["b", "a"], "constants": [], "trustedConstants": ["T"]}
    reply = certify_reply({"certificate": wire | {"leanVersion": "4"}})
    assert reply == CertifiedReply("p", "f", ("a", "b"), (), ("T",), "4")


def test_a_rejection_is_read() -> None:
    reply = certify_reply({"rejected": {"reason": "sorry", "message": "it uses sorryAx"}})
    assert reply == CertifyRejectedReply("sorry", "it uses sorryAx")


_HALF = {"statement": "p", "fingerprint": "f", "constants": [], "trustedConstants": [], "leanVersion": "4"}


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"certificate": {}},
        {"certificate": {"statement": "p"}},
        {"certificate": _HALF},
        {"certificate": _HALF | {"axioms": None}},
        {"certificate": _HALF | {"axioms": [["sorryAx"]]}},
        {"rejected": {}},
    ],
)
def test_half_a_certificate_is_none(reply: dict[str, Any]) -> None:
    with pytest.raises(MalformedReplyError):
        certify_reply(reply)


def test_a_page_of_the_library_is_read() -> None:
    item = {"name": "n", "module": "m", "statement": "s", "fingerprint": "f"}
    page = library_reply({"theorems": [item], "next": 200})
    assert page.theorems == (LibraryTheoremReply("n", "m", "s", "f"),)
    assert page.next_offset == 200
    assert library_reply({"theorems": []}).next_offset is None


def test_messages_of_all_units_are_collected() -> None:
    units = [{"boundary": [0, 3], "messages": [_error("a")]}, {"boundary": [3, 5]}]
    assert units_reply({"units": units}) == UnitMessages((("error", "a"),), (0, 3))


@pytest.mark.parametrize("boundary", [None, [], ["0"], 3])
def test_a_command_without_a_place_is_no_command(boundary: object) -> None:
    with pytest.raises(MalformedReplyError):
        units_reply({"units": [{"boundary": boundary}]})


# --- values in an object ---


def test_missing_and_null_are_the_same() -> None:
    assert optional({"a": None}, "a", int) is None
    assert optional({}, "a", int) is None
    with pytest.raises(MalformedReplyError, match="'a'"):
        expect({"b": 1}, "a", int)


@pytest.mark.parametrize(("value", "kind"), [(True, int), (1, bool), ("1", int), ([], dict)])
def test_a_value_of_another_type_is_malformed(value: object, kind: type[object]) -> None:
    with pytest.raises(MalformedReplyError, match="type"):
        optional({"a": value}, "a", kind)
