"""Whether data can be trained on and measured with; looked at before any work starts."""

from __future__ import annotations

from collections.abc import Iterator

from leanebm.core import EncoderIdentity
from leanebm.energy.config import EnergyHeadConfig
from leanebm.energy.training.contrastive_data import ContrastiveData
from leanebm.errors import EnergyError

__all__ = ["check_trainable"]


def check_trainable(
    head: EnergyHeadConfig, training: ContrastiveData, validation: ContrastiveData, encoder: EncoderIdentity
) -> None:
    """Make sure that a head of this configuration can learn from the one side and be judged on the other.

    Raises:
        EnergyError: it cannot; every reason is listed.
    """
    problems = [*_widths(head, training, validation, encoder), *_contents(training, validation)]
    problems += _overlaps(training, validation)
    if problems:
        raise EnergyError("the energy head cannot be trained on this data:\n" + "\n".join(f"  - {p}" for p in problems))


def _widths(
    head: EnergyHeadConfig, training: ContrastiveData, validation: ContrastiveData, encoder: EncoderIdentity
) -> Iterator[str]:
    for name, width in (("training", training.width), ("validation", validation.width), ("the encoder's", encoder.dim)):
        if width is not None and width != head.d_in:
            yield (
                f"{name} embeddings have width {width}, the head takes {head.d_in}: "
                f"set d_in = {width}, or use the encoder that the head is for"
            )


def _contents(training: ContrastiveData, validation: ContrastiveData) -> Iterator[str]:
    if not len(training.negative):
        yield "no training group has a negative, so there is nothing to tell apart: sample more tactics a step"
    if not len(validation.negative):
        yield (
            "no validation group has a sibling off the path, so accuracy cannot be measured and no best head chosen: "
            "hold out more families, or sample more tactics a step"
        )


def _overlaps(training: ContrastiveData, validation: ContrastiveData) -> Iterator[str]:
    theorems = sorted(set(training.theorems) & set(validation.theorems))
    if theorems:
        yield f"{len(theorems)} theorems are in training and in validation, such as {theorems[0]}: use `split_groups`"
    states = set(training.texts) & set(validation.texts)
    if states:
        yield (
            f"{len(states)} states are in training and in validation, such as {min(states)!r}: accuracy would be "
            "flattered; use `split_groups`"
        )
