"""Records runs on a cassette, and replays them from one."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs

from leanebm.cassette import Cassette
from leanebm.core import StateScorer
from leanebm.errors import ConfigError
from leanebm.pipeline._readiness import refuse_unready
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.energy.guidance import EnergyConfig
from leanebm.pipeline.events import Observer
from leanebm.pipeline.settings import settings_that_matter, structure_settings, to_toml
from leanebm.pipeline.workbench import Workbench, WorkbenchOpener, open_workbench
from leanebm.storage import settings_leaves

_ANSWERS_DEPEND_ON: Final = ("$.lean", "$.policy", "$.seed", "$.without")
"""Settings that a replay cannot change: what they shaped was answered when it was recorded."""


def taped(cassette: Cassette, opening: WorkbenchOpener = open_workbench) -> WorkbenchOpener:
    """Start a workbench whose parts are recorded by ``cassette``, or replayed from it.

    In a replay nothing is started: no Lean, no server, no model and no energy head. The search and the scorer are the
    settings' own, so that another order can be tried over the recorded answers, as far as these go.

    Args:
        cassette: what records or replays.
        opening: starts the real parts, where they are recorded.
    """

    @asynccontextmanager
    async def recording(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        async with opening(config, observer) as bench:
            cassette.note(
                settings=to_toml(_for_replay(config, bench.scorer)),
                energy_head=config.energy.digest,
                has_energy=bench.energy is not None,
                lean_version=bench.lean_version,
                backend=config.lean.backend.name,
                served=dict(bench.served),
            )
            yield attrs.evolve(
                bench,
                policy=cassette.policy(bench.policy),
                environment=cassette.environment(bench.environment),
                certifier=cassette.certifier(bench.certifier),
                energy=None if bench.energy is None else cassette.energy_model(bench.energy),
                files=None,
            )

    @asynccontextmanager
    async def replaying(config: RunConfig, _: Observer) -> AsyncIterator[Workbench]:
        recorded = recorded_settings(cassette)
        _check(cassette, recorded, config)
        refuse_unready({"scorer": config.scorer, "parts": {"search": config.parts.search}})  # all that is not replayed
        about = cassette.about
        yield Workbench(
            policy=cassette.policy(),
            # A head's scorer has the head's units in it: it was written down with them.
            scorer=config.scorer if config.energy.path is None else recorded.scorer,
            environment=cassette.environment(),
            certifier=cassette.certifier(),
            energy=cassette.energy_model() if about.get("has_energy") else None,
            lean_version=str(about.get("lean_version")),
            served={**about.get("served", {}), "replayed": True},
            make_search=config.parts.search.build,
        )

    return replaying if cassette.is_replay else recording


def recorded_settings(cassette: Cassette) -> RunConfig:
    """The settings of a run that was recorded, with what a replay does not need left out.

    Raises:
        ConfigError: the cassette is of no run, or a part of its author's own cannot be found here.
    """
    return structure_settings(tomllib.loads(recorded_toml(cassette)), RunConfig, source="the cassette")


def recorded_toml(cassette: Cassette) -> str:
    """The settings of a run that was recorded, as TOML.

    Raises:
        ConfigError: the cassette is of no run.
    """
    settings = cassette.about.get("settings")
    if not isinstance(settings, str):
        raise ConfigError("the cassette does not say with which settings it was recorded: it is not of a run")
    return settings


def _for_replay(config: RunConfig, scorer: StateScorer) -> RunConfig:
    """``config`` without what only makes answers, and with the scorer that was in use."""
    return attrs.evolve(
        config, scorer=scorer, energy=EnergyConfig(), parts=attrs.evolve(config.parts, policy=None, energy_model=None)
    )


def _check(cassette: Cassette, recorded: RunConfig, config: RunConfig) -> None:
    """Refuse settings that a replay would only seem to follow."""
    problems = []
    if config.energy.path is not None and config.energy.digest != cassette.about.get("energy_head"):
        problems.append("another energy head, or none, guided the search that was recorded @ $.energy.path")
    held, wanted = (_leaves(_for_replay(each, each.scorer)) for each in (recorded, config))
    problems += [
        f"{wanted.get(path)!r}, recorded with {held.get(path)!r} @ {path}"
        for path in sorted({*held, *wanted})
        if held.get(path) != wanted.get(path) and path.startswith(_ANSWERS_DEPEND_ON)
    ]
    if problems:
        raise ConfigError("the answers of this recording were given under other settings:", problems)


def _leaves(config: RunConfig) -> dict[str, Any]:
    return dict(settings_leaves("$", settings_that_matter(config)))


def refuse_clock(config: RunConfig) -> None:
    """Refuse to record a search that the clock may end: its replay would be faster, and go on.

    Raises:
        ConfigError: the budget has a limit in seconds.
    """
    if config.search.budget.max_wall_s is not None:
        raise ConfigError(
            "a search that a clock may end cannot be recorded, because a replay of it takes less time:",
            ["limit it by --budget, and leave this out @ --wall-s"],
        )
