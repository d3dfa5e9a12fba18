from __future__ import annotations

from typing import Any

import attrs
import pytest

from leanebm.core import SearchOutcome, SearchResult, SearchStatistics, Theorem
from leanebm.errors import WorkerStartError


def test_a_proof_that_could_not_be_opened_has_found_nothing() -> None:
    error = WorkerStartError("no worker started")
    result = SearchResult.unopened(Theorem(name="t", statement="True"), error)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert result.error is error
    assert result.nodes == ()
    assert result.proof == ()
    assert result.statistics == SearchStatistics()
    assert "nodes=<0>" in repr(result)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("theorem", "True"),
        ("outcome", "exhausted"),
        ("certificate", "trust me"),
        ("rejections", ("no",)),
        ("nodes", (1, 2)),
        ("nodes", []),
        ("statistics", None),
        ("error", "it broke"),
    ],
)
def test_a_result_holds_what_it_says(field: str, value: Any) -> None:
    result = SearchResult.unopened(Theorem(name="t", statement="True"), None)
    with pytest.raises(TypeError, match=field):
        attrs.evolve(result, **{field: value})
