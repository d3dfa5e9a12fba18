from __future__ import annotations

import json
from typing import Any

import pytest

from leanebm.errors import CommandRefused
from leanebm.lean._codec import MalformedReplyError
from leanebm.lean._exchange import Exchange
from leanebm.lean.requests import lean_version

_ANSWER = {"leanVersion": "4.28.0"}
_REFUSAL = {"error": "command", "desc": "no"}


def _exchange(nonce: str | None) -> Exchange[str]:
    return Exchange(lean_version(), nonce, deadline_s=1.0)


def _line(*parts: dict[str, Any]) -> bytes:
    return json.dumps({key: value for part in parts for key, value in part.items()}).encode()


async def test_a_request_carries_its_nonce_beside_the_payload() -> None:
    assert json.loads(_exchange("n").line) == {"cmd": "env.describe", "payload": {}, "nonce": "n"}
    assert json.loads(_exchange(None).line) == {"cmd": "env.describe", "payload": {}}


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
