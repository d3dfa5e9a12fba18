"""What a policy or encoder server answers us."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence

from fuzz.target import Finding, Target, refusals
from leanebm.errors import EncoderError, PolicyProtocolError
from leanebm.policy import PolicyClientConfig
from leanebm.policy._dialects.openai import OpenAIChat, OpenAICompletions
from leanebm.policy._dialects.sglang import decode_samples
from leanebm.policy._embeddings import cosine, decode_embeddings
from leanebm.policy._endpoint import Endpoint
from leanebm.policy._failure import AttemptFailed
from leanebm.policy._samples import candidates_of
from leanebm.policy._transport import failure_of_status
from leanebm.policy._weights import ModelWatch
from leanebm.policy.model_info import ModelInfo
from leanebm.policy.prompt import PROMPT_FORMATS
from leanebm.policy.statistics import RequestMeter

__all__ = ["TARGETS", "fuzz_completion", "fuzz_error_body", "fuzz_server_reply"]


def _speaking(dialect: type[OpenAICompletions] | type[OpenAIChat]) -> OpenAICompletions | OpenAIChat:
    config, meter, rng = PolicyClientConfig(url="http://server"), RequestMeter(), random.Random(0)  # noqa: S311 - jitter
    endpoint = Endpoint(config.url, config, meter=meter, clock=time.monotonic, sleep=asyncio.sleep, rng=rng)
    return dialect(config, endpoint, ModelWatch(endpoint, meter=meter, stop_on_change=False), stop=[], rng=rng)


_READERS = (decode_samples, _speaking(OpenAICompletions).decode, _speaking(OpenAIChat).decode)


def fuzz_server_reply(data: bytes) -> None:
    """An answer with status 200, read as every kind of answer: values that are sound, or no contract."""
    try:
        reply = json.loads(data)
    except (ValueError, RecursionError):  # the transport's to tell
        return
    count = len(reply) if isinstance(reply, list) else 1
    for read in _READERS:
        with refusals(PolicyProtocolError, AttemptFailed):
            batch = read(reply, count)
            for prompt_format in PROMPT_FORMATS.values():
                for candidate in candidates_of(batch, prompt_format)[0]:
                    candidate.tactic.encode()  # it goes to Lean, and into Parquet files
                    if not candidate.log_prob <= 0.0:
                        raise Finding(f"a probability above 1: {candidate}")
    with refusals(PolicyProtocolError, EncoderError):
        vectors = decode_embeddings(reply, count, dim=None).vectors
        if vectors and not -1.001 <= cosine(vectors[0], vectors[-1]) <= 1.001:
            raise Finding(f"no cosine: {vectors!r:.500}")
    for name in ModelInfo.from_models(reply, wanted=None).models:
        if not name or not isinstance(name, str):
            raise Finding(f"no model: {name!r:.500}")
    info = ModelInfo.from_reply(reply)
    if info.encoder is not None:
        info.encoder.differences(ModelInfo.from_reply(reply).encoder or info.encoder)
        _ = info.encoder.fingerprint


def fuzz_error_body(data: bytes) -> None:
    """An answer with another status: always an error of ours, and a short one."""
    status = 200 + (data[0] if data else 0) * 2
    headers = {"Retry-After": data[:20].decode("latin-1")}
    failure = failure_of_status(status, data.decode(errors="replace"), headers, url="http://server")
    if "http://server" not in str(failure) or len(str(failure)) > 1000 or not 0.0 <= failure.retry_after_s <= 3600.0:
        raise Finding(f"{failure.retry_after_s} {failure!s:.500}")


def fuzz_completion(data: bytes) -> None:
    """What a model wrote: a tactic that stands in it, or none."""
    text = data.decode(errors="replace")
    for prompt_format in PROMPT_FORMATS.values():
        block = prompt_format.parse(text)
        if block is not None and (not block.tactic.strip() or not 0 <= block.end <= len(text)):
            raise Finding(f"no tactic: {block!r:.500}")


def _reply_seeds() -> Sequence[bytes]:
    meta = {
        "finish_reason": {"type": "stop", "matched": 2}, "completion_tokens": 2, "weight_version": "w",
        "output_token_logprobs": [[-0.5, 11, "simp"], [-0.1, 2, None]],
    }  # fmt: skip
    sample = {"text": "simp\n\n", "meta_info": meta}
    fenced = {"text": "```lean4\nintro n\n```", "meta_info": meta | {"finish_reason": {"type": "length", "length": 2}}}
    encode = {
        "pooling": "mean", "layer": "last", "normalized": False, "include_bos": True, "dim": 3, "dtype": "float32",
        "max_batch": 8,
    }  # fmt: skip
    embedding = {"embedding": [0.5, -1.0, 2.0], "meta_info": {"weight_version": "w"}}
    info = {"model_path": "m", "weight_version": "w", "is_generation": True}
    content = [{"token": "simp", "logprob": -0.5, "bytes": [115]}, {"token": "", "logprob": -0.1, "bytes": None}]
    worded = {"tokens": ["simp", "⟩"], "token_logprobs": [-0.5, -9999.0]}
    message = {"content": "simp", "reasoning_content": None}
    replies: list[object] = [
        {"choices": [{"text": "simp", "logprobs": worded, "finish_reason": "stop"}], "usage": {"completion_tokens": 2}},
        {"choices": [{"text": "simp", "logprobs": {"content": content}, "finish_reason": "length"}]},
        {"choices": [{"message": message, "logprobs": {"content": content}, "finish_reason": "eos"}]},
        {"data": [{"id": "m", "owned_by": "vllm"}, {"id": "a", "parent": "m"}]},
        sample,
        [sample, fenced],
        embedding,
        [embedding, embedding],
        {**info, "leanebm": {"contract": 1, "encode": encode, "adapters": {"a": "hash"}}},
        [{"text": "", "meta_info": meta | {"finish_reason": {"type": "abort"}}}],
    ]
    return [json.dumps(reply, ensure_ascii=False).encode() for reply in replies]


def _error_seeds() -> Sequence[bytes]:
    bodies: list[object] = [
        {"error": {"message": "the input is longer than the model's context length"}},
        {"error": "Unauthorized"},
        {"detail": [{"loc": ["body", 0, "text"], "msg": "missing", "type": "t"}]},
        {"object": "error", "message": "The request queue is full.", "code": 503},
    ]
    return [json.dumps(body).encode() for body in bodies] + [b"120 <html>502 Bad Gateway</html>"]


def _completion_seeds() -> Sequence[bytes]:
    return [
        b"  simp [Nat.add_comm]\n\n",
        b"```lean4\n-- why\n/- a\n -/ theorem t : True := by\n  induction n with\n  | zero => rfl\n  | n => a\n```",
        "by\n  intro n; cases n <;> simp\n  · exact ⟨h.1, by omega⟩\nexample : 1 = 1 := rfl".encode(),
    ]


TARGETS = (
    Target(
        fuzz_server_reply,
        _reply_seeds,
        ('"meta_info"', '"output_token_logprobs"', '"embedding"', '"leanebm"', '"choices"', '"logprobs"', '"message"'),
    ),
    Target(fuzz_error_body, _error_seeds, ('"detail"', '"loc"', '"msg"', '"error"', '"message"')),
    Target(fuzz_completion, _completion_seeds, ("```", "by\n", "/-", "-/", "--", "theorem ", ":=", "sorry", "  ", "·")),
)
