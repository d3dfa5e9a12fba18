from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs
import pytest
from policy_process import policy_processes

from leanebm.core import Theorem
from leanebm.errors import ConfigError
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.pipeline import (
    Observer,
    PipelineEvent,
    RunConfig,
    SearchedTheorem,
    SearchRun,
    StageProgressed,
    Workbench,
    open_workbench,
)
from leanebm.pipeline.workbench import LeanParts
from leanebm.policy import PolicyClientConfig
from leanebm.search import SearchBudget, SearchConfig
from leanebm.trajectory import read_trajectory

THEOREMS = tuple(
    Theorem(name=f"t{number}", statement=statement)
    for number, statement in enumerate(
        [
            "∀ p q : Prop, p ∧ q → q ∧ p",
            "∀ n : Nat, n + 0 = n",
            "∀ p : Prop, p",
            "∀ p q r : Prop, (p → q) → (q → r) → p → r",
            "∀ p q : Prop, p ∨ q → q ∨ p",
            "∀ n : Nat, n < n",
        ]
    )
)


@attrs.define
class Meddler:
    """Does something to the servers once so many theorems are done."""

    acts: dict[int, Callable[[], object]]
    done: int = 0

    def notify(self, event: PipelineEvent) -> None:
        if isinstance(event, StageProgressed) and isinstance(event.item, SearchedTheorem):
            self.done += 1
            self.acts.get(self.done, lambda: None)()


async def searched(
    lean: LeanParts, url: str, folder: Path, *, theorems: Sequence[Theorem] = THEOREMS, **acts: Callable[[], object]
) -> dict[str, str]:
    """How each theorem's search ended, and with which proof; ``after_N`` is called once N of them are done."""

    def opening(config: RunConfig, observer: Observer) -> AbstractAsyncContextManager[Workbench]:
        return open_workbench(config, observer, lean=lean)

    config = RunConfig(
        concurrency=3,
        lean=LeanPoolConfig.embedded(num_workers=1),
        policy=PolicyClientConfig(url=url),
        search=SearchConfig(budget=SearchBudget(max_expansions=6), candidates_per_state=8),
    )
    meddler = Meddler({int(name.removeprefix("after_")): act for name, act in acts.items()})
    run = SearchRun(config, theorems, folder, resume=True, observer=meddler, opening=opening)
    records = (await run.run()).records
    assert {record.policy_weights for record in records} == {("w1",)}
    assert {(row.tactic is None, row.policy_weights) for row in read_trajectory(folder).rows()} == {
        (True, None),
        (False, "w1"),
    }
    assert all(record.policy_wait_s <= record.policy_s for record in records)
    assert sorted(record.theorem.name for record in records) == sorted(theorem.name for theorem in theorems)
    return {
        record.theorem.name: f"{record.outcome.value} {record.certificate and record.certificate.source}"
        for record in records
    }


@pytest.mark.lean
async def test_what_is_proved_does_not_depend_on_what_becomes_of_the_servers(
    lean_pool: LeanPool, tmp_path: Path
) -> None:
    """One is killed, one is slow, one is full at first, one has other weights, and one joins."""
    async with Certifier(LeanPoolConfig.embedded(num_workers=1)) as certifier:
        lean = LeanParts(environment=ReplayingEnvironment(lean_pool), certifier=certifier, lean_version="4")
        faults: list[dict[str, Any]] = [{}, {"delay_s": 0.1}, {"full_for": 5}, {}, {"weights": "w2"}]
        with policy_processes(*faults) as (doomed, slow, full, joining, other):
            undisturbed = await searched(lean, joining.url, tmp_path / "one")
            file = tmp_path / "servers.txt"
            file.write_text(f"{doomed.url}\n{slow.url}\n{full.url}\n")
            disturbed = await searched(
                lean,
                f"file:{file}",
                tmp_path / "several",
                theorems=THEOREMS[:-1],
                after_1=lambda: file.write_text("\n".join(each.url for each in (doomed, slow, full, joining, other))),
                after_2=doomed.kill,
            )
            assert disturbed == {name: end for name, end in undisturbed.items() if name in disturbed}
            with pytest.raises(ConfigError, match=r"served\.policy\.weights: 'w2', not 'w1'"):
                await searched(lean, other.url, tmp_path / "several")
            # Other addresses with the same weights: the same run.
            assert await searched(lean, f"{slow.url},{joining.url}", tmp_path / "several") == undisturbed
    ends = {end.split()[0] for end in undisturbed.values()}
    assert "proved" in ends
    assert len(ends) > 1
