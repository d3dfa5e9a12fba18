from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import Certificate, Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import CertificateRecord, EnergySources, record_path
from leanebm.pipeline.run_folder import (
    RunFolder,
    as_paths,
    proof_files,
    refuse_others_results,
    write_proof,
    write_text,
)


def certificate(name: str) -> Certificate:
    return Certificate(
        theorem=Theorem(name=name, statement="True", header="open Nat", context="def x := 1\n\nvariable (h : x = 1)"),
        source="theorem t : True := by\n  trivial\n",
        tactics=("trivial",),
        statement="True",
        fingerprint="0",
        axioms=(),
        constants=(),
        lean_version="4",
        backend="toy",
        imports=("Init",),
    )


def test_one_path_and_several_are_taken_alike() -> None:
    assert as_paths("runs/a") == as_paths(Path("runs/a")) == as_paths(["runs/a"]) == (Path("runs/a"),)
    assert as_paths(("a", Path("b"))) == (Path("a"), Path("b"))
    assert EnergySources(trajectories="runs/a") == EnergySources(trajectories=["runs/a"])


def test_a_proof_is_written_under_its_theorems_name(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).write_proof(certificate("add_comm'"))
    assert path == tmp_path / "proofs" / "add_comm'.lean"
    assert path.read_text() == "theorem t : True := by\n  trivial\n"


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", ".hidden", "nul\0", "ä" * 300, "∀ x, x = x"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    path = write_proof(certificate(name), tmp_path / "proofs")
    assert path.parent == tmp_path / "proofs"
    assert set((tmp_path / "proofs").iterdir()) == {path, record_path(path)}
    assert not path.name.startswith(".")


RESULTS = {
    "search": "trajectory/part-000000.parquet",
    "search of a worker": "trajectory/worker/part-000000.parquet",
    "generate-negatives": "groups/part-000000.parquet",
    "eval or tune": "arms/with/trajectory/part-000000.parquet",
    "iterate": "baseline/validation/arms",
}


@pytest.mark.parametrize("held", RESULTS)
def test_a_folder_with_another_commands_results_is_refused(tmp_path: Path, held: str) -> None:
    (tmp_path / RESULTS[held]).mkdir(parents=True)
    command = held.removesuffix(" of a worker")
    refuse_others_results(tmp_path, command)
    refuse_others_results(tmp_path / "new", command)
    for own in ("search", "generate-negatives", "eval or tune", "iterate"):
        if own != command:
            with pytest.raises(
                ConfigError, match=f"holds results of leanebm {command}\n.*choose another folder @ --output"
            ):
                refuse_others_results(tmp_path, own)


def test_a_folder_with_other_things_of_such_names_is_not_refused(tmp_path: Path) -> None:
    for name in ("trajectory", "groups/people", "arms/left", "baseline"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "manifest.json").touch()
    for own in ("search", "generate-negatives", "eval or tune", "iterate"):
        refuse_others_results(tmp_path, own)


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


_CERTIFICATE = Certificate(
    theorem=Theorem(name="a/b", statement="∀ n : Nat, n = n", header="open Nat"),
    source="import Init\n\nopen Nat\n\ntheorem leanebm_a_b : ∀ n : Nat, n = n := by\n  intro n\n  rfl\n",
    tactics=("intro n", "rfl"),
    statement="∀ (n : Nat), n = n",
    fingerprint="f00d",
    axioms=(),
    constants=("Eq", "Nat"),
    trusted_constants=("Eq",),
    lean_version="4.28.0",
    backend="embedded",
    imports=("Init",),
)

_RECORD = CertificateRecord.of(_CERTIFICATE)


def test_a_proof_is_written_with_its_record(tmp_path: Path) -> None:
    path = write_proof(_CERTIFICATE, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, record_path(path).name}
    assert CertificateRecord.read(path) == _RECORD
    assert _RECORD.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert _RECORD.objection_to(path.read_bytes()) is None


def test_a_record_says_all_that_is_needed_to_repeat_the_check() -> None:
    told = json.loads(_RECORD.to_json())
    assert told["theorem"] == attrs.asdict(_CERTIFICATE.theorem)
    assert told["leanebm_version"] == _CERTIFICATE.leanebm_version
    for name in ("statement", "fingerprint", "lean_version", "backend", "source_sha256"):
        assert told[name] == getattr(_CERTIFICATE, name)
    for name in ("axioms", "constants", "trusted_constants", "imports"):
        assert told[name] == list(getattr(_CERTIFICATE, name))


def test_every_changed_byte_is_noticed() -> None:
    content = _CERTIFICATE.source.encode()
    for position in range(len(content)):
        changed = bytes([*content[:position], content[position] ^ 1, *content[position + 1 :]])
        objection = _RECORD.objection_to(changed)
        assert objection is not None
        assert hashlib.sha256(changed).hexdigest() in objection


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"statement": "printed otherwise", "constants": (), "lean_version": "4.30.0", "backend": "native"}, []),
        ({"fingerprint": "beef", "statement": "False"}, ["it states 'False'", "its statement: 'False'"]),
        ({"axioms": ("Evil",), "constants": ("Evil",)}, ["its axioms: ('Evil',)", "its constants: ('Evil',)"]),
        ({"imports": ("Init", "Evil")}, ["it imports Init, Evil"]),
        ({"fingerprint": "text.beef"}, []),  # of the text's words, by a backend that cannot do better
    ],
)
def test_what_a_recheck_found_otherwise_is_told(change: dict[str, Any], told: list[str]) -> None:
    differences = list(_RECORD.differences(attrs.evolve(_CERTIFICATE, **change)))
    assert len(differences) == len(told)
    assert all(said.startswith(start) for said, start in zip(differences, told, strict=True))


def test_there_may_be_no_record(tmp_path: Path) -> None:
    assert CertificateRecord.read(tmp_path / "proof.lean") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "\ud800", "[" * 100_000, _RECORD.to_json().replace('"format": 1', '"format": 2')]
)
def test_a_damaged_record_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "proof.lean"
    record_path(path).write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(ConfigError, match=r"proof\.certificate\.json"):
        CertificateRecord.read(path)


def test_half_of_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    told = json.loads(_RECORD.to_json()) | {"lean_version": "\ud800"}
    record_path(tmp_path / "a.lean").write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="lean_version"):
        CertificateRecord.read(tmp_path / "a.lean")


def test_a_folder_stands_for_the_proofs_in_it(tmp_path: Path) -> None:
    proofs = RunFolder(tmp_path).proofs
    proofs.mkdir()
    for name in ("b.lean", "a.lean", "a.certificate.json"):
        (proofs / name).touch()
    both = (proofs / "a.lean", proofs / "b.lean")
    assert proof_files(tmp_path) == proof_files(os.fspath(proofs)) == both
    assert proof_files(proofs / "b.lean") == both[1:]
    assert proof_files(tmp_path / "none.lean") == (tmp_path / "none.lean",)


def test_a_folder_without_proofs_is_told_where_they_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no proof in .*proofs$"):
        proof_files(tmp_path)
