"""Makes or starts a run's parts on trial, so that what is wrong with one does not come out after hours of searching."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final, TypeVar

from leanebm.core import EnergyModel, Goal, ProofState, StateEncoder, StateRef, TacticPolicy
from leanebm.errors import ConfigError
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.energy.guidance import check_guidance
from leanebm.pipeline.events import Observer, stage
from leanebm.pipeline.parts import FAMILIES, Part
from leanebm.pipeline.workbench import StartedParts, refuse_parts, start_parts
from leanebm.policy import PolicyClient

T = TypeVar("T")

PartsStarter = Callable[[RunConfig, Observer], AbstractAsyncContextManager[StartedParts]]

SAMPLE_STATE: Final = ProofState(
    goals=(Goal(text="n : Nat\n⊢ n + 0 = n", target="n + 0 = n"),), key="sample", ref=StateRef(-1, -1)
)
"""What an encoder is shown on trial."""


def make_on_trial(config: RunConfig, *, leaving_out: type | tuple[()] = ()) -> None:
    """Make each part of a run once, and throw it away: nothing is entered, no server is asked, no weights are read.

    A part that asks for the policy server gets the client that it would get, which is connected to nothing.

    Args:
        config: whose parts.
        leaving_out: those that may still become ready.

    Raises:
        ConfigError: a part is not ready or could not be made, or the head does not fit the scorer.
        EnergyError: there is no head, or its header is damaged.
    """
    _in_a_loop(partial(refuse_parts, config, leaving_out=leaving_out))
    check_guidance(config.energy, config.scorer)
    parts, server = config.parts, PolicyClient(config.policy)
    given: dict[str, object] = {"encoder": server, "seed": config.seed}
    policy = part_on_trial(TacticPolicy, parts.policy, "$.parts.policy", policy=server, **given)
    given |= {"policy": server if policy is None else policy}
    part_on_trial(EnergyModel, parts.energy_model, "$.parts.energy_model", **given)
    if config.energy.path is not None:
        part_on_trial(StateEncoder, parts.encoder, "$.parts.encoder", encoder=server)


def part_on_trial(interface: Any, plugged: object, place: str, **supplied: object) -> object:
    """Make a part, if it is still to be made, and see that it has the methods of its kind; it is not entered.

    Args:
        interface: what it is plugged in as.
        plugged: as a setting holds it.
        place: the setting, for messages.
        supplied: what a run would give it.

    Raises:
        ConfigError: it could not be made, or is of another kind.
    """
    part = _in_a_loop(partial(plugged.build, **supplied)) if isinstance(plugged, Part) else plugged
    if part is not None and not isinstance(part, AbstractAsyncContextManager):  # which may turn into another object
        try:
            FAMILIES[interface].check(part)
        except TypeError as error:
            raise ConfigError(f"{error} @ {place}") from error
    return part


def _in_a_loop(make: Callable[[], T]) -> T:
    """Call ``make`` as a run does, whose event loop a constructor may count on."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        is_in_one = False
    else:
        is_in_one = True

    async def made() -> T:
        return make()

    return make() if is_in_one else asyncio.run(made())


async def start_on_trial(
    config: RunConfig, observer: Observer, name: str, starting: PartsStarter = start_parts
) -> None:
    """Start each part of a run but Lean and the search, as the run will, and end it again.

    A head and its encoder are asked about a state, so that vectors that do not fit are found.

    Args:
        config: whose parts.
        observer: is told what happens.
        name: the run's, for a person.
        starting: starts them.

    Raises:
        ConfigError, PolicyError, EnergyError, PartBroken: as :func:`~leanebm.pipeline.open_workbench`.
    """
    with stage(observer, "trying the parts", f"of {name}"):
        async with starting(config, observer) as parts:
            if config.energy.path is not None and parts.energy is not None:
                await parts.energy.energies([SAMPLE_STATE])
