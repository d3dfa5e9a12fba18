from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import leanebm
from leanebm.core import SearchOutcome, Theorem
from leanebm.errors import ConfigError, LeanInstallError, PoolClosed, StatementError
from leanebm.pipeline import Observer, ProofAttempt, Prover, RunConfig, StageProgressed, WorkbenchOpener
from leanebm.pipeline.search import prover as prover_module
from leanebm.search import SearchBudget
from leanebm.testing import ToyWorld

ToyBench = Callable[..., Any]


@pytest.fixture
def opening(toy_bench: ToyBench, world: ToyWorld) -> WorkbenchOpener:
    return toy_bench(world)  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    for thread in threading.enumerate():
        if "prover" in thread.name:
            thread.join(60)
            assert not thread.is_alive()


def test_many_statements_are_proved_with_parts_that_are_started_once(opening: WorkbenchOpener) -> None:
    opened: list[RunConfig] = []

    def counted(config: RunConfig, observer: Observer) -> Any:
        opened.append(config)
        return opening(config, observer)

    with Prover(opening=counted) as prover:
        assert [prover.prove(statement).is_proved for statement in ("8", "6", "4")] == [True] * 3
        replayed = prover.prove("2", tactics=["halve", "done"])
        assert replayed.certificate is not None
        assert replayed.certificate.tactics == ("halve", "done")
        assert prover.prove(Theorem(name="two", statement="2")).theorem.name == "two"
        assert not prover.prove("31", budget=SearchBudget(max_expansions=1)).is_proved
    assert [config.lean.num_workers for config in opened] == [1]


async def test_it_works_where_an_event_loop_is_running(opening: WorkbenchOpener) -> None:
    with Prover(opening=opening) as prover:
        assert prover.prove("8").is_proved


def test_a_variable_keeps_it_until_it_is_closed(opening: WorkbenchOpener) -> None:
    prover = Prover(opening=opening)
    assert repr(prover) == "<Prover: not started>"
    assert prover.prove("8").is_proved
    assert repr(prover) == "<Prover: ready>"
    prover.close()
    prover.close()
    assert repr(prover) == "<Prover: closed>"
    with pytest.raises(PoolClosed, match="closed; make another"):
        prover.prove("8")


def test_what_is_forgotten_ends(opening: WorkbenchOpener) -> None:
    assert Prover(opening=opening).prove("8").is_proved  # and then the fixture looks for its thread


def test_one_that_proves_nothing_starts_nothing() -> None:
    def opening(*_: Any) -> Any:
        return None

    Prover(opening=opening).close()


def test_errors_are_those_of_the_proof(opening: WorkbenchOpener) -> None:
    with Prover(opening=opening) as prover:
        with pytest.raises(ConfigError, match="cannot be proved"):
            prover.prove("(")
        with pytest.raises(StatementError):
            prover.prove("no number")
        with pytest.raises(TypeError, match=r"expected a theorem, or its text such as '1 \+ 1 = 2', got 5"):
            prover.prove(5)  # type: ignore[arg-type]
        assert prover.prove("8").is_proved, "an error ends one proof, not the prover"


def test_a_start_that_fails_is_raised_where_it_was_asked_for() -> None:
    class Broken:
        def __init__(self, *_: object) -> None: ...

        async def __aenter__(self) -> Any:
            raise LeanInstallError("no network")

        async def __aexit__(self, *_: object) -> None: ...

    prover = Prover(opening=Broken)
    for _ in range(2):
        with pytest.raises(LeanInstallError, match="no network"):
            prover.prove("8")
    prover.close()


def test_one_line_proves_one_statement(
    opening: WorkbenchOpener, monkeypatch: pytest.MonkeyPatch, config: RunConfig
) -> None:
    monkeypatch.setattr(prover_module.Prover.__init__, "__kwdefaults__", {"observer": None, "opening": opening})
    assert leanebm.prove("8").is_proved
    assert not leanebm.prove("31", budget=SearchBudget(max_expansions=1)).is_proved
    assert leanebm.prove("2", tactics=["halve", "done"], config=config).is_proved


@pytest.mark.parametrize("statement", ["8", "31"])
def test_an_attempt_is_shown_on_a_screen_and_in_a_notebook(opening: WorkbenchOpener, statement: str) -> None:
    with Prover(opening=opening) as prover:
        attempt = prover.prove(statement, budget=SearchBudget(max_expansions=5))
    assert len(repr(attempt)) <= 500
    assert "\n" not in repr(attempt)
    page = attempt._repr_html_()
    for text in (str(attempt), page):
        assert ("theorem statement_" in text) == attempt.is_proved
        assert attempt.cost in text
    assert "<summary>the search</summary>" in page
    assert attempt.search is not None
    assert len(attempt.search.nodes) == attempt.nodes


def test_a_notebook_shows_text_as_text() -> None:
    mean = "<script>alert(1)</script>"
    attempt = ProofAttempt(
        theorem=Theorem(name="t", statement=f"1 < {mean}"), outcome=SearchOutcome.INCOMPLETE, sentence=mean
    )
    assert "<script>" not in attempt._repr_html_()
    assert "&lt;script&gt;" in attempt._repr_html_()
    endless = ProofAttempt(theorem=attempt.theorem, outcome=SearchOutcome.INCOMPLETE, sentence="x" * 10**6)
    assert len(endless._repr_html_()) < 50_000


def test_a_download_is_announced_once(toy_bench: ToyBench, world: ToyWorld, caplog: pytest.LogCaptureFixture) -> None:
    real = toy_bench(world)

    def downloading(config: RunConfig, observer: Observer) -> Any:
        for done in (0, 50, 100):
            observer.notify(StageProgressed(stage="preparing Lean", step="downloading", done=done, total=100))
        return real(config, observer)

    with caplog.at_level("INFO", logger="leanebm"), Prover(opening=downloading) as prover:
        assert prover.prove("8").is_proved
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["downloading Lean, once on this machine; this first proof takes minutes"]
    assert "searching …" in caplog.messages, "the rest is in the log, too"
