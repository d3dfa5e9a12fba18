"""What a second and a fourth node of a Ray cluster add, until one policy server has no more to give.

.. code-block:: text

    python benchmarks/cluster_efficiency.py [--nodes 1,2,4] [--theorems 120] [--capacity 32] [--json FILE]

All nodes are on this machine, so nothing that needs processors can show it. A tactic here is a wait (``--tactic-ms``,
in ``_chance_worker.py``: a real process behind the real pool, which decides by a hash), and so is the policy (the
real server over real HTTP: ``--policy-ms`` per request, ``--capacity`` requests at a time). What is measured is all
that stands around: search, pool, HTTP, Parquet, leases, Ray. Each node has one worker.

Efficiency is the rate of tactics per node while all nodes had work, over that of the fewest nodes. ``whole`` is that of
the whole run, with the start of the actors and its end, when some nodes have nothing left. On a machine that does other
things, give each number several times, in turn (``--nodes 1,2,4,1,2,4``): the fewest nodes' rate is then a mean.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import click
from _ray_cluster import ray_cluster
from _slow_backend import SlowBackend

from leanebm.core import Theorem
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.pipeline import RayEngine, RunConfig, SearchRun
from leanebm.policy import PolicyClientConfig
from leanebm.search import SearchBudget, SearchConfig
from leanebm.serve import PolicyServer, ServeConfig
from leanebm.trajectory import TheoremRecord, read_trajectory

CHANCE_WORKER = Path(__file__).with_name("_chance_worker.py")
CANDIDATES = 8


@attrs.frozen(kw_only=True)
class Rates:
    """Of one run, per second."""

    steady: float
    """Tactics while all nodes had work."""

    whole: float
    """Tactics from the first search's beginning to the last one's end."""

    wall_s: float

    @classmethod
    def of(cls, folder: Path) -> Rates:
        """Read the run's shards; each node has its own."""
        by_node: dict[str, list[TheoremRecord]] = defaultdict(list)
        for shard in read_trajectory(folder).shards:
            by_node[shard.path.parent.name] += shard.records
        records = [record for of_node in by_node.values() for record in of_node]
        begin = min(record.started_unix_s for record in records)
        end = max(map(ended_s, records))
        all_there = max(min(record.started_unix_s for record in of_node) for of_node in by_node.values())
        all_busy = min(max(record.started_unix_s for record in of_node) for of_node in by_node.values())
        return cls(
            steady=sum(calls_within(record, all_there, all_busy) for record in records) / (all_busy - all_there),
            whole=sum(record.tactic_calls for record in records) / (end - begin),
            wall_s=end - begin,
        )


def ended_s(record: TheoremRecord) -> float:
    """When a search ended, in seconds since 1970."""
    return record.started_unix_s + record.wall_s


def calls_within(record: TheoremRecord, begin: float, end: float) -> float:
    """The tactics of a search that fall into a time, if they came evenly."""
    overlap_s = min(ended_s(record), end) - max(record.started_unix_s, begin)
    return record.tactic_calls * max(overlap_s, 0.0) / record.wall_s


async def measure(
    nodes: int, theorems: Sequence[Theorem], folder: Path, *, tactic_s: float, policy_s: float, capacity: int
) -> dict[str, Any]:
    """One row."""
    backend = SlowBackend(latency_s=policy_s, slots=capacity)
    async with PolicyServer(ServeConfig(), backend) as server:
        argv = (sys.executable, "-I", "-S", str(CHANCE_WORKER), str(tactic_s))
        config = RunConfig(
            lean=LeanPoolConfig(imports=(), num_workers=1, backend=CommandBackend(argv=argv)),
            policy=PolicyClientConfig(url=server.url),
            search=SearchConfig(candidates_per_state=CANDIDATES, budget=SearchBudget(max_expansions=12)),
        )
        with ray_cluster(nodes) as cluster:
            await SearchRun(config, theorems, folder, engine=RayEngine(address=cluster.address)).run()
    rates = Rates.of(folder)
    served = backend.busy_s / (capacity * rates.wall_s)
    load = os.getloadavg()[0]
    return {"nodes": nodes, "capacity": capacity, "server busy": served, "load": load, **attrs.asdict(rates)}


def tell(row: dict[str, Any]) -> None:
    """Print a row."""
    click.echo("  ".join(f"{name} {value:.3g}" for name, value in row.items()))


@click.command()
@click.option("--nodes", default="1,2,4", show_default=True)
@click.option("--theorems", "count", default=120, show_default=True)
@click.option("--tactic-ms", default=50.0, show_default=True)
@click.option("--policy-ms", default=200.0, show_default=True)
@click.option("--capacity", default=32, show_default=True, help="Requests that the policy server works on at a time.")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(*, nodes: str, count: int, tactic_ms: float, policy_ms: float, capacity: int, json_file: Path | None) -> None:
    """Measure each number of nodes, and print the table."""
    theorems = tuple(Theorem(name=f"p{number}", statement=f"P {number}") for number in range(1, count + 1))
    rows: list[dict[str, Any]] = []
    times = {"tactic_s": tactic_ms / 1000, "policy_s": policy_ms / 1000}
    with tempfile.TemporaryDirectory() as folder:
        for turn, number in enumerate(map(int, nodes.split(","))):
            output = Path(folder) / f"turn-{turn}"
            rows.append(asyncio.run(measure(number, theorems, output, **times, capacity=capacity)))
            tell(rows[-1])
    fewest = min(row["nodes"] for row in rows)
    for rate in ("steady", "whole"):
        base = statistics.mean(row[rate] / fewest for row in rows if row["nodes"] == fewest)
        for row in rows:
            row[f"{rate} efficiency"] = row[rate] / row["nodes"] / base
    for row in rows:
        tell(row)
    report = {"rows": rows, "theorems": count, **times, "machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
