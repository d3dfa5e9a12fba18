"""The user's Lean toolchain: its programs, its version, and the version that a project asks for."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from leanebm.errors import LeanInstallError
from leanebm.lean._child import ChildResult, run_child
from leanebm.lean.backends.base import minimal_environment

_FETCH_DEADLINE_S: Final = 1800.0
"""``lean`` is elan's, as a rule, which first fetches the toolchain (some 400 MB) that a project asks for."""

_REACHES_THE_NETWORK = re.compile(r"(?i)(https?|all|no)_proxy|ssl_cert_(file|dir)|curl_ca_bundle")

_VERSION = re.compile(r"Lean \(version (\d+\.\d+\.\d+[\w.-]*)")

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
    """Run a program of the toolchain in ``folder``, which is what chooses the toolchain.

    Raises:
        LeanInstallError: it cannot be started, or fails, or is not done within ``deadline_s``.
    """
    shown = " ".join((Path(argv[0]).name, *argv[1:]))
    try:
        result = run_child(argv, cwd=folder, deadline_s=deadline_s, env=tool_environment())
    except OSError as error:
        raise LeanInstallError(f"`{shown}` cannot be run in {folder}: {error.strerror or error}") from error
    if result.timed_out or result.status != 0:
        how = f"did not end within {deadline_s:.0f} s" if result.timed_out else f"ended with status {result.status}"
        raise LeanInstallError(f"`{shown}` {how} in {folder}. It said:\n{result.output or '(nothing)'}")
    return result


def lean_version(folder: Path | None) -> str:
    """The version of the ``lean`` that is used in ``folder`` (ours when not given), such as ``4.28.0``.

    If elan has yet to fetch that toolchain, it is fetched now.

    Raises:
        LeanInstallError: there is none, or it does not say.
    """
    result = run_tool([program("lean"), "--version"], folder or Path.cwd())
    match = _VERSION.search(result.output)
    if match is None:
        raise LeanInstallError(f"`lean --version` says no version but {result.output[:200]!r}; is it Lean 4?")
    return match[1]


def pinned_version(project: Path) -> str | None:
    """The version that the ``lean-toolchain`` file of a project names; ``None`` for a nightly, or without the file."""
    try:
        text = (project / "lean-toolchain").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    match = _PINNED.fullmatch(text)
    return match[1] if match else None
