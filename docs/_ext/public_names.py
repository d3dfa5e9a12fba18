"""Keeps the API pages honest: every public name is on a page, has a docstring, and can be referred to.

A package's public names are its ``__all__``. Values live in private modules and are re-exported once,
so a reference to ``leanebm.search.frontier.Frontier`` is led to ``leanebm.search.Frontier``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Collection, Iterator

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import leanebm

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the two hooks; called by Sphinx."""
    app.connect("env-check-consistency", _check_public_names)
    app.connect("missing-reference", _lead_to_public_name)
    return {"parallel_read_safe": True}


def public_packages() -> Iterator[str]:
    """Every package that declares ``__all__``. The root only re-exports, so its names are checked at home."""
    for module in pkgutil.walk_packages(leanebm.__path__, "leanebm."):
        if module.ispkg and hasattr(importlib.import_module(module.name), "__all__"):
            yield module.name
    yield "leanebm.errors"


def _check_public_names(_: Sphinx, env: BuildEnvironment) -> None:
    """Warn (so, under ``-W``, fail) about a public name without a docstring or off the API pages."""
    documented = env.domains.python_domain.objects
    for package in public_packages():
        module = importlib.import_module(package)
        for name in module.__all__:
            target = getattr(module, name)
            if not any(entry.startswith(f"{package}.") and entry.endswith(f".{name}") for entry in documented):
                logger.warning("%s.%s is public but on no API page", package, name)
            if (inspect.isclass(target) or inspect.isroutine(target)) and not inspect.getdoc(target):
                logger.warning("%s.%s is public but has no docstring", package, name)


def _lead_to_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node
) -> nodes.Node | None:
    """Resolve a name from a private module, or a bare one, to the one place where it is documented."""
    if node.get("refdomain") != "py":
        return None
    objects = env.domains.python_domain.objects
    home = _home(str(node["reftarget"]), objects)
    if home is None:
        return None
    entry = objects[home]
    uri = app.builder.get_relative_uri(node["refdoc"], entry.docname)
    return nodes.reference("", "", content, refuri=f"{uri}#{entry.node_id}", internal=True)


def _home(wanted: str, documented: Collection[str]) -> str | None:
    """Where ``wanted`` is documented: the longest tail of it that names one thing in its package."""
    parts = wanted.split(".")
    package = ".".join(parts[:2]) if parts[0] == "leanebm" else "leanebm"
    tails = [".".join(parts[start:]) for start in range(len(parts)) if parts[start][:1].isupper()]
    for tail in tails:
        homes = [name for name in documented if name.startswith(f"{package}.") and name.endswith(f".{tail}")]
        if len(homes) == 1:
            return homes[0]
    # A private module: its package is the nearest thing with a page.
    return package if not tails and package in documented and package != wanted else None
