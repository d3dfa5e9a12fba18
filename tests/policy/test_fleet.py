from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from policy_process import PolicyProcess, policy_processes

from leanebm.core import Goal, PolicyUse, ProofState, StateRef
from leanebm.errors import (
    ConfigError,
    PolicyError,
    PolicyOverloaded,
    PolicyTimeout,
    PolicyUnauthorized,
    PolicyUnavailable,
)
from leanebm.policy import EncoderConfig, PolicyClient, PolicyClientConfig
from leanebm.testing import Answer, FakePolicyServer, Stall, sample_object

GOOD = Answer(json=sample_object("simp", -0.1, weight_version="w1"))


def offer(server: FakePolicyServer, weights: str = "w1") -> None:
    server.offer_encoder(weight_version=weights)
    server.script("/generate", then=Answer(json=sample_object("simp", -0.1, weight_version=weights)))


def asked(server: FakePolicyServer) -> int:
    return len(server.bodies("/generate"))


@pytest.fixture
async def two() -> AsyncIterator[list[FakePolicyServer]]:
    async with FakePolicyServer() as first, FakePolicyServer() as second:
        offer(first)
        offer(second)
        yield [first, second]


def client(time: Any, *urls: str, **settings: Any) -> PolicyClient:
    config = PolicyClientConfig(url=",".join(urls), **settings)
    return PolicyClient(config, clock=time.clock, sleep=time.sleep, rng=random.Random(7))  # noqa: S311


async def test_the_one_with_less_to_do_is_asked(two: list[FakePolicyServer], time: Any, state: ProofState) -> None:
    busy, idle = two
    async with client(time, busy.url, idle.url) as policy:
        await policy.wait_ready()
        both = asyncio.Event()
        for server in two:
            server.script("/generate", Answer(wait_for=both, json=GOOD.json))
        calls = [asyncio.create_task(policy.propose(state, 1)) for _ in range(2)]
        for server in two:  # each has one: the second call went where the first did not
            await server.wait_for_requests("/generate", 1)
        both.set()
        await asyncio.gather(*calls)
        never = asyncio.Event()
        for server in two:
            server.script("/generate", Answer(wait_for=never, json=GOOD.json))
        stuck = asyncio.create_task(policy.propose(state, 1))
        await asyncio.wait(
            [asyncio.create_task(server.wait_for_requests("/generate", 2)) for server in two],
            return_when=asyncio.FIRST_COMPLETED,
        )
        busy, idle = sorted(two, key=asked, reverse=True)
        idle.script("/generate", then=GOOD)
        idle._scripts["/generate"].clear()
        for _ in range(10):
            await policy.propose(state, 1)
        assert (asked(busy), asked(idle)) == (2, 11)
        never.set()
        await stuck


async def test_a_full_server_is_left_alone_for_as_long_as_it_says(
    two: list[FakePolicyServer], time: Any, state: ProofState
) -> None:
    async with client(time, *(server.url for server in two)) as policy:
        await policy.wait_ready()
        full = Answer(status=503, headers={"Retry-After": "30"})
        two[0].script("/generate", then=full)
        for _ in range(20):
            await policy.propose(state, 1)
        assert asked(two[0]) == 1
        assert policy.statistics().overloads == 1
        assert not policy.statistics().is_circuit_open
        two[0].script("/generate", then=GOOD)
        time.clock.advance(30.0)
        while asked(two[0]) == 1:
            await policy.propose(state, 1)
    assert time.pauses_s == []  # nobody waited: another one had room


async def test_when_all_are_full_the_first_to_have_room_is_waited_for(
    two: list[FakePolicyServer], time: Any, state: ProofState
) -> None:
    two[0].script("/generate", Answer(status=429, headers={"Retry-After": "50"}))
    two[1].script("/generate", Answer(status=503, headers={"Retry-After": "20"}))
    async with client(time, *(server.url for server in two)) as policy:
        await policy.propose(state, 1)
    assert time.pauses_s == [20.0]
    assert (asked(two[0]), asked(two[1])) == (1, 2)


async def test_when_all_stay_full_the_error_names_them(
    two: list[FakePolicyServer], time: Any, state: ProofState
) -> None:
    for server in two:
        server.script("/generate", then=Answer(status=503, headers={"Retry-After": "50"}))
    async with client(time, *(server.url for server in two)) as policy:
        with pytest.raises(PolicyOverloaded) as caught:
            await policy.propose(state, 1)
    assert all(server.url in str(caught.value) for server in two)


async def test_one_that_died_costs_nobody_anything_and_comes_back(
    two: list[FakePolicyServer], time: Any, state: ProofState, caplog: pytest.LogCaptureFixture
) -> None:
    alive, dying = two
    async with client(time, alive.url, dying.url) as policy:
        await policy.wait_ready()
        await dying.__aexit__()
        for _ in range(40):
            await policy.propose(state, 1)
        assert asked(alive) == 40
        failures = policy.statistics().failures
        assert failures == 5  # then its breaker was open
        assert f"{dying.url}/generate cannot be reached" in caplog.text
        async with FakePolicyServer(port=dying.port) as back:
            offer(back)
            time.clock.advance(5.0)
            while not asked(back):
                await policy.propose(state, 1)
                time.clock.advance(1.0)
        assert policy.statistics().failures == failures
    assert time.pauses_s == []


async def test_a_storm_of_calls_to_dead_servers_is_bounded(
    two: list[FakePolicyServer], time: Any, state: ProofState
) -> None:
    async with client(time, *(server.url for server in two)) as policy:
        await policy.wait_ready()
        requests = policy.statistics().requests
        for server in two:
            await server.__aexit__()
        storm = await asyncio.gather(*(policy.propose(state, 1) for _ in range(500)), return_exceptions=True)
        assert all(isinstance(error, PolicyUnavailable) for error in storm)
        assert all(server.url in str(storm[-1]) for server in two)
        # 64 of each server's were out when it failed, and none after that; plus what a call retries.
        assert policy.statistics().requests - requests < 200


async def test_a_server_that_hangs_is_given_up_for_another(two: list[FakePolicyServer], state: ProofState) -> None:
    config = PolicyClientConfig(url=",".join(server.url for server in two), deadline_s=2.0, breaker_failures=1)
    async with PolicyClient(config, rng=random.Random(7)) as policy:  # noqa: S311 - else eight draws may leave it out
        await policy.wait_ready()
        two[0].script("/generate", then=Stall())
        two[0].script("/health", then=Answer(status=503))
        for _ in range(8):
            await policy.propose(state, 1)
        assert asked(two[0]) == 1
        two[1].script("/generate", then=Stall())
        with pytest.raises(PolicyTimeout):
            await policy.propose(state, 1)


async def test_all_are_waited_for_and_named_when_none_is_there(time: Any) -> None:
    async with FakePolicyServer() as first, FakePolicyServer() as second:
        urls = first.url, second.url
    told: list[str] = []
    async with client(time, *urls, connect_patience_s=3.0) as policy:
        with pytest.raises(PolicyUnavailable, match="--patience") as caught:
            await policy.wait_ready(told.append)
    assert time.pauses_s == [1.0, 1.0, 1.0]
    assert len(told) == 1
    for said in (told[0], str(caught.value)):
        assert all(url in said for url in urls)


async def test_a_wrong_key_is_told_at_once(two: list[FakePolicyServer], time: Any) -> None:
    for server in two:
        server.script("/model_info", then=Answer(status=401))
        server.script("/get_model_info", then=Answer(status=401))
        server.script("/v1/models", then=Answer(status=401))
    async with client(time, *(server.url for server in two)) as policy:
        with pytest.raises(PolicyUnauthorized):
            await policy.wait_ready()
    assert time.pauses_s == []


async def test_a_run_begins_without_those_that_are_not_there_yet(
    two: list[FakePolicyServer], time: Any, state: ProofState
) -> None:
    here, late = two
    await late.__aexit__()
    async with client(time, here.url, late.url) as policy:
        await policy.wait_ready()
        await policy.propose(state, 1)
        async with FakePolicyServer(port=late.port) as there:
            offer(there)
            time.clock.advance(5.0)
            while not asked(there):
                await policy.propose(state, 1)
                time.clock.advance(1.0)


async def test_what_a_search_waits_in_queues_is_told_apart(
    two: list[FakePolicyServer], time: Any, state: ProofState
) -> None:
    for server in two:
        server.script("/generate", Answer(status=503, headers={"Retry-After": "20"}))
    use = PolicyUse()
    async with client(time, *(server.url for server in two)) as policy:
        with use.noted():
            await policy.propose(state, 1)
        await policy.propose(state, 1)
    assert use == PolicyUse(waited_s=20.0, weights={"w1"})


async def test_each_search_is_told_of_its_own_queue(two: list[FakePolicyServer], time: Any, state: ProofState) -> None:
    """Also where a request waits behind another one of the same client."""
    first, second = PolicyUse(), PolicyUse()
    late = asyncio.Event()
    two[0].script("/generate", Answer(wait_for=late, json=GOOD.json))
    async with client(time, two[0].url, max_sequences_in_flight=1) as policy:

        async def ask(use: PolicyUse) -> None:
            with use.noted():
                await policy.propose(state, 1)

        calls = [asyncio.create_task(ask(use)) for use in (first, second)]
        await two[0].wait_for_requests("/generate", 1)
        time.clock.advance(3.0)
        late.set()
        await asyncio.gather(*calls)
    assert (first.waited_s, second.waited_s) == (0.0, 3.0)


# --- weights ---


async def test_a_mixture_is_refused_at_the_start(two: list[FakePolicyServer], time: Any) -> None:
    offer(two[1], "w2")
    async with client(time, *(server.url for server in two)) as policy:
        with pytest.raises(ConfigError) as caught:
            await policy.wait_ready()
    (problem, advice) = caught.value.problems
    assert two[0].url in str(caught.value)
    assert problem.startswith(f"{two[1].url} has weights 'w2' instead of 'w1'")
    assert "one_version = false" in advice


async def test_a_mixture_may_be_wanted_but_not_of_vectors(
    two: list[FakePolicyServer], time: Any, state: ProofState
) -> None:
    offer(two[1], "w2")
    async with client(time, *(server.url for server in two), one_version=False) as policy:
        await policy.wait_ready()
        while not all(map(asked, two)):
            await policy.propose(state, 1)
        assert policy.statistics().weight_changes == 0
        with pytest.raises(ConfigError, match="must not meet"):
            await policy.encode(["a"])


async def test_one_that_comes_back_with_other_weights_is_not_asked(
    two: list[FakePolicyServer], time: Any, state: ProofState, caplog: pytest.LogCaptureFixture
) -> None:
    same, other = two
    async with client(time, same.url, other.url, breaker_failures=1) as policy:
        await policy.wait_ready()
        await other.__aexit__()
        async with FakePolicyServer(port=other.port) as back:
            offer(back, "w2")
            back.script("/generate", Answer(status=500))  # its breaker opens
            while not asked(back):
                await policy.propose(state, 1)
            for _ in range(20):
                time.clock.advance(5.0)
                await policy.propose(state, 1)
            assert asked(back) == 1
            assert caplog.text.count("has weights 'w2' instead of 'w1'") == 1
            assert len(back.bodies("/model_info")) <= 6  # ever more seldom
            offer(back, "w1")
            time.clock.advance(60.0)
            while asked(back) == 1:
                await policy.propose(state, 1)
                time.clock.advance(1.0)


@pytest.mark.parametrize(
    ("what", "said_as", "versions"),
    [("weight", "weights", ("w1", "w2")), ("adapter", "adapter 'a'", ("a1", "a2"))],
    ids=["weights", "adapter"],
)
async def test_an_answer_of_other_weights_is_not_used(
    two: list[FakePolicyServer], time: Any, state: ProofState, what: str, said_as: str, versions: tuple[str, str]
) -> None:
    ours, others = (sample_object(tactic, -0.1, weight_version="w1") for tactic in ("simp", "other"))
    for said, version in zip((ours, others), versions, strict=True):
        said["meta_info"][f"{what}_version"] = version
    for server in two:
        server.script("/generate", then=Answer(json=ours))
    async with client(time, *(server.url for server in two), adapter="a") as policy:
        await policy.wait_ready()
        while not all(map(asked, two)):
            await policy.propose(state, 1)
        so_far = asked(two[1])
        two[1].script("/generate", then=Answer(json=others))
        two[1].script("/model_info", then=Answer(json={"weight_version": "w2", "is_generation": True}))
        tactics = {(await policy.propose(state, 1))[0].tactic for _ in range(20)}
        assert tactics == {"simp"}
        assert asked(two[1]) == so_far + 1
        for server in two:
            server.script("/generate", then=Answer(json=others))
        told = f"the {said_as} behind .* is '{versions[1]}' now, .* is '{versions[0]}'"
        with pytest.raises(PolicyError, match=told):
            await policy.propose(state, 1)


def embedders(servers: list[FakePolicyServer], **settings: Any) -> dict[str, Any]:
    return {
        "encoder": EncoderConfig(url=",".join(one.url for one in servers), adapter="a", cache_entries=0),
        **settings,
    }


@pytest.mark.parametrize("beside", [True, False], ids=["encoders beside the policy", "one fleet for both"])
async def test_encoders_with_two_adapters_of_one_name_are_refused_at_the_start(
    two: list[FakePolicyServer], time: Any, beside: bool
) -> None:
    for server, version in zip(two, ("a1", "a2"), strict=True):
        server.offer_encoder(adapters={"a": version})
    async with FakePolicyServer() as policy_server:
        offer(policy_server)
        urls = [policy_server.url] if beside else [one.url for one in two]
        async with client(time, *urls, **embedders(two)) as policy:
            with pytest.raises(ConfigError, match="has adapter 'a' 'a2' instead of 'a1'"):
                await policy.wait_ready()


@pytest.mark.parametrize("beside", [True, False], ids=["encoders beside the policy", "one fleet for both"])
async def test_vectors_of_another_adapter_of_that_name_are_not_used(
    two: list[FakePolicyServer], time: Any, state: ProofState, beside: bool
) -> None:
    for server in two:
        server.offer_encoder(adapters={"a": "a1", "tactics": "t1"})
        sample = sample_object("simp", -0.1, weight_version="w1")
        sample["meta_info"]["adapter_version"] = "t1"  # of another name, and so no contradiction
        server.script("/generate", then=Answer(json=sample))
    async with FakePolicyServer() as policy_server:
        offer(policy_server)
        urls = [policy_server.url] if beside else [one.url for one in two]
        async with client(time, *urls, **embedders(two, adapter="tactics")) as policy:
            await policy.wait_ready()
            await policy.propose(state, 1)
            before = await policy.encode(["⊢ p"])
            two[1].offer_encoder(adapters={"a": "a2", "tactics": "t1"})
            so_far = len(two[1].bodies("/encode"))
            assert all([await policy.encode(["⊢ p"]) == before for _ in range(20)])
            assert len(two[1].bodies("/encode")) == so_far + 1
            await policy.propose(state, 1)
            two[0].offer_encoder(adapters={"a": "a2", "tactics": "t1"})
            with pytest.raises(PolicyError, match=r"the adapter 'a' behind .* is 'a2' now, and this run's is 'a1'"):
                await policy.encode(["⊢ p"])


async def test_an_adapter_is_loaded_by_all(two: list[FakePolicyServer], time: Any) -> None:
    for server in two:
        server.script("/load_lora_adapter", then=Answer(json={"success": True}))
    async with client(time, *(server.url for server in two)) as policy:
        await policy.load_adapter("a", "/a")
    assert all(server.bodies("/load_lora_adapter") == [{"lora_name": "a", "lora_path": "/a"}] for server in two)


async def test_an_adapter_is_asked_for_at_all_whoever_has_it(two: list[FakePolicyServer], time: Any) -> None:
    two[0].script(
        "/load_lora_adapter",
        then=Answer(status=400, json={"success": False, "error_message": "the LoRA adapter 'a' is already loaded"}),
    )
    two[1].script("/load_lora_adapter", then=Answer(json={"success": True}))
    async with client(time, *(server.url for server in two)) as policy:
        await policy.ensure_adapter("a", "/a")
    assert all(server.bodies("/load_lora_adapter") == [{"lora_name": "a", "lora_path": "/a"}] for server in two)


async def test_encoders_share_the_work_too(two: list[FakePolicyServer], time: Any) -> None:
    async with FakePolicyServer() as policy_server:
        offer(policy_server)
        encoders = ",".join(server.url for server in two)
        async with client(time, policy_server.url, encoder=EncoderConfig(url=encoders, cache_entries=0)) as policy:
            await policy.wait_ready()
            before = await policy.encode(["a"])
            while not all(len(server.bodies("/encode")) > 3 for server in two):
                await policy.encode(["a"])
            await two[0].__aexit__()
            assert await policy.encode(["a"]) == before
        assert policy_server.bodies("/encode") == []


# --- the file ---


@attrs.frozen
class Followed:
    """A client whose servers stand in a file."""

    path: Path
    policy: PolicyClient
    time: Any
    state: ProofState

    def write(self, *lines: str) -> None:
        self.path.write_text("\n".join(lines))

    async def ask(self, times: int = 12) -> None:
        for _ in range(times):
            await self.policy.propose(self.state, 1)
            self.time.clock.advance(1.0)


@pytest.fixture
async def followed(
    two: list[FakePolicyServer], time: Any, state: ProofState, tmp_path: Path
) -> AsyncIterator[Followed]:
    path = tmp_path / "servers.txt"
    path.write_text(f"# ours\n{two[0].url}/v1\n")
    async with client(time, f"file:{path}") as policy:
        await policy.wait_ready()
        yield Followed(path, policy, time, state)


async def test_servers_join_and_leave_by_the_file(followed: Followed, two: list[FakePolicyServer]) -> None:
    first, second = two
    await followed.ask()
    assert asked(second) == 0
    followed.write(first.url, f"{second.url}  # new")
    while not asked(second):
        await followed.ask(1)
    followed.write(second.url)
    while f"{first.url}" in {server.url for server in followed.policy._policy.fleet.servers}:
        await followed.ask(1)
    before = asked(first)
    await followed.ask()
    assert asked(first) == before
    assert first.num_connections == 0


async def test_one_that_leaves_answers_what_it_was_asked(followed: Followed, two: list[FakePolicyServer]) -> None:
    first, second = two
    late = asyncio.Event()
    first.script("/generate", Answer(wait_for=late, json=sample_object("late", -0.1, weight_version="w1")))
    call = asyncio.create_task(followed.policy.propose(followed.state, 1))
    await first.wait_for_requests("/generate", 1)
    followed.write(second.url)
    while len(followed.policy._policy.fleet._leaving) == 0:
        await followed.ask(1)
    late.set()
    assert [each.tactic for each in await call] == ["late"]


async def test_one_that_leaves_is_not_asked_by_those_who_wait_for_room(
    two: list[FakePolicyServer], time: Any, state: ProofState, tmp_path: Path
) -> None:
    first, second = two
    path, late = tmp_path / "servers.txt", asyncio.Event()
    path.write_text(first.url)
    first.script("/generate", Answer(wait_for=late, json=GOOD.json), then=GOOD)
    async with client(time, f"file:{path}", max_sequences_in_flight=1) as policy:
        await policy.wait_ready()
        calls = [asyncio.create_task(policy.propose(state, 1)) for _ in range(3)]
        await first.wait_for_requests("/generate", 1)
        path.write_text(second.url)
        fleet = policy._policy.fleet
        while not fleet._leaving or first.url in {server.url for server in fleet.asked} or not fleet.asked:
            time.clock.advance(1.0)
            fleet._look_soon()
            await asyncio.sleep(0.01)
        late.set()
        await asyncio.gather(*calls)
    assert (asked(first), asked(second)) == (1, 2)


async def test_one_that_hangs_does_not_keep_the_others_from_coming_back(
    followed: Followed, two: list[FakePolicyServer], state: ProofState
) -> None:
    hanging, other = two
    hanging.script("/generate", then=Answer(status=500))
    hanging.script("/health", then=Stall())
    fleet = followed.policy._policy.fleet
    while fleet.asked:
        with contextlib.suppress(PolicyUnavailable):
            await followed.policy.propose(state, 1)
    followed.write(hanging.url, other.url)
    followed.time.clock.advance(5.0)
    asking = asyncio.create_task(followed.policy.propose(state, 1))
    await hanging.wait_for_requests("/health", 2)
    while not fleet.asked:
        followed.time.clock.advance(1.0)
        fleet._look_soon()
        await asyncio.sleep(0.01)
    await asking
    assert asked(other) == 1
    assert len(fleet._probes) == 1, "nobody waited until it was given up"


@pytest.mark.parametrize(
    "odd",
    [
        Answer(status=404),
        Answer(status=401),
        Answer(status=307, headers={"Location": "http://127.0.0.1:1/"}),
        Answer(body=b"<html>There is nobody here</html>"),
    ],
)
async def test_what_one_refuses_and_another_answers_is_that_servers_fault(
    two: list[FakePolicyServer], time: Any, state: ProofState, odd: Answer
) -> None:
    async with client(time, *(server.url for server in two)) as policy:
        await policy.wait_ready()
        two[0].script("/generate", then=odd)
        for _ in range(60):
            await policy.propose(state, 1)
        assert (asked(two[0]), asked(two[1])) == (5, 60), "it is left alone, and all others are answered"
        two[0].script("/generate", then=GOOD)
        time.clock.advance(5.0)
        while asked(two[0]) == 5:
            await policy.propose(state, 1)
            time.clock.advance(1.0)
    assert time.pauses_s == []


async def test_what_one_refuses_waits_for_another_that_is_full(
    two: list[FakePolicyServer], time: Any, state: ProofState, caplog: pytest.LogCaptureFixture
) -> None:
    odd, full = two
    odd.script("/generate", then=Answer(status=404))
    full.script("/generate", *[Answer(status=503, headers={"Retry-After": "20"})] * 3, then=GOOD)
    async with client(time, odd.url, full.url) as policy:
        await policy.wait_ready()
        await policy.propose(state, 1)
        assert (asked(odd), asked(full)) == (1, 4)
        assert sum(time.pauses_s) == 60.0
        calls = [policy.propose(state, 1) for _ in range(100)]
        assert all(await asyncio.gather(*calls))
    assert caplog.text.count("it is left alone") == 1


async def test_what_all_refuse_is_asked_twice_and_speaks_against_nobody(time: Any, state: ProofState) -> None:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(FakePolicyServer()) for _ in range(4)]
        for server in servers:
            offer(server)
        policy = await stack.enter_async_context(client(time, *(server.url for server in servers)))
        await policy.wait_ready()
        for server in servers:
            server.script("/generate", then=Answer(status=401))
        for number in range(1, 31):
            with pytest.raises(PolicyUnauthorized, match="wants another API key"):
                await policy.propose(state, 1)
            assert sum(map(asked, servers)) == 2 * number
        assert len(policy._policy.fleet.asked) == 4


async def test_one_that_joins_with_other_weights_is_refused(
    followed: Followed, two: list[FakePolicyServer], caplog: pytest.LogCaptureFixture
) -> None:
    offer(two[1], "w2")
    followed.write(two[0].url, two[1].url)
    while "has weights 'w2' instead of 'w1'" not in caplog.text:
        await followed.ask(1)
    await followed.ask()
    assert asked(two[1]) == 0


@pytest.mark.parametrize("lines", [["http://127.0.0.1:1", "nonsense"], [""], ["# nobody"], ["http://user:pw@h"]])
async def test_a_file_that_names_no_servers_changes_nothing(
    followed: Followed, two: list[FakePolicyServer], lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    followed.write(*lines)
    await followed.ask(40)
    assert asked(two[0]) == 40
    said = caplog.text.count("stay those it named before")
    assert said == 1
    followed.path.unlink()
    await followed.ask(5)
    assert asked(two[0]) == 45


async def test_a_file_that_is_being_written_is_not_believed_yet(
    followed: Followed, two: list[FakePolicyServer]
) -> None:
    asked_of = {server.url for server in followed.policy._policy.fleet.servers}
    for end in range(1, len(two[1].url)):  # each look sees another piece
        if two[1].url[:end].startswith("http://127"):
            followed.write(two[1].url[:end])
            await followed.ask(1)
            assert {server.url for server in followed.policy._policy.fleet.servers} == asked_of
    assert asked(two[0]) > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read"),
        ("http://h\nhttp:/h\n", "@ line 2"),
        ("localhost:1", "@ line 1"),
        ("http://h:99999", "@ line 1"),
        ("file:others.txt", "@ line 1"),
    ],
)
async def test_a_wrong_file_is_refused_before_any_work(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "servers.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        async with PolicyClient(PolicyClientConfig(url=f"file:{path}")):
            pass


async def test_a_file_may_have_a_mark_in_front_and_an_address_twice(
    two: list[FakePolicyServer], time: Any, tmp_path: Path
) -> None:
    path = tmp_path / "servers.txt"
    path.write_bytes(f"\ufeff{two[0].url}/\r\n\r\n{two[0].url}/v1/ # again\r\n{two[1].url}".encode())
    async with client(time, f"file:{path}") as policy:
        assert [server.url for server in policy._policy.fleet.servers] == [server.url for server in two]


async def test_an_empty_file_is_waited_for(two: list[FakePolicyServer], time: Any, tmp_path: Path) -> None:
    path = tmp_path / "servers.txt"
    path.write_text("")

    async def register() -> None:
        if len(time.pauses_s) == 2:
            path.write_text(two[0].url)

    time.during_pause = register
    async with client(time, f"file:{path}") as policy:
        assert (await policy.wait_ready()).weight_version == "w1"
    assert time.pauses_s == [1.0, 1.0]


# --- processes ---


@pytest.fixture
def processes() -> Iterator[list[PolicyProcess]]:
    """Servers of ours with one model; one is slow, one is full at first."""
    with policy_processes({}, {"delay_s": 0.05}, {"full_for": 6}, {}) as servers:
        yield servers


async def answers(url: str, *, kill: PolicyProcess | None = None) -> list[Any]:
    """What 60 states are answered with, of which eight are asked at a time."""
    states = [
        ProofState((Goal(text=f"n : Nat\n⊢ n + {i} = {i} + n", target=f"n + {i} = {i} + n"),), f"{i}", StateRef(1, i))
        for i in range(60)
    ]
    room = asyncio.Semaphore(8)
    async with PolicyClient(PolicyClientConfig(url=url, sampling_seed=3)) as policy:
        await policy.wait_ready()

        async def ask(number: int, state: ProofState) -> Any:
            async with room:
                if number == 20 and kill is not None:
                    await asyncio.to_thread(kill.kill)
                return await policy.propose(state, 4), await policy.encode([state.text])

        return await asyncio.gather(*(ask(number, state) for number, state in enumerate(states)))


async def test_whoever_answers_the_answers_are_the_same(processes: list[PolicyProcess], tmp_path: Path) -> None:
    *several, alone = processes
    undisturbed = await answers(alone.url)
    path = tmp_path / "servers.txt"
    path.write_text("\n".join(server.url for server in several))
    assert await answers(f"file:{path}", kill=several[0]) == undisturbed
    assert Counter(server.process.poll() is None for server in several) == {True: 2, False: 1}
