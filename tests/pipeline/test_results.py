from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from leanebm.core import Candidate, Theorem
from leanebm.data import proofs_of, read_tactic_pairs
from leanebm.errors import ConfigError
from leanebm.pipeline import Results, ResultTable, RunConfig, SearchRun, certified_proofs, columns_of, results
from leanebm.pipeline.result_table import schema_of
from leanebm.policy import PROMPT_FORMATS
from leanebm.testing import LOST, TIMEOUT, ScriptedPolicy, ToyWorld
from leanebm.trajectory import read_trajectory

Numbers = Callable[..., tuple[Theorem, ...]]
ToyBench = Callable[..., Any]

SETS = {
    ResultTable.COMPLETION: {"prompt", "completion"},
    ResultTable.CHAT: {"messages"},
    ResultTable.PREFERENCES: {"prompt", "chosen", "rejected"},
    ResultTable.CHAT_PREFERENCES: {"prompt", "chosen", "rejected"},
}


@pytest.fixture
async def run(tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench) -> Path:
    """Numbers that are proved, one that is lost on the way, and tactics of every fate."""
    moves: Any = world.moves
    moves["a"] = {"go": LOST}
    moves["8"]["stall"] = TIMEOUT
    theorems = [*numbers(5, 8, 31), Theorem(name="lost", statement="a")]
    await SearchRun(config, theorems, tmp_path / "run", opening=toy_bench(world)).run()
    return tmp_path / "run"


@pytest.mark.parametrize("table", list(ResultTable))
async def test_every_table_has_the_columns_that_are_documented(run: Path, table: ResultTable) -> None:
    found = Results(run).arrow(table)
    assert found.num_rows
    assert found.schema.equals(schema_of(table))
    assert found.column_names == list(columns_of(table))
    assert SETS.get(table, set()) <= set(found.column_names)
    assert all(columns_of(table).values())


async def test_theorems_say_how_they_ended(run: Path) -> None:
    rows = {row["theorem"]: row for row in Results([run]).arrow("theorems").to_pylist()}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "n5": "proved",
        "n8": "proved",
        "lost": "infrastructure",
        "n31": "proved",
    }
    assert rows["lost"]["error_kind"] == "WorkerDied"
    assert rows["lost"]["tactics"] is None
    certificates = {record.theorem.name: record.certificate for record in read_trajectory(run).records}
    assert rows["n31"]["tactics"] == list(certificates["n31"].tactics)  # type: ignore[union-attr]
    assert rows["n31"]["run"] == str(run)


async def test_nodes_and_tactics_are_those_of_the_trees(run: Path) -> None:
    trees = list(read_trajectory(run).rows())
    assert Results(run).arrow("nodes").num_rows == len(trees)
    tactics = Results(run).arrow("tactics").to_pylist()
    attempts = [(row.theorem, row.node, each.tactic, each.kind) for row in trees for each in row.attempts]
    assert sorted((row["theorem"], row["node"], row["tactic"], row["kind"]) for row in tactics) == sorted(attempts)


async def test_what_is_learnt_is_read_back_as_the_tactic(run: Path) -> None:
    steps = [pair for proof in certified_proofs([run]) for pair in proof.pairs]
    completions = Results(run).arrow("completion").to_pylist()
    shown = PROMPT_FORMATS["state_comment"]
    assert len(completions) == len(steps)
    for row, pair in zip(completions, steps, strict=True):
        block = shown.parse(row["completion"])
        assert block is not None
        assert block.tactic == pair.tactic
        assert pair.state in row["prompt"]
    for row, pair in zip(Results(run).arrow("chat").to_pylist(), steps, strict=True):
        user, assistant = row["messages"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert pair.state in user["content"]
        assert assistant["content"] == f"```lean4\n{pair.tactic}\n```"


async def test_another_prompt_format_can_be_chosen_and_a_wrong_one_is_refused(run: Path) -> None:
    [first, *_] = Results(run, prompt_format="bfs_prover").arrow("completion").to_pylist()
    assert first["prompt"].endswith(":::")
    with pytest.raises(ConfigError, match="there is no prompt format 'poem'"):
        Results(run, prompt_format="poem")


async def test_preferences_reject_what_lean_refused_and_nothing_else(
    tmp_path: Path, config: RunConfig, numbers: Numbers, toy_bench: ToyBench
) -> None:
    world = ToyWorld.countdown(8)
    moves: Any = world.moves
    moves["3"] |= {"slow": TIMEOUT, "other": "2"}
    words = ["slow", "nonsense", "gibberish", "rotate_left 1\nnonsense", "other"]
    tactics = [Candidate(word, -1.0 - number) for number, word in enumerate(words)] + [Candidate("decrement", -9.0)]
    policy = ScriptedPolicy(script={}, default=[*tactics, Candidate("done", -10.0)])
    await SearchRun(config, numbers(3), tmp_path / "run", opening=toy_bench(world, policy=policy)).run()
    rows = Results(tmp_path / "run").arrow("preferences").to_pylist()
    at_root = [row for row in rows if row["step"] == 0]
    chosen = certified_proofs([tmp_path / "run"])[0].tactics[0]
    assert {row["chosen"] for row in at_root} == {chosen}
    assert [row["rejected"] for row in at_root] == ["nonsense", "gibberish", "done"]
    assert at_root[0]["message"] == "unknown tactic 'nonsense' at 3"
    few = Results(tmp_path / "run", max_rejected=1).arrow("preferences").to_pylist()
    assert [row["rejected"] for row in few if row["step"] == 0] == ["nonsense"]


async def test_nothing_is_learnt_from_what_infrastructure_broke(run: Path) -> None:
    for table in SETS:
        assert "lost" not in Results(run).arrow(table)["theorem"].to_pylist()


async def test_leandojo_pairs_are_read_as_such(run: Path, tmp_path: Path) -> None:
    Results(run).write("leandojo", tmp_path / "traced.json")
    [first, *_] = json.loads((tmp_path / "traced.json").read_text())
    assert first["traced_tactics"][-1]["state_after"] == "no goals"
    read = {proof.theorem.name: proof for proof in proofs_of(read_tactic_pairs(tmp_path / "traced.json"))}
    for proof in certified_proofs([run]):
        assert read[proof.theorem.name].tactics == proof.tactics
        assert read[proof.theorem.name].states == proof.states


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
@pytest.mark.parametrize("table", ["pairs", "completion", "tactics"])
async def test_files_hold_what_the_table_holds(run: Path, tmp_path: Path, table: str, suffix: str) -> None:
    path = tmp_path / "new" / f"file{suffix}"
    results = Results(run)
    assert results.write(table, path) == results.arrow(table).num_rows
    wanted = results.arrow(table).to_pylist()
    match suffix:
        case ".parquet":
            assert pq.read_table(path).to_pylist() == wanted
        case ".csv":
            texts = [{k: "" if v is None else str(v) for k, v in row.items()} for row in wanted]
            with path.open(newline="") as file:
                assert list(csv.DictReader(file)) == texts
        case ".json":
            assert json.loads(path.read_text()) == wanted
        case _:
            found = [json.loads(line) for line in path.read_text().splitlines()]
            assert [{**row, **each} for row, each in zip(wanted, found, strict=True)] == wanted
    if table == "pairs" and suffix != ".csv":  # there all is text, and a step's number is none
        assert proofs_of(read_tactic_pairs(path)) == certified_proofs([run])


async def test_what_cannot_be_written_is_refused(run: Path, tmp_path: Path) -> None:
    results = Results(run)
    with pytest.raises(ConfigError, match="columns of lists, which CSV cannot hold"):
        results.write("chat", tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="no ending that says how to write it"):
        results.write("chat", tmp_path / "a.txt")
    with pytest.raises(ConfigError, match="there is no table 'poems'"):
        results.arrow("poems")
    with pytest.raises(ConfigError, match="no run"):
        Results([]).arrow()
    assert not list(tmp_path.glob("a.*"))


# --- other libraries ----------------------------------------------------------------------------


async def test_pandas(run: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = Results(run).pandas("tactics")
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(columns_of("tactics"))
    assert len(frame) == Results(run).arrow("tactics").num_rows
    assert frame.groupby("kind").size().to_dict()["timed_out"] >= 1


@pytest.mark.parametrize("table", ["theorems", "chat"])
async def test_polars(run: Path, table: str) -> None:
    pl = pytest.importorskip("polars")
    frame = Results(run).polars(table)
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dicts() == Results(run).arrow(table).to_pylist()


@pytest.mark.parametrize("table", ["theorems", "chat"])
async def test_datasets(run: Path, table: str) -> None:
    datasets = pytest.importorskip("datasets")
    found = Results(run).dataset(table)
    assert isinstance(found, datasets.Dataset)
    assert found.to_list() == Results(run).arrow(table).to_pylist()
    assert found.train_test_split(test_size=1, seed=0)["test"].num_rows == 1


@pytest.mark.parametrize(("method", "module"), [("pandas", "pandas"), ("polars", "polars"), ("dataset", "datasets")])
async def test_an_absent_library_is_named_with_its_extra(
    run: Path, monkeypatch: pytest.MonkeyPatch, method: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match="needs the extra 'data'"):
        getattr(Results(run), method)()


async def test_a_table_is_the_same_however_many_rows_are_taken_at_a_time(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Results(run).arrow("tactics")
    monkeypatch.setattr(results, "_ROWS_AT_A_TIME", 3)
    few = Results(run).arrow("tactics")
    assert few.column(0).num_chunks > whole.column(0).num_chunks == 1
    assert few.equals(whole)
    Results(run).write("tactics", tmp_path / "few.jsonl")
    assert [json.loads(line) for line in (tmp_path / "few.jsonl").read_text().splitlines()] == whole.to_pylist()
