"""A ``lean`` and a ``lake`` that stand for a toolchain; what is to run as Lean is the embedded one."""

from __future__ import annotations

import shlex
from pathlib import Path

from leanebm.lean.backends.base import WorkerCommand

VERSION = "4.28.0-pre"


def write_program(path: Path, script: str) -> Path:
    """An executable shell script at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def shell_line(command: WorkerCommand) -> str:
    """What a shell script runs to become the worker, with the arguments that are left appended."""
    variables = " ".join(f"{name}={shlex.quote(text)}" for name, text in command.env.items())
    stack = f"ulimit -s {(command.stack_mib or 8) * 1024}; "
    folder = f"cd {shlex.quote(str(command.cwd))}; " if command.cwd else ""
    return f'{stack}{folder}exec env {variables} {shlex.join(command.argv)} "$@"'


def write_toolchain(folder: Path, worker: WorkerCommand) -> None:
    """Put both programs into ``folder``; the REPL they build or run is ``worker``, which has no imports yet.

    As the real ones do, ``lake build`` leaves a program in the package it is called in, ``lake env`` runs one under a
    search path, and ``lean`` says its version and prefix, or interprets a file.
    """
    told = f"Lean (version {VERSION}, x86_64-unknown-linux-gnu, commit 38f3c0c4, Release)"
    # Both forms are given something in front of the imports: the source's path, or `--sysroot` and a folder.
    write_program(folder / "repl", f"shift 2; {shell_line(worker)}")
    write_program(
        folder / "lean",
        f"""case "$1" in
--version) echo "{told}" ;;
--print-prefix) echo {folder} ;;
--run) exec {folder}/repl "$@" ;;
*) exit 1 ;;
esac""",
    )
    write_program(
        folder / "lake",
        f"""case "$1" in
env) shift; LEAN_PATH=.lake/build/lib/lean exec "$@" ;;
build) mkdir -p .lake/build/bin; cp {folder}/repl .lake/build/bin/repl ;;
*) exit 1 ;;
esac""",
    )
