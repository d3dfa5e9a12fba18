"""Checks that a search of your own keeps the contract of :class:`~leanebm.core.ProofSearch`, in toy worlds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import attrs

from leanebm._shown import raised
from leanebm.core import (
    Candidate,
    Certificate,
    CertificationResult,
    Leaf,
    Proof,
    ProofSearch,
    ProofState,
    SearchOutcome,
    SearchResult,
    TacticOutcome,
    Theorem,
)
from leanebm.errors import LeanEbmError, PartBroken, PolicyUnavailable, StatementError
from leanebm.search import SearchBudget, SearchConfig, SearchFactory
from leanebm.search.answers import answer_of
from leanebm.testing.contracts import report
from leanebm.testing.scripted_policy import ScriptedPolicy
from leanebm.testing.toy_world import LOST, QED, ToyCertifier, ToySession, ToyWorld

_EXPANSIONS: Final = 12
_TACTICS: Final = 30
_CONFIG: Final = SearchConfig(
    budget=SearchBudget(max_expansions=_EXPANSIONS, max_tactic_calls=_TACTICS), candidates_per_state=8
)


_PATIENCE_S: Final = 30.0
_ENDLESS: Final = "it did not end"


async def check_search(make: SearchFactory, *, patience_s: float = _PATIENCE_S) -> None:
    """Check that searches prove what is in reach, keep to their budget, and claim nothing without a certificate.

    Args:
        make: makes the search, as a run does: once for many theorems, some of them searched at the same time.
        patience_s: how long, in seconds, a search may take in a world of a few states before it is cancelled.

    Raises:
        ContractBroken: it does not.
    """
    problems: list[str] = []
    for case in _CASES:
        problems += [f"{problem} ({case.what})" for problem in await _problems_in(case, make, patience_s)]
        if any(_ENDLESS in problem for problem in problems):
            break  # the other cases would take as long
    report(make, list(dict.fromkeys(problems)))


@attrs.frozen(kw_only=True)
class _Case:
    """A world, and what a search in it may and must say."""

    what: str
    world: ToyWorld
    starts: tuple[str, ...]
    allowed: frozenset[SearchOutcome]
    breaks_policy: bool = False


_COUNTDOWN: Final = ToyWorld.countdown(16)
_HOPELESS: Final = ToyWorld(moves={state: {**moves, "done": "1"} for state, moves in _COUNTDOWN.moves.items()})
_UNPROVED: Final = frozenset({SearchOutcome.BUDGET_SPENT, SearchOutcome.EXHAUSTED})
_LOST: Final = frozenset({SearchOutcome.INFRASTRUCTURE})

_CASES: Final = (
    _Case(what="one tactic proves it", world=_COUNTDOWN, starts=("1",), allowed=frozenset({SearchOutcome.PROVED})),
    _Case(
        what="three theorems at the same time",
        world=_COUNTDOWN,
        starts=("1", "2", "16"),
        allowed=_UNPROVED | {SearchOutcome.PROVED},
    ),
    _Case(what="nothing proves it", world=_HOPELESS, starts=("16",), allowed=_UNPROVED),
    _Case(what="the policy proposes nothing", world=ToyWorld(moves={"s": {}}), starts=("s",), allowed=_UNPROVED),
    _Case(
        what="certification refuses the only proof",
        world=ToyWorld(moves={"s": {"cheat": QED}}, cheats=frozenset({("s", "cheat")})),
        starts=("s",),
        allowed=frozenset({SearchOutcome.REJECTED}),
    ),
    _Case(what="the worker dies", world=ToyWorld(moves={"s": {"die": LOST}}), starts=("s",), allowed=_LOST),
    _Case(what="the policy fails", world=_COUNTDOWN, starts=("3",), allowed=_LOST, breaks_policy=True),
)


@attrs.frozen
class _Watch:
    """A world's parts, which remember what was asked of them."""

    world: ToyWorld
    policy: ScriptedPolicy
    issued: list[Certificate] = attrs.field(factory=list)
    open_proofs: list[str] = attrs.field(factory=list)
    tactics: list[str] = attrs.field(factory=list)

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[_WatchedSession]:
        async with self.world.open(theorem) as session:
            self.open_proofs.append(theorem.name)
            try:
                yield _WatchedSession(session, self.tactics)
            finally:
                self.open_proofs.remove(theorem.name)

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        verdict = await ToyCertifier(self.world).certify(theorem, proof)
        if isinstance(verdict, Certificate):
            self.issued.append(verdict)
        return verdict

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        await asyncio.sleep(0)
        return await self.policy.propose(state, n)


@attrs.frozen
class _WatchedSession:
    session: ToySession
    tactics: list[str]

    @property
    def root(self) -> ProofState:
        return self.session.root

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        self.tactics.append(tactic)
        await asyncio.sleep(0)  # as Lean does, so that a search without end can be cancelled
        return await self.session.run_tactic(state, tactic, goal=goal)

    async def free(self, states: Sequence[ProofState]) -> None:
        await self.session.free(states)


class _Likelihood:
    """A scorer that any search can work with."""

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [leaf.path_log_prob for leaf in leaves]


async def _problems_in(case: _Case, make: SearchFactory, patience_s: float) -> list[str]:
    down = PolicyUnavailable("the policy is down")
    script = dict.fromkeys(case.world.moves, down)
    policy = ScriptedPolicy(script=script) if case.breaks_policy else ScriptedPolicy.over(case.world)
    watch = _Watch(case.world, policy)
    search = make(
        policy=watch,
        scorer=_Likelihood(),
        environment=watch,
        certifier=watch,
        energy=None,
        config=_CONFIG,
        observer=None,
    )
    theorems = [Theorem(name=f"from_{start}", statement=start) for start in case.starts]
    problems = []
    searches = (asyncio.wait_for(_result_or_exit(search, theorem), patience_s) for theorem in theorems)
    results = await asyncio.gather(*searches, return_exceptions=True)
    for theorem, result in zip(theorems, results, strict=True):
        if isinstance(result, TimeoutError):
            problems.append(f"{_ENDLESS} within {patience_s:g} s")
        elif isinstance(result, PartBroken):
            problems.append(str(result))
        elif isinstance(result, BaseException):
            advice = ": a failure belongs in the result's error" if isinstance(result, LeanEbmError) else ""
            problems.append(f"it raised {raised(result)}{advice}")
        else:
            problems += _result_problems(result, theorem, case, watch.issued)
    if len(policy.asked) > _EXPANSIONS * len(theorems):
        problems.append(f"it asked the policy {len(policy.asked)} times, with {_EXPANSIONS} expansions allowed")
    if len(watch.tactics) > _TACTICS * len(theorems):
        problems.append(f"it ran {len(watch.tactics)} tactics, with {_TACTICS} allowed")
    if watch.open_proofs:
        problems.append("it left a proof open: use `async with environment.open(theorem)`")
    if any(isinstance(result, TimeoutError) for result in results):
        return problems
    return [*problems, *await _statement_problems(search)]


async def _result_or_exit(search: ProofSearch, theorem: Theorem) -> object:
    try:
        return await answer_of(search, "run", theorem)
    except SystemExit as error:  # out of a task, it would end the program
        return error


def _result_problems(result: object, theorem: Theorem, case: _Case, issued: Sequence[Certificate]) -> list[str]:
    if not isinstance(result, SearchResult):
        return [f"it returned {type(result).__name__}, not a SearchResult"]
    problems = []
    if result.theorem != theorem:
        problems.append(f"asked for {theorem.name!r} it answered about {result.theorem.name!r}")
    if result.outcome not in case.allowed:
        allowed = ", ".join(sorted(outcome.value for outcome in case.allowed))
        problems.append(f"it says {result.outcome.value}, where only {allowed} is true")
    if (result.outcome is SearchOutcome.PROVED) != (result.certificate is not None):
        problems.append("outcome and certificate disagree: proved means that there is a certificate, and nothing else")
    if result.certificate is not None and result.certificate not in issued:
        problems.append("its certificate is not one that the certifier gave")
    if result.outcome is SearchOutcome.INFRASTRUCTURE and result.error is None:
        problems.append("something broke, and the result's error does not say what")
    if not result.nodes:
        problems.append("it returned no nodes: the root at least is one")
    return problems + result.tree_problems()


async def _statement_problems(search: ProofSearch) -> list[str]:
    try:
        await search.run(Theorem(name="nonsense", statement="no state of this world"))
    except StatementError:
        return []
    except Exception as error:  # noqa: BLE001 - a user's search may raise anything
        return [f"a statement that does not elaborate raises {type(error).__name__}, not StatementError"]
    return ["a statement that does not elaborate is searched like any other; StatementError must be let through"]
