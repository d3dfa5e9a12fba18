"""The settings of a run: from defaults, a TOML file and the command line, in that order."""

from __future__ import annotations

import copy
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import attrs
from attrs.validators import ge, instance_of

from leanebm._fields import SAME_RESULTS
from leanebm._shown import fitting_repr, reason, shown
from leanebm.core import EnergyModel, ProofSearch, StateEncoder, StateScorer, TacticPolicy
from leanebm.errors import ConfigError
from leanebm.lean import LeanBackend, LeanPoolConfig
from leanebm.pipeline.energy.guidance import EnergyConfig
from leanebm.pipeline.parts import FAMILIES, Part, as_part, is_part_of
from leanebm.pipeline.run_folder import RunFolder
from leanebm.pipeline.settings import structure_settings
from leanebm.policy import PolicyClientConfig
from leanebm.search import BestFirstSearch, SearchConfig, WholeProofSearch
from leanebm.search.best_first import objection_to_parallel
from leanebm.search.scorers import LengthNormalisedLogProb
from leanebm.serve import TemplateBackend
from leanebm.storage import read_regular

T = TypeVar("T")

EMBEDDED_SERVER_URL = "http://127.0.0.1:0"
"""Stands for the policy server that a run starts for itself; port 0, as ever, is one yet to be picked."""


def _is_scorer(_: object, __: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, type | Part):
        name = getattr(value.factory if isinstance(value, Part) else value, "__qualname__", "that class")
        raise TypeError(f"a scorer is the object itself, not its class or a Part: call {name}(…)")
    FAMILIES[StateScorer].check(value)


def _default_scorer(config: RunConfig) -> StateScorer:
    tuned = config.energy.tuned_alpha
    return LengthNormalisedLogProb() if tuned is None else LengthNormalisedLogProb(alpha=tuned)


def _are_words_of_the_embedded_policy(_: object, __: attrs.Attribute[Any], words: tuple[str, ...]) -> None:
    TemplateBackend(without=words)


def _is_still_to_be_made(_: object, __: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, Part):
        raise TypeError(
            f"a run makes its search itself, out of its other parts, so {shown(value)} cannot be one: "
            "give the class, or Part(class, {'key': value})"
        )


@attrs.frozen(kw_only=True)
class Parts:
    """What takes the place of leanebm's own policy, search, energy model and encoder.

    Each is an object, a class, or a :class:`Part`: a class with settings of its own. A class or a part is made when
    the run starts and gets, of what the run has, the arguments that it names. Whatever is an async context manager
    is entered then, and left when the run ends.
    """

    policy: TacticPolicy | Part[TacticPolicy] | None = attrs.field(
        default=None, converter=as_part, validator=is_part_of(TacticPolicy)
    )
    """What proposes tactics; ``None`` asks the policy server. It may name ``policy`` and ``encoder``, which are that
    server, and ``seed``."""

    search: Part[ProofSearch] = attrs.field(
        default=Part(BestFirstSearch), converter=as_part, validator=_is_still_to_be_made
    )
    """The algorithm: a class or a function that is called as :class:`~leanebm.search.SearchFactory` says, of which it
    may leave out what it does not need."""

    energy_model: EnergyModel | Part[EnergyModel] | None = attrs.field(
        default=None, converter=as_part, validator=is_part_of(EnergyModel)
    )
    """What gives states their energies; ``None`` is the head of ``energy.path``, if there is one. It may name
    ``policy``, which is the run's, ``encoder``, which is the policy server, and ``seed``."""

    encoder: StateEncoder | Part[StateEncoder] | None = attrs.field(
        default=None, converter=as_part, validator=is_part_of(StateEncoder)
    )
    """What makes vectors of states for the head of ``energy.path``, which must have been trained with it; ``None`` asks
    the policy server. It may name ``encoder``, which is that server, to say more than it does."""

    __repr__ = fitting_repr

    def want(self, name: str) -> bool:
        """Whether the policy or the energy model asks for ``name``."""
        parts = (self.policy, self.energy_model)
        return any(isinstance(part, Part) and part.wants(name) for part in parts)


@attrs.frozen(kw_only=True)
class RunConfig:
    """Everything that shapes how theorems are searched; which ones, and where results go, is not here."""

    concurrency: int = attrs.field(default=4, validator=[instance_of(int), ge(1)], metadata=SAME_RESULTS)
    """Theorems searched at the same time, at least 1. Twice ``lean.num_workers`` keeps every worker busy."""

    seed: int = attrs.field(default=0, validator=[instance_of(int), ge(0)])
    """Seed of the embedded policy server; another server has its own."""

    without: tuple[str, ...] = attrs.field(default=(), validator=_are_words_of_the_embedded_policy)
    """Words, such as ``grind``, whose tactics the embedded policy server never proposes. Another policy is asked as it
    is, so beside one they are a mistake."""

    max_failures_in_a_row: int = attrs.field(default=20, validator=[instance_of(int), ge(1)], metadata=SAME_RESULTS)
    """Theorems that may be lost to infrastructure one after the other before the run stops, at least 1."""

    search: SearchConfig = attrs.field(factory=SearchConfig)
    """Budget and breadth of one theorem's search."""

    energy: EnergyConfig = attrs.field(factory=EnergyConfig)
    """The energy head, if there is one."""

    scorer: StateScorer = attrs.field(default=attrs.Factory(_default_scorer, takes_self=True), validator=_is_scorer)
    """What says which state to expand next, by the policy's opinion; with an energy head, the term that the head's
    energy is added to. By default :class:`~leanebm.search.LengthNormalisedLogProb`, at the exponent that was tuned
    beside the head, if one was."""

    parts: Parts = attrs.field(factory=Parts)
    """Parts of your own, beside the scorer."""

    lean: LeanPoolConfig = attrs.field(factory=LeanPoolConfig)
    """The Lean workers."""

    policy: PolicyClientConfig = attrs.field(factory=lambda: PolicyClientConfig(url=EMBEDDED_SERVER_URL))
    """How the policy server is talked to."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if self.energy.path is not None and self.parts.energy_model is not None:
            raise ValueError("energy.path and parts.energy_model are both given: a run has one energy model")
        if self.without and not (self.asks_server_for_tactics and self.uses_embedded_server):
            raise ValueError("this run asks another policy than the embedded one, so leave out --without (without)")
        if self._replays_single_tactics:
            raise ValueError(
                "the policy server is asked for single tactics, which whole_proofs searches as best_first does: set "
                "policy.whole_proofs (--whole-proofs), if its model writes proofs to their end"
            )
        if (objection := objection_to_parallel(self.parts.search.factory, self.search)) is not None:
            raise ValueError(objection)
        backend = self.lean.backend
        ours = FAMILIES[LeanBackend].built_in.get(backend.name)
        if ours is not None and type(backend) is not ours:
            # Certificates say which Lean was believed, so one must not pass for another.
            raise ValueError(
                f"a {type(backend).__qualname__} calls itself {backend.name!r}, the name of one of ours: rename it"
            )

    @property
    def _replays_single_tactics(self) -> bool:
        search = self.parts.search.factory
        is_whole = isinstance(search, type) and issubclass(search, WholeProofSearch)
        return is_whole and self.parts.policy is None and not self.policy.whole_proofs

    @property
    def without_effect(self) -> tuple[str, ...]:
        """What is set and changes nothing in this run, a sentence each."""
        usual = PolicyClientConfig(url=self.policy.url)
        names, why = list[str](), ""
        if not self.asks_server_for_tactics:
            names = ["adapter", "max_tactic_tokens", "prompt_format", "samples_per_candidate"]
            names += ["temperature", "whole_proofs"]
            why = "the policy is your own, and does not ask the policy server"
        elif self.uses_embedded_server:
            names = ["model", "whole_proofs"]
            why = "the policy is the symbolic one, which proposes single tactics by rule; --server-url names another"
        said = [f"$.policy.{name} changes nothing: {why}" for name in names if _differ(self.policy, usual, name)]
        if self.parts.encoder is not None and self.energy.path is None:
            said.append(
                "$.parts.encoder changes nothing: there is no energy head to make vectors for; --ebm-path names one"
            )
        if not self.asks_server_for_embeddings:
            own, usual_own = self.policy.encoder, usual.encoder
            idle = [field.name for field in attrs.fields(type(own)) if _differ(own, usual_own, field.name)]
            why = "nothing asks the server for embeddings; --ebm-path names an energy head that does"
            said += [f"$.policy.encoder.{name} changes nothing: {why}" for name in idle]
        return tuple(said)

    @property
    def needs_server(self) -> bool:
        """Whether anything asks the policy server: for tactics, or for embeddings."""
        return self.asks_server_for_tactics or self.asks_server_for_embeddings

    @property
    def asks_server_for_tactics(self) -> bool:
        """Whether tactics come from the policy server, by themselves or through a policy that wraps it."""
        policy = self.parts.policy
        return policy is None or (isinstance(policy, Part) and policy.wants("policy"))

    @property
    def asks_server_for_embeddings(self) -> bool:
        """Whether an energy head, or a part of the user's own, takes embeddings from a server."""
        if self.parts.want("encoder") or self.energy.path is None:
            return self.parts.want("encoder")
        encoder = self.parts.encoder
        return self.energy.needs_encoder if encoder is None else isinstance(encoder, Part) and encoder.wants("encoder")

    @property
    def uses_embedded_server(self) -> bool:
        """Whether the run starts a policy server of its own."""
        return self.needs_server and self.policy.url == EMBEDDED_SERVER_URL

    def sampled_anew(self, times: int) -> Self:
        """The same with other seeds, for a search that is to draw other samples; with 0, the same seeds.

        A policy server without a ``policy.sampling_seed`` draws others in any case.
        """
        policy = self.policy
        if policy.sampling_seed is not None:  # some servers are sent a seed per sample, counted up from this one
            samples = self.search.candidates_per_state * policy.samples_per_candidate
            policy = attrs.evolve(policy, sampling_seed=policy.sampling_seed + times * samples)
        return attrs.evolve(self, seed=self.seed + times, policy=policy)

    def check_energies(self) -> None:
        """Refuse a scorer that reads energies where nothing gives any; a replay has them from its recording.

        Raises:
            ConfigError: the scorer is such a one, and there is neither an energy head nor an energy model.
        """
        gives = self.energy.path is not None or self.parts.energy_model is not None
        if getattr(self.scorer, "reads_energy", False) and not gives:
            raise ConfigError(
                f"{self.scorer} reads energies, and nothing gives any:",
                ["name an energy head by --ebm-path, or an energy model by --energy-model @ --scorer"],
            )

    def facts_behind(self) -> dict[str, Any]:
        """What results depend on and no setting says by itself: which server and which head stand behind a path.

        Raises:
            ConfigError: the configured folder holds no energy head.
        """
        return {"uses_embedded_server": self.uses_embedded_server, "energy_head": self.energy.digest}


def _differ(one: object, other: object, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


@attrs.frozen
class Override:
    """A setting given on the command line, which outweighs the file."""

    path: str
    """Where it stands in the file, such as ``search.budget.max_expansions``."""

    value: object
    option: str
    """What the user typed, such as ``--budget``; a mistake in the value is reported with it."""

    __repr__ = fitting_repr


def read_run_config(
    path: str | os.PathLike[str] | None = None, overrides: Sequence[Override] = (), *, below: str = ""
) -> RunConfig:
    """Read the settings of a run: of a TOML file, or of a run's folder; ``path=None`` for the defaults.

    Args:
        path: the file, or the folder.
        overrides: what was typed; it outweighs the file.
        below: settings in TOML that the file outweighs.

    Raises:
        ConfigError: the file cannot be read, or settings are wrong; every mistake is listed.
    """
    table: dict[str, Any] = {"policy": {"url": EMBEDDED_SERVER_URL}}
    _overlay(table, tomllib.loads(below))
    if path is not None:
        path = RunFolder(path).config if Path(path).is_dir() else path
        _overlay(table, _read_toml(Path(path)))
    return structure_with(overrides, table, RunConfig, source=None if path is None else str(path))


def read_settings(path: str | os.PathLike[str], defaults: dict[str, Any], kind: type[T]) -> T:
    """Read a TOML file, laid over ``defaults``, as a ``kind``.

    Raises:
        ConfigError: the file cannot be read, or settings are wrong; every mistake is listed.
    """
    table = copy.deepcopy(defaults)
    _overlay(table, _read_toml(Path(path)))
    return structure_settings(table, kind, source=str(path))


def structure_with(
    overrides: Sequence[Override], table: dict[str, Any], kind: type[T], *, source: str | None = None
) -> T:
    """``table`` with ``overrides`` laid over it, as a ``kind``; mistakes in these are named by their options.

    Args:
        overrides: what was typed.
        table: the settings below it.
        kind: the config class to build.
        source: the file that ``table`` is from, if it is from one.

    Raises:
        ConfigError: with every mistake, as ``problem @ --option`` or ``problem @ $.path``.
    """
    for override in overrides:
        _overlay(table, _nested(override.path.split("."), override.value))
    try:
        return structure_settings(table, kind, source=source or "the command line")
    except ConfigError as error:
        problems = [_name_option(problem, overrides) for problem in error.problems]
        if source is None:
            problems = [problem.removesuffix(" @ $") for problem in problems]
        raise ConfigError(error.summary, problems) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings in {path}: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read the settings in {path}:", [f"{error} @ {path}"]) from error


def _overlay(table: dict[str, Any], upper: Mapping[str, Any]) -> None:
    """Lay ``upper`` over ``table``, table by table; anything else is replaced whole, and so is a part."""
    for key, value in upper.items():
        lower = table.get(key)
        if isinstance(value, Mapping) and "kind" not in value and isinstance(lower, dict | str):
            table[key] = dict(lower) if isinstance(lower, dict) else {"kind": lower}
            _overlay(table[key], value)
        else:
            table[key] = dict(value) if isinstance(value, Mapping) else value


def _nested(keys: Sequence[str], value: object) -> dict[str, Any]:
    return {keys[0]: value if len(keys) == 1 else _nested(keys[1:], value)}


def _name_option(problem: str, overrides: Sequence[Override]) -> str:
    sentence, _, path = problem.rpartition(" @ ")
    below = [each.option for each in overrides if f"$.{each.path}".startswith(f"{path}.") and path != "$"]
    if below:  # a rule that spans several settings
        return f"{sentence} @ {', '.join(below)}"
    for override in reversed(overrides):
        place = f"$.{override.path}"
        if path == place or path.startswith((f"{place}.", f"{place}[")):
            return " ".join([f"{sentence} @ {override.option}", *filter(None, [path.removeprefix(place).lstrip(".")])])
    return problem
