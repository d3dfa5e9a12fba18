"""What stands between a search and its Lean: the price of one request, and of many workers on one event loop.

.. code-block:: text

    python benchmarks/request_overhead.py [--requests 4000] [--workers 1,8,64] [--json FILE]

Lean is played by a real process that answers at once (``_chance_worker.py``), so that what is left is ours. *bare*
writes the same lines to such a process and reads them back, with nothing around it: the difference to *pool* is what
the pool, its guards and its decoding cost. Both are measured in turns.

Then many workers are asked at once, each by a proof of its own, whose tactics wait for ten milliseconds and need no
processor. *of the possible* is the rate of requests over what so many workers could answer. *late by* is how much later
than planned a timer on the event loop went off, at the 99th percentile: how long everything else waits.
"""

from __future__ import annotations

import asyncio
import json
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from _chance_worker import chance

from leanebm import LeanPool, LeanPoolConfig, Theorem
from leanebm.lean import CommandBackend

WORKER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("_chance_worker.py")))
STATEMENT, ROOT = "P 1", "P 1 0 0"
TACTIC = next(text for number in range(1000) if chance(ROOT, text := f"tactic {number}") > 0.9)
"""One that fails: no state is made, so that nothing has to be freed."""

TACTIC_S = 0.01
TURNS = 5


def pool_of(workers: int, *wait_s: str) -> LeanPool:
    """Workers that wait so long under each tactic."""
    backend = CommandBackend(argv=(*WORKER, *wait_s))
    return LeanPool(LeanPoolConfig(imports=(), num_workers=workers, backend=backend, max_requests=10**9))


async def through_pool(requests: int) -> AsyncIterator[tuple[float, float]]:
    """Seconds per request, by the clock and of this process, turn by turn."""
    async with pool_of(1) as pool, pool.open(Theorem(name="one", statement=STATEMENT)) as proof:
        while True:
            began, began_cpu = time.perf_counter(), time.process_time()
            for _ in range(requests):
                await proof.run_tactic(proof.root, TACTIC)
            yield (time.perf_counter() - began) / requests, (time.process_time() - began_cpu) / requests


async def bare(requests: int) -> AsyncIterator[tuple[float, float]]:
    """The same, of lines to and from such a process."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*WORKER, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        start = {"nonce": "0", "cmd": "goal.start", "payload": {"expr": STATEMENT}}
        ask = {"nonce": "0", "cmd": "goal.tactic", "payload": {"stateId": 0, "tactic": TACTIC}}
        process.stdin.write(json.dumps(start).encode() + b"\n")
        await process.stdout.readline()
        while True:
            began, began_cpu = time.perf_counter(), time.process_time()
            for _ in range(requests):
                process.stdin.write(json.dumps(ask).encode() + b"\n")
                json.loads(await process.stdout.readline())
            yield (time.perf_counter() - began) / requests, (time.process_time() - began_cpu) / requests
    finally:
        process.stdin.close()
        await process.wait()


async def one_request(requests: int) -> dict[str, float]:
    """Medians over turns, in microseconds."""
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "pool": []}
    sources = {"bare": bare(requests // TURNS), "pool": through_pool(requests // TURNS)}
    for _ in range(TURNS + 1):
        for name, source in sources.items():
            found[name].append(await anext(source))
    for source in sources.values():
        await source.aclose()  # type: ignore[attr-defined]
    return {
        f"{name}, {what}": 1e6 * statistics.median(turn[place] for turn in turns[1:])  # the first one warms up
        for name, turns in found.items()
        for place, what in enumerate(("µs by the clock", "µs of processor here"))
    }


@asynccontextmanager
async def watched_loop() -> AsyncIterator[list[float]]:
    """How late a timer of five milliseconds is, again and again, in seconds."""
    lateness: list[float] = []

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            lateness.append(time.perf_counter() - began - 0.005)

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        yield lateness
        ticking.cancel()


async def many_workers(workers: int, seconds: float) -> dict[str, float]:
    """So many proofs at once, for so long."""
    done = 0
    async with pool_of(workers, str(TACTIC_S)) as pool:
        while len(pool.statistics().workers) < workers:  # noqa: ASYNC110 - else all proofs go to the first one
            await asyncio.sleep(0.01)
        opened, ended = asyncio.Barrier(workers + 1), asyncio.Barrier(workers + 1)

        async def work() -> None:
            nonlocal done
            async with pool.open(Theorem(name="one", statement=STATEMENT)) as proof:
                await opened.wait()
                ends = time.perf_counter() + seconds
                while time.perf_counter() < ends:
                    await proof.run_tactic(proof.root, TACTIC)
                    done += 1
                await ended.wait()

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
            await opened.wait()
            began_cpu = time.process_time()
            async with watched_loop() as lateness:
                await ended.wait()
            cpu_s = time.process_time() - began_cpu
    return {
        "workers": workers,
        "requests per s": done / seconds,
        "of the possible": done / seconds * TACTIC_S / workers,
        "µs of processor here": 1e6 * cpu_s / done,
        "late by (ms)": 1e3 * statistics.quantiles(lateness, n=100)[98],
    }


def shown(row: dict[str, float]) -> Iterator[str]:
    """A row of the report."""
    for name, value in row.items():
        yield f"{name} {value:.3g}"


@click.command(help=__doc__)
@click.option("--requests", type=click.IntRange(min=100), default=4000, show_default=True)
@click.option("--workers", default="1,8,64", show_default=True)
@click.option("--seconds", type=float, default=5.0, show_default=True, help="For each number of workers.")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(requests: int, workers: str, seconds: float, json_file: Path | None) -> None:
    """Measure, and print."""
    report: dict[str, Any] = {"machine": platform.machine(), "one request": asyncio.run(one_request(requests))}
    click.echo("one request: " + ", ".join(shown(report["one request"])))
    report["many workers"] = []
    for number in map(int, workers.split(",")):
        row = asyncio.run(many_workers(number, seconds))
        report["many workers"].append(row)
        click.echo(", ".join(shown(row)))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
