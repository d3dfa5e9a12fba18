"""Settings of the Hugging Face backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from attrs.validators import deep_mapping, ge, gt, in_, instance_of, matches_re, min_len, optional

from leanebm._fields import DEVICE
from leanebm._shown import fitting_repr

SHIPPED_POLICY: Final = Path(__file__).with_name("logic_policy")
"""The folder of the small model that comes with leanebm: it proves formulas of logic, shown as ``goal_digest``."""

DTYPES: Final[tuple[Any, ...]] = ("auto", "float32", "bfloat16", "float16")


@attrs.frozen(kw_only=True)
class HfConfig:
    """Which model to serve, on what, and how much of it at once."""

    model: str = attrs.field(validator=min_len(1))
    """Folder with ``config.json``, safetensors and ``tokenizer.json``; nothing is ever downloaded."""

    dtype: str = attrs.field(default="auto", validator=in_(DTYPES))
    """Number format of the weights; ``auto`` is float32 on a CPU, and the checkpoint's own elsewhere."""

    device: str = attrs.field(default="auto", validator=matches_re(f"auto|{DEVICE}"))
    """``cpu``, ``cuda`` or ``cuda:1``; ``auto`` takes CUDA where there is one."""

    attention: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Implementation that transformers uses, such as ``eager`` or ``sdpa``; ``None`` leaves it to choose."""

    adapters: Mapping[str, str] = attrs.field(
        factory=dict, validator=deep_mapping(key_validator=min_len(1), value_validator=min_len(1))
    )
    """LoRA adapters to load at the start: name to folder."""

    weight_version: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """What replies call the weights; ``None`` takes a hash of their files."""

    max_context: int | None = attrs.field(default=None, validator=optional(ge(2)))
    """Longest prompt with its completion, in tokens; ``None`` takes what the model was made for."""

    max_sequences: int = attrs.field(default=64, validator=ge(1))
    """Completions that grow at once, summed over requests; also the largest ``n``."""

    max_batch_tokens: int = attrs.field(default=8192, validator=ge(1))
    """Tokens of one forward pass over prompts or texts, padding included; a longer text has a pass to itself."""

    max_cache_tokens: int | None = attrs.field(default=None, validator=optional(ge(2)))
    """Tokens whose keys and values are kept at once, padding included; ``None`` fills half of the free memory."""

    seed: int | None = attrs.field(default=None, validator=optional(ge(0)))
    """Of requests that send no ``sampling_seed``, in order of arrival; ``None`` draws afresh in every run."""

    health_timeout_s: float = attrs.field(default=20.0, validator=gt(0.0))
    """Seconds a token may take until the backend calls itself unhealthy."""

    trust_remote_code: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether Python code in the model's folder may run. It can do anything: read it first."""

    __repr__ = fitting_repr
