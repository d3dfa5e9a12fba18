"""Rewriting the package's ``lean.wasm`` so that a worker does not pay for names that it never asks for.

Every function of Lean is exported, 192 675 of them, for the interpreter may look up any by its name. V8 makes
an object of each, and the script puts them all into three dictionaries, in each thread. Instead each gets a
place in the module's function table, which costs a few bytes, and a file beside the module says what is where:
for a function its place in the table, for data its address, which is what ``dlsym`` answers. The names
themselves are not kept, but their SHA-256, cut to 16 bytes: nobody can make up a name that hits another's.

What is not one of Lean's functions (3 138 names) stays exported, for the script to use.

.. code-block:: text

    lean.symbols:  u32 number of names   names' hashes, ascending   u32 for each: its place or address
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs

from leanebm.errors import LeanInstallError

SYMBOLS_NAME: Final = "lean.symbols"

_NOT_FOR_THE_SCRIPT: Final = (b"l_", b"initialize_", b"_Z")  # Lean's functions, its modules' initialisers, and C++
_HASH_BYTES: Final = 16

_HEADER: Final = b"\0asm\1\0\0\0"
_IMPORTS, _TABLES, _GLOBALS, _EXPORTS, _ELEMENTS = 2, 4, 6, 7, 9
_FUNCTION, _TABLE, _MEMORY, _GLOBAL, _TAG = range(5)
_FUNCREF: Final = 0x70
_I32_CONST, _END = 0x41, 0x0B
_SIGNED_END: Final = 0x3F  # the next higher bit of a signed number's last byte would be its sign


@attrs.frozen
class _Export:
    name: bytes
    kind: int
    index: int


class _Reader:
    """Reads what WebAssembly's binary format is made of."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def take(self, length: int) -> memoryview:
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self) -> int:
        """An unsigned LEB128."""
        result = shift = 0
        while (byte := self.byte()) & 0x80:
            result |= (byte & 0x7F) << shift
            shift += 7
        return result | byte << shift

    def name(self) -> bytes:
        return bytes(self.take(self.number()))

    def rest(self) -> memoryview:
        return self.data[self.at :]


def rewrite_lean_wasm(path: Path, symbols: Path) -> None:
    """Rewrite the module in place, and write ``symbols``.

    Raises:
        LeanInstallError: this is not a module of the kind that we know.
    """
    module = memoryview(path.read_bytes())
    try:
        sections = dict(_sections(module))
        exports = list(_exports(_Reader(sections[_EXPORTS])))
        addresses = _data_addresses(_Reader(sections[_GLOBALS]), _imported_globals(_Reader(sections[_IMPORTS])))
        functions = list(dict.fromkeys(export.index for export in exports if export.kind == _FUNCTION))
        tables, first = _longer_table(_Reader(sections[_TABLES]), len(functions))
        replaced = {
            _TABLES: tables,
            _EXPORTS: _kept(exports),
            _ELEMENTS: _more_elements(_Reader(sections[_ELEMENTS]), first, functions),
        }
    except (IndexError, KeyError) as error:
        raise _unknown_module() from error
    places = {function: first + number for number, function in enumerate(functions)}
    symbols.write_bytes(_symbols(exports, places, addresses))
    with path.open("wb") as file:
        file.write(_HEADER)
        for number, content in _sections(module):
            _write_section(file.write, number, replaced.get(number, content))


def _sections(module: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Each section's number and content; custom ones (0) may come several times."""
    reader = _Reader(module)
    if bytes(reader.take(len(_HEADER))) != _HEADER:
        raise _unknown_module()
    while reader.at < len(module):
        number, length = reader.byte(), reader.number()
        content = reader.take(length)
        if len(content) != length:
            raise _unknown_module()
        yield number, content


def _write_section(write: Callable[[bytes | memoryview], object], number: int, content: bytes | memoryview) -> None:
    write(bytes([number]) + _leb(len(content)))
    write(content)


def _exports(reader: _Reader) -> Iterator[_Export]:
    for _ in range(reader.number()):
        yield _Export(reader.name(), reader.byte(), reader.number())


def _imported_globals(reader: _Reader) -> int:
    """How many globals are imported; the module's own are numbered after them."""
    found = 0
    for _ in range(reader.number()):
        reader.name(), reader.name()
        kind = reader.byte()
        found += kind == _GLOBAL
        if kind in (_TABLE, _TAG, _GLOBAL):
            reader.byte()  # a type or an attribute, and one number more or one byte below
        if kind in (_TABLE, _MEMORY):
            _limits(reader)
        else:
            reader.number()
    return found


def _limits(reader: _Reader) -> tuple[int, int, memoryview]:
    """Flags, the minimum, and the bytes of the maximum if there is one."""
    flags, minimum, begin = reader.byte(), reader.number(), reader.at
    if flags & 1:
        reader.number()
    return flags, minimum, reader.data[begin : reader.at]


def _data_addresses(reader: _Reader, imported: int) -> dict[int, int]:
    """The value of each global that is a constant, by its number."""
    values = {}
    for number in range(imported, imported + reader.number()):
        reader.take(2)  # type, mutability
        if reader.byte() != _I32_CONST:
            raise _unknown_module()
        values[number] = reader.number()
        if reader.byte() != _END:
            raise _unknown_module()
    return values


def _longer_table(reader: _Reader, more: int) -> tuple[bytes, int]:
    """The table section with a table that is longer, and how long it was."""
    if reader.number() != 1 or reader.byte() != _FUNCREF:
        raise _unknown_module()
    flags, length, maximum = _limits(reader)
    if maximum or reader.rest():
        raise _unknown_module()
    return bytes([1, _FUNCREF, flags]) + _leb(length + more), length


def _more_elements(reader: _Reader, first: int, functions: Iterable[int]) -> bytes:
    """The element section with a segment more: ``functions``, in the table's places from ``first`` on."""
    count = reader.number()
    indices = [_leb(function) for function in functions]
    offset = bytes([_I32_CONST]) + _leb(first, _SIGNED_END) + bytes([_END])
    return _leb(count + 1) + bytes(reader.rest()) + _leb(0) + offset + _leb(len(indices)) + b"".join(indices)


def _kept(exports: Iterable[_Export]) -> bytes:
    kept = [export for export in exports if not export.name.startswith(_NOT_FOR_THE_SCRIPT)]
    rows = (_leb(len(each.name)) + each.name + bytes([each.kind]) + _leb(each.index) for each in kept)
    return _leb(len(kept)) + b"".join(rows)


def _symbols(exports: Iterable[_Export], places: dict[int, int], addresses: dict[int, int]) -> bytes:
    rows = []
    for export in exports:
        values = {_FUNCTION: places, _GLOBAL: addresses}.get(export.kind, {})
        if export.index in values:
            rows.append((hashlib.sha256(export.name).digest()[:_HASH_BYTES], values[export.index]))
    rows.sort()
    hashes = b"".join(digest for digest, _ in rows)
    return struct.pack("<I", len(rows)) + hashes + struct.pack(f"<{len(rows)}I", *(value for _, value in rows))


def _leb(number: int, largest_end: int = 0x7F) -> bytes:
    """``number``, which is not negative, as a LEB128 whose last byte is at most ``largest_end``."""
    result = bytearray()
    while number > largest_end:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*result, number])


def _unknown_module() -> LeanInstallError:
    return LeanInstallError(
        "the package's lean.wasm is not the build that leanebm knows how to start. "
        "This should not happen with the pinned package: please report it."
    )
