"""What a class or a function can be given by keyword: the settings of a part."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Set
from types import SimpleNamespace
from typing import Any

import attrs

from leanebm._shown import raised, shown
from leanebm.search import BestFirstSearch

Factory = Callable[..., Any]
"""A class, or a function that makes a part; what is given to it is given by keyword."""


@attrs.frozen(kw_only=True)
class Parameter:
    """A keyword argument of a class or factory."""

    name: str
    type: Any
    """What it is annotated with; ``Any`` if it is not, and a :class:`NameError` if that names nothing."""

    default: Any = inspect.Parameter.empty
    """What it is if it is not given; :attr:`inspect.Parameter.empty` if it must be."""

    attribute: attrs.Attribute[Any] | None = None
    """The attrs field behind it, if there is one."""

    is_secret: bool = False
    """Whether it must not be written down: its field says ``repr=False``."""

    affects_results: bool = True
    """Whether results depend on it: yes, unless its field says ``metadata={"affects_results": False}``."""

    as_before: Any = inspect.Parameter.empty
    """The value that makes the results which there were before there was the setting: its field's
    ``metadata={"as_before": …}``. Runs that are older do not have it, and are to be gone on with."""

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is inspect.Parameter.empty


@attrs.frozen(kw_only=True)
class Parameters:
    """What a class or factory can be given by keyword."""

    parameters: tuple[Parameter, ...]
    takes_more: bool
    """Whether it takes any other keyword as well."""

    def without(self, supplied: Set[str]) -> Parameters:
        """Those that are settings, where a run supplies the others.

        ``**parts`` then stands for what the run supplies, so that a misspelt setting stays a mistake.
        """
        own = tuple(each for each in self.parameters if each.name not in supplied)
        return attrs.evolve(self, parameters=own, takes_more=self.takes_more and not supplied)

    def those_named(self, offered: Mapping[str, Any]) -> dict[str, Any]:
        """What of ``offered`` it can be given."""
        named = {parameter.name for parameter in self.parameters}
        return {name: value for name, value in offered.items() if self.takes_more or name in named}


def has_fields(kind: Any) -> bool:
    """Whether ``kind`` is a class whose fields are settings: an attrs class or a dataclass."""
    return isinstance(kind, type) and (attrs.has(kind) or dataclasses.is_dataclass(kind))


def parameters_of(factory: Factory) -> Parameters:
    """The keyword arguments of ``factory``.

    Raises:
        ValueError: they cannot be found out, or some can be given by position only.
    """
    if isinstance(factory, functools.partial) and not factory.args:
        whole = parameters_of(factory.func)
        given = [attrs.evolve(each, default=factory.keywords.get(each.name, each.default)) for each in whole.parameters]
        return attrs.evolve(whole, parameters=tuple(given))
    return _of_class(factory) if isinstance(factory, type) else _own_parameters(factory)


@functools.lru_cache(maxsize=256)
def _of_class(kind: type) -> Parameters:
    """Of the same few classes settings are made of, written and compared, hundreds of times in a run."""
    return _of_search(kind) if issubclass(kind, BestFirstSearch) else _own_parameters(kind)


def _of_search(search: type[BestFirstSearch]) -> Parameters:
    """A search's own, and those of the searches that it is made of: its ``**parts`` go to the next one."""
    found, takes_more = dict[str, Parameter](), True
    for each in (each for each in search.__mro__ if "__init__" in vars(each)):
        if takes_more:
            parameters = _own_parameters(each)
            found = {parameter.name: parameter for parameter in parameters.parameters} | found
            takes_more = parameters.takes_more
    return Parameters(parameters=tuple(found.values()), takes_more=takes_more)


def _own_parameters(factory: Factory) -> Parameters:
    attributes, fields = {}, dict[str, Any]()
    if isinstance(factory, type) and attrs.has(factory):
        fields = attributes = {attribute.alias: attribute for attribute in attrs.fields(factory)}
    elif isinstance(factory, type) and dataclasses.is_dataclass(factory):
        fields = {field.name: field for field in dataclasses.fields(factory)}
    metadata = {name: field.metadata for name, field in fields.items()}
    signature = _signature(factory)
    return Parameters(
        parameters=tuple(
            Parameter(
                name=parameter.name,
                type=_type_of(factory, parameter, attributes.get(parameter.name)),
                default=parameter.default,
                attribute=attributes.get(parameter.name),
                is_secret=parameter.name in fields and fields[parameter.name].repr is False,
                affects_results=bool(metadata.get(parameter.name, {}).get("affects_results", True)),
                as_before=metadata.get(parameter.name, {}).get("as_before", inspect.Parameter.empty),
            )
            for parameter in _by_keyword(factory, signature)
        ),
        takes_more=any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()),
    )


def _signature(factory: Factory) -> inspect.Signature:
    if isinstance(factory, type) and getattr(inspect.getattr_static(factory, "__init__"), "__module__", "") == "typing":
        return inspect.Signature()  # what a protocol hands down in the place of no constructor at all
    try:
        return inspect.signature(factory)
    except TypeError as error:
        raise ValueError(f"{shown(factory)} does not say which arguments it takes: {error}") from error


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
        try:
            fields[parameter.name] = (parameter, getattr(part, name))
        except AttributeError:
            raise ValueError(
                f"{type(part).__qualname__} takes {name!r} and does not keep it under that name, so it cannot be "
                f"written down: set self.{name} to what it was given, or make the class an attrs class"
            ) from None
        except Exception as error:  # a property may raise anything
            raise ValueError(f"{name!r} cannot be read from {type(part).__qualname__}: {raised(error)}") from error
    is_starred = any(each.kind is each.VAR_POSITIONAL for each in _signature(type(part)).parameters.values())
    if signature.takes_more or is_starred:
        more = "keyword (**)" if signature.takes_more else "arguments (*)"
        raise ValueError(
            f"{type(part).__qualname__} takes any {more}, so what it was made with cannot be read from it: "
            "spell its arguments out"
        )
    return fields
