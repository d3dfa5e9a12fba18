"""The sequences that grow together, and how each gets its next token.

Shapes: ``B`` sequences, ``V`` token ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import torch
from torch import Tensor

from leanebm.serve.backends.base import SamplingParams
from leanebm.serve.backends.hf._language_model import KeyValues, LanguageModel
from leanebm.serve.backends.hf._sequence import SampledSequence


@final
class RunningBatch:
    """Sequences under one adapter; between any two steps new ones join and finished ones leave.

    Samples of one prompt share a row of the model's work for as long as they have the same tokens.

    All methods belong to the model's thread.
    """

    def __init__(self, model: LanguageModel, adapter: str | None) -> None:
        self._model = model
        self._adapter = adapter
        self._sequences: list[SampledSequence] = []
        self._rows: list[int] = []
        """Of each sequence, its row among the keys and values."""

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
        above = len(self._key_values.lengths)
        self._key_values.absorb(read)
        self._sequences += joining
        self._rows += [above + row for row in prompt_of]

    def step(self) -> None:
        """Give every sequence its next token, without those that are finished or abandoned."""
        growing = [
            (row, sequence)
            for row, sequence in zip(self._rows, self._sequences, strict=True)
            if not (sequence.is_finished or sequence.is_abandoned)
        ]
        places: dict[tuple[int, int], int] = {}
        self._rows = [places.setdefault((row, sequence.last_id), len(places)) for row, sequence in growing]
        self._sequences = [sequence for _, sequence in growing]
        if not places:
            self._key_values = KeyValues()
            return
        self._key_values.select([row for row, _ in places])
        logits = self._model.logits([[last_id] for _, last_id in places], self._key_values, adapter=self._adapter)
        _advance(logits[self._rows], self._sequences)


@torch.inference_mode()
def _advance(logits: Tensor, sequences: Sequence[SampledSequence]) -> None:
    tokens, log_probs = sample(
        logits, [sequence.params for sequence in sequences], [sequence.uniform() for sequence in sequences]
    )
    for sequence, token_id, log_prob in zip(sequences, tokens.tolist(), log_probs.tolist(), strict=True):
        sequence.append(token_id, log_prob)


_LEAST_TEMPERATURE: Final = 1e-6


def sample(logits: Tensor, params: Sequence[SamplingParams], uniforms: Sequence[float]) -> tuple[Tensor, Tensor]:
    r"""Draw one token per row, by inverting the cumulative distribution at the row's uniform number.

    One number per token, rather than one per token id, lets every sequence have a generator of its own
    at no cost, so that its draws are the same in any company.

    The distribution is :math:`p = \mathrm{softmax}(z / T)`. Top-k, top-p and min-p narrow the choice but
    not the log-probability that is reported, which is that of ``p`` itself, as in SGLang. At temperature 0
    the likeliest token is taken, and ``p`` is that of temperature 1.

    Args:
        logits: ``[B, V]``.
        params: of each row.
        uniforms: one per row, in [0, 1).

    Returns:
        Token ids ``[B]`` and their log-probabilities ``[B]``, which are at most 0; NaN in a row whose
        logits are not finite.
    """
    is_greedy = [row.temperature < _LEAST_TEMPERATURE for row in params]
    scales = [1.0 if greedy else row.temperature for greedy, row in zip(is_greedy, params, strict=True)]
    log_probs = torch.log_softmax(logits.float() / logits.new_tensor(scales, dtype=torch.float32)[:, None], dim=-1)
    cumulative = _narrowed(log_probs.double().exp(), params).cumsum(dim=-1)
    targets = logits.new_tensor(uniforms, dtype=torch.float64)[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, targets, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)
    greedy = torch.tensor(is_greedy, device=logits.device)
    tokens = torch.where(greedy, logits.argmax(dim=-1), drawn)
    chosen = log_probs.gather(-1, tokens[:, None]).squeeze(-1)
    return tokens, chosen.clamp(min=torch.finfo(torch.float32).min, max=0.0)


def _narrowed(probs: Tensor, params: Sequence[SamplingParams]) -> Tensor:
    """The probabilities, with 0 where top-k, top-p or min-p forbids a token; rows need not sum to 1.

    Args:
        probs: ``[B, V]``.
        params: of each row.
    """
    rows = [i for i, row in enumerate(params) if row.top_p < 1.0 or row.top_k != -1 or row.min_p > 0.0]
    if not rows:  # sorting a vocabulary is most of the work of a step
        return probs
    ranked, order = probs[rows].sort(dim=-1, descending=True)
    width = probs.shape[-1]
    top_k = probs.new_tensor([width if params[i].top_k == -1 else min(width, params[i].top_k) for i in rows])
    top_p = probs.new_tensor([params[i].top_p for i in rows])
    min_p = probs.new_tensor([params[i].min_p for i in rows])
    is_kept = torch.arange(width, device=probs.device) < top_k[:, None]
    is_kept &= ranked.cumsum(dim=-1) - ranked < top_p[:, None]  # what is likelier does not fill the nucleus yet
    is_kept &= ranked >= min_p[:, None] * ranked[:, :1]
    narrowed = probs.clone()
    narrowed[rows] = torch.zeros_like(ranked).scatter(-1, order, ranked * is_kept)
    return narrowed
