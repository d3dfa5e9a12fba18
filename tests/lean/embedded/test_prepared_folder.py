from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.lean.embedded._prepared_folder import MANIFEST_NAME, Manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"alpha")
    (tmp_path / "inner" / "b").write_bytes(b"beta")
    Manifest.of(tmp_path).write(tmp_path)
    return tmp_path


def read(folder: Path) -> Manifest:
    manifest = Manifest.read(folder)
    assert manifest is not None
    return manifest


def test_it_is_read_as_it_was_written_and_does_not_list_itself(folder: Path) -> None:
    assert read(folder) == Manifest.of(folder)
    assert list(read(folder).files) == ["a", "inner/b"]


def test_an_untouched_folder_has_no_damage(folder: Path) -> None:
    assert read(folder).damage(folder, compare_hashes=True) == []


def test_missing_and_longer_files_are_damage(folder: Path) -> None:
    (folder / "a").unlink()
    (folder / "inner" / "b").write_bytes(b"beta and more")
    assert read(folder).damage(folder) == ["a is missing", "inner/b has 13 bytes, not 4"]


def test_a_changed_byte_is_seen_when_hashes_are_compared(folder: Path) -> None:
    (folder / "a").write_bytes(b"alphA")
    assert read(folder).damage(folder) == []
    assert read(folder).damage(folder, compare_hashes=True) == ["a has another content"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": []}', '{"files": {"a": {}}}', '{"files": {"a": 1}}', "\xff"]
)
def test_anything_else_is_no_manifest(folder: Path, text: str) -> None:
    (folder / MANIFEST_NAME).write_text(text, encoding="latin-1")
    assert Manifest.read(folder) is None
