"""Settings of a pool of Lean workers."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import attrs

from leanebm.errors import LeanInstallError
from leanebm.lean.backends import EmbeddedBackend, NativeBackend, PantographBackend
from leanebm.lean.backends.base import LeanBackend
from leanebm.lean.backends.pantograph import bundled_pantograph

__all__ = ["LeanPoolConfig"]

_log = logging.getLogger(__name__)
# Mathlib is mapped into memory and counts as resident, although workers share it.
_WITH_MATHLIB: dict[str, Any] = {"max_rss_mib": 8192}
_positive = attrs.validators.gt(0.0)
_not_negative = attrs.validators.ge(0.0)
_at_least_one = attrs.validators.ge(1)


def _as_tuple(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


def _module_names(_: object, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    # A name that starts with a dash would be read as an option of Lean, not as a module.
    wrong = [name for name in value if not name or name.startswith("-") or name.split() != [name]]
    if wrong:
        raise ValueError(f"{attribute.name} must be module names such as 'Init', got {', '.join(map(repr, wrong))}")


@attrs.frozen(kw_only=True)
class LeanPoolConfig:
    """How many Lean workers to keep, of which kind, and when to replace one. Starts nothing.

    The class methods choose the backend; each takes any other field as a keyword::

        LeanPoolConfig.native("path/to/project", num_workers=4, imports=("Mathlib",))
    """

    backend: LeanBackend = attrs.field(factory=EmbeddedBackend)
    """Where workers come from."""

    num_workers: int = attrs.field(default=2, validator=_at_least_one)
    """Lean processes kept ready. One more runs while one of them is being replaced."""

    imports: tuple[str, ...] = attrs.field(default=("Init",), converter=_as_tuple, validator=_module_names)
    """Modules that every theorem may use."""

    request_deadline_s: float = attrs.field(default=30.0, validator=_positive)
    """Seconds an answer may take before the worker is killed."""

    startup_deadline_s: float = attrs.field(default=120.0, validator=_positive)
    """Seconds a worker may take from its start until it answers."""

    tactic_timeout_s: float = attrs.field(default=5.0, validator=_positive)
    """Seconds after which Lean itself is asked to give a tactic up, leaving the worker usable."""

    tactic_grace_s: float = attrs.field(default=5.0, validator=_positive)
    """Seconds that Lean may then take to notice. A tactic that does not (some never look) costs its worker."""

    max_requests: int = attrs.field(default=1000, validator=_at_least_one)
    """Requests after which a worker is replaced."""

    max_age_s: float = attrs.field(default=1800.0, validator=_positive)
    """Seconds after which a worker is replaced."""

    max_rss_mib: int = attrs.field(default=3072, validator=_at_least_one)
    """Resident memory at which a worker is replaced; at twice as much it is killed at once."""

    max_drain_s: float = attrs.field(default=60.0, validator=_not_negative)
    """Seconds a worker that is being replaced waits for its open proofs to be closed."""

    max_open_proofs: int = attrs.field(default=64, validator=_at_least_one)
    """Proofs that may be open on one worker; further ones wait."""

    max_line_bytes: int = attrs.field(default=16 * 2**20, validator=attrs.validators.ge(1024))
    """Longest answer accepted; a worker that writes more is killed."""

    max_start_failures: int = attrs.field(default=4, validator=_at_least_one)
    """Starts that may fail in a row before a worker's place is given up."""

    max_restart_delay_s: float = attrs.field(default=15.0, validator=_not_negative)
    """Bound of the pause after failed starts, which doubles from a quarter of a second."""

    @property
    def tactic_deadline_s(self) -> float:
        """Seconds an answer to a tactic may take before the worker is killed."""
        return min(self.request_deadline_s, self.tactic_timeout_s + self.tactic_grace_s)

    @classmethod
    def auto(cls, **settings: Any) -> Self:
        """The best backend that this machine has: Pantograph, else a native Lean, else the embedded one.

        Only looks; the choice is logged.
        """
        if (binary := bundled_pantograph()) is not None:
            _log.info("Lean backend: pantograph (%s)", binary)
            return cls(backend=PantographBackend(binary=binary), **(_WITH_MATHLIB | settings))
        if (lean := shutil.which("lean")) is not None:
            _log.info("Lean backend: native (%s)", lean)
            return cls.native(**settings)
        _log.info("Lean backend: embedded (no vendor/Pantograph, no lean on PATH)")
        return cls.embedded(**settings)

    @classmethod
    def embedded(cls, **settings: Any) -> Self:
        """Real Lean as WebAssembly; needs Python and, once, a network."""
        return cls(backend=EmbeddedBackend(), **settings)

    @classmethod
    def native(cls, project: Path | str | None = None, **settings: Any) -> Self:
        """The ``lean`` on ``PATH``, inside the Lake project at ``project`` if that is given."""
        return cls(backend=NativeBackend(project=project), **(_WITH_MATHLIB | settings))

    @classmethod
    def with_bundled_pantograph(cls, **settings: Any) -> Self:
        """The Pantograph that you built under ``vendor/Pantograph``.

        Raises:
            LeanInstallError: there is none.
        """
        binary = bundled_pantograph()
        if binary is None:
            raise LeanInstallError(
                "there is no built Pantograph under vendor/Pantograph; check out the commit that "
                "vendor/ pins there and run 'lake build repl' in it"
            )
        return cls(backend=PantographBackend(binary=binary), **(_WITH_MATHLIB | settings))
