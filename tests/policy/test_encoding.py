from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import EncoderIdentity, ProofState
from leanebm.errors import ConfigError, EncoderError, PolicyBadRequest, PolicyError
from leanebm.policy import PolicyClient
from leanebm.testing import (
    Answer,
    Compute,
    FakePolicyServer,
    check_encoder,
    embedding_objects,
    hashed_embedding,
    sample_object,
)

Connect = Callable[..., PolicyClient]

SELF_TEST_REQUESTS = 6
"""Four texts alone, then all of them together, twice."""


def asked(server: FakePolicyServer) -> list[list[str]]:
    """The texts of each request since the self-test."""
    return [body["text"] for body in server.bodies("/encode")[SELF_TEST_REQUESTS:]]


def embeddings(*vectors: Any, weight_version: str = "w1") -> Answer:
    return Answer(json=embedding_objects(*vectors, weight_version=weight_version))


async def test_the_client_keeps_the_contract_of_an_encoder(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder()
    async with connect() as policy:
        await check_encoder(policy)


async def test_its_identity_is_what_the_server_says_and_the_width_that_it_has(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder(weight_version="w7", dim=None, include_bos=True, dtype="float32")  # type: ignore[arg-type]
    server.script("/encode", then=Compute(lambda body: embeddings(*map(hashed_embedding, body["text"]))))
    async with connect() as policy:
        assert await policy.identity() == EncoderIdentity(
            weights="w7",
            pooling="mean",
            layer="last",
            is_normalized=False,
            includes_bos=True,
            dim=8,
            dtype="float32",
        )


async def test_an_encoder_is_tested_once_however_many_ask(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder()
    async with connect() as policy:
        await asyncio.gather(*(policy.encode([f"⊢ {i}"]) for i in range(5)), policy.identity())
    assert asked(server) == [["⊢ 0", "⊢ 1", "⊢ 2", "⊢ 3", "⊢ 4"]]


async def test_an_encoder_that_contradicts_itself_is_not_used(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder()
    server.script(
        "/encode",
        then=Compute(
            lambda body: embeddings(*(hashed_embedding(f"{text}{len(body['text'])}") for text in body["text"]))
        ),
    )
    async with connect() as policy:
        with pytest.raises(EncoderError, match="in company than alone"):
            await policy.encode(["⊢ p"])


async def test_batches_are_as_small_as_the_server_wants_them(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder(max_batch=2)
    async with connect() as policy:
        await policy.encode(["a", "b", "c"])
    assert max(len(body["text"]) for body in server.bodies("/encode")) == 2


async def test_an_adapter_is_asked_for_by_name_and_part_of_the_identity(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder()
    async with connect(encoder={"adapter": "frozen"}) as policy:
        assert (await policy.identity()).adapter == "frozen"
    assert {body["lora_path"] for body in server.bodies("/encode")} == {"frozen"}


async def test_long_states_are_shortened_before_they_are_sent(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder()
    long = "".join(f"h{i} : p {i}\n" for i in range(100)) + "⊢ q"
    async with connect(max_state_chars=256) as policy:
        await policy.encode([long, "⊢ q"])
        assert policy.statistics().truncated_states == 1
    ((shown, short),) = asked(server)
    assert len(shown) <= 256
    assert "hypotheses left out" in shown
    assert (shown.endswith("⊢ q"), short) == (True, "⊢ q")


# --- the failure cases that concern embeddings ---


async def test_case_8_a_refused_batch_of_texts_costs_only_the_bad_one(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder()
    async with connect(encoder={"batch_size": 4}) as policy:
        await policy.identity()
        refused = Answer(status=400, json={"error": {"message": "bad text"}})
        good = embeddings([1.0] * 8, [2.0] * 8)
        server.script("/encode", refused, good, refused, refused, embeddings([3.0] * 8))
        async with asyncio.TaskGroup() as tasks:
            single = [tasks.create_task(policy.encode([text])) for text in ("a", "b")]
            bad = tasks.create_task(_caught(policy.encode(["c"])))
            last = tasks.create_task(policy.encode(["d"]))
    assert [task.result()[0][0] for task in [*single, last]] == [1.0, 2.0, 3.0]
    assert isinstance(bad.result(), PolicyBadRequest)
    assert asked(server) == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"], ["c"], ["d"]]


BAD_VECTORS = [[0.0] * 8, [float("nan")] * 8, [1.0] * 7 + [1e300], [1.0] * 9, ["a"] * 8, []]


@pytest.mark.parametrize("bad", BAD_VECTORS)
async def test_case_15_unusable_embeddings_are_not_cached(
    connect: Connect, server: FakePolicyServer, bad: list[Any], tmp_path: Path
) -> None:
    server.offer_encoder()
    async with connect(encoder={"cache_file": tmp_path / "embeddings"}) as policy:
        await policy.identity()
        server.script("/encode", embeddings(bad), embeddings([0.5] * 8))
        with pytest.raises(EncoderError):
            await policy.encode(["a"])
        assert list((await policy.encode(["a"]))[0]) == [0.5] * 8
    async with connect(encoder={"cache_file": tmp_path / "embeddings"}) as policy:
        assert list((await policy.encode(["a"]))[0]) == [0.5] * 8


@pytest.mark.parametrize("bad", BAD_VECTORS)
async def test_case_15_one_bad_vector_in_a_batch_ends_batching_and_fails_alone(
    connect: Connect, server: FakePolicyServer, bad: list[Any]
) -> None:
    server.offer_encoder()
    good = embeddings([1.0] * 8)
    async with connect() as policy:
        await policy.identity()
        server.script("/encode", embeddings([1.0] * 8, bad, [1.0] * 8))
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(_caught(policy.encode([text]))) for text in "abc"]
            await server.wait_for_requests("/encode", SELF_TEST_REQUESTS + 1 + 4)
        assert [task.result() for task in asking] == [None] * 3
        first = asked(server)
        server.script("/encode", good, good)
        await policy.encode(["d", "e"])
    assert first[0] == ["a", "b", "c"]
    assert len(first) == 1 + 12 + 3
    assert all(len(texts) == 1 for texts in asked(server)[1:])


async def test_case_15_an_encoder_that_fails_the_test_after_a_bad_batch_is_not_used(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder()
    async with connect() as policy:
        await policy.identity()
        server.script("/encode", then=Compute(lambda body: embeddings(*([0.0] * 8 for _ in body["text"]))))
        with pytest.raises(EncoderError, match="all zeros"):
            await policy.encode(["a", "b"])
        with pytest.raises(EncoderError, match="all zeros"):
            await policy.identity()


async def test_case_17_last_token_embeddings_are_refused_where_the_mean_is_wanted(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder(pooling="last")
    async with connect() as policy:
        with pytest.raises(ConfigError, match="'last' embeddings, but 'mean'"):
            await policy.encode(["a"])
    async with connect(encoder={"required_pooling": "last"}) as policy:
        assert len(await policy.encode(["a"])) == 1


async def test_case_17_vectors_that_should_have_length_one_must_have_it(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder(normalized=True)
    async with connect() as policy:
        with pytest.raises(EncoderError, match="length 1"):
            await policy.identity()


async def test_case_18_new_weights_make_a_new_encoder(
    connect: Connect, server: FakePolicyServer, state: ProofState, caplog: pytest.LogCaptureFixture
) -> None:
    server.offer_encoder(weight_version="w1")
    server.script("/generate", Answer(json=sample_object("simp", -0.1, weight_version="w2")))
    async with connect() as policy:
        before = await policy.identity(), await policy.encode(["a"])
        server.offer_encoder(weight_version="w2")
        await policy.propose(state, 1)
        after = await policy.identity(), await policy.encode(["a"])
        assert policy.statistics().weight_changes == 1
    assert before[0].fingerprint != after[0].fingerprint
    assert before[1] != after[1]
    assert "from 'w1' to 'w2'" in caplog.text


async def test_case_18_weights_that_change_in_the_middle_of_a_batch_are_not_mixed(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder()
    mixed = embedding_objects([1.0] * 8, weight_version="w1") + embedding_objects([1.0] * 8, weight_version="w2")
    async with connect(max_attempts=1) as policy:
        await policy.identity()
        server.script("/encode", Answer(json=mixed), Answer(json=mixed))
        with pytest.raises(PolicyError, match="several versions"):
            await policy.encode(["a", "b"])


async def test_case_18_weights_that_never_settle_are_an_error(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder()
    count = 0

    def restless(body: Any) -> Answer:
        nonlocal count
        count += 1
        return embeddings(*map(hashed_embedding, body["text"]), weight_version=f"w{count}")

    server.script("/encode", then=Compute(restless))
    async with connect() as policy:
        with pytest.raises(EncoderError, match="faster than"):
            await policy.identity()


async def test_case_18_another_adapter_of_that_name_makes_a_new_encoder(
    connect: Connect, server: FakePolicyServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.offer_encoder(adapters={"a": "a1", "b": "b1"})
    async with connect(encoder={"adapter": "a"}) as policy:
        before = await policy.identity(), await policy.encode(["⊢ p"])
        server.offer_encoder(adapters={"a": "a1", "b": "b2"})
        await policy.encode(["⊢ q"])
        assert (await policy.identity(), await policy.encode(["⊢ p"])) == before
        server.offer_encoder(adapters={"a": "a2", "b": "b2"})
        await policy.encode(["⊢ r"])
        after = await policy.identity(), await policy.encode(["⊢ p"])
        assert policy.statistics().weight_changes == 1
    assert (before[0].adapter, after[0].adapter) == ("a@a1", "a@a2")
    assert before[1] != after[1]
    assert "the adapter 'a' behind" in caplog.text
    assert "from 'a1' to 'a2'; embeddings made before are forgotten" in caplog.text


async def test_case_18_an_adapter_that_changes_before_its_first_vector_is_noticed(
    connect: Connect, server: FakePolicyServer
) -> None:
    for version, replaced_by in (("a1", "a2"), (None, "a1")):  # another one, and one that was not there yet
        server.offer_encoder(adapters={} if version is None else {"a": version})
        async with connect(encoder={"adapter": "a"}) as policy:
            await policy.model_info()
            server.offer_encoder(adapters={"a": replaced_by})
            assert (await policy.identity()).adapter == f"a@{replaced_by}"
            assert policy.statistics().weight_changes == (version is not None)


async def test_case_18_a_run_that_must_not_mix_adapters_ends(connect: Connect, server: FakePolicyServer) -> None:
    server.offer_encoder(adapters={"a": "a1"})
    async with connect(encoder={"adapter": "a"}, stop_on_weight_change=True) as policy:
        await policy.encode(["⊢ p"])
        server.offer_encoder(adapters={"a": "a2"})
        with pytest.raises(PolicyError, match=r"the adapter 'a' .* from 'a1' to 'a2', and this run must not mix them"):
            await policy.encode(["⊢ q"])


async def test_case_18_adapters_that_change_in_the_middle_of_a_batch_are_not_mixed(
    connect: Connect, server: FakePolicyServer
) -> None:
    server.offer_encoder(adapters={"a": "a1"})
    mixed = [embedding_objects([1.0] * 8, adapter_version=version)[0] for version in ("a1", "a2")]
    async with connect(max_attempts=1, encoder={"adapter": "a"}) as policy:
        await policy.identity()
        server.script("/encode", Answer(json=mixed), Answer(json=mixed))
        with pytest.raises(PolicyError, match="several versions of the adapter 'a': a1, a2"):
            await policy.encode(["a", "b"])


# --- the cache on disk ---


async def test_what_was_encoded_once_is_not_asked_for_in_the_next_run(
    connect: Connect, server: FakePolicyServer, tmp_path: Path
) -> None:
    server.offer_encoder()
    settings = {"cache_file": tmp_path / "embeddings"}
    async with connect(encoder=settings) as policy:
        first = await policy.encode(["a", "b"])
    async with connect(encoder=settings) as policy:
        assert await policy.encode(["a", "b"]) == first
        assert policy.statistics().stored_texts == 2
    assert ["a", "b"] not in asked(server)[1:]


async def test_other_weights_have_other_embeddings_on_disk(
    connect: Connect, server: FakePolicyServer, tmp_path: Path
) -> None:
    settings = {"cache_file": tmp_path / "embeddings"}
    made = []
    for version in ("w1", "w2"):
        server.offer_encoder(weight_version=version)
        async with connect(encoder=settings) as policy:
            made.append(await policy.encode(["a"]))
            assert policy.statistics().stored_texts == 0
    assert made[0] != made[1]


async def test_another_adapter_of_that_name_has_other_embeddings_on_disk(
    connect: Connect, server: FakePolicyServer, tmp_path: Path
) -> None:
    settings = {"adapter": "a", "cache_file": tmp_path / "embeddings"}
    made = []
    server.offer_encoder(adapters={"a": "a1"})
    async with connect(encoder=settings) as policy:
        await policy.encode(["⊢ p"])
        server.offer_encoder(adapters={"a": "a2"})
        await policy.encode(["⊢ q"])  # it notices by this one
        await policy.encode(["⊢ r"])
    for version in ("a1", "a2"):
        server.offer_encoder(adapters={"a": version})
        async with connect(encoder=settings) as policy:
            made.append([(await policy.encode([text]))[0] for text in ("⊢ p", "⊢ q", "⊢ r")])
            assert policy.statistics().stored_texts == 1
    expected = [[list(hashed(f"w1+{version} {text}")) for text in ("⊢ p", "⊢ q", "⊢ r")] for version in ("a1", "a2")]
    assert [[list(vector) for vector in vectors] for vectors in made] == expected


async def test_weights_that_nobody_names_cannot_be_kept(
    connect: Connect, server: FakePolicyServer, tmp_path: Path
) -> None:
    server.offer_encoder(weight_version=None)  # type: ignore[arg-type]
    settings = {"cache_file": tmp_path / "embeddings"}
    async with connect(encoder=settings) as policy:
        with pytest.raises(ConfigError, match="does not say which weights"):
            await policy.encode(["a"])
    async with connect(encoder={**settings, "weights": "of today"}) as policy:
        assert (await policy.identity()).weights == "of today"


def hashed(text: str) -> array[float]:
    return array("f", hashed_embedding(text))


async def _caught(work: Any) -> BaseException | None:
    try:
        await work
    except PolicyError as error:
        return error
    return None
