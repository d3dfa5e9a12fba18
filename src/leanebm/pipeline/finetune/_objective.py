"""What a training step changes: tactics of proofs become likelier, tactics that Lean refused less likely.

Shapes: ``B`` sequences, ``T`` their padded width, ``K`` the most tokens of one that are learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from leanebm.pipeline.finetune._examples import Example

_MARGIN: Final = 1e-3
"""Keeps the slope of unlikelihood below a thousand where a refused tactic is certain."""


class Batch(NamedTuple):
    """Sequences that end at the right edge, so that only the logits of what is learnt have to be made."""

    ids: Tensor
    """``[B, T]``; padded on the left with 0."""

    mask: Tensor
    """``[B, T]``; where there is no padding."""

    positions: Tensor
    """``[B, T]``; each token's place in its own sequence."""

    is_learnt: Tensor
    """``[B, K]``; which of the last ``K`` tokens are learnt."""

    is_completion: Tensor
    """``[B, K]``; which of them are completion."""

    @classmethod
    def of(cls, examples: Sequence[Example], device: torch.device, *, with_prompts: bool = False) -> Batch:
        """A batch whose completions are learnt; with ``with_prompts`` all tokens but the first, which follows none."""
        width = max(len(example.tokens) for example in examples)
        lengths = torch.tensor([len(example.tokens) for example in examples], device=device)[:, None]
        written = torch.tensor([len(example.tokens) - example.start for example in examples], device=device)[:, None]
        learnt = lengths - 1 if with_prompts else written
        padded = [[*[0] * (width - len(example.tokens)), *example.tokens] for example in examples]
        places = torch.arange(width, device=device)
        longest = int(learnt.max())
        return cls(
            ids=torch.tensor(padded, device=device),
            mask=places >= width - lengths,
            positions=(places - (width - lengths)).clamp(min=0),
            is_learnt=torch.arange(longest, device=device) >= longest - learnt,
            is_completion=torch.arange(longest, device=device) >= longest - written,
        )


def learnt_log_probs(model: Any, batch: Batch) -> Tensor:
    """Log-probabilities of the tokens that are learnt, ``[B, K]`` in nats; 0 where there is none."""
    longest = batch.is_learnt.shape[1]
    output = model(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        use_cache=False,
        logits_to_keep=longest + 1,
    )
    logits = output.logits[:, -longest - 1 : -1].float()
    targets = batch.ids[:, -longest:].masked_fill(~batch.is_learnt, -100)
    return -cross_entropy(logits.transpose(1, 2), targets, reduction="none")


def unlikelihood(log_probs: Tensor) -> Tensor:
    r"""The loss :math:`-\log(1 - P)` of each refused tactic, ``[B]``, from its tokens' log-probabilities ``[B, K]``.

    It is of the whole tactic and not of its tokens: ``simp [h]`` may be refused where ``simp`` begins the right one.
    Its slope is in proportion to :math:`P / (1 - P)`, so what the model would really propose is pulled down most.
    """
    return -torch.log(-torch.expm1(log_probs.sum(dim=1) - _MARGIN))
