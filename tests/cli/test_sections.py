from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from leanebm.cli import main
from leanebm.cli._sections import PART_WORDS, writable_before_any_work
from leanebm.errors import ConfigError
from leanebm.pipeline.part_check import PART_KINDS
from leanebm.pipeline.parts import FAMILIES

Leanebm = Callable[..., Result]

_OUTPUTS = {
    command: option
    for command in main.list_commands(click.Context(main))
    for option in ("output", "output_dir")
    if (found := main.get_command(click.Context(main), command)) and option in {each.name for each in found.params}
}


_SUFFIXES = {"check-theorems": ".jsonl", "conjecture": ".parquet", "extract-library": ".parquet"}


@pytest.mark.parametrize("name", _OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = main.get_command(click.Context(main), name)
    assert command is not None
    [option] = [each for each in command.params if each.name == _OUTPUTS[name]]
    with click.Context(command) as context:
        good = tmp_path / "new" / f"place{_SUFFIXES.get(name, '')}"
        assert option.process_value(context, str(good)) == good
        with pytest.raises(ConfigError, match="file is not a folder; choose another place"):
            option.process_value(context, str(tmp_path / "file" / good.name))


_FILES = {
    **{name: ("output", suffix) for name, suffix in _SUFFIXES.items()},
    "export": ("output", ".jsonl"),
    "fill": ("output", ".lean"),
    "view": ("output", ".html"),
    "compare": ("html", ".html"),
}
"""The commands that write a file where one says: with which option, and how its name may end."""


def test_each_command_that_writes_a_file_where_one_says_is_among_those_tested() -> None:
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    writes = {
        name: parameter.name
        for name, command in commands.items()
        for parameter in (command.params if command is not None else [])
        if isinstance(parameter.type, click.Path)
        and isinstance(parameter, click.Option)
        and parameter.callback is not None
        and parameter.type.file_okay
        and not parameter.type.exists
        and not parameter.type.dir_okay
    }
    assert writes == {name: option for name, (option, _) in _FILES.items()}


@pytest.mark.parametrize("name", _FILES)
def test_a_file_that_is_there_is_written_over_only_if_one_says_so(
    leanebm_command: Leanebm, tmp_path: Path, name: str
) -> None:
    (option, suffix), command = _FILES[name], main.get_command(click.Context(main), name)
    assert command is not None
    [parameter] = [each for each in command.params if each.name == option]
    there = tmp_path / f"there{suffix}"
    there.touch()
    may = [each for each in command.params if each.name == "overwrite"]
    way_out = "add --overwrite to write over it" if may else "move it away"
    with click.Context(command) as context:
        for each in may:
            each.handle_parse_result(context, {}, [])
        with pytest.raises(ConfigError, match=rf"already exists: {way_out}, or name another file @ --{option}"):
            parameter.process_value(context, str(there))
        if name not in _SUFFIXES:
            with there.open("w") as file:  # as /dev/stdout leads to a file that a shell has opened
                assert parameter.process_value(context, f"/dev/fd/{file.fileno()}") == there
        for each in may:
            each.handle_parse_result(context, {"overwrite": True}, [])
            assert parameter.process_value(context, str(there)) == there
    assert bool(may) == (name in ("export", "view", "compare"))
    assert leanebm_command(name, "--help").exit_code == 0


@pytest.mark.parametrize("name", _SUFFIXES)
def test_an_output_that_others_tell_by_its_ending_needs_that(name: str, tmp_path: Path) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    [option] = [each for each in command.params if each.name == "output"]
    with click.Context(command) as context, pytest.raises(ConfigError, match=rf"should end in \{_SUFFIXES[name]}"):
        option.process_value(context, str(tmp_path / "place.txt"))


def test_a_link_to_a_file_stays_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for link, target in (
        ("link.parquet", "real.parquet"),
        ("dangling.parquet", "new/real.parquet"),
        ("round", "circle"),
        ("circle", "round"),
    ):
        Path(link).symlink_to(target)
    Path("real.parquet").touch()
    context, parameter = click.Context(main), click.Option(["--output"])
    assert writable_before_any_work(context, parameter, Path("link.parquet")) == Path("real.parquet").resolve()
    assert writable_before_any_work(context, parameter, Path("dangling.parquet")) == Path("new/real.parquet").resolve()
    with pytest.raises(ConfigError, match="round cannot be written to: it is a link that leads to itself"):
        writable_before_any_work(context, parameter, Path("round"))


def test_prove_does_not_search_for_what_it_could_not_write(
    leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("leanebm.pipeline.ProofRun")
    Path("file").touch()
    result = leanebm_command("prove", "6", "--output", "file/below")
    assert result.exit_code == 2
    assert "file/below cannot be written to" in result.stderr


def test_its_kinds_and_words_are_all_there_are() -> None:
    families = {family.group: family for family in FAMILIES.values()}
    assert {words.group for words in PART_WORDS.values()} == families.keys()
    assert set(PART_WORDS) <= set(PART_KINDS)
    for words in PART_WORDS.values():
        family = families[words.group]
        assert list(words.ours) == sorted({*family.built_in, *family.discovered})
        assert all(line.endswith(".") for line in words.ours.values())


@pytest.mark.parametrize("kind", PART_WORDS)
def test_what_a_package_registers_follows_ours(kind: str, registered: str) -> None:
    rows = dict(PART_WORDS[kind].rows())
    assert list(rows)[: len(PART_WORDS[kind].ours)] == list(PART_WORDS[kind].ours)
    assert ("ladder" in rows) == (registered == PART_WORDS[kind].group)
    if "ladder" in rows:
        assert rows["ladder"] == "no_such_module:Ladder of ladder-parts", "listed, and not imported"
