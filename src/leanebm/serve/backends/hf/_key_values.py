"""Keys and values of sequences that grow side by side.

Shapes: ``B`` sequences, ``H`` heads, ``T`` the width, ``C`` channels a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

__all__ = ["KeyValues"]


@final
class KeyValues:
    """Tensors ``[B, H, T, C]``, two a layer, in which every sequence ends at the right edge.

    So all sequences grow by one column at a step, whatever their lengths, and one joins or leaves by
    a change of rows and of the padding on the left, which no attention mask lets through.
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
        return self.cache.layers

    @property
    def bytes_per_token(self) -> int:
        """Memory that a column of one row takes."""
        tensors: list[Tensor] = [tensor for layer in self._layers for tensor in (layer.keys, layer.values)]
        return sum(tensor[0, :, :1].nbytes for tensor in tensors)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; one that is named several times is repeated."""
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
