from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded._lean_wasm import SYMBOLS_NAME, rewrite_lean_wasm
from leanebm.lean.embedded.embedded_lean import REPL_SOURCES
from leanebm.lean.embedded.node import find_node

from .conftest import LEAN_WASM

ASK = """
const { address } = require('./symbols.js');
const compiled = new WebAssembly.Module(require('fs').readFileSync('lean.wasm'));
const imports = { env: { f: () => 0, m: new WebAssembly.Memory({ initial: 0 }) } };
imports['GOT.func'] = { g: new WebAssembly.Global({ value: 'i32', mutable: true }, 0) };
const lean = new WebAssembly.Instance(compiled, imports).exports;
const called = (name) => lean.table.get(address(name))();
console.log(JSON.stringify({
  exported: Object.keys(lean), own: lean.table.get(1)(),
  called: ['malloc', 'l_Lean_unused', 'l_Lean_again', 'initialize_Init'].map(called),
  data: address('l_Lean_data'), absent: ['', 'l_Lean', 'env'].map(address),
}));
"""


def rewritten(folder: Path, module: bytes = LEAN_WASM) -> Path:
    path = folder / "lean.wasm"
    path.write_bytes(module)
    rewrite_lean_wasm(path, folder / SYMBOLS_NAME)
    return path


@pytest.mark.lean
def test_node_finds_every_name_and_only_the_scripts_own_are_exported(tmp_path: Path) -> None:
    rewritten(tmp_path)
    shutil.copy(REPL_SOURCES / "symbols.js", tmp_path)
    (tmp_path / "ask.js").write_text(ASK)
    answer = subprocess.run([find_node().executable, "ask.js"], cwd=tmp_path, capture_output=True, check=False)
    assert answer.stderr == b""
    assert json.loads(answer.stdout) == {
        "exported": ["malloc", "table"],
        "own": 11,
        "called": [11, 12, 12, 13],
        "data": 1296,
        "absent": [0, 0, 0],
    }


def test_all_else_stays_as_it_was(tmp_path: Path) -> None:
    after = rewritten(tmp_path).read_bytes()
    before_the_table, _, _ = LEAN_WASM.partition(b"\x04\x04\x01\x70")
    code = LEAN_WASM[-18:]
    assert after.startswith(before_the_table)
    assert after.endswith(code)


@pytest.mark.parametrize("cut", [4, 60, len(LEAN_WASM) - 1])
def test_a_module_that_was_cut_is_refused(tmp_path: Path, cut: int) -> None:
    with pytest.raises(LeanInstallError, match=r"lean\.wasm is not the build"):
        rewritten(tmp_path, LEAN_WASM[:cut])
    assert not (tmp_path / SYMBOLS_NAME).exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\x01\x70\x00\x02", b"\x01\x70\x01\x02"),  # a table that has a maximum, which is missing
        (b"\x41\x90\x0a\x0b", b"\x23\x90\x0a\x0b"),  # a global whose value is another's
    ],
)
def test_a_module_of_another_kind_is_refused(tmp_path: Path, before: bytes, after: bytes) -> None:
    assert LEAN_WASM.count(before) == 1
    with pytest.raises(LeanInstallError, match=r"lean\.wasm is not the build"):
        rewritten(tmp_path, LEAN_WASM.replace(before, after))
