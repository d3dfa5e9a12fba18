from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Certificate, Theorem
from leanebm.pipeline import record_path
from leanebm.pipeline.run_folder import RunFolder, _file_stem, write_proof, write_text


def certificate(name: str) -> Certificate:
    return Certificate(
        theorem=Theorem(name=name, statement="True"),
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


def test_a_proof_is_written_under_its_theorems_name(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).write_proof(certificate("Nat.add_comm'"))
    assert path == tmp_path / "proofs" / "Nat.add_comm'.lean"
    assert path.read_text() == "theorem t : True := by\n  trivial\n"


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", ".hidden", "nul\0", "ä" * 300, "∀ x, x = x"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    path = write_proof(certificate(name), tmp_path / "proofs")
    assert path.parent == tmp_path / "proofs"
    assert set((tmp_path / "proofs").iterdir()) == {path, record_path(path)}
    assert not path.name.startswith(".")


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_names_never_share_a_file(one: str, other: str) -> None:
    assert (_file_stem(one) == _file_stem(other)) == (one == other)


def test_a_long_name_never_shares_a_file_with_what_it_is_cut_to() -> None:
    cut = _file_stem("a" * 300)
    assert _file_stem(cut) != cut


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_trajectory_is_found_by_its_runs_folder_and_by_itself(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.trajectory.mkdir()
    assert RunFolder.trajectory_in(tmp_path) == folder.trajectory
    assert RunFolder.trajectory_in(folder.trajectory) == folder.trajectory
