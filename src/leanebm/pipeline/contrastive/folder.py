"""Where contrastive groups are kept."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import attrs

from leanebm._shown import fitting_repr, reason
from leanebm.core import ContrastiveGroup, Evidence, TacticFate
from leanebm.data import ContrastiveRecord, ReplayOutcome
from leanebm.errors import ConfigError
from leanebm.pipeline.contrastive.audit import NegativeAudit
from leanebm.pipeline.run_folder import write_text
from leanebm.storage import read_regular


@attrs.frozen(kw_only=True)
class TierCounts:
    """Pairs of a positive and a negative that a trainer may form, by where the negative is from."""

    sibling: int
    """From the positive's own decision point: the pairs that matter."""

    same_theorem: int
    """From another decision point of its theorem."""

    other_theorem: int
    """From another theorem."""

    @classmethod
    def of(cls, groups: Iterable[ContrastiveGroup]) -> Self:
        """Count the pairs of ``groups``, a negative state of a theorem once."""
        siblings: Counter[str] = Counter()
        num_groups: Counter[str] = Counter()
        keys: defaultdict[str, set[str]] = defaultdict(set)
        for group in groups:
            num_groups[group.theorem] += 1
            siblings[group.theorem] += len(group.negatives)
            keys[group.theorem].update(negative.key for negative in group.negatives)
        total = sum(map(len, keys.values()))
        return cls(
            sibling=siblings.total(),
            same_theorem=sum(num_groups[name] * len(keys[name]) for name in num_groups) - siblings.total(),
            other_theorem=sum(num_groups[name] * (total - len(keys[name])) for name in num_groups),
        )


@attrs.frozen(kw_only=True)
class LabelConflicts:
    """States that are a positive in one place and a negative in another, which no head can learn."""

    states: int
    """Distinct states, counted by key."""

    conflicting: int
    """Those that carry both labels."""

    texts: int
    """Distinct states, counted by the text that an encoder sees."""

    conflicting_texts: int

    @classmethod
    def of(cls, groups: Iterable[ContrastiveGroup]) -> Self:
        """Compare the labels of ``groups``, across theorems."""
        groups = tuple(groups)
        negatives = [negative for group in groups for negative in group.negatives]
        keys = {group.positive_key for group in groups}, {negative.key for negative in negatives}
        texts = {group.positive_text for group in groups}, {negative.text for negative in negatives}
        return cls(
            states=len(set.union(*keys)),
            conflicting=len(set.intersection(*keys)),
            texts=len(set.union(*texts)),
            conflicting_texts=len(set.intersection(*texts)),
        )

    @property
    def rate(self) -> float:
        """Share of distinct texts with both labels; 0 where there is no text."""
        return self.conflicting_texts / self.texts if self.texts else 0.0


@attrs.frozen(kw_only=True)
class ContrastiveReport:
    """What is in a set of contrastive groups, and how it came about."""

    proofs: int
    """Known proofs that were replayed."""

    too_short: int
    """Known proofs that were left out, because they have fewer steps than was asked for."""

    outcomes: Mapping[ReplayOutcome, int]
    """Replays by how they ended, each :class:`~leanebm.data.ReplayOutcome`."""

    failures: Mapping[str, str]
    """Theorems without groups, and why."""

    groups: int
    """Decision points."""

    groups_with_negatives: int
    negatives: Mapping[str, int]
    """Negatives by :class:`~leanebm.core.Evidence`."""

    fates: Mapping[TacticFate, int]
    """The policy's candidates by what became of them; a fate that none met is left out."""

    proposed_steps: int
    """Steps of the proofs, among those that have a group, that the policy proposed itself."""

    tiers: TierCounts
    conflicts: LabelConflicts
    tactic_calls: int
    wall_s: float
    """Seconds, summed over theorems; runs that replay several at once take less."""

    policy_s: float
    lean_s: float
    certify_s: float
    audit: NegativeAudit | None = None
    """What a search for proofs of a sample of negatives found, if one was made."""

    __repr__ = fitting_repr

    @classmethod
    def of(
        cls,
        records: Sequence[ContrastiveRecord],
        groups: Sequence[ContrastiveGroup],
        *,
        too_short: int = 0,
        audit: NegativeAudit | None = None,
    ) -> Self:
        """Sum up a set of groups."""
        outcomes = Counter(record.outcome for record in records)
        evidence = Counter(negative.evidence.value for group in groups for negative in group.negatives)
        fates: Counter[TacticFate] = Counter()
        for record in records:
            fates.update(record.fates)
        return cls(
            proofs=len(records),
            too_short=too_short,
            outcomes={outcome: outcomes[outcome] for outcome in ReplayOutcome},
            failures={
                record.theorem.name: _reason(record)
                for record in records
                if record.outcome is not ReplayOutcome.VERIFIED
            },
            groups=len(groups),
            groups_with_negatives=sum(bool(group.negatives) for group in groups),
            negatives={each.value: evidence[each.value] for each in Evidence},
            fates=dict(fates),
            proposed_steps=sum(group.positive_log_prob is not None for group in groups),
            tiers=TierCounts.of(groups),
            conflicts=LabelConflicts.of(groups),
            tactic_calls=sum(record.tactic_calls for record in records),
            wall_s=sum(record.wall_s for record in records),
            policy_s=sum(record.policy_s for record in records),
            lean_s=sum(record.lean_s for record in records),
            certify_s=sum(record.certify_s for record in records),
            audit=audit,
        )

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, rates included."""
        values = attrs.asdict(self)
        values["conflicts"]["rate"] = self.conflicts.rate
        if self.audit is not None:
            values["audit"] = self.audit.as_json()
        return values


def _reason(record: ContrastiveRecord) -> str:
    where = f" at step {record.failed_step}" if record.failed_step >= 0 else ""
    return f"{record.outcome}{where}: {record.message}"


@attrs.frozen
class ContrastiveFolder:
    """A folder of contrastive groups: the groups, the settings and the report, side by side.

    .. code-block:: text

        data/negatives/
          config.toml    the settings, defaults filled in
          groups/        Parquet shards, one row a decision point
          report.json    how many of each, and how far they can be trusted
    """

    path: Path = attrs.field(converter=Path)

    @property
    def groups(self) -> Path:
        """The directory of Parquet shards."""
        return self.path / "groups"

    @property
    def config(self) -> Path:
        """The settings, with every default written out."""
        return self.path / "config.toml"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.json"

    @classmethod
    def groups_in(cls, path: str | os.PathLike[str]) -> Path:
        """The shards that ``path`` means, be it the whole folder or the shards themselves."""
        folder = cls(path)
        return folder.groups if folder.groups.is_dir() else folder.path

    def write_report(self, report: ContrastiveReport) -> None:
        """Put the report in place of an older one."""
        write_text(self.report, json.dumps(report.as_json(), ensure_ascii=False, indent=2) + "\n")

    def read_audit(self) -> NegativeAudit | None:
        """The audit in the report that is there, if one is.

        Raises:
            ConfigError: the report cannot be read, or leanebm did not write it.
        """
        if not self.report.exists():
            return None
        try:
            report = json.loads(read_regular(self.report))
        except (OSError, ValueError, RecursionError) as error:
            way_out = "move it away to go on without the audit that it may hold"
            raise ConfigError(f"{self.report} cannot be read: {reason(error)}", [way_out]) from error
        audit = report.get("audit") if isinstance(report, Mapping) else report
        return None if audit is None else NegativeAudit.from_json(audit, source=str(self.report))
