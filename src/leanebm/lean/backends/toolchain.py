"""The user's Lean toolchain: its programs, its version, and the version that a project asks for."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from leanebm.errors import LeanInstallError
from leanebm.lean._child import ChildResult, run_child
from leanebm.lean._complaints import for_killed, gist, what_to_do
from leanebm.lean.backends.base import minimal_environment

_log = logging.getLogger(__name__)

_FETCH_DEADLINE_S: Final = 1800.0
"""``lean`` is elan's, as a rule, which first fetches the toolchain (some 400 MB) that a project asks for."""

_SAID_AFTER_S: Final = 10.0

_ENV_DEADLINE_S: Final = 600.0

_REACHES_THE_NETWORK = re.compile(
    r"(?i)(https?|all|no)_proxy|(nix_)?ssl_cert_(file|dir)|curl_ca_bundle|git_ssl_ca(info|path)"
)

_LEAN = re.compile(r"Lean \(version \d+\.\d+\.\d+[^)\n]*\)")

_PINNED = re.compile(r"(?:.*[:/])?v?(\d+\.\d+\.\d+[\w.-]*)\s*")


def tool_environment(**extra: str) -> dict[str, str]:
    """The environment of ``lake`` and of elan's programs: a worker's, and how to reach the network.

    What workers get lacks the latter, for a proxy's address may hold a password, and they run what a model wrote.
    """
    network = {name: text for name, text in os.environ.items() if _REACHES_THE_NETWORK.fullmatch(name)}
    return minimal_environment(**network, **extra)


def program(name: str) -> str:
    """Where the toolchain's program ``name`` is.

    Raises:
        LeanInstallError: it is not on ``PATH``.
    """
    path = shutil.which(name)
    if path is None and (_elans_folder() / name).is_file():
        raise LeanInstallError(
            f"{name!r} is not on PATH, and elan has put it into {_elans_folder()}: open a new shell, or type "
            f'export PATH="{_elans_folder()}:$PATH"'
        )
    if path is None:
        raise LeanInstallError(
            f"{name!r} is not on PATH; install a toolchain with elan (https://github.com/leanprover/elan), "
            "or choose the embedded Lean, which needs none: --lean embedded, in Python LeanPoolConfig.embedded()"
        )
    return path


def _elans_folder() -> Path:
    return Path(os.environ.get("ELAN_HOME") or os.path.expanduser("~/.elan"), "bin")  # noqa: PTH111 - that may not fail


def run_tool(argv: Sequence[str], folder: Path, *, deadline_s: float = _FETCH_DEADLINE_S) -> ChildResult:
    """Run a program of the toolchain in ``folder``, which is what chooses the toolchain; say so if it takes long.

    Raises:
        LeanInstallError: it cannot be started, or fails, or is not done within ``deadline_s``.
    """
    shown = shlex.join((Path(argv[0]).name, *argv[1:]))
    try:
        result = run_child(
            argv,
            cwd=folder,
            deadline_s=deadline_s,
            env=tool_environment(),
            on_poll=_telling_once(f"`{shown}` in {folder}", deadline_s),
        )
    except OSError as error:
        raise LeanInstallError(f"`{shown}` cannot be run in {folder}: {error.strerror or error}") from error
    if result.timed_out or result.status != 0:
        how = f"did not end within {deadline_s:.0f} s" if result.timed_out else f"ended with status {result.status}"
        advice = what_to_do(result.output)
        if not advice:
            by_us = "type it there yourself, to see what it waits for"
            advice = by_us if result.timed_out else for_killed(result.status)
        raise LeanInstallError(
            f"`{shown}` {how} in {folder}{advice and f': {advice}'}. It said:\n{gist(result.output) or '(nothing)'}"
        )
    return result


def _telling_once(what: str, deadline_s: float) -> Callable[[], None]:
    """What is called while a program runs, and says so once it has taken long."""
    due = time.monotonic() + _SAID_AFTER_S
    told = False

    def poll() -> None:
        nonlocal told
        if not told and time.monotonic() > due:
            told = True
            _log.warning(
                "%s takes long: elan may be fetching a toolchain, or Lake what a project needs; it has %.0f s",
                what,
                deadline_s,
            )

    return poll


def lean_of(folder: Path) -> str:
    """What the ``lean`` that is used in ``folder`` says it is: ``Lean (version 4.28.0, x86_64-…, commit …, Release)``.

    If elan has yet to fetch that toolchain, it is fetched now. What elan says of that is not part of it.

    Raises:
        LeanInstallError: there is none, or it does not say.
    """
    said = run_tool([program("lean"), "--version"], folder).output
    match = _LEAN.search(said)
    if match is None:  # without a toolchain, elan complains, and ends as if all were well
        advice = what_to_do(said) or "is it Lean 4?"
        raise LeanInstallError(f"`lean --version` in {folder} says no version but {said[:200]!r}: {advice}")
    return match[0]


def search_path(project: Path) -> str:
    """Where Lean finds the modules of a Lake project, as ``LEAN_PATH`` has it.

    Raises:
        LeanInstallError: Lake cannot tell.
    """
    # Lake may say something of its own before the program that it runs does.
    argv = [program("lake"), "env", "sh", "-c", 'echo "LEAN_PATH=$LEAN_PATH"']
    said = run_tool(argv, project, deadline_s=_ENV_DEADLINE_S).output
    match = re.search(r"^LEAN_PATH=(.+)$", said, re.MULTILINE)
    if match is None:
        advice = what_to_do(said) or "run 'lake build' there first"
        raise LeanInstallError(f"`lake env` names no search path in {project} but says {gist(said)!r}: {advice}")
    return match[1]


def has_mathlib(project: Path) -> bool:
    """Whether a Lake project depends on Mathlib, as far as its files say."""
    if (project / ".lake" / "packages" / "mathlib").is_dir():
        return True
    try:
        manifest = (project / "lake-manifest.json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return re.search(r'"name"\s*:\s*"mathlib"', manifest) is not None


def how_to_build(project: Path) -> str:
    """What to do where a module of a Lake project is not there."""
    fetch = "'lake exe cache get' and " if has_mathlib(project) else ""
    return f"it is not built in {project}, or has another name: run {fetch}'lake build' there"


def pinned_version(project: Path) -> str | None:
    """The version that the ``lean-toolchain`` file of a project names; ``None`` for a nightly, or without the file."""
    try:
        text = (project / "lean-toolchain").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    match = _PINNED.fullmatch(text)
    return match[1] if match else None
