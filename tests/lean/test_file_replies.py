from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from leanebm.errors import CommandRefused
from leanebm.lean._file_replies import CertifiedFile, FileRefused, FileSorries, file_verdicts_reply, sorries_reply
from leanebm.lean._replies import CertifiedReply, CertifyRejectedReply, MalformedReplyError

_SORRY = {"start": 20, "stop": 25, "tactic": True}

_THEOREM = {"name": "A.t", "start": 3, "sorries": [_SORRY | {"statement": "p"}]}

_SORRIES: dict[str, Any] = {"commands": [[0, 2], [3, 30]], "theorems": [_THEOREM], "others": [_SORRY]}

_CERTIFICATE = {
    "statement": "p",
    "fingerprint": "f",
    "axioms": [],
    "constants": ["True"],
    "trustedConstants": [],
    "leanVersion": "4",
}

_VERDICT: dict[str, Any] = {
    "name": "A.t",
    "start": 3,
    "statement": "p",
    "sorries": 1,
    "unproved": ["A.t"],
    "rejected": {"reason": "sorry", "message": "m"},
}


def test_sorries_are_read() -> None:
    found = sorries_reply(_SORRIES)
    assert isinstance(found, FileSorries)
    assert found.commands == ((0, 2), (3, 30))
    (theorem,), (other,) = found.theorems, found.others
    assert (theorem.name, theorem.start) == ("A.t", 3)
    (sorry,) = theorem.sorries
    assert (sorry.start, sorry.stop, sorry.is_tactic, sorry.statement, sorry.objection) == (20, 25, True, "p", None)
    assert (other.statement, other.objection) == ("", None)


def test_an_objection_is_read() -> None:
    theorem = _THEOREM | {"sorries": [_SORRY | {"objection": "why"}]}
    found = sorries_reply(_SORRIES | {"theorems": [theorem]})
    assert isinstance(found, FileSorries)
    assert found.theorems[0].sorries[0].objection == "why"


def _as_told(*verdict: Any) -> Any:
    return verdict


_read_verdicts = partial(file_verdicts_reply, judge=_as_told)


def test_verdicts_are_read() -> None:
    found = _read_verdicts({"commands": [], "theorems": [_VERDICT]})
    assert isinstance(found, CertifiedFile)
    (verdict,) = found.theorems
    result: Any = verdict.result
    assert result == ("A.t", "p", CertifyRejectedReply("sorry", "m"))
    assert (verdict.name, verdict.start, verdict.sorries, verdict.unproved) == ("A.t", 3, 1, ("A.t",))


def test_a_certificate_is_read() -> None:
    verdict = {key: value for key, value in _VERDICT.items() if key != "rejected"} | {"certificate": _CERTIFICATE}
    found = _read_verdicts({"commands": [], "theorems": [verdict]})
    assert isinstance(found, CertifiedFile)
    result: Any = found.theorems[0].result
    assert isinstance(result[-1], CertifiedReply)


@pytest.mark.parametrize("decode", [sorries_reply, _read_verdicts])
def test_a_file_that_is_not_taken_is_told_with_its_reason(decode: Any) -> None:
    assert decode({"rejected": {"reason": "elaboration", "message": "1:2: no"}}) == FileRefused(
        "elaboration", "1:2: no"
    )
    with pytest.raises(CommandRefused, match="Unknown command"):
        decode({"error": "command", "desc": "Unknown command"})


@pytest.mark.parametrize(
    "reply",
    [
        {},
        _SORRIES | {"commands": [[1]]},
        _SORRIES | {"commands": [[1, "2"]]},
        _SORRIES | {"theorems": [{}]},
        _SORRIES | {"others": [{"start": 1}]},
    ],
)
def test_what_is_no_list_of_sorries_is_malformed(reply: dict[str, Any]) -> None:
    with pytest.raises(MalformedReplyError):
        sorries_reply(reply)


@pytest.mark.parametrize("missing", [*_VERDICT])
def test_a_verdict_that_lacks_something_is_malformed(missing: str) -> None:
    verdict = {key: value for key, value in _VERDICT.items() if key != missing}
    with pytest.raises(MalformedReplyError):
        _read_verdicts({"commands": [], "theorems": [verdict]})
