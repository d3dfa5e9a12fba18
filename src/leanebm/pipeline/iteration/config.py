"""The settings of an iteration, and the theorems that it is about."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Self

import attrs
from attrs.validators import and_, deep_iterable, ge, gt, instance_of, le, min_len, optional

from leanebm._fields import FINITE, SAME_RESULTS
from leanebm._shown import fitting_repr
from leanebm.core import Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline.config import EMBEDDED_SERVER_URL, RunConfig, read_settings
from leanebm.pipeline.contrastive.config import NegativesConfig
from leanebm.pipeline.energy.training_run import EnergyTrainingConfig
from leanebm.pipeline.evaluation.tuning_run import ALPHAS, BETAS
from leanebm.pipeline.finetune.config import FinetuneConfig
from leanebm.pipeline.theorem_sets import fit_imports, load_theorems
from leanebm.search import LengthNormalisedLogProb

_WEIGHTS = deep_iterable(and_(instance_of(float), ge(0.0), FINITE), and_(instance_of(tuple), min_len(1)))
_COUNT = optional(and_(instance_of(int), ge(1)))

_MOST_EXPANSIONS = 2**31
"""Where a budget stops growing if nothing else says so."""


@attrs.frozen(kw_only=True)
class IterationConfig:
    """Everything that shapes an iteration but the theorems."""

    rounds: int = attrs.field(default=3, validator=[instance_of(int), ge(1)], metadata=SAME_RESULTS)
    """How many rounds there are, at least 1. An iteration that is done goes on with the next round if this grows."""

    run: RunConfig = attrs.field(factory=RunConfig)
    """The searches: policy, Lean, budget. Its seed is the first round's, and each round's is one more; a
    ``policy.sampling_seed`` grows, too. The scorer's exponent and the head are chosen by the iteration."""

    head: EnergyTrainingConfig = attrs.field(factory=EnergyTrainingConfig)
    """How an energy head is trained; its encoder, unless it has one of its own, is that of ``run.policy``."""

    finetune: FinetuneConfig | None = None
    """How the policy's language model is fine-tuned in each round, from the base anew; ``None`` leaves it as it is. Its
    server, ``run.policy.url``, must be one that loads adapters from this machine's folders."""

    negatives: NegativesConfig = attrs.field(factory=NegativesConfig)
    """What is looked for beside a proof. Proofs shorter than its ``min_steps`` teach a head nothing."""

    replay_proofs: bool = attrs.field(default=True, validator=instance_of(bool))
    """Whether new proofs are replayed to find more negatives than the searches met."""

    alphas: tuple[float, ...] = attrs.field(default=ALPHAS, validator=_WEIGHTS)
    """Exponents of the path's length to choose from, at least 0."""

    betas: tuple[float, ...] = attrs.field(default=BETAS, validator=_WEIGHTS)
    """Weights of the energy to choose from, in standard units, at least 0."""

    gate_p: float = attrs.field(default=1.0, validator=[gt(0.0), le(1.0)])
    """A new head is refused if the area under its curve of validation theorems proved, from a quarter of the budget on,
    is smaller than that of what is in use, and an exact sign test of the theorems that it proves sooner and later gives
    at most this p, in (0, 1]. With 1, any smaller area is enough."""

    budget_growth: float = attrs.field(default=2.0, validator=[ge(1.0), FINITE])
    """By how much the expansions of each round exceed those of the round before, at least 1: who is still waiting was
    not proved with less. Validation always has the budget of ``run``."""

    max_expansions: int | None = attrs.field(default=None, validator=_COUNT)
    """Where the budget stops growing, at least what it begins with; ``None`` for nowhere."""

    search_proved_again: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether theorems that are proved are searched again, for shorter proofs."""

    one_tactic_share: float = attrs.field(default=0.25, validator=[ge(0.0), le(1.0)])
    """Share of the proofs of one tactic that a policy learns from, in [0, 1]; always the same ones. A head learns
    nothing from any."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if self.run.energy.path is not None or self.run.parts.energy_model is not None:
            raise ValueError("an iteration trains its own energy heads: leave energy and parts.energy_model out of run")
        if self.run.parts.encoder is not None:
            raise ValueError(
                "a head is searched with the encoder that it learnt from: give parts.encoder as head.encoder"
            )
        if not isinstance(self.run.scorer, LengthNormalisedLogProb):
            raise ValueError("an iteration chooses its scorer among alphas: leave scorer out of run")  # noqa: TRY004
        if self.head.policy != EnergyTrainingConfig().policy:
            raise ValueError("the head's encoder is the one of run.policy: leave policy out of head")
        first = self.run.search.budget.max_expansions
        if self.max_expansions is not None and self.max_expansions < first:
            raise ValueError(
                f"the budget begins with {first} expansions and would stop growing at {self.max_expansions}: raise "
                "max_expansions, or lower run.search.budget.max_expansions"
            )
        if self.finetune is not None and self.run.uses_embedded_server:
            raise ValueError("the embedded policy is no language model to fine-tune: name a server as run.policy.url")

    @property
    def head_training(self) -> EnergyTrainingConfig:
        """``head``, with the server that its encoder asks, if it asks one."""
        return attrs.evolve(self.head, policy=self.run.policy) if self.head.asks_server else self.head

    def budget(self, number: int) -> int:
        """Expansions per theorem of a round's searches, the first round being 0."""
        grown = float(self.run.search.budget.max_expansions)
        for _ in range(number):
            grown = min(grown * self.budget_growth, float(self.max_expansions or _MOST_EXPANSIONS))
        return int(grown)


def _as_theorems(theorems: Iterable[Theorem]) -> tuple[Theorem, ...]:
    return tuple(theorems)


@attrs.frozen(kw_only=True)
class IterationTheorems:
    """What an iteration learns on, and what it is judged by.

    Raises:
        ConfigError: a set that is needed is empty, or two theorems of the three sets have one name or statement.
    """

    train: tuple[Theorem, ...] = attrs.field(converter=_as_theorems)
    """What is searched in each round, and learnt from."""

    validation: tuple[Theorem, ...] = attrs.field(converter=_as_theorems)
    """What weights are chosen on, and what decides whether a new head is used."""

    test: tuple[Theorem, ...] = attrs.field(default=(), converter=_as_theorems)
    """What nothing is chosen on; without any, arms are compared on validation theorems."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        problems = [f"there are no {name} theorems" for name in ("train", "validation") if not getattr(self, name)]
        seen: dict[object, str] = {}
        for part in ("train", "validation", "test"):
            for theorem in getattr(self, part):
                for what in (("name", theorem.name), ("statement", theorem.preamble, theorem.display)):
                    if what in seen:
                        problems.append(f"{theorem.name!r} of {part} has the {what[0]} of a theorem of {seen[what]}")
                    seen[what] = part
        if problems:
            raise ConfigError("these theorems cannot be iterated on:", problems[:10])


@attrs.frozen(kw_only=True)
class TheoremSources:
    """Where an iteration's theorems come from: files, or names such as ``conjectures:train``."""

    train: str
    validation: str
    test: str | None = None
    max_train: int | None = attrs.field(default=None, validator=_COUNT)
    """How many to take, from all over the set; all if ``None``."""

    max_validation: int | None = attrs.field(default=None, validator=_COUNT)
    max_test: int | None = attrs.field(default=None, validator=_COUNT)

    __repr__ = fitting_repr

    def load(self, imports: Sequence[str]) -> IterationTheorems:
        """The theorems, which will be stated over the modules ``imports``.

        Raises:
            ConfigError: as :func:`~leanebm.pipeline.load_theorems` and :class:`IterationTheorems`.
        """

        def load(source: str | None, most: int | None) -> tuple[Theorem, ...]:
            return () if source is None else load_theorems(source, sample=most, imports=imports)

        return IterationTheorems(
            train=load(self.train, self.max_train),
            validation=load(self.validation, self.max_validation),
            test=load(self.test, self.max_test),
        )


@attrs.frozen(kw_only=True)
class IterationSettings(IterationConfig):
    """An iteration as a file describes it: :class:`IterationConfig`, and its theorems."""

    theorems: TheoremSources

    __repr__ = fitting_repr

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a TOML file.

        Raises:
            ConfigError: it cannot be read, or settings are wrong; every mistake is listed.
        """
        settings = read_settings(path, {"run": {"policy": {"url": EMBEDDED_SERVER_URL}}}, cls)
        return attrs.evolve(settings, run=fit_imports(settings.run, settings.theorems.train))
