"""What a server says about the model behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Self, TypeVar

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import EncoderIdentity
from leanebm.policy.config import PolicyApi

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class ModelInfo:
    """Everything is ``None`` where the server does not say."""

    api: PolicyApi | None = None
    """``SGLANG`` or ``OPENAI``, by which of the two APIs this was said; ``None`` if nothing was."""

    model_path: str | None = None
    """Where the model is, or what it is called: on an OpenAI-compatible server, the ``id`` that is asked for."""

    weight_version: str | None = None
    is_generation: bool | None = None
    """``False`` for a server that only makes embeddings."""

    contract: int | None = None
    """Version of leanebm's own contract; ``None`` for a stock server."""

    encoder: EncoderIdentity | None = None
    """What its ``/encode`` makes; ``None`` for a server that does not say, or makes no embeddings."""

    max_encode_batch: int | None = None
    """Most texts it takes in one ``/encode`` request."""

    models: tuple[str, ...] = ()
    """What an OpenAI-compatible server lists, adapters included."""

    made_by: str | None = None
    """Whose server it is, in the word of its list of models: ``vllm``, ``llamacpp``, ``sglang`` …"""

    adapters: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    """Loaded LoRA adapters by name, each with a hash of its weights; empty where the server does not say."""

    prompt_formats: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    """How states were shown in training to each adapter, and under the empty name to the model; where it says so."""

    __repr__ = fitting_repr

    @property
    def model_name(self) -> str | None:
        """What tells the model from others, beside :attr:`weight_version`.

        Of a server of ours, whose version of the weights is a hash of them, that is the name of the model's folder:
        the same wherever the folder stands.
        """
        path = self.model_path
        return path if self.contract is None or path is None else PurePath(path).name or path

    @classmethod
    def from_reply(cls, reply: object) -> Self:
        """Read ``/model_info``; fields of an unexpected type count as not said."""
        said = reply if isinstance(reply, Mapping) else {}
        ours = said.get("leanebm")
        ours = ours if isinstance(ours, Mapping) else {}
        encode = ours.get("encode")
        info = cls(
            model_path=_as(str, said.get("model_path")),
            weight_version=_as(str, said.get("weight_version")),
            is_generation=_as(bool, said.get("is_generation")),
            contract=_as(int, ours.get("contract")),
            adapters=_texts(ours.get("adapters")),
            prompt_formats=_texts(ours.get("prompt_formats")),
        )
        if info == cls():
            return info
        info = attrs.evolve(info, api=PolicyApi.SGLANG)
        if not isinstance(encode, Mapping):
            return info
        most = _as(int, encode.get("max_batch"))
        return attrs.evolve(info, encoder=_identity(encode, info), max_encode_batch=most if most and most > 0 else None)

    @classmethod
    def from_models(cls, reply: object, *, wanted: str | None) -> Self:
        """Read ``/v1/models``; what is no list of models says nothing.

        Args:
            reply: the answer.
            wanted: the model to ask for; ``None`` takes the only one that is no adapter of another.
        """
        listed = reply.get("data") if isinstance(reply, Mapping) else None
        models = [model for model in listed if isinstance(model, Mapping)] if isinstance(listed, list) else []
        names = {name: model for model in models if (name := _as(str, model.get("id")))}
        if not names:
            return cls()
        alone = [name for name, model in names.items() if not model.get("parent")]
        return cls(
            api=PolicyApi.OPENAI,
            model_path=wanted or (alone[0] if len(alone) == 1 else None),
            models=tuple(names),
            made_by=_as(str, models[0].get("owned_by")),
        )


def _identity(encode: Mapping[str, object], info: ModelInfo) -> EncoderIdentity | None:
    pooling = _as(str, encode.get("pooling"))
    if pooling is None:
        return None
    return EncoderIdentity(
        model=info.model_name,
        weights=info.weight_version,
        adapter=_as(str, encode.get("adapter")),
        pooling=pooling,
        layer=_as(str, encode.get("layer")),
        is_normalized=_as(bool, encode.get("normalized")) or False,
        includes_bos=_as(bool, encode.get("include_bos")),
        dim=_as(int, encode.get("dim")),
        dtype=_as(str, encode.get("dtype")),
    )


def _texts(said: object) -> dict[str, str]:
    items = said.items() if isinstance(said, Mapping) else ()
    return {name: value for name, value in items if isinstance(name, str) and isinstance(value, str)}


def _as(kind: type[_T], value: object) -> _T | None:
    # A bool is an int to Python, but not to JSON.
    return value if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) else None
