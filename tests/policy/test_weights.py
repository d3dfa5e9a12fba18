from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from leanebm.core import ProofState
from leanebm.errors import PolicyBadRequest, PolicyError, PolicyUnavailable
from leanebm.policy import PolicyClient
from leanebm.testing import Answer, Compute, FakePolicyServer, HangUp, sample_object

Connect = Callable[..., PolicyClient]

REFUSED = Answer(status=400, json={"success": False, "message": "Cache flush failed after updating weights"})

NOT_DONE = Answer(json={"success": False, "message": "no such file"})

DONE = Answer(json={"success": True, "message": "Succeeded", "num_paused_requests": 0})


class Served:
    """What the server says that it serves."""

    def __init__(self, server: FakePolicyServer, version: str | None = "old") -> None:
        self.version = version
        self.path = "/models/old"
        server.script("/model_info", then=Compute(lambda _: self.info()))

    def info(self) -> Answer:
        said = {"model_path": self.path, "is_generation": True, "weight_version": self.version}
        return Answer(json={key: value for key, value in said.items() if value is not None})

    def update(self, body: Any) -> Answer:
        self.version = body["weight_version"] if self.version is not None else None
        self.path = body["model_path"]
        return DONE


async def test_case_20_new_weights_are_taken_and_looked_at(connect: Connect, server: FakePolicyServer) -> None:
    served = Served(server)
    server.script("/update_weights_from_disk", Compute(served.update))
    async with connect(stop_on_weight_change=True) as policy:
        await policy.model_info()
        info = await policy.update_weights("/models/new", "new")
        assert info.weight_version == "new"
        assert await policy.model_info() == info
        assert policy.statistics().weight_changes == 1
    assert server.bodies("/update_weights_from_disk") == [
        {"model_path": "/models/new", "weight_version": "new", "flush_cache": True}
    ]


async def test_case_20_requests_are_drained_before_and_held_back_meanwhile(
    connect: Connect, server: FakePolicyServer, state: ProofState
) -> None:
    served, let_go = Served(server), asyncio.Event()
    server.script("/generate", Answer(json=sample_object("simp", -0.1, weight_version="old"), wait_for=let_go))
    server.script("/generate", Answer(json=sample_object("simp", -0.1, weight_version="new")))
    server.script("/update_weights_from_disk", Compute(served.update))
    async with connect(stop_on_weight_change=True) as policy:
        early = asyncio.create_task(policy.propose(state, 1))
        await server.wait_for_requests("/generate", 1)
        updating = asyncio.create_task(policy.update_weights("/models/new", "new"))
        while policy.statistics().waiting < 1:  # noqa: ASYNC110 - nothing outside the client tells
            await asyncio.sleep(0)
        late = asyncio.create_task(policy.propose(state, 1))
        while policy.statistics().waiting < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert server.bodies("/update_weights_from_disk") == []
        let_go.set()
        await asyncio.gather(early, updating, late)
    paths = [request.path for request in server.received if request.path != "/model_info"]
    assert paths == ["/generate", "/update_weights_from_disk", "/generate"]


@pytest.mark.parametrize("refusal", [REFUSED, NOT_DONE])
async def test_case_20_a_refusal_is_tried_again_after_a_pause(
    connect: Connect, server: FakePolicyServer, time: Any, refusal: Answer
) -> None:
    served = Served(server)
    server.script("/update_weights_from_disk", refusal, refusal, Compute(served.update))
    async with connect() as policy:
        assert (await policy.update_weights("/models/new", "new")).weight_version == "new"
    assert time.pauses_s == [1.0, 2.0]


@pytest.mark.parametrize(("refusal", "why"), [(REFUSED, "Cache flush failed"), (NOT_DONE, "no such file")])
async def test_case_20_for_ever_it_stays_on_the_old_ones_and_goes_on(
    connect: Connect, server: FakePolicyServer, state: ProofState, refusal: Answer, why: str
) -> None:
    Served(server)
    server.script("/update_weights_from_disk", then=refusal)
    server.script("/generate", Answer(json=sample_object("simp", -0.1, weight_version="old")))
    async with connect(stop_on_weight_change=True) as policy:
        with pytest.raises(PolicyUnavailable, match=f"still serves 'old'.*{why}"):
            await policy.update_weights("/models/new", "new")
        assert len(await policy.propose(state, 1)) == 1
        assert policy.statistics().weight_changes == 0
    assert len(server.bodies("/update_weights_from_disk")) == 4


async def test_case_20_what_counts_is_what_it_serves(connect: Connect, server: FakePolicyServer) -> None:
    Served(server)
    server.script("/update_weights_from_disk", DONE)
    async with connect() as policy:
        with pytest.raises(PolicyError, match="took 'new' and serves 'old'"):
            await policy.update_weights("/models/new", "new")


async def test_case_20_an_answer_that_was_lost_is_found_in_what_it_serves(
    connect: Connect, server: FakePolicyServer
) -> None:
    served = Served(server)
    server.script("/update_weights_from_disk", HangUp())
    async with connect(max_attempts=1) as policy:
        await policy.model_info()
        served.version = "new"
        server.script("/model_info", Answer(json={"weight_version": "old"}))
        assert (await policy.update_weights("/models/new", "new")).weight_version == "new"


async def test_case_20_servers_without_versions_are_told_apart_by_path(
    connect: Connect, server: FakePolicyServer
) -> None:
    served = Served(server, version=None)
    server.script("/update_weights_from_disk", Compute(served.update))
    async with connect() as policy:
        assert (await policy.update_weights("/models/new", "new")).model_path == "/models/new"


async def test_case_20_new_weights_need_a_new_name(connect: Connect, server: FakePolicyServer) -> None:
    Served(server)
    async with connect() as policy:
        with pytest.raises(ValueError, match="already serves 'old'"):
            await policy.update_weights("/models/new", "old")


async def test_case_20_embeddings_of_the_old_weights_are_forgotten(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder(weight_version="old")

    def update(_: Any) -> Answer:
        server.offer_encoder(weight_version="new")
        return DONE

    server.script("/update_weights_from_disk", Compute(update))
    async with connect() as policy:
        before = await policy.encode(["a"])
        await policy.update_weights("/models/new", "new")
        assert (await policy.identity()).weights == "new"
        assert await policy.encode(["a"]) != before


Connect_adapter_loader = Callable[..., PolicyClient]

GOOD = Answer(json=sample_object("simp", -0.1))

SAID = "The following requested LoRA adapters are not loaded: {'iter-7'}"

UNKNOWN = Answer(status=400, json={"error": {"message": SAID}})

LOADED = Answer(json={"success": True, "error_message": "", "loaded_adapters": {"iter-7": "/adapters/7"}})


async def test_case_19_an_unknown_adapter_is_refused_by_name(
    connect: Connect_adapter_loader, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", UNKNOWN)
    async with connect(adapter="iter-7") as policy:
        with pytest.raises(PolicyBadRequest, match="iter-7"):
            await policy.propose(state, 1)
    assert server.bodies("/generate")[0]["lora_path"] == "iter-7"
    assert server.bodies("/load_lora_adapter") == []


async def test_case_19_it_is_loaded_again_where_its_path_is_known(
    connect: Connect_adapter_loader, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", UNKNOWN, GOOD)
    server.script("/load_lora_adapter", LOADED)
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        assert len(await policy.propose(state, 1)) == 1
    assert server.bodies("/load_lora_adapter") == [{"lora_name": "iter-7", "lora_path": "/adapters/7"}]


async def test_case_19_but_only_once_a_call(
    connect: Connect_adapter_loader, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", then=UNKNOWN)
    server.script("/load_lora_adapter", then=LOADED)
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        with pytest.raises(PolicyBadRequest, match="not loaded"):
            await policy.propose(state, 1)
    assert len(server.bodies("/generate")) == 2
    assert len(server.bodies("/load_lora_adapter")) == 1


async def test_case_19_many_calls_load_it_once(
    connect: Connect_adapter_loader, server: FakePolicyServer, state: ProofState
) -> None:
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
    connect: Connect_adapter_loader, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", UNKNOWN, GOOD)
    server.script("/load_lora_adapter", Answer(status=400, json={"error_message": "iter-7 is already loaded"}))
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        assert len(await policy.propose(state, 1)) == 1


@pytest.mark.parametrize("status", [200, 400])
async def test_case_19_a_server_that_cannot_load_it_says_why(
    connect: Connect_adapter_loader, server: FakePolicyServer, state: ProofState, status: int
) -> None:
    server.script("/generate", UNKNOWN)
    body = {"success": False, "error_message": "rank 128 is too large"}
    server.script("/load_lora_adapter", Answer(status=status, json=body))
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        with pytest.raises(PolicyBadRequest, match="rank 128 is too large"):
            await policy.propose(state, 1)


async def test_other_refusals_load_nothing(
    connect: Connect_adapter_loader, server: FakePolicyServer, state: ProofState
) -> None:
    server.script("/generate", Answer(status=400, json={"error": {"message": "temperature must be positive"}}))
    async with connect(adapter="iter-7", adapter_path="/adapters/7") as policy:
        with pytest.raises(PolicyBadRequest, match="temperature"):
            await policy.propose(state, 1)
    assert server.bodies("/load_lora_adapter") == []
