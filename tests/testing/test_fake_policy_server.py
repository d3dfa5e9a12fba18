from __future__ import annotations

import asyncio

import aiohttp
import pytest

from leanebm.testing import Answer, Compute, FakePolicyServer, HangUp, Raw, Stall, hashed_embedding, sample_object


async def test_a_path_is_answered_from_its_script_then_always_the_same() -> None:
    async with FakePolicyServer() as server, aiohttp.ClientSession() as session:
        server.script("/x", Answer(status=503), then=Compute(lambda body: Answer(json=body)))
        statuses = []
        for number in range(3):
            async with session.post(f"{server.url}/x", json=number) as response:
                statuses.append((response.status, await response.text()))
        async with session.get(f"{server.url}/y") as response:
            assert response.status == 404
    assert statuses == [(503, ""), (200, "1"), (200, "2")]
    assert server.bodies("/x") == [0, 1, 2]
    assert [request.method for request in server.received] == ["POST"] * 3 + ["GET"]


@pytest.mark.parametrize("step", [HangUp(), Raw(start=b"no http\r\n\r\n")])
async def test_it_can_be_no_server_at_all(step: HangUp | Raw) -> None:
    async with FakePolicyServer() as server, aiohttp.ClientSession() as session:
        server.script("/x", then=step)
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"{server.url}/x")


async def test_it_notices_that_a_client_leaves() -> None:
    async with FakePolicyServer() as server:
        server.script("/x", Stall())
        async with aiohttp.ClientSession() as session:
            asking = asyncio.create_task(session.get(f"{server.url}/x").__aenter__())
            await server.wait_for_requests("/x", 1)
            assert server.num_connections == 1
            asking.cancel()
            await server.client_left.wait()
        await server.wait_for_disconnects()


async def test_it_may_come_back_at_the_same_address() -> None:
    async with FakePolicyServer() as first:
        url = first.url
    async with FakePolicyServer(port=first.port) as second:
        assert second.url == url


async def test_it_encodes_any_text_and_the_same_one_alike() -> None:
    async with FakePolicyServer() as server, aiohttp.ClientSession() as session:
        server.offer_encoder(dim=3, pooling="last")
        async with session.get(f"{server.url}/model_info") as response:
            assert (await response.json())["leanebm"]["encode"]["pooling"] == "last"
        async with session.post(f"{server.url}/encode", json={"text": ["a", "b", "a"]}) as response:
            a, b, again = [item["embedding"] for item in await response.json()]
    assert a == again != b
    assert len(a) == 3


def test_hashed_embeddings_are_numbers_between_minus_one_and_one() -> None:
    vector = hashed_embedding("⊢ p", 64)
    assert len(vector) == 64
    assert all(-1.0 <= number < 1.0 for number in vector)


def test_a_sample_has_one_entry_a_token() -> None:
    assert sample_object("simp", -0.1, -0.2, ids=[7, 8])["meta_info"]["output_token_logprobs"] == [
        [-0.1, 7, None],
        [-0.2, 8, None],
    ]
