"""How OpenAI-compatible servers answer and refuse, each in its own way, to test a policy client against."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self

import attrs

from leanebm.testing import Answer, Compute, FakePolicyServer

END_TOKEN: Final = "<|endoftext|>"  # noqa: S105 - not that kind of token
"""The piece that a model ends with; it is a token with a log-probability, and no part of the text."""

_COMMON: Final = frozenset({"model", "temperature", "top_p", "max_tokens", "stop", "stream", "n", "seed", "logprobs"})
_OWN: Final = {
    "/v1/completions": frozenset({"prompt"}),
    "/v1/chat/completions": frozenset({"messages", "top_logprobs"}),
}

Draw = Sequence[tuple[str, float]]
"""What a model writes: pieces of text, each a token, with their log-probabilities."""


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@attrs.frozen(kw_only=True)
class OpenAIRules:
    """What a server takes and gives; the class methods are servers as their documents and sources have them.

    ::

        async with FakePolicyServer() as server:
            OpenAIRules.vllm([("simp", -0.5), (END_TOKEN, -0.1)]).govern(server)
    """

    draws: tuple[Draw, ...]
    """What is written, in turns; a seed chooses the first turn."""

    owned_by: str
    models: tuple[str, ...] = ("prover",)
    adapters: tuple[str, ...] = ()
    paths: frozenset[str] = frozenset(_OWN)
    """Those of the two endpoints that it has."""

    paths_with_log_probs: frozenset[str] = frozenset(_OWN)
    max_logprobs: int = 20
    """Most alternatives per token that may be asked for."""

    max_n: int | None = None
    """Most samples in one request; ``None`` allows any number."""

    ignores_n: bool = False
    refuses_n_with: int = 400
    may_be_greedy_many_times: bool = True
    log_probs_are_content: bool = False
    """Whether ``/v1/completions`` words log-probabilities as chat does."""

    keeps_stop_tokens: bool = True
    """Whether the tokens of a stop text, which is cut off, keep their log-probabilities."""

    asks_for: str = "logprobs"
    """The field that ``/v1/completions`` wants to see before it gives log-probabilities."""

    takes_unknown_fields: bool = True
    thoughts: str = ""
    """What the model thinks before it answers in chat."""

    context_chars: int = 20_000
    """Prompts beyond that are too long."""

    too_long: str = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."

    @classmethod
    def vllm(cls, *draws: Draw, **rules: Any) -> Self:
        """Gives what it is asked for, and checks that it is asked for nothing else; a seed counts up over samples."""
        return cls(draws=draws, **{"owned_by": "vllm", "may_be_greedy_many_times": False, **rules})

    @classmethod
    def llama_cpp(cls, *draws: Draw, **rules: Any) -> Self:
        """One shape of log-probabilities everywhere, without a stop's tokens; samples at once as it has slots."""
        own = {"owned_by": "llamacpp", "log_probs_are_content": True, "keeps_stop_tokens": False, "max_n": 4}
        return cls(draws=draws, **{**own, "too_long": "the request exceeds the available context size", **rules})

    @classmethod
    def old_llama_cpp(cls, *draws: Draw, **rules: Any) -> Self:
        """Before 2026: one sample per request, to ask for more is a 500; ``n_probs`` instead of ``logprobs``."""
        return cls.llama_cpp(*draws, **{"max_n": 1, "refuses_n_with": 500, "asks_for": "n_probs", **rules})

    @classmethod
    def tgi(cls, *draws: Draw, **rules: Any) -> Self:
        """Log-probabilities in chat only; takes ``n`` and does nothing with it."""
        own = {"owned_by": "prover", "ignores_n": True, "paths_with_log_probs": frozenset({"/v1/chat/completions"})}
        too_long = "Input validation error: `inputs` must have less than 1024 tokens. Given: 3000"
        return cls(draws=draws, **{**own, "too_long": too_long, **rules})

    @classmethod
    def hosted(cls, *draws: Draw, **rules: Any) -> Self:
        """A service with chat only, several models, and no patience with fields it does not know."""
        own = {"owned_by": "a-service", "takes_unknown_fields": False, "paths": frozenset({"/v1/chat/completions"})}
        return cls(draws=draws, **{**own, "models": ("large", "small"), **rules})

    def govern(self, server: FakePolicyServer) -> None:
        """Have the server answer by these rules from now on."""
        parent = {"parent": self.models[0]}
        listed = [{"id": name, "object": "model", "owned_by": self.owned_by} for name in self.models]
        listed += [{"id": name, "object": "model", "owned_by": self.owned_by, **parent} for name in self.adapters]
        server.script("/health", then=Answer())
        server.script("/v1/models", then=Answer(json={"object": "list", "data": listed}))
        turns = itertools.count()
        for path in self.paths:
            server.script(path, then=Compute(self._answering(path, turns)))

    def _answering(self, path: str, turns: Iterator[int]) -> Any:
        def answer(body: Mapping[str, Any]) -> Answer:
            try:
                self._check(path, body)
            except _Refused as refusal:
                said = {"message": str(refusal), "type": "invalid_request_error", "code": refusal.status}
                return Answer(status=refusal.status, json={"error": said})
            count = 1 if self.ignores_n else body.get("n", 1)
            first = body.get("seed", None)
            numbers = [next(turns) if first is None else first + index for index in range(count)]
            drawn = [self.draws[number % len(self.draws)] for number in numbers]
            written = [_written(draw, body) for draw in drawn]
            choices = [{"index": index, **self._choice(path, body, *one)} for index, one in enumerate(written)]
            usage = {"completion_tokens": sum(len(tokens) for _, tokens, _, _ in written)}
            return Answer(json={"id": "x", "model": body["model"], "choices": choices, "usage": usage})

        return answer

    def _check(self, path: str, body: Mapping[str, Any]) -> None:
        unknown = body.keys() - _COMMON - _OWN[path]
        if unknown and not self.takes_unknown_fields:
            raise _Refused(400, f"Unrecognized request argument supplied: {min(unknown)}")
        if body.get("model") not in (*self.models, *self.adapters):
            raise _Refused(404, f"The model `{body.get('model')}` does not exist.")
        prompt = body["prompt"] if "prompt" in _OWN[path] else body["messages"][-1]["content"]
        if len(prompt) > self.context_chars:
            raise _Refused(400, self.too_long)
        n = body.get("n", 1)
        if self.max_n is not None and n > self.max_n:
            few = "Only one completion choice is allowed"
            many = "n_cmpl cannot be greater than the number of slots, please increase -np"
            raise _Refused(self.refuses_n_with, few if self.max_n == 1 else many)
        if body.get("stop") == [] and not self.takes_unknown_fields:
            raise _Refused(400, "[] is too short - 'stop'")
        if body["temperature"] == 0 and n > 1 and not self.may_be_greedy_many_times:
            raise _Refused(400, f"n must be 1 when using greedy sampling, got {n}.")
        wanted = body.get("top_logprobs", body.get("logprobs", 0))
        if wanted > self.max_logprobs:
            excess = f"Requested sample logprobs of {wanted}, which is greater than max allowed: {self.max_logprobs}"
            raise _Refused(400, excess)

    def _choice(
        self, path: str, body: Mapping[str, Any], text: str, tokens: Draw, stop_tokens: int, finish: str
    ) -> dict[str, Any]:
        is_chat = path == "/v1/chat/completions"
        if not self.keeps_stop_tokens and stop_tokens:
            tokens = tokens[:-stop_tokens]
        log_probs: dict[str, Any] | None = None
        if path in self.paths_with_log_probs and body.get("logprobs" if is_chat else self.asks_for) and tokens:
            if is_chat or self.log_probs_are_content:
                log_probs = {"content": [_entry(piece, value) for piece, value in tokens]}
            else:
                log_probs = {"tokens": [piece for piece, _ in tokens], "token_logprobs": [value for _, value in tokens]}
        message = {"role": "assistant", "content": text or None, "reasoning_content": self.thoughts or None}
        said = {"message": message} if is_chat else {"text": text}
        return {**said, "logprobs": log_probs, "finish_reason": finish}


def _written(draw: Draw, body: Mapping[str, Any]) -> tuple[str, Draw, int, str]:
    """The text up to a stop, the tokens drawn for it, how many of them belong to the stop, and why it ended."""
    text = ""
    for count, (piece, _) in enumerate(draw, start=1):
        if piece == END_TOKEN:
            return text, draw[:count], 0, "stop"
        text += piece
        for stop in body.get("stop", ()):
            kept, found, _ = text.partition(stop)
            if found:
                drawn = [len("".join(one for one, _ in draw[:upto])) for upto in range(1, count + 1)]
                return kept, draw[:count], sum(length > len(kept) for length in drawn), "stop"
        if count == body["max_tokens"]:
            return text, draw[:count], 0, "length"
    return text, draw, 0, "length"


def _entry(piece: str, log_prob: float) -> dict[str, Any]:
    return {"token": piece, "bytes": list(piece.encode()), "logprob": log_prob}
