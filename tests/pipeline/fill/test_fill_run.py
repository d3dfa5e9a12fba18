from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import attrs
import pytest

from leanebm.core import Certificate
from leanebm.errors import ConfigError, LeanError, PolicyUnavailable
from leanebm.lean import LeanPoolConfig
from leanebm.pipeline import FillReport, FillRun, Observer, RunConfig, Workbench, WorkbenchOpener
from leanebm.pipeline.fill.fill_run import filled_path
from leanebm.testing import QED, ScriptedPolicy, ToyWorld

from .toy_files import ToyFiles

ToyBench = Callable[..., WorkbenchOpener]


@pytest.fixture
def opening(world: ToyWorld, toy_bench: ToyBench) -> Callable[..., WorkbenchOpener]:
    def make(*, unfit: tuple[str, ...] = (), **parts: Any) -> WorkbenchOpener:
        inner = toy_bench(world, **parts)

        @asynccontextmanager
        async def opened(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
            async with inner(config, observer) as bench:
                yield attrs.evolve(bench, files=ToyFiles(world, unfit))

        return opened

    return make


@pytest.fixture
def fill(config: RunConfig, opening: Callable[..., WorkbenchOpener], tmp_path: Path) -> Callable[..., Any]:
    async def run(text: str, *, unfit: tuple[str, ...] = (), newline: str = "\n", **more: Any) -> FillReport:
        path = tmp_path / "a.lean"
        path.write_bytes(text.replace("\n", newline).encode())
        return await FillRun(config, path, opening=opening(unfit=unfit), **more).run()

    return run


async def test_every_sorry_is_filled_and_the_rest_stays(fill: Callable[..., Any], tmp_path: Path) -> None:
    report = await fill("theorem a : 1 := by sorry\ndef two := 2\ntheorem b : 1 := (sorry, sorry) -- é\n")
    assert report.is_complete
    assert [(theorem.name, theorem.line, theorem.is_certified) for theorem in report.theorems] == [
        ("a", 1, True),
        ("b", 3, True),
    ]
    assert report.output == tmp_path / "a.filled.lean"
    text = "theorem a : 1 := by done\ndef two := 2\ntheorem b : 1 := (done, done) -- é\n"
    assert report.output.read_text() == text


async def test_a_file_over_mathlib_has_mathlibs_time_and_memory(
    config: RunConfig, opening: Callable[..., WorkbenchOpener], tmp_path: Path
) -> None:
    seen: list[LeanPoolConfig] = []
    inner = opening()

    def spying(config: RunConfig, observer: Observer) -> AbstractAsyncContextManager[Workbench]:
        seen.append(config.lean)
        return inner(config, observer)

    (tmp_path / "a.lean").write_text("import Mathlib\ntheorem a : 1 := by sorry\n")
    await FillRun(config, tmp_path / "a.lean", opening=spying).run()
    (lean,) = seen
    assert (lean.imports, lean.startup_deadline_s, lean.max_rss_mib) == (("Mathlib",), 600.0, 12288)


async def test_the_certificate_is_of_the_file_that_was_written(fill: Callable[..., Any]) -> None:
    report = await fill("theorem a : 1 := by sorry\n", newline="\r\n")
    (theorem,) = report.theorems
    assert isinstance(theorem.result, Certificate)
    assert theorem.result.source.encode() == report.output.read_bytes() == b"theorem a : 1 := by done\r\n"
    assert theorem.result.tactics == ("done",)


async def test_what_stands_in_no_theorem_is_told(fill: Callable[..., Any]) -> None:
    report = await fill("def x := sorry\ntheorem a : 1 := by sorry\n")
    assert not report.is_complete
    (other,) = report.others
    assert (other.line, other.column, other.proof) == (1, 10, None)
    assert "no theorem" in other.reason
    assert report.num_filled == 1


async def test_a_theorem_that_is_filled_in_part_is_written_and_not_certified(fill: Callable[..., Any]) -> None:
    # The negative numbers are dead ends.
    report = await fill("theorem a : 1 := by sorry\ntheorem b : -2 := by sorry\ntheorem c : 1 := sorry\n")
    assert [theorem.is_certified for theorem in report.theorems] == [True, False, True]
    assert report.theorems[1].shortfall == "1 sorry left"
    (sorry,) = report.theorems[1].sorries
    assert sorry.proof is None
    assert sorry.reason
    assert report.output.read_text().count("sorry") == 1


async def test_what_cannot_be_searched_for_is_told_with_the_reason(fill: Callable[..., Any]) -> None:
    report = await fill("theorem a : data := sorry\n")
    assert report.theorems[0].sorries[0].reason == "it stands for data, not for a proof"
    assert report.output is None


async def test_a_proof_that_does_not_fit_in_its_place_is_not_written(fill: Callable[..., Any], tmp_path: Path) -> None:
    report = await fill("theorem a : 1 := by sorry\n", unfit=("done",))
    assert "it does not fit" in report.theorems[0].sorries[0].reason
    assert not (tmp_path / "a.filled.lean").exists()


async def test_another_way_to_write_it_may_fit(fill: Callable[..., Any]) -> None:
    report = await fill("theorem a : 1 := by sorry\n", unfit=("by done",))
    assert report.theorems[0].sorries[0].proof == "(focus done)"


@pytest.mark.parametrize(
    ("world", "why"),
    [
        (ToyWorld(moves={"1": {"end": QED}}), "reads it as more than a proof"),
        (ToyWorld(moves={"1": {"exact sorry": QED}}), "1 sorries are left, not 0"),
    ],
)
async def test_a_proof_that_does_more_or_less_than_to_stand_in_its_place_is_not_written(
    fill: Callable[..., Any], why: str
) -> None:
    report = await fill("theorem a : 1 := by sorry\n")
    assert why in report.theorems[0].sorries[0].reason
    assert report.output is None


async def test_a_file_without_sorry_is_complete_and_not_written(fill: Callable[..., Any], tmp_path: Path) -> None:
    report = await fill("theorem a : 1 := by done\n")
    assert report.is_complete
    assert list(tmp_path.iterdir()) == [tmp_path / "a.lean"]


async def test_a_file_that_lean_does_not_take_is_refused(fill: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="1:1: something is wrong"):
        await fill("theorem wrong\n")


async def test_no_file_is_written_over(fill: Callable[..., Any], tmp_path: Path) -> None:
    output = tmp_path / "mine.lean"
    output.write_text("mine")
    with pytest.raises(ConfigError, match="already exists"):
        await fill("theorem a : 1 := by sorry\n", output=output)
    assert output.read_text() == "mine"


async def test_a_file_is_filled_in_place_and_keeps_its_rights(
    config: RunConfig, opening: Callable[..., WorkbenchOpener], tmp_path: Path
) -> None:
    path = tmp_path / "a.lean"
    path.write_text("theorem a : 1 := by sorry\n")
    path.chmod(0o640)
    report = await FillRun(config, path, in_place=True, opening=opening()).run()
    assert report.output == path
    assert path.read_text() == "theorem a : 1 := by done\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_a_link_stays_a_link(config: RunConfig, opening: Callable[..., WorkbenchOpener], tmp_path: Path) -> None:
    path = tmp_path / "a.lean"
    (tmp_path / "real.lean").write_text("theorem a : 1 := by sorry\n")
    path.symlink_to("real.lean")
    await FillRun(config, path, in_place=True, opening=opening()).run()
    assert path.is_symlink()
    assert (tmp_path / "real.lean").read_text() == "theorem a : 1 := by done\n"


async def test_a_place_that_cannot_be_written_is_told_before_the_search(
    config: RunConfig, never: WorkbenchOpener, tmp_path: Path
) -> None:
    path = tmp_path / "a.lean"
    path.write_text("theorem a : 1 := by sorry\n")

    with pytest.raises(ConfigError, match=r"cannot be written to: .* is not a folder"):
        await FillRun(config, path, output=path / "b.lean", opening=never).run()


@pytest.mark.parametrize("text", ["", "Some notes.\n1 + 1 = 2\n", "import Init\n-- nothing else\n"])
async def test_a_file_without_any_command_is_refused_before_anything_is_started(
    config: RunConfig, never: WorkbenchOpener, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"holds no Lean command.*search --theorems"):
        await FillRun(config, path, opening=never).run()


@pytest.mark.parametrize("text", ["import Own\nproblem a : 1 := by sorry\n", "@[own] problem a : 1 := by admit\n"])
async def test_lean_is_asked_about_commands_of_ones_own(config: RunConfig, tmp_path: Path, text: str) -> None:
    def opening(*_: object) -> NoReturn:
        raise LeanError("asked")

    path = tmp_path / "a.lean"
    path.write_text(text)
    with pytest.raises(LeanError, match="asked"):
        await FillRun(config, path, opening=opening).run()


async def test_a_file_that_was_changed_meanwhile_is_left_as_it_is(
    config: RunConfig, opening: Callable[..., WorkbenchOpener], tmp_path: Path
) -> None:
    path = tmp_path / "a.lean"
    path.write_text("theorem a : 1 := by sorry\n")

    @asynccontextmanager
    async def changing(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        async with opening()(config, observer) as bench:
            yield bench
        path.write_text("mine")

    with pytest.raises(ConfigError, match=r"changed meanwhile.*found:\n  - 1:21 done"):
        await FillRun(config, path, in_place=True, opening=changing).run()
    assert path.read_text() == "mine"


async def test_a_policy_that_is_gone_ends_it(
    config: RunConfig, world: ToyWorld, opening: Callable[..., WorkbenchOpener], tmp_path: Path
) -> None:
    class Gone(ScriptedPolicy):
        async def propose(self, state: Any, n: int) -> Any:  # noqa: ARG002 - the contract's
            raise PolicyUnavailable("gone")

    path = tmp_path / "a.lean"
    path.write_text("theorem a : 1 := by sorry\n")
    with pytest.raises(PolicyUnavailable):
        await FillRun(config, path, opening=opening(policy=Gone.over(world))).run()


@pytest.mark.parametrize(
    ("name", "filled"), [("a.lean", "a.filled.lean"), ("a", "a.filled.lean"), ("b.txt", "b.filled.txt")]
)
def test_a_filled_file_stands_beside_its_original(name: str, filled: str) -> None:
    assert filled_path(Path("f") / name) == Path("f") / filled
