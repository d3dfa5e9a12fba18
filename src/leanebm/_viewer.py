"""The page on which searches are looked at: puts data into ``_viewer_page``, which draws them in a browser.

What a page shows is JSON. A *run* is ``{"name", "about", "notes", "theorems"}``; each of its theorems is what is known
of it as a whole, with an ``id``; and under that id there is a *tree*, as columns with one entry per node, named as in a
trajectory. All of it stands in the page as base64 of gzip, which no text in it can leave, and is unpacked when it is
looked at.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any, Final, Literal

Mode = Literal["file", "served", "notebook"]
"""How a page is shown: with all its data, by a program that it asks, or in a cell of a notebook."""

_SCRIPTS: Final = (
    "d3-hierarchy/d3-hierarchy.min.js",
    "dom.js", "model.js", "layout.js", "canvas.js", "list.js", "details.js", "app.js",
)  # fmt: skip

TREE_COLUMNS: Final = (
    "parent", "tactic", "log_prob", "path_log_prob", "priority", "energy", "depth", "remaining_depth", "on_proof_path",
    "status", "expansion", "found_s", "tactic_s", "num_goals", "state_text", "state_key", "attempts",
)  # fmt: skip
"""What a page is told of each node."""

_ATTEMPT: Final = ("tactic", "log_prob", "kind", "target", "message", "elapsed_s")
"""What it is told of each tactic that was run on one: a list in this order."""

_COSTS: Final = (
    "nodes", "expansions", "tactic_calls", "policy_calls", "energy_calls",
    "wall_s", "policy_s", "lean_s", "score_s", "certify_s",
)  # fmt: skip

_MAX_NOTEBOOK_CHARS: Final = 4_000_000
"""Of a page in a notebook's cell, which is saved with the notebook."""


def asset(name: str) -> str:
    """The text of one of the page's files."""
    return (resources.files("leanebm") / "_viewer_page" / name).read_text(encoding="utf-8")


def as_json(value: object) -> str:
    """JSON in ASCII; infinities and NaN, for which it has no word, become text."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_without_infinities(value), allow_nan=False, separators=(",", ":"))


def short_key(key: str) -> str:
    """A state's key, short enough to stand in a page thousands of times."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:16]


def tree_json(columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """A tree for the page, from a trajectory's columns."""
    tree = {name: list(columns[name]) for name in TREE_COLUMNS}
    tree["state_key"] = [short_key(key) for key in tree["state_key"]]
    tree["attempts"] = [[[each[name] for name in _ATTEMPT] for each in attempts] for attempts in tree["attempts"]]
    return tree


def viewer_page(
    runs: Sequence[Mapping[str, Any]], trees: Iterable[tuple[str, Mapping[str, Sequence[Any]]]], *, mode: Mode = "file"
) -> str:
    """One HTML page that needs nothing beside it.

    Args:
        runs: what is known of one or two runs; none on a page that is served, which asks for it.
        trees: ids and trees; they are taken one after the other.
        mode: how the page is shown.
    """
    style, scripts = asset("view.css"), [asset(name) for name in _SCRIPTS]
    sources = " ".join(map(_hash, scripts))
    # No address may be asked, but for the one that a served page came from; and no script runs but ours.
    policy = f"default-src 'none'; script-src {sources}; style-src {_hash(style)}; img-src data:; base-uri 'none'"
    data = [] if mode == "served" else [_block("index", runs)]
    data += [_block(name, tree) for name, tree in trees]
    return Template(asset("page.html")).substitute(
        policy=policy + ("; connect-src 'self'" if mode == "served" else ""),
        mode=mode,
        style=style,
        data="\n".join(data),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def notebook_frame(run: Mapping[str, Any], tree: Mapping[str, Sequence[Any]]) -> str:
    """The page of one theorem in a notebook's cell: a frame that can reach nothing; empty if it is too large."""
    [theorem] = run["theorems"]
    page = viewer_page([run], [(theorem["id"], tree)], mode="notebook")
    if len(page) > _MAX_NOTEBOOK_CHARS:
        return ""
    style = "width: 100%; height: 560px; border: 1px solid #8888; border-radius: 6px"
    return f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(page)}" style="{style}" title="search tree"></iframe>'


def theorem_json(found: Any, costs: Any, *, error: str | None) -> dict[str, Any]:
    """What a page is told of a theorem as a whole.

    Args:
        found: what has its ``theorem``, ``outcome``, ``certificate`` and ``rejections``.
        costs: what has the counts and seconds of its search.
        error: what broke, if something did.
    """
    theorem, certificate = found.theorem, found.certificate
    return {
        "name": theorem.name,
        "statement": theorem.display,
        "header": theorem.header,
        "context": theorem.context,
        "outcome": found.outcome.value,
        "proof": None if certificate is None else list(certificate.tactics),
        "error": error,
        "rejections": [f"{each.reason}: {each.message}" for each in found.rejections],
    } | {name: getattr(costs, name) for name in _COSTS}


def _block(name: str, value: object) -> str:
    packed = base64.b64encode(gzip.compress(as_json(value).encode(), 6, mtime=0)).decode()
    return f'<script type="application/octet-stream" id="{name}">{packed}</script>'


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _without_infinities(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {key: _without_infinities(each) for key, each in value.items()}
        case list() | tuple():
            return [_without_infinities(each) for each in value]
    return value
