from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import ConfigError
from leanebm.pipeline.fill.lean_file import Edit, LeanFile, edited_source, shifted

_TEXT = "-- é\nimport Init.Data -- why\nimport Std\n\n/-- ∀ -/\ntheorem α : 1 = 1 := sorry\n"


def _read(folder: Path, content: bytes) -> LeanFile:
    path = folder / "a.lean"
    path.write_bytes(content)
    return LeanFile.read(path)


def _place(file: LeanFile, text: str) -> int:
    return file.source.encode().index(text.encode())


def test_imports_become_blanks_and_lines_and_columns_stay(tmp_path: Path) -> None:
    file = _read(tmp_path, _TEXT.encode())
    assert file.imports == ("Init.Data", "Std")
    assert "import" not in file.source
    assert len(file.source.encode()) == len(_TEXT.encode())
    assert file.place(_place(file, "sorry")) == (6, 22)


def test_a_file_without_imports_has_lean_s_own_library(tmp_path: Path) -> None:
    file = _read(tmp_path, b"theorem a : True := sorry")
    assert file.imports == ("Init",)
    assert file.source == "theorem a : True := sorry"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_byte_but_the_change_stays(tmp_path: Path, mark: bytes, newline: str) -> None:
    content = mark + _TEXT.replace("\n", newline).encode()
    file = _read(tmp_path, content)
    start = _place(file, "sorry")
    edited = file.edited([Edit(start, start + 5, "by\n  rfl")])
    assert edited == content.replace(b"sorry", f"by{newline}  rfl".encode())


def test_a_file_with_both_kinds_of_line_ends_keeps_them(tmp_path: Path) -> None:
    content = b"-- a\r\n-- b\n-- c\r\nx sorry\r\ny\n"
    file = _read(tmp_path, content)
    start = _place(file, "sorry")
    assert file.edited([Edit(start, start + 5, "1\n2")]) == b"-- a\r\n-- b\n-- c\r\nx 1\r\n2\r\ny\n"


def test_changes_are_made_in_the_order_of_the_text(tmp_path: Path) -> None:
    file = _read(tmp_path, b"a sorry b sorry c")
    assert file.edited([Edit(10, 15, "2"), Edit(2, 7, "1")]) == b"a 1 b 2 c"


def test_no_change_is_no_change(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfimport Std\r\n\r\n-- x\n"
    assert _read(tmp_path, content).edited([]) == content


@pytest.mark.parametrize(
    ("text", "imports"),
    [
        ("/- import A -/ import B\nimport C", ("B", "C")),
        ("import A\ntheorem x : True := by trivial\nimport B", ("A",)),
        ("import «a-b».C\n", ("«a-b».C",)),
    ],
)
def test_the_first_commands_import(tmp_path: Path, text: str, imports: tuple[str, ...]) -> None:
    assert _read(tmp_path, text.encode()).imports == imports


@pytest.mark.parametrize("text", ["/-! doc -/\nimport A\n", "open Nat\nimport A\n", "import A B\n"])
def test_what_is_no_import_is_left_for_lean_to_refuse(tmp_path: Path, text: str) -> None:
    file = _read(tmp_path, text.encode())
    assert (file.imports, file.source) == (("Init",), text)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"import ../x\n", b"import --A=7\n", b"import " + b"a" * 201])
def test_what_is_no_lean_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"a\.lean"):
        _read(tmp_path, content)


_LEMMAS = "theorem a : 1 = 1 := sorry\n\nlemma b : 1 = 1 := rfl\n@[simp] lemma c : 1 = 1 := rfl\n"


def test_a_lemma_is_refused_where_nothing_imported_may_know_the_word(tmp_path: Path) -> None:
    for imports in ("", "import Init\n", "import Std.Data\nimport Lean\n"):
        first = imports.count("\n") + 3
        with pytest.raises(ConfigError, match=rf"write `theorem` \(lines {first}, {first + 1}\)"):
            _read(tmp_path, (imports + _LEMMAS).encode())
    for imports in ("import Mathlib.Order\n", "import Init\nimport Mine\n"):
        assert _read(tmp_path, (imports + _LEMMAS).encode()).source.endswith(_LEMMAS)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder"):
        LeanFile.read(tmp_path)


@given(
    text=st.text(st.sampled_from("aé∀\n "), max_size=30),
    cuts=st.lists(st.integers(0, 30), min_size=2, max_size=2),
    new=st.text(st.sampled_from("xλ\n"), max_size=5),
)
def test_a_change_moves_what_follows_it(text: str, cuts: list[int], new: str) -> None:
    first, last = sorted(min(cut, len(text)) for cut in cuts)
    start, stop = (len(text[:cut].encode()) for cut in (first, last))
    edits = [Edit(start, stop, new)]
    edited = edited_source(text, edits)
    assert edited == text[:first] + new + text[last:]
    rest = text[last:].encode()
    assert edited.encode()[shifted(stop, edits) :] == rest
