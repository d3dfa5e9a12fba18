from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Certificate, CertificationRejected, Theorem
from leanebm.errors import ConfigError
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.lean.certifier import assemble, lean_file
from leanebm.lean.embedded import EmbeddedLean
from leanebm.pipeline import CertificateRecord, CertificationRun, record_path, write_proof
from leanebm.pipeline.certification_run import read_proof_file
from leanebm.testing.fake_worker import fake_worker_argv


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
    assert lean_file(file.imports, file.body) == text
    assert lean_file(file.imports, assemble(file.theorem, [file.proof], statement)) == text


def test_a_statement_may_hold_proofs_and_comments(tmp_path: Path) -> None:
    statement = "(let x : Nat := by exact 1; x = 1) ∧ (have : True := by trivial; True) -- two of them"
    text = lean_file(("Init",), assemble(Theorem(name="t", statement=statement), ["exact ⟨rfl, trivial⟩"]))
    file = read_proof_file(write(tmp_path, text))
    assert file.theorem.statement == statement
    assert file.proof.strip() == "exact ⟨rfl, trivial⟩"


def test_the_body_is_the_text_after_the_imports_to_the_letter(tmp_path: Path) -> None:
    body = "-- a\u2028comment\nopen Nat\n\n/- theorem no : -/\ntheorem t : True := by\n\n  trivial\n\n-- the end"
    file = read_proof_file(write(tmp_path, f"-- mine\n\nimport Init\nimport  Std\n\n{body}"))
    assert file.imports == ("Init", "Std")
    assert file.body == body
    assert (file.declaration, file.theorem.name) == ("t", "t")


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
        await CertificationRun(LeanPoolConfig.embedded(), [*bad, tmp_path / "missing.lean"]).run()
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


async def test_files_are_certified_in_their_order(tmp_path: Path) -> None:
    config = LeanPoolConfig(backend=CommandBackend(argv=fake_worker_argv()))
    texts = {
        "good": "import Init\n\ntheorem leanebm_good : P := by\n  step\n  done\n",
        "bad": "import Init\n\ntheorem leanebm_bad : P := by\n  step\n",
        "std": "import Std\n\ntheorem leanebm_std : P := by\n  done\n",
    }
    paths = [write(tmp_path, text, f"{name}.lean") for name, text in texts.items()]
    good, bad, std = await CertificationRun(config, paths).run()
    assert isinstance(good, Certificate)
    assert isinstance(std, Certificate)
    assert isinstance(bad, CertificationRejected)
    assert (good.source, std.source) == (texts["good"], texts["std"])
    assert std.imports == ("Std",)
    assert bad.reason == "elaboration"


@pytest.mark.lean
async def test_real_lean_accepts_a_proof_and_refuses_what_only_looks_like_one(
    tmp_path: Path, embedded_lean: EmbeddedLean
) -> None:
    assert embedded_lean.node.is_file()
    proofs = ["rfl", "sorry"]
    paths = [
        write(tmp_path, f"theorem t : 2 + 2 = 4 := by\n  {proof}\n", f"{number}.lean")
        for number, proof in enumerate(proofs)
    ]
    good, cheat = await CertificationRun(LeanPoolConfig.embedded(), paths).run()
    assert isinstance(good, Certificate)
    assert isinstance(cheat, CertificationRejected)


def recorded(tmp_path: Path, **change: Any) -> Path:
    """A proof file for the fake Lean with its record, which differs from the truth by ``change``."""
    theorem = Theorem(name="t", statement="P")
    certificate = Certificate(
        theorem=theorem,
        source=lean_file(("Init",), assemble(theorem, ["step", "done"])),
        tactics=("step", "done"),
        statement="P",
        fingerprint="f00d",
        axioms=("propext",),
        constants=("True",),
        lean_version="4.0.0-fake",
        backend="command",
        imports=("Init",),
    )
    path = write_proof(certificate, tmp_path)
    record = attrs.evolve(CertificateRecord.of(certificate), **change)
    record_path(path).write_text(record.to_json(), encoding="utf-8")
    return path


FAKE_LEAN = LeanPoolConfig(backend=CommandBackend(argv=fake_worker_argv()))


async def test_a_file_that_is_as_recorded_is_certified(tmp_path: Path) -> None:
    (result,) = await CertificationRun(FAKE_LEAN, [recorded(tmp_path)]).run()
    assert isinstance(result, Certificate)
    assert result.source_sha256 == hashlib.sha256((tmp_path / "t.lean").read_bytes()).hexdigest()


async def test_a_file_that_was_changed_is_rejected_before_lean_sees_it(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    path.write_text(path.read_text() + "\n")
    no_lean = LeanPoolConfig(backend=CommandBackend(argv=("/no/such/lean",)))
    (result,) = await CertificationRun(no_lean, [path]).run()
    assert isinstance(result, CertificationRejected)
    assert (result.reason, result.source) == ("record", path.read_text())


@pytest.mark.parametrize("change", [{"fingerprint": "beef"}, {"imports": ("Std",)}])
async def test_a_file_that_states_something_else_is_rejected(tmp_path: Path, change: dict[str, Any]) -> None:
    (result,) = await CertificationRun(FAKE_LEAN, [recorded(tmp_path, **change)]).run()
    assert isinstance(result, CertificationRejected)
    assert result.reason == "record"


async def test_a_damaged_record_is_told_with_the_damaged_files(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    record_path(path).write_text("{}")
    bad = write(tmp_path, "def x := 1", "bad.lean")
    with pytest.raises(ConfigError) as caught:
        await CertificationRun(FAKE_LEAN, [path, bad]).run()
    assert any("certificate.json" in problem or "required" in problem for problem in caught.value.problems)
    assert any("bad.lean" in problem for problem in caught.value.problems)


def test_a_file_of_many_small_proofs_in_one_bracket_is_read_in_one_pass(tmp_path: Path) -> None:
    # Counting brackets anew for each of them would take minutes.
    path = write(tmp_path, "theorem t : (" + "a := by b; " * 60_000)
    with pytest.raises(ConfigError, match="not a proof file"):
        read_proof_file(path)
