"""The model itself: token ids in, logits or hidden states out; and the keys and values that it keeps meanwhile.

Shapes: ``B`` rows, ``T`` their padded width, ``V`` token ids, ``D`` width of the hidden state, ``H`` heads, ``C``
channels per head.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self, final

import psutil
import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedModel

from leanebm._fields import torch_device
from leanebm.errors import ConfigError
from leanebm.serve.backends.hf._adapters import Adapters
from leanebm.serve.backends.hf.checkpoint import copy_weights, differences, load_checkpoint
from leanebm.serve.backends.hf.config import HfConfig
from leanebm.serve.backends.hf.folder import base_hash, model_hash, prompt_format_of, require_base
from leanebm.serve.backends.hf.pooling import pooled_states
from leanebm.serve.backends.hf.tokenizer import PromptTokenizer


@final
class KeyValues:
    """Tensors ``[B, H, T, C]``, two per layer, in which every sequence ends at the right edge.

    So all sequences grow by one column per step, whatever their lengths. One joins or leaves by a
    change of rows, and of the padding on the left, which the attention mask hides.
    """

    def __init__(self) -> None:
        self.cache = DynamicCache()
        """What the model reads and appends to; without a config, every layer keeps all columns."""

        self.lengths: list[int] = []
        """Tokens of each sequence; the rest of its row is padding."""

    @property
    def width(self) -> int:
        """``T``."""
        return max(self.lengths, default=0)

    @property
    def _layers(self) -> list[Any]:
        layers: list[Any] = self.cache.layers
        return layers

    @property
    def bytes_per_token(self) -> int:
        """Memory that one column of one row takes."""
        tensors: list[Tensor] = [tensor for layer in self._layers for tensor in (layer.keys, layer.values)]
        return sum(tensor[0, :, :1].nbytes for tensor in tensors)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; one that is named several times is repeated."""
        if list(rows) == list(range(len(self.lengths))):
            return
        self.lengths = [self.lengths[row] for row in rows]
        for layer in self._layers:
            index = torch.tensor(rows, device=layer.keys.device)
            layer.keys = _trimmed(layer.keys, self.width).index_select(0, index)
            layer.values = _trimmed(layer.values, self.width).index_select(0, index)

    def absorb(self, other: KeyValues) -> None:
        """Append the other's rows to these."""
        if not self.lengths:
            self.cache, self.lengths = other.cache, other.lengths
            return
        for mine, theirs in zip(self._layers, other._layers, strict=True):
            mine.keys = _stacked(mine.keys, theirs.keys)
            mine.values = _stacked(mine.values, theirs.values)
        self.lengths = [*self.lengths, *other.lengths]


def _trimmed(tensor: Tensor, width: int) -> Tensor:
    return tensor[:, :, tensor.shape[2] - width :]


def _stacked(above: Tensor, below: Tensor) -> Tensor:
    width = max(above.shape[2], below.shape[2])
    return torch.cat([pad(tensor, (0, 0, width - tensor.shape[2], 0)) for tensor in (above, below)])


_CACHE_SHARE: Final = 0.5
"""Of the memory that is free once the model is loaded, for keys and values."""


@final
class LanguageModel:
    """A causal language model with its tokenizer and adapters. All methods belong to the model's thread."""

    def __init__(self, config: HfConfig, model: PreTrainedModel, tokenizer: PromptTokenizer) -> None:
        self._config = config
        self._model = model
        self._device = model.device
        self.path = config.model
        self.weight_version = config.weight_version or model_hash(Path(config.model), self.dtype)
        self._is_named = config.weight_version is not None
        self._base_hash = functools.cache(base_hash)  # of the weights that are served: each adapter asks for it
        self.prompt_format = prompt_format_of(Path(config.model))
        self.tokenizer = tokenizer
        self.adapters = Adapters(model)
        self.eos_ids = _eos_ids(model, tokenizer)

    @classmethod
    def load(cls, config: HfConfig) -> Self:
        """Read everything from disk, and see that the model can be batched.

        Raises:
            ConfigError: something is missing, damaged, or not of a kind that can be served.
        """
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        device = torch_device(automatic if config.device == "auto" else config.device)
        tokenizer = PromptTokenizer.load(Path(config.model), trust_remote_code=config.trust_remote_code)
        model = load_checkpoint(
            Path(config.model),
            dtype=_dtype(config.dtype, device),
            attention=config.attention,
            trust_remote_code=config.trust_remote_code,
        )
        try:
            model.to(device)
        except torch.OutOfMemoryError as error:
            raise ConfigError(f"the model in {config.model} does not fit on {device}: {error}") from error
        loaded = cls(config, model, tokenizer)
        loaded.check()
        for name, path in config.adapters.items():
            loaded.load_adapter(name, Path(path))
        return loaded

    def load_adapter(self, name: str, folder: Path) -> None:
        """Read an adapter that was made for this model, as far as it says; of weights with a name of their own, any.

        Raises:
            ConfigError: it was made for another one, there is one of that name already, or it cannot be read.
        """
        if not self._is_named:
            remedy = ": serve the one that it was made for; or, if they are as good as the same, say --weight-version"
            require_base(folder, Path(self.path), self._base_hash, remedy=remedy)
        self.adapters.load(name, folder)

    # --- what it is ---

    @property
    def context(self) -> int:
        """Longest prompt with its completion, in tokens."""
        made_for = getattr(self._model.config.get_text_config(decoder=True), "max_position_embeddings", None)
        limits = [limit for limit in (made_for, self._config.max_context) if limit is not None]
        return int(min(limits, default=2048))

    @property
    def vocabulary_size(self) -> int:
        """``V``; ids from there on have no embedding."""
        embedding: Any = self._model.get_input_embeddings()
        return int(embedding.weight.shape[0])

    @property
    def dim(self) -> int:
        """``D``."""
        return int(self._model.config.get_text_config(decoder=True).hidden_size)

    @property
    def dtype(self) -> str:
        """Number format it computes in."""
        return str(self._model.dtype).removeprefix("torch.")

    # --- what it does ---

    @torch.inference_mode()
    def logits(self, rows: Sequence[Sequence[int]], past: KeyValues, *, adapter: str | None = None) -> Tensor:
        """Append tokens to sequences; the logits after the last of each.

        Args:
            rows: new tokens of each sequence: of any number where ``past`` is empty, else one each.
            past: of the same sequences; grows by the new tokens.
            adapter: name of a loaded one.

        Returns:
            ``[B, V]``.
        """
        lengths = past.lengths or [0] * len(rows)
        longest = max(map(len, rows))
        padding = torch.tensor([longest - len(row) for row in rows], device=self._device)[:, None]
        ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=self._device)
        seen = torch.tensor(lengths, device=self._device)[:, None]
        past.lengths = [length + len(row) for length, row in zip(lengths, rows, strict=True)]
        totals = torch.tensor(past.lengths, device=self._device)[:, None]
        self.adapters.use(adapter)
        output = self._model(
            input_ids=ids,
            attention_mask=torch.arange(past.width, device=self._device) >= past.width - totals,
            position_ids=(torch.arange(longest, device=self._device) - padding).clamp(min=0) + seen,
            past_key_values=past.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    @torch.inference_mode()
    def embeddings(self, rows: Sequence[Sequence[int]], *, adapter: str | None = None) -> list[array[float] | None]:
        """The mean of the last hidden state over each text's own tokens, ``[D]`` in float32.

        Args:
            rows: token ids of each text.
            adapter: name of a loaded one.

        Returns:
            One vector per row; ``None`` where it is zero or not finite.
        """
        self.adapters.use(adapter)
        means = pooled_states(self._model, rows)
        is_usable = torch.isfinite(means).all(dim=1) & (means != 0.0).any(dim=1)
        vectors = means.cpu().numpy()
        return [
            array("f", vector.tobytes()) if usable else None
            for vector, usable in zip(vectors, is_usable.tolist(), strict=True)
        ]

    def update(self, path: str, weight_version: str | None) -> None:
        """Take the weights of another checkpoint of the same model; adapters stay as they are.

        The new weights are read completely, and found fit, before the first old one is overwritten.

        Raises:
            ConfigError: they are not fit. The old ones are still in force then.
        """
        folder = Path(path)
        new = load_checkpoint(folder, dtype=self._model.dtype, attention=None, trust_remote_code=False)
        problems = differences(self._model.config, new.config)
        if (folder / "tokenizer.json").is_file():
            tokenizer = PromptTokenizer.load(folder, trust_remote_code=False)
            problems += ["the tokenizers differ"] * (tokenizer.settings != self.tokenizer.settings)
        if problems:
            raise ConfigError(f"{path} is another model than the one that is served", problems)
        version = weight_version or model_hash(folder, self.dtype)
        copy_weights(new, self._model)
        self.path, self.weight_version, self._is_named = path, version, weight_version is not None
        self._base_hash = functools.cache(base_hash)
        self.prompt_format = prompt_format_of(folder)
        self.eos_ids = _eos_ids(new, self.tokenizer)

    def free_cache_tokens(self) -> int:
        """How many tokens' keys and values fit into a fair share of the memory that is free now."""
        probe = KeyValues()
        self.logits([[0]], probe)
        if self._device.type == "cuda":
            free = torch.cuda.mem_get_info(self._device)[0]
        else:
            free = psutil.virtual_memory().available
        return max(1, int(_CACHE_SHARE * free) // probe.bytes_per_token)

    def check(self) -> None:
        """See that a sequence has the same logits when it grows in a batch as when it is read alone in one go.

        Raises:
            ConfigError: it does not: the architecture keeps something between steps that is not kept per row.
        """
        short, long = [0], [0, 1, 1]
        try:
            alone = torch.cat([self.logits([[*row, 1]], KeyValues()) for row in (short, long)])
            past = KeyValues()
            self.logits([short, long], past)
            together = self.logits([[1], [1]], past)
        except Exception as error:
            raise ConfigError(f"{self.path} cannot be run in batches: {error}") from error
        tolerance = (1e-3 if self._model.dtype == torch.float32 else 0.1) * float(alone.abs().max())
        if not torch.allclose(alone.float(), together.float(), rtol=0.0, atol=tolerance):
            raise ConfigError(
                f"{self.path} gives other logits in a batch than alone; its architecture cannot be served"
            )


def _eos_ids(model: PreTrainedModel, tokenizer: PromptTokenizer) -> frozenset[int]:
    declared = getattr(model.generation_config, "eos_token_id", None)
    ids = declared if isinstance(declared, list) else [declared]
    return frozenset(int(token) for token in (*ids, tokenizer.eos_id) if token is not None)


def _dtype(name: str, device: torch.device) -> torch.dtype | None:
    if name == "auto":
        return torch.float32 if device.type == "cpu" else None
    dtype: torch.dtype = getattr(torch, name)
    return dtype
