"""Tries every search at equal budgets and prints the tables that docs/searches.md tells.

    python benchmarks/searches.py FOLDER

Two sets: the validation formulas of logic, by the symbolic policy without its automation, and the bundled theorems, by
all of it. Each is one ``leanebm eval``, so that the arms share their answers and differ in nothing but the search; its
folder is kept, and started again, the script goes on where it was stopped. ``--only-report`` prints what is there.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from leanebm.energy import load_header
from leanebm.errors import ConfigError
from leanebm.pipeline import compare_runs
from leanebm.pipeline.energy.guidance import SHIPPED_HEAD
from leanebm.trajectory import Cost

ALPHA_1 = ("--scorer", "length_normalised:alpha=1.0")
WITH_GOALS = 'weighted_sum:terms=[{scorer={kind="length_normalised",alpha=1.0}},{scorer="goal_count",weight=0.3}]'

SEARCHES: dict[str, tuple[str, ...]] = {
    "best_first": ALPHA_1,
    **{
        name: (*ALPHA_1, "--search", search)
        for name, search in {
            "and_or": "and_or",
            "puct": "puct",
            "beam": "beam:width=4",
            "depth_first": "depth_first",
            "limits": "limits",
            "portfolio": "portfolio:other=shortest_state",
            "cheap_first": "cheap_first",
            "distinct_heads": "distinct_heads",
            "probing": 'probing:probes=["rfl","assumption"]',
        }.items()
    },
    "goal_count": ("--scorer", WITH_GOALS),
}
"""The first is what the others are compared with."""

HEAD = ("--ebm-path", "logic")


def ramp() -> str:
    """The scorer of the head that comes with leanebm; the energy's weight grows over the first 4 tactics."""
    header = load_header(SHIPPED_HEAD)
    units, tuned = header.calibration, header.tuned
    if units is None or tuned is None:
        raise ConfigError("the head has no calibration, or was not tuned")
    policy = f'{{scorer={{kind="length_normalised",alpha={tuned.alpha}}},scale={units.policy_sd}}}'
    energy = f'{{kind="depth_ramp",scorer="negative_energy",full_at=4,centre={-units.energy_mean}}}'
    return f"weighted_sum:terms=[{policy},{{scorer={energy},weight={tuned.beta},scale={units.energy_sd}}}]"


WITH_HEAD: dict[str, tuple[str, ...]] = {
    "head": HEAD,
    "head_ramp": (*HEAD, "--scorer", ramp()),
    "head_and_or": (*HEAD, "--search", "and_or"),
    "head_puct": (*HEAD, "--scorer", "negative_energy", "--search", "puct"),
}

SETS = {
    "logic": ("--theorems", "logic:val", "--without", "grind,omega,simp_all,decide,simp", "--candidates", "8"),
    "bundled": ("--theorems", "bundled"),
}
ARMS = {"logic": SEARCHES | WITH_HEAD, "bundled": SEARCHES}
BUDGETS = (4, 8, 16)
SETTINGS = '[lean]\nbackend = "embedded"\ntactic_timeout_s = 2.0\n'


def search(folder: Path, name: str, workers: int, only: Collection[str]) -> None:
    """Search every arm of a set that was not searched; the first is always one of them."""
    output, settings = folder / name, folder / "settings.toml"
    folder.mkdir(parents=True, exist_ok=True)
    settings.write_text(SETTINGS)
    arms = [
        word for arm, options in ARMS[name].items() if arm in only for word in ("--arm", f"{arm}={shlex.join(options)}")
    ]
    sizes = ("--budget", str(BUDGETS[-1]), "--headroom", "1", "--num-workers", str(workers), "--concurrency", "4")
    typed = ["eval", "--config", str(settings), *SETS[name], *sizes, "--output", str(output), *arms]
    subprocess.run([sys.executable, "-m", "leanebm", *typed, *(["--resume"] if output.exists() else [])], check=True)


def report(folder: Path, name: str) -> None:
    """Each arm beside the first: proved, gained with its interval, and what its proofs cost."""
    arms = folder / name / "arms"
    baseline, *others = [arms / arm for arm in ARMS[name] if (arms / arm).is_dir()]
    for number, other in enumerate(others):
        try:
            found = compare_runs(baseline, other, budgets=BUDGETS)
        except ConfigError:
            print(f"{other.name:15} has not been searched to its end")
            continue
        if not number:
            print(f"\n{name}: {baseline.name} proves {[row.baseline for row in found.budgets]} within {BUDGETS}")
        *_, last = compare_runs(baseline, other, cost=Cost.TACTIC_CALLS, budgets=(25, 50, 100)).budgets
        print(
            f"{other.name:15} of {found.theorems}: "
            + "; ".join(
                f"{row.experiment} (+{row.only_experiment} −{row.only_baseline}, p = {row.p:.2g}, "
                f"{100 * row.gain.value:+.1f} [{100 * row.gain.low:.1f}, {100 * row.gain.high:.1f}])"
                for row in found.budgets
            )
            + f"; 100 tactic calls: {last.baseline} and {last.experiment}, p = {last.p:.2g}"
        )


def main() -> None:
    """Search what was not searched, and print the tables."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it ends what it runs, too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=SETS, action="append", help="one set; may be given twice")
    parser.add_argument("--arm", action="append", help="an arm to search beside the first; may be given twice")
    parser.add_argument("--only-report", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.only or SETS:
        if not arguments.only_report:
            only = {next(iter(ARMS[name])), *(arguments.arm or ARMS[name])}
            search(arguments.folder, name, arguments.workers, only)
        report(arguments.folder, name)


if __name__ == "__main__":
    main()
