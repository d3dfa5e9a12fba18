from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

OK = {"sampling_params": {}, "return_logprob": True}


async def test_one_prompt_and_one_sample_make_one_object(serve: Any) -> None:
    client = await serve()
    reply = await client.generate(text="p", **OK)
    assert reply.status == 200
    meta = reply.json["meta_info"]
    assert reply.json["text"] == "p#0"
    assert reply.json["output_ids"] == [0, 99]
    assert meta["output_token_logprobs"] == [[-0.5, 0, None], [0.0, 99, None]]
    assert meta["finish_reason"] == {"type": "stop", "matched": 99}
    assert (meta["prompt_tokens"], meta["completion_tokens"], meta["weight_version"]) == (1, 2, "w1")


@pytest.mark.parametrize(
    ("prompts", "n", "texts"),
    [("p", 2, ["p#0", "p#1"]), (["p"], 1, ["p#0"]), (["p", "q"], 2, ["p#0", "p#1", "q#0", "q#1"])],
)
async def test_anything_else_makes_a_flat_list_prompt_by_prompt(
    serve: Any, prompts: object, n: int, texts: list[str]
) -> None:
    client = await serve()
    reply = await client.generate(text=prompts, sampling_params={"n": n})
    assert [item["text"] for item in reply.json] == texts


async def test_token_ids_are_prompts_too(serve: Any) -> None:
    client = await serve()
    assert (await client.generate(input_ids=[1, 2])).json["meta_info"]["prompt_tokens"] == 2
    assert len((await client.generate(input_ids=[[1], [2, 3]])).json) == 2


async def test_log_probabilities_come_only_when_asked_for_and_their_texts_too(serve: Any) -> None:
    client = await serve()
    assert "output_token_logprobs" not in (await client.generate(text="p")).json["meta_info"]
    reply = await client.generate(text="p", return_logprob=True, return_text_in_logprobs=True)
    assert reply.json["meta_info"]["output_token_logprobs"][0] == [-0.5, 0, "p#0"]


async def test_a_refusal_says_why(serve: Any) -> None:
    client = await serve()
    reply = await client.generate(text="p", sampling_params={"max_tokens": 5})
    assert reply.status == 400
    assert "max_tokens" in reply.json["error"]["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff"])
async def test_a_body_that_is_no_object_is_refused(serve: Any, body: bytes) -> None:
    client = await serve()
    reply = await client("POST", "/generate", None, data=body, headers={"Content-Type": "application/json"})
    assert reply.status == 400
    assert reply.json["error"]["message"]


async def test_unknown_keys_at_the_top_are_ignored(serve: Any) -> None:
    client = await serve()
    assert (await client.generate(text="p", priority=3, bootstrap_host="x")).status == 200


async def test_embeddings_come_in_order(serve: Any) -> None:
    client = await serve()
    assert (await client("POST", "/encode", {"text": "abc"})).json["embedding"] == [3.0]
    batch = (await client("PUT", "/encode", {"text": ["abc", "a"]})).json
    assert [item["embedding"] for item in batch] == [[3.0], [1.0]]
    assert batch[0]["meta_info"]["finish_reason"] is None
    assert (await client("POST", "/encode", {"text": ""})).status == 400


@pytest.mark.parametrize("path", ["/generate", "/encode"])
async def test_each_answer_says_which_weights_made_it_and_which_adapter(
    serve: Any, backend: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(type(backend), "adapters", {"a": "a1"})
    client = await serve()
    for asked, said in (({}, {"w1"}), ({"lora_path": "a"}, {"w1", "a1"})):
        meta = (await client("POST", path, {"text": "p", **asked})).json["meta_info"]
        assert {meta[key] for key in meta if key.endswith("_version")} == said


async def test_a_full_queue_is_answered_503_at_once(serve: Any, backend: Any) -> None:
    client = await serve(max_running=1, max_queue=1)
    backend.gate.clear()
    running = asyncio.create_task(client.generate(text="a"))
    await backend.started.wait()
    waiting = asyncio.create_task(client.generate(text="b"))
    while (await client("GET", "/server_info")).json["internal_states"] != [
        {"running": 1, "waiting": 1, "weight_changes": 0}
    ]:
        pass
    turned_away = await client.generate(text="c")
    assert turned_away.status == 503
    assert turned_away.json == {
        "object": "error",
        "message": "The request queue is full.",
        "type": "503",
        "param": None,
        "code": 503,
    }
    backend.gate.set()
    assert [(await task).status for task in (running, waiting)] == [200, 200]


async def test_a_client_that_hangs_up_cancels_its_request(serve: Any, backend: Any) -> None:
    client = await serve(max_running=1)
    backend.gate.clear()
    asking = asyncio.create_task(client.generate(text="a"))
    await backend.started.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await backend.cancelled.wait()
    backend.gate.set()
    assert (await client.generate(text="b")).status == 200


@pytest.mark.parametrize("which", [{"rid": "r1"}, {"abort_all": True}])
async def test_a_named_request_can_be_aborted(serve: Any, backend: Any, which: dict[str, Any]) -> None:
    client = await serve()
    backend.gate.clear()
    asking = asyncio.create_task(client.generate(text="a", rid="r1", sampling_params={"n": 2}))
    await backend.started.wait()
    assert (await client("POST", "/abort_request", which)).status == 200
    reply = await asking
    assert reply.status == 200
    assert [item["meta_info"]["finish_reason"]["type"] for item in reply.json] == ["abort", "abort"]
    assert backend.cancelled.is_set()


async def test_aborting_the_unknown_does_nothing_and_names_must_differ(serve: Any, backend: Any) -> None:
    client = await serve()
    assert (await client("POST", "/abort_request", {"rid": "nobody"})).status == 200
    backend.gate.clear()
    asking = asyncio.create_task(client.generate(text="a", rid="r1"))
    await backend.started.wait()
    assert (await client.generate(text="a", rid="r1")).status == 400
    backend.gate.set()
    assert (await asking).status == 200


async def test_the_key_is_wanted_everywhere_but_for_health(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = await serve(api_key="hunter2")
    for path in ("/health", "/health_generate"):
        assert (await client("GET", path)).status == 200
    for headers in (
        {},
        {"Authorization": "hunter2"},
        {"Authorization": "Bearer hunter"},
        {"Authorization": "Bearer é"},
    ):
        reply = await client("GET", "/model_info", headers=headers)
        assert (reply.status, reply.json) == (401, {"error": "Unauthorized"})
    reply = await client("GET", "/server_info", headers={"Authorization": "Bearer hunter2"})
    assert reply.status == 200
    assert "hunter2" not in reply.text + caplog.text


async def test_a_body_beyond_the_limit_is_refused(serve: Any) -> None:
    client = await serve(max_body_bytes=2048)
    reply = await client.generate(text="x" * 4096)
    assert reply.status == 413
    assert reply.json["error"]["message"]


async def test_unknown_paths_and_methods_are_refused_in_json(serve: Any) -> None:
    client = await serve()
    assert (await client("GET", "/nowhere")).json == {"error": {"message": "Not Found"}}
    assert (await client("GET", "/generate")).status == 405


async def test_health_is_the_backends(serve: Any, backend: Any) -> None:
    client = await serve()
    assert (await client("GET", "/health")).status == 200
    backend.is_healthy = False
    reply = await client("GET", "/health")
    assert (reply.status, reply.text) == (503, "")


@pytest.mark.parametrize("path", ["/model_info", "/get_model_info"])
async def test_the_model_is_described_under_both_names(serve: Any, path: str) -> None:
    client = await serve()
    info = (await client("GET", path)).json
    assert (info["model_path"], info["is_generation"], info["weight_version"]) == ("echo", True, "w1")
    assert info["leanebm"]["contract"] == 1
    assert info["leanebm"]["encode"]["pooling"] == "mean"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_caches_are_flushed_unless_something_runs(serve: Any, backend: Any, method: str) -> None:
    client = await serve()
    assert (await client(method, "/flush_cache")).status == 200  # without a body, so without a kind of content
    backend.gate.clear()
    asking = asyncio.create_task(client.generate(text="a"))
    await backend.started.wait()
    assert (await client(method, "/flush_cache")).status == 400
    assert backend.flushes == 1
    backend.gate.set()
    await asking


@pytest.mark.parametrize("path", ["/pause_generation", "/continue_generation"])
async def test_what_no_backend_can_do_is_refused_by_name(serve: Any, path: str) -> None:
    client = await serve()
    reply = await client("POST", path, {})
    assert reply.status == 400
    assert path in reply.json["error"]["message"]
