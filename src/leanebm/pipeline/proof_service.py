"""Proofs for agents: opened, stepped, searched and certified by calls that know only numbers and texts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, final

import attrs
from attrs.validators import ge, gt

from leanebm._extras import extra_needed
from leanebm._shown import fitting_repr, named_repr
from leanebm.core import (
    Certificate,
    CertificationResult,
    ProofAdvanced,
    ProofEnvironment,
    ProofFinished,
    ProofSession,
    ProofState,
    Theorem,
)
from leanebm.core.proof_script import on_goal
from leanebm.errors import ConfigError, LeanEbmError
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.events import LogObserver
from leanebm.pipeline.search.proof_run import attempt, theorem_of
from leanebm.pipeline.workbench import Workbench, open_workbench


@attrs.frozen(kw_only=True)
class ServiceLimits:
    """What a service lends out."""

    max_sessions: int = attrs.field(default=8, validator=ge(1))
    """Proofs that may be open at the same time."""

    max_states: int = attrs.field(default=1000, validator=ge(1))
    """States that one open proof may have."""

    idle_s: float = attrs.field(default=900.0, validator=gt(0.0))
    """Seconds after which a proof that nobody asks about is closed."""

    __repr__ = fitting_repr


@attrs.define(eq=False)
class _OpenProof:
    """A proof that is held open by a task of its own, which alone enters and leaves it."""

    theorem: Theorem
    limits: ServiceLimits
    states: list[tuple[ProofState, tuple[str, ...]]] = attrs.field(factory=list)
    """Each with the tactics that led to it."""

    running: int = 0
    """Tactics that are run at this moment; while one is, the proof is not closed for nobody asking."""

    session: ProofSession | None = None
    _leave: asyncio.Event = attrs.field(factory=asyncio.Event)
    _asked_at_s: float = 0.0

    async def hold(self, environment: ProofEnvironment, opened: asyncio.Future[None]) -> None:
        """Open the proof, and close it when it is left or nobody has asked for long."""
        loop = asyncio.get_running_loop()
        try:
            async with environment.open(self.theorem) as session:
                self.session = session
                self.states.append((session.root, ()))
                self.touch()
                opened.set_result(None)
                while not self._leave.is_set():
                    asked_at_s = loop.time() if self.running else self._asked_at_s
                    if (left_s := asked_at_s + self.limits.idle_s - loop.time()) <= 0:
                        break
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._leave.wait(), left_s)
        except LeanEbmError as error:
            if not opened.done():
                opened.set_exception(error)
        finally:
            self.session = None

    def touch(self) -> None:
        """Somebody asks."""
        self._asked_at_s = asyncio.get_running_loop().time()

    def leave(self) -> None:
        """Have it closed."""
        self._leave.set()


@final
class ProofService:
    """Proofs by number. From ``async with ProofService.over(bench, config)``; its answers are JSON values.

    Every method raises :class:`ConfigError` for a number or a text that is wrong, and leanebm's other errors where
    something broke; then nothing is known about the theorem.
    """

    def __init__(self, bench: Workbench, config: RunConfig, limits: ServiceLimits, tasks: asyncio.TaskGroup) -> None:
        self._bench = bench
        self._config = config
        self._limits = limits
        self._tasks = tasks
        self._numbers = itertools.count(1)
        self._open: dict[int, _OpenProof] = {}

    __repr__ = named_repr("_limits")

    @classmethod
    @asynccontextmanager
    async def over(
        cls, bench: Workbench, config: RunConfig, limits: ServiceLimits | None = None
    ) -> AsyncIterator[ProofService]:
        """Lend out what a workbench has; leaving closes every proof."""
        async with asyncio.TaskGroup() as tasks:
            service = cls(bench, config, ServiceLimits() if limits is None else limits, tasks)
            try:
                yield service
            finally:
                for proof in service._open.values():
                    proof.leave()

    async def open(self, statement: str, header: str = "", context: str = "") -> dict[str, Any]:
        """Open a proof; answers its session, and its first state, which is number 0."""
        theorem = self._theorem(statement, header, context)
        if len(self._open) >= self._limits.max_sessions:
            raise ConfigError(f"{len(self._open)} proofs are open, and no more may be: close one of {[*self._open]}")
        number, proof = next(self._numbers), _OpenProof(theorem, self._limits)
        self._open[number] = proof
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        holding = self._tasks.create_task(proof.hold(self._bench.environment, opened))
        holding.add_done_callback(lambda _: self._open.pop(number, None))
        try:
            await opened
        except BaseException:
            holding.cancel()
            raise
        return {"session": number, **_shown_state(proof.states[0][0], 0)}

    async def step(self, session: int, state: int, tactic: str, goal: int = 0) -> dict[str, Any]:
        """Run a tactic on a state; the state stays, so that another may be tried on it."""
        proof = self._proof(session)
        asked = proof.session
        if asked is None:
            raise AssertionError("a proof that is found is open")
        if not 0 <= state < len(proof.states):
            raise ConfigError(f"session {session} has the states 0 to {len(proof.states) - 1}, not {state}")
        before, path = proof.states[state]
        try:
            before.check_goal(goal)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if len(proof.states) + proof.running >= self._limits.max_states:
            raise ConfigError(f"session {session} has {len(proof.states)} states, and no more may be: open another one")
        proof.running += 1
        try:
            outcome = await asked.run_tactic(before, tactic, goal=goal)
        finally:
            proof.running -= 1
            proof.touch()
        told: dict[str, Any] = {"outcome": outcome.fate.value, "elapsed_s": round(outcome.elapsed_s, 3)}
        if not isinstance(outcome, ProofAdvanced | ProofFinished):
            return told | {"message": outcome.message}
        tactics = (*path, on_goal(goal, tactic))
        proof.states.append((outcome.state, tactics))
        return told | _shown_state(outcome.state, len(proof.states) - 1) | {"tactics": list(tactics)}

    async def close(self, session: int) -> dict[str, Any]:
        """Close a proof."""
        self._proof(session).leave()
        del self._open[session]
        return {"closed": session}

    async def prove(
        self, statement: str, header: str = "", context: str = "", max_expansions: int | None = None
    ) -> dict[str, Any]:
        """Search for a proof, and have it certified."""
        theorem, search = self._theorem(statement, header, context), self._config.search
        if max_expansions is not None:
            if max_expansions < 1:
                raise ConfigError(f"a search expands at least one state, not {max_expansions}")
            search = attrs.evolve(search, budget=attrs.evolve(search.budget, max_expansions=max_expansions))
        found = await attempt(theorem, self._bench, search=search, tactics=(), observer=LogObserver())
        told = {
            "certified": found.is_proved,
            "outcome": found.outcome.value,
            "message": found.sentence,
            "cost": found.cost,
        }
        return told | ({} if found.certificate is None else _shown_certificate(found.certificate))

    async def certify(
        self, statement: str, tactics: Sequence[str], header: str = "", context: str = ""
    ) -> dict[str, Any]:
        """Have the kernel check a whole proof, in a process that ran no search."""
        if not tactics:
            raise ConfigError("a proof has at least one tactic")
        return _shown_verdict(await self._bench.certifier.certify(self._theorem(statement, header, context), tactics))

    def _theorem(self, statement: str, header: str, context: str) -> Theorem:
        return theorem_of(statement, header=header, context=context, imports=self._config.lean.imports)

    def _proof(self, session: int) -> _OpenProof:
        proof = self._open.get(session)
        if proof is None or proof.session is None:
            raise ConfigError(
                f"there is no session {session}: it was closed, or not asked about for {self._limits.idle_s:g} s"
            )
        proof.touch()
        return proof


def _shown_state(state: ProofState, number: int) -> dict[str, Any]:
    return {"state": number, "goals": state.text, "num_goals": len(state.goals)}


def _shown_verdict(verdict: CertificationResult) -> dict[str, Any]:
    if isinstance(verdict, Certificate):
        return {"certified": True, **_shown_certificate(verdict)}
    return {"certified": False, "reason": verdict.reason, "message": verdict.message}


def _shown_certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "tactics": list(certificate.tactics),
        "axioms": list(certificate.axioms),
        "source": certificate.source,
        "lean_version": certificate.lean_version,
        "vouched_for_by": certificate.vouched_for_by,
    }


# --- the Model Context Protocol ---------------------------------------------------------------------


async def serve_mcp(config: RunConfig, *, limits: ServiceLimits | None = None) -> None:
    """Serve proofs to an MCP client over standard input and output, until it hangs up.

    Lean is started at once, while the client says hello; a tool waits for it.

    Raises:
        MissingExtra: the SDK of the Model Context Protocol is not installed.
    """
    with extra_needed("mcp", "a server of the Model Context Protocol"):
        from mcp.server.mcpserver import MCPServer

    tools = _Tools()
    server = MCPServer("leanebm", version=version("leanebm"), instructions=_INSTRUCTIONS, log_level="WARNING")
    for tool in (tools.open, tools.step, tools.close, tools.prove, tools.certify):
        server.add_tool(tool)
    async with asyncio.TaskGroup() as tasks:
        holding = tasks.create_task(tools.hold(config, limits))
        try:
            await server.run_stdio_async()
        finally:
            if not tools.leave():
                holding.cancel()


_INSTRUCTIONS = (
    "Proves Lean 4 theorems. A statement is a proposition such as '∀ n : Nat, n + 0 = n'; header holds open, universe "
    "and set_option lines, context holds definitions. Nothing is proved unless certify or prove says certified: true."
)


@final
class _Tools:
    """The tools that a client sees, with their descriptions. Each waits until the service is open."""

    def __init__(self) -> None:
        self._ready: asyncio.Future[ProofService] = asyncio.get_running_loop().create_future()
        self._left = asyncio.Event()

    async def hold(self, config: RunConfig, limits: ServiceLimits | None) -> None:
        """Open the service, and close it after :meth:`leave`. Where it does not open, every tool says why."""
        try:
            async with (
                open_workbench(config, LogObserver()) as bench,
                ProofService.over(bench, config, limits) as service,
            ):
                self._ready.set_result(service)
                await self._left.wait()
        except LeanEbmError as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
            self._ready.exception()  # nobody may ask for it, and asyncio would complain

    def leave(self) -> bool:
        """Have the service closed; ``False`` where it is still being opened."""
        self._left.set()
        return self._ready.done()

    async def open(self, statement: str, header: str = "", context: str = "") -> dict[str, Any]:
        """Open a proof of a Lean 4 statement. Answers a session and its first state (number 0) with its goals."""
        return await self._ask(lambda service: service.open(statement, header, context))

    async def step(self, session: int, state: int, tactic: str, goal: int = 0) -> dict[str, Any]:
        """Run one tactic on a state of a session. The state stays: try others on it, or go on from the new one.

        When the outcome is "finished", hand the answer's tactics to certify.
        """
        return await self._ask(lambda service: service.step(session, state, tactic, goal))

    async def close(self, session: int) -> dict[str, Any]:
        """Close a session that is not needed any more."""
        return await self._ask(lambda service: service.close(session))

    async def prove(
        self, statement: str, header: str = "", context: str = "", max_expansions: int | None = None
    ) -> dict[str, Any]:
        """Search for a proof of a Lean 4 statement. It is certified if one is found."""
        return await self._ask(lambda service: service.prove(statement, header, context, max_expansions))

    async def certify(self, statement: str, tactics: list[str], header: str = "", context: str = "") -> dict[str, Any]:
        """Have Lean's kernel check a whole proof from its text. Only "certified": true means that it is proved."""
        return await self._ask(lambda service: service.certify(statement, tactics, header, context))

    async def _ask(self, question: Callable[[ProofService], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        from mcp.server.mcpserver.exceptions import ToolError

        try:
            # A tool that is cancelled must not cancel the opening for the others.
            return await question(await asyncio.shield(self._ready))
        except LeanEbmError as error:
            raise ToolError(str(error)) from error
