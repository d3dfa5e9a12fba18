from __future__ import annotations

import pytest

from leanebm.core import Theorem


def test_a_statement_alone_is_named_after_itself() -> None:
    one, same, other = Theorem.of("1 + 1 = 2"), Theorem.of("1 + 1 = 2"), Theorem.of("1 + 1 = 3")
    assert one == same
    assert one.name != other.name
    assert one.name.startswith("statement_")
    assert (one.statement, one.copy_from, one.header) == ("1 + 1 = 2", None, "")
    assert Theorem.of("\ud800").name != one.name, "text that is not Unicode is named too; what it means is for others"


def test_a_statement_may_be_given_a_name_and_a_header() -> None:
    theorem = Theorem.of("p", name="mine", header="open Nat")
    assert (theorem.name, theorem.header, theorem.display) == ("mine", "open Nat", "p")
    with pytest.raises(ValueError, match="needs a name"):
        Theorem.of("p", name=" ")
