from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from leanebm.core import ProofState
from leanebm.errors import PolicyBadRequest
from leanebm.policy import PolicyClient
from leanebm.testing import Answer, FakePolicyServer, sample_object

Connect = Callable[..., PolicyClient]

GOOD = Answer(json=sample_object("simp", -0.1))

SAID = "The following requested LoRA adapters are not loaded: {'iter-7'}"

UNKNOWN = Answer(status=400, json={"error": {"message": SAID}})

LOADED = Answer(json={"success": True, "error_message": "", "loaded_adapters": {"iter-7": "/adapters/7"}})


async def test_case_19_an_unknown_adapter_is_refused_by_name(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", UNKNOWN)
    async with connect(adapter="iter-7") as policy:
        with pytest.raises(PolicyBadRequest, match="iter-7"):
            await policy.propose(state, 1)
    assert server.bodies("/generate")[0]["lora_path"] == "iter-7"
    assert server.bodies("/load_lora_adapter") == []


async def test_case_19_it_is_loaded_again_where_its_path_is_known(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", UNKNOWN, GOOD)
    server.script("/load_lora_adapter", LOADED)
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        assert len(await policy.propose(state, 1)) == 1
    assert server.bodies("/load_lora_adapter") == [{"lora_name": "iter-7", "lora_path": "/adapters/7"}]


async def test_case_19_but_only_once_a_call(connect: Connect, server: FakePolicyServer, state: ProofState) -> None:
    server.script("/generate", then=UNKNOWN)
    server.script("/load_lora_adapter", then=LOADED)
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        with pytest.raises(PolicyBadRequest, match="not loaded"):
            await policy.propose(state, 1)
    assert len(server.bodies("/generate")) == 2
    assert len(server.bodies("/load_lora_adapter")) == 1


async def test_case_19_many_calls_load_it_once(connect: Connect, server: FakePolicyServer, state: ProofState) -> None:
    let_go = asyncio.Event()
    refused = Answer(status=400, json={"error": {"message": SAID}}, wait_for=let_go)
    server.script("/generate", *[refused] * 5, then=GOOD)
    server.script("/load_lora_adapter", then=LOADED)
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        asking = [asyncio.create_task(policy.propose(state, 1)) for _ in range(5)]
        await server.wait_for_requests("/generate", 5)
        let_go.set()
        assert all(await asyncio.gather(*asking))
    assert len(server.bodies("/load_lora_adapter")) == 1


async def test_case_19_another_client_may_have_been_faster(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", UNKNOWN, GOOD)
    server.script("/load_lora_adapter", Answer(status=400, json={"error_message": "iter-7 is already loaded"}))
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        assert len(await policy.propose(state, 1)) == 1


@pytest.mark.parametrize("status", [200, 400])
async def test_case_19_a_server_that_cannot_load_it_says_why(
    connect: Connect, server: FakePolicyServer, state: ProofState, status: int
) -> None:
    server.script("/generate", UNKNOWN)
    body = {"success": False, "error_message": "rank 128 is too large"}
    server.script("/load_lora_adapter", Answer(status=status, json=body))
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        with pytest.raises(PolicyBadRequest, match="rank 128 is too large"):
            await policy.propose(state, 1)


async def test_other_refusals_load_nothing(connect: Connect, server: FakePolicyServer, state: ProofState) -> None:
    server.script("/generate", Answer(status=400, json={"error": {"message": "temperature must be positive"}}))
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        with pytest.raises(PolicyBadRequest, match="temperature"):
            await policy.propose(state, 1)
    assert server.bodies("/load_lora_adapter") == []
