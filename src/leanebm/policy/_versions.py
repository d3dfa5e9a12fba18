"""Which weights an answer was made with, and which adapter on them. Pure: JSON in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leanebm.policy.model_info import ModelInfo

WEIGHTS: Final = "weights"
"""What a version is of, if not of an adapter."""

Versions = Mapping[str, str]
"""By what they are of, the weights first; without what the server does not say."""


def adapter_called(name: str | None) -> str:
    """What a version of that adapter is of."""
    return f"adapter {name!r}"


def versions_of(item: object, adapter: str | None) -> Versions:
    """What an object of an answer says of itself, where that adapter was asked for; stock servers do not tell of it."""
    meta = item.get("meta_info") if isinstance(item, Mapping) else None
    meta = meta if isinstance(meta, Mapping) else {}
    said = {WEIGHTS: meta.get("weight_version"), adapter_called(adapter): meta.get("adapter_version")}
    return {what: version for what, version in said.items() if isinstance(version, str)}


def versions_told(info: ModelInfo) -> Versions:
    """What a server says of all that it has."""
    weights = {} if info.weight_version is None else {WEIGHTS: info.weight_version}
    return weights | {adapter_called(name): version for name, version in info.adapters.items()}
