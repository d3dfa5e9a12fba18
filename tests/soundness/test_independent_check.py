"""Certified files, changed by one character: with their record as it was, and with a record made anew."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from chosen_lean import ChosenLean

from leanebm.core import Certificate, CertificationRejected, CertificationResult, Theorem
from leanebm.errors import ConfigError, LeanEbmError
from leanebm.lean import Certifier
from leanebm.pipeline import CertificateRecord, CertificationRun, ProofFileReport, record_path, write_proof
from leanebm.pipeline.certification_run import read_proof_file

from .tally import Tally

pytestmark = [pytest.mark.lean, pytest.mark.usefixtures("our_repl")]

_THEOREM = Theorem(name="t", statement="∀ (a b : Nat), a + b = b + a ∧ a * 1 = a", header="open Nat")
_TACTICS = ["intro a b", "constructor", "· exact Nat.add_comm a b", "· exact Nat.mul_one a"]
_REPLACEMENTS = "0a b∧+()=:\n"
_SAMPLES = 40


@pytest.fixture(scope="module")
async def certificate(certifier: Certifier) -> Certificate:
    result = await certifier.certify(_THEOREM, _TACTICS)
    assert isinstance(result, Certificate)
    return result


def _changed(text: str) -> Iterator[str]:
    """The text with one character replaced, at places drawn from all of it."""
    rng = random.Random("one character")  # noqa: S311 - not a secret
    for position in rng.sample(range(len(text)), _SAMPLES):
        other = rng.choice([c for c in _REPLACEMENTS if c != text[position]])
        yield text[:position] + other + text[position + 1 :]


def _write(folder: Path, number: int, certificate: Certificate, text: str, *, forge: bool) -> Path:
    """A changed proof file beside its record; ``forge`` makes the record's hash fit."""
    path = write_proof(certificate, folder / str(number))
    path.write_text(text, encoding="utf-8")
    if forge:
        record = json.loads(record_path(path).read_text(encoding="utf-8"))
        record["source_sha256"] = hashlib.sha256(text.encode()).hexdigest()
        record_path(path).write_text(json.dumps(record), encoding="utf-8")
    return path


def test_a_changed_character_is_always_noticed_by_the_hash(certificate: Certificate) -> None:
    record = CertificateRecord.of(certificate)
    assert record.objection_to(certificate.source.encode()) is None
    assert all(record.objection_to(text.encode()) for text in _changed(certificate.source))


_OTHER_STATEMENTS = (
    "∀ (a b : Nat), a + b = b + a ∧ a * 1 = b",
    "∀ (a b : Int), a + b = b + a ∧ a * 1 = a",
    "True",
)


@pytest.fixture(scope="module")
async def checked(
    certificate: Certificate, chosen_lean: ChosenLean, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CertificationResult | None]:
    """Texts whose record's hash was made to fit, and what a fresh process says; ``None``: not even of the shape."""
    folder = tmp_path_factory.mktemp("changed")
    assert _THEOREM.statement is not None
    others = [certificate.source.replace(_THEOREM.statement, statement) for statement in _OTHER_STATEMENTS]
    # What is imported is checked by another process, so that changes there are left to the hash.
    changed = [text for text in _changed(certificate.source) if text.startswith("import Init\n")]
    texts = [certificate.source, *others, *changed]
    paths = {text: _write(folder, i, certificate, text, forge=True) for i, text in enumerate(texts)}
    shaped = {text: path for text, path in paths.items() if _is_proof_file(path)}
    results = await CertificationRun(chosen_lean.config(), list(shaped.values())).run()
    return dict.fromkeys(texts) | {text: _verdict(report) for text, report in zip(shaped, results, strict=True)}


def _verdict(report: ProofFileReport) -> CertificationResult:
    assert not isinstance(report.result, LeanEbmError)
    return report.result


def _is_proof_file(path: Path) -> bool:
    try:
        read_proof_file(path)
    except ConfigError:
        return False
    return True


def test_the_unchanged_file_passes(checked: dict[str, CertificationResult | None], certificate: Certificate) -> None:
    result = checked[certificate.source]
    assert isinstance(result, Certificate)
    assert (result.fingerprint, result.statement) == (certificate.fingerprint, certificate.statement)
    assert result.source_sha256 == certificate.source_sha256


def test_a_changed_character_with_a_forged_hash_is_noticed_by_lean(
    checked: dict[str, CertificationResult | None], certificate: Certificate
) -> None:
    """Each fails, or still proves the very same statement: by a space more, or by another proof that is one."""
    certified = [result for result in checked.values() if isinstance(result, Certificate)]
    assert len(certified) < len(checked) // 3
    assert {(result.fingerprint, result.statement) for result in certified} == {
        (certificate.fingerprint, certificate.statement)
    }


@pytest.mark.parametrize("statement", _OTHER_STATEMENTS)
def test_another_statement_does_not_pass_for_the_recorded_one(
    checked: dict[str, CertificationResult | None], certificate: Certificate, statement: str
) -> None:
    assert _THEOREM.statement is not None
    result = checked[certificate.source.replace(_THEOREM.statement, statement)]
    assert isinstance(result, CertificationRejected)
    assert result.reason in {"elaboration", "type_mismatch"}


_FORGED_RECORDS: dict[str, tuple[dict[str, object], str]] = {
    "an easier theorem": ({"theorem": {"name": "t", "statement": "True"}}, "type_mismatch"),
    "a library theorem": ({"theorem": {"name": "t", "copy_from": "Nat.add_comm"}}, "type_mismatch"),
    "no header": ({"theorem": {"name": "t", "statement": "add 1 1 = 2"}}, "elaboration"),
    "another fingerprint": ({"fingerprint": "f00d"}, "record"),
    "a fingerprint of nothing": ({"fingerprint": ""}, "record"),
    "another statement in print": ({"statement": "False"}, "record"),
    "an axiom more": ({"axioms": ["propext"]}, "record"),
    "fewer constants": ({"constants": []}, "record"),
    "nothing taken on trust": ({"trusted_constants": []}, "record"),
    "other imports": ({"imports": ["Std"]}, "record"),
    "the record as it was": ({}, ""),
}


@pytest.fixture(scope="module")
async def judged(
    certificate: Certificate, chosen_lean: ChosenLean, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[str, str]]:
    """What becomes of an honest file under each of these records: the reason, and the one that was expected."""
    folder = tmp_path_factory.mktemp("records")
    paths = []
    for number, (changes, _) in enumerate(_FORGED_RECORDS.values()):
        path = write_proof(certificate, folder / str(number))
        record = json.loads(record_path(path).read_text(encoding="utf-8")) | changes
        record_path(path).write_text(json.dumps(record), encoding="utf-8")
        paths.append(path)
    results = [report.result for report in await CertificationRun(chosen_lean.config(), paths).run()]
    reasons = [result.reason if isinstance(result, CertificationRejected) else "" for result in results]
    return {
        name: (reason, expected) for (name, (_, expected)), reason in zip(_FORGED_RECORDS.items(), reasons, strict=True)
    }


@pytest.mark.parametrize("name", _FORGED_RECORDS)
def test_a_record_that_says_something_else_is_no_record(
    judged: dict[str, tuple[str, str]], name: str, tally: Tally
) -> None:
    reason, expected = judged[name]
    if expected:
        tally.attack(f"record: {name}", reason or None)
    else:
        tally.control(f"record: {name}", is_proved=not reason)
    assert reason == expected


_CONTEXT = """\
def twice (n : Nat) := n + n

variable (m : Nat)

theorem twice_eq : twice m = 2 * m := by
  unfold twice; omega"""
_IN_CONTEXT = Theorem(name="t", statement="(k : Nat) : twice k = k + k", header="open Nat", context=_CONTEXT)

# What is replaced in the file, in the record's theorem, or in both, and what comes of it where the hash fits.
_OTHER_CONTEXTS: dict[str, tuple[tuple[str, str], bool, bool, str]] = {
    "a definition in the file": (("n + n", "2 * n"), True, False, "forbidden"),
    "a definition in the record": (("n + n", "2 * n"), False, True, "forbidden"),
    "a definition in both": (("n + n", "n + n + 0"), True, True, "record"),
    "an axiom in both": (("variable", "axiom wrong : False\n\nvariable"), True, True, "forbidden"),
    "a sorry in both": (("unfold twice; omega", "sorry"), True, True, "sorry"),
    "a lemma less in the file": (
        ("theorem twice_eq : twice m = 2 * m := by\n  unfold twice; omega", ""),
        True,
        False,
        "forbidden",
    ),
    "another lemma in both": (("twice m = 2 * m", "2 * m = twice m"), True, True, ""),
    "a comment in the file": (("variable", "-- a comment\nvariable"), True, False, ""),
    "nothing": (("variable", "variable"), True, True, ""),
}


@pytest.fixture(scope="module")
async def judged_contexts(
    certifier: Certifier, chosen_lean: ChosenLean, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Why each of these is rejected; empty if it is not."""
    certificate = await certifier.certify(_IN_CONTEXT, ["rfl"])
    assert isinstance(certificate, Certificate)
    folder = tmp_path_factory.mktemp("contexts")
    paths = []
    for number, (name, (change, in_file, in_record, _)) in enumerate(_OTHER_CONTEXTS.items()):
        assert name == "nothing" or change[0] in certificate.source
        text = certificate.source.replace(*change) if in_file else certificate.source
        path = _write(folder, number, certificate, text, forge=True)
        if in_record:
            record = json.loads(record_path(path).read_text(encoding="utf-8"))
            record["theorem"]["context"] = record["theorem"]["context"].replace(*change)
            record_path(path).write_text(json.dumps(record), encoding="utf-8")
        paths.append(path)
    results = [_verdict(report) for report in await CertificationRun(chosen_lean.config(), paths).run()]
    reasons = [result.reason if isinstance(result, CertificationRejected) else "" for result in results]
    return dict(zip(_OTHER_CONTEXTS, reasons, strict=True))


@pytest.mark.parametrize("name", _OTHER_CONTEXTS)
def test_another_context_does_not_pass_for_the_recorded_one(
    judged_contexts: dict[str, str], name: str, tally: Tally
) -> None:
    reason, expected = judged_contexts[name], _OTHER_CONTEXTS[name][3]
    if expected:
        tally.attack(f"recorded context: {name}", reason or None)
    else:
        tally.control(f"recorded context: {name}", is_proved=not reason)
    assert reason == expected


async def test_what_only_python_reads_as_a_theorem_is_not_certified(tmp_path: Path, certifier: Certifier) -> None:
    """Python ends a line at U+2028, Lean does not: what we would read as a theorem is a comment to Lean."""
    path = tmp_path / "hidden.lean"
    text = "import Init\n\n-- \u2028theorem t : 1 = 1 := by rfl\ntheorem t : 1 = 2 := by\n  sorry\n"
    path.write_text(text, encoding="utf-8")
    file = read_proof_file(path)
    assert file.theorem.statement == "1 = 2"
    assert isinstance(await certifier.certify_text(file.theorem, file.body, name="t"), CertificationRejected)
