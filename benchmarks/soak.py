"""Half an hour of searching with real Lean: does anything grow?

.. code-block:: text

    python benchmarks/soak.py [--minutes 30] [--workers 2] [--seed 0] [--output FOLDER]

Searches the library's theorems round after round, over one pool of embedded workers, one certifier and one policy
server, and keeps every tree, as ``leanebm search`` does. Workers are recycled after 1000 requests, at an age of
20 seconds or at 700 MiB, whichever comes first, so that each of them happens. Every two seconds it samples what could
leak. Written are ``samples.csv``, ``soak.svg`` and ``soak.json`` with, for each measure, the slope an hour.

**The verdict.** The first fifth is left out as warming up. Workers come and go, and with them memory, descriptors,
threads and processes; but what leaks stays, so the lowest value in the first third is compared with that in the last
third. Through half minutes' medians of our own memory goes a straight line. A measure is *flat* if its slope, two
standard errors added, stays within the tolerance, *growing* if it exceeds the tolerance by two standard errors, and
else *unclear*. Less than ten minutes are always too few to tell: caches fill, and the heap rises to the largest tree.
"""

from __future__ import annotations

import asyncio
import csv
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import click
import psutil

from leanebm.core import SearchResult, Theorem
from leanebm.data import Split, library_theorems
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig, PoolStatistics, ReplayingEnvironment
from leanebm.lean.embedded import install
from leanebm.lean.requests import lean_version
from leanebm.pipeline import Observer, PipelineEvent, RunConfig, SearchedTheorem, SearchRun, StageProgressed, Workbench
from leanebm.pipeline.workbench import start_embedded_server
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.search import SearchBudget, SearchConfig

SAMPLE_INTERVAL_S = 2.0
BLOCK_S = 30.0
LEAST_BLOCKS, LEAST_SAMPLES = 16, 60
CLOSERS = ("grind", "simp", "simp_all", "omega", "decide")
"""Never proposed: with them most theorems are proved in a few steps, and certifying would take all the time."""

WARM_UP = 0.2
"""The part of the time in which caches fill and pools grow to their size."""


@attrs.frozen(kw_only=True)
class Sample:
    """What could leak, at one moment."""

    time_s: float
    rss_mib: float
    """Resident memory of this process."""

    python_blocks: int
    """Blocks of memory that Python objects hold here: what a leak of ours would add to, and no heap's habits do."""

    workers_rss_mib: float
    """Resident memory of a pool's worker, the mean of them."""

    descriptors: int
    """Open files and pipes, sockets not counted."""

    sockets: int
    """Both ends of each connection to the policy server, which runs in this process."""

    tasks: int
    threads: int
    children: int
    """Processes below this one, guards included."""

    tactic_calls: int
    """Since the beginning, in searches that have ended."""

    requests: int
    starts: int


TOLERANCES = {
    "rss_mib": (0.05, 20.0),
    "python_blocks": (0.05, 0.0),
    "workers_rss_mib": (0.10, 20.0),
    "descriptors": (0.0, 2.0),
    "sockets": (0.0, 16.0),  # connections are kept for reuse: up to one for each theorem searched at a time
    "tasks": (0.0, 2.0),
    "threads": (0.0, 1.0),
    "children": (0.0, 1.0),
}
"""Growth an hour that is taken for none: a part of the measure's own size, or this much, whichever is more."""


@attrs.frozen(kw_only=True)
class Trend:
    """How a measure went."""

    median: float
    slope_per_hour: float
    standard_error: float
    tolerance: float

    @property
    def verdict(self) -> str:
        """``flat``, ``growing`` or ``unclear``."""
        if self.slope_per_hour + 2 * self.standard_error <= self.tolerance:
            return "flat"
        return "growing" if self.slope_per_hour - 2 * self.standard_error > self.tolerance else "unclear"

    @classmethod
    def of(cls, measure: str, samples: Sequence[Sample]) -> Trend:
        """The trend after warming up; its error is infinite where there are too few samples to tell."""
        kept = [each for each in samples if each.time_s >= samples[-1].time_s * WARM_UP]
        hours = [each.time_s / 3600 for each in kept]
        values = [float(getattr(each, measure)) for each in kept]
        slope, error = (_line if measure == "rss_mib" else _floor)(hours, values)
        median = statistics.median(values)
        share, least = TOLERANCES[measure]
        return cls(median=median, slope_per_hour=slope, standard_error=error, tolerance=max(share * median, least))


def _floor(hours: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """How fast the lowest value rises, from the first third to the last."""
    third = len(values) // 3
    if third < LEAST_SAMPLES:
        return 0.0, math.inf
    rise = min(values[-third:]) - min(values[:third])
    return rise / (statistics.fmean(hours[-third:]) - statistics.fmean(hours[:third])), 0.0


def _line(hours: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Slope by least squares through each half minute's median, and its standard error."""
    blocks: dict[int, list[float]] = {}
    for hour, value in zip(hours, values, strict=True):
        blocks.setdefault(int(hour * 3600 // BLOCK_S), []).append(value)
    xs = [(number + 0.5) * BLOCK_S / 3600 for number in blocks]
    ys = [statistics.median(block) for block in blocks.values()]
    if len(xs) < LEAST_BLOCKS:
        return 0.0, math.inf
    slope, intercept = statistics.linear_regression(xs, ys)
    residuals = [y - slope * x - intercept for x, y in zip(xs, ys, strict=True)]
    spread = sum((x - statistics.fmean(xs)) ** 2 for x in xs)
    return slope, math.sqrt(sum(r * r for r in residuals) / (len(xs) - 2) / spread)


# --- searching ----------------------------------------------------------------------------------


@attrs.define
class Tally:
    """An observer that counts."""

    tactic_calls: int = 0
    searches: int = 0
    outcomes: dict[str, int] = attrs.field(factory=dict)

    def notify(self, event: PipelineEvent) -> None:
        """Take note of ended searches."""
        match event:
            case StageProgressed(item=SearchedTheorem(result=SearchResult() as result)):
                self.searches += 1
                self.tactic_calls += result.statistics.tactic_calls
                self.outcomes[result.outcome.value] = self.outcomes.get(result.outcome.value, 0) + 1
            case _:
                pass


@attrs.frozen
class Rig:
    """Everything started."""

    pool: LeanPool
    bench: Workbench
    config: RunConfig


@asynccontextmanager
async def rig(config: RunConfig) -> AsyncIterator[Rig]:
    """One pool, certifier, server and client for all rounds."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(start_embedded_server(seed=config.seed, without=config.without))
        policy = await stack.enter_async_context(PolicyClient(PolicyClientConfig(url=url)))
        pool = await stack.enter_async_context(LeanPool(config.lean))
        certifier = await stack.enter_async_context(Certifier(config.lean))
        bench = Workbench(
            policy=policy,
            scorer=config.scorer,
            environment=ReplayingEnvironment(pool),
            certifier=certifier,
            lean_version=await pool.ask(lean_version()),
        )
        yield Rig(pool, bench, config)


async def search_for_ever(rig: Rig, theorems: Sequence[Theorem], output: Path, tally: Tally) -> None:
    """One run after the other, each into a folder of its own."""

    @asynccontextmanager
    async def lent(_: RunConfig, __: Observer) -> AsyncIterator[Workbench]:
        yield rig.bench

    for number in count():
        folder = output / f"round-{number:04d}"
        await SearchRun(rig.config, theorems, folder, observer=tally, opening=lent).run()


# --- sampling -----------------------------------------------------------------------------------


def sample(rig: Rig, tally: Tally, time_s: float) -> Sample:
    """Look at everything once."""
    process, statistics_ = psutil.Process(), rig.pool.statistics()
    sockets = len(process.net_connections(kind="inet"))
    with process.oneshot():
        return Sample(
            time_s=round(time_s, 2),
            rss_mib=process.memory_info().rss / 2**20,
            python_blocks=sys.getallocatedblocks(),
            workers_rss_mib=_mean_rss_mib(statistics_),
            descriptors=process.num_fds() - sockets,
            sockets=sockets,
            tasks=len(asyncio.all_tasks()),
            threads=process.num_threads(),
            children=len(process.children(recursive=True)),
            tactic_calls=tally.tactic_calls,
            requests=statistics_.requests,
            starts=statistics_.starts,
        )


def _mean_rss_mib(pool: PoolStatistics) -> float:
    return statistics.fmean([worker.rss_mib for worker in pool.workers] or [0.0])


async def sample_for(seconds: float, rig: Rig, tally: Tally, output: Path) -> list[Sample]:
    """A sample every two seconds, each written down at once."""
    began = time.monotonic()
    samples: list[Sample] = []
    with (output / "samples.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [field.name for field in attrs.fields(Sample)])
        table.writeheader()
        while (now := time.monotonic() - began) < seconds:
            samples.append(sample(rig, tally, now))
            table.writerow(attrs.asdict(samples[-1]))
            file.flush()
            await asyncio.sleep(SAMPLE_INTERVAL_S)
    return samples


async def soak(config: RunConfig, theorems: Sequence[Theorem], seconds: float, output: Path) -> dict[str, Any]:
    """Search for so long, and report."""
    tally = Tally()
    async with rig(config) as up:
        searching = asyncio.create_task(search_for_ever(up, theorems, output, tally))
        sampling = asyncio.create_task(sample_for(seconds, up, tally, output))
        await asyncio.wait({searching, sampling}, return_when=asyncio.FIRST_COMPLETED)
        if searching.done():
            sampling.cancel()
            searching.result()
        samples = sampling.result()
        pool = up.pool.statistics()
        searching.cancel()
        await asyncio.wait({searching})
    trends = {measure: Trend.of(measure, samples) for measure in TOLERANCES}
    draw(samples, output / "soak.svg")
    return {
        "seconds": round(samples[-1].time_s),
        "tactic calls": tally.tactic_calls,
        "tactic calls a second": round(tally.tactic_calls / samples[-1].time_s, 1),
        "searches": tally.searches,
        "outcomes": tally.outcomes,
        "worker starts": pool.starts,
        "start failures": pool.start_failures,
        "retirements": {reason.value: times for reason, times in pool.retirements.items()},
        "trends": {name: {**attrs.asdict(trend), "verdict": trend.verdict} for name, trend in trends.items()},
    }


def draw(samples: Sequence[Sample], path: Path) -> None:
    """One curve a measure, below one another."""
    with _no_display() as pyplot:
        figure, axes = pyplot.subplots(len(TOLERANCES) + 1, sharex=True, figsize=(8, 12))
        for axis, measure in zip(axes, (*TOLERANCES, "tactic_calls"), strict=True):
            axis.plot([each.time_s / 60 for each in samples], [getattr(each, measure) for each in samples])
            axis.set_title(measure, fontsize=8, loc="left")
            axis.set_ylim(bottom=0)
        axes[-1].set_xlabel("minutes")
        figure.tight_layout()
        figure.savefig(path)
        pyplot.close(figure)


@contextmanager
def _no_display() -> Iterator[Any]:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    yield pyplot


def show(report: dict[str, Any]) -> None:
    """The report for a person."""
    for name, value in report.items():
        if name != "trends":
            click.echo(f"{name:>22}  {value}")
    click.echo(f"{'measure':>22}  {'median':>8}  {'slope/h':>9}  {'± 1 s.e.':>9}  {'tolerance':>9}  verdict")
    for name, trend in report["trends"].items():
        figures = (trend["median"], trend["slope_per_hour"], trend["standard_error"], trend["tolerance"])
        median, slope, error, tolerance = figures
        click.echo(f"{name:>22}  {median:8.1f}  {slope:9.2f}  {error:9.2f}  {tolerance:9.1f}  {trend['verdict']}")


@click.command()
@click.option("--minutes", default=30.0, show_default=True)
@click.option("--workers", default=2, show_default=True, help="Embedded Lean workers.")
@click.option("--theorems", "count_", default=60, show_default=True, help="Theorems a round.")
@click.option("--max-requests", default=1000, show_default=True, help="Requests after which a worker is replaced.")
@click.option("--max-age", "max_age_s", default=20.0, show_default=True, help="Seconds after which one is replaced.")
@click.option("--max-rss", "max_rss_mib", default=700, show_default=True, help="MiB at which one is replaced.")
@click.option("--seed", default=0, show_default=True, help="Of the policy server.")
@click.option("--output", type=click.Path(path_type=Path), help="Where it all goes.  [default: a temporary folder]")
def main(
    *,
    minutes: float,
    workers: int,
    count_: int,
    max_requests: int,
    max_age_s: float,
    max_rss_mib: int,
    seed: int,
    output: Path | None,
) -> None:
    """Search for so many minutes, then say what has grown."""
    install()
    folder = output or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    config = RunConfig(
        concurrency=2 * workers,
        seed=seed,
        without=CLOSERS,
        search=SearchConfig(budget=SearchBudget(max_expansions=60)),
        lean=LeanPoolConfig.embedded(
            num_workers=workers,
            imports=("Init", "Std"),
            max_requests=max_requests,
            max_age_s=max_age_s,
            max_rss_mib=max_rss_mib,
        ),
    )
    theorems = tuple(entry.theorem for entry in library_theorems(Split.TEST))[:count_]
    report = asyncio.run(soak(config, theorems, 60 * minutes, folder))
    report |= {"seed": seed, "folder": str(folder), "machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    (folder / "soak.json").write_text(json.dumps(report, indent=2) + "\n")
    show(report)
    verdicts = {trend["verdict"] for trend in report["trends"].values()}
    sys.exit(1 if "growing" in verdicts else 0)


if __name__ == "__main__":
    main()
