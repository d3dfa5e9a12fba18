"""How fast one embedded Lean worker starts and answers, and how much memory it takes.

.. code-block:: text

    python benchmarks/embedded_lean.py [--starts 5] [--calls 3000] [--growth-calls 5000] [--seed 0] [--json FILE]

Measured from outside, on the worker's own pipes, without the pool: start of the process to ``ready.``
(median), resident memory at that moment and at its peak, tactic calls a second over a mixed list, and
resident memory over a long run in which every state that a call made is deleted again.
"""

from __future__ import annotations

import json
import os
import platform
import random
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
import click
import psutil
from rich.console import Console
from rich.table import Table

from leanebm.lean.backends.base import WorkerCommand
from leanebm.lean.embedded import EmbeddedLean, install

STATEMENTS = (
    "∀ (n : Nat), n + 0 = n",
    "∀ (p q : Prop), p ∧ q → q ∧ p",
    "∀ (xs : List Nat), xs ++ [] = xs",
    "∀ (a b : Nat), a = b → b = a",
)
TACTICS = ("intro x", "intros", "simp", "simp_all", "intros; rfl", "grind")
MEMORY_SAMPLES = 10


class Worker:
    """A worker's process and its pipes."""

    def __init__(self, command: WorkerCommand) -> None:
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=_stack_limit(command.stack_mib),  # there is no other thread
            start_new_session=True,
        )
        if self._read_line() != "ready.":
            raise RuntimeError("the worker did not become ready; its standard error is above")
        self.start_s = time.perf_counter() - started
        self.start_cpu_s = self.cpu_s()
        self.ready_mib = self.rss_mib()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, command: str, **payload: object) -> Any:
        """The reply to one request."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"cmd": command, "payload": payload}).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self._read_line())

    def rss_mib(self) -> float:
        """Resident memory, in MiB."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20

    def cpu_s(self) -> float:
        """Processor time used so far, in seconds."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def _read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")


@attrs.frozen(kw_only=True)
class Figures:
    """What was measured."""

    seed: int
    machine: str
    load_average: float
    """Over the minute before: figures from a busy machine are no figures."""
    start_s: list[float]
    start_cpu_s: list[float]
    """Processor time of the same starts."""
    ready_mib: float
    calls: int
    calls_per_s: float
    """Time of the deletions included."""
    cpu_ms_per_call: float
    """Time the worker computed; unlike ``calls_per_s``, hardly touched by what else the machine does."""
    accepted_share: float
    """Calls that led to a new state."""
    growth_mib: list[tuple[int, float]]
    """Calls made so far and resident memory then."""


def _stack_limit(stack_mib: int | None) -> Callable[[], None]:
    def apply() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_STACK)
        if stack_mib is not None:
            wanted = stack_mib << 20
            resource.setrlimit(resource.RLIMIT_STACK, (wanted if hard < 0 else min(wanted, hard), hard))

    return apply


def run_calls(worker: Worker, roots: list[int], calls: int, chance: random.Random) -> int:
    """Make ``calls`` tactic calls on the roots, delete what they made, and say how many were accepted."""
    made: list[int] = []
    for _ in range(calls):
        reply = worker.ask("goal.tactic", stateId=chance.choice(roots), tactic=chance.choice(TACTICS))
        if "nextStateId" in reply:
            made.append(reply["nextStateId"])
    worker.ask("goal.delete", stateIds=made)
    return len(made)


def measure(lean: EmbeddedLean, *, starts: int, calls: int, growth_calls: int, seed: int) -> Figures:
    """Everything, one worker at a time."""
    load = os.getloadavg()[0]
    chance = random.Random(seed)  # noqa: S311 - a workload, not a secret
    start_s, start_cpu_s = [], []
    for _ in range(starts):
        with Worker(lean.worker_command()) as worker:
            start_s.append(worker.start_s)
            start_cpu_s.append(worker.start_cpu_s)
    with Worker(lean.worker_command()) as worker:
        roots = [worker.ask("goal.start", expr=statement)["stateId"] for statement in STATEMENTS]
        run_calls(worker, roots, 100, chance)  # the first use of a tactic compiles it
        began, cpu_began_s = time.perf_counter(), worker.cpu_s()
        accepted = run_calls(worker, roots, calls, chance)
        elapsed_s, cpu_s = time.perf_counter() - began, worker.cpu_s() - cpu_began_s
        growth = [(0, worker.rss_mib())]
        for _ in range(MEMORY_SAMPLES):
            run_calls(worker, roots, growth_calls // MEMORY_SAMPLES, chance)
            growth.append((growth[-1][0] + growth_calls // MEMORY_SAMPLES, worker.rss_mib()))
        return Figures(
            seed=seed,
            machine=f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
            load_average=load,
            start_s=start_s,
            start_cpu_s=start_cpu_s,
            ready_mib=worker.ready_mib,
            calls=calls,
            calls_per_s=calls / elapsed_s,
            cpu_ms_per_call=1000 * cpu_s / calls,
            accepted_share=accepted / calls,
            growth_mib=growth,
        )


def show(figures: Figures) -> None:
    """Print a table."""
    Console().print(f"{figures.machine}; load {figures.load_average:.1f}; seed {figures.seed}")
    table = Table("what", "figure")
    starts = f"{min(figures.start_s):.2f}–{max(figures.start_s):.2f}, {len(figures.start_s)} runs"
    table.add_row("process start to ready.", f"{statistics.median(figures.start_s):.2f} s ({starts})")
    table.add_row("processor time of that", f"{statistics.median(figures.start_cpu_s):.2f} s")
    table.add_row("resident at ready.", f"{figures.ready_mib:.0f} MiB")
    calls = f"{figures.calls_per_s:.0f}/s ({figures.calls} calls, {figures.accepted_share:.0%} accepted)"
    table.add_row("tactic calls, one worker", calls)
    table.add_row("processor time a call", f"{figures.cpu_ms_per_call:.1f} ms")
    for calls_made, mib in figures.growth_mib:
        table.add_row(f"resident after {calls_made} more calls", f"{mib:.0f} MiB")
    Console().print(table)


@click.command(help=__doc__)
@click.option("--starts", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--calls", default=3000, show_default=True, type=click.IntRange(min=1))
@click.option("--growth-calls", default=5000, show_default=True, type=click.IntRange(min=MEMORY_SAMPLES))
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(starts: int, calls: int, growth_calls: int, seed: int, json_path: Path | None) -> None:  # noqa: D103
    figures = measure(install(), starts=starts, calls=calls, growth_calls=growth_calls, seed=seed)
    show(figures)
    if json_path is not None:
        json_path.write_text(json.dumps(attrs.asdict(figures), indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
