"""The sequences that grow together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from leanebm.serve.backends.hf._key_values import KeyValues
from leanebm.serve.backends.hf._language_model import LanguageModel
from leanebm.serve.backends.hf._sampler import sample
from leanebm.serve.backends.hf._sequence import SampledSequence

__all__ = ["RunningBatch"]


@final
class RunningBatch:
    """Sequences under one adapter; between any two steps new ones join and finished ones leave.

    All methods belong to the model's thread.
    """

    def __init__(self, model: LanguageModel, adapter: str | None) -> None:
        self._model = model
        self._adapter = adapter
        self._sequences: list[SampledSequence] = []
        self._key_values = KeyValues()

    def join(self, prompts: Sequence[Sequence[int]], samples: Sequence[Sequence[SampledSequence]]) -> None:
        """Read each prompt once, and let all its samples grow from there; each gets its first token.

        Args:
            prompts: token ids.
            samples: of each prompt.
        """
        read = KeyValues()
        logits = self._model.logits(prompts, read, adapter=self._adapter)
        prompt_of = [row for row, sequences in enumerate(samples) for _ in sequences]
        joining = [sequence for sequences in samples for sequence in sequences]
        _advance(logits[prompt_of], joining)
        growing = [row for row, sequence in enumerate(joining) if not sequence.is_finished]
        if growing:
            read.select([prompt_of[row] for row in growing])
            self._key_values.absorb(read)
            self._sequences += [joining[row] for row in growing]

    def step(self) -> None:
        """Give every sequence its next token; those that are abandoned leave first, the finished ones last."""
        self._keep([row for row, sequence in enumerate(self._sequences) if not sequence.is_abandoned])
        if not self._sequences:
            return
        last = [[sequence.last_id] for sequence in self._sequences]
        _advance(self._model.logits(last, self._key_values, adapter=self._adapter), self._sequences)
        self._keep([row for row, sequence in enumerate(self._sequences) if not sequence.is_finished])

    def _keep(self, rows: Sequence[int]) -> None:
        if len(rows) == len(self._sequences):
            return
        self._sequences = [self._sequences[row] for row in rows]
        if rows:
            self._key_values.select(rows)
        else:
            self._key_values = KeyValues()


@torch.inference_mode()
def _advance(logits: Tensor, sequences: Sequence[SampledSequence]) -> None:
    tokens, log_probs = sample(
        logits, [sequence.params for sequence in sequences], [sequence.uniform() for sequence in sequences]
    )
    for sequence, token_id, log_prob in zip(sequences, tokens.tolist(), log_probs.tolist(), strict=True):
        sequence.append(token_id, log_prob)
