from __future__ import annotations

import inspect
import io
import json
import logging
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import leanebm.cli
from leanebm.cli import main
from leanebm.cli._main import _documentation, _StandardErrorHandler
from leanebm.cli._sections import PART_WORDS

Leanebm = Callable[..., Result]

COMMANDS = main.list_commands(click.Context(main))


def test_every_public_module_is_a_command(leanebm_command: Leanebm) -> None:
    modules = {module.name for module in pkgutil.iter_modules(leanebm.cli.__path__)}
    assert {name.replace("-", "_") for name in COMMANDS} == {name for name in modules if not name.startswith("_")}
    assert {"prove", "search", "train-ebm"} <= set(COMMANDS)
    result = leanebm_command("--help")
    assert result.exit_code == 0
    assert all(f"\n  {command}  " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_explains_itself(leanebm_command: Leanebm, name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert _documentation(name) == inspect.cleandoc(command.help or "")
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help
    assert leanebm_command(name, "--help").exit_code == 0


def test_pages_type_only_options_that_there_are() -> None:
    """In lines that nobody runs, too, for want of Mathlib or a GPU."""
    root = Path(__file__).parents[2]
    unknown: list[str] = []
    for page in (root / "README.md", *root.glob("docs/**/*.md")):
        text = re.sub(r"""\\\n|"[^"\n]*"|'[^'\n]*'""", " ", page.read_text(encoding="utf-8"))
        for name, rest in re.findall(r"\bleanebm ([a-z-]+)( [^\n`|;&#]*)", text):
            if (command := main.get_command(click.Context(main), name)) is None:
                continue  # a sentence
            known = {"--help", *(option for parameter in command.params for option in parameter.opts)}
            typed = re.findall(r"(?<= )--[a-z-]+", rest)
            unknown += [f"{page.name}: {name} {option}" for option in typed if option not in known]
    assert unknown == []


def test_a_command_that_is_not_there_is_bad_input(leanebm_command: Leanebm) -> None:
    for name in ("nonsense", "_options", "main", "../prove"):
        result = leanebm_command(name)
        assert result.exit_code == 2
        assert "No such command" in result.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["searhc"], "No such command 'searhc'; did you mean 'search'?"),
        (["train_ebm"], "No such command 'train_ebm'; did you mean 'train-ebm'?"),
        (["search", "--bugdet", "3"], "Did you mean one of: '--beta', '--budget'?"),
        (["export", "nothing", "--as", "leandoj"], "did you mean 'leandojo'?"),
        (
            ["search", "--output", "o", "--scorer", "length_normalized"],
            "; did you mean 'length_normalised'? @ --scorer",
        ),
        (["search", "--output", "o", "--scorer", "length_normalised:alfa=1"], "did you mean 'alpha'? @ --scorer"),
        (["search", "--output", "o", "--search", "pucts"], "; did you mean 'puct'? @ --search"),
        (["search", "--output", "o", "--lean", "natve"], "; did you mean 'native'? @ --lean"),
        (["search", "--output", "o", "--prompt-format", "chatt"], "did you mean 'chat'?"),
        (["search", "--output", "o", "--theorems", "logic:tets"], "there is no split 'tets'; choose train, val, test"),
        (
            ["conjecture", "--output", "o.parquet", "--family", "orders"],
            "there is no family orders; did you mean 'order'?",
        ),
        (
            ["search", "--output", "o", "--scorer", "oracle"],
            "'runs' is required, such as oracle:runs=runs/plain @ --scorer",
        ),
        (
            ["search", "--output", "o", "--scorer", "weighted_sum"],
            "such as weighted_sum:terms=[{scorer='length_normalised'}",
        ),
    ],
)
def test_what_is_mistyped_is_answered_with_what_was_meant(
    leanebm_command: Leanebm, typed: list[str], meant: str
) -> None:
    result = leanebm_command(*typed)
    assert result.exit_code == 2
    assert meant in " ".join(result.stderr.split())


@pytest.mark.parametrize("name", ["search", "prove", "eval"])
def test_the_help_of_a_search_has_sections_and_lists_the_parts(leanebm_command: Leanebm, name: str) -> None:
    said = leanebm_command(name, "--help").stdout
    titles = [line.rstrip(":") for line in said.splitlines() if line.endswith(":") and not line.startswith(" ")]
    sections = ["Options", "Theorems", "Search", "Policy and its server", "Energy", "Lean"]
    assert [title for title in titles if title in sections] == [
        section for section in sections if section != "Theorems" or name != "prove"
    ]
    kinds = [title.partition(",")[0] for title in titles if "leanebm parts" in title]
    assert kinds == ["Scorers", "Searches", "Encoders", "Leans"]
    assert all(f"\n  {word} " in said for words in PART_WORDS.values() for word in words.ours)


def _loaded_by_help_of(*commands: Sequence[str]) -> list[set[str]]:
    """What a fresh process has loaded after the help of each command, one after the other."""
    code = (
        "import json, sys; from leanebm.cli import main\n"
        f"for command in {commands!r}:\n"
        "    main([*command, '--help'], standalone_mode=False)\n"
        "    print(json.dumps(list(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [set(json.loads(line)) for line in done.stderr.splitlines()]


def test_the_list_of_commands_loads_none_of_them() -> None:
    [modules] = _loaded_by_help_of(())
    loaded = {name for name in modules if name.startswith(("leanebm.", "rich", "aiohttp"))}
    own = {"leanebm.cli", *(f"leanebm.cli.{name}" for name in ("_main", "_echo", "_running"))}
    assert loaded <= own | {"leanebm._shown", "leanebm.errors"}


def test_the_help_of_a_command_loads_nothing_that_does_its_work() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(leanebm.__path__) if module.ispkg} - {"cli", "core"}
    assert {"pipeline", "policy", "data"} <= rooms
    heavy = {f"leanebm.{room}" for room in rooms}
    heavy |= {"aiohttp", "numpy", "pyarrow", "torch", "transformers", "rich", "cattrs"}
    for name, loaded in zip(COMMANDS, _loaded_by_help_of(*([name] for name in COMMANDS)), strict=True):
        assert f"leanebm.cli.{name.replace('-', '_')}" in loaded
        assert not loaded & heavy, name


def test_a_shell_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        env = {"_LEANEBM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        return CliRunner(env=env).invoke(main, [], prog_name="leanebm").stdout.split()

    assert completed("leanebm se") == ["plain,search", "plain,serve"]
    assert "plain,--sample" in completed("leanebm search --sa")


def test_the_version_is_told(leanebm_command: Leanebm) -> None:
    assert "version" in leanebm_command("--version").stdout


def test_warnings_go_to_what_is_standard_error_at_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = _StandardErrorHandler()
    for _ in range(2):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        handler.emit(logging.makeLogRecord({"msg": "careful"}))
        assert stream.getvalue() == "careful\n"


def test_a_log_line_steers_no_terminal() -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": ("Lean said \x1bc\x9b2J",)})
    assert _StandardErrorHandler().format(record) == r"Lean said \u001bc\u009b2J"
