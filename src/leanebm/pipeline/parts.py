"""Parts of a run that can be plugged in: scorers, policies, searches, energy models, encoders and Lean backends.

Settings name a part by its ``kind``, which is one of three things:

- a word of ours, such as ``breadth_first``;
- a word that an installed package registers as an entry point, in the group of :class:`Family`;
- ``package.module:Name``. The module is looked for where Python looks and, after that, in the working folder.

Searches can be put around one another: ``limits+probing`` (:func:`~leanebm.search.stacked`).

The rest of a part's settings are the keyword arguments of its class or factory. What a *run* supplies (a search
needs a policy and an environment) are keyword arguments, too: a part gets those that it names, and they are no
settings. This module says what a name means; :mod:`leanebm.pipeline.settings` reads and writes the settings.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import logging
import operator
import re
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

import attrs

from leanebm._shown import fitting_repr, hint, raised, shown
from leanebm.core import EnergyModel, ProofSearch, StateEncoder, StateScorer, TacticPolicy
from leanebm.errors import ConfigError, EnergyError, LeanEbmError, PolicyError
from leanebm.lean import CommandBackend, EmbeddedBackend, LeanBackend, LeanPoolConfig, NativeBackend, PantographBackend
from leanebm.pipeline._oversight import MAY_BE_RAISED
from leanebm.pipeline._parameters import Factory, parameters_of
from leanebm.pipeline.energy.counting_encoder import CountingEncoder
from leanebm.pipeline.evaluation.oracle import Oracle
from leanebm.search import (
    AndOrSearch,
    BeamSearch,
    BestFirstSearch,
    CheapFirstSearch,
    DepthFirstSearch,
    DistinctHeadsSearch,
    LimitsSearch,
    PortfolioSearch,
    ProbingSearch,
    PuctSearch,
    WholeProofSearch,
    stacked,
)
from leanebm.search.answers import blaming
from leanebm.search.scorers import (
    BreadthFirst,
    CumulativeLogProb,
    DepthFirst,
    DepthRamp,
    GoalCount,
    LengthNormalisedLogProb,
    NegativeEnergy,
    RandomOrder,
    ShortestState,
    WeightedSum,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)

_FIELD: Final = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|.""", re.DOTALL)
"""A text in quotes, or one character."""


@attrs.frozen(kw_only=True)
class Family:
    """Parts that can stand in the same place."""

    noun: str
    """What one is called in messages: ``scorer``."""

    group: str
    """The entry-point group in which packages register theirs."""

    methods: tuple[str, ...]
    """What an object needs to be one."""

    built_in: Mapping[str, Factory] = attrs.field(factory=dict)
    """Ours, by the word that picks it. These words cannot be taken."""

    discovered: Mapping[str, Factory] = attrs.field(factory=dict)
    """Words that pick a part by looking at this machine; what was found is what gets written down."""

    usual: str | None = None
    """The word for a table that says only what the part is like, and not its ``kind``; ``None`` if it must."""

    supplied: frozenset[str] = frozenset()
    """Keyword arguments that a run supplies; a part gets those that it names, when the run starts."""

    examples: Mapping[str, str] = attrs.field(factory=dict)
    """How a command line names those of ours that cannot do without settings."""

    makes_bare: bool = False
    """Whether ours can be made without what a run supplies, which finds settings out that they refuse."""

    is_stackable: bool = False
    """Whether several can be put around one another: ``limits+probing``."""

    @property
    def a_noun(self) -> str:
        """The noun with its article: ``a scorer``, ``an energy model``."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"

    def example_of(self, kind: str, factory: Factory) -> str:
        """How a command line may name a part: with the settings that it cannot do without."""
        if kind in self.examples:
            return self.examples[kind]
        own = parameters_of(factory).without(self.supplied).parameters
        needed = ",".join(f"{each.name}=…" for each in own if each.is_required)
        return f"{kind}:{needed}" if needed else kind

    def finder(self, kind: object, given: Collection[str]) -> Factory | None:
        """What looks for the part on this machine, unless more is ``given`` than that takes and ours knows better."""
        if not isinstance(kind, str) or kind not in self.discovered:
            return None
        finder = self.discovered[kind]
        taken = {parameter.name for parameter in parameters_of(finder).parameters}
        return finder if taken.issuperset(given) or kind not in self.built_in else None

    def check(self, part: object) -> None:
        """Make sure that ``part`` has the family's methods; a class may stand for its objects.

        Raises:
            TypeError: it has not.
        """
        if missing := [name for name in self.methods if not hasattr(part, name)]:
            name = part.__qualname__ if isinstance(part, type) else type(part).__qualname__
            raise TypeError(f"{name} is not {self.a_noun}: it has no {' and no '.join(missing)}")


def _best_backend(project: Path | None = None) -> LeanBackend:
    """The best Lean that is here: a Pantograph, the native one, or the embedded one."""
    return LeanPoolConfig.auto().backend if project is None else NativeBackend(project=project)


def _embedded(project: Path | None = None) -> LeanBackend:
    """Real Lean as WebAssembly, which reads no project."""
    if project is not None:
        raise ValueError("the embedded Lean reads no Lake project: leave it out, or choose --lean native or pantograph")
    return EmbeddedBackend()


def _bundled_pantograph(project: Path | None = None) -> LeanBackend:
    """The Pantograph that was built in ``vendor/Pantograph``."""
    return LeanPoolConfig.with_bundled_pantograph(project).backend


FAMILIES: Final[Mapping[Any, Family]] = {
    StateScorer: Family(
        noun="scorer",
        group="leanebm.scorers",
        methods=("score",),
        built_in={
            "breadth_first": BreadthFirst,
            "cumulative": CumulativeLogProb,
            "depth_first": DepthFirst,
            "depth_ramp": DepthRamp,
            "goal_count": GoalCount,
            "length_normalised": LengthNormalisedLogProb,
            "negative_energy": NegativeEnergy,
            "oracle": Oracle,
            "random": RandomOrder,
            "shortest_state": ShortestState,
            "weighted_sum": WeightedSum,
        },
        examples={
            "depth_ramp": "depth_ramp:scorer=negative_energy,full_at=4",
            "oracle": "oracle:runs=runs/plain",
            "weighted_sum": "weighted_sum:terms=[{scorer='length_normalised'},{scorer='negative_energy',weight=0.5}]",
        },
    ),
    TacticPolicy: Family(
        noun="policy",
        group="leanebm.policies",
        methods=("propose",),
        supplied=frozenset({"policy", "encoder", "seed"}),
    ),
    ProofSearch: Family(
        noun="search",
        group="leanebm.searches",
        methods=("run",),
        built_in={
            "and_or": AndOrSearch,
            "beam": BeamSearch,
            "best_first": BestFirstSearch,
            "cheap_first": CheapFirstSearch,
            "depth_first": DepthFirstSearch,
            "distinct_heads": DistinctHeadsSearch,
            "limits": LimitsSearch,
            "portfolio": PortfolioSearch,
            "probing": ProbingSearch,
            "puct": PuctSearch,
            "whole_proofs": WholeProofSearch,
        },
        supplied=frozenset({"policy", "scorer", "environment", "certifier", "energy", "config", "observer"}),
        makes_bare=True,
        is_stackable=True,
    ),
    EnergyModel: Family(
        noun="energy model",
        group="leanebm.energy_models",
        methods=("energies",),
        supplied=frozenset({"policy", "encoder", "seed"}),
    ),
    StateEncoder: Family(
        noun="encoder",
        group="leanebm.encoders",
        methods=("identity", "encode"),
        built_in={"counts": CountingEncoder},
        supplied=frozenset({"encoder"}),
    ),
    LeanBackend: Family(
        noun="Lean backend",
        group="leanebm.lean_backends",
        methods=("name", "prepare"),
        built_in={
            "command": CommandBackend,
            "embedded": EmbeddedBackend,
            "native": NativeBackend,
            "pantograph": PantographBackend,
        },
        examples={"command": "command:argv=['my-repl']", "pantograph": "pantograph:binary=Pantograph/repl"},
        discovered={"auto": _best_backend, "embedded": _embedded, "pantograph": _bundled_pantograph},
        usual="auto",
    ),
}
"""Which parts there are, by the interface that a setting is annotated with."""


@attrs.frozen
class Part(Generic[T]):
    """A part that is built when the run starts: ``Part(MySearch, {"width": 3})``."""

    factory: Callable[..., T]
    """The class, or a function that makes one."""

    fields: Mapping[str, Any] = attrs.field(factory=dict)
    """Its own keyword arguments. Those of a :class:`functools.partial` become some of them."""

    def __attrs_post_init__(self) -> None:
        factory: Any = self.factory
        if isinstance(factory, functools.partial) and not factory.args:
            object.__setattr__(self, "fields", {**factory.keywords, **self.fields})
            object.__setattr__(self, "factory", factory.func)

    def __repr__(self) -> str:
        try:
            secrets = {each.name for each in parameters_of(self.factory).parameters if each.is_secret}
        except ValueError:  # it does not say which arguments it takes
            secrets = set(self.fields)
        return fitting_repr(attrs.evolve(self, fields={k: v for k, v in self.fields.items() if k not in secrets}))

    def wants(self, *names: str) -> bool:
        """Whether it asks a run for one of these."""
        return any(parameter.name in names for parameter in parameters_of(self.factory).parameters)

    def takes(self, names: Collection[str]) -> bool:
        """Whether it can be given one of these, be it among any keywords (``**``)."""
        return bool(parameters_of(self.factory).those_named(dict.fromkeys(names)))

    def build(self, **supplied: object) -> T:
        """Call the factory with the part's own fields and with those of ``supplied`` that it names.

        Raises:
            ConfigError: it raised.
        """
        wanted = parameters_of(self.factory).those_named(supplied)
        try:
            return self.factory(**wanted, **self.fields)
        except ConfigError:
            raise
        except MAY_BE_RAISED as error:
            name = getattr(self.factory, "__qualname__", shown(self.factory))
            raise ConfigError(
                f"{name} could not be made, and leanebm only called it: {raised(error)}. "
                "Try it alone with `leanebm check`"
            ) from error


def as_part(value: Any) -> Any:
    """A class or function stands for the part that it makes; an object is the part itself."""
    return Part(value) if isinstance(value, type) or inspect.isroutine(value) else value


def is_part_of(interface: Any) -> Callable[[object, attrs.Attribute[Any], Any], None]:
    """A validator: the part is none, still to be made, or has the methods of ``interface``'s family."""

    def check(_: object, __: attrs.Attribute[Any], value: Any) -> None:
        if value is not None and not isinstance(value, Part):
            FAMILIES[interface].check(value)

    return check


async def enter_part(stack: AsyncExitStack, family: Family, plugged: T | Part[T], **supplied: object) -> T:
    """Build ``plugged`` if it is to be built, and enter it if it is an async context manager.

    Raises:
        ConfigError: it could not be built, or is not one of the family; or it said so when it was entered.
        EnergyError, PolicyError: it said so when it was entered.
        PartBroken: it raised anything else then.
    """
    part: Any = plugged.build(**supplied) if isinstance(plugged, Part) else plugged
    if isinstance(part, AbstractAsyncContextManager):
        part = await stack.enter_async_context(_Guarded(part, family.noun))
    try:
        family.check(part)
    except TypeError as error:
        raise ConfigError(str(error)) from error
    return typing.cast("T", part)


@attrs.frozen
class _Guarded:
    """A part that is entered and left, but neither ends the program by that nor hides how the run ended."""

    part: AbstractAsyncContextManager[Any]
    noun: str

    async def __aenter__(self) -> Any:
        with blaming(f"the {self.noun}, when it was started,", ConfigError, EnergyError, PolicyError):
            return await self.part.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        """Leave the part; what it answers is not asked, for it might say that nothing had happened."""
        try:
            with blaming(f"the {self.noun}, when it was ended,"):
                await self.part.__aexit__(*error)
        except LeanEbmError as failure:
            if error[1] not in (failure, failure.__cause__):
                _log.warning("%s. What was found stays", failure)


def part_table(text: str) -> dict[str, Any]:
    """The table that ``KIND[:key=value,…]`` on a command line stands for.

    Values are written as in TOML; a bare word is a text.

    Raises:
        ValueError: it is not of that form.
    """
    first, *rest = text.split(":")
    if rest and "=" not in rest[0]:  # package.module:Name
        first = f"{first}:{rest.pop(0)}"
    table: dict[str, Any] = {"kind": first}
    for field in _split(":".join(rest)):
        key, separator, value = field.partition("=")
        if not separator or not key.strip().isidentifier():
            raise ValueError(f"expected KIND:key=value,key=value, got {shown(text)} (look at {shown(field)})")
        if key.strip() in table:
            raise ValueError(f"{key.strip()!r} is given twice in {shown(text)}")
        table[key.strip()] = _literal(value.strip())
    return table


def _split(fields: str) -> list[str]:
    """Cut at the commas that are not inside brackets or quotes."""
    pieces = re.findall(_FIELD, fields)
    depth, found = 0, [""]
    for piece in pieces:
        depth += (piece in "[{") - (piece in "]}")
        if piece == "," and depth == 0:
            found.append("")
        else:
            found[-1] += piece
    return [field for field in found if field.strip()]


def _literal(value: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        if re.search(r"[\[\]{}\"'\n]", value):
            raise ValueError(f"{shown(value)} is neither a value as TOML writes it nor a bare word") from None
        return value


# --- names --------------------------------------------------------------------------------------


def find_factory(family: Family, kind: object) -> Factory:
    """The class or factory that ``kind`` names.

    Raises:
        ValueError: there is none, there are several, or it cannot be imported.
    """
    if not isinstance(kind, str):
        raise ValueError(_choices(family, kind))  # noqa: TRY004 - a mistake like any other
    if kind in family.built_in:
        return family.built_in[kind]
    if family.is_stackable and "+" in kind:
        return stacked(*(find_factory(family, each.strip()) for each in kind.split("+")))
    head, colon, rest = kind.partition(":")
    if colon and head in {*family.built_in, *family.discovered}:
        raise ValueError(f"the settings of {head!r} are written key=value after the colon, not {rest!r}")
    if colon:
        return _imported(kind)
    registered = {entry.value: entry for entry in entry_points(group=family.group, name=kind)}
    if not registered:
        raise ValueError(_choices(family, kind))
    if len(registered) > 1:
        raise ValueError(f"several packages call {family.a_noun} {kind!r}: name one of {', '.join(sorted(registered))}")
    return _imported(next(iter(registered)))


def _choices(family: Family, kind: object) -> str:
    registered = {entry.name for entry in entry_points(group=family.group)}
    words = sorted({*family.built_in, *family.discovered, *registered})
    named = f"one of {', '.join(map(repr, words))}, or " if words else ""
    return f"expected {named}the name of {family.a_noun} as 'package.module:Name', got {shown(kind)}{hint(kind, words)}"


def _imported(path: str) -> Factory:
    module, _, name = path.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # last, so that it hides nothing; it stays, for what the module imports later
    try:
        found = operator.attrgetter(name)(importlib.import_module(module))
    except MAY_BE_RAISED as error:  # a user's module may do anything while it is imported
        raise ValueError(f"{path!r} cannot be imported: {raised(error)}") from error
    if not callable(found):
        raise ValueError(f"{path!r} is neither a class nor a function")  # noqa: TRY004 - a mistake like any other
    return typing.cast("Factory", found)


# --- annotations ---


def is_union(kind: object) -> bool:
    """Whether an annotation is a union, such as ``int | None``."""
    return get_origin(kind) in (typing.Union, types.UnionType)


def members_of(union: Any) -> list[Any]:
    """What a union holds beside ``None`` and, where an interface is one of them, the part still to be built."""
    return [member for member in get_args(union) if member is not type(None) and get_origin(member) is not Part]


def is_part(kind: object) -> bool:
    """Whether an annotation is an interface that parts are plugged into, or a part still to be built."""
    return kind in FAMILIES or get_origin(kind) is Part


def takes_only_parts(declared: Any) -> bool:
    """Whether a setting takes parts of one kind and, beside ``None``, nothing else."""
    return all(is_part(each) for each in (members_of(declared) if is_union(declared) else [declared]))


def interface_of(declared: Any) -> Any:
    """The interface that a setting is annotated with, be it alone, in a union, or as a part still to be built."""
    members = members_of(declared) if is_union(declared) else [declared]
    return next((get_args(each)[0] if get_origin(each) is Part else each for each in members if is_part(each)), None)


def is_list(kind: object) -> bool:
    """Whether an annotation is a list or a tuple, be it of one length or of any."""
    return kind in (list, tuple) or get_origin(kind) in (list, tuple, Sequence)


def is_sequence(declared: Any) -> bool:
    """Whether a setting is annotated with nothing closer than a sequence, which a list is as well as a tuple."""
    return any(get_origin(each) is Sequence for each in (members_of(declared) if is_union(declared) else [declared]))


def is_table(kind: object) -> bool:
    """Whether an annotation is a table, such as ``dict[str, float]``."""
    return kind in (dict, Mapping) or get_origin(kind) in (dict, Mapping)


def length_of(kind: Any) -> int | None:
    """How many members a tuple's annotation names; ``None`` where there may be any number."""
    members = get_args(kind)
    return None if get_origin(kind) is not tuple or members[-1:] == (...,) else len(members)


def kinds_within(declared: Any, value: object) -> Iterator[Any]:
    """What the members of ``value``, a list or a table, are annotated with, one after the other; without an end."""
    fits = is_table if isinstance(value, Mapping) else is_list
    kind = next(filter(fits, members_of(declared) if is_union(declared) else [declared]), None)
    members = get_args(kind)
    if length_of(kind) is not None:
        return itertools.chain(members, itertools.repeat(Any))
    return itertools.repeat(members[-1 if is_table(kind) else 0] if members else Any)
