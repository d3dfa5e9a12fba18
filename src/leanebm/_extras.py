"""The optional extras of this installation: what one of them lacks, and how to install it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Final

from leanebm.errors import MissingExtra

_REQUIREMENT = re.compile(r"(?P<package>[\w.-]++)(?P<versions>[^;]*+);\s*extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]\s*$")


_PURPOSES: Final = {
    "data": "data frames and data sets",
    "embedded": "the embedded Lean",
    "energy": "energy heads",
    "mcp": "leanebm mcp",
    "ray": "runs on a Ray cluster",
    "serve": "serving and fine-tuning a language model",
}

_OF_DEVELOPERS: Final = frozenset({"dev", "docs", "lint", "test"})


def missing_of(extra: str) -> tuple[str, ...]:
    """The requirements of ``extra``, such as ``torch>=2.5``, of which no version is installed."""
    wanted = (_REQUIREMENT.match(line) for line in requires("leanebm") or ())
    return tuple(
        f"{found['package']}{found['versions'].strip()}"
        for found in wanted
        if found is not None and found["extra"] == extra and not _is_installed(found["package"])
    )


def how_to_install(extra: str) -> str:
    """The command that installs what is missing of ``extra``, wherever leanebm itself came from."""
    return f"python -m pip install 'leanebm[{extra}]'"


def extras() -> dict[str, str]:
    """The extras that users may want, each with what it is for; those for working on leanebm are left out."""
    return {
        name: _PURPOSES.get(name, "")
        for name in metadata("leanebm").get_all("Provides-Extra") or ()
        if name not in _OF_DEVELOPERS
    }


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
        there = "its packages are there, but one of them does not load"
        problem = f"{error}; {f'install it with: {how_to_install(extra)}' if missing_of(extra) else there}"
        raise MissingExtra(f"{purpose} needs the extra {extra!r}:", [problem], extra=extra) from error


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
