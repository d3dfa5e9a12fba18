"""The whole of it: a real server over a real model, asked by real clients."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import attrs
import pytest
from _tiny_llama import tiny_llama as build_tiny_llama

from leanebm.core import Goal, ProofState, StateRef
from leanebm.errors import ConfigError, PolicyError
from leanebm.policy import PROMPT_FORMATS, EncoderConfig, PolicyClient, PolicyClientConfig
from leanebm.serve import HfBackend, HfConfig
from leanebm.serve.backends.hf.folder import base_hash

GOAL = Goal(text="n : Nat\n⊢ n + 0 = n", target="n + 0 = n", hypotheses=())
STATE = ProofState((GOAL,), "key", StateRef(epoch=1, state_id=0))
PROMPT = "⊢ n + 0 = n"


async def statistics(client: Any) -> dict[str, int]:
    reply = await client("GET", "/server_info")
    states: list[dict[str, int]] = reply.json["internal_states"]
    return states[0]


@pytest.fixture
async def client(serve: Any, tiny_llama: Path) -> Any:
    return await serve(HfBackend(HfConfig(model=str(tiny_llama))))


async def test_the_policy_client_proposes_and_encodes(client: Any, oracle: Any) -> None:
    settings = PolicyClientConfig(url=client.url, max_tactic_tokens=24)
    async with PolicyClient(settings) as policy:
        info = await policy.wait_ready()  # which tests the encoder on itself
        candidates = await policy.propose(STATE, 16)
        identity = await policy.identity()
        vectors = await policy.encode([GOAL.text, PROMPT, GOAL.text])
    assert info.contract == 1
    assert (identity.pooling, identity.dim, identity.dtype) == ("mean", 32, "float32")
    assert candidates
    assert all(candidate.log_prob < 0.0 for candidate in candidates)
    for text, vector in zip([GOAL.text, PROMPT], vectors, strict=False):
        assert list(vector) == pytest.approx(oracle.embedding(oracle.tokenizer(text).input_ids), abs=1e-5)
    assert vectors[0] == vectors[2]


async def test_the_policy_client_hands_over_its_adapter_and_notices_new_weights(
    client: Any, write_adapter: Any, other_llama: Path, oracle: Any
) -> None:
    adapter = write_adapter()
    settings = PolicyClientConfig(url=client.url, adapter="round-1", adapter_path=str(adapter), max_tactic_tokens=4)
    async with PolicyClient(settings) as policy:
        assert await policy.propose(STATE, 4)  # it tells the server what to load
        (before,) = await policy.encode([PROMPT])
        new = {"model_path": str(other_llama), "weight_version": "round-2"}
        assert (await client("POST", "/update_weights_from_disk", new)).json["success"]
        await policy.propose(STATE, 4)
        (after,) = await policy.encode([PROMPT])
    assert list((await client("GET", "/model_info")).json["leanebm"]["adapters"]) == ["round-1"]
    assert list(before) == pytest.approx(oracle.embedding(oracle.tokenizer(PROMPT).input_ids), abs=1e-5)
    assert before != after


async def test_another_adapter_under_the_same_name_is_noticed(
    client: Any, write_adapter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def load(folder: Path) -> str:
        await client("POST", "/load_lora_adapter", {"lora_name": "a", "lora_path": str(folder)})
        info = (await client("GET", "/model_info")).json
        return f"{info['weight_version']}+{info['leanebm']['adapters']['a']}"

    settings = PolicyClientConfig(url=client.url, adapter="a", max_tactic_tokens=24)
    async with (
        PolicyClient(settings) as policy,
        PolicyClient(attrs.evolve(settings, stop_on_weight_change=True)) as strict,
    ):
        made_by = [await load(write_adapter("one"))]
        weights = [{one.weights for one in [*await strict.propose(STATE, 8), *await policy.propose(STATE, 8)]}]
        await client("POST", "/unload_lora_adapter", {"lora_name": "a"})
        made_by.append(await load(write_adapter("two", seed=1)))
        weights.append({one.weights for one in await policy.propose(STATE, 8)})
        with pytest.raises(PolicyError, match=r"the adapter 'a' behind .* changed from .* must not mix"):
            await strict.propose(STATE, 8)
    assert weights == [{made_by[0]}, {made_by[1]}]
    assert made_by[0] != made_by[1]
    assert "the adapter 'a' behind" in caplog.text
    assert "embeddings" not in caplog.text


async def test_vectors_of_another_adapter_under_the_same_name_are_never_mixed(
    client: Any, write_adapter: Any, oracle: Any, tmp_path: Path
) -> None:
    async def load(folder: Path) -> str:
        await client("POST", "/unload_lora_adapter", {"lora_name": "a"})
        await client("POST", "/load_lora_adapter", {"lora_name": "a", "lora_path": str(folder)})
        version: str = (await client("GET", "/model_info")).json["leanebm"]["adapters"]["a"]
        said = (await client("POST", "/encode", {"text": [PROMPT, GOAL.text], "lora_path": "a"})).json
        assert {item["meta_info"]["adapter_version"] for item in said} == {version}
        return version

    one, two = write_adapter("one"), write_adapter("two", seed=1)
    encoder = EncoderConfig(adapter="a", cache_file=tmp_path / "embeddings")
    settings = PolicyClientConfig(url=client.url, encoder=encoder)
    strict = attrs.evolve(settings, stop_on_weight_change=True, encoder=attrs.evolve(encoder, cache_file=None))
    first = await load(one)
    async with PolicyClient(settings) as policy, PolicyClient(strict) as careful:
        assert (await policy.identity()).adapter == (await careful.identity()).adapter == f"a@{first}"
        made = {first: await policy.encode([PROMPT])}
        await careful.encode([PROMPT])
        second = await load(two)
        made[second] = await policy.encode([GOAL.text])
        assert (await policy.identity()).adapter == f"a@{second}"
        made[second] += await policy.encode([PROMPT])
        with pytest.raises(PolicyError, match=r"the adapter 'a' behind .* changed from .* must not mix"):
            await careful.encode([GOAL.text])
    await load(one)
    async with PolicyClient(settings) as policy:
        made[first] = await policy.encode([GOAL.text]) + made[first]
        assert policy.statistics().stored_texts == 0, "on disk it stands under the other adapter only"
    oracle.merge(one)
    for vector, text in zip(made[first], (GOAL.text, PROMPT), strict=True):
        assert list(vector) == pytest.approx(oracle.embedding(oracle.tokenizer(text).input_ids), abs=1e-5)
    assert all(mine != other for mine, other in zip(made[first], made[second], strict=True))


async def test_concurrent_requests_each_get_their_own(client: Any, oracle: Any) -> None:
    prompts = [f"{i} ⊢ n" for i in range(8)]
    replies = await asyncio.gather(
        *(
            client.generate(text=text, return_logprob=True, sampling_params={"n": 2, "max_new_tokens": 4 + i})
            for i, text in enumerate(prompts)
        )
    )
    for text, reply in zip(prompts, replies, strict=True):
        for sample in reply.json:
            given = [entry[0] for entry in sample["meta_info"]["output_token_logprobs"]]
            expected = oracle.log_probs(oracle.tokenizer(text).input_ids, sample["output_ids"])
            assert given == pytest.approx(expected, abs=1e-4)


async def test_a_client_that_hangs_up_frees_its_places(serve: Any, tmp_path: Path) -> None:
    client = await serve(HfBackend(HfConfig(model=str(build_tiny_llama(tmp_path, context=100_000)))))
    endless = {"n": 8, "max_new_tokens": 90_000, "ignore_eos": True}
    asking = asyncio.create_task(client.generate(text=PROMPT, sampling_params=endless))
    while (await statistics(client))["running_sequences"] != 8:
        assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    while (now := await statistics(client))["running_sequences"]:
        pass
    assert now["running"] == 0
    assert now["steps"] < 90_000


async def test_an_abort_ends_a_request_in_the_middle(serve: Any, tmp_path: Path) -> None:
    client = await serve(HfBackend(HfConfig(model=str(build_tiny_llama(tmp_path, context=100_000)))))
    endless = {"max_new_tokens": 90_000, "ignore_eos": True}
    asking = asyncio.create_task(client.generate(text=PROMPT, rid="r", sampling_params=endless))
    while (await statistics(client))["running_sequences"] != 1:
        assert not asking.done()
    await client("POST", "/abort_request", {"rid": "r"})
    assert (await asking).json["meta_info"]["finish_reason"]["type"] == "abort"
    while (await statistics(client))["running_sequences"]:
        pass


async def test_too_long_a_prompt_is_refused_in_words_that_clients_know(client: Any) -> None:
    reply = await client.generate(text="⊢ " + "n " * 600)
    assert reply.status == 400
    assert "longer than the model's context length" in reply.json["error"]["message"]


async def test_a_useless_embedding_is_a_failure_by_name(serve: Any, tiny_llama: Path) -> None:
    backend = HfBackend(HfConfig(model=str(tiny_llama)))
    client = await serve(backend)
    embedding: Any = backend._now.model._model.get_input_embeddings()
    embedding.weight.data[7] = 0.0
    reply = await client("POST", "/encode", {"input_ids": [7]})
    assert reply.status == 500
    assert "EncoderError" in reply.json["error"]["message"]


async def test_health_is_a_real_token(client: Any) -> None:
    before = (await statistics(client))["steps"]
    assert (await client("GET", "/health_generate")).status == 200
    assert (await statistics(client))["steps"] >= before


# --- adapters ---


async def test_an_adapter_is_loaded_used_and_unloaded(client: Any, write_adapter: Any, oracle: Any) -> None:
    folder = write_adapter(use_rslora=True)
    body = {"lora_name": "iter-7", "lora_path": str(folder)}
    loaded = await client("POST", "/load_lora_adapter", body)
    assert (loaded.status, loaded.json["success"]) == (200, True)
    assert list(loaded.json["loaded_adapters"]) == ["iter-7"]
    assert list((await client("GET", "/model_info")).json["leanebm"]["adapters"]) == ["iter-7"]
    again = await client("POST", "/load_lora_adapter", body)
    assert (again.status, again.json["success"]) == (400, False)
    assert "already loaded" in again.json["error_message"]

    base = (await client("POST", "/encode", {"text": PROMPT})).json["embedding"]
    adapted = (await client("POST", "/encode", {"text": PROMPT, "lora_path": "iter-7"})).json["embedding"]
    sampling = {"temperature": 0.0, "max_new_tokens": 6}
    samples = [
        (await client.generate(text=PROMPT, return_logprob=True, sampling_params=sampling, lora_path=name)).json
        for name in (None, "iter-7")
    ]
    tokens = oracle.tokenizer(PROMPT).input_ids
    for step, (vector, sample) in enumerate(zip((base, adapted), samples, strict=True)):
        if step:
            oracle.merge(folder)
        given = [entry[0] for entry in sample["meta_info"]["output_token_logprobs"]]
        assert vector == pytest.approx(oracle.embedding(tokens), abs=1e-5)
        assert given == pytest.approx(oracle.log_probs(tokens, sample["output_ids"]), abs=1e-4)

    gone = await client("POST", "/unload_lora_adapter", {"lora_name": "iter-7"})
    assert (gone.status, gone.json["loaded_adapters"]) == (200, {})
    for path in ("/generate", "/encode"):
        refused = await client("POST", path, {"text": PROMPT, "lora_path": "iter-7"})
        assert refused.status == 400
        assert "the LoRA adapter 'iter-7' is not loaded (loaded: none)" in refused.json["error"]["message"]


async def test_an_adapter_that_was_made_for_another_model_is_not_loaded(
    client: Any, tiny_llama: Path, other_llama: Path, write_adapter: Any
) -> None:
    for name, base in (("own", tiny_llama), ("foreign", other_llama)):  # of the same shape
        note = {"prompt_format": "ntp", "base_hash": base_hash(base)}
        (write_adapter(name) / "leanebm_policy.json").write_text(json.dumps(note))
    folder = write_adapter("unknown").parent
    for name in ("own", "unknown"):
        loaded = await client("POST", "/load_lora_adapter", {"lora_name": name, "lora_path": str(folder / name)})
        assert (loaded.status, loaded.json["success"]) == (200, True)
    body = {"lora_name": "foreign", "lora_path": str(folder / "foreign")}
    refused = await client("POST", "/load_lora_adapter", body)
    assert (refused.status, list(refused.json["loaded_adapters"])) == (400, ["own", "unknown"])
    assert "was made for another model" in refused.json["error_message"]
    assert "serve the one that it was made for" in refused.json["error_message"]
    config = HfConfig(model=str(tiny_llama), adapters={"a": str(folder / "foreign")})
    with pytest.raises(ConfigError, match="was made for another model"):
        async with HfBackend(config):
            pytest.fail("it would answer nonsense")
    async with HfBackend(attrs.evolve(config, weight_version="as good as the same")) as named:
        assert list(named.adapters) == ["a"]


async def test_an_adapter_that_the_server_has_not_is_said_before_anything_is_asked(
    client: Any, write_adapter: Any
) -> None:
    settings = PolicyClientConfig(url=client.url, adapter="mine", max_tactic_tokens=4)
    async with PolicyClient(settings) as policy:
        with pytest.raises(ConfigError, match=r"'mine' is not loaded \(loaded: none\): have the server load it first"):
            await policy.wait_ready()
        await policy.wait_ready(tactics=False)
    async with PolicyClient(attrs.evolve(settings, adapter_path=str(write_adapter()))) as policy:
        await policy.wait_ready()  # it has it loaded
    async with PolicyClient(settings) as policy:
        await policy.wait_ready()


async def test_adapters_can_be_there_from_the_start(serve: Any, tiny_llama: Path, write_adapter: Any) -> None:
    config = HfConfig(model=str(tiny_llama), adapters={"a": str(write_adapter())})
    client = await serve(HfBackend(config))
    assert (await client("POST", "/encode", {"text": PROMPT, "lora_path": "a"})).status == 200


# --- weights ---


async def test_new_weights_answer_under_a_new_version(client: Any, other_llama: Path) -> None:
    async def embedding() -> tuple[list[float], str]:
        reply = (await client("POST", "/encode", {"text": PROMPT})).json
        return reply["embedding"], reply["meta_info"]["weight_version"]

    before, old = await embedding()
    reply = await client("POST", "/update_weights_from_disk", {"model_path": str(other_llama)})
    assert (reply.status, reply.json["success"], reply.json["num_paused_requests"]) == (200, True, 0)
    after, new = await embedding()
    assert old != new
    assert after != before
    info = (await client("GET", "/model_info")).json
    assert (info["weight_version"], info["model_path"]) == (new, str(other_llama))
    sample = (await client.generate(text=PROMPT, sampling_params={"max_new_tokens": 2})).json
    assert sample["meta_info"]["weight_version"] == new
    named = {"model_path": str(other_llama), "weight_version": "round-2", "flush_cache": True, "load_format": "auto"}
    assert (await client("POST", "/update_weights_from_disk", named)).json["success"]
    assert (await embedding()) == (after, "round-2")


async def test_a_broken_path_leaves_the_old_weights_serving(client: Any, tmp_path: Path) -> None:
    before = (await client("POST", "/encode", {"text": PROMPT})).json["embedding"]
    cut = build_tiny_llama(tmp_path / "cut")
    whole = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    for path in (str(tmp_path / "nowhere"), str(cut), str(build_tiny_llama(tmp_path / "deep", layers=3)), "", 5):
        reply = await client("POST", "/update_weights_from_disk", {"model_path": path})
        assert (reply.status, reply.json["success"]) == (400, False)
        assert reply.json["message"]
    after = (await client("POST", "/encode", {"text": PROMPT})).json
    assert after["embedding"] == before


async def test_an_update_waits_for_what_runs_and_what_comes_waits_for_it(client: Any, other_llama: Path) -> None:
    old = (await client("GET", "/model_info")).json["weight_version"]
    sampling = {"max_new_tokens": 150, "ignore_eos": True}
    running = asyncio.create_task(client.generate(text=PROMPT, sampling_params=sampling))
    while (await statistics(client))["running_sequences"] != 1:
        assert not running.done()
    update = asyncio.create_task(client("POST", "/update_weights_from_disk", {"model_path": str(other_llama)}))
    while (await statistics(client))["weight_changes"] != 1:
        assert not running.done()
    late = asyncio.create_task(client("POST", "/encode", {"text": PROMPT}))
    versions = [(await running).json["meta_info"], (await late).json["meta_info"]]
    assert versions[0]["completion_tokens"] == 150
    assert versions[0]["weight_version"] == old != versions[1]["weight_version"]
    assert (await update).json["success"]


async def test_an_update_may_abort_what_runs(client: Any, other_llama: Path) -> None:
    sampling = {"max_new_tokens": 500, "ignore_eos": True}
    running = asyncio.create_task(client.generate(text="n", sampling_params=sampling))
    while (await statistics(client))["running_sequences"] != 1:
        assert not running.done()
    body = {"model_path": str(other_llama), "abort_all_requests": True}
    assert (await client("POST", "/update_weights_from_disk", body)).json["success"]
    assert (await running).json["meta_info"]["finish_reason"]["type"] == "abort"


async def test_a_model_and_its_adapters_say_how_states_were_shown_in_training(
    serve: Any, tiny_llama: Path, write_adapter: Any, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    (model / "leanebm_policy.json").write_text('{"prompt_format": "ntp"}')
    adapter = write_adapter()
    (adapter / "leanebm_policy.json").write_text('{"prompt_format": "prefix"}')
    client = await serve(HfBackend(HfConfig(model=str(model), adapters={"a": str(adapter), "b": str(adapter)})))
    await client("POST", "/unload_lora_adapter", {"lora_name": "b"})
    assert (await client("GET", "/model_info")).json["leanebm"]["prompt_formats"] == {"": "ntp", "a": "prefix"}
    for adapter_name, wanted, other in ((None, "ntp", "prefix"), ("a", "prefix", "ntp")):
        settings = PolicyClientConfig(url=client.url, adapter=adapter_name, prompt_format=wanted)
        async with PolicyClient(settings) as policy:
            await policy.wait_ready()
        async with PolicyClient(attrs.evolve(settings, prompt_format=other)) as policy:
            await policy.wait_ready(tactics=False)  # embeddings have no form
            with pytest.raises(ConfigError, match=f"{wanted}, not {other} @ --prompt-format"):
                await policy.wait_ready()
        async with PolicyClient(settings, prompt_format=PROMPT_FORMATS[other]) as policy:
            await policy.wait_ready()  # whoever brings a format of their own knows best
