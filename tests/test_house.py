"""House rules that the source itself can be asked about."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import leanebm

SOURCE = Path(leanebm.__file__).parent

MOST_LINES = 300
"""About so long is a file at most that keeps its helpers."""

APART = {
    "leanebm.lean.embedded._lean_script": "its bytes are part of the key of what is prepared, so that what is edited "
    "beside them must not have every machine fetch Lean again",
}
"""Modules with one user that stand apart, and why."""


def modules(source: Path) -> dict[str, Path]:
    """Every module by its name; a package is its ``__init__.py``."""
    found = {}
    for path in source.rglob("*.py"):
        parts = (source.name, *path.relative_to(source).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_by(path: Path, known: dict[str, Path]) -> set[str]:
    """Of the ``known`` modules, those that a file imports, be it at the top, in a function or for type checkers."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= {node.module, *inner} if inner.isdisjoint(known) else inner
    return found & known.keys()


def helpers_apart(source: Path) -> dict[str, str]:
    """Private modules that only one neighbour uses, with that one, where both would fit into one file.

    A module is private if its name says so, or if no package offers what is in it. Neighbours are modules of one layer:
    what a command calls in the pipeline is no helper of it. Commands are loaded by name, and so are used by more than
    who imports them.
    """
    known = modules(source)
    users = defaultdict[str, set[str]](set)
    for name, path in known.items():
        for each in imported_by(path, known) - {name}:
            users[each].add(name)
    packages = {name for name, path in known.items() if path.name == "__init__.py"}
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in known.items()}

    def is_command(name: str) -> bool:
        layer, _, own = name.rpartition(".")
        return layer == f"{source.name}.cli" and not own.startswith("_")

    return {
        name: owner
        for name, (owner, *others) in ((name, sorted(found)) for name, found in users.items())
        if not others
        and not {name, owner} & packages
        and not is_command(name)
        and name.split(".")[1] == owner.split(".")[1]
        and lines[name] + lines[owner] <= MOST_LINES
    }


def test_a_helper_lives_in_its_owners_file_until_it_has_a_second_user_or_the_file_is_long() -> None:
    assert helpers_apart(SOURCE).keys() == APART.keys()


def test_what_is_looked_for_is_found(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("__init__.py", "")
    for room in ("cli", "core", "data"):
        write(f"{room}/__init__.py", "from house.core.offered import Offered\n" if room == "core" else "")
    write("core/owner.py", "def work():\n    from house.core._alone import help\n")
    write("core/_alone.py", "help = 1\n")
    write("core/plain.py", "from house.core import plainer\n")
    write("core/plainer.py", "import ast\n")
    write("core/offered.py", "from house.core._long import x\nfrom house.core._shared import y\n")
    write("core/_long.py", "x = 1\n" * MOST_LINES)
    write("core/_shared.py", "y = 1\n")
    write("data/user.py", "from house.core._shared import y\nfrom house.data.elsewhere import z\n")
    write("data/elsewhere.py", "z = 1\n")
    write("cli/first.py", "from house.cli.second import print_it\nfrom house.core.called import call\n")
    write("cli/second.py", "print_it = 1\n")
    write("core/called.py", "call = 1\n")
    assert helpers_apart(tmp_path / "house") == {
        "house.core._alone": "house.core.owner",
        "house.core.plainer": "house.core.plain",
        "house.data.elsewhere": "house.data.user",
    }


def test_each_reason_to_stand_apart_is_of_a_module_that_is_there() -> None:
    assert APART.keys() <= modules(SOURCE).keys()
