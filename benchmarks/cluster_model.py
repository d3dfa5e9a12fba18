"""What a cluster would do that is not there: throughput by nodes and policy servers, and what saturates first.

.. code-block:: text

    leanebm search --theorems SET --num-workers 1 --concurrency 1 --output FOLDER
    python benchmarks/cluster_model.py --runs FOLDER [--policy-s 1.0] [--svg FILE] [--json FILE]
    python benchmarks/cluster_model.py --check [--json FILE]

A simulation by discrete events, fed by what real runs recorded: each simulated theorem is one of ``--runs``, with its
expansions, the seconds that each had the worker, its calls of the policy, its certification, and whether it was lost.
A run that feeds it has one theorem at a time, or its seconds hold the waiting that the model is to find out.
Everything else is the library's own structure: theorems are pinned to a worker each, a worker runs one tactic at a
time, a client has only so many samples out at a server and gives a request to the less busy of two, a server works on
only so many requests at once. An expansion's tactics are one job here, which changes who waits for whom, not how much
is done.

**What it does not know.** A server's latency does not grow with its load until its slots are full. Nodes are alike. The
driver's share (``--driver-ms``, per theorem) is an assumption. A run on fewer theorems than ``nodes x concurrency``
ends with a tail that is not here: these are rates in the middle of a long run.

``--check`` measures one, two and four nodes as they really are, as far as one machine can be several: real searches,
pools, HTTP and Parquet, with tactics and a policy that wait and need no processor (``_chance_worker.py``). The model is
fed by the run of one node beside an idle server, and has to predict all others.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import click
from _slow_backend import SlowBackend

from leanebm.core import SearchOutcome, Theorem
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.pipeline import RunConfig, SearchRun
from leanebm.policy import PolicyClientConfig
from leanebm.search import SearchBudget, SearchConfig
from leanebm.serve import (
    PolicyServer,
    ServeConfig,
)
from leanebm.trajectory import TheoremRecord, read_trajectory

NODES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SERVERS = (1, 2, 4, 8, 16, 32)
SATURATED = 0.9
"""A part that is busy for so much of the time is what holds the others up."""

LETTERS = {
    "policy servers": "S",
    "clients' limits": "M",
    "Lean workers": "L",
    "certifiers": "C",
    "event loops": "E",
    "driver": "D",
}

# --- what was measured ---


@attrs.frozen(kw_only=True)
class Sample:
    """One theorem of a real run."""

    tactics_s: tuple[float, ...]
    """Of each expansion, the seconds that it had the worker."""

    policy_s: float
    """Of one call."""

    own_s: float
    """Of one expansion: what was neither policy, Lean nor certifier."""

    certify_s: float
    is_lost: bool


def samples_of(folders: Iterable[Path]) -> list[Sample]:
    """The theorems of real runs that were searched at all."""
    samples = []
    for folder in folders:
        trajectory = read_trajectory(folder)
        expansions: dict[str, list[float]] = defaultdict(list)
        for row in trajectory.rows():
            if row.attempts:
                expansions[row.theorem].append(sum(attempt.elapsed_s for attempt in row.attempts))
        records = [record for record in trajectory.records if record.expansions]
        certified = sorted((each for each in records if each.certify_s), key=lambda each: each.started_unix_s)
        usual_s = median(each.certify_s for each in certified) if certified else 0.0
        for record in records:
            # The first one has the certifier's start in it, which a long run has once.
            certify_s = usual_s if record in certified[:1] else record.certify_s
            samples.append(_sample(record, expansions[record.theorem.name], certify_s))
    return samples


def _sample(record: TheoremRecord, tactics_s: Sequence[float], certify_s: float) -> Sample:
    calls = record.policy_calls or record.expansions
    # Beside its tactics the worker has pipes, states to free, and now and then a path to replay after it was lost.
    stretch = record.lean_s / sum(tactics_s) if sum(tactics_s) else 1.0
    known_s = record.policy_s + record.lean_s + record.score_s + record.certify_s
    return Sample(
        tactics_s=tuple(stretch * each for each in tactics_s) or (0.0,),
        policy_s=record.policy_s / calls,
        own_s=max(0.0, record.wall_s - known_s) / record.expansions,
        certify_s=certify_s,
        is_lost=record.outcome is SearchOutcome.INFRASTRUCTURE,
    )


# --- a simulation by discrete events ---

Process = Iterator["tuple[Station, float | None]"]
"""Yields what it needs next: a station and for how long; ``None`` holds a place until it is left."""


@attrs.define(eq=False)
class Station:
    """So many places, taken in order of arrival."""

    name: str
    places: int
    taken: int = 0
    busy_s: float = 0.0
    """Seconds that places were taken, summed over places."""

    _changed_s: float = 0.0
    queue: deque[tuple[Process, float | None]] = attrs.field(factory=deque)

    @property
    def load(self) -> int:
        """Processes that are here or wait."""
        return self.taken + len(self.queue)

    def count(self, change: int, now_s: float) -> None:
        """Take or leave places."""
        self.busy_s += self.taken * (now_s - self._changed_s)
        self.taken += change
        self._changed_s = now_s


@attrs.define
class Simulation:
    """Time, and what happens when."""

    now_s: float = 0.0
    _events: list[tuple[float, int, Process, Station | None]] = attrs.field(factory=list)
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)

    def start(self, process: Process, after_s: float = 0.0) -> None:
        """Let a process begin."""
        self._at(after_s, process, None)

    def leave(self, station: Station) -> None:
        """Give a place back, to the next in the queue."""
        station.count(-1, self.now_s)
        if station.queue:
            self._enter(*station.queue.popleft(), station)

    def step(self) -> None:
        """Go to the next event."""
        self.now_s, _, process, left = heapq.heappop(self._events)
        if left is not None:
            self.leave(left)
        for station, service_s in process:
            if station.taken < station.places:
                self._enter(process, service_s, station)
            else:
                station.queue.append((process, service_s))
            return

    def _enter(self, process: Process, service_s: float | None, station: Station) -> None:
        station.count(1, self.now_s)
        self._at(service_s or 0.0, process, None if service_s is None else station)

    def _at(self, after_s: float, process: Process, left: Station | None) -> None:
        heapq.heappush(self._events, (self.now_s + after_s, next(self._numbers), process, left))


# --- the cluster ---


@attrs.frozen(kw_only=True)
class Shape:
    """A cluster."""

    nodes: int = 1
    servers: int = 1
    workers: int = 1
    """On each node."""

    concurrency: int = 2
    """Theorems that a node searches at a time."""

    slots: int = 64
    """Requests that a policy server works on at a time."""

    client_requests: int = 8
    """Requests that a node has out at one server."""

    policy_s: float | None = None
    """Seconds of one call where no one waits; by default as recorded."""

    driver_s: float = 0.0
    """Of the driver's time, for each theorem."""


@attrs.define(eq=False, slots=False)
class Cluster:
    """A cluster at work, in simulated time."""

    shape: Shape
    samples: Sequence[Sample]
    rng: random.Random
    simulation: Simulation = attrs.field(factory=Simulation)
    expansions: int = 0

    def __attrs_post_init__(self) -> None:
        self.servers = [Station("policy servers", self.shape.slots) for _ in range(self.shape.servers)]
        self.driver = Station("driver", 1)
        self.nodes = [Node(self) for _ in range(self.shape.nodes)]

    @property
    def stations(self) -> list[Station]:
        """All of them."""
        return [self.driver, *self.servers, *(each for node in self.nodes for each in node.stations)]

    def run(self) -> dict[str, Any]:
        """Let it come to a steady state, and measure the rest; rates are per second."""
        searching = self.shape.nodes * self.shape.concurrency
        wanted = 3 * max(10_000, 3 * searching)
        for node in self.nodes:
            for _ in range(self.shape.concurrency):
                # Not all at the same moment: a long run has forgotten how it began.
                self.simulation.start(node.search_on(), self.rng.uniform(0.0, 5.0))
        self._until(wanted // 3)
        began_s = self.simulation.now_s
        for station in self.stations:
            station.count(0, began_s)
            station.busy_s = 0.0
        self._until(wanted)
        lasted_s = self.simulation.now_s - began_s
        busy: dict[str, float] = defaultdict(float)
        places: dict[str, int] = defaultdict(int)
        for station in self.stations:
            station.count(0, self.simulation.now_s)
            busy[station.name] += station.busy_s
            places[station.name] += station.places
        used = {name: busy[name] / (places[name] * lasted_s) for name in busy if busy[name]}
        # Who waits for a server holds a place in a client's limit, which is then full for no reason of its own.
        first = max(used, key=lambda name: used[name] - (name == "clients' limits") * (1 - SATURATED))
        rate = (wanted - wanted // 3) / lasted_s
        # Not counted as they end: in a short while the short ones would count too much.
        kept = sum(not sample.is_lost for sample in self.samples)
        theorems = rate * kept / sum(len(sample.tactics_s) for sample in self.samples)
        return {
            "nodes": self.shape.nodes,
            "servers": self.shape.servers,
            "expansions": rate,
            "theorems": theorems,
            "used": used,
            "saturated": first if used[first] >= SATURATED else None,
        }

    def _until(self, expansions: int) -> None:
        while self.expansions < expansions:
            self.simulation.step()


class Node:
    """A node, with a client of its own of each server."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        shape = cluster.shape
        self.workers = [Station("Lean workers", 1) for _ in range(shape.workers)]
        self.pinned = [0] * shape.workers
        self.loop = Station("event loops", 1)
        self.certifier = Station("certifiers", 1)
        self.clients = [Station("clients' limits", shape.client_requests) for _ in cluster.servers]

    @property
    def stations(self) -> list[Station]:
        """All of them."""
        return [*self.workers, self.loop, self.certifier, *self.clients]

    def search_on(self) -> Process:
        """Search one theorem after the other."""
        cluster, shape, rng = self.cluster, self.cluster.shape, self.cluster.rng
        while True:
            sample = rng.choice(cluster.samples)
            if shape.driver_s:
                yield cluster.driver, shape.driver_s
            number = min(range(shape.workers), key=self.pinned.__getitem__)
            self.pinned[number] += 1
            policy_s = sample.policy_s if shape.policy_s is None else shape.policy_s
            for tactics_s in sample.tactics_s:
                server = self._less_busy_of_two()
                yield self.clients[server], None
                yield cluster.servers[server], policy_s
                cluster.simulation.leave(self.clients[server])
                yield self.workers[number], tactics_s
                yield self.loop, sample.own_s
                cluster.expansions += 1
            if sample.certify_s:
                yield self.certifier, sample.certify_s
            self.pinned[number] -= 1

    def _less_busy_of_two(self) -> int:
        numbers = range(len(self.clients))
        pair = self.cluster.rng.sample(numbers, min(2, len(numbers)))
        return min(pair, key=lambda number: self.clients[number].load)


def predicted(shape: Shape, samples: Sequence[Sample], seed: int) -> dict[str, Any]:
    """What the model says of a cluster."""
    return Cluster(shape, samples, random.Random(seed)).run()  # noqa: S311 - a game, not a secret


# --- beside what is real ---


CHECKED_TACTIC_S, CHECKED_POLICY_S, CANDIDATES, THEOREMS = 0.1, 0.8, 8, 20


async def measured(shape: Shape, folder: Path) -> tuple[float, list[Path]]:
    """Expansions per second of a real cluster while all its nodes had work, and the folders of its nodes."""
    worker = (sys.executable, "-I", "-S", str(Path(__file__).with_name("_chance_worker.py")), str(CHECKED_TACTIC_S))
    backend = SlowBackend(latency_s=CHECKED_POLICY_S, slots=shape.slots)
    folders = [folder / f"node-{number}" for number in range(shape.nodes)]
    async with PolicyServer(ServeConfig(), backend) as server:
        config = RunConfig(
            concurrency=shape.concurrency,
            lean=LeanPoolConfig(imports=(), num_workers=shape.workers, backend=CommandBackend(argv=worker)),
            policy=PolicyClientConfig(url=server.url),
            search=SearchConfig(candidates_per_state=CANDIDATES, budget=SearchBudget(max_expansions=12)),
        )
        async with asyncio.TaskGroup() as group:
            for number, of_node in enumerate(folders):
                names = range(number * THEOREMS, (number + 1) * THEOREMS)
                theorems = [Theorem(name=f"p{name}", statement=f"P {name}") for name in names]
                group.create_task(SearchRun(config, theorems, of_node).run())
    by_node = [read_trajectory(of_node).records for of_node in folders]
    begin = max(min(record.started_unix_s for record in records) for records in by_node)
    end = min(max(record.started_unix_s for record in records) for records in by_node)
    rate = sum(_within(record, begin, end) for records in by_node for record in records) / (end - begin)
    return rate, folders


def _within(record: TheoremRecord, begin: float, end: float) -> float:
    """The expansions of a search that fall into a time, if they came evenly."""
    ended = record.started_unix_s + record.wall_s
    overlap_s = min(ended, end) - max(record.started_unix_s, begin)
    return record.expansions * max(overlap_s, 0.0) / record.wall_s if record.wall_s else 0.0


ALONE = Shape(concurrency=1, slots=32)
CHECKED = [(32, 1, 1), (32, 2, 1), (32, 4, 1), (3, 2, 1), (3, 4, 1)]
"""Slots of the one server, nodes, and workers of each."""


def check(seed: int) -> list[dict[str, Any]]:
    """Measure small clusters, and have the model predict them from a run of one theorem at a time."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        _, alone = asyncio.run(measured(ALONE, Path(folder) / "alone"))
        samples = samples_of(alone)
        for slots, nodes, workers in CHECKED:
            shape = Shape(nodes=nodes, workers=workers, concurrency=4 * workers, slots=slots)
            rate, _ = asyncio.run(measured(shape, Path(folder) / f"{slots}-{nodes}-{workers}"))
            said = predicted(shape, samples, seed)
            row = {"slots": slots, "nodes": nodes, "workers": workers, "measured": rate, "model": said["expansions"]}
            row |= {"error": row["model"] / rate - 1.0, "saturated": said["saturated"]}
            rows.append(row)
            click.echo(
                f"{slots:2} slots  {nodes} x {workers}: {rate:6.2f} expansions/s measured, "
                f"{row['model']:6.2f} by the model ({row['error']:+.1%})  {row['saturated'] or ''}"
            )
    return rows


# --- the table and the picture ---


def table(shape: Shape, samples: Sequence[Sample], seed: int) -> list[dict[str, Any]]:
    """All clusters of 1 to 256 nodes and 1 to 32 servers."""
    click.echo(
        "theorems per minute, and what is saturated: "
        + ", ".join(f"{letter} {name}" for name, letter in LETTERS.items())
        + "; nothing where more theorems at a time would do more"
    )
    click.echo("nodes " + "".join(f"{servers:>12}" for servers in SERVERS))
    rows = []
    for nodes in NODES:
        line = [predicted(attrs.evolve(shape, nodes=nodes, servers=servers), samples, seed) for servers in SERVERS]
        cells = [f"{60 * row['theorems']:.0f} {LETTERS.get(row['saturated'] or '', ' ')}" for row in line]
        click.echo(f"{nodes:5} " + "".join(f"{cell:>12}" for cell in cells))
        rows += line
    return rows


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Theorems per minute by nodes, a line for each number of servers."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "leanebm"}):
        figure, axis = pyplot.subplots(figsize=(7, 4.5))
        for servers in SERVERS:
            line = [row for row in rows if row["servers"] == servers]
            theorems = [60 * row["theorems"] for row in line]
            axis.plot([row["nodes"] for row in line], theorems, marker="o", markersize=3, label=str(servers))
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel("nodes")
        axis.set_ylabel("theorems per minute")
        axis.set_xticks(NODES, [str(nodes) for nodes in NODES])
        axis.grid(color="#e8e6e0")
        axis.legend(title="policy servers", frameon=False)
        figure.savefig(file, metadata={"Date": None}, bbox_inches="tight")
        pyplot.close(figure)


@click.command()
@click.option("--runs", multiple=True, type=click.Path(exists=True, path_type=Path), help="Runs to be fed by.")
@click.option("--check", "is_check", is_flag=True, help="Measure small clusters, and compare.")
@click.option("--workers", default=16, show_default=True, help="On a node.")
@click.option("--concurrency", default=64, show_default=True, help="Theorems at a time on a node.")
@click.option("--slots", default=64, show_default=True, help="Requests that a policy server works on at a time.")
@click.option("--client-requests", default=8, show_default=True, help="Requests that a node has out at a server.")
@click.option("--policy-s", type=float, help="Seconds of a policy call.  [default: as recorded]")
@click.option("--driver-ms", default=2.0, show_default=True, help="The driver's time for a theorem; an assumption.")
@click.option("--seed", default=0, show_default=True)
@click.option("--svg", type=click.Path(path_type=Path))
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    *,
    runs: tuple[Path, ...],
    is_check: bool,
    driver_ms: float,
    seed: int,
    svg: Path | None,
    json_file: Path | None,
    **shape: Any,
) -> None:
    """Predict, or compare predictions with what is measured."""
    began_s = time.monotonic()
    if is_check:
        rows = check(seed)
    elif runs:
        samples = samples_of(runs)
        mean_s = sum(map(sum, (one.tactics_s for one in samples))) / sum(len(one.tactics_s) for one in samples)
        expansions = sum(len(one.tactics_s) for one in samples) / len(samples)
        click.echo(f"{len(samples)} theorems, {expansions:.1f} expansions each, {mean_s:.3f} s of tactics for each")
        rows = table(Shape(driver_s=driver_ms / 1000, **shape), samples, seed)
    else:
        raise click.UsageError("say by which --runs the model is fed, or --check")
    if svg is not None:
        draw(rows, svg)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    click.echo(f"seed {seed}; {machine}; took {time.monotonic() - began_s:.0f} s")
    if json_file is not None:
        json_file.write_text(json.dumps({"rows": rows, "seed": seed, "machine": machine}, indent=2) + "\n")


if __name__ == "__main__":
    main()
