"""The records of a file: named values, whatever the file's format is. Nothing here knows what they mean."""

from __future__ import annotations

import csv
import enum
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeGuard, TypeVar

import attrs
import pyarrow as pa
import pyarrow.parquet as pq

from leanebm._shown import reason, writer
from leanebm.data._reading import MAX_LINE_BYTES, BadLine, decode_line, json_object, json_value, numbered_lines
from leanebm.errors import ConfigError
from leanebm.storage import open_regular, read_parquet

T = TypeVar("T")

WRITTEN_BY: Final = "leanebm.leanebm_version"
"""The key of a file's metadata that says which leanebm wrote it."""


class FileFormat(enum.StrEnum):
    """How a file of theorems or tactic pairs is written."""

    TEXT = "text"
    """One statement per line."""

    JSONL = "jsonl"
    """One JSON object per line."""

    JSON = "json"
    """A JSON array of objects, or an object that holds them by name or by split."""

    CSV = "csv"
    """A table under a line of column names; separated by tabs if there is one in that line, else by commas."""

    PARQUET = "parquet"

    LEAN = "lean"
    """Lean source."""


_SUFFIXES: Final[Mapping[str, FileFormat]] = {
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".json": FileFormat.JSON,
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.CSV,
    ".parquet": FileFormat.PARQUET,
    ".lean": FileFormat.LEAN,
}

_PARQUET: Final = b"PAR1"

_OTHER_KINDS: Final[Mapping[bytes, str]] = {
    b"\x1f\x8b": "it is compressed (gzip); unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed (zstd); unpack it first",
    b"BZh": "it is compressed (bzip2); unpack it first",
    b"PK\x03\x04": "it is an archive or a spreadsheet; unpack it, or export it as CSV",
    b"\xff\xfe": "it is written in UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is written in UTF-16; save it as UTF-8",
    b"version https://git-lfs": "it only stands for a file that git-lfs has not fetched yet (git lfs pull)",
}

MAX_WHOLE_BYTES: Final = 256 * 2**20
"""Largest file that is read as a whole: JSON that is not in lines, CSV, Lean; and most that Parquet may unpack to."""

THEOREM_EXAMPLE: Final = '{"name": …, "statement": …}'


def format_of(path: Path) -> FileFormat:
    """The format that a file's name says it has; text where the name says nothing."""
    return _SUFFIXES.get(path.suffix.lower(), FileFormat.TEXT)


@attrs.frozen
class Record:
    """Named values, and the number of their line or row. One that is missing and one that is ``None`` are alike."""

    number: int
    values: Mapping[str, object]


@attrs.frozen
class Records:
    """What a file holds, and what could not be read of it, by line or row."""

    records: Sequence[Record]
    problems: Sequence[tuple[int, str]] = ()
    place: str = ""
    """What stands before a number, to say where it is: nothing for a line."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that any record has."""
        return tuple(dict.fromkeys(key for record in self.records for key in record.values))


def problem_list(path: Path, problems: Collection[tuple[int, str]], *, place: str = "") -> list[str]:
    """Problems as they are shown, in the file's order."""
    ordered = sorted(problems, key=lambda problem: problem[0])
    return [f"{what} @ {path}:{place}{number}" for number, what in ordered]


def read_opened(path: Path, noun: str, read: Callable[[BinaryIO], T], *, is_parquet: bool = False) -> T:
    """What ``read`` makes of the opened file.

    Args:
        path: the file, which must be a regular one.
        noun: what it is called in messages.
        read: raises :class:`BadLine` for a file that cannot be read any further.
        is_parquet: whether it is expected to be a Parquet file.

    Raises:
        ConfigError: it cannot be opened or read, or is something else.
    """
    try:
        with open_regular(path) as file:
            lead = file.read(max(map(len, _OTHER_KINDS)))
            file.seek(0)
            _check_kind(lead, is_parquet=is_parquet)
            return read(file)
    except OSError as error:
        raise ConfigError(f"cannot read the {noun} {path}: {reason(error)}") from error
    except BadLine as error:
        raise ConfigError(f"cannot read the {noun} {path}: {error}") from error


def _check_kind(lead: bytes, *, is_parquet: bool) -> None:
    for mark, objection in _OTHER_KINDS.items():
        if lead.startswith(mark):
            raise BadLine(objection)
    if lead.startswith(_PARQUET) and not is_parquet:
        raise BadLine("it is a Parquet file; give it a name that ends in .parquet, or say --format parquet")


def read_records(file: BinaryIO, file_format: FileFormat, *, example: str = THEOREM_EXAMPLE) -> Records:
    """The records of an opened JSON, CSV or Parquet file; any other is read as JSON lines, such as ``example``.

    Raises:
        BadLine: it cannot be read any further.
    """
    match file_format:
        case FileFormat.PARQUET:
            return _parquet_rows(file)
        case FileFormat.CSV:
            return _csv_rows(file)
        case FileFormat.JSON:
            return _json_rows(file, example)
        case _:
            return _json_lines(file, example)


def read_own_table(
    path: Path, schema: pa.Schema, *, noun: str, key: str, version: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The rows of a Parquet file of one of our own kinds, and the file's metadata.

    Args:
        path: the file, which must be a regular one.
        schema: the columns it must have.
        noun: what such a file is called in messages, as in ``library file``.
        key: of the metadata that say the version of its schema.
        version: the one that is read.

    Raises:
        ConfigError: it cannot be opened or read, or is of another schema or version.
    """
    try:
        with open_regular(path) as opened, pq.ParquetFile(opened) as file:
            found = file.schema_arrow
            metadata = {name.decode(): value.decode() for name, value in (found.metadata or {}).items()}
            given = metadata.get(key) or "(none)"
            if given != str(version) or not found.equals(schema):
                raise ConfigError(
                    f"{path} has the columns {', '.join(found.names)} in schema version {given}; a {noun} "
                    f"has {', '.join(schema.names)} in version {version}; read it with "
                    f"{writer(metadata.get(WRITTEN_BY))}"
                )
            return read_parquet(opened, schema.names).to_pylist(), metadata
    except OSError as error:
        raise ConfigError(f"cannot read the {noun} {path}: {reason(error)}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is damaged, or not a Parquet file: {error}") from error


def has_metadata(path: Path, key: str) -> bool:
    """Whether it is a Parquet file whose metadata has ``key``, by which our own kinds are told apart."""
    try:
        with open_regular(path) as file:
            return key.encode() in (pq.read_schema(file).metadata or {})
    except (OSError, pa.ArrowException):
        return False  # whoever reads it says what is wrong


def whole_text(file: BinaryIO) -> str:
    """All of a file, without a byte order mark.

    Raises:
        BadLine: it is too large, or not UTF-8.
    """
    data = file.read(MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise BadLine(f"it is larger than {MAX_WHOLE_BYTES} bytes; JSON lines and Parquet may be larger")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadLine(f"byte {error.start + 1}, in line {line}, is not UTF-8") from error


def _json_lines(file: BinaryIO, example: str) -> Records:
    records: list[Record] = []
    problems: list[tuple[int, str]] = []
    for number, line in numbered_lines(file):
        try:
            text = decode_line(line)
            if text:
                records.append(Record(number, json_object(text, example=example)))
        except BadLine as error:
            problems.append((number, str(error)))
    return Records(records, problems)


def _json_rows(file: BinaryIO, example: str) -> Records:
    text = whole_text(file)
    try:
        value = json_value(text)
    except BadLine:
        first = text.lstrip().partition("\n")[0]
        if not first.startswith("{") or not _is_json(first):
            raise
        file.seek(0)
        return _json_lines(file, example)  # JSON lines under another name
    records = [Record(number, row) for number, row in enumerate(_rows_in(value, example), start=1)]
    return Records(records, place="row ")


def _is_json(text: str) -> bool:
    try:
        json_value(text)
    except BadLine:
        return False
    return True


def _rows_in(value: object, example: str) -> Iterator[Mapping[str, object]]:
    """The rows of a JSON value: an array of them, or an object in one of the forms in which people keep a table."""
    if isinstance(value, dict) and _are_numbered(value.get("rows")):  # as the Hugging Face viewer sends it
        value = [numbered["row"] for numbered in value["rows"]]
    if isinstance(value, list):
        yield from (_row(each, example) for each in value)
    elif not isinstance(value, dict):
        raise BadLine(f"it holds neither a JSON array nor a JSON object, such as [{example}]")
    elif value and all(map(_is_table, value.values())):  # by split; one alone is named by whoever wrapped it
        for split, rows in value.items():
            yield from ({"split": split, **row} if len(value) > 1 else row for row in rows)
    elif value and all(isinstance(each, list) for each in value.values()) and len(set(map(len, value.values()))) == 1:
        yield from (dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True))
    elif value and all(isinstance(each, dict) for each in value.values()):
        yield from ({"name": name, **row} for name, row in value.items())
    else:
        yield value


def _are_numbered(value: object) -> bool:
    return _is_table(value) and all(isinstance(numbered.get("row"), dict) for numbered in value)


def _is_table(value: object) -> TypeGuard[list[dict[str, object]]]:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _row(value: object, example: str) -> Mapping[str, object]:
    match value:
        case dict():
            return value
        case str():
            return {"formal_statement": value}
        case _:
            raise BadLine(f"its array holds something other than objects such as {example}")


def _csv_rows(file: BinaryIO) -> Records:
    text = whole_text(file)
    separator = "\t" if "\t" in text.partition("\n")[0] else ","
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[Record] = []
    problems: list[tuple[int, str]] = []
    usual_limit = csv.field_size_limit(MAX_LINE_BYTES)
    try:
        names = next(lines, [])
        if len(set(names)) < len(names):
            raise BadLine(f"a column is named twice, among {', '.join(names)}")
        for number, cells in enumerate(lines, start=1):
            if len(cells) > len(names):
                problems.append((number, f"the row has {len(cells)} cells, and there are {len(names)} columns"))
            elif any(cell.strip() for cell in cells):
                given = {name: cell for name, cell in zip(names, cells, strict=False) if cell.strip()}
                records.append(Record(number, given))
    except csv.Error as error:
        raise BadLine(f"it is not CSV, in line {lines.line_num}: {error}") from error
    finally:
        csv.field_size_limit(usual_limit)
    return Records(records, problems, "row ")


def _parquet_rows(file: BinaryIO) -> Records:
    try:
        with pq.ParquetFile(file) as table:
            wanted = [field.name for field in table.schema_arrow if _is_scalar(field.type)]
        if len(set(wanted)) < len(wanted):
            raise BadLine(f"a column is named twice, among {', '.join(wanted)}")
        rows = read_parquet(file, wanted, max_bytes=MAX_WHOLE_BYTES).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
        raise BadLine(f"it is damaged, or not a Parquet file: {error}") from error
    return Records([Record(number, row) for number, row in enumerate(rows, start=1)], place="row ")


def _is_scalar(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))
