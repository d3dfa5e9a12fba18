from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import StateRef
from leanebm.errors import CommandRefused
from leanebm.lean import _exchange as exchange_module
from leanebm.lean._exchange import Batch, Exchange, decode_reply, encode_request, within
from leanebm.lean._replies import MalformedReplyError
from leanebm.lean.requests import goal_tactics, lean_version

_ANSWER = {"leanVersion": "4.28.0"}
_REFUSAL = {"error": "command", "desc": "no"}


def _exchange(nonce: str | None) -> Exchange[str]:
    return Exchange(lean_version(), nonce, deadline_s=1.0)


def _line(*parts: dict[str, Any]) -> bytes:
    return json.dumps({key: value for part in parts for key, value in part.items()}).encode()


async def test_a_request_carries_its_nonce_beside_the_payload() -> None:
    assert json.loads(_exchange("n").line) == {"cmd": "env.describe", "payload": {}, "nonce": "n"}
    assert json.loads(_exchange(None).line) == {"cmd": "env.describe", "payload": {}}


@pytest.mark.parametrize(("within_s", "is_over"), [(0.01, True), (1000.0, False)])
async def test_what_a_batch_waited_for_its_turn_is_taken_off_its_time(within_s: float, is_over: bool) -> None:
    batch = Batch(goal_tactics(StateRef(0, 0), ["a", "b"], timeout_s=1.0, within_s=within_s), "n", deadline_s=1.0)
    await asyncio.sleep(0.02)
    asked, now = json.loads(batch.line), json.loads(batch.line_now())
    left_ms = now["payload"].pop("within")
    assert left_ms == 0 if is_over else 0 < left_ms < asked["payload"]["within"]
    del asked["payload"]["within"]
    assert now == asked


async def test_what_repeats_the_nonce_is_the_answer() -> None:
    assert _exchange("n").read(_line(_ANSWER, {"nonce": "n"})) == "4.28.0"
    with pytest.raises(CommandRefused):
        _exchange("n").read(_line(_REFUSAL, {"nonce": "n"}))


@pytest.mark.parametrize("stamp", [{}, {"nonce": "m"}, {"nonce": None}, {"nonce": 1}, {"nonce": ["n"]}])
@pytest.mark.parametrize("said", [_ANSWER, _REFUSAL])
async def test_what_does_not_is_no_answer_and_no_refusal(said: dict[str, Any], stamp: dict[str, Any]) -> None:
    with pytest.raises(MalformedReplyError, match="another nonce, or none"):
        _exchange("n").read(_line(said, stamp))


async def test_a_worker_that_repeats_nothing_is_taken_at_its_word() -> None:
    assert _exchange(None).read(_line(_ANSWER)) == "4.28.0"


# --- bytes on the wire ---

_texts = st.text(st.characters(codec="utf-8"))

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)


@given(command=_texts, payload=st.dictionaries(_texts, _json, max_size=4))
def test_a_request_is_one_line_of_utf8_that_reads_back(command: str, payload: dict[str, object]) -> None:
    line = encode_request(command, payload)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert decode_reply(line) == {"cmd": command, "payload": payload}


def test_text_beyond_the_basic_plane_goes_out_raw() -> None:
    assert "∀ 𝔸".encode() in encode_request("goal.start", {"expr": "∀ 𝔸"})


def test_a_lone_surrogate_cannot_be_sent() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_request("goal.tactic", {"tactic": "\ud835"})


@pytest.mark.parametrize(
    "line",
    [b"", b"[DEBUG] hello", b"[1]", b"3", b"null", b'{"a": ', b'{"a": "\xff"}', b"[" * 100_000],
    ids=["empty", "noise", "list", "number", "null", "half", "not utf-8", "deep"],
)
def test_what_is_not_one_json_object_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        decode_reply(line)


def test_an_excerpt_of_a_malformed_line_is_short() -> None:
    with pytest.raises(MalformedReplyError) as caught:
        decode_reply(b"x" * 10_000)
    assert len(str(caught.value)) < 400


@given(reply=st.dictionaries(_texts, _json, max_size=4))
def test_any_object_decodes_to_itself(reply: dict[str, object]) -> None:
    assert decode_reply(json.dumps(reply, ensure_ascii=False).encode()) == reply


@pytest.mark.parametrize("text", [rb"\ud800", rb"a\uDFFF", rb"\udc00\ud800"])
def test_half_of_a_surrogate_pair_is_malformed_since_no_file_can_hold_it(text: bytes) -> None:
    for line in (b'{"key": "%s"}' % text, b'{"goals": [{"%s": 1}]}' % text):
        with pytest.raises(MalformedReplyError):
            decode_reply(line)


def test_whole_surrogate_pairs_and_what_only_looks_like_one_are_text() -> None:
    assert decode_reply(rb'{"a": "\ud835\udd38", "b": "\\ud800"}') == {"a": "𝔸", "b": r"\ud800"}


# --- deadlines ---


async def test_what_comes_in_time_is_returned() -> None:
    async def attempt() -> str:
        await asyncio.sleep(0)
        return "there"

    assert await within(20, attempt) == "there"


async def test_what_does_not_come_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        await within(0.01, asyncio.Event().wait)


@pytest.mark.parametrize("comes", [True, False])
async def test_time_through_which_we_stood_still_does_not_count(comes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "_STANDSTILL_S", 0.1)
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    calls = 0

    def stand_still() -> None:
        time.sleep(0.3)  # for the event loop this is what being stopped looks like
        if comes:  # but it is heard of only after the deadline
            loop.call_soon(loop.call_soon, loop.call_soon, arrived.set)

    async def attempt() -> bool:
        nonlocal calls
        calls += 1
        return await arrived.wait()

    loop.call_soon(stand_still)
    if comes:
        assert await within(0.1, attempt)
    else:
        with pytest.raises(TimeoutError):
            await within(0.1, attempt)
    assert calls == 2
