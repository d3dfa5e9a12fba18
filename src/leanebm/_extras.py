"""The extras of this installation: what is missing of one, and how to get it.

The advice names packages, not ``leanebm[extra]``, for that works wherever leanebm itself came from.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires, version

from leanebm.errors import MissingExtra

_REQUIREMENT = re.compile(r"(?P<package>[\w.-]+)(?P<versions>[^;]*);\s*extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]\s*$")


def missing_of(extra: str) -> tuple[str, ...]:
    """The requirements of ``extra``, such as ``torch>=2.5``, of which no version is installed."""
    wanted = (_REQUIREMENT.match(line) for line in requires("leanebm") or ())
    return tuple(
        f"{found['package']}{found['versions'].strip()}"
        for found in wanted
        if found is not None and found["extra"] == extra and not _is_installed(found["package"])
    )


def how_to_install(extra: str) -> str:
    """The command that installs what is missing of ``extra``."""
    return shlex.join(["python", "-m", "pip", "install", *missing_of(extra)])


@contextmanager
def extra_needed(extra: str, purpose: str) -> Iterator[None]:
    """Around imports that need ``extra``: says so where one of them fails.

    Raises:
        MissingExtra: an import failed; ``purpose`` begins the sentence, such as ``an energy head``.
    """
    try:
        yield
    except MissingExtra:
        raise
    except ImportError as error:
        remedy = f"install it with: {how_to_install(extra)}" if missing_of(extra) else "its installation is damaged"
        problem = f"{error}; {remedy}"
        raise MissingExtra(f"{purpose} needs the extra {extra!r}:", [problem], extra=extra) from error


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
