"""``/v1/completions`` and ``/v1/chat/completions``, as vLLM, llama.cpp, TGI and hosted services offer them.

What they have in common is less than their name says. Some give log-probabilities only in chat, some only
when asked in their own word; each of the two shapes of log-probabilities occurs in each of the two endpoints;
some take no ``n``. What a server is seen to do decides, not what it calls itself.
"""

from __future__ import annotations

import abc
import asyncio
import logging
from collections.abc import Mapping
from typing import Final, final

import attrs

from leanebm._shown import printable, shown
from leanebm.errors import (
    ConfigError,
    PolicyBadRequest,
    PolicyError,
    PolicyProtocolError,
    PolicyUnavailable,
    PromptTooLong,
)
from leanebm.policy._dialects.base import Dialect
from leanebm.policy._failure import AttemptFailed, Failure, NotOffered
from leanebm.policy._samples import Sample, SampleBatch, checked_log_prob
from leanebm.policy._versions import WEIGHTS, Versions
from leanebm.policy.config import PolicyApi
from leanebm.policy.model_info import ModelInfo

_log = logging.getLogger(__name__)

_PROBE: Final = "Complete the following Lean 4 code:\n\n```lean4\nexample : True := by\n  "
_PROBE_TOKENS: Final = 16
_MOST_MODELS_NAMED: Final = 10

_LARGEST_SEED: Final = 2**31 - 1

_FINISHES: Final[Mapping[object, str]] = {
    "stop": "stop",
    "eos_token": "stop",  # TGI's own words
    "stop_sequence": "stop",
    "eos": "stop",  # and those of services
    "length": "length",
    "model_length": "length",
    "abort": "abort",
    "error": "abort",
    "content_filter": "abort",
    "insufficient_system_resource": "abort",
}

_PLAIN: Final[Mapping[str, object]] = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}

_OWN_WORDS: Final[Mapping[str, Mapping[str, object]]] = {
    "vllm": _PLAIN,
    "sglang": _PLAIN,
    "llamacpp": {"top_k": 0, "min_p": 0.0, "n_probs": 1},
}
"""Fields of these servers' own: no filter but the one that is asked for, where they, or the model's
``generation_config``, have others by default. And llama.cpp's word for log-probabilities, without which its releases
before 2025 give none in completions."""

_NO_LOG_PROBS: Final = "gives no log-probabilities, without which a search cannot rank tactics: "

_HOW_TO_GET_THEM: Final[Mapping[str, str]] = {
    "vllm": "start vLLM with --max-logprobs 1 or more",
    "llamacpp": "update llama-server, which must know n_probs or logprobs on this path",
}
"""By what the server calls itself."""

_THINKS: Final = (
    "writes down thoughts before its answer, so that its log-probabilities are not the tactic's. Turn that off: "
    "vLLM's --default-chat-template-kwargs '{\"enable_thinking\": false}', llama.cpp's --reasoning-budget 0; "
    "or take a model that does not"
)


class _Unsuitable(PolicyBadRequest):
    """The answer is sound, and of no use; the server, or the model, has to be set up in another way."""


class _OpenAI(Dialect):
    """What the two endpoints have in common."""

    path: str
    other: str
    """The other API's name, for who has chosen the wrong one."""

    elsewhere: str
    """How log-probabilities are had of a server that does not say whose it is."""

    _takes_n = True
    """Whether several samples may still be asked for in one request."""

    _has_taken_n = False
    """Whether they were given, so that another number is an error from then on."""

    _info: ModelInfo | None = None

    @abc.abstractmethod
    def _prompt(self, prompt: str) -> dict[str, object]:
        """The part of a request that holds the prompt and asks for log-probabilities."""

    @staticmethod
    @abc.abstractmethod
    def text_of(choice: Mapping[str, object]) -> str:
        """What the model wrote.

        Raises:
            PolicyProtocolError: there is none, or it is not all that the model wrote.
        """

    async def check(self) -> None:
        """Choose the model, and have it write a few tokens: log-probabilities are there, or they are not.

        Raises:
            ConfigError: there is no such model, no such endpoint, or there are no log-probabilities.
            PolicyError: the server could not answer.
        """
        info = await self._model()
        try:
            await self._ask(_PROBE, 1, max_tokens=min(_PROBE_TOKENS, self.config.max_tactic_tokens))
        except NotOffered as missing:
            found_out = "" if self.config.api is PolicyApi.AUTO else f"leave --api {self.config.api.value} out, or "
            raise ConfigError(f"{missing}; {found_out}set --api {self.other} (policy.api in the settings)") from missing
        except _Unsuitable as lacking:
            raise ConfigError(str(lacking)) from lacking
        except PolicyBadRequest as refusal:
            if "logprobs" in str(refusal):
                raise ConfigError(f"{refusal}. {self._how_to_get_log_probs()}") from refusal
            raise
        _log.info("%s serves %s (%s)", self.endpoint.url, info.model_path, info.made_by or "by an unknown server")

    async def sample(self, prompt: str, n: int) -> SampleBatch:
        """One request, or ``n`` to a server that takes one sample at a time."""
        await self._model()
        if self.config.temperature == 0.0:
            n = 1  # all are equal, and vLLM refuses more
        if n == 1 or not self._takes_n:
            return await self._one_by_one(prompt, n)
        try:
            batch = await self._ask(prompt, n)
        except PromptTooLong:
            raise
        except PolicyBadRequest as refusal:
            # Also a number that is merely too large for it: llama.cpp takes as many as it has slots.
            batch = await self._one_by_one(prompt, n)
            self._takes_n = False
            _log.info("%s; from now on each sample is a request of its own", refusal)
        else:
            self._has_taken_n = True
        return batch

    async def _one_by_one(self, prompt: str, n: int) -> SampleBatch:
        first = self.config.sampling_seed
        if first is None and n > 1:  # a server's default may be one and the same seed each time
            first = self.rng.randrange(_LARGEST_SEED - n)
        seeds = [None if first is None else first + index for index in range(n)]
        # The first goes alone where it is to tell whether another request is refused as well.
        alone = [await self._ask(prompt, 1, seed=seed) for seed in seeds[: int(self._takes_n)]]
        rest = (self._ask(prompt, 1, seed=seed) for seed in seeds[len(alone) :])
        answers = [*alone, *await asyncio.gather(*rest, return_exceptions=True)]
        batches = [answer for answer in answers if isinstance(answer, SampleBatch)]
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            if not batches or not isinstance(failure, PolicyError):
                raise failure
        return SampleBatch(
            samples=tuple(sample for batch in batches for sample in batch.samples),
            dropped=len(failures) + sum(batch.dropped for batch in batches),
            token_count_mismatches=sum(batch.token_count_mismatches for batch in batches),
            versions=next((batch.versions for batch in batches if batch.versions), {}),
        )

    async def _ask(self, prompt: str, n: int, *, seed: int | None = None, max_tokens: int | None = None) -> SampleBatch:
        config, info = self.config, await self._model()
        body: dict[str, object] = {
            "model": info.model_path,
            **self._prompt(prompt),
            "temperature": config.temperature,
            "top_p": config.top_p,
            "max_tokens": max_tokens or config.max_tactic_tokens,
            "stream": False,
        }
        if self.stop:  # some refuse an empty list
            body["stop"] = self.stop
        if n > 1:
            body["n"] = n
        if (seed := config.sampling_seed if seed is None else seed) is not None:
            body["seed"] = seed
        body |= _OWN_WORDS.get(info.made_by or "", {})
        return await self.endpoint.post(
            self.path, body, weight=n, decode=lambda reply: self.decode(reply, n), decode_in_thread=n > 1
        )

    def decode(self, reply: object, n: int) -> SampleBatch:
        """Read the answer to one prompt with ``n`` samples.

        Raises:
            PolicyProtocolError: anything is missing, of the wrong type or number.
            AttemptFailed: every sample was aborted; or the server is of no use as it is set up.
        """
        choices = _choices(reply)
        if len(choices) == 1 < n and not self._has_taken_n:
            raise self._unsuitable("answers one sample, however many are asked for")
        if len(choices) != n:
            raise PolicyProtocolError(f"the server answered {len(choices)} samples where {n} were asked for")
        samples = [self._sample(choice) for choice in choices if _finish(choice) != "abort"]
        if not samples:
            raise AttemptFailed(Failure.ABORTED, PolicyUnavailable(f"the server aborted all {n} samples"))
        whole = [sample for sample in samples if sample is not None]
        counted = _completion_tokens(reply)
        is_spelt = all(sample.has_all_tokens for sample in whole)
        if is_spelt or counted is None or counted == sum(len(sample.tokens) for sample in whole):
            whole = [attrs.evolve(sample, has_all_tokens=True) for sample in whole]
        return SampleBatch.of(whole, asked=n, versions=_versions(reply))

    def _sample(self, choice: Mapping[str, object]) -> Sample | None:
        """One choice; ``None`` where the model wrote nothing, of which some servers say no more."""
        text = self.text_of(choice)
        if _is_thinking(choice, text):
            raise self._unsuitable(_THINKS)
        entries = _log_prob_entries(choice)
        if not entries:
            if not text.strip():
                return None
            raise self._unsuitable(_NO_LOG_PROBS + self._how_to_get_log_probs())
        spelling = tuple(token for token, _ in entries)
        return Sample(
            text=text,
            tokens=spelling,
            log_probs=tuple(log_prob for _, log_prob in entries),
            spelling=spelling,
            is_cut_off=_finish(choice) == "length",
            has_all_tokens=b"".join(spelling).startswith(text.encode(errors="surrogatepass")),
        )

    def _how_to_get_log_probs(self) -> str:
        made_by = self._info.made_by if self._info is not None else None
        return _HOW_TO_GET_THEM.get(made_by or "", self.elsewhere)

    def _unsuitable(self, why: str) -> AttemptFailed:
        url = self.endpoint.url + self.path
        return AttemptFailed(Failure.REFUSED, _Unsuitable(f"{url} {why}", url=url))

    async def _model(self) -> ModelInfo:
        if self._info is None:
            info = await self.watch.info()
            if self.config.adapter is not None:
                raise ConfigError(
                    f"{self.endpoint.url} speaks OpenAI's API, where an adapter is a model: "
                    f"--model {self.config.adapter} instead of --adapter"
                )
            listed = ", ".join(printable(name) for name in info.models[:_MOST_MODELS_NAMED])
            more = f" and {len(info.models) - _MOST_MODELS_NAMED} more" if len(info.models) > _MOST_MODELS_NAMED else ""
            wanted = self.config.model
            if info.models and wanted is not None and wanted not in info.models:
                raise ConfigError(f"{self.endpoint.url} has no model {wanted!r}; it has {listed}{more}")
            if info.model_path is None and wanted is None:
                has = f"lists several models ({listed}{more})" if info.models else "does not list its models"
                api = "" if info.models else f", and leave --api {self.config.api.value} out if it speaks another API"
                raise ConfigError(
                    f"{self.endpoint.url} {has}: name one with --model (policy.model in the settings){api}"
                )
            self._info = info if info.model_path else attrs.evolve(info, model_path=wanted)
        return self._info


@final
class OpenAICompletions(_OpenAI):
    """The model goes on with the prompt as it is."""

    path = "/v1/completions"
    other = "openai-chat"
    elsewhere = (
        "TGI and many services have them in chat only, --api openai-chat; "
        "vLLM is started with --max-logprobs 1 or more, llama-server has to know n_probs on this path"
    )

    def _prompt(self, prompt: str) -> dict[str, object]:
        return {"prompt": prompt, "logprobs": 1}

    @staticmethod
    def text_of(choice: Mapping[str, object]) -> str:
        """``text``."""
        match choice:
            case {"text": str(text)}:
                return text
            case _:
                raise PolicyProtocolError("a choice has no text")


@final
class OpenAIChat(_OpenAI):
    """The prompt is a message; the server puts it into the model's chat template."""

    path = "/v1/chat/completions"
    other = "openai"
    elsewhere = "take a model, or a service, that has them; vLLM is started with --max-logprobs 1 or more"

    def _prompt(self, prompt: str) -> dict[str, object]:
        return {"messages": [{"role": "user", "content": prompt}], "logprobs": True, "top_logprobs": 1}

    @staticmethod
    def text_of(choice: Mapping[str, object]) -> str:
        """The message's ``content``; nothing where the model refused, or called a tool."""
        match choice:
            case {"message": {"content": str(text)}}:
                return text
            case {"message": {**message}} if message.get("content") is None:
                return ""
            case _:
                raise PolicyProtocolError("a choice has no message with a content")


# --- reading JSON ---


def _choices(reply: object) -> list[Mapping[str, object]]:
    match reply:
        case {"choices": [*choices]} if choices and all(isinstance(choice, Mapping) for choice in choices):
            return choices
        case _:
            raise PolicyProtocolError(f"the answer has no choices: {shown(reply)}")


def _finish(choice: Mapping[str, object]) -> str:
    said = choice.get("finish_reason")
    finish = _FINISHES.get(said) if isinstance(said, str) else None
    if finish is None:
        raise PolicyProtocolError(f"a sample finished for an unknown reason: {shown(said)}")
    return finish


def _is_thinking(choice: Mapping[str, object], text: str) -> bool:
    message = choice.get("message")
    apart = message if isinstance(message, Mapping) else {}
    return bool(apart.get("reasoning_content") or apart.get("reasoning")) or text.lstrip().startswith("<think>")


def _log_prob_entries(choice: Mapping[str, object]) -> list[tuple[bytes, float]]:
    """Each token's spelling and log-probability; none where the server gives none.

    Raises:
        PolicyProtocolError: there is something, and it is neither shape of log-probabilities.
    """
    match choice.get("logprobs"):
        case None | {"content": None} | {"token_logprobs": None}:
            return []
        case {"content": [*entries]}:
            return [_entry(entry) for entry in entries]
        case {"tokens": [*tokens], "token_logprobs": [*log_probs]} if len(tokens) == len(log_probs):
            return [_entry({"token": token, "logprob": value}) for token, value in zip(tokens, log_probs, strict=True)]
        case other:
            raise PolicyProtocolError(f"these are no log-probabilities: {shown(other)}")


def _entry(entry: object) -> tuple[bytes, float]:
    match entry:
        case {"token": str(token), "logprob": log_prob, **more}:
            return _spelling(token, more.get("bytes")), checked_log_prob(log_prob)
        case _:
            raise PolicyProtocolError(f"a token's log-probability is not {{token, logprob}}: {shown(entry)}")


def _spelling(token: str, said: object) -> bytes:
    """The token's bytes, which may be a part of a character; its text has a replacement character for that."""
    if isinstance(said, list) and all(type(byte) is int and 0 <= byte < 256 for byte in said) and said:
        return bytes(said)
    return token.encode(errors="surrogatepass")


def _completion_tokens(reply: object) -> int | None:
    match reply:
        case {"usage": {"completion_tokens": int(count)}}:
            return count
        case _:
            return None


def _versions(reply: object) -> Versions:
    """What SGLang says beside an answer; others have no word for it."""
    match reply:
        case {"metadata": {"weight_version": str(version)}}:
            return {WEIGHTS: version}
        case _:
            return {}
