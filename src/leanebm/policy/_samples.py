"""Answers of ``/generate`` to candidates. Pure: JSON in, values out."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from leanebm._shown import shown
from leanebm.core import Candidate
from leanebm.errors import PolicyProtocolError, PolicyUnavailable
from leanebm.policy._failure import AttemptFailed, Failure
from leanebm.policy.prompt import PromptFormat, TacticBlock

_IMPOSSIBLE: Final = -1e30
"""Servers write this, or less, for a probability of zero."""

_TOLERANCE: Final = 1e-3
"""How far above 0 rounding may carry a log-probability."""

_UNUSABLE: Final = re.compile(r"(?<![\w.'])(sorry|admit)(?![\w'])|[\ud800-\udfff]")
"""Tactics that close any goal and prove nothing, and halves of surrogate pairs, which no file can hold."""


@attrs.frozen
class Sample:
    """One completion with the tokens that make it up."""

    text: str
    token_ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    token_texts: tuple[str, ...] | None
    """``None`` where the server does not send them."""

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
    weight_version: str | None


def decode_samples(reply: object, n: int) -> SampleBatch:
    """Read the answer to one prompt with ``n`` samples.

    Raises:
        PolicyProtocolError: anything is missing, of the wrong type or number. Nothing is aligned
            by guessing.
        AttemptFailed: every sample was aborted.
    """
    objects = _objects(reply, n)
    finishes = [_finish_type(item) for item in objects]
    samples = [_sample(item, finish) for item, finish in zip(objects, finishes, strict=True) if finish != "abort"]
    if not samples:
        raise AttemptFailed(Failure.ABORTED, PolicyUnavailable(f"the server aborted all {n} samples"))
    possible = tuple(sample for sample in samples if min(sample.log_probs) > _IMPOSSIBLE)
    return SampleBatch(
        samples=possible,
        dropped=n - len(possible),
        token_count_mismatches=sum(not sample.has_all_tokens for sample in samples),
        weight_version=next((v for item in objects if isinstance(v := _meta(item).get("weight_version"), str)), None),
    )


def candidates_of(samples: Iterable[Sample], prompt_format: PromptFormat) -> tuple[list[Candidate], int]:
    """The distinct tactics in some samples, the likeliest first, and how many samples held none.

    The same token ids drawn twice are one tactic, drawn twice. The same tactic by different ids is
    one tactic whose probability is the sum of theirs.
    """
    readings: dict[str, dict[tuple[int, ...], _Reading]] = {}
    filtered = 0
    for sample in samples:
        block = prompt_format.parse(sample.text)
        if block is None or _UNUSABLE.search(block.tactic):
            filtered += 1
            continue
        readings.setdefault(block.tactic, {})[sample.token_ids] = _Reading.of(sample, block)
    candidates = [_merge(tactic, list(ways.values())) for tactic, ways in readings.items()]
    return sorted(candidates, key=lambda candidate: -candidate.log_prob), filtered


@attrs.frozen
class _Reading:
    """One way to write a tactic: the part of a sample that is the tactic."""

    token_ids: tuple[int, ...]
    log_prob: float
    is_truncated: bool

    @classmethod
    def of(cls, sample: Sample, block: TacticBlock) -> _Reading:
        is_whole = not sample.text[block.end :].strip()
        used = len(sample.token_ids) if is_whole else _tokens_before(sample, block.end)
        return cls(
            token_ids=sample.token_ids[:used],
            log_prob=min(0.0, math.fsum(sample.log_probs[:used])),
            is_truncated=sample.is_cut_off and is_whole,
        )


def _tokens_before(sample: Sample, end: int) -> int:
    """Tokens that start before an offset of the text.

    All of them, where the token texts are unknown or do not spell the completion (a character may
    be split over tokens): the log-probability is then too low, never too high.
    """
    if sample.token_texts is None or not "".join(sample.token_texts).startswith(sample.text[:end]):
        return len(sample.token_ids)
    position = 0
    for index, text in enumerate(sample.token_texts):
        if position >= end:
            return index
        position += len(text)
    return len(sample.token_ids)


def _merge(tactic: str, ways: Sequence[_Reading]) -> Candidate:
    distinct = {way.token_ids: way for way in ways}.values()  # cutting may have made two of them equal
    likeliest = max(distinct, key=lambda way: way.log_prob)
    total = likeliest.log_prob + math.log(math.fsum(math.exp(way.log_prob - likeliest.log_prob) for way in distinct))
    return Candidate(
        tactic,
        min(0.0, total),
        num_tokens=max(1, len(likeliest.token_ids)),
        is_truncated=all(way.is_truncated for way in distinct),
    )


# --- reading JSON ---


def _objects(reply: object, n: int) -> list[Mapping[str, object]]:
    items: list[Any] = reply if isinstance(reply, list) else [reply]
    if len(items) != n:
        raise PolicyProtocolError(f"the server answered {len(items)} samples where {n} were asked for")
    if not all(isinstance(item, Mapping) and isinstance(item.get("text"), str) for item in items):
        raise PolicyProtocolError("a sample is not an object with a text")
    return items


def _meta(item: Mapping[str, object]) -> Mapping[str, object]:
    meta = item.get("meta_info")
    if not isinstance(meta, Mapping):
        raise PolicyProtocolError("a sample has no meta_info")
    return meta


def _finish_type(item: Mapping[str, object]) -> str:
    match _meta(item).get("finish_reason"):
        case {"type": "stop" | "length" | "abort" as kind}:
            return str(kind)
        case other:
            raise PolicyProtocolError(f"a sample finished for an unknown reason: {shown(other)}")


def _sample(item: Mapping[str, object], finish: str) -> Sample:
    entries = _meta(item).get("output_token_logprobs")
    if not isinstance(entries, list) or not entries:
        raise PolicyProtocolError("a sample has no output_token_logprobs")
    triples = [_triple(entry) for entry in entries]
    texts = tuple(text for _, _, text in triples if text is not None)
    return Sample(
        text=str(item["text"]),
        token_ids=tuple(token_id for _, token_id, _ in triples),
        log_probs=tuple(log_prob for log_prob, _, _ in triples),
        token_texts=texts if len(texts) == len(triples) else None,
        is_cut_off=finish == "length",
        has_all_tokens=_meta(item).get("completion_tokens", len(triples)) == len(triples),
    )


def _triple(entry: object) -> tuple[float, int, str | None]:
    match entry:
        case [int() | float() as log_prob, int(token_id), *rest] if not isinstance(log_prob, bool):
            if not -sys.float_info.max <= log_prob <= _TOLERANCE and log_prob != -math.inf:
                raise PolicyProtocolError(f"{shown(log_prob)} is not a log-probability")
            text = rest[0] if rest and isinstance(rest[0], str) else None
            return float(log_prob), token_id, text
        case _:
            raise PolicyProtocolError(f"a log-probability entry is not [number, id, text]: {shown(entry)}")
