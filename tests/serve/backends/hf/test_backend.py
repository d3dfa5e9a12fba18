from __future__ import annotations

import asyncio
import gc
import math
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from _tiny_llama import tiny_llama as build_tiny_llama

from leanebm import _extras
from leanebm.errors import (
    ConfigError,
    EncoderError,
    LeanEbmError,
    MissingExtra,
    PolicyBadRequest,
    PolicyError,
    PromptTooLong,
)
from leanebm.serve import Completion, HfBackend, HfConfig, Prompt, SamplingParams

PROMPT = "/- tactic state:\nn m : Nat\nh : n = m\n⊢ n + 0 = m\n-/\n"


@pytest.fixture
async def backend(tiny_llama: Path) -> AsyncIterator[HfBackend]:
    async with HfBackend(HfConfig(model=str(tiny_llama), seed=0)) as backend:
        yield backend


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[HfBackend]:
    async with HfBackend(HfConfig(model=str(folder), **settings)) as backend:
        yield backend


def ids(completion: Completion) -> list[int]:
    return [token.token_id for token in completion.tokens]


def log_probs(completion: Completion) -> list[float]:
    return [token.log_prob for token in completion.tokens]


@pytest.mark.parametrize("params", [{}, {"temperature": 0.6}, {"top_k": 5}, {"temperature": 2.0, "top_p": 0.8}])
async def test_log_probabilities_are_the_models_own(backend: HfBackend, oracle: Any, params: dict[str, Any]) -> None:
    prompts: list[Prompt] = [PROMPT, "⊢ True", (0, 5, 9, 17)]
    samples = await backend.generate(prompts, SamplingParams(n=3, max_new_tokens=12, **params))
    assert [len(of_prompt) for of_prompt in samples] == [3, 3, 3]
    for prompt, of_prompt in zip(prompts, samples, strict=True):
        tokens = oracle.tokenizer(prompt).input_ids if isinstance(prompt, str) else list(prompt)
        for completion in of_prompt:
            expected = oracle.log_probs(tokens, ids(completion), params.get("temperature", 1.0))
            assert log_probs(completion) == pytest.approx(expected, abs=1e-4)
            assert all(math.isfinite(log_prob) and log_prob <= 0.0 for log_prob in log_probs(completion))
            assert completion.prompt_tokens == len(tokens)


async def test_greedy_takes_the_likeliest_each_time(backend: HfBackend, oracle: Any) -> None:
    ((one, two),) = await backend.generate([PROMPT], SamplingParams(n=2, temperature=0.0, max_new_tokens=15))
    tokens = oracle.tokenizer(PROMPT).input_ids
    for token in ids(one):
        assert token == int(oracle.logits(tokens)[-1].argmax())
        tokens.append(token)
    assert one == two
    assert log_probs(one) == pytest.approx(oracle.log_probs(oracle.tokenizer(PROMPT).input_ids, ids(one)), abs=1e-4)


async def test_samples_come_as_often_as_the_model_says(backend: HfBackend, oracle: Any) -> None:
    draws: Counter[int] = Counter()
    for seed in range(40):
        params = SamplingParams(n=64, max_new_tokens=1, sampling_seed=seed)
        ((*samples,),) = await backend.generate([PROMPT], params)
        draws.update(ids(sample)[0] for sample in samples)
    probs = torch.softmax(oracle.logits(oracle.tokenizer(PROMPT).input_ids)[-1], dim=-1).tolist()
    total = draws.total()
    often = [token for token, prob in enumerate(probs) if total * prob >= 5]
    cells = [(draws[token], total * probs[token]) for token in often]
    cells.append((total - sum(got for got, _ in cells), total - sum(expected for _, expected in cells)))
    chi_square = sum((got - expected) ** 2 / expected for got, expected in cells)
    freedom = len(cells) - 1
    assert freedom > 20
    assert chi_square < freedom + 5 * math.sqrt(2 * freedom)  # five standard deviations


async def test_a_seed_fixes_the_samples_in_any_company(backend: HfBackend) -> None:
    params = SamplingParams(n=4, max_new_tokens=10, sampling_seed=7)
    (alone,) = await backend.generate([PROMPT], params)
    others = [backend.generate([f"{i} ⊢ True" * (i + 1)], SamplingParams(n=3, max_new_tokens=20)) for i in range(4)]
    (_, in_company), *_ = await asyncio.gather(backend.generate(["p", PROMPT], params), *others)
    assert [ids(c) for c in in_company] == [ids(c) for c in alone]
    assert [c.text for c in in_company] == [c.text for c in alone]
    assert len({tuple(ids(c)) for c in alone}) == 4
    (another,) = await backend.generate([PROMPT], SamplingParams(n=4, max_new_tokens=10, sampling_seed=8))
    assert [ids(c) for c in another] != [ids(c) for c in alone]


async def test_without_a_seed_every_request_draws_afresh_but_a_run_can_be_repeated(tiny_llama: Path) -> None:
    runs = []
    for _ in range(2):
        async with serving(tiny_llama, seed=3) as backend:
            params = SamplingParams(n=2, max_new_tokens=10)
            runs.append([await backend.generate([PROMPT], params) for _ in range(2)])
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][1]


async def test_the_texts_of_the_tokens_make_up_the_text(backend: HfBackend, oracle: Any) -> None:
    ((*samples,),) = await backend.generate([PROMPT], SamplingParams(n=32, max_new_tokens=30))
    for sample in samples:
        assert "".join(token.text for token in sample.tokens) == sample.text
        spelt = oracle.tokenizer.decode(ids(sample), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert spelt.rstrip("\ufffd").startswith(sample.text.rstrip("\ufffd"))


async def test_the_end_token_ends_a_completion_unless_it_is_to_be_ignored(backend: HfBackend) -> None:
    with boosted(backend, 1):
        ((ended,),) = await backend.generate([PROMPT], SamplingParams(temperature=0.0, max_new_tokens=5))
        ignoring = SamplingParams(temperature=0.0, max_new_tokens=5, ignore_eos=True)
        ((going_on,),) = await backend.generate([PROMPT], ignoring)
        stopping = SamplingParams(temperature=0.0, ignore_eos=True, stop_token_ids=(1,))
        ((stopped,),) = await backend.generate([PROMPT], stopping)
    assert (ids(ended), ended.text, ended.finish, ended.matched) == ([1], "", "stop", 1)
    assert (len(going_on.tokens), going_on.finish) == (5, "length")
    assert stopped.matched == 1


class boosted:  # noqa: N801 - reads as a statement
    """Make one token by far the likeliest."""

    def __init__(self, backend: HfBackend, token: int) -> None:
        self._head: Any = backend._now.model._model.lm_head
        self._token = token

    def __enter__(self) -> None:
        def add(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
            more = torch.zeros_like(output)
            more[..., self._token] = 1e4
            return output + more

        self._handle = self._head.register_forward_hook(add)

    def __exit__(self, *exc_info: object) -> None:
        self._handle.remove()


async def test_stop_texts_are_cut(backend: HfBackend) -> None:
    params = SamplingParams(n=16, max_new_tokens=30, sampling_seed=1)
    (whole,) = await backend.generate([PROMPT], params)
    stops = ("\n", "th", "s")
    (cut,) = await backend.generate([PROMPT], SamplingParams(n=16, max_new_tokens=30, sampling_seed=1, stop=stops))
    assert any(sample.finish == "stop" for sample in cut)
    for long, short in zip(whole, cut, strict=True):
        assert ids(long)[: len(short.tokens)] == ids(short)
        assert not any(stop in short.text for stop in stops)
        assert long.text.startswith(short.text)
        if short.finish == "stop" and short.matched != 1:
            assert long.text[len(short.text) :].startswith(str(short.matched))


@pytest.fixture
def shapes(backend: HfBackend, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Of the token ids of every forward pass from here on."""
    passes: list[tuple[int, ...]] = []
    model = backend._now.model._model
    forward = model.forward

    def counted(*args: Any, **more: Any) -> Any:
        passes.append(tuple(more["input_ids"].shape))
        return forward(*args, **more)

    monkeypatch.setattr(model, "forward", counted)
    return passes


async def test_one_forward_pass_reads_a_prompt_for_all_its_samples(
    backend: HfBackend, shapes: list[tuple[int, ...]]
) -> None:
    params = SamplingParams(n=8, max_new_tokens=3, ignore_eos=True, sampling_seed=3)
    (samples,) = await backend.generate([(0, 5, 9, 17)], params)
    beginnings = [{tuple(ids(sample)[:length]) for sample in samples} for length in (1, 2)]
    assert shapes == [(1, 4), *((len(different), 1) for different in beginnings)]
    assert len(beginnings[1]) > 1


async def test_samples_share_the_work_for_as_long_as_they_are_alike(
    backend: HfBackend, oracle: Any, shapes: list[tuple[int, ...]]
) -> None:
    greedy = SamplingParams(n=6, max_new_tokens=4, temperature=0.0, ignore_eos=True)
    await backend.generate([PROMPT, PROMPT, (0, 5, 9)], greedy)
    assert {rows for rows, _ in shapes[1:]} == {3}
    drawn = SamplingParams(n=48, max_new_tokens=8, temperature=0.05, ignore_eos=True, sampling_seed=1)
    (samples,) = await backend.generate([(0, 5, 9)], drawn)
    different = [len({tuple(ids(sample)[:length]) for sample in samples}) for length in range(1, 9)]
    assert 1 < different[1] < different[-1] < 48, "alike at first, and not always apart in the end"
    assert [rows for rows, _ in shapes[-7:]] == different[:-1]
    for sample in samples:
        assert log_probs(sample) == pytest.approx(oracle.log_probs([0, 5, 9], ids(sample), 0.05), abs=1e-3)


# --- embeddings ---


async def test_embeddings_are_the_means_of_the_last_hidden_states(backend: HfBackend, oracle: Any) -> None:
    texts = [PROMPT, "⊢ True", "n", "α : Type\nxs ys : List α\n⊢ (xs ++ ys).length = 0" * 3]
    embeddings = await backend.encode([*texts, (0, 5, 9)])
    for text, embedding in zip([*texts, None], embeddings, strict=True):
        tokens = [0, 5, 9] if text is None else oracle.tokenizer(text).input_ids
        assert list(embedding.vector) == pytest.approx(oracle.embedding(tokens), abs=1e-5)
        assert embedding.prompt_tokens == len(tokens)


async def test_many_texts_are_split_and_come_back_in_order(tiny_llama: Path, backend: HfBackend) -> None:
    texts = ["⊢ " + "n + " * ((i * 7) % 50) + str(i) for i in range(60)]
    whole = await backend.encode(texts)
    async with serving(tiny_llama, max_batch_tokens=64) as small:
        split = await small.encode(texts)
    for one, two in zip(whole, split, strict=True):
        assert list(one.vector) == pytest.approx(list(two.vector), abs=1e-5)


async def test_a_vector_of_nothing_is_an_error(backend: HfBackend) -> None:
    embedding: Any = backend._now.model._model.get_input_embeddings()
    embedding.weight.data[7] = 0.0
    with pytest.raises(EncoderError, match="zero or not finite"):
        await backend.encode([(7,)])


# --- what is refused ---


@pytest.mark.parametrize(
    ("prompt", "params", "said"),
    [
        ("", {}, None),
        ((), {}, "must not be empty"),
        ((0, 369), {}, "token id 369"),
        ("\ud800", {}, "cannot be encoded"),
        ("p", {"n": 65}, "n=65"),
        ("p", {"n": 60, "max_new_tokens": 400}, "keys and values"),
    ],
)
async def test_impossible_requests_are_refused(
    tiny_llama: Path, prompt: Any, params: dict[str, Any], said: str | None
) -> None:
    async with serving(tiny_llama, max_cache_tokens=20_000) as backend:
        if said is None:  # the tokenizer's first token is a prompt, too
            await backend.generate([prompt], SamplingParams(max_new_tokens=1))
        else:
            with pytest.raises(PolicyBadRequest, match=said):
                await backend.generate([prompt], SamplingParams(**params))


async def test_what_does_not_fit_the_context_is_told_as_servers_tell_it(backend: HfBackend) -> None:
    params = SamplingParams(max_new_tokens=12, ignore_eos=True)
    ((fits,),) = await backend.generate([(5,) * 500], params)
    assert len(fits.tokens) == 12
    with pytest.raises(PromptTooLong, match=r"The input \(501 tokens\) and max_new_tokens \(12\).*context length"):
        await backend.generate([(5,) * 501], params)
    with pytest.raises(PromptTooLong, match=r"The input \(512 tokens\) is longer than the model's context length"):
        await backend.generate([(5,) * 512], params)
    assert await backend.encode([(5,) * 512])
    with pytest.raises(PromptTooLong, match=r"The input \(513 tokens\) is longer"):
        await backend.encode([(5,) * 513])


async def test_a_text_of_far_too_many_characters_is_not_split_into_tokens(
    backend: HfBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = 512 * backend._now.model.tokenizer.longest_token
    with pytest.raises(PromptTooLong, match=r"\(\d+ tokens\) is longer"):
        await backend.encode(["a" * longest])
    monkeypatch.setattr(backend._now.model.tokenizer, "encode", None)
    for ask in (backend.encode, lambda prompts: backend.generate(prompts, SamplingParams())):
        with pytest.raises(PromptTooLong, match=rf"\({longest + 1} characters\) is longer .* context length \(512"):
            await ask(["p", "a" * (longest + 1)])


async def test_others_have_their_turn_between_two_prompts_of_many_samples(backend: HfBackend) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    params = SamplingParams(n=8, max_new_tokens=1)
    task = asyncio.create_task(others())
    jobs = await backend._now.intake.prompt_jobs([(0, 5)] * 9, params, None)
    assert turns >= 8
    task.cancel()
    assert [len(job.samples) for job in jobs] == [8] * 9


async def test_a_model_that_goes_wrong_is_an_error_and_not_a_sample(
    backend: HfBackend,
) -> None:
    assert await backend.check_health()
    head: Any = backend._now.model._model.lm_head
    head.weight.data.fill_(float("nan"))
    with pytest.raises(PolicyError, match="not finite"):
        await backend.generate([PROMPT], SamplingParams(max_new_tokens=4))
    assert not await backend.check_health()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
async def test_what_does_not_fit_on_the_gpu_fails_and_the_rest_is_served(tmp_path: Path, small_gpu: Any) -> None:
    folder = build_tiny_llama(tmp_path, context=8192)
    generous = {"max_sequences": 128, "max_batch_tokens": 2_000_000, "max_cache_tokens": 2_000_000}
    async with serving(folder, device="cuda", **generous) as backend:
        params = SamplingParams(n=2, max_new_tokens=5, sampling_seed=0)
        before = await backend.generate([PROMPT], params), await backend.encode([PROMPT])
        taken = torch.cuda.memory_allocated()
        gc.disable()
        with small_gpu(256):
            for _ in range(3):
                with pytest.raises(PolicyError, match=r"GPU ran out of memory.*--max-cache-tokens"):
                    await backend.generate([(5,) * 8000] * 128, params)
                with pytest.raises(PolicyError, match=r"GPU ran out of memory.*--max-batch-tokens"):
                    await backend.encode([(5,) * 8000] * 128)
                assert (await backend.generate([PROMPT], params), await backend.encode([PROMPT])) == before
                assert torch.cuda.memory_allocated() < taken + 2**20
        gc.enable()
        assert await backend.check_health()


async def test_a_model_that_is_stuck_is_not_healthy(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tiny_llama, health_timeout_s=0.05) as backend:
        may_go_on = threading.Event()
        forward = backend._now.model._model.forward

        def stuck(*args: Any, **more: Any) -> Any:
            may_go_on.wait()
            return forward(*args, **more)

        monkeypatch.setattr(backend._now.model._model, "forward", stuck)
        assert not await backend.check_health()
        may_go_on.set()
        await until(lambda: backend.statistics["running_sequences"] == 0)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - whatever may be waited for, there is no event for it
        await asyncio.sleep(0.001)


# --- life ---


async def test_it_is_nothing_outside_its_context(tiny_llama: Path) -> None:
    backend = HfBackend(HfConfig(model=str(tiny_llama)))
    with pytest.raises(LeanEbmError, match="async with"):
        _ = backend.description
    for _ in range(2):
        async with backend:
            assert backend.description.model_path == str(tiny_llama)
            await backend.flush_cache()


async def test_a_folder_that_cannot_be_served_leaves_nothing_behind(tmp_path: Path) -> None:
    backend = HfBackend(HfConfig(model=str(tmp_path)))
    with pytest.raises(ConfigError, match=r"no config\.json"):
        await backend.__aenter__()
    with pytest.raises(LeanEbmError, match="async with"):
        _ = backend.description


async def test_a_library_that_is_not_installed_is_named(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "leanebm.serve.backends.hf._language_model", None)
    monkeypatch.setattr(_extras, "missing_of", lambda extra: ("peft>=0.15",) if extra == "serve" else ())
    with pytest.raises(MissingExtra, match=r"(?s)a language model needs the extra 'serve'.*install 'leanebm\[serve\]'"):
        await HfBackend(HfConfig(model=str(tiny_llama))).__aenter__()


async def test_it_describes_how_it_encodes(backend: HfBackend, tiny_llama: Path) -> None:
    encode = backend.description.encode
    assert encode is not None
    assert (encode.pooling, encode.layer, encode.normalized, encode.include_bos) == ("mean", "last", False, True)
    assert (encode.dim, encode.dtype) == (32, "float32")
    async with serving(tiny_llama, weight_version="round-1") as named:
        assert named.description.weight_version == "round-1" != backend.description.weight_version
