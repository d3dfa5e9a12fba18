"""Several expansions of one theorem at once: expansions per second and time to a proof, by what the policy takes.

.. code-block:: text

    python benchmarks/parallel_expansions.py [--theorem NAME]… [--budget 40] [--workers 2] [--at-once 1 --at-once 4]

Each bundled theorem is searched for every latency of the policy and every number of expansions at once. The policy is
the symbolic one behind real HTTP; each of its answers is held back for the latency. Lean is real, on ``--workers``
workers.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import attrs
import click
from rich.console import Console
from rich.table import Table

from leanebm.core import Candidate, ProofState, TacticPolicy, Theorem
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig, ReplayingEnvironment, SpreadingEnvironment
from leanebm.lean.embedded import install
from leanebm.pipeline.theorem_sets import load_theorems
from leanebm.pipeline.workbench import start_embedded_server
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig

LATENCIES_S = (0.0, 0.05, 0.5)
HARD = ("surjective_comp", "exists_imp_of_imp_exists")
"""Bundled theorems that take many expansions."""


@attrs.frozen
class HeldBack:
    """A policy whose answers come late."""

    policy: TacticPolicy
    latency_s: float

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """What the policy proposes, after a while."""
        await asyncio.sleep(self.latency_s)
        return await self.policy.propose(state, n)


async def measure(
    theorems: Sequence[Theorem], *, budget: int, workers: int, at_once: Sequence[int], seed: int
) -> Table:
    """Every theorem, latency and number of expansions at once."""
    table = Table("theorem", "latency, s", "at once", "ended", "expansions", "tactics", "seconds", "expansions per s")
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(start_embedded_server(seed=seed))
        policy = await stack.enter_async_context(PolicyClient(PolicyClientConfig(url=url)))
        certifier = await stack.enter_async_context(Certifier(LeanPoolConfig.embedded()))
        pool = await stack.enter_async_context(LeanPool(LeanPoolConfig.embedded(num_workers=workers)))
        for theorem in theorems:
            for latency_s in LATENCIES_S:
                for most in at_once:
                    search = BestFirstSearch(
                        policy=HeldBack(policy, latency_s),
                        environment=SpreadingEnvironment(ReplayingEnvironment(pool), most),
                        certifier=certifier,
                        config=SearchConfig(budget=SearchBudget(max_expansions=budget), parallel_expansions=most),
                    )
                    began_s = time.monotonic()
                    result = await search.run(theorem)
                    took_s, spent = time.monotonic() - began_s, result.statistics
                    row = (theorem.name, f"{latency_s:g}", str(most), result.outcome.value, str(spent.expansions))
                    table.add_row(*row, str(spent.tactic_calls), f"{took_s:.1f}", f"{spent.expansions / took_s:.2f}")
                    click.echo(f"{' '.join(row)}: {took_s:.1f} s", err=True)
    return table


@click.command(help=__doc__)
@click.option("--theorem", "names", multiple=True, default=HARD, show_default=True, help="May be repeated.")
@click.option("--budget", default=40, show_default=True, type=click.IntRange(min=1), help="Expansions per search.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--at-once", multiple=True, default=(1, 4), show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True)
def main(names: tuple[str, ...], budget: int, workers: int, at_once: tuple[int, ...], seed: int) -> None:  # noqa: D103
    install()
    theorems = [theorem for theorem in load_theorems("bundled") if theorem.name in names]
    console = Console(width=120)
    console.print(asyncio.run(measure(theorems, budget=budget, workers=workers, at_once=at_once, seed=seed)))
    console.print(f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
