from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Theorem
from leanebm.core.limits import MAX_CONTEXT_CHARACTERS, MAX_HEADER_CHARACTERS, MAX_TEXT_CHARACTERS, objection_to_theorem
from leanebm.data import (
    BUNDLED_FILE,
    LibraryTheorem,
    bundled_theorems,
    read_theorems,
    write_library_file,
    write_theorems,
)
from leanebm.data._reading import MAX_LINE_BYTES
from leanebm.errors import ConfigError


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_theorems(path)
    return [problem.replace(str(path), path.name) for problem in caught.value.problems]


def text_file(tmp_path: Path, content: str | bytes, name: str = "theorems.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def json_file(tmp_path: Path, *lines: object) -> Path:
    return text_file(tmp_path, "".join(f"{json.dumps(line)}\n" for line in lines), "theorems.jsonl")


# --- lines of text ------------------------------------------------------------------------------


def test_a_line_is_a_statement_named_after_its_number_or_a_library_name(tmp_path: Path) -> None:
    path = text_file(tmp_path, "-- arithmetic\n\n∀ n : Nat, n + 0 = n\n# lists\n@List.append_nil\n  True  \n")
    assert read_theorems(path) == (
        Theorem(name="line_3", statement="∀ n : Nat, n + 0 = n"),
        Theorem(name="List.append_nil", copy_from="List.append_nil"),
        Theorem(name="line_6", statement="True"),
    )


def test_an_array_literal_is_no_comment(tmp_path: Path) -> None:
    (theorem,) = read_theorems(text_file(tmp_path, "#[1, 2].size = 2"))
    assert theorem.statement == "#[1, 2].size = 2"


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_a_statement(tmp_path: Path) -> None:
    first, second = read_theorems(text_file(tmp_path, b"\xef\xbb\xbfTrue\r\n1 = 1\r\n"))
    assert (first.statement, second.statement) == ("True", "1 = 1")


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    assert len(read_theorems(str(text_file(tmp_path, "True")))) == 1


def test_every_bad_line_is_reported_with_its_number(tmp_path: Path) -> None:
    lines = [b"True", b"(1 = 1", b"\xff\xfe", b"1 = 1)", b"x" * (MAX_LINE_BYTES + 1), b"@not a name", b'{"name": "x"}']
    problems = problems_of(text_file(tmp_path, b"\n".join(lines)))
    assert [problem.rsplit(" @ ", 1)[1] for problem in problems] == [f"theorems.txt:{n}" for n in range(2, 8)]
    complaints = ["missing", "UTF-8", "closes nothing", "longer", "library", ".jsonl"]
    assert all(complaint in problem for complaint, problem in zip(complaints, problems, strict=True))


def test_an_over_long_line_does_not_hide_the_lines_after_it(tmp_path: Path) -> None:
    path = text_file(tmp_path, b"x" * (3 * MAX_LINE_BYTES) + b"\nTrue\n)\n")
    assert [problem.rsplit(":", 1)[1] for problem in problems_of(path)] == ["1", "3"]


def test_a_library_name_given_twice_is_reported_with_the_line_of_its_first_use(tmp_path: Path) -> None:
    assert problems_of(text_file(tmp_path, "@Nat.add_comm\nTrue\n@Nat.add_comm\n")) == [
        "the name 'Nat.add_comm' is already used at 1 @ theorems.txt:3"
    ]


@pytest.mark.parametrize("content", ["", "\n\n", "-- only a comment\n"])
def test_a_file_without_a_theorem_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match="holds no theorem"):
        read_theorems(text_file(tmp_path, content))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(ConfigError, match="cannot read"):
            read_theorems(path)


# --- statements ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "∀ (f : Nat → Nat) (x' : Nat), f x' = f x'",
        '"(" ++ ")" = "()" ∧ "a \\" (" = "a \\" ("',
        "'(' ≠ ')' ∧ '\\'' ≠ '\"'",
        "∀ (xs : List Nat) (h : 0 < xs.length), xs[0]'(h) = xs[0]",
        "∀ «odd (name» : Nat, «odd (name» = «odd (name»",
        "let n := 3; n = 3",
        "∀ p : Nat × Nat, (fun ⟨a, b⟩ => a + b) p = p.1 + p.2",
        "open Nat in succ 1 = 2",
        "theorems = theorems",
    ],
)
def test_statements_that_only_look_odd_are_accepted(tmp_path: Path, statement: str) -> None:
    (theorem,) = read_theorems(json_file(tmp_path, {"name": "odd", "statement": statement}))
    assert theorem.statement == statement


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("True\n\naxiom oops : False", "'axiom' begins a command"),
        ("True\r\naxiom oops : False", r"holds '\r'"),
        ("True\u2028axiom oops : False", r"holds '\u2028'"),
        ("True\x0baxiom oops : False", r"holds '\x0b'"),
        ("1 = 1 \u202e", r"holds '\u202e'"),
        ("\ud800 = 1", r"holds '\ud800'"),
        ("1 =\t1", r"holds '\t'"),
        ("True /- and the rest is gone", "comment"),
        ("True -- and the rest is gone", "comment"),
        ('"open = 1', "never closed"),
        ("([1) = ]", "closes nothing"),
        ("⟨1, 2) = x", "closes nothing"),
        ("f (g (x) = 1", "a ) is missing for the ( at column 3, in 'f (g (x) = 1'"),
        ("   ", "empty"),
        ("", "empty"),
        ("x" * (MAX_TEXT_CHARACTERS + 1), "the statement is too long for Lean: 16385 characters"),
    ],
)
def test_statements_that_would_not_stay_in_their_place_are_refused(
    tmp_path: Path, statement: str, complaint: str
) -> None:
    (problem,) = problems_of(json_file(tmp_path, {"name": "bad", "statement": statement}))
    assert complaint in problem


@pytest.mark.parametrize(
    "text", ["theorem foo : True", "True := by", "True := by sorry", "lemma foo : -- so it is\n  True := by\n  sorry"]
)
def test_a_whole_theorem_is_taken_for_what_it_states(tmp_path: Path, text: str) -> None:
    path = json_file(tmp_path, {"name": "mine", "statement": text})
    assert read_theorems(path) == (Theorem(name="mine", statement="True"),)


@pytest.mark.parametrize("excess", [0, 1])
@pytest.mark.parametrize("part", ["statement", "header"])
def test_what_is_read_is_what_lean_is_given(tmp_path: Path, part: str, excess: int) -> None:
    header = "open Nat".ljust(MAX_HEADER_CHARACTERS) + " " * excess
    statement = "x" * (MAX_TEXT_CHARACTERS + excess)
    parts = {"statement": statement} if part == "statement" else {"statement": "True", "header": header}
    refused = objection_to_theorem(Theorem(name="t", **parts)) is not None
    assert refused == bool(excess)
    path = json_file(tmp_path, {"name": "t", **parts})
    assert bool(problems_of(path)) if refused else read_theorems(path) == (Theorem(name="t", **parts),)


CONTEXT = "def two : Nat :=\n  2\n\n-- a comment\nnamespace N"


def test_a_context_is_kept(tmp_path: Path) -> None:
    theorem = Theorem(name="t", statement="(h : 1 < two) : two = 2", header="open Nat", context=CONTEXT)
    write_theorems(tmp_path / "theorems.jsonl", [theorem])
    assert read_theorems(tmp_path / "theorems.jsonl") == (theorem,)


@pytest.mark.parametrize(
    ("context", "complaint"),
    [("x" * (MAX_CONTEXT_CHARACTERS + 1), "context is too long"), ("def f := 1\x00", r"holds '\x00'")],
)
def test_a_context_that_lean_could_not_read_is_refused(tmp_path: Path, context: str, complaint: str) -> None:
    (problem,) = problems_of(json_file(tmp_path, {"name": "t", "statement": "True", "context": context}))
    assert complaint in problem


# --- JSONL --------------------------------------------------------------------------------------


def test_an_object_gives_a_statement_with_a_header_or_a_library_name(tmp_path: Path) -> None:
    header = "open Nat List\nopen scoped Int\nopen Nat (succ_le add_comm')\n\nuniverse u v w₁ u_1\n"
    path = json_file(
        tmp_path,
        {"name": "a-1.b", "statement": "True", "header": header, "meta": {"split": "test"}},
        {"name": "mine", "copy_from": "Nat.add_comm", "statement": None},
    )
    assert read_theorems(path) == (
        Theorem(name="a-1.b", statement="True", header=header),
        Theorem(name="mine", copy_from="Nat.add_comm"),
    )


@pytest.mark.parametrize(
    "header",
    [
        "axiom oops : False",
        "open Nat in",
        "open Nat axiom oops",
        "open Nat namespace Trap",
        "open Nat\naxiom oops : False",
        "open Nat\raxiom oops : False",
        "open Nat\u2028axiom oops : False",
        "open Nat -- comment",
        "open Nat /- comment",
        "open",
        "open Nat (x) namespace Trap",
        "universe",
        "universe u end Trap",
        "universe u section",
        "set_option maxHeartbeats 0 in",
        "set_option pp.all true axiom oops",
        "import Lean",
        "macro_rules | `(True) => `(False)",
        "open Nat\n" * 500,
    ],
)
def test_a_header_opens_namespaces_and_names_universes_and_does_nothing_else(tmp_path: Path, header: str) -> None:
    (problem,) = problems_of(json_file(tmp_path, {"name": "x", "statement": "True", "header": header}))
    assert "header" in problem


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not JSON"),
        ("[" * 50_000, "not JSON"),
        ("1" * 5_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "'name' is missing"),
        ('{"name": "x"}', "exactly one of statement and copy_from"),
        ('{"name": "x", "statement": "True", "copy_from": "Nat.add_comm"}', "exactly one of"),
        ('{"name": "x", "statement": 3}', "'statement' should be a string, not 3"),
        ('{"name": "x", "statement": ["True"]}', "'statement' should be a string"),
        ('{"name": "x", "statement": "True", "statement": "False"}', "given twice"),
        ('{"name": "x", "statement": "True", "headr": "open Nat"}', "unknown key 'headr' (did you mean 'header'?)"),
        ('{"name": "x", "statement": "True", "split": "val"}', "put your own under 'meta'"),
        (
            '{"naem": "x", "statment": 3}',
            "'name' is missing; unknown key 'naem' (did you mean 'name'?); ",
        ),
        ('{"name": " ", "statement": "True"}', "needs a name"),
        ('{"name": "../x", "statement": "True"}', "the name '../x'"),
        (r'{"name": "\ud800", "statement": "True"}', "lone surrogate"),
        ('{"name": "x : False := y\\n", "statement": "True"}', "the name"),
        (f'{{"name": "{"x" * 257}", "statement": "True"}}', "256"),
        ('{"name": "x", "copy_from": "Nat.add_comm; axiom"}', "cannot be the name of a library theorem"),
    ],
)
def test_bad_objects_are_reported(tmp_path: Path, line: str, complaint: str) -> None:
    (problem,) = problems_of(text_file(tmp_path, f"{line}\n", "theorems.jsonl"))
    assert complaint in problem
    assert problem.endswith("@ theorems.jsonl:1")


def test_one_line_may_have_several_problems(tmp_path: Path) -> None:
    first = {"name": "x y", "statement": "(", "header": "axiom"}
    path = json_file(tmp_path, first, {"name": "x y", "statement": "True"})
    assert [problem.rsplit(":", 1)[1] for problem in problems_of(path)] == ["1", "1", "1", "2", "2"]


# --- writing ------------------------------------------------------------------------------------

_names = st.from_regex(r"[a-z][a-zA-Z0-9_']{0,12}(\.[a-z][a-z0-9]{0,4}){0,2}", fullmatch=True)
_statements = st.text(st.characters(categories=["L", "N", "S"], exclude_characters="⟨⟩«»"), min_size=1, max_size=30)
_headers = st.sampled_from(["", "open Nat", "open Nat List\nuniverse u v\n"])
_theorems = st.one_of(
    st.builds(Theorem, name=_names, statement=_statements.map("∀ n, n = z{}".format), header=_headers),  # z: no keyword
    _names.map(lambda name: Theorem(name=name, copy_from=name)),
)


@given(theorems=st.lists(_theorems, min_size=1, max_size=8, unique_by=lambda theorem: theorem.name))
def test_what_was_written_is_read_back_equal(tmp_path_factory: pytest.TempPathFactory, theorems: list[Theorem]) -> None:
    path = tmp_path_factory.mktemp("theorems") / "set.jsonl"
    write_theorems(path, theorems)
    assert read_theorems(path) == tuple(theorems)
    assert [entry.name for entry in path.parent.iterdir()] == ["set.jsonl"]


@given(content=st.binary(max_size=400), suffix=st.sampled_from([".txt", ".jsonl"]))
def test_whatever_a_file_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = text_file(tmp_path_factory.mktemp("any"), content, f"any{suffix}")
    try:
        theorems = read_theorems(path)
    except ConfigError:
        return
    written = path.with_name("again.jsonl")
    write_theorems(written, theorems)
    assert read_theorems(written) == theorems


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text("untouched")
    twice = Theorem(name="twice", statement="True")
    with pytest.raises(ConfigError) as caught:
        write_theorems(path, [twice, Theorem(name="open", statement="("), twice])
    assert [problem.rsplit(" @ ", 1)[1] for problem in caught.value.problems] == ["theorem 2", "theorem 3"]
    assert path.read_text() == "untouched"


def test_nothing_is_written_for_no_theorems_or_under_another_suffix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no theorems"):
        write_theorems(tmp_path / "set.jsonl", [])
    with pytest.raises(ConfigError, match=r"should end in \.jsonl"):
        write_theorems(tmp_path / "set.txt", [Theorem(name="x", statement="True")])
    assert not list(tmp_path.iterdir())


# --- other sources ------------------------------------------------------------------------------


def test_a_parquet_file_gives_library_theorems(tmp_path: Path) -> None:
    item = LibraryTheorem(name="Nat.add_comm", statement="∀ …", module="Init.Data.Nat.Basic", fingerprint="1")
    write_library_file(tmp_path / "library.parquet", [item])
    assert read_theorems(tmp_path / "library.parquet") == (item.theorem,)


def test_the_bundled_file_can_be_given_as_a_theorem_file() -> None:
    assert read_theorems(BUNDLED_FILE) == bundled_theorems()


@pytest.mark.parametrize("suffix", ["txt", "jsonl", "parquet"])
def test_a_pipe_is_not_waited_for_and_a_device_not_read(tmp_path: Path, suffix: str) -> None:
    pipe, device = (tmp_path / f"{name}.{suffix}" for name in ("pipe", "device"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path, kind in ((pipe, "a pipe"), (device, "a device")):
        with pytest.raises(ConfigError, match=f"it is {kind}, and only regular files are read"):
            read_theorems(path)
