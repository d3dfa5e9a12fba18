"""What the REPL relies on in Leans that are not the embedded one, as far as that can be tried here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded import EmbeddedLean
from leanebm.lean.embedded._prepared_folder import compile_module
from leanebm.lean.embedded.embedded_lean import REPL_SOURCES

from .conftest import Repl

_HERE = Path(__file__).parent
_REPL = (REPL_SOURCES / "Repl.lean").read_text(encoding="utf-8")


def _compile(lean: EmbeddedLean, source: Path, out: Path) -> None:
    compile_module(lean.node, lean.runtime, source, out, REPL_SOURCES)


def _compile_text(lean: EmbeddedLean, text: str, out: Path) -> None:
    source = out.with_suffix(".lean")
    source.write_text(text)
    _compile(lean, source, out)


@pytest.fixture(scope="module")
def folder(embedded_lean: EmbeddedLean, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled REPL, and beside it a module with an initializer."""
    folder = tmp_path_factory.mktemp("with_initializers").resolve()
    for compiled in embedded_lean.repl.glob("*.olean"):
        shutil.copy(compiled, folder)
    _compile(embedded_lean, _HERE / "with_initializers.lean", folder / "WithInitializers.olean")
    return folder


@pytest.fixture
def repl_over_initializers(embedded_lean: EmbeddedLean, folder: Path) -> Iterator[Any]:
    repl = Repl(attrs.evolve(embedded_lean, repl=folder).worker_command(("Init", "WithInitializers")))
    yield repl
    repl.process.kill()
    repl.close()


@pytest.mark.lean
def test_a_module_with_initializers_is_imported_and_they_run(repl_over_initializers: Any, repl: Any) -> None:
    goal = "0 + 1 = 1"
    tactic = "simp only [leanebm_rules, Nat.zero_add]"
    assert repl_over_initializers.banner == b"ready.\n"
    state = repl_over_initializers.start(goal)
    assert repl_over_initializers.tactic(state, tactic)["goals"] == []
    unknown = repl.tactic(repl.start(goal), tactic)
    assert "leanebm_rules" in str(unknown["messages"])


def _definition(name: str) -> str:
    """The text of a definition of the REPL."""
    found = re.search(rf"^def {re.escape(name)} .*?(?=\n\n)", _REPL, re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found[0]


_NEWER = """\
import Lean
open Lean
public section

/- Signatures as newer versions of Lean have them. -/
structure NewerOptions where
  options : Options

def NewerOptions.find? (o : NewerOptions) (name : Name) : Option DataValue := o.options.find name

structure NewerEnvironment where
  env : Environment

def NewerEnvironment.find? (e : NewerEnvironment) (n : Name) : Option ConstantInfo := e.env.find? n

def NewerEnvironment.addDeclCore (e : NewerEnvironment) (_maxHeartbeats _maxRecDepth : USize) (decl : Declaration)
    (cancelTk? : Option IO.CancelToken) : Except Kernel.Exception NewerEnvironment :=
  match e.env.addDeclCore 0 decl cancelTk? with
  | .ok env => .ok ⟨env⟩
  | .error x => .error x

"""


_RUN = """

def proofOf (name type value : Name) : Declaration :=
  .thmDecl { name, levelParams := [], type := .const type [], value := .const value [] }

def isThere (env : NewerEnvironment) (name : Name) : Bool := (foundByKernel? env name).isSome

def isAdded (env : NewerEnvironment) (d : Declaration) (name : Name) : Bool :=
  match addChecked env d with
  | .ok added => isThere added name && !isThere env name
  | .error _ => false

def areSound (options : NewerOptions) (env : NewerEnvironment) : Bool :=
  match addChecked env (.axiomDecl { name := `P, levelParams := [], type := .sort .zero, isUnsafe := false }) with
  | .error _ => false
  | .ok env =>
    match addChecked env (.axiomDecl { name := `p, levelParams := [], type := .const `P [], isUnsafe := false }) with
    | .error _ => false
    | .ok env =>
      isAdded env (proofOf `right `P `p) `right && !isAdded env (proofOf `wrong `P `P) `wrong
        && (match foundSetting options `maxHeartbeats with
          | some (.ofNat n) => n == 7
          | _ => false)
        && (foundSetting options `pp.all).isNone

initialize ran : Bool ← do
  let env ← mkEmptyEnvironment
  if !areSound ⟨Options.empty.setNat `maxHeartbeats 7⟩ ⟨env⟩ then throw (IO.userError "a shim does something else")
  return true
"""

_SHIMS = {
    "addChecked": (r"\bEnvironment\b", "NewerEnvironment", "0 0"),
    "foundByKernel?": (r"\bEnvironment\b", "NewerEnvironment", "exact env.find?"),
    "foundSetting": (r"\bOptions\b", "NewerOptions", "find?"),
}
"""What has another form in newer versions, how it is called in the stub, and what only the newer branch has."""


def test_every_shim_is_tried() -> None:
    assert _REPL.count("\n  first\n") == len(_SHIMS)


@pytest.mark.lean
def test_each_shim_runs_with_the_newer_signature(embedded_lean: EmbeddedLean, folder: Path) -> None:
    shims = {name: _definition(name) for name in _SHIMS}
    assert all(shim.count("| exact") == 2 for shim in shims.values())
    newer = {name: re.sub(old, new, shims[name]) for name, (old, new, _) in _SHIMS.items()}
    _compile_text(embedded_lean, _NEWER + "\n\n".join(newer.values()) + _RUN, folder / "Newer.olean")
    repl = Repl(attrs.evolve(embedded_lean, repl=folder).worker_command(("Init", "Newer")))
    assert repl.banner == b"ready.\n"
    repl.process.kill()
    repl.close()
    older = (line for name, text in newer.items() for line in text.splitlines() if _SHIMS[name][2] not in line)
    with pytest.raises(LeanInstallError) as refused:
        _compile_text(embedded_lean, _NEWER + "\n".join(older), folder / "Older.olean")
    assert len(set(re.findall(r"Older\.lean:(\d+):\d+: error", str(refused.value)))) >= len(_SHIMS)
