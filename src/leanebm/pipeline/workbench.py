"""Everything that searching needs, started in the right order and stopped in the reverse one."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

import attrs

from leanebm._cancelled import check_wanted, in_thread
from leanebm._shown import fitting_repr
from leanebm.core import (
    EnergyModel,
    ProofCertifier,
    ProofEnvironment,
    ProofSearch,
    StateEncoder,
    StateScorer,
    TacticPolicy,
)
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
from leanebm.pipeline._oversight import IssuingCertifier, OverseenSearch, RefusingEnvironment
from leanebm.pipeline._readiness import refuse_unready
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.energy.guidance import open_guidance
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.parts import FAMILIES, enter_encoder, enter_part
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
            policy=self.policy,
            scorer=self.scorer,
            environment=environment,
            certifier=certifier,
            energy=self.energy,
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
    _check(config)
    observer = LogObserver() if observer is None else observer
    async with AsyncExitStack() as stack:
        server = await _reach_server(config, observer, stack) if config.needs_server else None
        served = {} if server is None else await _served_by(server, config)
        policy = await _enter_policy(config, observer, stack, server)
        scorer, energy = await _enter_energy(config, observer, stack, server=server, policy=policy)
        if lean is None:
            lean = await stack.enter_async_context(open_lean_parts(config.lean, observer))
        yield Workbench(
            policy=policy,
            scorer=scorer,
            environment=_spread(lean.environment, config.search.parallel_expansions),
            certifier=lean.certifier,
            energy=energy,
            lean_version=lean.lean_version,
            served=served,
            make_search=config.parts.search.build,
            files=lean.files,
        )


@asynccontextmanager
async def sharing_lean() -> AsyncIterator[WorkbenchOpener]:
    """Yields an :func:`open_workbench` for runs that come one after the other: the first starts a Lean for all.

    Where it is sent to another process, with a job, it is :func:`open_workbench`.
    """
    async with AsyncExitStack() as stack:
        yield _SharingLean(stack)


@attrs.define(eq=False)
class _SharingLean:
    _stack: AsyncExitStack
    _lean: LeanParts | None = None

    @asynccontextmanager
    async def __call__(self, config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        if self._lean is None:
            _check(config)
            self._lean = await self._stack.enter_async_context(open_lean_parts(config.lean, observer))
        async with open_workbench(config, observer, lean=self._lean) as bench:
            yield bench

    def __reduce__(self) -> tuple[object, ...]:
        return partial, (open_workbench,)


def _check(config: RunConfig) -> None:
    """Refuse parts that cannot work, before anything is started.

    It is not known earlier: in an evaluation, the arms before this one make the runs that an oracle reads.
    """
    config.check_energies()
    refuse_unready(config)


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
            "model": info.model_path,
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


async def _enter_policy(
    config: RunConfig, observer: Observer, stack: AsyncExitStack, server: PolicyClient | None
) -> TacticPolicy:
    if config.parts.policy is None:
        if server is None:
            raise AssertionError("a run whose tactics come from the server needs it")
        return server
    with stage(observer, "starting the policy"):
        return await enter_part(
            stack, FAMILIES[TacticPolicy], config.parts.policy, policy=server, encoder=server, seed=config.seed
        )


async def _enter_energy(
    config: RunConfig, observer: Observer, stack: AsyncExitStack, *, server: PolicyClient | None, policy: TacticPolicy
) -> tuple[StateScorer, EnergyModel | None]:
    """The scorer and the energy model, which an energy head changes together."""
    if config.energy.path is not None:
        with stage(observer, "loading the energy head"):
            encoder: StateEncoder | None = server if config.energy.needs_encoder else None
            if config.parts.encoder is not None:
                encoder = await enter_encoder(stack, config.parts.encoder, server)
            guidance = await stack.enter_async_context(open_guidance(config.energy, config.scorer, encoder))
        return guidance.scorer, guidance.energy
    if config.parts.energy_model is None:
        return config.scorer, None
    with stage(observer, "starting the energy model"):
        energy = await enter_part(
            stack, FAMILIES[EnergyModel], config.parts.energy_model, policy=policy, encoder=server, seed=config.seed
        )
    return config.scorer, energy


@asynccontextmanager
async def open_lean(config: LeanPoolConfig, observer: Observer) -> AsyncIterator[LeanPool]:
    """Prepare Lean if that has not been done on this machine, and start its workers."""
    await prepare_lean(config, observer)
    async with AsyncExitStack() as stack:
        workers = "a Lean worker" if config.num_workers == 1 else f"{config.num_workers} Lean workers"
        with stage(observer, f"starting {workers}"):
            pool = await stack.enter_async_context(LeanPool(config))
        yield pool
