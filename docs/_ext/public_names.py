"""Keeps the API pages honest: every public name is on a page, has a docstring, and can be referred to.

A package's public names are its ``__all__``. Values live in modules of their own and are re-exported,
so a reference to ``leanebm.search.frontier.Frontier`` is led to ``leanebm.search.Frontier``; and a
constant, whose docstring stands where it is assigned, has it fetched from there.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Collection, Iterator

from docutils import nodes
from sphinx.addnodes import desc, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

import leanebm

logger = logging.getLogger(__name__)

_NOT_AN_API = (
    "leanebm.cli",
    "leanebm.policy._dialects",
    "leanebm.policy._encoders",
    "leanebm.serve.backends.template._rules",
)
"""Commands have a page that is generated from them; how the client words its requests to each kind of encoder,
and the template policy's rules, are their own affair."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the hooks; called by Sphinx."""
    app.setup_extension("sphinx.ext.napoleon")  # whose events, and autodoc's, are connected to
    app.connect("env-check-consistency", _check_public_names)
    app.connect("missing-reference", _lead_to_public_name)
    app.connect("builder-inited", _lend_docstrings)
    app.connect("autodoc-process-docstring", _read_attribute, priority=_NAPOLEON - 1)
    app.connect("autodoc-process-docstring", _undo_napoleon, priority=_NAPOLEON + 1)
    app.connect("doctree-read", _check_attributes)
    return {"parallel_read_safe": True}


def public_packages() -> Iterator[str]:
    """Every package that declares ``__all__``. The root only re-exports, so its names are checked at home."""
    for module in pkgutil.walk_packages(leanebm.__path__, "leanebm."):
        has_names = module.ispkg and hasattr(importlib.import_module(module.name), "__all__")
        if has_names and module.name not in _NOT_AN_API:
            yield module.name
    yield "leanebm.errors"


def _check_public_names(_: Sphinx, env: BuildEnvironment) -> None:
    """Warn (so, under ``-W``, fail) about a public name without a docstring or off the API pages."""
    documented = env.domains.python_domain.objects
    for package in public_packages():
        module = importlib.import_module(package)
        for name in module.__all__:
            target = getattr(module, name)
            # What an inner package shares with its layer is documented once, with the layer.
            if not any(entry.startswith(_layer(package)) and entry.endswith(f".{name}") for entry in documented):
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
    """Where ``wanted`` is documented: the longest tail of it that names one thing in its layer."""
    parts = wanted.split(".")
    layer = _layer(wanted)
    tails = [".".join(parts[start:]) for start in range(len(parts)) if parts[start][:1].isupper()]
    for tail in tails:
        homes = [name for name in documented if name.startswith(f"{layer}.") and name.endswith(f".{tail}")]
        if len(homes) == 1:
            return homes[0]
    # A private module: its layer is the nearest thing with a page.
    return layer if not tails and layer in documented and layer != wanted else None


def _layer(name: str) -> str:
    return ".".join(name.split(".")[:2]) if name.startswith("leanebm.") else "leanebm"


def _lend_docstrings(_: Sphinx) -> None:
    """Let autodoc find a re-exported constant's docstring, which it seeks in the package only."""
    for package in public_packages():
        module = importlib.import_module(package)
        analyzer = ModuleAnalyzer.for_module(package)
        analyzer.analyze()
        for name in module.__all__:
            target = getattr(module, name)
            if not (inspect.isclass(target) or inspect.isroutine(target) or inspect.ismodule(target)):
                analyzer.attr_docs.setdefault(("", name), next(_docstrings(package, name), []))


def _docstrings(package: str, constant: str) -> Iterator[list[str]]:
    path = getattr(importlib.import_module(package), "__path__", [])
    for module in pkgutil.walk_packages(path, f"{package}."):
        found = ModuleAnalyzer.for_module(module.name).find_attr_docs().get(("", constant))
        if found:
            yield list(found)


# --- napoleon takes an attribute's "words: more words" for a type and its description, and its sections for text ---

_NAPOLEON = 500

_ATTRIBUTES = ("attribute", "data", "property")

_read: dict[str, list[str]] = {}


def _read_attribute(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Read an attribute's docstring as any other object's: sentences, then sections."""
    if what in _ATTRIBUTES:
        _read[name] = GoogleDocstring(lines, app.config, app, "method", name, obj, options).lines()


def _undo_napoleon(_: Sphinx, __: str, name: str, ___: object, ____: object, lines: list[str]) -> None:
    if name in _read:
        lines[:] = _read.pop(name)


def _check_attributes(_: Sphinx, doctree: nodes.document) -> None:
    """Warn about an attribute whose sentence was taken for its type, should a later napoleon go another way."""
    for described in doctree.findall(desc):
        if described["objtype"] in _ATTRIBUTES:
            for field in described.findall(nodes.field_name):
                if field.astext().lower() == "type":
                    logger.warning("an attribute's docstring was read as a type: %s", described.astext()[:200])
