from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from leanebm.errors import EncoderError, PolicyBadRequest, PolicyError


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
