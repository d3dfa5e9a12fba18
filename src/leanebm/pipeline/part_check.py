"""Checks a part that a user wrote against the contract of its kind, outside any run."""

from __future__ import annotations

import inspect
import logging
import re
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import attrs

from leanebm._shown import raised
from leanebm.core import (
    Candidate,
    EncoderIdentity,
    EnergyModel,
    ProofSearch,
    StateEncoder,
    StateScorer,
    TacticPolicy,
)
from leanebm.errors import ConfigError
from leanebm.lean import LeanBackend
from leanebm.pipeline._concurrently import together
from leanebm.pipeline._oversight import MAY_BE_RAISED
from leanebm.pipeline._parameters import Factory
from leanebm.pipeline.parts import FAMILIES, Family, Part, enter_part, find_factory
from leanebm.pipeline.settings import structure_arguments
from leanebm.testing import (
    ContractBroken,
    ScriptedPolicy,
    check_backend,
    check_certifier,
    check_encoder,
    check_energy_model,
    check_environment,
    check_policy,
    check_scorer,
    check_search,
    hashed_embedding,
)

_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class PartReport:
    """What a check found."""

    kind: str
    """What the part was taken for, such as ``scorer``."""

    checked: str
    """What was checked, in a sentence."""

    problems: tuple[str, ...] = ()
    """How the part breaks its contract; empty if it keeps it."""


@attrs.frozen(kw_only=True)
class _Kind:
    family: Family
    check: Callable[..., Awaitable[None]]


_KINDS: Final[Mapping[str, _Kind]] = {
    "scorer": _Kind(family=FAMILIES[StateScorer], check=check_scorer),
    "policy": _Kind(family=FAMILIES[TacticPolicy], check=check_policy),
    "search": _Kind(family=FAMILIES[ProofSearch], check=check_search),
    "energy-model": _Kind(family=FAMILIES[EnergyModel], check=check_energy_model),
    "backend": _Kind(family=FAMILIES[LeanBackend], check=check_backend),
    "encoder": _Kind(family=FAMILIES[StateEncoder], check=check_encoder),
    "environment": _Kind(family=Family(noun="environment", group="", methods=("open",)), check=check_environment),
    "certifier": _Kind(family=Family(noun="certifier", group="", methods=("certify",)), check=check_certifier),
}

PART_KINDS: Final = tuple(_KINDS)
"""The kinds of parts that can be checked."""


async def check_part(table: Mapping[str, object], *, kind: str | None = None) -> PartReport:
    """Make the part that ``table`` names, and check it against the contract of its kind.

    What a run would supply is made up: a policy of three tactics, and an encoder whose vectors mean nothing.

    Args:
        table: the part's ``kind`` and its settings, as a TOML file holds them.
        kind: one of :data:`PART_KINDS`; ``None`` takes it from the methods of its class.

    Raises:
        ConfigError: there is no such part, its settings are wrong, or its class does not show what it is.
    """
    name = table.get("kind")
    if kind is None:
        kind = _guess(name)
    chosen = _KINDS[kind]
    factory = _factory(chosen.family, name)
    settings = {key: value for key, value in table.items() if key != "kind"}
    part: Part[Any] = Part(
        factory, structure_arguments(settings, factory, supplied=chosen.family.supplied, source=f"{name}")
    )
    return PartReport(kind=kind, checked=_promise(chosen.check), problems=await _problems(part, chosen))


def _guess(name: object) -> str:
    if not isinstance(name, str) or ":" not in name:
        raise ConfigError(f"{name} is not package.module:Name: say of which kind it is @ --kind")
    factory = _factory(FAMILIES[StateScorer], name)
    fitting = [kind for kind, each in _KINDS.items() if all(hasattr(factory, method) for method in each.family.methods)]
    if len(fitting) != 1 or not isinstance(factory, type):
        found = f"it has the methods of several: {', '.join(fitting)}" if fitting else "it has the methods of none"
        raise ConfigError(
            f"cannot tell what {name} is:",
            [f"{found}; say which of {', '.join(PART_KINDS)} it is meant to be @ --kind"],
        )
    return fitting[0]


def _factory(family: Family, name: object) -> Factory:
    try:
        return find_factory(family, name)
    except ValueError as error:
        raise ConfigError(f"there is nothing to check: {error}") from error


def _promise(check: Callable[..., Awaitable[None]]) -> str:
    first = (inspect.getdoc(check) or "").partition("\n")[0]
    return re.sub(r"``(\w+)``", r"the \1", first).removeprefix("Check that ")


async def _problems(part: Part[Any], kind: _Kind) -> tuple[str, ...]:
    async with together() as tasks:
        checking = tasks.create_task(_found_wrong(part, kind))
    if checking.cancelled():
        return ("it raised CancelledError, or cancelled the task that it runs in, and nobody had cancelled it",)
    return checking.result()


async def _found_wrong(part: Part[Any], kind: _Kind) -> tuple[str, ...]:
    try:
        if kind.check is check_search:
            await check_search(part.build)
        else:
            async with AsyncExitStack() as stack:
                await kind.check(await enter_part(stack, kind.family, part, **_stand_ins()))
    except ContractBroken as broken:
        return broken.problems
    except ConfigError:
        raise
    except MAY_BE_RAISED as error:  # that is what is wrong
        _log.info("the part raised", exc_info=True)
        return (f"it raised {raised(error)} (-v shows where)",)
    return ()


def _stand_ins() -> dict[str, object]:
    """What a run supplies to parts that name it."""
    candidates = [Candidate(tactic, -1.0 - number) for number, tactic in enumerate(("intro n", "rfl", "simp"))]
    return {"policy": ScriptedPolicy(script={}, default=candidates), "encoder": _StandInEncoder(), "seed": 0}


class _StandInEncoder:
    """Gives every text a vector of its own, which means nothing."""

    async def identity(self) -> EncoderIdentity:
        return EncoderIdentity(model="stand-in", pooling="mean", is_normalized=False, dim=8)

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", hashed_embedding(text)) for text in texts]
