"""Files in the shapes that data sets are published in; those under ``shapes`` were made by us."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leanebm.core import Theorem, theorem_text
from leanebm.data import FileReading, read_theorem_file, read_theorems, write_theorems
from leanebm.errors import ConfigError

_SHAPES = Path(__file__).with_name("shapes")

_OPENS = "open BigOperators Real Nat Topology Rat"


def statements(name: str, **reading: Any) -> dict[str, str | None]:
    return {theorem.name: theorem.statement for theorem in read_theorems(_SHAPES / name, FileReading(**reading))}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "minif2f.jsonl",
            {
                "add_two_ne_zero": "(n : Nat) : n + 2 ≠ 0",
                "square_of_three": "(x : ℝ) (h₀ : x = 3) : x^2 = 9",
                "even_or_odd": "(n : Nat) : n % 2 = 0 ∨ n % 2 = 1",
            },
        ),
        (
            "minif2f.parquet",
            {"add_two_ne_zero": "(n : Nat) : n + 2 ≠ 0", "even_or_odd": "(n : Nat) : n % 2 = 0 ∨ n % 2 = 1"},
        ),
        (
            "proofnet.jsonl",
            {
                "Author_exercise_1_2a": "(x : ℝ) (hx : Irrational x) : Irrational (x + 1)",
                "Author_exercise_1_2b": "{α : Type _} (p : α → Prop) : (¬ ∃ x, p x) ↔ ∀ x, ¬ p x",
            },
        ),
        ("putnam.json", {"made_up_b1": "(n : Nat) : doubled n = 2 * n"}),
        (
            "mobench.jsonl",
            {
                "Made-Up-1_a": "(a b : ℕ) (h : a ≤ b) : ∑ i ∈ Finset.range a, i ≤ ∑ i ∈ Finset.range b, i",
                "Made-Up-1_b": "(a b : Nat) (h : Step a b) : a < b",
            },
        ),
        (
            "workbook.json",
            {
                "claim_row_1": "(a b : Nat) (h : a > b) : b < a",
                "claim_row_2": "(a b c : Nat) (h : a > b) : b + c < a + c",
            },
        ),
        ("minictx.jsonl", {"price_succ": "(n : Nat) : price (n + 1) = price n + 3"}),
        ("hub.csv", {"with_comma": "(n : Nat) (h : n = 1) : n + n = 2", "second": "(p q : Prop) : p ∧ q → q"}),
        ("by_split.json", {"one": "1 = 1", "two": "2 = 2"}),
        ("by_name.json", {"one": "1 = 1", "two": "2 = 2"}),
        ("by_column.json", {"one": "1 = 1", "two": "2 = 2"}),
        ("viewer.json", {"one": "1 = 1", "two": "2 = 2"}),
        (
            "contexts.lean",
            {
                "Tree.leaves_pos": "(t : Tree) : 0 < t.leaves",
                "Tree.leaves_node": "(l r : Tree) : (node l r).leaves = l.leaves + r.leaves",
                "succ_twice": "succ (succ n) = n + 2",
                "line_40": "(h : n = 0) : n * n = 0",
            },
        ),
        (
            "programs.lean",
            {
                "Stack.pop_push": "(a : α) : (s.push a).pop? = some (a, s)",
                "area_scaled": "(n k : Nat) : Shape.area (n ⊙ k) = k * k * Shape.area n",
                "keep": "(hp : p) (hq : q) : (q ∧ p) ∧ q",
                "line_68": "[Decidable p] : (if p then 1 else 2) ≤ 2",
                "even_or_odd": "(n : Nat) : isEven n || isOdd n",
                "three_lt_chosen": "(h : ∃ n : Nat, 3 < n) : 3 < chosen h",
                "pop_empty": "(empty : Stack Nat).pop? = none",
                "Steps.le": "∀ {m n : Nat}, (m ⟶ n) → m ≤ n",
            },
        ),
    ],
)
def test_every_published_shape_gives_its_statements_by_name(name: str, expected: dict[str, str]) -> None:
    assert statements(name) == expected


def test_a_column_of_headers_becomes_headers_and_imports_are_counted() -> None:
    found = read_theorem_file(_SHAPES / "minif2f.jsonl")
    assert [theorem.header for theorem in found.theorems] == [
        f"set_option maxHeartbeats 400000\n{_OPENS}",
        f"set_option maxHeartbeats 400000\n{_OPENS}",
        "open Nat",
    ]
    assert found.imports == {"Mathlib": 2, "Aesop": 2}


def test_what_stands_before_a_theorem_in_its_column_is_its_context() -> None:
    _, second = read_theorems(_SHAPES / "mobench.jsonl")
    assert second.context == "inductive Step : Nat → Nat → Prop\n  | one (n : Nat) : Step n (n + 1)"
    (priced,) = read_theorems(_SHAPES / "minictx.jsonl")
    assert priced.context.startswith("namespace Shop\n")
    assert "theorem price_zero : price 0 = 0 := rfl" in priced.context


def test_what_was_recognised_is_told_with_what_was_left_aside_and_the_splits() -> None:
    assert read_theorem_file(_SHAPES / "minif2f.jsonl").recognised == (
        "statement from 'formal_statement', name from 'name', header from 'header', split from 'split'; left aside: "
        "'informal_prefix', 'goal'; splits: 2 'test', 1 'valid'"
    )


def test_a_theorem_of_a_definition_without_value_is_left_out_and_told_of() -> None:
    found = read_theorem_file(_SHAPES / "putnam.json")
    assert [theorem.name for theorem in found.theorems] == ["made_up_b1"]
    (refused,) = found.refused
    assert refused == (
        f"'made_up_a1_solution' is left as sorry: a definition needs its value @ {_SHAPES / 'putnam.json'}:row 1"
    )
    with pytest.raises(ConfigError, match="holds no theorem that can be stated") as caught:
        read_theorems(_SHAPES / "putnam.lean")
    assert caught.value.problems == (
        f"'made_up_a1_solution' is left as sorry: a definition needs its value @ {_SHAPES / 'putnam.lean'}:10",
    )


def test_a_split_is_chosen_by_its_name() -> None:
    assert list(statements("minif2f.jsonl", split="valid")) == ["add_two_ne_zero"]
    assert list(statements("minif2f.parquet", split="test")) == ["even_or_odd"]
    assert list(statements("by_split.json", split="test")) == ["two"]
    with pytest.raises(ConfigError, match=r"it has no split 'tset'; splits: 2 'test', 1 'valid'"):
        statements("minif2f.jsonl", split="tset")
    with pytest.raises(ConfigError, match="none of its columns is known to hold splits"):
        statements("proofnet.jsonl", split="test")
    with pytest.raises(ConfigError, match="it is not a table"):
        statements("contexts.lean", split="test")


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_split_is_chosen_by_its_number(tmp_path: Path, suffix: str) -> None:
    rows = [{"name": f"t{number}", "formal_statement": "p", "split": number % 2} for number in range(4)]
    rows.append({"name": "none", "formal_statement": "p", "split": None})
    path = table(tmp_path / "numbered.jsonl", *rows)
    if suffix == "parquet":
        path = tmp_path / "numbered.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
    assert [theorem.name for theorem in read_theorems(path, FileReading(split="0"))] == ["t0", "t2"]
    for absent in ("2", "None"):
        with pytest.raises(ConfigError, match=rf"it has no split '{absent}'; splits: 2 '0', 2 '1', 1 None$"):
            read_theorems(path, FileReading(split=absent))


# --- Lean ---------------------------------------------------------------------------------------


def test_a_lean_theorem_has_what_stands_before_it_as_context_but_nothing_unproved() -> None:
    positive, node, twice, last = read_theorems(_SHAPES / "contexts.lean")
    assert positive.context.startswith("/-! Theorems that need")
    assert positive.context.endswith(":= rfl\n\n-- theorem not_this_one : False := sorry")
    assert node.context == positive.context
    assert twice.context.endswith("end Tree\n\nsection\n\nvariable (n : Nat)\n\nopen Nat")
    assert last.context.endswith("section\n\nvariable (n : Nat)")
    assert "sorry" not in twice.context.replace("-- theorem not_this_one : False := sorry", "")


def lean_file(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "some.lean"
    path.write_text("\n".join(lines))
    return path


def test_what_is_proved_by_a_sorry_is_no_context_and_nor_is_what_nothing_can_need(tmp_path: Path) -> None:
    path = lean_file(
        tmp_path,
        "namespace A",
        "theorem left (n : Nat) : n = n := sorry",
        "theorem by_left : 1 = 1 := A.left 1",
        "theorem by_both : 1 = 1 := by_left.trans (left 1)",
        "theorem by_its_field : 1 = 1 := (A.left 1).trans (by_both.symm)",
        "theorem honest : 1 = 1 := rfl  -- not by left",
        "example : 2 = 2 := rfl",
        "#check honest",
        "theorem wanted : 3 = 3 := by sorry",
    )
    _, wanted = read_theorems(path)
    assert wanted.context == "namespace A\n\ntheorem honest : 1 = 1 := rfl  -- not by left"


def test_a_theorem_in_a_mutual_block_is_refused_and_those_after_it_are_not(tmp_path: Path) -> None:
    path = lean_file(
        tmp_path,
        "mutual",
        "theorem a : ∀ n : Nat, n = n",
        "  | 0 => rfl",
        "  | n + 1 => sorry",
        "theorem b : 1 = 1 := by sorry",
        "end",
        "lemma proved : 2 = 2 := rfl",
        "lemma by_clauses : ∀ n : Nat, n + 0 = n",
        "  | 0 => rfl",
        "  | n + 1 => sorry",
    )
    found = read_theorem_file(path)
    assert [problem.partition(" in ")[0] for problem in found.refused] == ["'a' stands", "'b' stands"]
    assert found.theorems == (
        Theorem(name="by_clauses", statement="∀ n : Nat, n + 0 = n", context="theorem proved : 2 = 2 := rfl"),
    )


def test_what_needs_a_definition_without_value_is_refused_and_nothing_else(tmp_path: Path) -> None:
    path = lean_file(
        tmp_path,
        "namespace A",
        "def base : Nat := sorry",
        "def double : Nat := 2 * base",
        "def free : Nat := 3",
        "theorem on_base : baseline 1 = A.base := sorry",
        "theorem on_double : 0 < double := sorry",
        "end A",
        "theorem on_free (baseline : Nat) : A.free = baseline := sorry",
        "instance : Inhabited Bool := sorry",
        "theorem afterwards : 1 = 1 := sorry",
    )
    found = read_theorem_file(path)
    assert [(theorem.name, theorem.context) for theorem in found.theorems] == [
        ("on_free", "namespace A\n\ndef free : Nat := 3\n\nend A")
    ]
    told = "is left as sorry: a definition needs its value"
    assert found.refused == tuple(
        f"{name!r} {told} @ {path}:{line}" for name, line in [("A.base", 5), ("A.double", 6), ("instance", 10)]
    )


def test_a_context_that_would_be_too_long_has_only_the_theorems_that_definitions_need(tmp_path: Path) -> None:
    path = lean_file(
        tmp_path,
        "def two : Nat := 2",
        "theorem base : 0 < two := by decide",
        "theorem needed : 0 < two := base",
        *(f"theorem lemma_{number} : {number} + two = {number} + two := rfl" for number in range(1000)),
        "def three : Nat := two + (if needed.le then 1 else 0)",
        "theorem wanted : three = 3 := sorry",
    )
    found = read_theorem_file(path)
    assert found.recognised == (
        "1 theorems that hold a sorry, 1002 that are proved; 1 without the proved theorems before them, "
        "with which their context would be too long"
    )
    (wanted,) = found.theorems
    assert wanted.context.split("\n\n") == [
        "def two : Nat := 2",
        "theorem base : 0 < two := by decide",
        "theorem needed : 0 < two := base",
        "def three : Nat := two + (if needed.le then 1 else 0)",
    ]


def test_a_lean_file_in_which_everything_is_proved_holds_nothing_to_prove(tmp_path: Path) -> None:
    path = tmp_path / "done.LEAN"
    path.write_text("theorem done : 1 = 1 := rfl\n")
    with pytest.raises(ConfigError, match="has no theorem with a `sorry` in it, and so nothing to prove"):
        read_theorems(path)


def test_windows_line_ends_a_byte_order_mark_and_nested_comments_are_no_part_of_lean(tmp_path: Path) -> None:
    path = tmp_path / "windows.lean"
    path.write_bytes(
        b"\xef\xbb\xbf/- one /- two -/ theorem no : False := sorry -/\r\nlemma yes :\r\n  1 = 1 := by sorry\r\n"
    )
    assert [(theorem.name, theorem.statement) for theorem in read_theorems(path)] == [("yes", "1 = 1")]


def test_names_in_lean_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "names.lean"
    path.write_text(
        "namespace A\ntheorem t : 1 = 1 := sorry\nsection B\ntheorem u : 1 = 1 := sorry\nend B\nend A\n"
        "theorem t : 2 = 2 := sorry\nexample : 3 = 3 := sorry\nexample : 4 = 4 := sorry\n"
    )
    assert [theorem.name for theorem in read_theorems(path)] == ["A.t", "A.u", "t", "line_8", "line_9"]


def test_a_thousand_theorems_are_read_in_one_go(tmp_path: Path) -> None:
    path = tmp_path / "many.lean"
    lemmas = "".join(f"theorem l{n} : {n} = {n} := rfl\n" for n in range(300))
    path.write_text(lemmas + "".join(f"theorem t{n} : {n} + 0 = {n} := by\n  sorry\n" for n in range(1000)))
    theorems = read_theorems(path)
    assert len(theorems) == 1000
    assert len({theorem.context for theorem in theorems}) == 1


def test_what_stands_before_many_theorems_is_not_read_again_for_each_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More definitions than a cache of texts would hold.
    definitions = [f"def d{number} : Nat := {number}" for number in range(1100)]
    path = lean_file(
        tmp_path, *definitions, *(f"theorem t{number} : d{number} = {number} := sorry" for number in range(60))
    )
    read: Counter[str] = Counter()
    tokens = theorem_text.lean_tokens

    def counted(text: str) -> Iterator[theorem_text.LeanToken]:
        read[text] += 1
        return tokens(text)

    monkeypatch.setattr(theorem_text, "lean_tokens", counted)
    assert len(read_theorems(path)) == 60
    # Without its comments, for its marks and for its names.
    assert 1 <= max(read[definition] for definition in definitions) <= 3


# --- columns ------------------------------------------------------------------------------------


def table(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_columns_are_named_where_guessing_fails(tmp_path: Path) -> None:
    path = table(tmp_path / "odd.jsonl", {"key": "a b", "lean": "theorem x : 1 = 1 := by sorry", "pre": "open Nat"})
    with pytest.raises(ConfigError, match=r"hold statements: 'key', 'lean', 'pre'\. Name the one .* --field"):
        read_theorems(path)
    reading = FileReading(fields={"statement": "lean", "name": "key", "header": "pre"})
    assert read_theorems(path, reading) == (Theorem(name="a_b", statement="1 = 1", header="open Nat"),)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"statement": "laen"}, "it has no column 'laen' (--field statement), but 'lean'"),
        ({"statment": "lean"}, "--field knows statement, name, header, context, split, not 'statment'"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, fields: dict[str, str], complaint: str
) -> None:
    path = table(tmp_path / "odd.jsonl", {"lean": "1 = 1"})
    with pytest.raises(ConfigError) as caught:
        read_theorems(path, FileReading(fields=fields))
    assert complaint in str(caught.value)


def test_our_own_columns_with_others_beside_them_are_read_once_they_are_named(tmp_path: Path) -> None:
    path = table(tmp_path / "own.jsonl", {"name": "t", "statement": "1 = 1", "informal": "One.", "split": "test"})
    with pytest.raises(ConfigError, match="unknown key 'informal'"):
        read_theorems(path)
    reading = FileReading(fields={"name": "name"}, split="test")
    assert read_theorems(path, reading) == (Theorem(name="t", statement="1 = 1"),)


def test_a_misspelt_key_of_ours_is_refused_in_every_format(tmp_path: Path) -> None:
    row = {"name": "t", "statement": "1 = 1", "headr": "open Nat"}
    as_json = tmp_path / "own.json"
    as_json.write_text(json.dumps([row]))
    as_csv = tmp_path / "own.csv"
    as_csv.write_text("name,statement,headr\nt,1 = 1,open Nat\n")
    as_parquet = tmp_path / "own.parquet"
    pq.write_table(pa.Table.from_pylist([row]), as_parquet)
    for path in (table(tmp_path / "own.jsonl", row), as_json, as_csv, as_parquet):
        with pytest.raises(ConfigError) as caught:
            read_theorems(path)
        (problem,) = caught.value.problems
        assert problem.startswith("unknown key 'headr' (did you mean 'header'?) @ ")


def test_our_own_form_is_read_in_every_format_and_letter_case(tmp_path: Path) -> None:
    row = {"name": "t", "statement": "1 = 1", "header": "open Nat"}
    expected = (Theorem(**row),)
    for name in ("a.jsonl", "b.NDJSON", "c.Json"):
        assert read_theorems(table(tmp_path / name, row)) == expected
    for name, text in (("d.JSON", json.dumps([row], indent=2)), ("e.json", json.dumps(row, indent=2))):
        (tmp_path / name).write_text(text)
        assert read_theorems(tmp_path / name) == expected
    (tmp_path / "f.CSV").write_text("name,statement,header\nt,1 = 1,open Nat\n")
    (tmp_path / "g.tsv").write_text("name\tstatement\theader\nt\t1 = 1\topen Nat\n")
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "h.Parquet")
    for name in ("f.CSV", "g.tsv", "h.Parquet"):
        assert read_theorems(tmp_path / name) == expected


def test_the_format_outweighs_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "set.txt"
    path.write_text(json.dumps([{"name": "t", "formal_statement": "1 = 1"}]))
    assert read_theorems(path, FileReading(format="json")) == (Theorem(name="t", statement="1 = 1"),)
    with pytest.raises(ValueError, match="excel"):
        FileReading(format="excel")


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ('["1 = 1", "2 = 2"]', "--format json"),
        ('[{"name": "t", "formal_statement": "1 = 1"}]', "--format json"),
        ('[\n  {"name": "t",\n   "statement": "1 = 1"}\n]', "--format json"),
        ('{\n "t": "1 = 1"\n}', "--format json"),
        ('{"name": "t", "statement": "1 = 1"}\n', "--format jsonl"),
        ("name,statement\nt,1 = 1\n", "--format csv"),
        ("problem_name\tformal_statement\nt\t1 = 1\n", "--format csv"),
        ("import Mathlib\n\ntheorem t : 1 = 1 := by sorry\n", "--format lean"),
        ("theorem t :\n    1 = 1 := by\n  sorry\n", "--format lean"),
        ("theorem t : 1 = 1 :=\nsorry\n", "--format lean"),
        ("def two := 2\n", "--format lean"),
        ("# Theorems\n\n```lean\ntheorem t : 1 = 1 := by sorry\n```\n", "it looks like Markdown"),
    ],
)
def test_another_format_under_a_name_of_text_is_told_apart(tmp_path: Path, content: str, advice: str) -> None:
    path = tmp_path / "set.txt"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_theorems(path)
    assert advice in str(caught.value)


def test_lists_of_lean_and_whole_theorems_are_statements_in_text(tmp_path: Path) -> None:
    path = tmp_path / "set.txt"
    path.write_text("[1, 2] = [1] ++ [2]\ntheorem mine (n : Nat) : n = n := by sorry\nexample : 1 = 1\n")
    assert [theorem.statement for theorem in read_theorems(path)] == [
        "[1, 2] = [1] ++ [2]",
        "(n : Nat) : n = n",
        "1 = 1",
    ]


# --- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.jsonl", b"\x1f\x8b\x08\x00", "compressed (gzip)"),
        ("a.csv", b"PK\x03\x04", "archive or a spreadsheet"),
        ("a.txt", b"\xff\xfeT\x00", "UTF-16"),
        ("a.json", b"PAR1\x00", "Parquet file"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.parquet", b"PAR1 and no more", "damaged, or not a Parquet file"),
        ("a.json", b"[" * 10_000, "not JSON"),
        ("a.json", b"[" * 10_000 + b"]" * 10_000, "not JSON"),
        ("a.json", b"17", "neither a JSON array nor a JSON object"),
        ("a.json", b"[1, 2]", "something other than objects"),
        ("a.json", b'["\xff"]', "byte 3, in line 1, is not UTF-8"),
        ("a.lean", b"theorem t : True := sorry\n\xe9", "byte 27, in line 2, is not UTF-8"),
        ("a.csv", b"name,name\n1,2\n", "named twice"),
        ("a.csv", b'name,formal_statement\nt,"1 = 1\n', "not CSV"),
        ("a.csv", b"name,formal_statement\nt," + b"x" * (2**20 + 1), "field larger than field limit"),
        ("a.json", b"[]", "no theorem"),
        ("a.json", b"{}", "'name' is missing"),
        ("a.json", b"", "not JSON"),
        ("a.csv", b"", "no theorem"),
        ("a.lean", b"", "no theorem"),
        ("a.jsonl", b'{"formal_statement": 17}\n', "'formal_statement' should be a text, not 17"),
        ("a.jsonl", b'{"name": "t", "formal_statement": null}\n', "'formal_statement' is empty"),
        ("a.jsonl", b'{"name": "t", "formal_statement": " "}\n', "'formal_statement' is empty"),
        ("a.jsonl", b'{"formal_statement": "theorem t : 1 = 1 \\u0000 := by sorry"}\n', r"holds '\x00'"),
        (
            "a.jsonl",
            b'{"formal_statement": "theorem a : 1 = 1 := sorry theorem b : 2 = 2 := sorry"}\n',
            "more than one",
        ),
        ("a.jsonl", b'{"formal_statement": "' + b"x" * 200_000 + b'"}\n', "too long for Lean: 200000 characters"),
        ("a.jsonl", b'{"formal_statement": "' + b"x" * 10_000_000 + b'"}\n', "longer than 1048576 bytes"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_theorems(path)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet", "lean", "txt"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pipe.{suffix}"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="it is a pipe"):
        read_theorems(path)


def test_columns_of_odd_types_are_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    columns = {
        "id": pa.array([7, 8]),
        "formal_statement": pa.array(["1 = 1", "2 = 2"]).dictionary_encode(),
        "tags": pa.array([["a"], None]),
        "score": pa.array([1.5, None]),
        "blob": pa.array([b"\xff", b""]),
    }
    pq.write_table(pa.table(columns), path)
    found = read_theorem_file(path)
    assert [(theorem.name, theorem.statement) for theorem in found.theorems] == [("7", "1 = 1"), ("8", "2 = 2")]


def test_parquet_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.parquet"
    pq.write_table(pa.table([["1 = 1"], ["2 = 2"]], names=["formal_statement", "formal_statement"]), path)
    with pytest.raises(ConfigError, match="a column is named twice"):
        read_theorem_file(path)


def test_one_bad_row_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("name,formal_statement\na,theorem a : 1 = 1 := sorry\nb,def b := 3\nc,3 = 3,surplus\nd,4 = 4\n")
    found = read_theorem_file(path)
    assert [theorem.name for theorem in found.theorems] == ["a", "d"]
    assert [problem.rsplit(":", 1)[1] for problem in found.refused] == ["row 2", "row 3"]


def test_equal_names_are_told_apart_by_their_rows(tmp_path: Path) -> None:
    rows = [{"name": "t", "formal_statement": f"{n} = {n}"} for n in range(3)]
    assert [theorem.name for theorem in read_theorems(table(tmp_path / "set.jsonl", *rows))] == [
        "t_row_1",
        "t_row_2",
        "t_row_3",
    ]


def test_a_published_set_is_written_in_our_own_form(tmp_path: Path) -> None:
    for shape in sorted(_SHAPES.glob("*.*")):
        if shape.name != "putnam.lean":
            theorems = read_theorems(shape)
            write_theorems(tmp_path / "own.jsonl", theorems)
            assert read_theorems(tmp_path / "own.jsonl") == theorems
