from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.lean.embedded._prepared_folder import MANIFEST_NAME, is_complete, record_content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"alpha")
    (tmp_path / "inner" / "b").write_bytes(b"beta")
    record_content(tmp_path)
    return tmp_path


def test_an_untouched_folder_is_complete_and_its_record_does_not_list_itself(folder: Path) -> None:
    assert is_complete(folder)
    record_content(folder)
    assert is_complete(folder)


def test_missing_and_longer_files_are_damage(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "a").unlink()
    (folder / "inner" / "b").write_bytes(b"beta and more")
    assert not is_complete(folder)
    assert "a is missing; inner/b has 13 bytes, not 4" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": []}', '{"files": {"a": {}}}', '{"files": {"a": 1}}', "\xff"]
)
def test_anything_else_is_no_record_of_a_folder(folder: Path, text: str) -> None:
    (folder / MANIFEST_NAME).write_text(text, encoding="latin-1")
    assert not is_complete(folder)
