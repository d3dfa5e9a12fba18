"""Our REPL under the user's own ``lean``: compiled once per toolchain, with the options of the user's Lake project."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, ClassVar, Final, final

import attrs

from leanebm.errors import LeanInstallError
from leanebm.lean._complaints import NOT_UNDERSTOOD
from leanebm.lean.backends.base import WorkerCommand, minimal_environment
from leanebm.lean.backends.toolchain import how_to_build, lean_of, program, run_tool, search_path

_log = logging.getLogger(__name__)

_PACKAGE: Final = """\
name = "leanebm_repl"
defaultTargets = ["repl"]

[[lean_exe]]
name = "repl"
root = "Repl"
supportInterpreter = true # modules of a project may have initializers, which are interpreted
"""

_BINARY = Path(".lake", "build", "bin", "repl")

_BUILD_DEADLINE_S = 1200.0
_TRANSLATION_DEADLINE_S = 120.0

_TAKEN = re.compile(
    r"(pp|linter|backward)\.[\w.]+|autoImplicit|relaxedAutoImplicit|maxHeartbeats|maxRecDepth|maxSynthPendingDepth"
    r"|synthInstance\.(maxHeartbeats|maxSize)|exponentiation\.threshold|smartUnfolding|tactic\.hygienic"
)
"""As the REPL's own list has them. Others, such as what skips the kernel, do not get past it either."""


@final
@attrs.frozen(kw_only=True)
class NativeBackend:
    """A Lean toolchain on ``PATH``, inside a Lake project if one is named. Nobody has run it with Mathlib."""

    project: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Directory of a built Lake project whose modules theorems may import."""

    name: ClassVar = "native"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        """Build the REPL for this toolchain if that was not done yet, or else have its source interpreted.

        Raises:
            LeanInstallError: a program is not on ``PATH``, the project is not a Lake project, or its Lean is too old
                or too new for the REPL.
        """
        if self.project is not None and not _is_lake_project(self.project):
            raise LeanInstallError(
                f"{self.project} holds neither lakefile.lean nor lakefile.toml, so it is not a Lake project; "
                "name the directory that does, and run 'lake build' in it"
            )
        lake = program("lake") if self.project is not None else shutil.which("lake")
        lean = program("lean")
        if self.project is not None:
            search_path(self.project)  # what is wrong with the project is told now, and once
        package = None if lake is None else _native_program(repl_source(), self.project)
        settings = () if self.project is None else _lean_settings(self.project)
        if package is None:
            argv = _interpreted(lake, lean, self.project)
        else:
            argv = _compiled(lake or "", package, self.project)
        return WorkerCommand(
            backend=self.name,
            argv=(*argv, *settings, *imports),
            # A panic must end the worker: by default Lean goes on with a made-up value.
            env=minimal_environment(LEAN_ABORT_ON_PANIC="1"),
            cwd=self.project or package,
            modules_note="" if self.project is None else how_to_build(self.project),
            toolchain=True,
        )


def _interpreted(lake: str | None, lean: str, project: Path | None) -> tuple[str, ...]:
    return (*((lean,) if project is None or lake is None else (lake, "env", "lean")), "--run", str(repl_source()))


def _compiled(lake: str, package: Path, project: Path | None) -> tuple[str, ...]:
    said = run_tool([program("lean"), "--print-prefix"], project or package).output
    # Elan may say something of its own.
    sysroot = next((line for line in reversed(said.splitlines()) if Path(line).is_absolute()), None)
    if sysroot is None:
        raise LeanInstallError(f"`lean --print-prefix` names no folder but says {said[:200]!r}: is it Lean 4?")
    return (lake, "env", str(package / _BINARY), "--sysroot", sysroot)


def repl_source() -> Path:
    """Where the REPL's Lean source lies inside the package."""
    # The package is installed as plain files (never a zip), so the path outlives the context.
    with as_file(files("leanebm.lean") / "repl" / "Repl.lean") as path:
        return path


def _is_lake_project(directory: Path) -> bool:
    return any((directory / name).is_file() for name in ("lakefile.lean", "lakefile.toml"))


def _native_program(source: Path, project: Path | None) -> Path | None:
    """The package that holds the REPL built for the Lean of ``project``, built now if need be; ``None`` if Lake cannot.

    Blocks, for a minute or two the first time. A build that failed is not tried again in this process.

    Raises:
        LeanInstallError: this Lean does not understand the REPL's source, or there is no ``lean``.
    """
    folder = Path.cwd() if project is None else project
    lean = lean_of(folder)
    toolchain = folder / "lean-toolchain"
    return _built(source, lean, toolchain.read_text(encoding="utf-8") if toolchain.is_file() else None)


@cache
def _built(source: Path, lean: str, toolchain: str | None) -> Path | None:
    # Imported here: what prepares folders belongs to the embedded Lean, which this needs nothing else of.
    from leanebm.lean.embedded import cache_folder
    from leanebm.lean.embedded._prepared_folder import is_complete, locked, prepare_folder
    from leanebm.lean.embedded.download import silent

    digest = hashlib.sha256("\0".join((source.read_text(encoding="utf-8"), _PACKAGE, lean, toolchain or "")).encode())
    root = cache_folder().with_name("native")
    package = root / f"repl-{digest.hexdigest()[:16]}"
    try:
        if not is_complete(package):
            with locked(root, silent):
                if not is_complete(package):
                    _log.warning("compiling our REPL for %s, once: this takes a minute or two", lean)
                    prepare_folder(package, lambda content: _build(content, source, lean, toolchain))
    except (OSError, _BuildFailedError) as error:
        _log.warning("our REPL is interpreted, which is slower, for it cannot be built: %s", error)
        return None
    return package


class _BuildFailedError(Exception):
    """Lake did not build the REPL, for a reason that is not its source."""


def _build(content: Path, source: Path, lean: str, toolchain: str | None) -> None:
    shutil.copyfile(source, content / source.name)
    (content / "lakefile.toml").write_text(_PACKAGE, encoding="utf-8")
    if toolchain is not None:
        (content / "lean-toolchain").write_text(toolchain, encoding="utf-8")
    try:
        if lean_of(content) != lean:
            raise _BuildFailedError(f"outside of the project, another Lean than {lean!r} is used")
        run_tool([program("lake"), "build", "repl"], content, deadline_s=_BUILD_DEADLINE_S)
    except LeanInstallError as error:
        if NOT_UNDERSTOOD.search(str(error)):
            raise LeanInstallError(f"{lean}: {error}") from error
        raise _BuildFailedError(str(error)) from error
    if not (content / _BINARY).is_file():
        raise _BuildFailedError(f"`lake build` left no {_BINARY}")


def _lean_settings(project: Path) -> tuple[str, ...]:
    """``--name=value`` for each option of the project's ``lakefile``, of those that the REPL takes.

    A ``lakefile.lean`` is translated by Lake; if it cannot, the options are left out, with a warning.
    """
    try:
        lakefile = _lakefile(project)
    except (LeanInstallError, OSError, ValueError) as error:
        _log.warning("the Lean options of %s are not applied, for its lakefile cannot be read: %s", project, error)
        return ()
    found = dict(_options(lakefile))
    return tuple(f"--{name}={value}" for name, value in found.items() if _TAKEN.fullmatch(name))


def _lakefile(project: Path) -> Mapping[str, Any]:
    if (toml := project / "lakefile.toml").is_file():
        return tomllib.loads(toml.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        translated = Path(folder, "lakefile.toml")
        argv = [program("lake"), "translate-config", "toml", str(translated)]
        run_tool(argv, project, deadline_s=_TRANSLATION_DEADLINE_S)
        return tomllib.loads(translated.read_text(encoding="utf-8"))


def _options(lakefile: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for argument in lakefile.get("moreLeanArgs", ()):
        if match := re.fullmatch(r"-D\s*([\w.]+)=(.*)", str(argument)):
            yield match[1].removeprefix("weak."), match[2]
    yield from _flat("", lakefile.get("leanOptions", {}))


def _flat(prefix: str, options: Any) -> Iterator[tuple[str, str]]:
    """Names and values; in TOML, a dotted name may be a table of tables, and old files have a list of both."""
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), value)
    elif isinstance(options, list):
        for each in options:
            yield from _flat(str(each["name"]), each["value"])
    else:
        text = str(options).lower() if isinstance(options, bool) else str(options)
        yield prefix.removeprefix("weak."), text
