"""Conformance cases 1–19: lines in, lines out, whatever they hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.lean


def test_01_banner_is_the_first_line(repl: Any) -> None:
    assert repl.banner == b"ready.\n"


@pytest.mark.usefixtures("our_repl")
def test_02_the_version_is_one_line_and_no_banner(new_repl: Callable[..., Any]) -> None:
    repl = new_repl("--version")
    number, _, about = repl.banner.decode().partition(" ")
    assert number.split(".")[:2] == ["0", "3"]
    assert "leanebm's REPL, Lean 4." in about
    assert repl.read_line() == b""
    assert repl.close() == 0


def test_03_unknown_module_ends_the_process_without_a_banner(new_repl: Callable[..., Any]) -> None:
    repl = new_repl("Init", "No.Such.Module")
    assert repl.banner == b""
    assert repl.close() != 0


@pytest.mark.parametrize("line", ['{"cmd":"stat","payload":{}}', "stat {}", '{"cmd":"stat"}', "stat"])
def test_04_05_06_three_ways_to_ask(repl: Any, line: str) -> None:
    assert repl.raw(line) == {"nGoals": 0}


def test_07_bad_json_is_refused_and_the_next_request_answered(repl: Any) -> None:
    assert repl.raw("{not json")["error"] == "command"
    assert repl("stat") == {"nGoals": 0}


def test_08_unknown_command(repl: Any) -> None:
    assert repl("nope") == {"error": "command", "desc": "Unknown command nope"}


def test_09_bad_payload_names_the_field(repl: Any) -> None:
    reply = repl("expr.echo", invalid="x")
    assert reply["error"] == "command"
    assert reply["desc"].startswith("Unable to parse json:")
    assert "expr" in reply["desc"]


def test_10_flat_request_is_an_error_not_a_crash(repl: Any) -> None:
    assert "error" in repl.raw('{"cmd":"goal.tactic","stateId":0,"tactic":"simp"}')
    assert repl("stat") == {"nGoals": 0}


def test_11_unknown_keys_are_ignored(repl: Any) -> None:
    assert "stateId" in repl("goal.start", expr="True", someday="maybe")


@pytest.mark.parametrize("request_", ['"cmd":"stat"', '"cmd":"nope"', '"cmd":"goal.print","payload":{"stateId":9}'])
def test_a_nonce_is_repeated_in_answers_and_refusals(repl: Any, request_: str) -> None:
    said = repl.raw(f"{{{request_}}}")
    assert repl.raw(f'{{{request_},"nonce":"n7"}}') == said | {"nonce": "n7"}


def test_12_blank_line_ends_it_silently(new_repl: Callable[..., Any]) -> None:
    repl = new_repl()
    repl.write(b"\n")
    assert repl.read_line() == b""
    assert repl.process.wait(timeout=60) == 0


def test_13_14_a_last_line_without_newline_is_answered_then_it_ends(new_repl: Callable[..., Any]) -> None:
    repl = new_repl()
    repl.write(b'{"cmd":"stat"}')
    repl.process.stdin.close()
    assert json.loads(repl.read_line()) == {"nGoals": 0}
    assert repl.read_line() == b""
    assert repl.process.wait(timeout=60) == 0


def test_15_two_megabytes_of_tactic_give_one_reply(repl: Any) -> None:
    state = repl.start("True")
    reply = repl.tactic(state, "exact foo" + " " * 2_000_000 + "bar")
    assert "nextStateId" not in reply
    assert repl("stat") == {"nGoals": 1}


def test_16_pipelined_requests_are_answered_in_order(repl: Any) -> None:
    lines = [f'{{"cmd":"expr.echo","payload":{{"expr":"{n} + 0"}}}}\n' for n in range(10)]
    repl.write("".join(lines).encode())
    answers = [json.loads(repl.read_line())["expr"]["pp"] for _ in lines]
    assert answers == [f"{n} + 0" for n in range(10)]


@pytest.mark.parametrize("blocks", [1, 2, 64, 128])
def test_a_request_may_end_where_a_buffer_does(repl: Any, blocks: int) -> None:
    for surplus in (-1, 0, 1):
        line = '{"cmd":"stat"}'.ljust(blocks * 1024 + surplus - len("\n"))
        assert repl.raw(line) == {"nGoals": 0}
        assert repl("stat") == {"nGoals": 0}


@pytest.mark.usefixtures("our_repl")
def test_17_text_beyond_the_basic_plane(repl: Any) -> None:
    raw = repl("goal.start", expr="∀ 𝔸 : Prop, 𝔸 → 𝔸", goals=True)
    escaped = repl.raw(
        '{"cmd":"goal.start","payload":{"goals":true,'
        '"expr":"∀ \\ud835\\udd38 : Prop, \\ud835\\udd38 → \\ud835\\udd38"}}'
    )
    assert raw["goals"][0]["target"]["pp"] == "∀ (𝔸 : Prop), 𝔸 → 𝔸"
    assert escaped["key"] == raw["key"]


def test_18_a_tactic_has_no_way_to_print(repl: Any) -> None:
    state = repl.start("True")
    for tactic in ('dbg_trace "{}"\ntrivial', 'simp (config := dbgTrace "{}" fun _ => {})', 'run_tac IO.println "{}"'):
        reply = repl.tactic(state, tactic)
        assert "not allowed" in reply["messages"][0]["data"]
    assert repl("stat") == {"nGoals": 1}


def test_19_every_reply_is_one_line_of_json(repl: Any) -> None:
    state = repl.start("∀ n : Nat, n = n")
    for tactic in ("intro n", "nonsense", "rfl", "sorry", "intro\nn"):
        assert isinstance(repl.tactic(state, tactic), dict)
