"""Scoring states while searches run: one forward a round, and never a number that nobody computed."""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import torch
from cancellation import cancel_at_every_await

from leanebm.core import EncoderIdentity, Goal, ProofState, StateRef
from leanebm.energy import EnergyHead, EnergyHeadConfig, HeadEnergyModel, SpectralNormMode
from leanebm.errors import EncoderError, EnergyError, PolicyUnavailable
from leanebm.testing import SAMPLE_LEAVES, check_energy_model

STATES = [leaf.state for leaf in SAMPLE_LEAVES]
IDENTITY = EncoderIdentity(pooling="mean", is_normalized=False, dim=4)


def state(text: str) -> ProofState:
    return ProofState(goals=(Goal(text=text, target=text),), key=text, ref=StateRef(0, 0))


@attrs.define
class Encoder:
    """Vectors that tell the text's length; answers once ``gate`` is open."""

    identity_: EncoderIdentity = IDENTITY
    gate: asyncio.Event | None = None
    vectors: Sequence[Sequence[float]] | None = None

    async def identity(self) -> EncoderIdentity:
        return self.identity_

    async def encode(self, texts: Sequence[str]) -> list[array[float]]:
        if self.gate is not None:
            await self.gate.wait()
        made = self.vectors or [[len(text), len(text) ** 0.5, text.count("0"), 1.0] for text in texts]
        return [array("f", vector) for vector in made]


class CountingHead(EnergyHead):
    """Remembers how many rows each forward had, and can be held up in the thread it runs in."""

    def __init__(self, config: EnergyHeadConfig) -> None:
        super().__init__(config)
        self.rows: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.entered = threading.Event()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        self.rows.append(len(z))
        self.entered.set()
        self.may_go.wait(timeout=30)
        return super().forward(z)


def head(mode: SpectralNormMode = SpectralNormMode.NONE) -> CountingHead:
    return CountingHead(EnergyHeadConfig(d_in=4, hidden=(8, 8), spectral_norm=mode, dropout=0.5))


@asynccontextmanager
async def scoring(head_: EnergyHead, encoder: Encoder | None = None) -> AsyncIterator[HeadEnergyModel]:
    async with HeadEnergyModel(head_, encoder or Encoder()) as scorer:
        yield scorer


async def test_it_keeps_the_contract_of_an_energy_model(device: str) -> None:
    async with scoring(head().to(device)) as scorer:
        await check_energy_model(scorer, STATES)
        assert await scorer.energies([]) == []


async def test_energies_are_the_same_on_every_device(device: str) -> None:
    here, there = head(SpectralNormMode.RANDOM), head(SpectralNormMode.RANDOM).to(device)
    for each in (here, there):
        each.freeze_spectral()
    async with scoring(here) as one, scoring(there) as other:
        assert await other.energies(STATES) == pytest.approx(await one.energies(STATES), rel=1e-5)


async def test_the_settled_norm_keeps_it_within_its_own_jitter_and_freezing_removes_that() -> None:
    drawn = head(SpectralNormMode.RANDOM)
    async with scoring(drawn) as scorer:
        await check_energy_model(scorer, STATES, tolerance=0.5)
    drawn.freeze_spectral()
    async with scoring(drawn) as scorer:
        await check_energy_model(scorer, STATES)


async def test_energies_are_the_heads_own_in_evaluation_mode() -> None:
    of_head = head().train()
    async with scoring(of_head) as scorer:
        energies = await scorer.energies(STATES)
    rows = torch.tensor([list(vector) for vector in await Encoder().encode([s.text for s in STATES])])
    with torch.no_grad():
        assert energies == pytest.approx(of_head.eval()(rows).tolist(), rel=1e-5)


async def test_searches_that_wait_at_the_same_time_share_a_forward() -> None:
    counting = head()
    async with scoring(counting) as scorer, asyncio.TaskGroup() as tasks:
        counting.may_go.clear()
        first = tasks.create_task(scorer.energies(STATES[:1]))
        await asyncio.to_thread(counting.entered.wait)
        others = [tasks.create_task(scorer.energies([one])) for one in STATES]
        await _until_waiting(scorer, len(STATES))
        counting.may_go.set()
        await asyncio.gather(first, *others)
    assert counting.rows == [1, len(STATES)]
    assert [task.result() for task in others] == [[energy] for energy in await _alone(counting)]


async def _until_waiting(scorer: HeadEnergyModel, count: int) -> None:
    while len(scorer._waiting) < count:  # noqa: ASYNC110 - others put it there, in this very loop
        await asyncio.sleep(0)


async def _alone(head_: EnergyHead) -> list[float]:
    async with scoring(head_) as scorer:
        return await scorer.energies(STATES)


async def test_large_rounds_are_cut_into_batches() -> None:
    counting = head()
    async with scoring(counting) as scorer:
        await scorer.energies([state(f"⊢ {i} = {i}") for i in range(1200)])
    assert counting.rows == [512, 512, 176]


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([[1.0, 2.0, 3.0, 4.0]], "gave 1 vectors for 2 states"),
        ([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0]], "takes vectors of 4 numbers, the encoder gave one of 2"),
    ],
)
async def test_a_missing_vector_is_an_error_and_no_energy(vectors: list[list[float]], said: str) -> None:
    async with scoring(head(), Encoder(vectors=vectors)) as scorer:
        with pytest.raises(EncoderError, match=said):
            await scorer.energies(STATES[:2])


async def test_an_encoder_of_another_width_is_refused_before_anything_is_scored() -> None:
    with pytest.raises(EnergyError, match="takes vectors of 4 numbers, the encoder gives 7"):
        async with scoring(head(), Encoder(attrs.evolve(IDENTITY, dim=7))):
            pass


async def test_an_encoder_that_changes_under_a_search_ends_it() -> None:
    encoder = Encoder()
    async with scoring(head(), encoder) as scorer:
        await scorer.energies(STATES)
        encoder.identity_ = attrs.evolve(IDENTITY, weights="round 2")
        with pytest.raises(EnergyError, match="weights: 'round 2' here, None there"):
            await scorer.energies(STATES)


async def test_a_finished_proof_has_no_energy() -> None:
    solved = ProofState(goals=(), key="", ref=StateRef(0, 1))
    async with scoring(head()) as scorer:
        with pytest.raises(EnergyError, match="finished proof has no energy"):
            await scorer.energies([STATES[0], solved])


async def test_a_head_that_gives_no_number_is_reported_and_the_next_round_goes_on() -> None:
    broken = head()
    with torch.no_grad():
        good = {name: parameter.clone() for name, parameter in broken.state_dict().items()}
        broken.log_scale.fill_(float("nan"))
    async with scoring(broken) as scorer:
        with pytest.raises(EnergyError, match="not finite"):
            await scorer.energies(STATES)
        broken.load_state_dict(good)
        assert len(await scorer.energies(STATES)) == len(STATES)


async def test_the_encoders_own_failure_comes_through() -> None:
    class Gone(Encoder):
        async def encode(self, texts: Sequence[str]) -> list[array[float]]:  # noqa: ARG002
            raise PolicyUnavailable("nobody there")

    async with scoring(head(), Gone()) as scorer:
        with pytest.raises(PolicyUnavailable):
            await scorer.energies(STATES)


async def test_outside_its_context_it_says_so() -> None:
    scorer = HeadEnergyModel(head(), Encoder())
    with pytest.raises(EnergyError, match="outside its `async with`"):
        await scorer.energies(STATES)


async def test_whoever_still_waits_when_it_is_left_gets_its_energies() -> None:
    held = head()
    held.may_go.clear()
    async with scoring(held) as scorer:
        waiting = asyncio.create_task(scorer.energies(STATES))
        await asyncio.to_thread(held.entered.wait)
    held.may_go.set()
    assert await waiting == await _alone(held)


async def test_whoever_scores_for_others_may_be_cancelled() -> None:
    held = head()
    held.may_go.clear()
    async with scoring(held) as scorer:
        async with scorer._turn:
            tasks = [asyncio.create_task(scorer.energies([one])) for one in STATES]
            await _until_waiting(scorer, len(STATES))
        await asyncio.to_thread(held.entered.wait)
        tasks[0].cancel()
        await asyncio.sleep(0)
        held.may_go.set()
        await asyncio.wait(tasks)
    assert tasks[0].cancelled()
    assert held.rows == [len(STATES)]
    assert [task.result() for task in tasks[1:]] == [[energy] for energy in (await _alone(held))[1:]]


async def test_a_forward_that_fails_is_reported_to_all_who_wait_for_it() -> None:
    class Exhausted(EnergyHead):
        def forward(self, embeddings: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
            raise RuntimeError("out of memory")

    async with scoring(Exhausted(head().config)) as scorer:
        failed = await asyncio.gather(*(scorer.energies([one]) for one in STATES), return_exceptions=True)
    assert [str(error) for error in failed] == ["the head failed: out of memory"] * len(STATES)
    assert {type(error) for error in failed} == {EnergyError}


async def test_cancelled_anywhere_it_leaves_nothing_and_scores_the_next() -> None:
    async with scoring(head()) as scorer:
        expected = await scorer.energies(STATES)

        async def score() -> list[float]:
            return await scorer.energies(STATES)

        async def works_still() -> None:
            assert await scorer.energies(STATES) == expected
            assert not scorer._waiting

        sweep = await cancel_at_every_await(score, afterwards=works_still)
        assert sweep.cancellations > 0
