"""Everything that searching needs, started in the right order and stopped in the reverse one."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, final

import attrs

from leanebm._cancelled import check_wanted, in_thread
from leanebm._shown import fitting_repr
from leanebm.core import (
    Candidate,
    EnergyModel,
    ProofCertifier,
    ProofEnvironment,
    ProofSearch,
    ProofState,
    StateEncoder,
    StateScorer,
    TacticPolicy,
)
from leanebm.errors import ConfigError
from leanebm.lean import (
    Certifier,
    EmbeddedBackend,
    LeanPool,
    LeanPoolConfig,
    ReplayingEnvironment,
    SpreadingEnvironment,
)
from leanebm.lean.embedded import InstallStage, install
from leanebm.lean.files import LeanFiles
from leanebm.pipeline._oversight import (
    IssuingCertifier,
    OverseenEncoder,
    OverseenEnergyModel,
    OverseenPolicy,
    OverseenScorer,
    OverseenSearch,
    RefusingEnvironment,
)
from leanebm.pipeline._readiness import refuse_unready
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.energy.guidance import open_guidance
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.parts import FAMILIES, Part, enter_part
from leanebm.policy import PolicyClient
from leanebm.search import BestFirstSearch, SearchConfig, SearchFactory, SearchObserver
from leanebm.serve import PolicyServer, ServeConfig, TemplateBackend
from leanebm.storage import RunInfo


async def prepare_lean(config: LeanPoolConfig, observer: Observer) -> None:
    """Install the embedded Lean, if that is what ``config`` asks for and it is not there yet: a stage of its own.

    Cancelling stops the installation; what is half done is not used later.

    Raises:
        LeanInstallError: it cannot be installed; the message says what to do.
    """
    if isinstance(config.backend, EmbeddedBackend):
        with stage(observer, "preparing Lean") as preparing:
            await _install(preparing)


async def _install(preparing: Stage) -> None:
    loop = asyncio.get_running_loop()

    def tell(step: str, fraction: float | None) -> None:
        if fraction is None:
            preparing.progressed(step)
        else:
            preparing.progressed(step, done=round(100 * fraction), total=100)

    def progress(stage: InstallStage, fraction: float | None) -> None:
        check_wanted()
        loop.call_soon_threadsafe(tell, stage.value, fraction)

    await in_thread(partial(install, progress))


@asynccontextmanager
async def start_embedded_server(*, seed: int = 0, without: Sequence[str] = ()) -> AsyncIterator[str]:
    """Serve the template policy on a free loopback port; yields the server's URL.

    Tactics that use a word of ``without`` are not proposed.

    A real server over real HTTP, so that a run with the embedded policy and one with a language
    model go the same way.
    """
    async with PolicyServer(ServeConfig(), TemplateBackend(seed=seed, without=without)) as server:
        yield server.url


@attrs.frozen(kw_only=True)
class Workbench:
    """The parts of a search, started. Any objects with the right methods will do."""

    policy: TacticPolicy
    scorer: StateScorer
    environment: ProofEnvironment
    certifier: ProofCertifier
    energy: EnergyModel | None = None
    lean_version: str
    """What the environment calls itself, for the record."""

    served: Mapping[str, Any] = attrs.field(factory=dict)
    """Which models answer, as the servers say it, for the record; JSON values, none where no server is asked."""

    make_search: SearchFactory = BestFirstSearch
    """Makes the search out of the other parts: the algorithm."""

    files: LeanFiles | None = None
    """Reads whole files, with the same Lean; ``None`` where there is nothing that can."""

    __repr__ = fitting_repr

    def start_search(self, config: SearchConfig, observer: SearchObserver | None = None) -> ProofSearch:
        """The search that serves all theorems of a run.

        Whoever wrote it, no theorem counts as proved by it but by a certificate that :attr:`certifier` gave.

        Args:
            config: how long a theorem is searched, and how broadly.
            observer: is called before each expansion of each theorem's search.
        """
        certifier, environment = IssuingCertifier(self.certifier), RefusingEnvironment(self.environment)
        search = self.make_search(
            policy=OverseenPolicy(self.policy),
            scorer=OverseenScorer(self.scorer),
            environment=environment,
            certifier=certifier,
            energy=None if self.energy is None else OverseenEnergyModel(self.energy),
            config=config,
            observer=observer,
        )
        return OverseenSearch(search, certifier, environment)

    def run_info(self, config: RunConfig, settings: Mapping[str, Any]) -> RunInfo:
        """What signs the results of a run that starts now with these parts.

        Args:
            config: what the parts were started with.
            settings: all that the results depend on beside the parts, as JSON values.
        """
        return RunInfo(
            run_id=uuid.uuid4().hex,
            started_unix_s=time.time(),
            seed=config.seed,
            backend=config.lean.backend.name,
            lean_version=self.lean_version,
            leanebm_version=version("leanebm"),
            config={**settings, "served": self.served},
        )


WorkbenchOpener = Callable[[RunConfig, Observer], AbstractAsyncContextManager[Workbench]]
"""Starts a workbench; :func:`open_workbench` is the real one."""


@attrs.frozen(kw_only=True)
class LeanParts:
    """What of a workbench is Lean."""

    environment: ProofEnvironment
    certifier: ProofCertifier
    lean_version: str
    """What the environment calls itself."""

    files: LeanFiles | None = None
    """Reads whole files."""

    __repr__ = fitting_repr


@asynccontextmanager
async def open_lean_parts(config: LeanPoolConfig, observer: Observer) -> AsyncIterator[LeanParts]:
    """Start the Lean workers and the certifier. Raises as :func:`open_workbench`."""
    async with open_lean(config, observer) as pool, Certifier(config) as certifier:
        yield LeanParts(
            environment=ReplayingEnvironment(pool),
            certifier=certifier,
            lean_version=await pool.lean_version(),
            files=LeanFiles(pool, certifier),
        )


@asynccontextmanager
async def open_workbench(
    config: RunConfig, observer: Observer | None = None, *, lean: LeanParts | None = None
) -> AsyncIterator[Workbench]:
    """Start the policy server (if the run has its own), the Lean workers and the certifier.

    Args:
        config: which ones.
        observer: is told what happens; by default, the log is.
        lean: one that runs already, as ``config.lean`` says; it is left running.

    Raises:
        LeanInstallError: no usable Lean could be found or prepared.
        WorkerStartError: Lean does not start.
        ConfigError: a part is not ready or could not be made, or the scorer reads energies that nothing gives.
        PolicyError: the policy server is not there.
        EnergyError: the energy head cannot be read, or does not belong to the server's encoder.
    """
    observer = LogObserver() if observer is None else observer

    async def start(stack: AsyncExitStack) -> LeanParts:
        return await stack.enter_async_context(open_lean_parts(config.lean, observer)) if lean is None else lean

    async with _opened(config, observer, start) as bench:
        yield bench


@asynccontextmanager
async def _opened(
    config: RunConfig,
    observer: Observer,
    start_lean: Callable[[AsyncExitStack], Awaitable[LeanParts]],
    encoders: _KeptEncoder | None = None,
) -> AsyncIterator[Workbench]:
    """Start everything, Lean last: what is wrong with a part is to cost no start of Lean."""
    refuse_parts(config)  # again: what an oracle reads is made by the arms of an evaluation before this one
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(start_parts(config, observer, encoders))
        lean = await start_lean(stack)
        yield Workbench(
            policy=parts.policy,
            scorer=parts.scorer,
            environment=_spread(lean.environment, config.search.parallel_expansions),
            certifier=lean.certifier,
            energy=parts.energy,
            lean_version=lean.lean_version,
            served=parts.served,
            make_search=config.parts.search.build,
            files=lean.files,
        )


@attrs.frozen(kw_only=True)
class StartedParts:
    """What of a workbench is neither Lean nor the search."""

    policy: TacticPolicy
    scorer: StateScorer
    energy: EnergyModel | None
    served: Mapping[str, Any]
    """As :attr:`Workbench.served`."""

    __repr__ = fitting_repr


@attrs.define(eq=False)
class _KeptEncoder:
    """The encoder of one's own that was started last, for the next run that has the same."""

    _stack: AsyncExitStack
    _plugged: object = None
    _encoder: StateEncoder | None = None

    async def take(self, plugged: object, start: Callable[[AsyncExitStack], Awaitable[StateEncoder]]) -> StateEncoder:
        if self._encoder is None or self._plugged != plugged:
            self._encoder = None
            await self._stack.aclose()  # first: two models may not fit beside each other
            self._encoder, self._plugged = await start(self._stack), plugged
        return self._encoder


@asynccontextmanager
async def start_parts(
    config: RunConfig, observer: Observer, encoders: _KeptEncoder | None = None
) -> AsyncIterator[StartedParts]:
    """Start the policy, its server and the energy head. Raises as :func:`open_workbench`."""
    parts, scorer = config.parts, config.scorer
    async with AsyncExitStack() as stack:
        enter = partial(_enter, config, observer, stack)
        policy: TacticPolicy | None = await enter(TacticPolicy, parts.policy)
        energy: EnergyModel | None = await enter(EnergyModel, parts.energy_model)
        own_encoder = None if config.energy.path is None else parts.encoder
        if encoders is None or own_encoder is None or _waits(StateEncoder, own_encoder):
            encoder: StateEncoder | None = await enter(StateEncoder, own_encoder)
        else:
            start = partial(_enter, config, observer, interface=StateEncoder, plugged=own_encoder)
            encoder = await encoders.take(own_encoder, start)
        server = await _reach_server(config, observer, stack) if config.needs_server else None
        served = {} if server is None else await _served_by(server, config)
        if policy is None:
            policy = (
                server
                if parts.policy is None
                else await enter(TacticPolicy, parts.policy, policy=server, encoder=server)
            )
        if energy is None:
            energy = await enter(EnergyModel, parts.energy_model, policy=policy, encoder=server)
        if config.energy.path is not None:
            with stage(observer, "loading the energy head"):
                if own_encoder is not None:
                    if encoder is None:
                        encoder = await enter(StateEncoder, own_encoder, encoder=server)
                    encoder = OverseenEncoder(encoder)
                elif config.energy.needs_encoder:
                    encoder = server
                guidance = await stack.enter_async_context(open_guidance(config.energy, scorer, encoder))
            scorer, energy = guidance.scorer, guidance.energy
        if policy is None:
            raise AssertionError("a run whose tactics come from the server needs it")
        yield StartedParts(policy=policy, scorer=scorer, energy=energy, served=served)


async def _enter(
    config: RunConfig, observer: Observer, stack: AsyncExitStack, interface: Any, plugged: Any, **supplied: object
) -> Any:
    """Start a part, with what it asks for; ``None`` if it is to ask for some of what is not ``supplied`` yet.

    So what asks for nothing is started first, and a mistake in it costs no start of a server.
    """
    family = FAMILIES[interface]
    if plugged is None or (not supplied and _waits(interface, plugged)):
        return None
    supplied |= {"seed": config.seed} if "seed" in family.supplied else {}
    with stage(observer, f"starting the {family.noun}"):
        return await enter_part(stack, family, plugged, **supplied)


def _waits(interface: Any, plugged: object) -> bool:
    """Whether a part is made only once there is something that it asks for."""
    return isinstance(plugged, Part) and plugged.takes(FAMILIES[interface].supplied - {"seed"})


def refuse_parts(config: RunConfig, *, leaving_out: type | tuple[()] = ()) -> None:
    """Refuse parts that cannot work, before anything is started.

    The search is made once on trial, of parts that are not started either, and thrown away: the one that searches is
    made of what runs, and that is when Lean has been started.

    Args:
        config: whose parts.
        leaving_out: those that may still become ready.

    Raises:
        ConfigError: a part is not ready, the search cannot be made, or the scorer reads energies that nothing gives.
    """
    config.check_energies()
    refuse_unready(config, leaving_out=leaving_out)
    try:
        FAMILIES[ProofSearch].check(_search_on_trial(config))
    except TypeError as error:
        raise ConfigError(f"{error} @ $.parts.search") from error


def _search_on_trial(config: RunConfig) -> ProofSearch:
    """A search that is made of nothing that is started.

    Raises:
        ConfigError: it could not be made.
    """
    parts, pool = config.parts, LeanPool(config.lean)
    has_energy = config.energy.path is not None or parts.energy_model is not None
    try:
        return parts.search.build(
            policy=parts.policy if parts.policy is not None and not isinstance(parts.policy, Part) else _NotStarted(),
            scorer=config.scorer,
            environment=RefusingEnvironment(ReplayingEnvironment(pool)),
            certifier=IssuingCertifier(Certifier(config.lean)),
            energy=_NotStarted() if has_energy else None,
            config=config.search,
            observer=None,
        )
    except ConfigError as error:
        if error.__cause__ is None:
            raise
        why = "it was made on trial, of parts that are not started: it may keep what it gets, and ask nothing of it yet"
        raise ConfigError(error.summary, [*error.problems, f"{why} @ $.parts.search"]) from error.__cause__


@attrs.frozen
class _NotStarted:
    """Stands where a policy or an energy model will be: a search may be made of it, and not ask it yet."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        raise AssertionError(f"a search that is made on trial asks no policy for {n} tactics on {state}")

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        raise AssertionError(f"a search that is made on trial asks for no energies of {len(states)} states")


@asynccontextmanager
async def sharing_lean() -> AsyncIterator[SharingLean]:
    """Yields an :func:`open_workbench` for runs that come one after the other: the first starts a Lean for all.

    Where it is sent to another process, with a job, it is :func:`open_workbench`.
    """
    async with AsyncExitStack() as stack:
        yield SharingLean(stack)


@final
@attrs.define(eq=False)
class SharingLean:
    """Opens workbenches that have one Lean, and for a time one encoder."""

    _stack: AsyncExitStack
    _lean: LeanParts | None = None
    _encoders: _KeptEncoder | None = None

    @asynccontextmanager
    async def keeping_encoder(self) -> AsyncIterator[None]:
        """Until it is left, an encoder that asks no server outlives its run: the next one may have the same."""
        async with AsyncExitStack() as stack:
            self._encoders = _KeptEncoder(stack)
            try:
                yield
            finally:
                self._encoders = None

    def start_parts(self, config: RunConfig, observer: Observer) -> AbstractAsyncContextManager[StartedParts]:
        """:func:`start_parts`, with the encoder that is kept."""
        return start_parts(config, observer, self._encoders)

    @asynccontextmanager
    async def __call__(self, config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        """:func:`open_workbench`, with what is shared."""

        async def start(_: AsyncExitStack) -> LeanParts:
            if self._lean is None:
                self._lean = await self._stack.enter_async_context(open_lean_parts(config.lean, observer))
            return self._lean

        async with _opened(config, observer, start, self._encoders) as bench:
            yield bench

    def __reduce__(self) -> tuple[object, ...]:
        return partial, (open_workbench,)


def _spread(environment: ProofEnvironment, most: int) -> ProofEnvironment:
    """An environment whose proofs may use as many workers as a search runs expansions at once."""
    if most > 1 and isinstance(environment, ReplayingEnvironment):
        return SpreadingEnvironment(environment, most)
    return environment


async def _reach_server(config: RunConfig, observer: Observer, stack: AsyncExitStack) -> PolicyClient:
    policy_config = config.policy
    if config.uses_embedded_server:
        with stage(observer, "starting the policy server"):
            url = await stack.enter_async_context(start_embedded_server(seed=config.seed, without=config.without))
            policy_config = attrs.evolve(policy_config, url=url)
    where = "" if config.uses_embedded_server else f"at {policy_config.url}"
    if config.policy.encoder.url not in (None, policy_config.url):
        where = f"{where} and the encoder's at {config.policy.encoder.url}".lstrip()
    with stage(observer, "reaching the policy server", where) as reaching:
        client = await stack.enter_async_context(PolicyClient(policy_config))
        await client.wait_ready(reaching.progressed, tactics=config.asks_server_for_tactics)
    return client


async def _served_by(server: PolicyClient, config: RunConfig) -> dict[str, Any]:
    """Which models answer, of those that the run asks: an address may have another one tomorrow."""
    served: dict[str, Any] = {}
    if config.asks_server_for_tactics:
        info = await server.model_info()
        served["policy"] = {
            "api": info.api.value if info.api is not None else None,
            "model": info.model_name,
            "weights": info.weight_version,
        }
        if not server.has_one_version:
            served["policy"]["weights"] = "may differ"
        if info.model_path is None and info.weight_version is None:
            served["policy"]["url"] = config.policy.url  # all that tells a silent server's model from another's
        if config.policy.adapter is not None:
            served["policy"]["adapter_weights"] = info.adapters.get(config.policy.adapter)
    if config.asks_server_for_embeddings:
        served["encoder"] = attrs.asdict(await server.identity())
    return served


@asynccontextmanager
async def open_lean(config: LeanPoolConfig, observer: Observer) -> AsyncIterator[LeanPool]:
    """Prepare Lean if that has not been done on this machine, and start its workers."""
    await prepare_lean(config, observer)
    async with AsyncExitStack() as stack:
        workers = "a Lean worker" if config.num_workers == 1 else f"{config.num_workers} Lean workers"
        with stage(observer, f"starting {workers}"):
            pool = await stack.enter_async_context(LeanPool(config))
        yield pool
