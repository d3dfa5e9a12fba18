"""How fast one embedded Lean worker starts and answers, and how much memory it takes.

.. code-block:: text

    python benchmarks/embedded_lean.py [--starts 5] [--calls 3000] [--growth-calls 5000] [--seed 0] [--json FILE]

Measured from outside, on the worker's own pipes, without the pool: start of the process to ``ready.``
(median), memory at that moment, tactic calls a second over a mixed list, and resident memory over a long
run in which every state that a call made is deleted again. *Own* memory is what would be free if the
process ended; *proportional* counts a share of what other processes have mapped, too.

Then one start from inside, step by step (``_start_stages.js``): what each step took and left.
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
FIRST_CALLS = 100
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
        self.ready_own_mib, self.ready_proportional_mib = self.own_and_proportional_mib()

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

    def own_and_proportional_mib(self) -> tuple[float, float]:
        """Memory that no other process has, and that with a share of the rest, in MiB."""
        memory = psutil.Process(self.process.pid).memory_full_info()
        return memory.uss / 2**20, memory.pss / 2**20

    def helpers_cpu_s(self) -> float:
        """Processor time of the threads beside the main one: V8 compiles and collects garbage there."""
        threads = psutil.Process(self.process.pid).threads()
        return float(sum(each.user_time + each.system_time for each in threads if each.id != self.process.pid))

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
    ready_own_mib: float
    ready_proportional_mib: float
    stages: list[dict[str, Any]]
    """The steps of a start, with the time and the memory after each."""
    first_calls_cpu_s: float
    """Of the calls before those that are counted: they compile what they use."""
    first_calls_helpers_share: float
    """Of that, on threads beside the main one."""
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


def start_stages(lean: EmbeddedLean) -> list[dict[str, Any]]:
    """One start, step by step."""
    command = lean.worker_command()
    place = next(place for place, word in enumerate(command.argv) if word.endswith("launch.js"))
    program = (str(Path(__file__).with_name("_start_stages.js")), str(Path(command.argv[place]).parent))
    argv = (*command.argv[:place], *program, *command.argv[place + 1 :])
    limit = _stack_limit(command.stack_mib)
    shown = subprocess.run(
        argv, env=dict(command.env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=limit, check=True
    )
    return [json.loads(line) for line in shown.stdout.splitlines()]


def measure(lean: EmbeddedLean, *, starts: int, calls: int, growth_calls: int, seed: int) -> Figures:
    """Everything, one worker at a time."""
    load = os.getloadavg()[0]
    chance = random.Random(seed)  # noqa: S311 - a workload, not a secret
    start_s, start_cpu_s = [], []
    for _ in range(starts):
        with Worker(lean.worker_command()) as worker:
            start_s.append(worker.start_s)
            start_cpu_s.append(worker.start_cpu_s)
    stages = start_stages(lean)
    with Worker(lean.worker_command()) as worker:
        roots = [worker.ask("goal.start", expr=statement)["stateId"] for statement in STATEMENTS]
        first_cpu_s, first_helpers_s = worker.cpu_s(), worker.helpers_cpu_s()
        run_calls(worker, roots, FIRST_CALLS, chance)  # the first use of a tactic compiles it
        first_cpu_s, first_helpers_s = worker.cpu_s() - first_cpu_s, worker.helpers_cpu_s() - first_helpers_s
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
            ready_own_mib=worker.ready_own_mib,
            ready_proportional_mib=worker.ready_proportional_mib,
            stages=stages,
            first_calls_cpu_s=first_cpu_s,
            first_calls_helpers_share=first_helpers_s / first_cpu_s,
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
    memory = f"{figures.ready_mib:.0f}, {figures.ready_own_mib:.0f}, {figures.ready_proportional_mib:.0f} MiB"
    table.add_row("resident, own, proportional memory at ready.", memory)
    first = f"{figures.first_calls_cpu_s:.1f} s, {figures.first_calls_helpers_share:.0%} beside the main thread"
    table.add_row(f"processor time of the first {FIRST_CALLS} calls", first)
    calls = f"{figures.calls_per_s:.0f}/s ({figures.calls} calls, {figures.accepted_share:.0%} accepted)"
    table.add_row("tactic calls, one worker", calls)
    table.add_row("processor time a call", f"{figures.cpu_ms_per_call:.1f} ms")
    for calls_made, mib in figures.growth_mib:
        table.add_row(f"resident after {calls_made} more calls", f"{mib:.0f} MiB")
    Console().print(table)
    steps = Table("after this step of a start", "s", "CPU s", "resident MiB", "own MiB", "Lean's memory, MiB")
    for row in figures.stages:
        numbers = (row["wall_s"], row["cpu_s"], row["rss_mib"], row["uss_mib"], row["linear_mib"])
        steps.add_row(row["stage"], *(f"{number:.2f}" if number < 10 else f"{number:.0f}" for number in numbers))
    Console(width=120).print(steps)


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
