from __future__ import annotations

import pytest

from leanebm.core import Theorem
from leanebm.errors import WorkerDied
from leanebm.pipeline.contrastive._judge import MeteredPolicy, MeteredSession, ReplayMeter
from leanebm.testing import LOST, ScriptedPolicy, ToyWorld

WORLD = ToyWorld(moves={"a": {"go": "b", "die": LOST}, "b": {}})


async def test_answered_tactics_are_counted_and_lost_ones_are_not() -> None:
    meter = ReplayMeter()
    async with WORLD.open(Theorem(name="t", statement="a")) as session:
        metered = MeteredSession(session, meter)
        await metered.run_tactic(metered.root, "go")
        await metered.run_tactic(metered.root, "nonsense")
        with pytest.raises(WorkerDied):
            await metered.run_tactic(metered.root, "die")
        assert meter.tactic_calls == 2
        await metered.free([metered.root])
        assert session.num_live_states == 1
    assert 0.0 < meter.seconds["lean"] <= meter.elapsed_s


async def test_the_policys_time_is_its_own() -> None:
    meter = ReplayMeter()
    async with WORLD.open(Theorem(name="t", statement="a")) as session:
        candidates = await MeteredPolicy(ScriptedPolicy.over(WORLD), meter).propose(session.root, 2)
    assert len(candidates) == 2
    assert meter.seconds["policy"] > 0.0
    assert meter.seconds["lean"] == 0.0
