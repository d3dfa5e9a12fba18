"""The only entrance: ``nox -s demo`` runs the main job, ``nox -s tests`` the tests, ``nox -l`` lists the rest.

Every session is complete from nothing: it makes its own environment, installs this package the way
a user would (not in place, so a file missing from the wheel is noticed), and pins every version
through ``constraints.txt``.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path

import nox
from nox.command import CommandFailed

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
"""The supported Pythons, from the classifiers in ``pyproject.toml``: the one place that names them."""

CONSTRAINTS = "constraints.txt"
CHECKED_PATHS = ["src", "tests", "fuzz", "benchmarks", "examples", "docs", "noxfile.py"]

TAKE_HOURS = {"experiment.py", "train_tiny.py"}
"""Experiments among the benchmarks, which are run when their result is wanted."""

BY_FILE = ["--dist", "loadfile", "--no-loadscope-reorder"]
"""Tests of one file stay in one process, so that what they share is made once; files begin in the suite's own order."""

nox.needs_version = ">=2024.10"
nox.options.sessions = ["tests", "lint", "typing", "imports", "docs"]
nox.options.reuse_existing_virtualenvs = True


# A session that is started in the background and ended by SIGTERM ends as Ctrl-C ends it: nox stops what it runs.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def install(session: nox.Session, *extras: str) -> None:
    """Install leanebm with ``extras``, every version as pinned."""
    session.install("-c", CONSTRAINTS, f".[{','.join(extras)}]" if extras else ".")


def newest_lean_runs_here() -> bool:
    """Whether the newest Lean that is tested can be had for this machine; where not, its tests are skipped."""
    libc, version = platform.libc_ver()
    number = tuple(int(part) for part in version.split(".") if part.isdigit())
    return (sys.platform, platform.machine(), libc) == ("linux", "x86_64", "glibc") and number >= (2, 35)


def run_pytest(session: nox.Session, *arguments: str, **env: str) -> None:
    """Run pytest; when nox is told to stop, leave it the time to stop its workers and print its closing line."""
    session.run("pytest", *arguments, env=env, interrupt_timeout=1.0, terminate_timeout=60.0)


@nox.session
def demo(session: nox.Session) -> None:
    """Prove the bundled theorems with everything embedded, then say what was found and how long it took.

    ``nox -s demo -- --energy`` shows instead what an energy head does, and installs torch for it; with ``--model``,
    too, transformers as well.
    """
    extras = {"--energy": "energy", "--model": "serve"}
    install(session, "embedded", *(extra for option, extra in extras.items() if option in session.posargs))
    session.run("leanebm", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests with the Python that runs nox; ``nox -s tests -- -k pool`` picks some."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if running not in PYTHONS:
        session.warn(f"Python {running} is not among the supported ones ({', '.join(PYTHONS)}); trying all the same")
    install(session, "data", "embedded", "energy", "mcp", "ray", "serve", "test")
    if newest_lean_runs_here():
        session.install("--no-deps", "--require-hashes", "-r", "tests/lean/backends/newest-lean.txt")
    # Most tests wait for a process, a file or a clock: three at once take little more than one.
    run_pytest(session, "-n", "3", "--durations=15", "--durations-min=5", *BY_FILE, *session.posargs)


@nox.session
def native(session: nox.Session) -> None:
    """Run the conformance and soundness suites over a Lean of yours, and write a report to send us.

    ``nox -s native -- --project DIR`` takes the toolchain of a Lake project; ``--backend pantograph`` the Pantograph
    that you built under ``vendor``, or ``--program FILE``; ``--import Mathlib`` has theorems stated over Mathlib;
    ``--report FILE`` names the report; what else there is goes to pytest.
    """
    parser = argparse.ArgumentParser(prog="nox -s native --", allow_abbrev=False)
    parser.add_argument("--backend", choices=["native", "pantograph", "embedded"], default="native")
    parser.add_argument("--project", metavar="DIR")
    parser.add_argument("--program", metavar="FILE")
    parser.add_argument("--import", dest="imports", action="append", metavar="MODULE")
    parser.add_argument("--report", default="lean-report.md", metavar="FILE")
    asked, others = parser.parse_known_args(session.posargs)
    install(session, "embedded", "test")
    options = ["--lean-backend", asked.backend, "--lean-report", asked.report]
    if asked.project is not None:
        options += ["--lean-project", asked.project]
    if asked.program is not None:
        options += ["--lean-program", asked.program]
    for module in asked.imports or ():
        options += ["--lean-import", module]
    run_pytest(session, "tests/lean/repl", "tests/soundness", "-m", "lean", "-q", *options, *others)


@nox.session
def hash_seeds(session: nox.Session) -> None:
    """Run the tests that need no Lean in ten random orders, under ten hash seeds."""
    install(session, "data", "embedded", "energy", "mcp", "serve", "test")
    for seed in range(10):
        chosen = ["-q", "-m", "not lean", f"--randomly-seed={seed}", "-n", "6", *BY_FILE]
        run_pytest(session, *chosen, *session.posargs, PYTHONHASHSEED=str(seed))


@nox.session(python=PYTHONS)
def every_python(session: nox.Session) -> None:
    """Run the tests that need no Lean on each supported Python that this machine has."""
    install(session, "data", "embedded", "energy", "mcp", "serve", "test")
    run_pytest(session, "-m", "not lean", *session.posargs)


def check_style(session: nox.Session) -> None:
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell", *CHECKED_PATHS, "README.md", "CHANGELOG.md", "CONTRIBUTING.md")


def install_for_types(session: nox.Session) -> None:
    session.install("-c", CONSTRAINTS, ".[data,embedded,energy,mcp,serve,test,lint,docs]", "nox")


def check_types(session: nox.Session) -> None:
    session.run("mypy", *session.posargs)
    session.run("pyright")


def check_layers(session: nox.Session) -> None:
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": "src"})  # it reads the sources and runs none of them


def check_docs(session: nox.Session) -> None:
    session.run("python", "docs/generate_cli.py", "--check")
    for builder, *fresh in (("html", "-E"), ("doctest",)):  # the second takes what the first has read
        options = ["-W", "-n", *fresh, "-d", "docs/_build/doctrees", "-b", builder]
        session.run("sphinx-build", *options, "docs", f"docs/_build/{builder}")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and spelling; changes nothing."""
    session.install("-c", CONSTRAINTS, "ruff", "codespell")
    check_style(session)


@nox.session
def typing(session: nox.Session) -> None:
    """Check every type, strictly, in the sources, the tests, the examples and this file.

    What users write is checked by pyright, too, which reads some types differently.
    """
    install_for_types(session)
    check_types(session)


@nox.session
def package(session: nox.Session) -> None:
    """Build wheel and sdist, look into both, and prove a theorem with the wheel alone on each Python that is here."""
    session.install("-c", CONSTRAINTS, "build", "readme_renderer[md]", "twine")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--outdir", folder)
        session.run("twine", "check", "--strict", *map(os.fspath, Path(folder).iterdir()))
        session.run("python", ".ci/check_package.py", folder)


@nox.session
def imports(session: nox.Session) -> None:
    """Check that layers only point down (the contract is in ``pyproject.toml``)."""
    session.install("-c", CONSTRAINTS, "import-linter")
    check_layers(session)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; any warning, stale page or undocumented public name is an error."""
    install(session, "embedded", "energy", "serve", "test", "docs")  # test: leanebm.testing has fixtures for pytest
    check_docs(session)


@nox.session
def checks(session: nox.Session) -> None:
    """Do what lint, typing, imports and docs do, all of it, in one environment: each of its own would be a gigabyte."""
    install_for_types(session)  # what the others need is among it
    failed = []
    for check in (check_style, check_types, check_layers, check_docs):
        try:
            check(session)
        except CommandFailed:  # nox has shown what it says
            failed.append(check.__name__)
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
def pages(session: nox.Session) -> None:
    """Run what README and docs tell a reader to type; ``nox -s pages -- --page README.md`` picks one.

    The session's environment starts empty: what the pages install is what they get. README's test command is left
    to the session of that name.
    """
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "docs/run_pages.py", folder, "--skip", "nox -s tests", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz every reader, guided by coverage; ``nox -s fuzz -- tactic_pairs --seconds 600`` picks one."""
    install(session, "embedded", "energy", "serve")
    session.install("-c", CONSTRAINTS, "atheris")
    session.run("python", "fuzz/run.py", *(session.posargs or ["all"]))


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure here and now; ``nox -s benchmarks -- FILE`` measures one file's subject."""
    install(session, "embedded", "energy")
    found = (path for path in sorted(Path("benchmarks").glob("[!_]*.py")) if path.name not in TAKE_HOURS)
    chosen = [Path(argument) for argument in session.posargs] or found
    for script in chosen:
        session.run("python", os.fspath(script))


@nox.session(name="train-tiny")
def train_tiny(session: nox.Session) -> None:
    """Make a small policy from nothing and compare it with the symbolic one, in hours; called again, it goes on."""
    install(session, "embedded", "energy", "serve")
    folder = session.posargs or ["runs/tiny"]
    session.run("python", "benchmarks/train_tiny.py", *folder, env={"OMP_NUM_THREADS": "1"})


@nox.session
def experiment(session: nox.Session) -> None:
    """Make the figures of docs/experiments anew, in hours; called again, it goes on.

    ``nox -s experiment -- --kind equations --small`` goes all the way in minutes, and shows nothing.
    """
    install(session, "embedded", "energy")
    session.run("python", "benchmarks/experiment.py", *session.posargs, env={"OMP_NUM_THREADS": "1"})
