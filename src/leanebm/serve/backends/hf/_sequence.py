"""One completion while it grows. Plain Python: the model and its tensors are elsewhere."""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from typing import Literal, Protocol, final

import attrs

from leanebm.errors import PolicyError
from leanebm.serve.backends.base import Completion, SamplingParams, Token


class TextStream(Protocol):
    """Turns tokens into text as they come."""

    def next(self, token_id: int) -> str:
        """What the token adds to the text; a character that is split over tokens comes with its last one."""


@attrs.frozen
class _Ending:
    finish: Literal["stop", "length"]
    matched: int | str | None
    length: int
    """How much of the text to keep, in characters."""


@final
class SampledSequence:
    """Takes tokens until one of the request's conditions ends it.

    Args:
        prompt_tokens: length of the prompt.
        params: of the request.
        end_ids: tokens that end it.
        stream: turns the tokens into text.
        rng: a generator of its own, so that its draws do not depend on its neighbours.
    """

    def __init__(
        self,
        *,
        prompt_tokens: int,
        params: SamplingParams,
        end_ids: Collection[int],
        stream: TextStream,
        rng: random.Random,
    ) -> None:
        self.params = params
        self.is_abandoned = False
        """Set when nobody waits for it any more; it leaves its batch at the next step."""

        self._prompt_tokens = prompt_tokens
        self._end_ids = end_ids
        self._stream = stream
        self._rng = rng
        self._stops = tuple(stop for stop in params.stop if stop)
        self._longest_stop = max(map(len, self._stops), default=0)
        self._tokens: list[Token] = []
        self._text = ""
        self._ending: _Ending | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it takes no more tokens."""
        return self._ending is not None

    @property
    def last_id(self) -> int:
        """The token that was drawn last."""
        return self._tokens[-1].token_id

    def uniform(self) -> float:
        """The next of its own numbers in [0, 1), with few enough bits that a sum's rounding cannot make it 1."""
        return self._rng.getrandbits(32) / 2**32

    def append(self, token_id: int, log_prob: float) -> None:
        """Take the next token, and end if it is the last one."""
        before = len(self._text)
        piece = self._stream.next(token_id)
        self._tokens.append(Token(log_prob, token_id, piece))
        self._text += piece
        self._ending = self._find_ending(token_id, before)

    def completion(self) -> Completion:
        """What it has become.

        Raises:
            PolicyError: the model gave no probabilities for its last token.
            ValueError: it has not ended.
        """
        if math.isnan(self._tokens[-1].log_prob):
            raise PolicyError(
                "the model's logits are not finite: its weights are damaged, or too large for its number format"
            )
        if self._ending is None:
            raise ValueError("the sequence has not ended")
        return Completion(
            text=self._text[: self._ending.length],
            tokens=tuple(self._tokens),
            finish=self._ending.finish,
            matched=self._ending.matched,
            prompt_tokens=self._prompt_tokens,
        )

    def _find_ending(self, token_id: int, before: int) -> _Ending | None:
        keeps_stop = self.params.no_stop_trim
        if token_id in self._end_ids:  # before the length: a completion that ends with its last token is whole
            return _Ending("stop", token_id, len(self._text) if keeps_stop else before)
        if (found := self._first_stop(before)) is not None:
            position, stop = found
            return _Ending("stop", stop, position + len(stop) * keeps_stop)
        if len(self._tokens) >= self.params.max_new_tokens or math.isnan(self._tokens[-1].log_prob):
            return _Ending("length", None, len(self._text))
        return None

    def _first_stop(self, before: int) -> tuple[int, str] | None:
        """The stop text that begins first, among those that the last token completes."""
        start = max(0, before - self._longest_stop + 1)
        found = [(position, stop) for stop in self._stops if (position := self._text.find(stop, start)) >= 0]
        return min(found, default=None)
