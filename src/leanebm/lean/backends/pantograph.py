"""The real Pantograph, built by the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final, final

import attrs

from leanebm.errors import LeanInstallError
from leanebm.lean.backends.base import Dialect, WorkerCommand, minimal_environment
from leanebm.lean.backends.toolchain import how_to_build, pinned_version, run_tool, search_path

_BINARY = Path(".lake", "build", "bin", "repl")
_VERSION_DEADLINE_S = 30.0

LEAN_OF_PANTOGRAPH: Final[Mapping[str, str]] = MappingProxyType(
    {
        "0.3.2": "4.20.1",
        "0.3.3": "4.20.1",
        "0.3.4": "4.21.0",
        "0.3.7": "4.22.0",
        "0.3.11": "4.25.2",
        "0.3.12": "4.26.0",
        "0.3.13": "4.27.0",
        "0.3.15": "4.29.1",
    }
)
"""The version of Lean that each version of Pantograph is built with, as far as its releases say."""


@final
@attrs.frozen(kw_only=True)
class PantographBackend:
    """Pantograph's own ``repl`` binary.

    It lacks our extra commands, so that goals are rendered here, a theorem's header may hold only ``universe`` lines
    and ``open`` lines with nothing but namespaces, and a proof is certified through ``frontend.process``.
    """

    binary: Path = attrs.field(converter=Path)
    """The built program, ``.lake/build/bin/repl`` inside Pantograph's directory."""

    project: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Directory of a built Lake project whose modules theorems may import; same toolchain as the binary."""

    name: ClassVar = "pantograph"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        """Check the binary, and that the project is of its version of Lean; ask ``lake`` for the project's search path.

        Raises:
            LeanInstallError: the binary or ``lake`` is missing, ``lake`` failed, or the project is of another Lean.
        """
        if not self.binary.is_file():
            raise LeanInstallError(
                f"there is no Pantograph at {self.binary}; build it with 'lake build repl' in its checkout, "
                "or choose the embedded Lean, which needs none: --lean embedded, in Python LeanPoolConfig.embedded()"
            )
        lean_version = self._lean_version()
        search_path = {} if self.project is None else {"LEAN_PATH": self._lean_path(self.project, lean_version)}
        return WorkerCommand(
            backend=self.name,
            argv=(str(self.binary.absolute()), *imports),
            # A panic must end the worker: by default Lean goes on with a made-up value.
            env=minimal_environment(LEAN_ABORT_ON_PANIC="1", **search_path),
            # The toolchain that `lean` resolves to is chosen by the directory it is called from.
            cwd=self.project if self.project is not None else _home_of(self.binary),
            dialect=Dialect.PANTOGRAPH,
            lean_version=lean_version,
            modules_note="" if self.project is None else how_to_build(self.project),
            toolchain=True,
        )

    def _lean_version(self) -> str:
        """The Lean that the binary was built with, by the file in its checkout or else by its own version."""
        folder = _home_of(self.binary) or self.binary.absolute().parent
        if (pinned := pinned_version(folder)) is not None:
            return pinned
        said = run_tool([str(self.binary.absolute()), "--version"], folder, deadline_s=_VERSION_DEADLINE_S).output
        match = re.search(r"(?<!\d)\d++\.\d++\.\d+", said)
        return LEAN_OF_PANTOGRAPH.get(match[0], "") if match else ""

    def _lean_path(self, project: Path, lean_version: str) -> str:
        wanted = pinned_version(project)
        if lean_version and wanted and lean_version != wanted:
            fitting = " or ".join(own for own, lean in LEAN_OF_PANTOGRAPH.items() if lean == wanted)
            pin = pin_for(project)
            commit = f" (commit {pin['commit']})" if pin["lean"] == wanted else ""
            raise LeanInstallError(
                f"{self.binary} was built with Lean {lean_version}, and {project / 'lean-toolchain'} asks for Lean "
                f"{wanted}: neither reads the other's .olean files. Build "
                f"{f'Pantograph {fitting}' if fitting else f'a Pantograph of Lean {wanted}'}{commit}, "
                f"or use a project of Lean {lean_version}"
            )
        return search_path(project)


def pin_for(project: Path | None) -> Mapping[str, object]:
    """The pinned commit whose Lean is the project's; the tested default where there is none, or no project."""
    # Imported here: only messages want the installer's pins.
    from leanebm.lean.embedded.download import load_pins

    wanted = None if project is None else pinned_version(project)
    pins = [pin for name, pin in load_pins().items() if name.startswith("pantograph")]
    return next((pin for pin in pins if pin["lean"] == wanted), pins[0])


def bundled_pantograph() -> Path | None:
    """The binary of a Pantograph that the user built under ``vendor/Pantograph``, if there is one.

    Looked for under the working directory and under the checkout that this package runs from.
    """
    roots = (Path.cwd(), Path(__file__).parents[4])
    candidates = (root / "vendor" / "Pantograph" / _BINARY for root in roots)
    return next((path for path in candidates if path.is_file()), None)


def _home_of(binary: Path) -> Path | None:
    """The Pantograph checkout around a binary at its usual place."""
    return next((home for home in binary.absolute().parents if home / _BINARY == binary.absolute()), None)
