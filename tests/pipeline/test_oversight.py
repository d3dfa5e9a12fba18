from __future__ import annotations

import asyncio
import copy
import gc
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest

from leanebm.core import (
    EncoderIdentity,
    Leaf,
    Node,
    NodeStatus,
    ProofEnvironment,
    ProofSearch,
    SearchOutcome,
    SearchResult,
    SearchStatistics,
    Theorem,
)
from leanebm.errors import (
    ConfigError,
    EnergyError,
    PartBroken,
    PolicyUnavailable,
    StatementError,
    TrajectoryError,
    WorkerDied,
)
from leanebm.pipeline._oversight import IssuingCertifier, OverseenEncoder, OverseenSearch, RefusingEnvironment
from leanebm.search import BestFirstSearch
from leanebm.testing import LOST, ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(8)
FIVE = Theorem(name="five", statement="5")


def honest(certifier: IssuingCertifier, environment: ProofEnvironment = WORLD) -> BestFirstSearch:
    return BestFirstSearch(policy=ScriptedPolicy.over(WORLD), environment=environment, certifier=certifier)


def overseen(search: ProofSearch, certifier: IssuingCertifier, **more: Any) -> OverseenSearch:
    return OverseenSearch(search, certifier, **{"environment": RefusingEnvironment(WORLD)} | more)


async def test_what_an_honest_search_found_is_let_through() -> None:
    certifier, environment = IssuingCertifier(ToyCertifier(WORLD)), RefusingEnvironment(WORLD)
    search = overseen(honest(certifier, environment), certifier, environment=environment)
    for start in ("5", "1", "-3"):
        result = await search.run(Theorem(name=start, statement=start))
        assert (result.certificate is not None) == (start != "-3")
    with pytest.raises(StatementError):
        await search.run(Theorem(name="no", statement="no state"))


async def test_a_statement_will_do_for_a_theorem() -> None:
    certifier = IssuingCertifier(ToyCertifier(WORLD))
    result = await overseen(honest(certifier), certifier).run("5")
    assert result.theorem == Theorem.of("5")
    assert result.certificate is not None


@attrs.define
class Edits:
    """A search whose result somebody edits."""

    inner: BestFirstSearch
    changes: dict[str, Any]

    async def run(self, theorem: Theorem) -> SearchResult:
        return attrs.evolve(await self.inner.run(theorem), **self.changes)


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"certificate": None}, "it says 'proved' without a certificate"),
        ({"outcome": SearchOutcome.EXHAUSTED}, "it says 'exhausted' with a certificate"),
        ({"theorem": Theorem(name="other", statement="5")}, "another theorem, 'other'"),
        ({"certificate": None, "outcome": SearchOutcome.EXHAUSTED}, "it calls a node proved, but has no certificate"),
    ],
)
async def test_a_result_that_contradicts_itself_is_refused(changes: dict[str, Any], objection: str) -> None:
    certifier = IssuingCertifier(ToyCertifier(WORLD))
    with pytest.raises(PartBroken, match="Edits broke the contract of a search on 'five'") as caught:
        await overseen(Edits(honest(certifier), changes), certifier).run(FIVE)
    assert objection in str(caught.value)


def edge_to_nowhere(result: SearchResult) -> None:
    result.nodes[0].edges.append(attrs.evolve(result.nodes[0].edges[0], target=99))


def orphan(result: SearchResult) -> None:
    result.nodes[1].parent = None


def stranger(result: SearchResult) -> None:
    assert result.nodes[0] is result.nodes[1].parent
    result.nodes[1].parent = copy.copy(result.nodes[0])


def too_deep(result: SearchResult) -> None:
    result.nodes[1].depth = 7


def no_edge(result: SearchResult) -> None:
    result.nodes[0].edges.append(3)  # type: ignore[arg-type]


def odd_fate(result: SearchResult) -> None:
    result.nodes[0].edges.append(attrs.evolve(result.nodes[0].edges[0], kind="fine"))  # type: ignore[arg-type]


def no_message(result: SearchResult) -> None:
    result.nodes[0].edges.append(attrs.evolve(result.nodes[0].edges[0], message=None))  # type: ignore[arg-type]


def odd_status(result: SearchResult) -> None:
    result.nodes[1].status = "fine"  # type: ignore[assignment]


def no_state(result: SearchResult) -> None:
    result.nodes[1].state = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("edit", "objection"),
    [
        *((edit, "has no state, or") for edit in (no_edge, odd_fate, no_message, odd_status, no_state)),
        (edge_to_nowhere, "a tactic led to a node that is not there"),
        (orphan, "every other one needs a parent"),
        (stranger, "a node's parent is not among the nodes"),
        (too_deep, "not one step nearer to the root"),
    ],
)
async def test_what_is_no_tree_is_not_recorded(edit: Callable[[SearchResult], None], objection: str) -> None:
    class Vandal:
        async def run(self, theorem: Theorem) -> SearchResult:
            result = await honest(certifier).run(theorem)
            edit(result)
            return result

    certifier = IssuingCertifier(ToyCertifier(WORLD))
    with pytest.raises(PartBroken, match="Vandal broke the contract of a search on 'five'") as caught:
        await overseen(Vandal(), certifier).run(FIVE)
    assert objection in str(caught.value)


async def test_nodes_out_of_order_and_false_counts_are_not_recorded() -> None:
    certifier = IssuingCertifier(ToyCertifier(WORLD))
    nodes = (await honest(certifier).run(FIVE)).nodes
    edits: list[tuple[dict[str, Any], str]] = [
        ({"nodes": nodes[::-1]}, "numbered in order of discovery"),
        ({"statistics": SearchStatistics(nodes=1)}, "its statistics say 1 nodes"),
    ]
    for changes, objection in edits:
        with pytest.raises(PartBroken, match=objection):
            await overseen(Edits(honest(certifier), changes), certifier).run(FIVE)


@pytest.mark.parametrize("error", [KeyError("oops"), OSError("no such file"), TypeError("a text", "and more")])
async def test_what_a_part_raises_is_laid_at_its_door(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    class Raising:
        async def score(self, _: Sequence[Leaf]) -> Sequence[float]:
            raise error

    certifier = IssuingCertifier(ToyCertifier(WORLD))
    search = honest(certifier)
    search.scorer = Raising()
    caplog.set_level("INFO")
    with pytest.raises(PartBroken, match=r"test_oversight\.py, line \d+") as caught:
        await overseen(search, certifier).run(FIVE)
    assert f"raised {type(error).__name__}: {error.args[0]} (" in str(caught.value)
    assert ", in score\n    raise error\n" in caplog.text, "the log has the way there"


class Mute(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def awaits_what_was_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    task.cancel()
    await task


async def raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda: raises(SystemExit(0)), r"raised SystemExit: 0 \(.*test_oversight\.py, line"),
        (lambda: raises(BaseException("all")), r"raised BaseException: all \("),
        (lambda: raises(ValueError(Mute())), r"raised ValueError: what it says cannot be read: KeyError \("),
        (lambda: raises(ValueError()), r"raised ValueError \("),
        (lambda: raises(GeneratorExit()), r"raised GeneratorExit \("),
        (lambda: raises(asyncio.CancelledError()), r"raised CancelledError \(.*test_oversight\.py, line"),
        (awaits_what_was_cancelled, r"raised CancelledError \(.*test_oversight\.py, line"),
        (cancels_itself, "was cancelled from within, and nobody had cancelled it"),
        (lambda: raises(ConfigError("no such file")), r"raised ConfigError: no such file \(.*test_oversight\.py, line"),
    ],
)
async def test_however_a_part_breaks_off_the_run_hears_of_a_broken_part(
    fault: Callable[[], Awaitable[None]], said: str
) -> None:
    class Faulty:
        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
            await fault()
            return [0.0 for _ in leaves]

    certifier = IssuingCertifier(ToyCertifier(WORLD))
    search = honest(certifier)
    search.scorer = Faulty()
    with pytest.raises(PartBroken, match=said):
        await overseen(search, certifier).run(FIVE)


@attrs.define
class Blaming:
    """A search that raises an error of ours, and so blames somebody else."""

    environment: ProofEnvironment
    error: Exception | None

    async def run(self, _: Theorem) -> SearchResult:
        if self.error is not None:
            raise self.error
        async with self.environment.open(Theorem(name="lemma", statement="no state")):
            pytest.fail("there is no such state")


@pytest.mark.parametrize(
    "error",
    [
        StatementError("elab", "unknown identifier"),
        WorkerDied("it died"),
        PolicyUnavailable("it is down"),
        EnergyError("no head"),
        ConfigError("no such file"),
        TrajectoryError("damaged"),
        None,
    ],
)
async def test_a_search_that_blames_somebody_else_is_named(error: Exception | None) -> None:
    certifier, environment = IssuingCertifier(ToyCertifier(WORLD)), RefusingEnvironment(WORLD)
    search = overseen(Blaming(environment, error), certifier, environment=environment)
    raised = type(error or StatementError("", "")).__name__
    with pytest.raises(PartBroken, match=rf"'five' raised {raised}: .* \(.*test_oversight\.py, line"):
        await search.run(FIVE)


async def test_what_our_code_or_the_environment_raises_is_not_the_searchs() -> None:
    class Strict:
        """An environment of somebody's own."""

        def open(self, theorem: Theorem) -> Any:
            raise StatementError("elab", f"no {theorem.name}")

    certifier, environment = IssuingCertifier(ToyCertifier(WORLD)), RefusingEnvironment(Strict())
    with pytest.raises(StatementError, match="no five"):
        await overseen(honest(certifier, environment), certifier, environment=environment).run(FIVE)

    class Unguarded(Blaming):
        """Lets through what became of Lean."""

        async def run(self, _: Theorem) -> SearchResult:
            async with self.environment.open(FIVE) as session:
                await session.run_tactic(session.root, "crash")
            pytest.fail("the worker lives on")

    fragile = ToyWorld(moves={"5": {"crash": LOST}})
    with pytest.raises(WorkerDied):
        await overseen(Unguarded(fragile, None), certifier).run(FIVE)


async def test_a_search_that_nobody_goes_on_with_is_closed_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    class Endless:
        async def run(self, _: Theorem) -> SearchResult:
            await asyncio.Event().wait()
            raise AssertionError

    def left_alone() -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            search = overseen(Endless(), IssuingCertifier(ToyCertifier(WORLD)))._search(FIVE)
            task = loop.create_task(search)
            loop.call_soon(loop.stop)
            loop.run_forever()
            search.close()
            task.cancel()

    caplog.set_level("INFO")
    await asyncio.to_thread(left_alone)
    assert "a part raised" not in caplog.text


async def test_a_value_that_attrs_refuses_is_laid_at_the_door_of_who_gave_it() -> None:
    certifier = IssuingCertifier(ToyCertifier(WORLD))

    class Garbled:
        async def run(self, theorem: Theorem) -> SearchResult:
            return attrs.evolve(await honest(certifier).run(theorem), nodes=(1, 2))  # type: ignore[arg-type]

    with pytest.raises(PartBroken, match=r"'nodes' must be .*test_oversight\.py, line \d+"):
        await overseen(Garbled(), certifier).run(FIVE)


async def test_answers_of_another_shape_end_the_run_at_the_first() -> None:
    class Odd:
        async def score(self, _: Sequence[Leaf]) -> Sequence[float]:
            return []

    certifier = IssuingCertifier(ToyCertifier(WORLD))
    search = honest(certifier)
    search.scorer = Odd()
    with pytest.raises(PartBroken, match=r"^Odd must give one finite number per leaf; where 1 were due it gave"):
        await overseen(search, certifier).run(FIVE)


async def test_a_search_that_cannot_be_awaited_is_named() -> None:
    class Plain:
        def run(self, _: Theorem) -> Any:
            return None

    with pytest.raises(PartBroken, match=r"^Plain\.run must be an `async def` that returns its answer"):
        await overseen(Plain(), IssuingCertifier(ToyCertifier(WORLD))).run(FIVE)


async def test_what_is_no_result_is_refused() -> None:
    class Nothing:
        async def run(self, _: Theorem) -> SearchResult:
            return None  # type: ignore[return-value]

    certifier = IssuingCertifier(ToyCertifier(WORLD))
    with pytest.raises(PartBroken, match="it returned NoneType, not a SearchResult"):
        await overseen(Nothing(), certifier).run(FIVE)


async def test_a_search_that_found_nothing_may_say_so() -> None:
    class Lazy:
        async def run(self, theorem: Theorem) -> SearchResult:
            async with WORLD.open(theorem) as session:
                root = Node(index=0, state=session.root, status=NodeStatus.OPEN)
            return SearchResult(
                theorem=theorem,
                outcome=SearchOutcome.BUDGET_SPENT,
                certificate=None,
                rejections=(),
                nodes=(root,),
                statistics=SearchStatistics(nodes=1),
                error=None,
            )

    certifier = IssuingCertifier(ToyCertifier(WORLD))
    assert (await overseen(Lazy(), certifier).run(FIVE)).outcome is SearchOutcome.BUDGET_SPENT


@attrs.define
class Deaf:
    """A search that swallows its cancellation, and then goes on or returns."""

    inner: BestFirstSearch
    goes_on: bool
    waiting: asyncio.Event = attrs.field(factory=asyncio.Event)
    set_free: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def run(self, theorem: Theorem) -> SearchResult:
        self.waiting.set()
        while not self.set_free.is_set():
            try:
                await self.set_free.wait()
            except asyncio.CancelledError:
                if not self.goes_on:
                    break
        return await self.inner.run(theorem)


async def test_a_search_that_goes_on_although_it_was_cancelled_is_waited_for_only_so_long() -> None:
    certifier = IssuingCertifier(ToyCertifier(WORLD))
    deaf = Deaf(honest(certifier), goes_on=True)
    running = asyncio.ensure_future(overseen(deaf, certifier, cancellation_s=0.01).run(FIVE))
    await deaf.waiting.wait()
    running.cancel()
    with pytest.raises(PartBroken, match=r"'five' goes on, 0\.01 s after .* in Deaf\.run \(.*test_oversight\.py, line"):
        await running
    deaf.set_free.set()


async def test_a_search_that_answers_when_it_is_cancelled_does_not_make_the_run_go_on() -> None:
    certifier = IssuingCertifier(ToyCertifier(WORLD))
    deaf = Deaf(honest(certifier), goes_on=False)
    running = asyncio.ensure_future(overseen(deaf, certifier).run(FIVE))
    await deaf.waiting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_a_cancelled_search_raises_on_its_way_out_is_not_logged_as_if_nobody_had_asked() -> None:
    logged: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    waiting = asyncio.Event()

    class Failing:
        async def run(self, _: Theorem) -> SearchResult:
            waiting.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise WorkerDied("it ended while it was closed")

    running = asyncio.ensure_future(overseen(Failing(), IssuingCertifier(ToyCertifier(WORLD))).run(FIVE))
    await waiting.wait()
    running.cancel()
    try:
        with pytest.raises(asyncio.CancelledError):
            await running
        del running
        gc.collect()
        assert logged == []
    finally:
        asyncio.get_running_loop().set_exception_handler(None)


# --- an encoder ---

TWO = EncoderIdentity(model="two numbers", pooling="none", is_normalized=False, dim=2)


@attrs.frozen
class Encoder:
    """Gives one answer, whatever it is asked."""

    vectors: Any
    who: Any = TWO

    async def identity(self) -> EncoderIdentity:
        if isinstance(self.who, Exception):
            raise self.who
        found: EncoderIdentity = self.who
        return found

    async def encode(self, texts: Sequence[str]) -> Any:
        assert texts
        if isinstance(self.vectors, Exception):
            raise self.vectors
        return self.vectors


@pytest.mark.parametrize("vectors", [[[1, 2.5], (3.0, 4.0)], np.array([[1.0, 2.5], [3.0, 4.0]]), ([1, 2.5], [3, 4])])
async def test_vectors_of_any_kind_become_plain_ones(vectors: Any) -> None:
    encoder = OverseenEncoder(Encoder(vectors))
    assert await encoder.identity() == TWO
    assert [list(vector) for vector in await encoder.encode(["a", "b"])] == [[1.0, 2.5], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([[1.0, 2.0]], "for 2 texts it gave 1, of 2 numbers"),
        ([], "for 2 texts it gave 0, of no width"),
        ([[], []], "for 2 texts it gave 2, of 0 numbers"),
        ([[1.0, 2.0], [1.0]], "for 2 texts it gave 2, of 1 and 2 numbers"),
        ([[1.0, 2.0], [1.0, float("nan")]], "must give one vector per text, all of one width and finite"),
        ([[1.0, 2.0], [1.0, 1e40]], "and finite"),
        (None, "Encoder, asked for vectors, raised TypeError"),
        ([1.0, 2.0], "Encoder, asked for vectors, raised TypeError"),
        (["ab", "cd"], "Encoder, asked for vectors, raised TypeError"),
        (ZeroDivisionError("by nothing"), "Encoder, asked for vectors, raised ZeroDivisionError: by nothing"),
        (WorkerDied("made up"), "Encoder, asked for vectors, raised"),
    ],
)
async def test_an_encoder_whose_vectors_are_none_is_named(vectors: Any, said: str) -> None:
    with pytest.raises(PartBroken, match=said):
        await OverseenEncoder(Encoder(vectors)).encode(["a", "b"])


@pytest.mark.parametrize("dim", [3, None])
async def test_an_encoder_whose_vectors_change_their_width_or_belie_its_identity_is_named(dim: int | None) -> None:
    own = Encoder([[1.0, 2.0, 3.0]], attrs.evolve(TWO, dim=dim))
    encoder = OverseenEncoder(own)
    await encoder.identity()
    await encoder.encode(["a"])
    own.vectors[0].append(4.0)
    with pytest.raises(
        PartBroken, match="Encoder gave vectors of 4 numbers, and 3 is what those before had, or the dim"
    ):
        await encoder.encode(["a"])


@pytest.mark.parametrize("who", [None, "me", KeyError("who")])
async def test_an_encoder_that_does_not_say_which_it_is_is_named(who: Any) -> None:
    with pytest.raises(PartBroken, match=r"Encoder(\.identity|, asked which encoder it is)"):
        await OverseenEncoder(Encoder([], who)).identity()


async def test_what_a_server_behind_an_encoder_says_goes_on() -> None:
    gone = PolicyUnavailable("nobody there")
    encoder = OverseenEncoder(Encoder(gone, gone))
    for asked in (encoder.encode(["a"]), encoder.identity()):
        with pytest.raises(PolicyUnavailable):
            await asked
