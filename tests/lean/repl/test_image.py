"""Workers that read Lean's memory from the image that was written when the REPL was compiled, instead of making it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from leanebm.lean.embedded import EmbeddedLean

from .conftest import Repl, Reply

pytestmark = pytest.mark.lean


@pytest.fixture
def without_image(embedded_lean: EmbeddedLean, tmp_path: Path) -> EmbeddedLean:
    folder = tmp_path.resolve() / "repl"
    folder.mkdir()
    shutil.copy(embedded_lean.repl / "ReplProgram.olean", folder)
    return attrs.evolve(embedded_lean, repl=folder)


def _dialogue(repl: Repl) -> Iterator[Reply]:
    """A bit of everything; compiling the recursive definition starts the first thread."""
    yield repl("env.describe")
    yield repl("env.module_read", module="Init.Core")
    context = "def double : Nat → Nat\n  | 0 => 0\n  | n + 1 => double n + 2"
    statement = "∀ (n : Nat), double n = n + n"
    yield repl("goal.start", expr=statement, context=context, goals=True)
    for state, tactic in enumerate(("intro n", "induction n", "simp only [double]", "grind [double]")):
        yield repl.tactic(state, tactic)
    yield repl.tactic(0, "repeat skip")
    for proof in ("intro n; induction n <;> grind [double]", "sorry", "exact double"):
        source = f"{context}\n\ntheorem t : {statement} := by\n  {proof}\n"
        yield repl("proof.certify", source=source, name="t", expr=statement, context=context)


def test_they_answer_as_those_that_start_from_nothing(embedded_lean: EmbeddedLean, without_image: EmbeddedLean) -> None:
    assert (embedded_lean.repl / "Init.image").is_file()
    said = []
    for lean in (embedded_lean, without_image):
        repl = Repl(lean.worker_command())
        said.append(list(_dialogue(repl)))
        assert repl.close() == 0
    assert [sorted(reply) for reply in said[0][-3:]] == [["certificate"], ["rejected"], ["rejected"]]
    assert said[0] == said[1]


def test_an_image_that_is_cut_off_is_named(without_image: EmbeddedLean, embedded_lean: EmbeddedLean) -> None:
    with (embedded_lean.repl / "Init.image").open("rb") as file:
        (without_image.repl / "Init.image").write_bytes(file.read(2**20))
    command = without_image.worker_command()
    shown = subprocess.run(command.argv, env=dict(command.env), cwd=command.cwd, capture_output=True, check=False)
    assert (shown.returncode, shown.stdout) == (1, b"")
    assert b"Init.image cannot be used (it ends too early): remove its folder, and it is prepared anew" in shown.stderr
