"""An iteration in one table: what each arm did and proved in each round."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.errors import ConfigError
from leanebm.pipeline.iteration.manifest import MANIFEST_NAME, IterationManifest, StageRecord
from leanebm.pipeline.settings import structure_settings

FROZEN: Final = "frozen"
"""What the first round was searched with; it makes no further attempt."""

SAMPLE_ONLY: Final = "sample-only"
"""As many attempts as the arm that learns, with fresh seeds, and no learning."""

ENERGY: Final = "energy"
"""The policy that everything began with, and the newest head that passed the gate."""

POLICY: Final = "policy"
"""The newest policy that passed the gate, without a head."""

POLICY_AND_ENERGY: Final = "policy+energy"

_LEARNING: Final = ("negatives", "aggregate", "policy", "head", "tuning", "gate")


@attrs.frozen(kw_only=True)
class IterationRow:
    """One arm in one round."""

    round: int
    """The first is 0."""

    arm: str
    attempted: int
    """Training theorems that it searched in this round."""

    new: int
    """Of these, proved for the first time by this arm."""

    proved: int
    """Training theorems that it has proved in all rounds so far."""

    of: int
    """Training theorems that there are."""

    mean_length: float | None
    """Tactics of its shortest proofs, in the mean; ``None`` without proofs."""

    p90_length: float | None
    """Tactics that nine in ten of these do not exceed."""

    judged_proved: int
    """Test theorems, or validation theorems if there are none, that one search each proves in this round."""

    judged_ever: int
    """The same in any round so far."""

    judged_of: int
    sibling_accuracy: float | None = None
    """Of this round's head, on validation theorems; ``None`` for arms without a head, or if none was trained."""

    alpha: float | None = None
    """Exponent of the path's length in use after this round."""

    beta: float | None = None
    """Weight of the energy in use after this round; ``None`` without a head."""

    p: float | None = None
    """Exact McNemar test of ``judged_proved`` against the arm that learns nothing, in the same round; ``None`` for
    arms that do not learn."""

    cpu_min: float
    """Minutes of processors that its search and its learning took; comparing the arms is not counted."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class IterationSummary:
    """What an iteration came to, as far as it is done."""

    folder: Path = attrs.field(converter=Path)
    judged_on: str
    """``test`` or ``validation``."""

    rows: tuple[IterationRow, ...]
    """By round, and by arm within one."""

    notes: tuple[str, ...]
    """What a person should know: heads that were refused, or could not be trained, and what the last round gained over
    the arms that do not learn."""

    __repr__ = fitting_repr

    def as_json(self) -> dict[str, Any]:
        """Plain values; the keys are the fields of the classes here."""
        return {
            "folder": str(self.folder),
            "judged_on": self.judged_on,
            "rows": [attrs.asdict(row) for row in self.rows],
            "notes": list(self.notes),
        }


def is_iteration(folder: str | os.PathLike[str]) -> bool:
    """Whether ``folder`` is one that ``leanebm iterate`` wrote."""
    return (Path(folder) / MANIFEST_NAME).is_file()


def summarise_iteration(folder: str | os.PathLike[str]) -> IterationSummary:
    """Sum up the rounds that are done.

    Raises:
        ConfigError: the folder holds no iteration, one of which no round is done, or one of another leanebm.
    """
    manifest = IterationManifest.read(folder)
    if manifest is None:
        raise ConfigError(f"{folder} holds no iteration: there is no {MANIFEST_NAME}")
    stages = {record.stage: record for record in manifest.stages}
    rounds = [number for number in range(len(stages)) if f"rounds/{number}/evaluation" in stages]
    if not rounds:
        raise ConfigError(f"no round of the iteration in {folder} is done yet", ["go on with it @ --resume"])
    path = Path(folder) / MANIFEST_NAME
    try:
        return IterationSummary(
            folder=Path(folder),
            judged_on=stages["rounds/0/evaluation"].result["on"],
            rows=tuple(row for number in rounds for row in _rows(stages, number)),
            notes=(
                *_broken(manifest.stages),
                *(note for number in rounds for note in _notes(stages, number)),
                *_gains(stages, rounds[-1]),
            ),
        )
    except ConfigError as error:
        raise ConfigError(f"{path} cannot be summed up: {error.summary}", error.problems) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # figures of another kind, or of no stage
        raise ConfigError(
            f"{path} is not as this leanebm writes it: {type(error).__name__}: {error}",
            ["restore it, or delete this file and go on with `leanebm iterate --resume`, which gathers it anew"],
        ) from error


def _rows(stages: Mapping[str, StageRecord], number: int) -> Iterator[IterationRow]:
    evaluation = stages[f"rounds/{number}/evaluation"].result
    control = SAMPLE_ONLY if number else FROZEN
    first = stages["rounds/0/evaluation"].result["arms"][FROZEN]
    judged = {FROZEN: {**first, "proved_ever": first["proved"]}, **evaluation["arms"]}
    for arm, found in judged.items():
        learns = arm not in (FROZEN, SAMPLE_ONLY)
        searched = stages[f"rounds/{number if arm != FROZEN else 0}/search/{_search_of(arm, number)}"]
        stands_still = arm == FROZEN and number > 0
        head = stages.get(f"rounds/{number}/head")
        has_head = arm in (ENERGY, POLICY_AND_ENERGY)
        costs = [searched] if not stands_still else []
        if learns:
            costs += [stages[name] for step in _LEARNING if (name := f"rounds/{number}/{step}") in stages]
        figures = dict[str, object](
            round=number,
            arm=arm,
            attempted=0 if stands_still else searched.result["attempted"],
            new=0 if stands_still else searched.result["new"],
            proved=searched.result["proved"],
            of=searched.result["of"],
            mean_length=searched.result["mean_length"],
            p90_length=searched.result["p90_length"],
            judged_proved=found["proved"],
            judged_ever=found["proved_ever"],
            judged_of=evaluation["of"],
            sibling_accuracy=head.result["sibling_accuracy"] if head is not None and has_head else None,
            alpha=evaluation["guide"]["alpha"] if has_head else stages["baseline/tuning"].result["alpha"],
            beta=evaluation["guide"]["beta"] if has_head else None,
            p=evaluation["beside"][arm][control]["p"] if learns else None,
            cpu_min=sum(record.cost["cpu_s"] for record in costs) / 60,
        )
        yield structure_settings(figures, IterationRow, source=f"what is written down of round {number}, {arm},")


def _search_of(arm: str, number: int) -> str:
    """The training search of an arm; all share the first round's."""
    if number == 0 or arm == FROZEN:
        return FROZEN
    return SAMPLE_ONLY if arm == SAMPLE_ONLY else ENERGY


def _broken(stages: Iterable[StageRecord]) -> Iterator[str]:
    for record in stages:
        if broken := record.result.get("broken", 0):
            yield (
                f"{record.stage}: {broken} of its searches broke, so that nothing is known of their theorems; nothing "
                "is learnt from them, and comparisons leave them out"
            )


def _notes(stages: Mapping[str, StageRecord], number: int) -> Iterator[str]:
    if objection := stages[f"rounds/{number}/aggregate"].result["objection"]:
        yield f"round {number}: no head was trained: {objection}"
    policy, evaluation = (stages.get(f"rounds/{number}/{name}") for name in ("policy", "evaluation"))
    if policy is not None and "objection" in policy.result:
        yield f"round {number}: the policy did not learn: {policy.result['objection']}"
    elif policy is None and evaluation is not None and POLICY in evaluation.result["arms"]:
        shown = stages[f"rounds/{number}/aggregate"].result["policy_proofs"]
        yield f"round {number}: the policy did not learn: it takes proofs of 2 theorems or more; there were {shown}"
    gate = stages.get(f"rounds/{number}/gate")
    if gate is not None and not gate.result["is_adopted"]:
        areas = gate.result["areas"]
        proved = ", ".join(f"{name} {count} ({areas[name]:.3f})" for name, count in gate.result["proved"].items())
        yield f"round {number}: the new head was refused; validation theorems proved, and the area judged by: {proved}"


def _gains(stages: Mapping[str, StageRecord], number: int) -> Iterator[str]:
    """How the arms that learn stand beside those that do not."""
    for arm, others in stages[f"rounds/{number}/evaluation"].result["beside"].items():
        for other, found in others.items():
            value, low, high = (f"{found['points'][name]:+.1f}" for name in ("value", "low", "high"))
            yield (
                f"round {number}: {arm} beside {other}: +{found['only_experiment']} -{found['only_baseline']}, "
                f"{value} points (95 % interval {low} to {high}), p = {found['p']:.2g}"
            )
