"""The APIs that a policy server may be spoken to through, for tests that hold for each of them."""

from __future__ import annotations

from typing import Any, Final

import attrs

from leanebm.testing import Answer, FakePolicyServer, completion_reply, sample_object


@attrs.frozen
class Wire:
    """One API, and how it words the samples of :func:`leanebm.testing.sample_object`."""

    api: str
    path: str

    def reply(self, *samples: Any) -> Any:
        if self.api == "sglang":
            return list(samples) if len(samples) > 1 else samples[0]
        return completion_reply(*samples, chat=self.api == "openai-chat")

    def answer(self, *samples: Any, **more: Any) -> Answer:
        return Answer(json=self.reply(*samples), **more)

    @property
    def good(self) -> Answer:
        return self.answer(sample_object("simp", -0.5, -0.1))

    def introduce(self, server: FakePolicyServer) -> None:
        """Have the server list its one model, where clients ask for it."""
        if self.api != "sglang":
            server.script("/v1/models", then=Answer(json={"object": "list", "data": [{"id": "m"}]}))


SGLANG: Final = Wire("sglang", "/generate")
OPENAI: Final = Wire("openai", "/v1/completions")
CHAT: Final = Wire("openai-chat", "/v1/chat/completions")
WIRES: Final = (SGLANG, OPENAI, CHAT)
