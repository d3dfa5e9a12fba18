"""The fixture, in a project of somebody else's: recorded with real parts, replayed without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = 'pytest_plugins = ["leanebm.testing.fixtures"]\n'

TEST = """
import asyncio
import pathlib

from leanebm.search import BestFirstSearch
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld


def parts(cassette):
    if cassette.is_replay:
        return {"policy": cassette.policy(), "environment": cassette.environment(), "certifier": cassette.certifier()}
    assert pathlib.Path("real").exists(), "the real parts are not here"
    world = ToyWorld.countdown(16)
    return {
        "policy": cassette.policy(ScriptedPolicy.over(world)),
        "environment": cassette.environment(world),
        "certifier": cassette.certifier(ToyCertifier(world)),
    }


def test_a(cassette):
    result = asyncio.run(BestFirstSearch(**parts(cassette)).run("13"))
    assert result.certificate is not None
    assert not pathlib.Path("broken").exists()
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TEST)
    return tmp_path


def test_a_cassette_is_recorded_when_that_is_asked_for_and_then_replayed(project: Path) -> None:
    missing = run_pytest(project)
    assert missing.returncode == 1
    assert "there is no cassette" in missing.stdout

    (project / "real").touch()
    recorded = run_pytest(project, "--record-cassettes")
    assert recorded.returncode == 0, recorded.stdout
    [file] = (project / "cassettes" / "test_mine").iterdir()
    assert file.name == "test_a.jsonl.gz"

    (project / "real").unlink()
    assert run_pytest(project).returncode == 0


SAME_NAMES = """
import asyncio
import pathlib

import pytest
from leanebm.core import Theorem
from leanebm.testing import ToyWorld


def root(cassette, number):
    world = ToyWorld.countdown(16) if pathlib.Path("real").exists() else None

    async def opened():
        async with cassette.environment(world).open(Theorem(name="n", statement=number)) as session:
            return session.root.text

    return asyncio.run(opened())


class TestA:
    def test_x(self, cassette):
        assert root(cassette, "3") == "⊢ 3"


class TestB:
    def test_x(self, cassette):
        assert root(cassette, "4") == "⊢ 4"


@pytest.mark.parametrize("number", ["5", "6"], ids=["a/b", "a b"])
def test_y(cassette, number):
    assert root(cassette, number) == f"⊢ {number}"


@pytest.mark.parametrize("text", ["x" * 300])
def test_z(cassette, text):
    assert root(cassette, "7") == "⊢ 7"
"""


def test_every_test_of_a_file_has_a_cassette_of_its_own(project: Path) -> None:
    (project / "test_mine.py").write_text(SAME_NAMES)
    (project / "real").touch()
    recorded = run_pytest(project, "--record-cassettes")
    assert recorded.returncode == 0, recorded.stdout
    assert len(list((project / "cassettes" / "test_mine").iterdir())) == 5
    (project / "real").unlink()
    replayed = run_pytest(project)
    assert replayed.returncode == 0, replayed.stdout


def test_a_recording_that_failed_replaces_nothing(project: Path) -> None:
    (project / "real").touch()
    assert run_pytest(project, "--record-cassettes").returncode == 0
    [file] = (project / "cassettes" / "test_mine").iterdir()
    before = file.read_bytes()
    (project / "test_mine.py").write_text(TEST.replace('run("13")', 'run("no number")'))
    assert run_pytest(project, "--record-cassettes").returncode == 1
    assert [each.read_bytes() for each in file.parent.iterdir()] == [before]
