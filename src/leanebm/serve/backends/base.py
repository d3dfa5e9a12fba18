"""What a backend is: the thing behind :class:`~leanebm.serve.PolicyServer` that completes prompts.

A prompt is a text or a tuple of token ids. A backend refuses a request by raising
:class:`~leanebm.errors.PolicyBadRequest`, whose message the client gets to read with status 400.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import attrs

from leanebm._shown import fitting_repr
from leanebm.errors import PolicyBadRequest

Prompt = str | tuple[int, ...]
"""A text, or token ids of the backend's own vocabulary."""


def _all_or_some(_: object, attribute: attrs.Attribute[int], value: int) -> None:
    if value != -1 and value < 1:
        raise ValueError(f"'{attribute.name}' must be -1 or at least 1: {value}")


@attrs.frozen(kw_only=True)
class SamplingParams:
    """How to sample; the names and defaults are the wire's."""

    n: int = attrs.field(default=1, validator=[attrs.validators.ge(1), attrs.validators.le(1024)])
    """Completions per prompt."""

    temperature: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.0))
    """0 takes the likeliest token; log-probabilities are then those of temperature 1."""

    max_new_tokens: int = attrs.field(default=128, validator=attrs.validators.ge(1))
    stop: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.max_len(32))
    """Texts that end a completion; they are cut from it unless ``no_stop_trim``."""

    stop_token_ids: tuple[int, ...] = ()
    top_p: float = attrs.field(default=1.0, validator=[attrs.validators.gt(0.0), attrs.validators.le(1.0)])
    top_k: int = attrs.field(default=-1, validator=_all_or_some)
    """-1 keeps every token."""

    min_p: float = attrs.field(default=0.0, validator=[attrs.validators.ge(0.0), attrs.validators.le(1.0)])
    sampling_seed: int | None = None
    no_stop_trim: bool = False
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True

    __repr__ = fitting_repr


@attrs.frozen
class Token:
    """One generated token."""

    log_prob: float
    """Natural logarithm of its probability at the request's temperature."""

    token_id: int
    text: str = ""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class Completion:
    """One sample."""

    text: str
    tokens: tuple[Token, ...]
    """Everything that was generated, the end token included."""

    finish: Literal["stop", "length"]
    matched: int | str | None = None
    """The stop token's id or the stop text that ended it, when ``finish`` is ``stop``."""

    prompt_tokens: int
    """Length of the prompt in the backend's own tokens."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class Embedding:
    """One text's vector."""

    vector: Sequence[float]
    prompt_tokens: int


@attrs.frozen(kw_only=True)
class EncodeDescription:
    """How vectors are made; two encoders with equal descriptions and weights agree."""

    pooling: Literal["mean", "last"]
    layer: str
    normalized: bool
    include_bos: bool
    dim: int
    dtype: str
    max_batch: int

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class BackendDescription:
    """What ``/model_info`` reports about a backend."""

    model_path: str
    tokenizer_path: str
    weight_version: str
    encode: EncodeDescription | None = None
    """``None`` where the backend has no encoder."""

    __repr__ = fitting_repr


class Backend(abc.ABC):
    """Completes prompts. All methods run on the server's event loop and must not block it.

    A call that is cancelled must stop working on it: its client has gone away.
    """

    @property
    @abc.abstractmethod
    def description(self) -> BackendDescription:
        """What this backend is; known once it has been entered."""

    @abc.abstractmethod
    async def __aenter__(self) -> Self:
        """Load what is needed; the server binds its port only afterwards."""

    @abc.abstractmethod
    async def __aexit__(self, *exc_info: object) -> None:
        """Let go of everything."""

    @abc.abstractmethod
    async def generate(
        self, prompts: Sequence[Prompt], params: SamplingParams, *, adapter: str | None = None
    ) -> Sequence[Sequence[Completion]]:
        """Exactly ``params.n`` completions of each prompt, in the order of the prompts.

        Args:
            prompts: at least one.
            params: of all of them.
            adapter: one of ``adapters``; ``None`` is the base model.

        Raises:
            PolicyBadRequest: a prompt or the parameters are not for this backend.
            PromptTooLong: a prompt does not fit the context.
            PolicyError: the backend failed.
        """

    @abc.abstractmethod
    async def encode(self, prompts: Sequence[Prompt], *, adapter: str | None = None) -> Sequence[Embedding]:
        """One embedding per prompt, in order.

        Args:
            prompts: at least one.
            adapter: one of ``adapters``; ``None`` is the base model.

        Raises:
            PolicyBadRequest: this backend has no encoder, or a prompt is not for it.
            EncoderError: an embedding is zero or not finite.
            PolicyError: the backend failed.
        """

    @abc.abstractmethod
    async def flush_cache(self) -> None:
        """Forget everything that is derived from earlier prompts."""

    @abc.abstractmethod
    async def check_health(self) -> bool:
        """Whether a tiny generation works right now."""

    # --- what only a backend with weights has to say or do ---

    @property
    def adapters(self) -> Mapping[str, str]:
        """Name of each loaded adapter, with a text that changes when its weights or settings do."""
        return {}

    @property
    def prompt_formats(self) -> Mapping[str, str]:
        """How states were shown in training to each adapter, and under the empty name to the model; where known."""
        return {}

    @property
    def statistics(self) -> Mapping[str, int]:
        """Numbers for ``/server_info`` that show what is going on inside."""
        return {}

    async def load_adapter(self, name: str, path: str) -> None:
        """Load a LoRA adapter from a folder; requests may run meanwhile.

        Raises:
            PolicyBadRequest: this backend takes none, the name is taken, or the folder holds none that fits.
        """
        raise PolicyBadRequest(f"cannot load {name!r} from {path}: {self._lack('adapters')}")

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter; the server calls this while no request runs.

        Raises:
            PolicyBadRequest: there is none of that name.
        """
        raise PolicyBadRequest(f"cannot unload {name!r}: {self._lack('adapters')}")

    async def update_weights(self, path: str, *, weight_version: str | None = None) -> None:
        """Take other weights of the same model; the server calls this while no request runs.

        Args:
            path: folder of the checkpoint.
            weight_version: what to call them; ``None`` leaves it to the backend.

        Raises:
            PolicyBadRequest: this backend has none, or those do not fit. The old ones stay in force.
        """
        named = "" if weight_version is None else f" as {weight_version!r}"
        raise PolicyBadRequest(f"cannot take weights from {path}{named}: {self._lack('weights')}")

    def _require_adapter(self, adapter: str | None) -> None:
        if adapter is not None and adapter not in self.adapters:
            loaded = ", ".join(sorted(self.adapters)) or "none"
            raise PolicyBadRequest(f"the LoRA adapter {adapter!r} is not loaded (loaded: {loaded})")

    def _lack(self, what: str) -> str:
        return f"the {self.description.model_path} backend has no {what}"
