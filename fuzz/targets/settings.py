"""Files that a person writes, or sends on: settings, proofs, and the records of proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from fuzz.target import Finding, Target, refusals, scratch_folder
from leanebm.core import Certificate, Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import CertificateRecord, read_run_config, record_path
from leanebm.pipeline.certification_run import read_proof_file
from leanebm.pipeline.settings import to_toml

__all__ = ["TARGETS", "fuzz_certificate_record", "fuzz_proof_file", "fuzz_settings"]


def fuzz_settings(data: bytes) -> None:
    """A settings file: a config that can be written down and read back, or mistakes with their places."""
    path = scratch_folder() / "settings.toml"
    path.write_bytes(data)
    with refusals(ConfigError, naming=str(path)):
        config = read_run_config(path)
        path.write_text(to_toml(config), encoding="utf-8")
        if read_run_config(path) != config:
            raise Finding(f"settings that do not come back equal: {config!r:.500}")


def fuzz_proof_file(data: bytes) -> None:
    """A ``.lean`` file of unknown origin: taken apart, or refused by its name."""
    path = scratch_folder() / "proof.lean"
    path.write_bytes(data)
    with refusals(ConfigError, naming=str(path)):
        proof = read_proof_file(path)
        text = data.decode().replace("\r\n", "\n")
        if proof.body not in text or proof.proof not in text or proof.declaration not in text:
            raise Finding(f"the file holds no such thing: {proof!r:.500}")


def fuzz_certificate_record(data: bytes) -> None:
    """The record beside a proof file: read, or refused by its name and the key."""
    proof = scratch_folder() / "recorded.lean"
    record_path(proof).write_bytes(data)
    with refusals(ConfigError, naming=str(record_path(proof))):
        record = CertificateRecord.read(proof)
        if record is None or CertificateRecord.read(_rewritten(proof, record)) != record:
            raise Finding(f"a record that does not come back equal: {record!r:.500}")
        if record.objection_to(data) is None and hashlib.sha256(data).hexdigest() != record.source_sha256:
            raise Finding("no objection to another file")


def _rewritten(proof: Path, record: CertificateRecord) -> Path:
    record_path(proof).write_text(record.to_json(), encoding="utf-8")
    return proof


def _settings_seeds() -> Sequence[bytes]:
    text = """concurrency = 4
without = ["grind"]
scorer = {kind = "length_normalised", alpha = 0.5}
[search]
candidates_per_state = 8
[search.budget]
max_expansions = 600
max_wall_s = "none"
[energy]
beta = 0.5
[lean]
backend = "embedded"
num_workers = 2
imports = ["Init"]
[policy]
url = "http://127.0.0.1:30000"
temperature = 1.0
[policy.encoder]
backend = "auto"
"""
    config = read_run_config()
    return [text.encode(), to_toml(config).encode()]


def _proof_seeds() -> Sequence[bytes]:
    return [
        "import Init\n\n-- a comment\nopen Nat\nuniverse u\n\ntheorem leanebm_a (h : 1 = 1) : ∀ n : Nat, n = n"
        " := by\n  intro n\n  rfl\n".encode(),
        b"import Init\nimport Mathlib\ntheorem leanebm_b : type_of% @Nat.add_comm := by\n  exact Nat.add_comm\n",
        "theorem t : (have : 1 = 1 := by rfl; ⟨1, [2]⟩ = x) := by simp\r\n".encode(),
    ]


def _record_seeds() -> Sequence[bytes]:
    certificate = Certificate(
        theorem=Theorem(name="a", statement="∀ n : Nat, n = n", header="open Nat"),
        source="theorem a : ∀ n : Nat, n = n := by\n  intro n\n  rfl\n",
        tactics=("intro n", "rfl"),
        statement="∀ (n : Nat), n = n",
        fingerprint="f00d",
        axioms=("propext",),
        constants=("Eq", "Nat"),
        lean_version="4.28.0",
        backend="native",
        imports=("Init",),
    )
    return [CertificateRecord.of(certificate).to_json().encode()]


TARGETS = (
    Target(
        fuzz_settings,
        _settings_seeds,
        ('"none"', "inf", "nan", "1979-05-27", "[[", "]]", "[lean.backend]", 'kind = "native"', '"auto"', '"""', "''"),
    ),
    Target(
        fuzz_proof_file, _proof_seeds, ("import ", "theorem ", " := by", "type_of% @", "⟨", "(", "\r\n", "--", " : ")
    ),
    Target(fuzz_certificate_record, _record_seeds, ('"theorem"', '"format"', '"axioms"', '"none"')),
)
