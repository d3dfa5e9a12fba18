"""Settings of a pool of Lean workers."""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import attrs

from leanebm._fields import MAX_RSS_MIB, MAX_RSS_MIB_WITH_MORE, SAME_RESULTS
from leanebm._shown import fitting_repr
from leanebm.errors import LeanInstallError
from leanebm.lean.backends import EmbeddedBackend, NativeBackend, PantographBackend
from leanebm.lean.backends.base import LeanBackend, WorkerCommand
from leanebm.lean.backends.pantograph import bundled_pantograph, pin_for
from leanebm.lean.backends.toolchain import has_mathlib

_log = logging.getLogger(__name__)
_OF_LEAN: Final = frozenset({"Init", "Std", "Lean", "Lake"})
_STARTUP_S: Final = 120.0
_STARTUP_S_WITH_MATHLIB: Final = 600.0
_TACTIC_S: Final = 5.0
_TACTIC_S_WITH_MATHLIB: Final = 20.0
_STARTING_WITH_MATHLIB: Final = 2  # each reads gigabytes, and those after the first find them in memory
_positive = attrs.validators.gt(0.0)
_not_negative = attrs.validators.ge(0.0)
_at_least_one = attrs.validators.ge(1)
_optional_count = attrs.validators.optional([attrs.validators.instance_of(int), attrs.validators.ge(0)])


def _as_tuple(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


def _module_names(_: object, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    # A name that starts with a dash would be read as an option of Lean, not as a module.
    wrong = [name for name in value if not name or name.startswith("-") or name.split() != [name]]
    if wrong:
        raise ValueError(f"{attribute.name} must be module names such as 'Init', got {', '.join(map(repr, wrong))}")


def best_backend() -> LeanBackend:
    """Pantograph if it was built here, else a native Lean if one is on ``PATH``, else the embedded one.

    Of the first two, one that does not start is passed over, with a warning that says why. That is tried once in a
    process, and takes what a worker's start takes; nothing is started where neither is there.
    """
    # Imported here: what starts a worker needs a config for it.
    from leanebm.lean.probe import LeanProbe, tried

    for backend, place in _toolchains():
        found = tried(backend)
        if isinstance(found, LeanProbe):
            _log.info("Lean backend: %s (%s)", backend.name, place)
            return backend
        _log.warning("Lean backend: not %s, for %s does not start: %s", backend.name, place, found)
    _log.info("Lean backend: embedded (no vendor/Pantograph and no lean on PATH that starts)")
    return EmbeddedBackend()


def _toolchains() -> Iterator[tuple[LeanBackend, str]]:
    """What needs a toolchain and seems to be here, the better first, and where it is."""
    if (binary := bundled_pantograph()) is not None:
        yield PantographBackend(binary=binary), str(binary)
    if (lean := shutil.which("lean")) is not None:
        yield NativeBackend(), lean


def _foreign(imports: Sequence[str]) -> set[str]:
    """The libraries that are imported, by their first name, and are not Lean's own."""
    return {module.partition(".")[0] for module in imports} - _OF_LEAN


@attrs.frozen(kw_only=True)
class LeanPoolConfig:
    """How many Lean workers to keep, of which kind, and when to replace one. Starts nothing.

    The class methods choose the backend; each takes any other field as a keyword::

        LeanPoolConfig.native("path/to/project", num_workers=4, imports=("Mathlib",))
    """

    backend: LeanBackend = attrs.field(factory=lambda: best_backend())
    """Where workers come from; the best backend that this machine has when not given."""

    num_workers: int = attrs.field(default=2, validator=_at_least_one, metadata=SAME_RESULTS)
    """Lean processes kept ready. One more runs while one of them is being replaced."""

    imports: tuple[str, ...] = attrs.field(default=("Init",), converter=_as_tuple, validator=_module_names)
    """Modules that every theorem may use."""

    max_heartbeats: int | None = attrs.field(default=None, validator=_optional_count)
    """Thousands of small allocations after which Lean gives up a tactic, or one declaration of a certified proof, as in
    ``set_option maxHeartbeats``; 0 for no such limit. ``None`` leaves it at Lean's 200 000. What a theorem's header
    sets outweighs it. So it is with the next two."""

    max_rec_depth: int | None = attrs.field(default=None, validator=_optional_count)
    """``set_option maxRecDepth``. ``None`` leaves it at Lean's 512. Embedded, some 10 000 fit the stack."""

    max_synth_pending_depth: int | None = attrs.field(default=None, validator=_optional_count)
    """``set_option maxSynthPendingDepth``, which Mathlib has at 3. ``None`` leaves it at Lean's 1. Pantograph has no
    way to be told."""

    request_deadline_s: float = attrs.field(default=30.0, validator=_positive)
    """Seconds an answer may take before the worker is killed."""

    startup_deadline_s: float = attrs.field(
        default=attrs.Factory(
            lambda own: _STARTUP_S_WITH_MATHLIB if own.needs_mathlib else _STARTUP_S, takes_self=True
        ),
        validator=_positive,
        metadata=SAME_RESULTS,
    )
    """Seconds a worker may take from its start until it answers. When not given, 600 over Mathlib, which several
    workers may be reading from the disk for the first time, and 120 over anything else. A module of a project that
    depends on Mathlib counts as Mathlib, here and in the next two."""

    max_starting: int = attrs.field(
        default=attrs.Factory(
            lambda own: _STARTING_WITH_MATHLIB if own.needs_mathlib else own.num_workers + 1, takes_self=True
        ),
        validator=_at_least_one,
        metadata=SAME_RESULTS,
    )
    """Workers of a pool that may be starting at the same time; others wait, and that does not count as their start.
    When not given, 2 over Mathlib, so that many of them do not read it from the disk at once, and all over anything
    else."""

    tactic_timeout_s: float = attrs.field(
        default=attrs.Factory(lambda own: _TACTIC_S_WITH_MATHLIB if own.needs_mathlib else _TACTIC_S, takes_self=True),
        validator=_positive,
    )
    """Seconds after which Lean itself is asked to give a tactic up, leaving the worker usable. When not given, 20 over
    Mathlib and 5 over anything else."""

    tactic_grace_s: float = attrs.field(default=5.0, validator=_positive)
    """Seconds that Lean may then take to notice. A tactic that does not (some never look) costs its worker."""

    max_requests: int = attrs.field(default=1000, validator=_at_least_one, metadata=SAME_RESULTS)
    """Requests after which a worker is replaced."""

    max_age_s: float = attrs.field(default=1800.0, validator=_positive, metadata=SAME_RESULTS)
    """Seconds after which a worker is replaced."""

    max_rss_mib: int = attrs.field(
        default=attrs.Factory(
            lambda own: MAX_RSS_MIB_WITH_MORE if _foreign(own.imports) else MAX_RSS_MIB, takes_self=True
        ),
        validator=_at_least_one,
    )
    """Resident memory in MiB at which a worker is replaced; at twice as much it is killed at once. When not given,
    12288 if anything but Lean's own library is imported, such as Mathlib, and 3072 otherwise."""

    max_drain_s: float = attrs.field(default=60.0, validator=_not_negative, metadata=SAME_RESULTS)
    """Seconds a worker that is being replaced waits for its open proofs to be closed."""

    max_open_proofs: int = attrs.field(default=64, validator=_at_least_one, metadata=SAME_RESULTS)
    """Proofs that may be open on one worker; further ones wait."""

    max_line_bytes: int = attrs.field(default=16 * 2**20, validator=attrs.validators.ge(1024))
    """Longest answer accepted; a worker that writes more is killed."""

    max_start_failures: int = attrs.field(default=4, validator=_at_least_one, metadata=SAME_RESULTS)
    """Starts that may fail in a row before a worker's place is given up."""

    max_restart_delay_s: float = attrs.field(default=15.0, validator=_not_negative, metadata=SAME_RESULTS)
    """Bound of the pause after failed starts, which doubles from a quarter of a second."""

    __repr__ = fitting_repr

    def prepare(self) -> WorkerCommand:
        """What starts a worker by these settings. Blocks: the backend may download, unpack, or run ``lake``.

        Raises:
            LeanInstallError, ConfigError: the backend is not usable.
        """
        command = self.backend.prepare(self.imports)
        limits = {
            "maxHeartbeats": self.max_heartbeats,
            "maxRecDepth": self.max_rec_depth,
            "maxSynthPendingDepth": self.max_synth_pending_depth,
        }
        set_here = (f"--{name}={value}" for name, value in limits.items() if value is not None)
        return attrs.evolve(command, argv=(*command.argv, *set_here))

    @functools.cached_property  # three defaults ask, and a project's files are read to answer
    def needs_mathlib(self) -> bool:
        """Whether Mathlib is imported, or a module of a project that has it, which may import it."""
        foreign, project = _foreign(self.imports), getattr(self.backend, "project", None)
        return "Mathlib" in foreign or (bool(foreign) and isinstance(project, Path) and has_mathlib(project))

    @property
    def tactic_deadline_s(self) -> float:
        """Seconds an answer to a tactic may take before the worker is killed."""
        return min(self.request_deadline_s, self.tactic_timeout_s + self.tactic_grace_s)

    def over(self, imports: Iterable[str]) -> Self:
        """These settings over other modules; what goes by the imports goes by those, unless it was set otherwise."""
        fields = attrs.fields(type(self))
        by_others = (field for field in fields if getattr(field.default, "takes_self", False))
        usual = {field.name: field.default.factory(self) for field in by_others}
        own = {field.name: getattr(self, field.name) for field in fields}
        given = {name: value for name, value in own.items() if name not in usual or usual[name] != value}
        return type(self)(**{**given, "imports": imports})

    @classmethod
    def auto(cls, **settings: Any) -> Self:
        """The best backend that this machine has, which is also the default: :func:`best_backend`."""
        return cls(backend=best_backend(), **settings)

    @classmethod
    def embedded(cls, **settings: Any) -> Self:
        """Real Lean as WebAssembly; needs Python and, once, a network."""
        return cls(backend=EmbeddedBackend(), **settings)

    @classmethod
    def native(cls, project: Path | str | None = None, **settings: Any) -> Self:
        """The ``lean`` on ``PATH``, inside the Lake project at ``project`` if that is given."""
        return cls(backend=NativeBackend(project=project), **settings)

    @classmethod
    def with_bundled_pantograph(cls, project: Path | str | None = None, **settings: Any) -> Self:
        """The Pantograph that you built under ``vendor/Pantograph``, over the Lake project at ``project`` if given.

        Raises:
            LeanInstallError: there is none.
        """
        binary = bundled_pantograph()
        if binary is None:
            pin = pin_for(None if project is None else Path(project))
            raise LeanInstallError(
                "there is no built Pantograph at vendor/Pantograph under the folder you are in. Clone "
                f"https://github.com/leanprover/Pantograph there, check out {pin['commit']} (Lean {pin['lean']}) and "
                "run 'lake build repl' in it, which needs a toolchain; or choose the embedded Lean, which needs none: "
                "--lean embedded, in Python LeanPoolConfig.embedded()"
            )
        return cls(backend=PantographBackend(binary=binary, project=project), **settings)
