from __future__ import annotations

import pytest

from leanebm.errors import PolicyBadRequest
from leanebm.serve._aborts import Aborts


def test_one_is_aborted_by_its_name_and_all_without() -> None:
    aborts = Aborts()
    with aborts.listening("a") as a, aborts.listening("b") as b, aborts.listening("") as unnamed:
        aborts.abort("a")
        aborts.abort("")
        aborts.abort("nobody")
        assert [event.is_set() for event in (a, b, unnamed)] == [True, False, False]
        aborts.abort(None)
        assert [event.is_set() for event in (a, b, unnamed)] == [True, True, True]


def test_a_name_is_taken_while_its_request_is_open() -> None:
    aborts = Aborts()
    with aborts.listening("a") as first:
        with pytest.raises(PolicyBadRequest, match="'a'"), aborts.listening("a"):
            pass
        aborts.abort("a")
        assert first.is_set()
    with aborts.listening("a") as second:
        assert not second.is_set()


def test_many_may_have_no_name() -> None:
    aborts = Aborts()
    with aborts.listening("") as one, aborts.listening("") as two:
        assert one is not two
