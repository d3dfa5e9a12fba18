from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from fake_worker import fake_worker_argv
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Certificate, CertificationRejected, Theorem
from leanebm.errors import ConfigError, WorkerStartError
from leanebm.lean import Certifier, CommandBackend, LeanPoolConfig
from leanebm.lean.certifier import assemble, lean_file
from leanebm.lean.embedded import EmbeddedLean
from leanebm.pipeline import CertificateRecord, CertificationRun, certification_run, record_path, write_proof
from leanebm.pipeline.certification_run import read_proof_file

FAKE_LEAN = LeanPoolConfig(backend=CommandBackend(argv=fake_worker_argv()))


def write(tmp_path: Path, text: str, name: str = "proof.lean") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "theorem",
    [
        Theorem(name="two", statement="1 + 1 = 2"),
        Theorem(name="comm", statement="∀ a b : Nat, a + b = b + a", header="open Nat\nuniverse u"),
        Theorem(name="Nat_add_comm", copy_from="Nat.add_comm"),
        Theorem(name="pos", statement="(n : Nat) (h : 0 < n) : n ≠ 0", header="set_option maxRecDepth 1000"),
        Theorem(
            name="with_context",
            statement="∀ n, double n = 2 * n",
            header="open Nat",
            context="def double (n : Nat) := n + n\n\n"
            "theorem leanebm_first : ∀ n : Nat, (fun x : Nat => by exact x) n = n := by simp\n\nnamespace Nat",
        ),
    ],
)
@pytest.mark.parametrize("tactics", [["rfl"], ["intro a b", "induction a with\n| zero => simp\n| succ n ih => omega"]])
def test_a_file_that_we_wrote_comes_apart_and_goes_together_again(
    tmp_path: Path, theorem: Theorem, tactics: list[str]
) -> None:
    statement = "∀ n m, n + m = m + n" if theorem.copy_from else None
    apart = ["attribute [-simp, -grind] Nat.add_comm", "attribute [-ext] Nat.«ext»"] if theorem.copy_from else []
    text = lean_file(("Init", "Std"), assemble(theorem, tactics, statement, apart))
    file = read_proof_file(write(tmp_path, text))
    assert file.imports == ("Init", "Std")
    assert file.theorem == theorem
    assert lean_file(file.imports, file.body) == text
    assert lean_file(file.imports, assemble(file.theorem, [file.proof], statement, apart)) == text


def test_what_hides_a_library_theorem_is_a_context_to_any_other(tmp_path: Path) -> None:
    hiding = "attribute [-simp] Nat.add_comm"
    of_library = read_proof_file(write(tmp_path, f"{hiding}\n\ntheorem t : type_of% @Nat.add_comm := by\n  omega\n"))
    assert of_library.theorem == Theorem(name="t", copy_from="Nat.add_comm")
    other = read_proof_file(write(tmp_path, f"{hiding}\n\ntheorem t : 1 = 1 := by\n  rfl\n"))
    assert other.theorem == Theorem(name="t", statement="1 = 1", context=hiding)
    adding = read_proof_file(
        write(tmp_path, "attribute [simp] f\n\ntheorem t : type_of% @Nat.add_comm := by\n  omega\n")
    )
    assert adding.theorem.context == "attribute [simp] f"


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


@pytest.mark.parametrize("text", ["", "theorem t : True := trivial", "def x := 1", "example : True := by\n  trivial"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="not a proof file"):
        read_proof_file(write(tmp_path, text))


NOT_READ: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "it is a pipe, and only regular files are read"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, and only regular files are read"),
    "folder": (Path.mkdir, "it is a folder, and only regular files are read"),
    "missing": (str, "No such file"),
    "large": (lambda path: path.write_bytes(bytes(2**20 + 1)), "and at most 1048576 are read"),
    "binary": (lambda path: path.write_bytes(b"\xff"), "byte 1 is not UTF-8"),
    "other": (lambda path: path.write_text("def x := 1"), "states no theorem"),
    "option": (
        lambda path: path.write_text("import --maxHeartbeats=7\ntheorem t : P := by\n  done\n"),
        "imports what cannot be the name of a module: '--maxHeartbeats=7'",
    ),
    "path": (
        lambda path: path.write_text("import ../Evil\ntheorem t : P := by\n  done\n"),
        "the name of a module: '../Evil'",
    ),
    "nul": (
        lambda path: path.write_bytes("import «a\0b»\ntheorem t : P := by\n  done\n".encode()),
        "imports what cannot be the name of a module",
    ),
    "wide": (
        lambda path: path.write_text(f"import {'é' * 150}\ntheorem t : P := by\n  done\n", encoding="utf-8"),
        "imports what cannot be the name of a module",
    ),
    "long": (
        lambda path: path.write_text(f"import {'A' * 300}\ntheorem t : P := by\n  done\n"),
        "imports what cannot be the name of a module",
    ),
}


async def test_each_bad_file_has_its_own_report_and_stops_no_other(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.lean" for name in NOT_READ]
    for path, (make, _) in zip(paths, NOT_READ.values(), strict=True):
        make(path)
    good = write(tmp_path, "theorem t : P := by\n  done\n", "good.lean")
    *bad, report = await CertificationRun(FAKE_LEAN, [*paths, good]).run()
    assert report.is_certified
    assert [each.path for each in bad] == paths
    for each, (_, message) in zip(bad, NOT_READ.values(), strict=True):
        assert isinstance(each.result, ConfigError)
        assert message in str(each.result)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
async def test_an_odd_record_is_reported_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = recorded(tmp_path)
    record_path(path).unlink()
    make, message = NOT_READ[kind]
    make(record_path(path))
    (report,) = await CertificationRun(FAKE_LEAN, [path]).run()
    assert isinstance(report.result, ConfigError)
    assert message in str(report.result)


async def test_a_file_over_mathlib_has_mathlibs_time_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[LeanPoolConfig] = []

    def spied(config: LeanPoolConfig) -> Certifier:
        seen.append(config)
        return Certifier(config)

    monkeypatch.setattr(certification_run, "Certifier", spied)
    path = write(tmp_path, "import Mathlib\n\ntheorem t : P := by\n  done\n")
    (report,) = await CertificationRun(FAKE_LEAN, [path]).run()
    assert report.is_certified
    assert seen == [LeanPoolConfig(backend=FAKE_LEAN.backend, imports=("Mathlib",))]


async def test_a_lean_that_does_not_start_over_some_imports_is_known_to_check_the_others(tmp_path: Path) -> None:
    script = tmp_path / "lean.py"
    argv = fake_worker_argv()
    script.write_text(
        "import os, sys\nif 'No.Such' in sys.argv: sys.exit('unknown module prefix')\n"
        f"argv = {argv!r}\nos.execv(argv[0], [*argv, *sys.argv[1:]])\n"
    )
    config = LeanPoolConfig(backend=CommandBackend(argv=(sys.executable, str(script))))
    texts = [f"import {module}\n\ntheorem t : P := by\n  done\n" for module in ("No.Such", "Init", "No.Such")]
    paths = [write(tmp_path, text, f"{number}.lean") for number, text in enumerate(texts)]
    unknown, good, again = await CertificationRun(config, paths).run()
    assert good.is_certified
    assert isinstance(unknown.result, WorkerStartError)
    assert "unknown module prefix" in str(unknown.result)
    assert again.result is unknown.result  # it was not started once more


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
    good, bad, std = [report.result for report in await CertificationRun(config, paths).run()]
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
    unknown = write(tmp_path, "import No.Such\ntheorem t : 2 + 2 = 4 := by\n  rfl\n", "unknown.lean")
    paths = [
        write(tmp_path, f"theorem t : 2 + 2 = 4 := by\n  {proof}\n", f"{number}.lean")
        for number, proof in enumerate(proofs)
    ]
    reports = await CertificationRun(LeanPoolConfig.embedded(), [unknown, *paths]).run()
    lost, good, cheat = [report.result for report in reports]
    assert isinstance(lost, ConfigError)
    assert "No.Such" in str(lost)
    assert isinstance(good, Certificate)
    assert isinstance(cheat, CertificationRejected)


@pytest.mark.lean
async def test_real_lean_certifies_each_theorem_of_a_file_that_a_person_wrote(
    tmp_path: Path, embedded_lean: EmbeddedLean
) -> None:
    assert embedded_lean.node.is_file()
    text = (
        "\ufeff/- sorry -/\r\nimport Init\r\n\r\n/-- Twice. -/\r\ndef double (n : Nat) := n + n\r\n"
        "set_option maxHeartbeats 40000 in\r\n/-- sorry -/\r\n@[simp] theorem first : double 1 = 2 := rfl\r\n"
        "theorem second (n : Nat) : double n = 2 * n := by\r\n  unfold double\r\n  omega\r\n"
        "#check second\r\nexample : double 2 = 4 := by simp [second]\r\n"
        "lemma_free : 1 = 1\r\n"
    )
    whole = text.removesuffix("lemma_free : 1 = 1\r\n")
    cheat = whole + "theorem third : double 3 = 7 := by\r\n  sorry\r\n"
    bare = "/-- Documented. -/\ntheorem alone : 2 + 2 = 4 := by\n  rfl\n"
    clauses = "theorem t : ∀ n : Nat, n = n\n  | 0 => by\n    have : 1 = 1 := by rfl\n    rfl\n  | _ + 1 => rfl\n"
    texts = (text, whole, cheat, bare, clauses)
    paths = [write(tmp_path, each, f"{number}.lean") for number, each in enumerate(texts)]
    wrong, good, half, alone, by_clauses = await CertificationRun(LeanPoolConfig.embedded(), paths).run()
    assert isinstance(wrong.result, CertificationRejected)
    assert wrong.result.message.startswith("14:1: ")
    assert [(each.name, each.is_certified) for each in good.theorems] == [
        ("first", True),
        ("second", True),
        ("«example 1»", True),
    ]
    assert good.is_certified
    assert [each.name for each in half.theorems if not each.is_certified] == ["third"]
    assert isinstance(half.result, CertificationRejected)
    assert half.result.reason == "sorry"
    assert alone.is_certified
    assert by_clauses.is_certified


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


async def test_a_file_that_is_as_recorded_is_certified(tmp_path: Path) -> None:
    (report,) = await CertificationRun(FAKE_LEAN, [recorded(tmp_path)]).run()
    assert isinstance(report.result, Certificate)
    assert report.result.source_sha256 == hashlib.sha256((tmp_path / "t.lean").read_bytes()).hexdigest()
    assert (report.record, report.unconfirmed) == (CertificateRecord.read(report.path), ())


async def test_a_file_that_was_changed_is_rejected_before_lean_sees_it(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    path.write_text(path.read_text() + "\n")
    no_lean = LeanPoolConfig(backend=CommandBackend(argv=("/no/such/lean",)))
    (report,) = await CertificationRun(no_lean, [path]).run()
    assert isinstance(report.result, CertificationRejected)
    assert (report.result.reason, report.result.source) == ("record", path.read_text())


@pytest.mark.parametrize(
    "change",
    [{"fingerprint": "beef"}, {"imports": ("Std",)}, {"axioms": ()}, {"constants": ()}, {"statement": "Q"}],
)
async def test_a_file_that_states_something_else_is_rejected(tmp_path: Path, change: dict[str, Any]) -> None:
    (report,) = await CertificationRun(FAKE_LEAN, [recorded(tmp_path, **change)]).run()
    assert isinstance(report.result, CertificationRejected)
    assert report.result.reason == "record"


@pytest.mark.parametrize("other", [{"backend": "native"}, {"lean_version": "4.99.0"}])
async def test_what_is_only_recorded_of_another_lean_is_told_as_unconfirmed(
    tmp_path: Path, other: dict[str, str]
) -> None:
    change: dict[str, Any] = {"axioms": (), "statement": "Q", **other}
    (report,) = await CertificationRun(FAKE_LEAN, [recorded(tmp_path, **change)]).run()
    assert report.is_certified
    [(name, value)] = other.items()
    assert report.unconfirmed == (f"{name.replace('_', ' ')} {value!r}", "statement 'Q'", "axioms ()")


@pytest.mark.parametrize("change", [{"leanebm_version": "9.9"}, {"vouched_for_by": "the Lean that leanebm started"}])
async def test_who_is_said_to_have_decided_is_no_confirmation(tmp_path: Path, change: dict[str, str]) -> None:
    (report,) = await CertificationRun(FAKE_LEAN, [recorded(tmp_path, **change)]).run()
    [(name, value)] = change.items()
    assert report.is_certified
    assert report.unconfirmed == (f"{name.replace('_', ' ')} {value!r}",)


async def test_a_statement_that_is_recorded_by_another_kind_of_fingerprint_is_not_passed_over(tmp_path: Path) -> None:
    change: dict[str, Any] = {"fingerprint": "text.0", "backend": "pantograph"}
    (report,) = await CertificationRun(FAKE_LEAN, [recorded(tmp_path, **change)]).run()
    assert report.unconfirmed == ("backend 'pantograph'", "fingerprint 'text.0'")


async def test_a_damaged_record_stops_no_other_file(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    record_path(path).write_text("{}")
    good = write(tmp_path, "theorem t : P := by\n  done\n", "good.lean")
    damaged, checked = await CertificationRun(FAKE_LEAN, [path, good]).run()
    assert isinstance(damaged.result, ConfigError)
    assert "t.certificate.json" in str(damaged.result)
    assert checked.is_certified


def test_a_file_of_many_small_proofs_in_one_bracket_is_read_in_one_pass(tmp_path: Path) -> None:
    # Counting brackets anew for each of them would take minutes.
    path = write(tmp_path, "theorem t : (" + "a := by b; " * 60_000)
    with pytest.raises(ConfigError, match="not a proof file"):
        read_proof_file(path)
