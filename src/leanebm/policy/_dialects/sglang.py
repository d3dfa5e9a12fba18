"""SGLang's native ``/generate``, which our own server speaks, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from leanebm._shown import shown
from leanebm.errors import ConfigError, PolicyBadRequest, PolicyProtocolError, PolicyUnavailable
from leanebm.policy._dialects.base import Dialect
from leanebm.policy._failure import AttemptFailed, Failure, NotOffered
from leanebm.policy._samples import Sample, SampleBatch, checked_log_prob
from leanebm.policy._versions import versions_of
from leanebm.policy._weights import AdapterLoader, knows_no_adapter
from leanebm.policy.config import PolicyApi


@final
class Sglang(Dialect):
    """One request per prompt, whatever ``n`` is."""

    _adapter: AdapterLoader | None = None

    async def check(self) -> None:
        """Look at what ``/model_info`` says; ask for a tactic only where it says nothing of that, or of the adapter.

        Raises:
            ConfigError: the server only makes embeddings, speaks another API, or does not know the adapter.
            PolicyError: the server could not answer.
        """
        info = await self.watch.info()
        if self.config.model is not None:
            raise ConfigError(
                f"{self.endpoint.url} speaks SGLang's API, where a server has one model: leave --model out"
            )
        if info.is_generation is False:
            raise ConfigError(f"{self.endpoint.url} only makes embeddings: give the address of a server that generates")
        if info.api is None or self.config.adapter not in (None, *info.adapters):
            try:
                await self.sample("example : True := by\n  ", 1)
            except NotOffered as missing:
                advice = (
                    "nor does it list models in /v1/models. Correct the address, or say which API it speaks: --api"
                    if self.config.api is PolicyApi.AUTO
                    else "leave --api sglang out, and what it speaks is found out"
                )
                raise ConfigError(f"{missing}; {advice} (policy.api in the settings)") from missing
            except PolicyBadRequest as refusal:
                if self.config.adapter is None or not knows_no_adapter(refusal):
                    raise
                raise ConfigError(f"{refusal}: have the server load it first, or correct --adapter") from refusal

    async def sample(self, prompt: str, n: int) -> SampleBatch:
        """One ``/generate`` request; a server that has forgotten the adapter is told to load it."""
        if self._adapter is None:
            self._adapter = AdapterLoader(self.endpoint, self.config.adapter, self.config.adapter_path)
        body = self._body(prompt, n)
        return await self._adapter.call(lambda: self._ask(body, n))

    async def _ask(self, body: Mapping[str, object], n: int) -> SampleBatch:
        return await self.endpoint.post(
            "/generate",
            body,
            weight=n,
            decode=lambda reply: decode_samples(reply, n, adapter=self.config.adapter),
            is_abortable=n == 1,  # of several samples, servers rename each
        )

    def _body(self, prompt: str, n: int) -> dict[str, object]:
        config = self.config
        sampling: dict[str, object] = {
            "n": n,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "max_new_tokens": config.max_tactic_tokens,
            "stop": self.stop,
        }
        if config.sampling_seed is not None:
            sampling["sampling_seed"] = config.sampling_seed
        body: dict[str, object] = {
            "text": prompt,
            "sampling_params": sampling,
            "return_logprob": True,
            "logprob_start_len": -1,
            "top_logprobs_num": 0,
            "return_text_in_logprobs": True,  # tells which tokens a cut tactic consists of
            "stream": False,
        }
        return body if config.adapter is None else {**body, "lora_path": config.adapter}


def decode_samples(reply: object, n: int, *, adapter: str | None = None) -> SampleBatch:
    """Read the answer to one prompt with ``n`` samples, of the model with that adapter.

    Raises:
        PolicyProtocolError: anything is missing, of the wrong type or number. Nothing is aligned
            by guessing.
        AttemptFailed: every sample was aborted.
    """
    objects = _objects(reply, n)
    finishes = [_finish_type(item) for item in objects]
    samples = [_sample(item, finish) for item, finish in zip(objects, finishes, strict=True) if finish != "abort"]
    if not samples:
        raise AttemptFailed(Failure.ABORTED, PolicyUnavailable(f"the server aborted all {n} samples"))
    versions = next((said for item in objects if (said := versions_of(item, adapter))), {})
    return SampleBatch.of(samples, asked=n, versions=versions)


def _objects(reply: object, n: int) -> list[Mapping[str, object]]:
    items: list[Any] = reply if isinstance(reply, list) else [reply]
    if len(items) != n:
        raise PolicyProtocolError(f"the server answered {len(items)} samples where {n} were asked for")
    if not all(isinstance(item, Mapping) and isinstance(item.get("text"), str) for item in items):
        raise PolicyProtocolError("a sample is not an object with a text")
    return items


def _meta(item: Mapping[str, object]) -> Mapping[str, object]:
    meta = item.get("meta_info")
    if not isinstance(meta, Mapping):
        raise PolicyProtocolError("a sample has no meta_info")
    return meta


def _finish_type(item: Mapping[str, object]) -> str:
    match _meta(item).get("finish_reason"):
        case {"type": "stop" | "length" | "abort" as kind}:
            return str(kind)
        case other:
            raise PolicyProtocolError(f"a sample finished for an unknown reason: {shown(other)}")


def _sample(item: Mapping[str, object], finish: str) -> Sample:
    entries = _meta(item).get("output_token_logprobs")
    if not isinstance(entries, list) or not entries:
        raise PolicyProtocolError("a sample has no output_token_logprobs")
    triples = [_triple(entry) for entry in entries]
    texts = tuple(text for _, _, text in triples if text is not None)
    return Sample(
        text=str(item["text"]),
        tokens=tuple(token_id for _, token_id, _ in triples),
        log_probs=tuple(log_prob for log_prob, _, _ in triples),
        spelling=tuple(text.encode(errors="surrogatepass") for text in texts) if len(texts) == len(triples) else None,
        is_cut_off=finish == "length",
        has_all_tokens=_meta(item).get("completion_tokens", len(triples)) == len(triples),
    )


def _triple(entry: object) -> tuple[float, int, str | None]:
    match entry:
        case [log_prob, int(token_id), *rest]:
            text = rest[0] if rest and isinstance(rest[0], str) else None
            return checked_log_prob(log_prob), token_id, text
        case _:
            raise PolicyProtocolError(f"a log-probability entry is not [number, id, text]: {shown(entry)}")
