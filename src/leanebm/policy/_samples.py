"""Samples, whichever API they came through, to candidates. Pure: values in, values out."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from typing import Final, Self

import attrs

from leanebm._shown import shown
from leanebm.core import Candidate
from leanebm.errors import PolicyProtocolError
from leanebm.policy._versions import Versions
from leanebm.policy.prompt import PromptFormat
from leanebm.policy.tactic_block import TacticBlock

_IMPOSSIBLE: Final = -9999.0
"""Servers write this, or less, for a probability of zero."""

_TOLERANCE: Final = 1e-3
"""How far above 0 rounding may carry a log-probability."""

_UNUSABLE: Final = re.compile(r"(?<![\w.'])(sorry|admit)(?![\w'])|[\ud800-\udfff]")
"""Tactics that close any goal and prove nothing, and halves of surrogate pairs, which no file can hold."""


@attrs.frozen
class Sample:
    """One completion with the tokens that make it up."""

    text: str
    tokens: tuple[int | bytes, ...]
    """Which they are: ids, or their spelling where the server sends no ids."""

    log_probs: tuple[float, ...]
    spelling: tuple[bytes, ...] | None
    """The UTF-8 of each token, of which one may hold a part of a character; ``None`` where the server does not say."""

    is_cut_off: bool
    """Whether the length limit ended it."""

    has_all_tokens: bool
    """Whether the server counts as many tokens as it gives log-probabilities."""


@attrs.frozen(kw_only=True)
class SampleBatch:
    """What one answer held."""

    samples: tuple[Sample, ...]
    dropped: int
    """Aborted ones, and ones of probability zero."""

    token_count_mismatches: int
    versions: Versions

    @property
    def made_by(self) -> str | None:
        """The weights that made it, with the adapter on them; ``None`` where the server does not say."""
        return "+".join(self.versions.values()) or None

    @classmethod
    def of(cls, samples: Sequence[Sample], *, asked: int, versions: Versions) -> Self:
        """The samples that count, out of those that were ``asked`` for."""
        possible = tuple(sample for sample in samples if min(sample.log_probs) > _IMPOSSIBLE)
        return cls(
            samples=possible,
            dropped=asked - len(possible),
            token_count_mismatches=sum(not sample.has_all_tokens for sample in samples),
            versions=versions,
        )


def checked_log_prob(value: object) -> float:
    """A token's log-probability, out of JSON.

    Raises:
        PolicyProtocolError: it is none: no number, not a number, or of a probability above 1.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise PolicyProtocolError(f"{shown(value)} is not a log-probability")
    if not -sys.float_info.max <= value <= _TOLERANCE and value != -math.inf:
        raise PolicyProtocolError(f"{shown(value)} is not a log-probability")
    return float(value)


def candidates_of(batch: SampleBatch, prompt_format: PromptFormat) -> tuple[list[Candidate], int]:
    """The distinct tactics in an answer's samples, the likeliest first, and how many samples held none.

    The same tokens drawn twice are one tactic, drawn twice. The same tactic by different tokens is
    one tactic whose probability is the sum of theirs.
    """
    readings: dict[str, dict[tuple[int | bytes, ...], _Reading]] = {}
    filtered = 0
    for sample in batch.samples:
        block = prompt_format.parse(sample.text)
        if block is None or _UNUSABLE.search(block.tactic):
            filtered += 1
            continue
        readings.setdefault(block.tactic, {})[sample.tokens] = _Reading.of(sample, block)
    candidates = [_merge(tactic, list(ways.values()), batch.made_by) for tactic, ways in readings.items()]
    return sorted(candidates, key=lambda candidate: -candidate.log_prob), filtered


@attrs.frozen
class _Reading:
    """One way to write a tactic: the part of a sample that is the tactic."""

    tokens: tuple[int | bytes, ...]
    log_prob: float
    is_truncated: bool

    @classmethod
    def of(cls, sample: Sample, block: TacticBlock) -> _Reading:
        is_whole = not sample.text[block.end :].strip()
        used = len(sample.tokens) if is_whole else _tokens_before(sample, block.end)
        return cls(
            tokens=sample.tokens[:used],
            log_prob=min(0.0, math.fsum(sample.log_probs[:used])),
            is_truncated=sample.is_cut_off and is_whole,
        )


def _tokens_before(sample: Sample, end: int) -> int:
    """Tokens that start before an offset of the text.

    All of them, where their spelling is unknown or is not that of the completion: the log-probability
    is then too low, never too high.
    """
    spelt = sample.text[:end].encode(errors="surrogatepass")
    if sample.spelling is None or not b"".join(sample.spelling).startswith(spelt):
        return len(sample.tokens)
    position = 0
    for index, token in enumerate(sample.spelling):
        if position >= len(spelt):
            return index
        position += len(token)
    return len(sample.tokens)


def _merge(tactic: str, ways: Sequence[_Reading], weights: str | None) -> Candidate:
    distinct = {way.tokens: way for way in ways}.values()  # cutting may have made two of them equal
    likeliest = max(distinct, key=lambda way: way.log_prob)
    total = likeliest.log_prob + math.log(math.fsum(math.exp(way.log_prob - likeliest.log_prob) for way in distinct))
    return Candidate(
        tactic,
        min(0.0, total),
        num_tokens=max(1, len(likeliest.tokens)),
        is_truncated=all(way.is_truncated for way in distinct),
        weights=weights,
    )
