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
