"""The page for users lists faults with their tests: each of these must exist, and none of ours may be missing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_LISTED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_\w+)`")


def _tests_in(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = (node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {name for name in functions if name.startswith("test_")}


def test_the_page_and_the_tests_agree() -> None:
    page = (_REPOSITORY / "docs" / "robustness.md").read_text(encoding="utf-8")
    listed = set(_LISTED.findall(page))
    assert len(listed) > 30
    assert {(file, test) for file, test in listed if test not in _tests_in(_REPOSITORY / file)} == set()
    here = Path(__file__).parent
    ours = {
        (file.relative_to(_REPOSITORY).as_posix(), test)
        for file in here.glob("test_*.py")
        if file.name != Path(__file__).name
        for test in _tests_in(file)
    }
    assert ours - listed == set()
