from __future__ import annotations

from typing import Any

import torch

from leanebm.serve.backends.hf._key_values import KeyValues

HEADS, CHANNELS = 2, 4


def filled(*rows: list[float]) -> KeyValues:
    """Rows of marked columns, as a model leaves them: padded on the left with garbage."""
    made = KeyValues()
    made.lengths = [len(row) for row in rows]
    padded = torch.tensor([[-1.0] * (made.width - len(row)) + row for row in rows])
    columns = padded[:, None, :, None].expand(-1, HEADS, -1, CHANNELS).contiguous()
    for layer in range(2):
        made.cache.update(columns + 100 * layer, -columns, layer)
    return made


def marks(held: KeyValues) -> list[list[float]]:
    """What each row holds in its own columns; the same in every layer, head and channel."""
    layers: list[Any] = held.cache.layers
    kept: list[list[float]] = []
    for row, length in enumerate(held.lengths):
        own = [layer.keys[row, :, held.width - length :] for layer in layers]
        for index, (layer, keys) in enumerate(zip(layers, own, strict=True)):
            assert layer.keys.shape == layer.values.shape == (len(held.lengths), HEADS, held.width, CHANNELS)
            assert torch.equal(keys, own[0] + 100 * index)
            assert torch.equal(keys, keys[:1, :, :1].expand_as(keys))
            assert torch.equal(layer.values[row, :, held.width - length :], -own[0])
        kept.append(own[0][0, :, 0].tolist())
    return kept


ROWS = [[1.0, 2.0, 3.0, 4.0], [5.0], [6.0, 7.0]]


def test_rows_are_kept_repeated_and_trimmed() -> None:
    held = filled(*ROWS)
    held.select([2, 1, 1])
    assert marks(held) == [[6.0, 7.0], [5.0], [5.0]]
    assert held.width == 2


def test_rows_join_whichever_are_longer() -> None:
    for first, second in ((ROWS, [[8.0, 9.0]]), ([[8.0]], ROWS)):
        held = filled(*first)
        held.absorb(filled(*second))
        assert marks(held) == [*first, *second]


def test_the_first_rows_are_taken_over() -> None:
    held = KeyValues()
    held.absorb(filled(*ROWS))
    assert marks(held) == ROWS


def test_a_token_costs_keys_and_values_in_every_layer() -> None:
    assert filled([1.0, 2.0]).bytes_per_token == 2 * 2 * HEADS * CHANNELS * 4
