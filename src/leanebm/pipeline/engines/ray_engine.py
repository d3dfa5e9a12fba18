"""The nodes of a Ray cluster do the work, each with a Lean of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, final

import attrs
from attrs.validators import gt

from leanebm._cancelled import uninterrupted
from leanebm._extras import extra_needed
from leanebm._shown import counted, fitting_repr, one_line
from leanebm.errors import ConfigError, LeanEbmError, LeanInstallError, TrajectoryError
from leanebm.pipeline._concurrently import together
from leanebm.pipeline.engines._ray_leases import MAX_LOSSES, WHY_GIVEN_UP, Leases
from leanebm.pipeline.engines._ray_node import RayNode
from leanebm.pipeline.engines.engine import Ended, Job
from leanebm.pipeline.events import Observer, Stage, stage
from leanebm.storage import not_written

T = TypeVar("T")

_log = logging.getLogger(__name__)

LOCAL: Final = "local"
"""The address that stands for a cluster that is started here, of this machine alone, for this run."""

_CONNECT_S: Final = 5.0

_START_S: Final = 180.0
"""Seconds in which a node must have started an actor; Lean is started afterwards."""

_LOOK_S: Final = 1.0
"""How often the cluster is asked for its nodes, and an idle node looks for work, in seconds."""

_MAX_FAILURES: Final = 3
"""A node that fails so often without an item in between is left alone, if there is another one; the only one goes on
until what its actors may have died of is given up."""

_CLOSE_S: Final = 20.0

_OBJECT_STORE_BYTES: Final = 100 * 2**20
"""Ray would take a third of the memory; what crosses it here are records of a few kilobytes."""


@final
@attrs.frozen(kw_only=True)
class RayEngine:
    """Has a job done by all nodes of a Ray cluster that have processors, those that join while it goes on, too.

    Each node gets one actor with a whole worker: policy client, Lean processes, certifier and recorder. It
    writes to its own part of the job's folder, which all nodes must share; through Ray go names and how items ended.
    What was out with a node that is lost is given to others.
    """

    address: str | None = None
    """``HOST:PORT`` of the cluster; ``local`` starts one of this machine; ``None`` is the one that ``RAY_ADDRESS``
    names, or that runs on this machine."""

    expected_s: Mapping[str, float] = attrs.field(factory=dict, repr=False)
    """How long items are expected to take, by their names; the longest begin first."""

    lease_s: float = attrs.field(default=120.0, validator=gt(0.0))
    """Seconds without a word after which a node is taken for lost; and after which a node that is not asked ends."""

    __repr__ = fitting_repr

    @property
    def shares_folder(self) -> bool:
        """Each node has a part of it."""
        return True

    async def run(self, job: Job[T], observer: Observer) -> Sequence[Ended]:
        """Have the items done that the folder does not hold yet.

        Raises:
            MissingExtra: Ray is not installed.
            ConfigError: there is no such cluster; no node has the same leanebm; or a part cannot be sent to nodes.
            LeanEbmError: no node is left, or none can work; this is what the last one said.
        """
        where = await _reachable(self.address)
        await asyncio.to_thread(_make, job.path)
        async with _connected(where, observer) as ray:
            drive = _Drive(self, job, ray)
            with stage(observer, "working on the cluster", counted(len(job.items), "theorem")) as working:
                await drive.run(working)
        if lost := drive.leases.lost:
            await job.give_up(lost, WHY_GIVEN_UP, part=f"ray-{uuid.uuid4().hex[:8]}-given-up")
        return drive.leases.ended


def _make(folder: Path) -> None:
    """A node that does not see it then does not share it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error) from error


class _Drive(Generic[T]):
    """One run of a job."""

    def __init__(self, engine: RayEngine, job: Job[T], ray: Any) -> None:
        self._engine = engine
        self._job = job
        self._ray = ray
        self._pickled = ray.put(_packed(job))
        self._actors: dict[str, Any] = {}
        self._gave_up: dict[str, LeanEbmError] = {}
        self.leases = Leases(job, expected_s=engine.expected_s)

    async def run(self, working: Stage) -> None:
        """Let nodes work until all items have ended."""
        self._working = working
        self._tell(())
        serving: dict[str, asyncio.Task[None]] = {}
        idle_s = 0.0
        async with together() as tasks:
            while self.leases.num_open:
                nodes = await asyncio.to_thread(_nodes, self._ray)
                for node in nodes - serving.keys() - self._gave_up.keys():
                    serving[node] = tasks.create_task(self._serve(node))
                serving = {node: task for node, task in serving.items() if not task.done()}
                idle_s = 0.0 if serving else idle_s + _LOOK_S
                self._check_hope(nodes, idle_s=idle_s)
                await asyncio.sleep(_LOOK_S)

    def _check_hope(self, nodes: Set[str], *, idle_s: float) -> None:
        """Raise where nobody works and nobody will."""
        if idle_s == 0.0 or not self.leases.num_open:
            return
        if self._gave_up and nodes <= self._gave_up.keys():
            raise next(reversed(self._gave_up.values()))
        if idle_s > self._engine.lease_s:
            raise LeanEbmError(
                f"the cluster has had no node with processors for {self._engine.lease_s:g} s; what was found is kept. "
                "Start nodes with `ray start --address=HOST:PORT`, and go on with --resume"
            )

    # --- one node ---

    async def _serve(self, node: str) -> None:
        """Have ``node`` work until nothing is left, in spite of what happens to its actor."""
        failures = 0
        while self.leases.num_open:
            worker = f"ray-{node[:8]}-{uuid.uuid4().hex[:6]}"
            before = len(self.leases.ended)
            try:
                await self._work_on(node, worker)
            except (self._ray.exceptions.RayError, LeanEbmError, TimeoutError) as error:
                cause = _cause(error)
                self._tell(self.leases.give_back(worker))
                failures = failures + 1 if len(self.leases.ended) == before else 1
                is_hopeless = isinstance(cause, ConfigError | LeanInstallError | TrajectoryError)
                _log.warning("node %s: %s", worker, one_line(str(cause), 400))
                nodes = await asyncio.to_thread(_nodes, self._ray)
                if node not in nodes:
                    return  # it may come back under another id
                others = nodes - self._gave_up.keys() - {node}
                if is_hopeless or failures >= (_MAX_FAILURES if others else MAX_LOSSES):
                    self._gave_up[node] = cause
                    return
                await asyncio.sleep(_LOOK_S)

    async def _work_on(self, node: str, worker: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        actor_class = self._ray.remote(RayNode)
        actor = actor_class.options(num_cpus=0, max_restarts=0, scheduling_strategy=here).remote(self._engine.lease_s)
        try:
            # The first answer takes as long as a process takes to start.
            self._hear(worker, await asyncio.wait_for(_of(actor.ended.remote()), _START_S))
            async with together() as tasks:
                listening = tasks.create_task(self._listen(actor, worker))
                opening = actor.open.remote(self._pickled, worker, str(Path.cwd()), version("leanebm"))
                waiting, concurrency = await opening
                self.leases.joined(waiting)
                self._actors[worker] = actor
                self._tell(())
                async with together() as slots:
                    for _ in range(concurrency):
                        slots.create_task(self._keep_busy(actor, worker))
                listening.cancel()
            await _closed(actor)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError, self._ray.exceptions.RayError):
                await uninterrupted(_closed(actor))  # what was found is written
            raise
        finally:
            self._actors.pop(worker, None)
            with contextlib.suppress(Exception):
                self._ray.kill(actor)

    async def _keep_busy(self, actor: Any, worker: str) -> None:
        """Give one item after the other, until nothing is open."""
        while self.leases.num_open:
            if (item := self.leases.take(worker)) is None:
                await asyncio.sleep(_LOOK_S / 4)
            else:
                await actor.work.remote(self._job.name_of(item))

    async def _listen(self, actor: Any, worker: str) -> None:
        """Hear what ended; a node that does not answer in time is lost."""
        while True:
            self._hear(worker, await asyncio.wait_for(_of(actor.ended.remote()), self._engine.lease_s))

    def _hear(self, worker: str, ended: Sequence[Ended]) -> None:
        for item in ended:
            if (others := self.leases.end(worker, item)) is None:
                continue  # somebody was quicker
            for other in others:
                if other in self._actors:
                    self._actors[other].drop.remote(item.name)
            self._tell((item,))

    def _tell(self, ended: Sequence[Ended]) -> None:
        total = len(self._job.items)
        done = total - self.leases.num_open
        counts = counted(len(self._actors), "node")
        for item in ended or (None,):
            self._working.progressed(done=done, total=total, counts=counts, item=item)


def _packed(job: Job[Any]) -> bytes:
    """The job, as it is sent to nodes.

    Raises:
        ConfigError: a part of the user's own cannot be sent.
    """
    from ray import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(job)
    except Exception as error:  # a user's object may raise anything
        raise ConfigError(
            f"the run cannot be sent to other machines: {type(error).__name__}: {error}.",
            ["give a part that holds open things as its class, or as Part(class, {'key': value}): each node makes one"],
        ) from error
    return packed


async def _of(reference: Any) -> Any:
    """What a reference of Ray's stands for; it is awaitable, and no coroutine."""
    return await reference


async def _closed(actor: Any) -> None:
    await asyncio.wait_for(_of(actor.close.remote()), _CLOSE_S)


def _cause(error: BaseException) -> LeanEbmError:
    """What a node said in its own words; Ray wraps it."""
    said = getattr(error, "cause", None) or error
    if isinstance(said, LeanEbmError):
        return said
    if isinstance(said, TimeoutError):
        return LeanEbmError("the node does not answer any more")
    return LeanEbmError(f"the node was lost: {type(said).__name__}: {str(said).strip().partition(chr(10))[0]}")


def _nodes(ray: Any) -> set[str]:
    """The ids of the nodes that are there and have processors."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0.0) >= 1.0}


# --- the cluster --------------------------------------------------------------------------------


@asynccontextmanager
async def _connected(where: str, observer: Observer) -> AsyncIterator[Any]:
    """Ray, connected to the cluster; a connection that the program had before is used, and left."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of what it will do one day
    with extra_needed("ray", "the engine 'ray'"):
        import ray
    if ray.is_initialized():
        yield ray
        return
    # Ray prints what its daemons complain of to our standard output, where results belong; no setting ends that.
    ray._private.worker._worker_logs_enabled = False  # noqa: SLF001
    with stage(observer, "reaching the Ray cluster", where):
        own: dict[str, Any] = (
            {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES} if where == LOCAL else {}
        )
        # In a thread: it takes seconds, and in the main one it would take the signals that stop us, too.
        connect = asyncio.to_thread(ray.init, address=where, log_to_driver=False, logging_level=logging.ERROR, **own)
        try:
            await uninterrupted(connect)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _no_cluster(where, one_line(str(error), 300)) from error
    try:
        yield ray
    finally:
        await uninterrupted(asyncio.to_thread(ray.shutdown))


async def _reachable(address: str | None) -> str:
    """The address for Ray, once something listens there: Ray itself would try for minutes.

    Raises:
        ConfigError: nothing does, or it is no such address.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "auto"
    if address in (LOCAL, "auto"):
        return address
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        raise ConfigError(
            "the command line is wrong:", [f"{address!r} is neither HOST:PORT nor 'local' @ --ray-address"]
        )
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, OverflowError, TimeoutError) as error:
        raise _no_cluster(address, "nothing listens there") from error
    writer.close()
    return address


def _no_cluster(address: str, why: str) -> ConfigError:
    where = "on this machine" if address in (LOCAL, "auto") else f"at {address}"
    return ConfigError(
        f"there is no Ray cluster {where}: {why}.",
        [
            "start one: `ray start --head --port=6379` on one machine, `ray start --address=HOST:6379` on the others",
            "or have this machine be one for this run: --ray-address local",
        ],
    )
