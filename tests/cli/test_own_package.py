"""A user's own package goes through ``leanebm search`` like our own parts: installed, killed, resumed, summed up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from leanebm.trajectory import read_trajectory

PACKAGE = Path(__file__).parent / "own_package"

PARTS = ["--lean", "scripted", "--scorer", "ladder:rung=2.0", "--search", "ladder:upside_down=true"]

Completed = subprocess.CompletedProcess[str]


class Installed:
    """The package, installed by pip into a folder of its own, and the command line beside it."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site"
        source = shutil.copytree(PACKAGE, folder / "source")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "--target", str(self.site), str(source)], check=True, capture_output=True)
        path = [str(self.site), str(Path(__file__).parents[1] / "support"), os.environ.get("PYTHONPATH", "")]
        self.env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "COLUMNS": "200"}
        self.folder = folder

    @property
    def source(self) -> Path:
        return self.site / "ladder_search" / "parts.py"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "leanebm", *arguments]

    def leanebm(self, *arguments: str) -> Completed:
        command = self.command(*arguments)
        return subprocess.run(command, env=self.env, cwd=self.folder, capture_output=True, text=True, check=False)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        nothing = subprocess.DEVNULL
        return subprocess.Popen(self.command(*arguments), env=self.env, cwd=self.folder, stdout=nothing, stderr=nothing)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def theorems(installed: Installed) -> Path:
    """Four theorems, and four for which the policy waits at the gate."""
    names = [f"easy {number}" for number in range(4)] + [f"hold {number}" for number in range(4)]
    path = installed.folder / "theorems.jsonl"
    path.write_text("".join(json.dumps({"name": name.replace(" ", "_"), "statement": name}) + "\n" for name in names))
    return path


def searching(theorems: Path, run: Path, *more: str, policy: str = "ladder") -> list[str]:
    return ["search", "--theorems", str(theorems), "--output", str(run), *PARTS, "--policy", policy, *more]


def ended(run: Path) -> dict[str, str]:
    return {record.theorem.name: record.outcome for record in read_trajectory(run / "trajectory").records}


@pytest.fixture(scope="module")
def killed_once(installed: Installed, theorems: Path) -> Path:
    """A run that was killed (SIGKILL) when the easy theorems were on the disk and the others were not."""
    run = installed.folder / "killed"
    process = installed.start(*searching(theorems, run, policy=f"ladder:gate={installed.folder}/gate"))
    try:
        while not list((run / "trajectory").glob("*.parquet")) or len(ended(run)) < 4:
            assert process.poll() is None, "the run ended by itself"
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    return run


@pytest.fixture
def killed(killed_once: Path, tmp_path: Path) -> Path:
    """The same, to go on with."""
    return shutil.copytree(killed_once, tmp_path / "run")


def test_a_run_of_ones_own_parts_is_killed_resumed_and_summed_up(
    installed: Installed, theorems: Path, killed: Path
) -> None:
    assert set(ended(killed).values()) == {"proved"}
    assert set(ended(killed)) == {f"easy_{number}" for number in range(4)}
    # The gate is not part of the results (its field says so), so the run goes on without it.
    resumed = installed.leanebm(*searching(theorems, killed, "--resume"))
    assert resumed.returncode == 0, resumed.stderr
    assert "8 of 8 theorems proved and certified" in resumed.stdout
    summary = installed.leanebm("summary", str(killed), "--json")
    assert json.loads(summary.stdout)["proved"] == 8
    assert len(list((killed / "proofs").glob("*.lean"))) == 8


def test_every_shard_says_whose_code_the_parts_were(killed: Path) -> None:
    [run] = read_trajectory(killed / "trajectory").runs
    parts = run.config["parts"]
    assert parts["search"] == {"kind": "ladder_search.parts:LadderSearch", "upside_down": True}
    origins = run.config["part_origins"]
    assert origins.keys() == {"scorer", "parts.search", "parts.policy", "lean.backend"}
    assert {origin["package"] for origin in origins.values()} == {"ladder-search 0.3.0"}
    assert run.backend == "scripted"


@pytest.fixture
def changed(installed: Installed, killed: Path) -> Iterator[Path]:
    """The killed run, after its parts' source was edited."""
    before = installed.source.read_text()
    installed.source.write_text(before.replace("self.rung * leaf.depth", "-self.rung * leaf.depth"))
    yield killed
    installed.source.write_text(before)


def test_a_part_that_was_edited_since_is_not_resumed_unless_one_insists(
    installed: Installed, theorems: Path, changed: Path
) -> None:
    refused = installed.leanebm(*searching(theorems, changed, "--resume"))
    assert refused.returncode == 2, refused.stderr
    [told] = re.findall(
        r"part_origins\.(.*)\.sources\.ladder_search/parts\.py: .* \(and of (.*?)\)", " ".join(refused.stderr.split())
    )
    assert {told[0], *told[1].split(", ")} == {"scorer", "parts.search", "parts.policy", "lean.backend"}
    assert "--resume-anyway" in refused.stderr
    assert len(ended(changed)) == 4
    insisted = installed.leanebm(*searching(theorems, changed, "--resume-anyway"))
    assert insisted.returncode == 0, insisted.stderr
    assert "unlike runs, pooled by --resume-anyway" in insisted.stdout
    assert ".sources.ladder_search/parts.py" in installed.leanebm("summary", str(changed)).stdout


@pytest.mark.parametrize(
    ("option", "wrong", "said"),
    [
        (
            "--scorer",
            "ladder:rung=-1.0,rang=2",
            ["--scorer rung", "unknown setting rang (known here: rung); did you mean 'rung'? @ --scorer"],
        ),
        ("--search", "leader", ["'distinct_heads', 'ladder', 'limits'", "@ --search"]),
        ("--policy", "ladder_search.parts:Missing", ["cannot be imported", "@ --policy"]),
        (
            "--energy-model",
            "ladder_search.parts:LadderScorer",
            ["LadderScorer is not an energy model", "@ --energy-model"],
        ),
        ("--lean", "scripted:nmae=x", ["unknown setting nmae", "@ --lean"]),
    ],
)
def test_a_mistake_is_told_with_its_option(
    installed: Installed, theorems: Path, tmp_path: Path, option: str, wrong: str, said: Sequence[str]
) -> None:
    result = installed.leanebm(*searching(theorems, tmp_path / "run"), option, wrong)
    assert result.returncode == 2
    assert all(words in result.stderr for words in said), result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("part", ["LadderScorer", "LadderPolicy", "LadderSearch", "LadderEnergy", "LadderEncoder"])
def test_each_part_keeps_its_contract(installed: Installed, part: str) -> None:
    checked = installed.leanebm("check", f"ladder_search.parts:{part}")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_its_energies_are_recorded(installed: Installed, theorems: Path, tmp_path: Path) -> None:
    result = installed.leanebm(*searching(theorems, tmp_path / "run", "--energy-model", "ladder"))
    assert result.returncode == 0, result.stderr
    rows = list(read_trajectory(tmp_path / "run" / "trajectory").rows())
    assert {row.energy for row in rows if row.node == 0} == {float(len("⊢ easy 0"))}


@pytest.mark.lean
@pytest.mark.usefixtures("embedded_lean")
def test_real_lean_proves_with_ones_own_scorer_and_search(installed: Installed, tmp_path: Path) -> None:
    theorems = tmp_path / "theorems.txt"
    theorems.write_text("∀ n : Nat, n + 0 = n\n∀ p q : Prop, p ∧ q → q ∧ p\n")
    parts = ["--scorer", "ladder:rung=0.5", "--search", "ladder:upside_down=false", "--lean", "embedded"]
    options = ["--num-workers", "1", "--budget", "40"]
    run = installed.leanebm("search", "--theorems", str(theorems), "--output", str(tmp_path / "run"), *parts, *options)
    assert run.returncode == 0, run.stderr
    records: list[Any] = list(read_trajectory(tmp_path / "run" / "trajectory").records)
    assert [record.outcome for record in records] == ["proved", "proved"]
