from __future__ import annotations

import runpy
from pathlib import Path

import pytest

PROGRAM = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "run_pages.py"))


def smaller(text: str, run_with: str) -> str:
    block = PROGRAM["Block"]("page.md", 1, "sh", text, run_with=run_with)
    return str(block.smaller.text)


def test_whole_words_are_replaced_wherever_they_stand() -> None:
    text = "search --budget 16 --num-workers 1 --beta 1.5; search --budget 1 --num 1 # --budget 1."
    replaced = "search --budget 16 --num-workers 1 --beta 1.5; search --budget 2 --num 1 # --budget 2."
    assert smaller(text, "--budget 1 => --budget 2") == replaced
    assert smaller("--num-workers 1 --num 1", "--num 1 => --num 2") == "--num-workers 1 --num 2"
    assert smaller("a-b (a) a.b a", "a => c") == "a-b (c) a.b c"
    assert smaller("a b", r"a => \1; b => a") == r"\1 a"


@pytest.mark.parametrize("run_with", ["--budget 1 => --budget 2", "--num => --n", "--budget 16"])
def test_what_replaces_nothing_is_a_mistake(run_with: str) -> None:
    with pytest.raises(SystemExit, match="replaces nothing"):
        smaller("leanebm search --budget 16 --num-workers 1", run_with)


@pytest.mark.parametrize("before", ["", "$ ", "  "])
@pytest.mark.parametrize("command", ["check-theorems", "conjecture", "eval", "generate-negatives", "probe", "search"])
def test_who_does_not_say_how_many_workers_gets_one(before: str, command: str) -> None:
    line = f"cd a\n{before}leanebm {command}"
    assert smaller(f"{line} --output b", "") == f"{line} --num-workers 1 --output b"
    said = f"{line} --output b --num-workers 3"
    assert smaller(said, "") == said


def test_what_was_installed_is_not_installed_again() -> None:
    without_repeats, installed = PROGRAM["without_repeats"], set[str]()
    install = 'python -m pip install ".[embedded]"'
    assert without_repeats(f"{install}     # in this folder\nleanebm doctor", installed).startswith(install)
    assert without_repeats(f"$ {install}\n$ leanebm doctor\n\n", installed) == "$ leanebm doctor\n"
    other = 'python -m pip install -c constraints.txt ".[embedded]"'
    assert without_repeats(other, installed) == other
