from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from leanebm.cli._theorem_options import FORMATS, reading_options
from leanebm.data import FileFormat, FileReading
from leanebm.errors import ConfigError


def read_as(*arguments: str) -> FileReading:
    @click.command()
    @reading_options
    def command(*, reading: FileReading) -> None:
        seen.append(reading)

    seen: list[FileReading] = []
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    return seen[0]


def test_how_a_file_is_read_is_said_by_options() -> None:
    assert tuple(FileFormat) == FORMATS
    assert read_as() == FileReading()
    assert read_as("--format", "csv", "--field", "statement=a=b", "--field", "name=c", "--split", "test") == (
        FileReading(format="csv", fields={"statement": "a=b", "name": "c"}, split="test")
    )


@pytest.mark.parametrize("field", ["statement", "statement=", "=x"])
def test_a_field_without_a_column_is_refused(field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_as("--field", field)
    assert caught.value.problems == (f"{field!r} is not PART=COLUMN @ --field",)
