from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import attrs
import pytest
from fake_worker import fake_worker_argv

from leanebm.data.conjectures import (
    FAMILIES,
    Conjecture,
    ConjectureFactory,
    ConjectureSplit,
    Expression,
    local,
    read_conjecture_file,
)
from leanebm.errors import ConfigError
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.pipeline import ConjectureRun, RunConfig


@attrs.frozen
class Spelt:
    """Statements that spell a number in variables, behind what makes the fake worker misbehave."""

    name: str
    prefix: str = ""

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        spelt = local("p")
        for bit in f"{rng.randrange(1 << 20):b}":
            spelt = Expression("∧" if bit == "1" else "∨", (local("p"), spelt))
        made = Conjecture.of(self.name, {"p": "Prop"}, spelt, difficulty=difficulty)
        return attrs.evolve(made, statement=f"{self.prefix}{made.statement}")


GOOD, OTHER, BAD = Spelt("good"), Spelt("other"), Spelt("bad", prefix="bad ")
SLOW = Spelt("slow", prefix="slow ")


def config(log: Path) -> RunConfig:
    backend = CommandBackend(argv=fake_worker_argv(log=log))
    return RunConfig(lean=LeanPoolConfig(backend=backend, num_workers=1), concurrency=2)


def making(tmp_path: Path, families: list[Spelt], **more: Any) -> ConjectureRun:
    factory = ConjectureFactory(families, held_out=more.pop("held_out", ()))
    options: dict[str, Any] = {"number": 20, "unseen": 0, "tactics": ("fail",)} | more
    return ConjectureRun(config(tmp_path / "log"), tmp_path / "set.parquet", factory, **options)


async def test_what_no_tactic_proves_is_kept_in_splits(tmp_path: Path) -> None:
    counts = await making(tmp_path, [GOOD, OTHER], held_out=["other"], unseen=7).run()
    held = read_conjecture_file(tmp_path / "set.parquet")
    assert len(held.conjectures) == 27 == sum(counts.kept.values())
    assert counts.by_family == {"good": 20, "other": 7}
    assert counts.kept["unseen"] == 7 == sum(made.split is ConjectureSplit.UNSEEN for made in held.conjectures)
    assert [made.split for made in held.conjectures] == sorted(
        (made.split for made in held.conjectures), key=list(ConjectureSplit).index
    )
    assert held.provenance["seed"] == "0"
    assert held.provenance["lean_version"]
    assert not (tmp_path / "set.parquet.notes.jsonl").exists()


async def test_what_a_tactic_proves_is_dropped_and_counted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no conjectures to write"):
        await making(tmp_path, [GOOD], tactics=("fail", "done")).run()
    notes = (tmp_path / "set.parquet.notes.jsonl").read_text().splitlines()
    assert len(notes) > 50
    assert all(line.endswith('"done"]') for line in notes[1:])


async def test_without_tactics_all_is_kept_and_lean_is_not_started(tmp_path: Path) -> None:
    counts = await making(tmp_path, [BAD, GOOD], number=60, tactics=()).run()
    assert counts.by_family == {"bad": 50, "good": 10}
    assert counts.drawn == 100
    assert not counts.dropped
    held = read_conjecture_file(tmp_path / "set.parquet")
    assert {made.closed_by for made in held.conjectures} == {""}
    assert held.provenance["tactics"] == ""
    assert "lean_version" not in held.provenance
    assert not (tmp_path / "log").exists()


async def test_a_set_of_nothing_is_refused_before_lean_is_started(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no statement is asked for"):
        await making(tmp_path, [GOOD], number=0).run()
    assert not list(tmp_path.iterdir())


async def test_a_family_of_which_nothing_is_left_is_given_up(tmp_path: Path) -> None:
    counts = await making(tmp_path, [BAD, GOOD], number=250).run()
    assert counts.by_family == {"good": 250}
    assert counts.dropped == {"statement refused": 150}  # three batches of 50, while the good ones took five


async def test_a_statement_that_lean_has_no_time_for_is_dropped(tmp_path: Path) -> None:
    counts = await making(tmp_path, [SLOW, GOOD], number=250).run()
    assert counts.by_family == {"good": 250}
    assert counts.dropped == {"Lean ran out of time": 150}


async def test_no_family_gives_more_than_twice_its_share(tmp_path: Path) -> None:
    families = [GOOD, BAD, Spelt("worse", prefix="bad  "), Spelt("worst", prefix="bad   ")]
    counts = await making(tmp_path, families, number=40).run()
    assert counts.by_family == {"good": 20}


async def test_what_lean_said_is_not_asked_again(tmp_path: Path) -> None:
    async def asked() -> int:
        with pytest.raises(ConfigError, match="no conjectures"):
            await making(tmp_path, [GOOD], tactics=("done",)).run()
        return (tmp_path / "log").read_text().count("goal.start")

    first = await asked()
    assert first >= 50
    with (tmp_path / "set.parquet.notes.jsonl").open("a") as notes:
        notes.write('["good_cut')  # as a run that was killed leaves it
    assert await asked() == first


async def test_notes_about_other_tactics_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no conjectures"):
        await making(tmp_path, [GOOD], tactics=("done",)).run()
    with pytest.raises(ConfigError, match=r"notes about other tactics; remove it"):
        await making(tmp_path, [GOOD], tactics=("fail",)).run()


@pytest.mark.lean
async def test_real_lean_drops_what_it_proves_at_once(tmp_path: Path, embedded_lean: object) -> None:
    assert embedded_lean is not None
    path = tmp_path / "set.parquet"
    config = RunConfig(lean=LeanPoolConfig.embedded(num_workers=1))
    factory = ConjectureFactory([FAMILIES["propositional"]])
    counts = await ConjectureRun(config, path, factory, number=3, unseen=0).run()
    assert set(counts.dropped) <= {"rfl", "simp", "simp_all", "omega", "decide"}
    assert counts.dropped["simp_all"] > 5
    assert {made.closed_by for made in read_conjecture_file(path).conjectures} <= {"", "grind"}
