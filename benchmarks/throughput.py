"""Theorems certified per minute of CPU: our search, the same with nothing spared, and the orders that others use.

.. code-block:: text

    python benchmarks/throughput.py [--set bundled|logic] [--theorems 24] [--blocks 2] [--tactics 200] [--seed 0]

All arms have one policy (the symbolic one, behind real HTTP), one Lean, one budget of tactic calls, and one certifier.
The theorems are cut into blocks; every block goes through all arms, one after the other, in an order that rotates.
Counted is the CPU time of this process, the policy server in it, and of all Lean below it, whatever became of it: a
worker that was replaced counts, and so does its successor's start. The start of an arm's first worker does not, which a
run pays once.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import platform
import resource
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import click
import psutil
from rich.console import Console
from rich.table import Table

from leanebm.core import SearchResult, Theorem
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.lean.embedded import install
from leanebm.pipeline.theorem_sets import load_theorems
from leanebm.pipeline.workbench import start_embedded_server
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.search import (
    BestFirstSearch,
    CumulativeLogProb,
    DepthFirstSearch,
    SearchBudget,
    SearchConfig,
    SearchFactory,
)

SETS: Final = {"bundled": ("bundled", ()), "logic": ("logic:val", ("grind", "omega", "simp_all", "decide", "simp"))}
"""Each with what the policy must not propose."""

_PR_SET_CHILD_SUBREAPER: Final = 36


@attrs.frozen
class Arm:
    """One way to search."""

    make: SearchFactory
    spared: Mapping[str, int] = attrs.field(factory=dict)
    """Settings of the search by which calls are made fewer or cheaper."""


NOTHING_SPARED: Final = {"tactics_per_request": 1}
ARMS: Final[dict[str, Arm]] = {
    "ours": Arm(BestFirstSearch),
    "ours, nothing spared": Arm(BestFirstSearch, NOTHING_SPARED),
    "summed log-probability": Arm(partial(BestFirstSearch, scorer=CumulativeLogProb()), NOTHING_SPARED),
    "depth first": Arm(DepthFirstSearch, NOTHING_SPARED),
}


@attrs.define
class Figures:
    """What one arm did."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    theorems: int = 0
    certified: int = 0
    tactic_calls: int = 0
    expansions: int = 0
    workers: int = 0
    """Workers that were started, the first of each block left out."""

    @property
    def per_minute(self) -> float:
        """Theorems certified per minute of CPU."""
        return 60 * self.certified / self.cpu_s if self.cpu_s else 0.0

    @property
    def ms_per_call(self) -> float:
        """Milliseconds of CPU per tactic call."""
        return 1000 * self.cpu_s / self.tactic_calls if self.tactic_calls else 0.0

    def add(self, results: Sequence[SearchResult]) -> None:
        """Count what was found."""
        self.theorems += len(results)
        self.certified += sum(result.certificate is not None for result in results)
        self.tactic_calls += sum(result.statistics.tactic_calls for result in results)
        self.expansions += sum(result.statistics.expansions for result in results)


def keep_orphans() -> None:
    """Have processes whose parent was killed become children of this one, so that their CPU time is not lost."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def cpu_s() -> float:
    """CPU seconds of this process and all below it, those that have ended included."""
    own, reaped = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = own.ru_utime + own.ru_stime + reaped.ru_utime + reaped.ru_stime
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


async def search(arm: Arm, theorems: Sequence[Theorem], parts: Mapping[str, object], tactics: int) -> Figures:
    """Search ``theorems`` one after the other, on a worker of their own."""
    figures = Figures()
    budget = SearchBudget(max_expansions=tactics, max_tactic_calls=tactics)
    async with LeanPool(LeanPoolConfig.embedded(num_workers=1)) as pool:
        config = SearchConfig(budget=budget, **arm.spared)
        made = arm.make(environment=ReplayingEnvironment(pool), config=config, **parts)  # type: ignore[arg-type]
        began_cpu_s, began_s = cpu_s(), time.monotonic()
        figures.add([await made.run(theorem) for theorem in theorems])
        figures.workers = pool.statistics().starts - 1
    figures.cpu_s, figures.wall_s = cpu_s() - began_cpu_s, time.monotonic() - began_s
    return figures


def summed(rows: Sequence[Figures]) -> Figures:
    """All blocks of an arm."""
    return Figures(**{each.name: sum(getattr(row, each.name) for row in rows) for each in attrs.fields(Figures)})


async def measure(
    name: str, *, theorems: int, blocks: int, tactics: int, seed: int, arms: Sequence[str]
) -> dict[str, list[Figures]]:
    """Every block through all arms."""
    source, without = SETS[name]
    chosen = load_theorems(source, sample=theorems)
    found: dict[str, list[Figures]] = {arm: [] for arm in arms}
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(start_embedded_server(seed=seed, without=without))
        policy = await stack.enter_async_context(PolicyClient(PolicyClientConfig(url=url)))
        certifier = await stack.enter_async_context(Certifier(LeanPoolConfig.embedded()))
        parts = {"policy": policy, "certifier": certifier}
        for number in range(blocks):
            for step in range(len(arms)):
                arm = arms[(number + step) % len(arms)]
                figures = await search(ARMS[arm], chosen[number::blocks], parts, tactics)
                found[arm].append(figures)
                click.echo(
                    f"block {number + 1}, {arm}: {figures.certified} of {figures.theorems}, {figures.cpu_s:.1f} s",
                    err=True,
                )
    return found


def show(found: Mapping[str, Sequence[Figures]]) -> None:
    """Print the table."""
    table = Table("arm", "certified", "tactic calls", "CPU s", "ms per call", "replaced", "certified per CPU minute")
    for arm, rows in found.items():
        row = summed(rows)
        table.add_row(
            arm,
            f"{row.certified} of {row.theorems}",
            str(row.tactic_calls),
            f"{row.cpu_s:.1f}",
            f"{row.ms_per_call:.2f}",
            str(row.workers),
            f"{row.per_minute:.1f}",
        )
    console = Console(width=120)
    console.print(table)
    console.print(f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f} at the end")


@click.command(help=__doc__)
@click.option("--set", "name", type=click.Choice(list(SETS)), default="bundled", show_default=True)
@click.option("--theorems", default=24, show_default=True, type=click.IntRange(min=1))
@click.option("--blocks", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--tactics", default=200, show_default=True, type=click.IntRange(min=1), help="Tactic calls per theorem.")
@click.option("--seed", default=0, show_default=True)
@click.option("--arm", "arms", multiple=True, type=click.Choice(list(ARMS)), help="Only these; may be repeated.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(  # noqa: D103
    name: str, theorems: int, blocks: int, tactics: int, seed: int, arms: tuple[str, ...], json_path: Path | None
) -> None:
    keep_orphans()
    install()
    chosen = arms or tuple(ARMS)
    found = asyncio.run(measure(name, theorems=theorems, blocks=blocks, tactics=tactics, seed=seed, arms=chosen))
    show(found)
    if json_path is not None:
        rows = {arm: [attrs.asdict(row) for row in rows] for arm, rows in found.items()}
        json_path.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
