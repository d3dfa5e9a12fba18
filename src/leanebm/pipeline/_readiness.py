"""Asks the parts of a run whether they are ready, before anything is started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from leanebm._shown import raised, sentence, shown
from leanebm.errors import ConfigError
from leanebm.pipeline._oversight import MAY_BE_RAISED
from leanebm.pipeline._parameters import fields_of, parameters_of
from leanebm.pipeline.parts import Part
from leanebm.search.stacked import stack_of


def refuse_unready(config: object, *, leaving_out: type | tuple[()] = ()) -> None:
    """Ask every part in ``config`` that has a ``check_ready``, be it inside another part.

    An object is asked ``check_ready()``. A part that is still to be built has no object yet: its class's static or
    class method is asked, with those of the part's settings that were given and that it names.

    Raises:
        ConfigError: some are not ready; what each says is listed.
    """
    asked = [(value, path) for value, path in _held(config, "$", {}) if not isinstance(value, leaving_out)]
    problems = [f"{objection} @ {path}" for value, path in asked for objection in _objections(value)]
    if problems:
        raise ConfigError("a part is not ready, so nothing was started:", problems)


def _held(value: object, path: str, seen: dict[int, object]) -> Iterator[tuple[object, str]]:
    """``value`` and what it was made with, however deep, each once."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    yield value, path
    for step, each in _made_with(value):
        yield from _held(each, f"{path}{step}", seen)


def _made_with(value: Any) -> list[tuple[str, object]]:
    if isinstance(value, list | tuple):
        return [(f"[{number}]", each) for number, each in enumerate(value)]
    if isinstance(value, Part | Mapping):
        return [(f".{key}", each) for key, each in (value.fields if isinstance(value, Part) else value).items()]
    try:
        return [(f".{name}", each) for name, (_, each) in fields_of(value).items()]
    except Exception:  # noqa: BLE001 - what a value was made with need not be known: nothing of it will be asked
        return []


def _objections(value: object) -> Iterator[str]:
    asked, settings = [value], dict[str, Any]()
    if isinstance(value, Part):
        asked, settings = [*(stack_of(value.factory) or [value.factory])], {**value.fields}
    for part in asked:
        if (objection := _objection(part, settings)) is not None:
            name = part.__qualname__ if isinstance(part, type) else type(part).__qualname__
            yield f"{name}: {objection}"


def _objection(part: object, settings: Mapping[str, object]) -> str | None:
    try:
        ask = getattr(part, "check_ready", None)
        answer = ask(**parameters_of(ask).those_named(settings)) if callable(ask) else None
    except (ConfigError, ValueError) as error:
        return sentence(error)
    except MAY_BE_RAISED as error:
        return f"its check_ready raised {raised(error)}"
    return None if answer is None else f"its check_ready must raise what is wrong; it returned {shown(answer)}"
