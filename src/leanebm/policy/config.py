"""Settings of the policy client."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from attrs.validators import ge, gt, in_, instance_of, le, min_len, optional

from leanebm._fields import FINITE, SAME_RESULTS, check_api_key
from leanebm._shown import fitting_repr
from leanebm.policy.prompt import PROMPT_FORMATS, TemplateFormat, prompt_format_of

ADDRESS_FILE: Final = "file:"
"""What stands in front of the path of a file of addresses, where an address might stand."""


def addresses_in(url: str) -> tuple[str, ...]:
    """The addresses in a setting or in a line, each once: they are separated by commas or spaces."""
    return tuple(dict.fromkeys(url.replace(",", " ").split()))


def http_url(setting: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """An attrs validator: one address of a server, without secrets in it; or several; or a file of them."""
    if value.startswith(ADDRESS_FILE):
        if not value.removeprefix(ADDRESS_FILE).strip():
            raise ValueError(f"{attribute.name} must name a file after {ADDRESS_FILE!r}, got {value!r}")
        return
    for one in addresses_in(value) or (value,):
        one_http_url(setting, attribute, one)


def one_http_url(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """An attrs validator: one address, and nothing else."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{attribute.name} must look like http://host:port, got {value!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{attribute.name} must be an address only; the key goes into api_key")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{attribute.name} must have a port up to 65535, got {value!r}") from error


_OPENAI_PATH: Final = re.compile(r"/v1(/(chat/)?completions|/embeddings|/models)?$")


def without_slash(url: str) -> str:
    """The address, or each of several, in the form that paths are appended to.

    Without the ``/v1`` that clients of the OpenAI API are given, or the whole path that its examples show: here they
    are parts of the paths.
    """
    if url.startswith(ADDRESS_FILE):
        return url
    return ",".join(dict.fromkeys(_OPENAI_PATH.sub("", one.rstrip("/")).rstrip("/") for one in addresses_in(url)))


class PolicyApi(enum.Enum):
    """How a policy server is spoken to; the value is its name in a configuration."""

    AUTO = "auto"
    """Found out: ``sglang`` where it answers ``/model_info``, ``openai`` where it lists its models. The default."""

    SGLANG = "sglang"
    """SGLang's native ``/generate``, which ``leanebm serve`` speaks, too."""

    OPENAI = "openai"
    """``/v1/completions`` as vLLM, llama.cpp and many others offer it: the model goes on with the prompt."""

    OPENAI_CHAT = "openai-chat"
    """``/v1/chat/completions``: the prompt is a message, which the server puts into the model's chat template."""


class EncoderBackend(enum.Enum):
    """Which of a server's interfaces embeddings are asked from; the value is its name in a configuration."""

    ENCODE_POOLED = "encode_pooled"
    """``/encode`` of leanebm's own contract: pooled on the server, which says how. The default."""

    SGLANG_HIDDEN_STATES = "sglang_hidden_states"
    """``/generate`` of a stock SGLang that returns hidden states; averaged over the tokens here."""

    SGLANG_ENCODE = "sglang_encode"
    """``/encode`` of a stock SGLang started as an embedding server: last token, length 1."""

    OPENAI_EMBEDDINGS = "openai_embeddings"
    """``/v1/embeddings`` of an embedding server, such as vLLM's."""


_POOLINGS: Final[tuple[Any, ...]] = ("mean", "last", None)


@attrs.frozen(kw_only=True)
class EncoderConfig:
    """Where embeddings come from, which ones will do, and which are remembered.

    Raises:
        ValueError: ``pooling`` is missing where only you can know it, or given where the server knows better.
    """

    backend: EncoderBackend = attrs.field(default=EncoderBackend.ENCODE_POOLED, converter=EncoderBackend)
    """Which interface of the server is asked."""

    url: str | None = attrs.field(
        default=None,
        converter=attrs.converters.optional(without_slash),
        validator=optional(http_url),
        metadata=SAME_RESULTS,
    )
    """Base address of the server that makes embeddings; ``None`` asks the policy server. Several, or a file of them,
    as with :attr:`PolicyClientConfig.url`."""

    model: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Which model to ask for, on a server of ``openai_embeddings``; ``None`` takes the first it lists."""

    adapter: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Name of a LoRA adapter that embeddings are made with; ``None`` is the base model.

    Not the adapter that tactics are sampled with: that one changes every round, and with it every
    vector. ``openai_embeddings`` serves an adapter as a ``model``.
    """

    pooling: str | None = attrs.field(default=None, validator=in_(_POOLINGS))
    """How a server of ``openai_embeddings`` pools, which it does not say: ``mean`` or ``last``."""

    weights: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Version of the weights, for a server that does not say; the cache on disk needs to know."""

    required_pooling: str | None = attrs.field(default="mean", validator=in_(_POOLINGS))
    """Pooling the embeddings must have been made with; ``None`` takes any."""

    batch_size: int = attrs.field(default=32, validator=ge(1), metadata=SAME_RESULTS)
    """Most texts in one request; a server or a backend may allow fewer."""

    linger_s: float = attrs.field(default=0.003, validator=ge(0.0), metadata=SAME_RESULTS)
    """Seconds the first text of a batch waits for company."""

    cache_entries: int = attrs.field(default=8192, validator=ge(0), metadata=SAME_RESULTS)
    """Embeddings kept in memory, the least recently used dropped first; 0 keeps none."""

    cache_file: Path | None = attrs.field(
        default=None, converter=attrs.converters.optional(Path), metadata=SAME_RESULTS
    )
    """Where embeddings are kept between runs, an SQLite file that several processes may share; ``None`` keeps none."""

    cache_file_mib: int = attrs.field(default=4096, validator=ge(1), metadata=SAME_RESULTS)
    """Size in MiB beyond which the embeddings that were not used for longest are dropped from the file."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        is_silent = self.backend is EncoderBackend.OPENAI_EMBEDDINGS
        if is_silent and self.pooling is None:
            raise ValueError("openai_embeddings does not say how it pools: set encoder.pooling to 'mean' or 'last'")
        if not is_silent and self.pooling is not None:
            raise ValueError(f"{self.backend.value} itself says how it pools: leave encoder.pooling out")
        if is_silent and self.adapter is not None:
            raise ValueError("openai_embeddings serves an adapter as a model: set encoder.model instead of adapter")
        if not is_silent and self.model is not None:
            raise ValueError(f"{self.backend.value} has one model: leave encoder.model out")


_POSITIVE: Final = gt(0.0)


@attrs.frozen(kw_only=True)
class PolicyClientConfig:
    """Which server to ask, for what, and how patiently."""

    url: str = attrs.field(converter=without_slash, validator=http_url, metadata=SAME_RESULTS)
    """Base address of the server that samples tactics, such as ``http://127.0.0.1:30000``.

    Several with the same model, separated by commas, share the work; so do those of ``file:PATH``, a text file with an
    address a line, which is read again while requests are made: servers join and leave by it.
    """

    one_version: bool = attrs.field(default=True, validator=instance_of(bool), metadata=SAME_RESULTS)
    """Whether all of several servers must have the same weights; one that has others is then not asked. What a run
    was told of weights is recorded with it, and compared when it is resumed."""

    api_key: str | None = attrs.field(default=None, repr=False, validator=check_api_key)
    """Sent as ``Authorization: Bearer …`` to both servers; never logged and never in an error."""

    api: PolicyApi = attrs.field(default=PolicyApi.AUTO, converter=PolicyApi)
    """How the policy server is spoken to."""

    model: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Which model to ask for, on an OpenAI-compatible server; ``None`` takes the only one it lists."""

    adapter: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Name of the LoRA adapter that tactics are sampled with; ``None`` is the base model.

    An OpenAI-compatible server serves an adapter as a ``model``.
    """

    adapter_path: str | None = attrs.field(default=None, validator=optional(min_len(1)), metadata=SAME_RESULTS)
    """Where an SGLang *server* finds that adapter: if it does not know it, it is told to load it, once per call."""

    # --- sampling ---

    temperature: float = attrs.field(default=1.0, validator=[ge(0.0), FINITE])
    """0 asks for the likeliest tactic only.

    Log-probabilities are those at this temperature where the server has it so: SGLang and ours do, vLLM with
    ``--logprobs-mode processed_logprobs``; llama.cpp gives those at temperature 1.
    """

    top_p: float = attrs.field(default=1.0, validator=[_POSITIVE, le(1.0)])
    """Nucleus mass in (0, 1]."""

    max_tactic_tokens: int = attrs.field(default=192, validator=ge(1))
    """Longest completion, in tokens; longer ones come back marked as truncated."""

    prompt_format: str = attrs.field(default="state_comment", validator=in_(tuple(PROMPT_FORMATS)))
    """How a state is shown: a name of :data:`~leanebm.policy.PROMPT_FORMATS`."""

    whole_proofs: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether a sample is asked for, and kept, to the end of the proof, for a search that replays it, such as
    :class:`~leanebm.search.WholeProofSearch`. By default its first tactic alone is a candidate. A proof takes more
    tokens than a tactic: see ``max_tactic_tokens``. ``prompt_format`` must be one of
    :data:`~leanebm.policy.WHOLE_PROOF_FORMATS`."""

    samples_per_candidate: int = attrs.field(default=1, validator=[instance_of(int), ge(1)])
    """Samples drawn for each candidate that a search asks for. Equal ones are one candidate, so that a model which is
    sure of itself gives fewer than asked for; of more samples, the likeliest different tactics are kept."""

    sampling_seed: int | None = None
    """Passed on; SGLang honours it only with ``--enable-deterministic-inference``. ``None`` sends none.

    Where each sample is a request of its own, the next numbers are used, too.
    """

    # --- patience ---

    deadline_s: float = attrs.field(default=120.0, validator=_POSITIVE, metadata=SAME_RESULTS)
    """Seconds one call may take, retries and pauses included, from when it is first let out. Of several servers,
    another one gets as long once more."""

    connect_patience_s: float = attrs.field(default=10.0, validator=_POSITIVE, metadata=SAME_RESULTS)
    """Seconds ``wait_ready`` goes on trying while nothing can be connected to at the server's address."""

    startup_deadline_s: float = attrs.field(default=600.0, validator=_POSITIVE, metadata=SAME_RESULTS)
    """Seconds ``wait_ready`` waits for a server that answers, and is still loading its model."""

    connect_timeout_s: float = attrs.field(default=10.0, validator=_POSITIVE, metadata=SAME_RESULTS)
    """Seconds until an attempt to connect is given up."""

    max_attempts: int = attrs.field(default=4, validator=ge(1), metadata=SAME_RESULTS)
    """Attempts per call, when the server cannot be reached; other failures have stricter limits."""

    backoff_base_s: float = attrs.field(default=0.25, validator=_POSITIVE, metadata=SAME_RESULTS)
    """Upper bound of the first pause; it doubles with every retry. Pauses are uniform below it."""

    backoff_cap_s: float = attrs.field(default=8.0, validator=_POSITIVE, metadata=SAME_RESULTS)
    """Longest such bound, in seconds."""

    breaker_failures: int = attrs.field(default=5, validator=ge(1), metadata=SAME_RESULTS)
    """Consecutive transport or 5xx failures after which the server is left alone for a while."""

    breaker_cooldown_s: float = attrs.field(default=5.0, validator=_POSITIVE, metadata=SAME_RESULTS)
    """Seconds it is first left alone; doubles up to ``breaker_max_cooldown_s``."""

    breaker_max_cooldown_s: float = attrs.field(default=60.0, validator=_POSITIVE, metadata=SAME_RESULTS)

    # --- bounds ---

    max_sequences_in_flight: int = attrs.field(default=64, validator=ge(1), metadata=SAME_RESULTS)
    """Samples asked of a server at once, summed over requests; halved when it says that it is full."""

    max_response_bytes: int = attrs.field(default=64 * 2**20, validator=ge(1024), metadata=SAME_RESULTS)
    """Longest response that is read."""

    max_state_chars: int = attrs.field(default=16_000, validator=ge(256))
    """Longest state shown to the model, in characters, about a third as many tokens. A longer one loses
    the hypotheses that are farthest from its goal, and says so."""

    # --- the rest ---

    encoder: EncoderConfig = attrs.field(factory=EncoderConfig)
    """Where embeddings come from."""

    stop_on_weight_change: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether new weights on the server end the run; otherwise they are logged and caches emptied."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if self.api in (PolicyApi.OPENAI, PolicyApi.OPENAI_CHAT) and (self.adapter or self.adapter_path):
            raise ValueError("an OpenAI-compatible server serves an adapter as a model: set model instead of adapter")
        if self.api is PolicyApi.SGLANG and self.model is not None:
            raise ValueError("a server of SGLang's API has one model: leave model out")
        shown_as = prompt_format_of(self.prompt_format, whole_proofs=self.whole_proofs)
        if self.api is PolicyApi.OPENAI_CHAT and isinstance(shown_as, TemplateFormat) and shown_as.has_chat_markup:
            raise ValueError(f"{self.prompt_format} holds the model's chat markup already: set api to 'openai'")
