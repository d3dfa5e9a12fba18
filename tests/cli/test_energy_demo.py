from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import attrs
import pytest
from click.testing import Result

from leanebm.core import Leaf, Theorem
from leanebm.pipeline import (
    SHIPPED_HEAD,
    SHIPPED_MODEL_HEAD,
    LeanParts,
    Observer,
    RunConfig,
    Workbench,
    WorkbenchOpener,
    compare_runs,
)
from leanebm.testing import ToyCertifier, ToyWorld

pytest.importorskip("torch")

Leanebm = Callable[..., Result]

StartsLean = Callable[[AsyncExitStack], Awaitable[LeanParts]]

WORLD = ToyWorld.countdown(32)


class NearestToOne:
    """Stands for a head that knows the way."""

    reads_energy: ClassVar[bool] = True

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [-abs(int(leaf.state.text.removeprefix("⊢ ")) - 1) for leaf in leaves]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, toy_bench: Callable[..., WorkbenchOpener]) -> list[RunConfig]:
    """The searches that were begun, of numbers in place of formulas."""
    configs: list[RunConfig] = []

    @asynccontextmanager
    async def open_lean_parts(*_: object) -> AsyncIterator[LeanParts]:
        yield LeanParts(environment=WORLD, certifier=ToyCertifier(WORLD), lean_version="toy")

    @asynccontextmanager
    async def opened(
        config: RunConfig, observer: Observer, start_lean: StartsLean, _: object
    ) -> AsyncIterator[Workbench]:
        lean = await start_lean(AsyncExitStack())
        assert lean.lean_version == "toy"
        configs.append(config)
        async with toy_bench(WORLD)(config, observer) as bench:
            yield bench if config.energy.path is None else attrs.evolve(bench, scorer=NearestToOne())

    def load(source: str, *, sample: int) -> list[Theorem]:
        assert source == "logic:test"
        return [Theorem(name=f"n{number}", statement=str(number)) for number in range(5, 5 + sample)]

    monkeypatch.setattr("leanebm.pipeline.workbench.open_lean_parts", open_lean_parts)
    monkeypatch.setattr("leanebm.pipeline.workbench._opened", opened)
    monkeypatch.setattr("leanebm.pipeline.load_theorems", load)
    return configs


def test_both_searches_are_compared(leanebm_command: Leanebm, opened: list[RunConfig]) -> None:
    result = leanebm_command("demo", "--energy", "--max-theorems", "25", "--budget", "6")
    assert result.exit_code == 0
    found = compare_runs("runs/demo-energy/arms/without", "runs/demo-energy/arms/with")
    last = found.budgets[-1]
    assert found.theorems == 25
    assert len(opened) == 2
    assert last.only_experiment > 0, "a head that knows the way must show"
    assert (
        f"of 25 theorems, within 6 expansions: {last.baseline} proved without the energy head, {last.experiment} with "
        f"it; {last.only_experiment} only with it, {last.only_baseline} only without it; p = {last.p:.2g}"
    ) in result.stdout
    listed = re.search(r"proved only with the head: \d+\n((?:  .+\n)+)", result.stdout)
    assert listed is not None
    shown = [f"  {name.removeprefix('n')}" for name in found.only_experiment]
    assert len(shown) > 10
    assert listed[1].splitlines() == [*shown[:10], f"  … and {len(shown) - 10} more"]


def test_the_searches_differ_in_the_head_alone(leanebm_command: Leanebm, opened: list[RunConfig]) -> None:
    assert leanebm_command("demo", "--energy", "--max-theorems", "12", "--budget", "2").exit_code == 0
    assert [config.energy.path for config in opened] == [None, SHIPPED_HEAD]
    plain, guided = opened
    assert plain.search == guided.search
    assert plain.without == guided.without != ()
    assert plain.search.budget.max_expansions == 2


def test_the_small_model_has_a_head_of_its_own(leanebm_command: Leanebm, opened: list[RunConfig]) -> None:
    pytest.importorskip("transformers")
    result = leanebm_command("demo", "--energy", "--model", "--max-theorems", "12", "--budget", "2")
    assert result.exit_code == 0
    assert "in the order of the small model alone, and with the energy head" in result.stderr
    assert [config.energy.path for config in opened] == [None, SHIPPED_MODEL_HEAD]
    plain, guided = opened
    assert (plain.search, plain.policy) == (guided.search, guided.policy)
    assert (plain.policy.prompt_format, plain.without) == ("goal_digest", ())
    assert plain.policy.url is not None


def test_the_small_model_goes_with_the_energy(leanebm_command: Leanebm, opened: list[RunConfig]) -> None:
    result = leanebm_command("demo", "--model")
    assert result.exit_code == 2
    assert "--model goes with --energy" in result.stderr
    assert not opened


def test_sixty_formulas_and_sixteen_expansions_are_usual(leanebm_command: Leanebm, opened: list[RunConfig]) -> None:
    result = leanebm_command("demo", "--energy")
    assert "Searching 60 formulas twice with the embedded Lean, 16 expansions each" in result.stderr
    assert opened[0].search.budget.max_expansions == 16
    assert Path("runs/demo-energy").is_dir()


@pytest.mark.parametrize(
    ("options", "absent", "extra"),
    [(("--energy",), "leanebm.energy", "energy"), (("--energy", "--model"), "transformers", "serve")],
)
def test_without_the_extra_it_says_what_to_install(
    options: Sequence[str],
    absent: str,
    extra: str,
    leanebm_command: Leanebm,
    opened: list[RunConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    result = leanebm_command("demo", *options)
    assert result.exit_code != 0
    assert f"demo {' '.join(options)} needs the extra '{extra}'" in result.stderr
    assert not opened


@pytest.mark.lean
@pytest.mark.parametrize("options", [(), ("--model",)])
def test_real_formulas_are_searched_with_the_shipped_head(
    options: Sequence[str], leanebm_command: Leanebm, embedded_lean: object
) -> None:
    assert embedded_lean is not None
    if options:
        pytest.importorskip("transformers")
    result = leanebm_command("demo", "--energy", "--max-theorems", "3", "--budget", "4", *options)
    assert result.exit_code == 0
    assert "of 3 theorems, within 4 expansions" in result.stdout
    found = compare_runs("runs/demo-energy/arms/without", "runs/demo-energy/arms/with")
    assert any("energy_head" in line for line in found.differences)
