"""Embeddings from the hidden states that a stock SGLang returns with ``/generate``."""

from __future__ import annotations

import logging
import re
import uuid
from array import array
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, final

import attrs

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError, EncoderError, PolicyProtocolError
from leanebm.policy._embeddings import EmbeddingBatch, vectors_of
from leanebm.policy._encoders.base import BatchEncoder
from leanebm.policy._failure import NotOffered
from leanebm.policy._versions import Versions, versions_of

_log = logging.getLogger(__name__)

_FIRST_SOUND_RELEASE: Final = (0, 5, 17)
"""Earlier versions cut the states of a batch at the wrong places, and give one request the states of another."""


@final
class SglangHiddenStates(BatchEncoder):
    """The mean over all tokens of the last hidden states, taken here.

    Policy and encoder are then one process with one copy of the weights, started with
    ``--enable-return-hidden-states``. The price: about 40 kB of JSON per token, so one text per request.

    A server that finds the beginning of a text in its prefix cache, or prefills a long one in chunks,
    leaves the states of those tokens out, and a mean over the rest is another vector. So there must be
    as many states as the prompt has tokens. If there are not, the text is sent once more, marked so
    that no cache can serve it.
    """

    async def describe(self) -> EncoderIdentity:
        """What hidden states are known to be; the server does not say in which format it computes.

        Raises:
            ConfigError: the server does not sample, is one of ours, or is too old to be right.
            PolicyError: the server could not answer.
        """
        info = await self.watch.info()
        self._must_not_be_ours(info)
        if info.is_generation is False:
            raise ConfigError(
                f"{self.endpoint.url} only makes embeddings:", ["use 'sglang_encode' @ policy.encoder.backend"]
            )
        self._require_sound(await self._release())
        return EncoderIdentity(
            model=info.model_path,
            weights=info.weight_version or self.config.weights,
            adapter=self.config.adapter,
            pooling="mean",
            layer="last",
            is_normalized=False,
        )

    async def encode(self, texts: Sequence[str], *, dim: int | None) -> EmbeddingBatch:
        """One request per text; a second one for each whose states are not complete.

        Raises:
            EncoderError: they are not complete even then, or a vector is unusable.
            PolicyError: the server could not answer.
        """
        vectors: list[array[float]] = []
        versions: Versions = {}
        for text in texts:
            states = await self._ask(text, bypass_cache=False)
            if not states.is_complete:
                _log.info("%s; asking once more, past the cache", states.told)
                states = await self._ask(text, bypass_cache=True)
            if not states.is_complete:
                raise EncoderError(
                    f"{self.endpoint.url} keeps hidden states back: {states.told}. Start it with "
                    "--disable-radix-cache --chunked-prefill-size -1, or choose another encoder backend",
                    url=self.endpoint.url,
                )
            vectors += vectors_of([states.mean], dim=dim or (len(vectors[0]) if vectors else None))
            versions = states.versions or versions
        return EmbeddingBatch(vectors=tuple(vectors), versions=versions)

    async def max_batch(self) -> int:
        """One: the server batches what it has by itself, and an answer is tens of megabytes."""
        return 1

    async def _ask(self, text: str, *, bypass_cache: bool) -> _States:
        body: dict[str, object] = {
            "text": text,
            "sampling_params": {"max_new_tokens": 1, "temperature": 0.0},
            "return_hidden_states": True,
            "stream": False,
        }
        if bypass_cache:
            # Log-probabilities of the whole prompt need its whole forward pass; a namespace of its
            # own in the prefix cache does too, on servers that know of it.
            body |= {"return_logprob": True, "logprob_start_len": 0, "extra_key": uuid.uuid4().hex}
        if self.config.adapter is not None:
            body["lora_path"] = self.config.adapter
        decode = partial(_decode, adapter=self.config.adapter)
        return await self.endpoint.post("/generate", body, weight=1, decode=decode, decode_in_thread=True)

    async def _release(self) -> tuple[int, ...] | None:
        for path in ("/server_info", "/get_server_info"):
            try:
                said = await self.endpoint.get(path)
            except NotOffered:
                continue
            found = re.match(r"\d+(\.\d+)+", str(said.get("version"))) if isinstance(said, Mapping) else None
            return tuple(map(int, found[0].split("."))) if found else None
        return None

    def _require_sound(self, release: tuple[int, ...] | None) -> None:
        needed = ".".join(map(str, _FIRST_SOUND_RELEASE))
        if release is None:
            _log.warning(
                "%s does not say which SGLang it is; below %s its hidden states are wrong", self.endpoint.url, needed
            )
        elif release < _FIRST_SOUND_RELEASE:
            raise ConfigError(
                f"{self.endpoint.url} is SGLang {'.'.join(map(str, release))}, which mixes up hidden states:",
                [f"update it to {needed}, or choose another @ policy.encoder.backend"],
            )


@attrs.frozen
class _States:
    """What one answer held."""

    mean: list[float]
    num_states: int
    prompt_tokens: int
    cached_tokens: object
    versions: Versions

    @property
    def is_complete(self) -> bool:
        return self.num_states == self.prompt_tokens > 0

    @property
    def told(self) -> str:
        cached = f" ({self.cached_tokens} of them cached)" if self.cached_tokens else ""
        return f"{self.num_states} hidden states for {self.prompt_tokens} tokens{cached}"


def _decode(reply: object, adapter: str | None) -> _States:
    """Read an answer and average its states. Takes long for a long text: keep it off the event loop.

    Raises:
        PolicyProtocolError: the answer has another shape.
    """
    item = reply[0] if isinstance(reply, list) and len(reply) == 1 else reply
    match item:
        case {"meta_info": {"hidden_states": [[[*_], *_] as block, *_], "prompt_tokens": int(tokens), **more}}:
            return _States(_mean(block), len(block), tokens, more.get("cached_tokens"), versions_of(item, adapter))
        case {"meta_info": {"hidden_states": [[], *_], "prompt_tokens": int(tokens), **more}}:
            return _States([], 0, tokens, more.get("cached_tokens"), versions_of(item, adapter))
        case _:
            raise PolicyProtocolError(
                "the answer has no hidden states: is the server started with --enable-return-hidden-states?"
            )


def _mean(block: Sequence[Any]) -> list[float]:
    try:
        return [sum(column) / len(block) for column in zip(*block, strict=True)]
    except (TypeError, ValueError) as error:
        raise PolicyProtocolError(f"the hidden states are not rows of numbers of one length: {error}") from error


@final
class SglangEncode(BatchEncoder):
    """Hidden state of the *last* token, scaled to length 1: what SGLang does for Llama's family.

    The server is started with ``--is-embedding`` and cannot sample; tactics come from a second one with
    the same weights. Set ``required_pooling = "last"``.
    """

    async def describe(self) -> EncoderIdentity:
        """What SGLang is known to do; the server itself does not say.

        Raises:
            ConfigError: the server samples, so that its ``/encode`` refuses; or it is one of ours.
            PolicyError: the server could not answer.
        """
        info = await self.watch.info()
        self._must_not_be_ours(info)
        if info.is_generation:
            raise ConfigError(
                f"{self.endpoint.url} samples, and then makes no embeddings:",
                ["give the address of one started with --is-embedding @ policy.encoder.url"],
            )
        return EncoderIdentity(
            model=info.model_path,
            weights=info.weight_version or self.config.weights,
            adapter=self.config.adapter,
            pooling="last",
            layer="last",
            is_normalized=True,
        )
