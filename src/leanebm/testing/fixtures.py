"""Fixtures for pytest. A ``conftest.py`` takes them by ``pytest_plugins = ["leanebm.testing.fixtures"]``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Final

import pytest

from leanebm.cassette import Cassette
from leanebm.testing.open_cassette import open_cassette

_HAS_FAILED = pytest.StashKey[bool]()

_LONGEST_NAME: Final = 50
"""A file system takes 255 bytes, and four may go into one character."""


class _TestFailed(Exception):
    """Keeps a recording from taking the old one's place."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--record-cassettes``."""
    parser.getgroup("leanebm").addoption(
        "--record-cassettes", action="store_true", help="Record the cassettes of tests anew, with the real Lean."
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests fail: pytest does not tell their fixtures."""
    report = yield
    item.stash[_HAS_FAILED] = item.stash.get(_HAS_FAILED, False) or report.failed
    return report


def _file_name(node_id: str) -> str:
    """One of its own for every test of a file."""
    test = node_id.partition("::")[2].replace("::", ".")
    name = re.sub(r"[^\w.+-]", "_", test)[:_LONGEST_NAME]
    return name if name == test else f"{name}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"


@pytest.fixture
def cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """The test's own cassette, ``cassettes/FILE/TEST.jsonl.gz`` beside its file, or ``CLASS.TEST.jsonl.gz``.

    Where the test's name holds what a file's should not, as that of one with parameters does, a digest of it is added.
    It is replayed; ``pytest --record-cassettes`` records it. The recording of a test that failed is thrown away.
    """
    name = _file_name(request.node.nodeid)
    folder = request.path.parent / "cassettes" / request.path.stem
    is_new = request.config.getoption("--record-cassettes")
    with suppress(_TestFailed), open_cassette(folder / f"{name}.jsonl.gz", record=is_new) as opened:
        yield opened
        if request.node.stash.get(_HAS_FAILED, False):
            raise _TestFailed
