from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Leanebm = Callable[..., Result]


@pytest.fixture
def run(leanebm_command: Leanebm, toy_lean: object) -> str:
    assert toy_lean is not None
    Path("theorems.txt").write_text("3\n31\n")
    for name, scorer in (("run", "length_normalised"), ("other", "breadth_first")):
        options = ("--output", name, "--budget", "8", "--scorer", scorer)
        assert leanebm_command("search", "--theorems", "theorems.txt", *options).exit_code == 0
    return "run"


def test_a_page_is_written_into_the_runs_folder_or_where_one_says(leanebm_command: Leanebm, run: str) -> None:
    result = leanebm_command("view", run)
    assert (result.exit_code, result.stdout) == (0, "run/view.html\n")
    page = Path("run/view.html").read_text(encoding="utf-8")
    assert page.count("application/octet-stream") == 3
    assert leanebm_command("view", run, "--beside", "other", "--output", "both.html").stdout == "both.html\n"
    assert Path("both.html").read_text(encoding="utf-8").count("application/octet-stream") == 5


def test_text_and_graphs_are_printed_or_written(leanebm_command: Leanebm, run: str) -> None:
    listed = leanebm_command("view", run, "--text").stdout.splitlines()
    assert len(listed) == 3
    name = listed[1].split()[1]
    tree = leanebm_command("view", run, "--text", "--theorem", name).stdout
    assert tree.startswith(f"{name}: ")
    assert "#0" in tree
    assert leanebm_command("view", run, "--dot", "--theorem", name).stdout.startswith("digraph ")
    assert leanebm_command("view", run, "--dot", "--theorem", name, "--output", "tree.dot").stdout == "tree.dot\n"
    assert Path("tree.dot").read_text(encoding="utf-8").startswith("digraph ")


def test_what_is_wrong_is_said(leanebm_command: Leanebm, run: str) -> None:
    result = leanebm_command("view", run, "--theorem", "nobody")
    assert result.exit_code == 2
    assert "'nobody' @ --theorem" in result.stderr
    result = leanebm_command("view", run, "--dot")
    assert result.exit_code == 2
    assert "name one of the 2 @ --theorem" in result.stderr
    Path("empty").mkdir()
    result = leanebm_command("view", "empty")
    assert result.exit_code == 2
    assert "give a run's folder" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--text", "--beside", "other"), "--beside is for a page"),
        (("--dot", "--beside", "other"), "--beside is for a page"),
        (("--serve", "--output", "page.html"), "a page that is served is not written"),
        (("--port", "8000"), "--port is for --serve"),
        (("--text", "--dot"), "give one of --text, --dot and --serve"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    leanebm_command: Leanebm, run: str, options: tuple[str, ...], said: str
) -> None:
    result = leanebm_command("view", run, *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("page.html").exists()


@pytest.mark.parametrize("form", [(), ("--text",)])
def test_what_a_run_is_made_of_is_not_written_over(leanebm_command: Leanebm, run: str, form: tuple[str, ...]) -> None:
    (shard,) = Path(run).glob("trajectory/*.parquet")
    before = shard.read_bytes()
    result = leanebm_command("view", str(shard), *form, "--output", f"{run}/../{shard}", "--overwrite")
    assert result.exit_code == 2
    assert "holds the run's search trees:\n  - give another file @ --output" in result.stderr
    assert shard.read_bytes() == before
    unasked = leanebm_command("view", str(shard), *form, "--output", f"{run}/../{shard}")
    assert "already exists: add --overwrite" in unasked.stderr


@pytest.mark.parametrize("form", [(), ("--text",)])
def test_a_run_that_is_not_there_is_bad_input_unless_it_is_served(
    leanebm_command: Leanebm, form: tuple[str, ...]
) -> None:
    result = leanebm_command("view", "nowhere", *form)
    assert result.exit_code == 2
    assert "nowhere holds no search yet" in result.stderr


def test_a_run_that_has_not_begun_is_served_and_told_of(run: str) -> None:
    command = [sys.executable, "-m", "leanebm", "view", "later", "--serve"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stderr is not None
            assert serving.stderr.readline() == "later is not there yet; the page shows it once it is\n"
            url = serving.stderr.readline().split()[2]
            with urllib.request.urlopen(f"{url}index") as answer:  # noqa: S310 - our own
                assert b"nothing yet" in answer.read()
            Path(run).rename("later")
            with urllib.request.urlopen(f"{url}index") as answer:  # noqa: S310 - our own
                assert b"nothing yet" not in answer.read()
        finally:
            serving.kill()


def test_it_is_served_until_it_is_stopped(leanebm_command: Leanebm, run: str) -> None:
    assert leanebm_command("view", run).exit_code == 0
    command = [sys.executable, "-m", "leanebm", "view", run, "--serve"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stderr is not None
            url = serving.stderr.readline().split()[2]
            with urllib.request.urlopen(f"{url}index") as answer:  # noqa: S310 - our own
                assert b'"name":"run"' in answer.read()
            os.kill(serving.pid, signal.SIGINT)
            assert serving.stderr.read() == "Stopped.\n"
            assert serving.wait() == 0
        finally:
            serving.kill()
