"""What must not stand in our own source: ways to run data as code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import leanebm

_SOURCES = sorted(Path(leanebm.__file__).parent.rglob("*.py"))
_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
_BUILTINS = {"__import__", "compile", "eval", "exec"}
_CALLS = {"np.load", "numpy.load", "os.popen", "os.system", "torch.load", "torch.save", "yaml.load"}
_FLAGS = {"allow_pickle", "shell", "trust_remote_code"}
_ALLOWED = {"_ray_node.py": ["import pickle"]}
"""A node of a Ray cluster runs what its driver sends, pickled, whatever we do; it is never read from a file."""


def _offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (f"import {name.name}" for name in names if name.name.partition(".")[0] in _MODULES)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in _MODULES:
                yield f"from {module} import"
            case ast.Call(func=ast.Name(id=name)) if name in _BUILTINS:
                yield f"{name}()"
            case ast.Call(func=function) if ast.unparse(function) in _CALLS:
                yield f"{ast.unparse(function)}()"
            case ast.keyword(arg=str(name), value=value) if name in _FLAGS and not _is_off(name, value):
                yield f"{name}={ast.unparse(value)}"


def _is_off(flag: str, value: ast.expr) -> bool:
    """Whether it is ``False``, or the user's own setting of that name, which is off unless set, handed on."""
    return ast.unparse(value) == "False" or (flag == "trust_remote_code" and ast.unparse(value).endswith(flag))


def test_no_data_is_run_as_code() -> None:
    found = {path: list(_offences(path.read_text(encoding="utf-8"))) for path in _SOURCES}
    assert len(found) > 100
    assert {path.name: offences for path, offences in found.items() if offences} == _ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, pickle as p",
        "from pickle import loads",
        "import marshal",
        "def f():\n    import shelve",
        "eval('1')",
        "exec(text)",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
        "__import__(name)",
    ],
)
def test_the_search_for_it_finds_it(source: str) -> None:
    assert list(_offences(source))


def test_what_only_sounds_like_it_is_let_be() -> None:
    assert not list(_offences("model.eval()\nre.compile('x')\nsafetensors.torch.load(data)\nrun(x, shell=False)"))
