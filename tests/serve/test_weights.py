from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import EncoderError, PolicyBadRequest, PolicyError
from leanebm.serve._weights import WeightLock


async def turns(count: int = 20) -> None:
    """Let every task that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


class Holder:
    """Holds the lock, as a request or as a change, until it is told to let go."""

    def __init__(self, lock: WeightLock, *, is_change: bool) -> None:
        self._enter = lock.change if is_change else lock.request
        self._may_end = asyncio.Event()
        self.is_in = False
        self.is_change = is_change
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._enter():
            self.is_in = True
            try:
                await self._may_end.wait()
            finally:
                self.is_in = False

    async def end(self) -> None:
        self._may_end.set()
        await self.task

    async def cancel(self) -> None:
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


async def test_requests_run_together_and_a_change_alone() -> None:
    lock = WeightLock()
    requests = [Holder(lock, is_change=False) for _ in range(2)]
    await turns()
    change = Holder(lock, is_change=True)
    await turns()
    late = Holder(lock, is_change=False)
    await turns()
    assert [holder.is_in for holder in (*requests, change, late)] == [True, True, False, False]
    assert (lock.waiting, lock.changes) == (1, 1)
    for request in requests:
        await request.end()
    await turns()
    assert (change.is_in, late.is_in) == (True, False)
    await change.end()
    await turns()
    assert late.is_in
    assert (lock.waiting, lock.changes) == (0, 0)
    await late.end()


async def test_changes_run_one_after_another() -> None:
    lock = WeightLock()
    first, second = Holder(lock, is_change=True), Holder(lock, is_change=True)
    await turns()
    assert (first.is_in, second.is_in) == (True, False)
    await first.end()
    await turns()
    assert second.is_in
    await second.end()


async def test_a_change_that_gives_up_lets_requests_in_again() -> None:
    lock = WeightLock()
    request = Holder(lock, is_change=False)
    await turns()
    change = Holder(lock, is_change=True)
    await turns()
    late = Holder(lock, is_change=False)
    await turns()
    await change.cancel()
    await turns()
    assert late.is_in
    await asyncio.gather(request.end(), late.end())


@given(
    script=st.lists(st.tuples(st.sampled_from(["request", "change", "end", "cancel"]), st.integers(0, 9)), max_size=25)
)
def test_whatever_comes_and_goes_nothing_shares_with_a_change_and_nobody_is_forgotten(
    script: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        lock = WeightLock()
        holders: list[Holder] = []
        moves: dict[str, Callable[[], None]] = {
            "request": lambda: holders.append(Holder(lock, is_change=False)),
            "change": lambda: holders.append(Holder(lock, is_change=True)),
        }
        for what, which in script:
            if what in moves:
                moves[what]()
            elif holders:
                holder = holders.pop(which % len(holders))
                if what == "end" and holder.is_in:
                    await holder.end()
                else:
                    await holder.cancel()
            await turns()
            inside = [holder for holder in holders if holder.is_in]
            assert len(inside) <= 1 or not any(holder.is_change for holder in inside)
            assert inside or not holders
        for holder in holders:
            holder.task.cancel()
        await asyncio.gather(*(holder.task for holder in holders), return_exceptions=True)
        assert (lock.waiting, lock.changes) == (0, 0)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/load_lora_adapter", {"lora_name": "a", "lora_path": "p"}, "the echo backend has no adapters"),
        ("/load_lora_adapter", {"lora_name": "a"}, "lora_path must be a text"),
        ("/load_lora_adapter", {"lora_name": 5, "lora_path": "p"}, "lora_name must be a text, not 5"),
        ("/load_lora_adapter", [], "must be a JSON object"),
        ("/unload_lora_adapter", {"lora_name": "a"}, "the echo backend has no adapters"),
        ("/unload_lora_adapter", {}, "lora_name must be a text"),
    ],
)
async def test_what_is_refused_of_adapters_is_told_in_the_shape_of_an_answer(
    serve: Any, path: str, body: object, said: str
) -> None:
    client = await serve()
    reply = await client("POST", path, body)
    assert reply.status == 400
    assert reply.json["success"] is False
    assert said in reply.json["error_message"]
    assert reply.json["loaded_adapters"] == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"model_path": "p"}, "the echo backend has no weights"),
        ({"model_path": "p", "weight_version": "w"}, "as 'w'"),
        ({"model_path": "p", "weight_version": 5}, "weight_version must be a text"),
        ({}, "model_path must be a text"),
    ],
)
async def test_what_is_refused_of_weights_is_told_so_too(serve: Any, body: object, said: str) -> None:
    client = await serve()
    reply = await client("POST", "/update_weights_from_disk", body)
    assert reply.status == 400
    assert (reply.json["success"], reply.json["num_paused_requests"]) == (False, 0)
    assert said in reply.json["message"]


@pytest.mark.parametrize("path", ["/generate", "/encode"])
async def test_an_adapter_that_is_not_there_is_refused(serve: Any, path: str) -> None:
    client = await serve()
    reply = await client("POST", path, {"text": "p", "lora_path": "a"})
    assert reply.status == 400
    assert "the LoRA adapter 'a' is not loaded" in reply.json["error"]["message"]


async def test_a_change_waits_for_requests_and_requests_for_it(
    serve: Any, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    async def update(path: str, *, weight_version: str | None = None) -> None:
        order.append(f"{path} {weight_version}")

    async def encode(*_: Any, **__: Any) -> Any:
        order.append("encode")
        raise PolicyBadRequest("enough")

    monkeypatch.setattr(backend, "update_weights", update)
    monkeypatch.setattr(backend, "encode", encode)
    client = await serve()
    backend.gate.clear()
    running = asyncio.create_task(client.generate(text="p"))
    await backend.started.wait()
    body = {"model_path": "new", "weight_version": "w2"}
    changing = asyncio.create_task(client("POST", "/update_weights_from_disk", body))
    while (await client("GET", "/server_info")).json["internal_states"][0]["weight_changes"] != 1:
        pass
    late = asyncio.create_task(client("POST", "/encode", {"text": "p"}))
    while (await client("GET", "/server_info")).json["internal_states"][0]["running"] != 2:
        pass
    assert order == []
    backend.gate.set()
    assert (await running).status == 200
    reply = (await changing).json
    assert (reply["success"], reply["num_paused_requests"]) == (True, 1)
    await late
    assert order == ["new w2", "encode"]


async def test_a_change_may_abort_what_runs(serve: Any, backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def update(_: str, *, weight_version: str | None = None) -> None:
        assert weight_version is None

    monkeypatch.setattr(backend, "update_weights", update)
    client = await serve()
    backend.gate.clear()
    running = asyncio.create_task(client.generate(text="p"))
    await backend.started.wait()
    body = {"model_path": "new", "abort_all_requests": True}
    assert (await client("POST", "/update_weights_from_disk", body)).json["success"]
    assert (await running).json["meta_info"]["finish_reason"]["type"] == "abort"


async def test_adapters_come_and_go(serve: Any, backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: dict[str, str] = {}

    async def load(name: str, path: str) -> None:
        loaded[name] = path

    async def unload(name: str) -> None:
        del loaded[name]

    def adapters(_: object) -> Mapping[str, str]:
        return loaded

    monkeypatch.setattr(backend, "load_adapter", load)
    monkeypatch.setattr(backend, "unload_adapter", unload)
    monkeypatch.setattr(type(backend), "adapters", property(adapters))
    client = await serve()
    reply = await client("POST", "/load_lora_adapter", {"lora_name": "a", "lora_path": "p", "pinned": True})
    assert reply.json == {"success": True, "error_message": "", "loaded_adapters": {"a": "p"}}
    assert (await client.generate(text="p", lora_path="a")).status == 200
    assert (await client("GET", "/model_info")).json["leanebm"]["adapters"] == {"a": "p"}
    reply = await client("POST", "/unload_lora_adapter", {"lora_name": "a"})
    assert reply.json == {"success": True, "error_message": "", "loaded_adapters": {}}


@pytest.mark.parametrize("failure", [EncoderError("a vector of nothing"), PolicyError("the model failed")])
async def test_a_backend_that_fails_is_the_servers_fault(
    serve: Any, backend: Any, monkeypatch: pytest.MonkeyPatch, failure: PolicyError
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise failure

    monkeypatch.setattr(backend, "encode", fail)
    client = await serve()
    reply = await client("POST", "/encode", {"text": "p"})
    assert reply.status == 500
    assert reply.json == {"error": {"message": f"{type(failure).__name__}: {failure}"}}
