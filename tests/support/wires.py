"""The APIs that a policy server may be spoken to through, for tests that hold for each of them."""

from __future__ import annotations

from typing import Any, Final

import attrs

from leanebm.testing import Answer, FakePolicyServer, sample_object


@attrs.frozen
class Wire:
    """One API, and how it words the samples of :func:`leanebm.testing.sample_object`."""

    api: str
    path: str

    def reply(self, *samples: Any) -> Any:
        if self.api == "sglang":
            return list(samples) if len(samples) > 1 else samples[0]
        return _completion_reply(*samples, chat=self.api == "openai-chat")

    def answer(self, *samples: Any, **more: Any) -> Answer:
        return Answer(json=self.reply(*samples), **more)

    @property
    def good(self) -> Answer:
        return self.answer(sample_object("simp", -0.5, -0.1))

    def introduce(self, server: FakePolicyServer) -> None:
        """Have the server list its one model, where clients ask for it."""
        if self.api != "sglang":
            server.script("/v1/models", then=Answer(json={"object": "list", "data": [{"id": "m"}]}))


def _completion_reply(*samples: dict[str, Any], chat: bool = False) -> dict[str, Any]:
    """An answer of ``/v1/completions`` or ``/v1/chat/completions``, as vLLM words it.

    A token without a text is spelt with nothing, and the first of such a sample with all of its text.
    """
    choices = []
    for index, sample in enumerate(samples):
        meta = sample["meta_info"]
        entries = meta["output_token_logprobs"]
        unspelt = [sample["text"], *[""] * len(entries)]
        tokens = [spare if text is None else text for (_, _, text), spare in zip(entries, unspelt, strict=False)]
        log_probs = [log_prob for log_prob, _, _ in entries]
        if chat:
            pairs = zip(tokens, log_probs, strict=True)
            content = [{"token": token, "logprob": value, "bytes": list(token.encode())} for token, value in pairs]
            said = {"message": {"role": "assistant", "content": sample["text"]}, "logprobs": {"content": content}}
        else:
            said = {"text": sample["text"], "logprobs": {"tokens": tokens, "token_logprobs": log_probs}}
        choices.append({"index": index, "finish_reason": meta["finish_reason"]["type"], **said})
    count = sum(sample["meta_info"]["completion_tokens"] for sample in samples)
    reply: dict[str, Any] = {"id": "x", "model": "m", "choices": choices, "usage": {"completion_tokens": count}}
    versions = [sample["meta_info"].get("weight_version") for sample in samples]
    return reply if not any(versions) else {**reply, "metadata": {"weight_version": versions[0]}}


SGLANG: Final = Wire("sglang", "/generate")
OPENAI: Final = Wire("openai", "/v1/completions")
CHAT: Final = Wire("openai-chat", "/v1/chat/completions")
WIRES: Final = (SGLANG, OPENAI, CHAT)
