from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Theorem
from leanebm.errors import ConfigError
from leanebm.lean import LeanPoolConfig, assemble, lean_file
from leanebm.pipeline import certify_files, read_proof_file


def write(tmp_path: Path, text: str, name: str = "proof.lean") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "theorem",
    [
        Theorem(name="two", statement="1 + 1 = 2"),
        Theorem(name="comm", statement="∀ a b : Nat, a + b = b + a", header="open Nat\nuniverse u"),
        Theorem(name="Nat_add_comm", copy_from="Nat.add_comm"),
    ],
)
@pytest.mark.parametrize("tactics", [["rfl"], ["intro a b", "induction a with\n| zero => simp\n| succ n ih => omega"]])
def test_a_file_that_we_wrote_comes_apart_and_goes_together_again(
    tmp_path: Path, theorem: Theorem, tactics: list[str]
) -> None:
    statement = "∀ n m, n + m = m + n" if theorem.copy_from else None
    text = lean_file(("Init", "Std"), assemble(theorem, tactics, statement))
    file = read_proof_file(write(tmp_path, text))
    assert file.imports == ("Init", "Std")
    assert file.theorem == theorem
    assert lean_file(file.imports, assemble(file.theorem, [file.proof], statement)) == text


def test_imports_default_to_init(tmp_path: Path) -> None:
    assert read_proof_file(write(tmp_path, "theorem t : True := by\n  trivial\n")).imports == ("Init",)


@pytest.mark.parametrize(
    "text", ["", "theorem t : True := trivial", "def x := 1", "theorem t (n : Nat) : n = n := by\n  rfl"]
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="not a proof file"):
        read_proof_file(write(tmp_path, text))


async def test_all_bad_files_are_told_at_once(tmp_path: Path) -> None:
    bad = [write(tmp_path, "def x := 1", f"{name}.lean") for name in "ab"]
    with pytest.raises(ConfigError) as caught:
        await certify_files([*bad, tmp_path / "missing.lean"], LeanPoolConfig.embedded())
    assert len(caught.value.problems) == 3


@given(st.text())
def test_no_text_is_a_surprise(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("proof") / "proof.lean"
    path.write_bytes(text.encode(errors="replace"))
    try:
        file = read_proof_file(path)
    except ConfigError:
        return
    assert file.theorem.name
