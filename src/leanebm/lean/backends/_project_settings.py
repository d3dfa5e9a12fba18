"""The options that a Lake project gives to Lean, as far as a text may choose them for itself."""

from __future__ import annotations

import logging
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leanebm.errors import LeanInstallError
from leanebm.lean.backends.toolchain import program, run_tool

_log = logging.getLogger(__name__)

_TRANSLATION_DEADLINE_S = 120.0

_TAKEN = re.compile(
    r"(pp|linter|backward)\.[\w.]+|autoImplicit|relaxedAutoImplicit|maxHeartbeats|maxRecDepth|maxSynthPendingDepth"
    r"|synthInstance\.(maxHeartbeats|maxSize)|exponentiation\.threshold|smartUnfolding|tactic\.hygienic"
)
"""As the REPL's own list has them. Others, such as what skips the kernel, do not get past it either."""


def lean_settings(project: Path) -> tuple[str, ...]:
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
