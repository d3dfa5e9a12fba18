"""Search trees without a browser: as indented text, and as a graph that Graphviz draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from leanebm._shown import counted, one_line
from leanebm.pipeline.view.run_view import Tree

_LEADS_NOWHERE = ("rejected", "timed_out")

_COLOURS = {"proved": "#2f7d4f", "dead": "#b3382c", "rejected": "#c05a16", "open": "#8a8f99"}


def run_text(run: Mapping[str, Any]) -> str:
    """A line for each theorem of a run."""
    theorems = run["theorems"]
    width = max((len(each["name"]) for each in theorems), default=0)
    lines = [f"{each['outcome']:<14} {each['name']:<{min(width, 40)}}  {_cost(each)}" for each in theorems]
    return "\n".join([f"{run['name']} ({run['about']})", *lines])


def tree_text(record: Mapping[str, Any], tree: Tree) -> str:
    """A theorem's tree with its states, what was tried, and what Lean said; ``*`` marks the certified proof."""
    return "\n".join([f"{record['name']}: {record['outcome']}, {_cost(record)}", *_reasons(record), *_lines(tree)])


def tree_dot(record: Mapping[str, Any], tree: Tree) -> str:
    """A theorem's tree in the language of Graphviz."""
    lines = [f"digraph {_quoted(record['name'])} {{", "  rankdir=LR; node [shape=box, fontname=monospace, fontsize=10]"]
    for node, status in enumerate(tree["status"]):
        label = f"#{node} {status}\n{one_line(tree['state_text'][node], 120) or 'no goals'}\n{_figures(tree, node)}"
        weight = ", penwidth=2.5" if tree["on_proof_path"][node] else ""
        lines.append(f"  {node} [label={_quoted(label)}, color={_quoted(_COLOURS.get(status, '#2f5fb3'))}{weight}]")
        if (parent := tree["parent"][node]) >= 0:
            lines.append(f"  {parent} -> {node} [label={_quoted(one_line(tree['tactic'][node], 60))}{weight}]")
    return "\n".join([*lines, "}"])


def _reasons(record: Mapping[str, Any]) -> Iterator[str]:
    if record["error"]:
        yield f"  {one_line(record['error'], 400)}"
    yield from (f"  rejected: {one_line(reason, 400)}" for reason in record["rejections"])


def _cost(record: Mapping[str, Any]) -> str:
    parts = (counted(record["nodes"], "node"), counted(record["expansions"], "expansion"))
    return ", ".join([*parts, counted(record["tactic_calls"], "tactic call"), f"{record['wall_s']:.1f} s"])


def _lines(tree: Tree) -> Iterator[str]:
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(tree["parent"]):
        children.setdefault(parent, []).append(node)
    waiting = [(node, 0) for node in reversed(children.get(-1, []))]
    while waiting:  # a tree may be deeper than Python's stack
        node, level = waiting.pop()
        indent, mark = "  " * level, "*" if tree["on_proof_path"][node] else " "
        yield f"{mark} {indent}#{node} {one_line(tree['tactic'][node] or '', 200)}  [{_figures(tree, node)}]"
        yield f"  {indent}   {one_line(tree['state_text'][node], 300) or 'no goals'}"
        for tactic, log_prob, kind, target, message, _ in tree["attempts"][node]:
            if kind in _LEADS_NOWHERE:
                yield f"  {indent}   x {one_line(tactic, 200)}  [{kind}, log p {log_prob:.2f}] {one_line(message, 200)}"
            elif target >= 0 and tree["parent"][target] != node:
                yield f"  {indent}   > {one_line(tactic, 200)}  [{kind}, to #{target}]"
        waiting += [(child, level + 1) for child in reversed(children.get(node, []))]


def _figures(tree: Tree, node: int) -> str:
    parts = [tree["status"][node]]
    if tree["expansion"][node] >= 0:
        parts.append(f"expansion {tree['expansion'][node]}")
    if node:
        parts.append(f"log p {tree['log_prob'][node]:.2f}")
    parts += [f"{name} {tree[name][node]:.3g}" for name in ("priority", "energy") if tree[name][node] is not None]
    return ", ".join([*parts, f"{tree['found_s'][node]:.2f} s"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\l")
    return f'"{escaped}\\l"' if "\\l" in escaped else f'"{escaped}"'
