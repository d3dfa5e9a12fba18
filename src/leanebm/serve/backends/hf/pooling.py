"""How a model's hidden states become the embedding of a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel


def pooled_states(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """The mean of the last hidden state over each text's own tokens, ``[B, D]`` in float32, on the model's device.

    Args:
        model: a causal language model, with whatever adapter is in force.
        rows: token ids of each text, at least one each.
    """
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=model.device)
    lengths = torch.tensor([len(row) for row in rows], device=model.device)[:, None]
    positions = torch.arange(longest, device=model.device).expand(len(rows), -1)
    is_token = positions < lengths
    output = model.base_model(input_ids=ids, attention_mask=is_token, position_ids=positions, use_cache=False)
    hidden: Tensor = output.last_hidden_state.float()
    return hidden.masked_fill(~is_token[:, :, None], 0.0).sum(dim=1) / lengths
