"""From requests to jobs: tokens, limits and seeds."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

from leanebm.errors import PolicyBadRequest, PromptTooLong
from leanebm.serve.backends.base import Prompt, SamplingParams
from leanebm.serve.backends.hf._scheduler import Limits, PromptJob, TextJob
from leanebm.serve.backends.hf._sequence import SampledSequence

if TYPE_CHECKING:
    from leanebm.serve.backends.hf._language_model import LanguageModel


@final
class Intake:
    """Turns prompts into jobs, and refuses what the model could never do.

    Args:
        model: for its tokenizer and its limits.
        limits: of the server.
        seed: of the requests that bring none; ``None`` draws one.
    """

    def __init__(self, model: LanguageModel, limits: Limits, *, seed: int | None) -> None:
        self._model = model
        self._limits = limits
        self._seeds = random.Random(seed)  # noqa: S311 - sampling, not secrets

    async def prompt_jobs(
        self, prompts: Sequence[Prompt], params: SamplingParams, adapter: str | None
    ) -> list[PromptJob]:
        """A job for each prompt.

        Raises:
            PolicyBadRequest: a token id or ``n`` is out of range, or a prompt is empty.
            PromptTooLong: a prompt with its longest completion does not fit the context.
        """
        token_ids = await self._token_ids(prompts)
        for tokens in token_ids:
            self._check_context(len(tokens), params.max_new_tokens)
            self._check_limits(len(tokens), params)
        jobs: list[PromptJob] = []
        for tokens in token_ids:
            jobs.append(self._prompt_job(tokens, params, adapter))
            await asyncio.sleep(0)  # a thousand prompts with many samples take a second; others need the loop, too
        return jobs

    async def text_jobs(self, prompts: Sequence[Prompt], adapter: str | None) -> list[TextJob]:
        """A job for each text.

        Raises:
            PolicyBadRequest: a token id is out of range, or a text is empty.
            PromptTooLong: a text does not fit the context.
        """
        token_ids = await self._token_ids(prompts)
        for tokens in token_ids:
            self._check_context(len(tokens))
        return [TextJob(tokens=tokens, adapter=adapter) for tokens in token_ids]

    def probe(self) -> PromptJob:
        """A job for one token, to see whether the model still works."""
        tokens = (min(self._model.eos_ids, default=0),)
        return self._prompt_job(tokens, SamplingParams(max_new_tokens=1, sampling_seed=0), None, is_probe=True)

    def _prompt_job(
        self, tokens: tuple[int, ...], params: SamplingParams, adapter: str | None, *, is_probe: bool = False
    ) -> PromptJob:
        end_ids = frozenset(params.stop_token_ids) | (frozenset() if params.ignore_eos else self._model.eos_ids)
        seed = self._seeds.getrandbits(64) if params.sampling_seed is None else params.sampling_seed
        of_prompt = hashlib.sha256(f"{seed} {' '.join(map(str, tokens))}".encode()).hexdigest()
        samples = tuple(
            SampledSequence(
                prompt_tokens=len(tokens),
                params=params,
                end_ids=end_ids,
                stream=self._model.tokenizer.stream(skip_special_tokens=params.skip_special_tokens),
                # The same for the same prompt, seed and sample, wherever and in whatever company it is drawn.
                rng=random.Random(f"{of_prompt} {index}"),  # noqa: S311 - sampling, not secrets
            )
            for index in range(params.n)
        )
        return PromptJob(
            tokens=tokens, samples=samples, adapter=adapter, max_new_tokens=params.max_new_tokens, is_probe=is_probe
        )

    async def _token_ids(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        texts = [prompt for prompt in prompts if isinstance(prompt, str)]
        longest = self._model.context * self._model.tokenizer.longest_token
        for text in texts:
            if len(text) > longest:  # to split it into tokens would take minutes
                raise PromptTooLong(
                    f"The input ({len(text)} characters) is longer than the model's context length "
                    f"({self._model.context} tokens)."
                )
        encoded = iter(await asyncio.to_thread(self._model.tokenizer.encode, texts) if texts else [])
        token_ids = [next(encoded) if isinstance(prompt, str) else prompt for prompt in prompts]
        size = self._model.vocabulary_size
        for tokens in token_ids:
            if not tokens:
                raise PolicyBadRequest("a text must not be empty: without tokens there is nothing to read")
            if (highest := max(tokens)) >= size:
                raise PolicyBadRequest(f"token id {highest} is out of range: the model has {size}")
        return token_ids

    def _check_context(self, length: int, max_new_tokens: int = 0) -> None:
        context = self._model.context
        if length > context or (length == context and max_new_tokens):
            raise PromptTooLong(
                f"The input ({length} tokens) is longer than the model's context length ({context} tokens)."
            )
        if length + max_new_tokens > context:
            raise PromptTooLong(
                f"The input ({length} tokens) and max_new_tokens ({max_new_tokens}) together exceed the model's "
                f"context length ({context} tokens)."
            )

    def _check_limits(self, length: int, params: SamplingParams) -> None:
        rows, room = self._limits.max_sequences, self._limits.max_cache_tokens
        if params.n > rows:
            raise PolicyBadRequest(f"n={params.n} is more than the {rows} sequences that this server runs at once")
        if params.n * (length + params.max_new_tokens) > room:
            raise PolicyBadRequest(
                f"{params.n} samples of {length} + {params.max_new_tokens} tokens do not fit into this server's "
                f"{room} tokens of keys and values: ask for fewer or shorter ones"
            )
