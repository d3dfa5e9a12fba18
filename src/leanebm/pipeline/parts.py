"""Parts of a run that can be plugged in: scorers, policies, searches, energy models and Lean backends.

Settings name a part by its ``kind``, which is one of three things:

- a word of ours, such as ``breadth_first``;
- a word that an installed package registers as an entry point, in the group of :class:`Family`;
- ``package.module:Name``. The module is looked for where Python looks and, after that, in the working folder.

The rest of a part's settings are the keyword arguments of its class or factory. What a *run* supplies (a search
needs a policy and an environment) are keyword arguments, too: a part gets those that it names, and they are no
settings. This module says what a name means, which settings a part has, and where it came from;
:mod:`leanebm.pipeline.settings` reads and writes their values.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import operator
import re
import sys
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Generic, TypeVar

import attrs

from leanebm._shown import fitting_repr, shown
from leanebm.core import EnergyModel, ProofSearch, StateScorer, TacticPolicy
from leanebm.errors import ConfigError
from leanebm.lean import CommandBackend, EmbeddedBackend, LeanBackend, LeanPoolConfig, NativeBackend, PantographBackend
from leanebm.search import BestFirstSearch
from leanebm.search.scorers import BreadthFirst, CumulativeLogProb, LengthNormalisedLogProb, NegativeEnergy, WeightedSum

__all__ = [
    "FAMILIES",
    "Family",
    "Origin",
    "Parameter",
    "Part",
    "enter_part",
    "fields_of",
    "find_factory",
    "import_path",
    "origin_of",
    "parameters_of",
    "part_table",
]

T = TypeVar("T")

_FIELD: Final = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|.""", re.DOTALL)
"""A text in quotes, or one character."""

Factory = Callable[..., Any]
"""A class, or a function that makes a part; what is given to it is given by keyword."""


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

    discovered: Mapping[str, Callable[[], object]] = attrs.field(factory=dict)
    """Words that pick a part by looking at this machine; what was found is what gets written down."""

    supplied: frozenset[str] = frozenset()
    """Keyword arguments that a run supplies; a part gets those that it names, when the run starts."""

    def check(self, part: object) -> None:
        """Make sure that ``part`` has the family's methods; a class may stand for its objects.

        Raises:
            TypeError: it has not.
        """
        if missing := [name for name in self.methods if not hasattr(part, name)]:
            name = part.__qualname__ if isinstance(part, type) else type(part).__qualname__
            raise TypeError(f"{name} is no {self.noun}: it has no {' and no '.join(missing)}")


FAMILIES: Final[Mapping[Any, Family]] = {
    StateScorer: Family(
        noun="scorer",
        group="leanebm.scorers",
        methods=("score",),
        built_in={
            "breadth_first": BreadthFirst,
            "cumulative": CumulativeLogProb,
            "length_normalised": LengthNormalisedLogProb,
            "negative_energy": NegativeEnergy,
            "weighted_sum": WeightedSum,
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
        built_in={"best_first": BestFirstSearch},
        supplied=frozenset({"policy", "scorer", "environment", "certifier", "energy", "config", "observer"}),
    ),
    EnergyModel: Family(
        noun="energy model",
        group="leanebm.energy_models",
        methods=("energies",),
        supplied=frozenset({"policy", "encoder", "seed"}),
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
        discovered={
            "auto": lambda: LeanPoolConfig.auto().backend,
            "pantograph": lambda: LeanPoolConfig.with_bundled_pantograph().backend,
        },
    ),
}
"""Which parts there are, by the interface that a setting is annotated with."""


@attrs.frozen
class Part(Generic[T]):
    """A part that is built when the run starts: ``Part(MySearch, {"width": 3})``."""

    factory: Callable[..., T]
    """The class, or a function that makes one."""

    fields: Mapping[str, Any] = attrs.field(factory=dict)
    """Its own keyword arguments."""

    __repr__ = fitting_repr

    def wants(self, *names: str) -> bool:
        """Whether it asks a run for one of these."""
        return any(parameter.name in names for parameter in parameters_of(self.factory).parameters)

    def build(self, **supplied: object) -> T:
        """Call the factory with the part's own fields and with those of ``supplied`` that it names.

        Raises:
            ConfigError: it raised.
        """
        signature = parameters_of(self.factory)
        named = {parameter.name for parameter in signature.parameters}
        wanted = {name: value for name, value in supplied.items() if signature.takes_more or name in named}
        try:
            return self.factory(**wanted, **self.fields)
        except Exception as error:
            name = getattr(self.factory, "__qualname__", shown(self.factory))
            raise ConfigError(
                f"{name} could not be made, and leanebm only called it: {type(error).__name__}: {error}. "
                "Try it alone with `leanebm check`"
            ) from error


async def enter_part(stack: AsyncExitStack, family: Family, plugged: T | Part[T], **supplied: object) -> T:
    """Build ``plugged`` if it is to be built, and enter it if it is an async context manager.

    Raises:
        ConfigError: it could not be built, or is not one of the family.
    """
    part: Any = plugged.build(**supplied) if isinstance(plugged, Part) else plugged
    if isinstance(part, AbstractAsyncContextManager):
        part = await stack.enter_async_context(part)
    try:
        family.check(part)
    except TypeError as error:
        raise ConfigError(str(error)) from error
    return typing.cast("T", part)


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
        raise ValueError(f"expected {_choices(family)}, got {shown(kind)}")  # noqa: TRY004 - a mistake like any other
    if kind in family.built_in:
        return family.built_in[kind]
    if ":" in kind:
        return _imported(kind)
    registered = {entry.value: entry for entry in entry_points(group=family.group, name=kind)}
    if not registered:
        raise ValueError(f"expected {_choices(family)}, got {shown(kind)}")
    if len(registered) > 1:
        raise ValueError(f"several packages call a {family.noun} {kind!r}: name one of {', '.join(sorted(registered))}")
    return _imported(next(iter(registered)))


def _choices(family: Family) -> str:
    registered = {entry.name for entry in entry_points(group=family.group)}
    words = sorted({*family.built_in, *family.discovered, *registered})
    named = f"one of {', '.join(map(repr, words))}, or " if words else ""
    return f"{named}the name of a {family.noun} as 'package.module:Name'"


def _imported(path: str) -> Factory:
    module, _, name = path.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # last, so that it hides nothing; it stays, for what the module imports later
    try:
        found = operator.attrgetter(name)(importlib.import_module(module))
    except Exception as error:  # a user's module may raise anything while it is imported
        raise ValueError(f"{path!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise ValueError(f"{path!r} is neither a class nor a function")  # noqa: TRY004 - a mistake like any other
    return typing.cast("Factory", found)


def import_path(factory: object) -> str:
    """``package.module:Name`` of a class or function, under which a later run finds it again.

    Raises:
        ValueError: it could not be found again; the message says what to do.
    """
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError(f"{shown(factory)} has no name to be found by: give a class, or a function of a module")  # noqa: TRY004
    if "<" in name:
        raise ValueError(f"{name} is made inside a function, so no later run could find it: define it in a module")
    try:
        is_there = operator.attrgetter(name)(sys.modules[module]) is factory
    except (AttributeError, KeyError):
        is_there = False
    if not is_there:
        raise ValueError(
            f"{module} has no {name}, or another one, so no later run could find it: define it in a module"
        )
    return f"{_script() if module == '__main__' else module}:{name}"


def _script() -> str:
    """Under what name the program that runs can be imported."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    if file is not None and (stem := Path(file).stem).isidentifier():
        return stem
    raise ValueError(
        "it is defined at a prompt or in a notebook, so no later run could find it: put it into a .py file"
    )


# --- settings -----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Parameter:
    """A keyword argument of a class or factory."""

    name: str
    type: Any
    """What it is annotated with; ``Any`` if it is not, and a :class:`NameError` if that names nothing."""

    is_required: bool
    attribute: attrs.Attribute[Any] | None = None
    """The attrs field behind it, if there is one."""

    @property
    def is_secret(self) -> bool:
        """Whether it must not be written down: its attrs field says ``repr=False``."""
        return self.attribute is not None and self.attribute.repr is False

    @property
    def affects_results(self) -> bool:
        """Whether results depend on it: yes, unless its attrs field says ``metadata={"affects_results": False}``."""
        return self.attribute is None or bool(self.attribute.metadata.get("affects_results", True))


@attrs.frozen(kw_only=True)
class Parameters:
    """What a class or factory can be given by keyword."""

    parameters: tuple[Parameter, ...]
    takes_more: bool
    """Whether it takes any other keyword as well."""


def parameters_of(factory: Factory) -> Parameters:
    """The keyword arguments of ``factory``.

    Raises:
        ValueError: they cannot be found out, or some can be given by position only.
    """
    attributes = {}
    if isinstance(factory, type) and attrs.has(factory):
        attributes = {attribute.alias: attribute for attribute in attrs.fields(factory)}
    try:
        signature = inspect.signature(factory)
    except TypeError as error:
        raise ValueError(f"{shown(factory)} does not say which arguments it takes: {error}") from error
    return Parameters(
        parameters=tuple(
            Parameter(
                name=parameter.name,
                type=_type_of(factory, parameter, attributes.get(parameter.name)),
                is_required=parameter.default is parameter.empty,
                attribute=attributes.get(parameter.name),
            )
            for parameter in _by_keyword(factory, signature)
        ),
        takes_more=any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()),
    )


def _by_keyword(factory: Factory, signature: inspect.Signature) -> Iterator[inspect.Parameter]:
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            yield parameter
        elif parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            raise ValueError(f"{shown(factory)} takes {parameter.name!r} by position only, so no setting can give it")


def _type_of(factory: Factory, parameter: inspect.Parameter, attribute: attrs.Attribute[Any] | None) -> Any:
    annotation = attribute.type if attribute is not None else parameter.annotation
    if annotation is None or annotation is parameter.empty:
        return Any
    name, holder = parameter.name, SimpleNamespace(__annotations__={parameter.name: annotation})
    try:
        return typing.get_type_hints(holder, vars(sys.modules[_home(factory, attribute)]))[name]
    except NameError as error:
        return error  # no mistake yet: what a run supplies may be annotated with names for type checkers only


def _home(factory: Factory, attribute: attrs.Attribute[Any] | None) -> str:
    """The module in whose words a parameter is annotated."""
    if not isinstance(factory, type):
        return str(inspect.unwrap(factory).__module__)
    wanted = "__init__" if attribute is None else "__annotations__"
    for base in factory.__mro__:
        found = vars(base).get(wanted)
        if found is not None and (attribute is None or attribute.name in found):
            return base.__module__
    return factory.__module__


def fields_of(part: object) -> dict[str, tuple[Parameter, Any]]:
    """What ``part`` was made with, read from its attributes; secrets are left out.

    Raises:
        ValueError: an argument of its class cannot be read from it.
    """
    signature = parameters_of(type(part))
    fields = {}
    for parameter in signature.parameters:
        if parameter.is_secret:
            continue
        name = parameter.attribute.name if parameter.attribute is not None else parameter.name
        if not hasattr(part, name):
            raise ValueError(
                f"{type(part).__qualname__} takes {name!r} and does not keep it under that name, so it cannot be "
                f"written down: set self.{name}, make the class an attrs class, or name it by 'package.module:Name'"
            )
        fields[parameter.name] = (parameter, getattr(part, name))
    if signature.takes_more:
        raise ValueError(
            f"{type(part).__qualname__} takes any keyword (**), so what it was made with cannot be read from it: "
            "spell its arguments out, or name it by 'package.module:Name'"
        )
    return fields


# --- where a part came from ---------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Origin:
    """Which code a part was."""

    kind: str
    """``package.module:Name``."""

    package: str
    """The installed package and its version, or ``none`` for a file of your own."""

    source_sha256: str
    """SHA-256 of its source file, in hexadecimal."""


@functools.cache
def _packages(_: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """Which distributions each package is of. It takes about a second to read, so once for each ``sys.path``."""
    return packages_distributions()


def origin_of(factory: object) -> Origin | None:
    """Which code ``factory`` is; ``None`` for ours, whose version is recorded anyway.

    Raises:
        ValueError: no later run could find it, or it has no file.
    """
    module = str(getattr(factory, "__module__", ""))
    package = module.partition(".")[0]
    if package == __name__.partition(".")[0]:
        return None
    kind = import_path(factory)
    file = getattr(sys.modules[module], "__file__", None)
    if file is None:
        raise ValueError(
            f"{kind} comes from no file, so nothing can tell whether it has changed: define it in a module"
        )
    distributions = _packages(tuple(sys.path)).get(package, ())
    return Origin(
        kind=kind,
        package=f"{distributions[0]} {version(distributions[0])}" if distributions else "none",
        source_sha256=hashlib.sha256(Path(file).read_bytes()).hexdigest(),
    )
