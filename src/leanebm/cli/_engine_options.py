"""Options that say who does a run's work."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from leanebm.cli._sections import Choice, decorated

if TYPE_CHECKING:
    from leanebm.pipeline import Engine

C = TypeVar("C", bound=Callable[..., Any])

_SHARD = click.option(
    "--shard",
    metavar="K/N",
    help="With --engine shards, do the K-th of N shares, and nothing else.  [default: claim one after the other]",
)

_ENGINE = (
    click.option(
        "--engine",
        "engine_name",
        type=Choice(["local", "shards", "ray"]),
        default="local",
        show_default=True,
        help="Who works: this process alone; this one beside others, on any machine, that were started by the same "
        "command and share the output folder; or the nodes of a Ray cluster that see the output folder.",
    ),
    _SHARD,
    click.option(
        "--lease-s",
        type=click.FloatRange(min=0.0, min_open=True),
        default=120.0,
        show_default=True,
        metavar="S",
        help="With --engine shards or ray, seconds without a sign of life after which a worker's theorems are given to "
        "others.",
    ),
    click.option(
        "--ray-address",
        metavar="HOST:PORT",
        help="With --engine ray, the cluster; 'local' starts one of this machine alone.  [default: RAY_ADDRESS, or the "
        "one that runs on this machine]",
    ),
    click.option(
        "--longest-first",
        type=click.Path(path_type=Path),
        metavar="RUN",
        help="With --engine shards or ray, begin with what took longest in that earlier run.",
    ),
)


def engine_options(*, shares: bool = True) -> Callable[[C], C]:
    """Add the options that say who does a run's work; the command gets an ``engine``.

    Args:
        shares: whether the command can do a share of the work, and need not see what came of all of it.
    """
    options = [option for option in _ENGINE if shares or option is not _SHARD]

    def with_options(command: C) -> C:
        return cast("C", decorated(_with_engine(command), options))

    return with_options


def _with_engine(command: C) -> C:
    @functools.wraps(command)
    def with_engine(
        *,
        engine_name: str,
        lease_s: float,
        ray_address: str | None,
        longest_first: Path | None,
        shard: str | None = None,
        **parameters: Any,
    ) -> Any:
        from leanebm.pipeline import LocalEngine, RayEngine, ShardsEngine, Share
        from leanebm.trajectory import read_trajectory

        if shard is not None and engine_name != "shards":
            raise click.UsageError(
                "a share is for workers that share a folder: add --engine shards, or leave out --shard"
            )
        source = click.get_current_context().get_parameter_source("lease_s")
        if source is not click.core.ParameterSource.DEFAULT and (engine_name == "local" or shard is not None):
            raise click.UsageError(
                "--lease-s is for workers that take over from one another: add --engine shards or ray, or leave it out"
            )
        if engine_name != "ray" and ray_address is not None:
            raise click.UsageError("--ray-address is for --engine ray")
        if longest_first is not None and (engine_name == "local" or shard is not None):
            raise click.UsageError("--longest-first is for workers that take one theorem after the other: leave it out")
        known = () if longest_first is None else read_trajectory(longest_first).records
        expected_s = {record.theorem.name: record.wall_s for record in known}
        engine: Engine = LocalEngine()
        if engine_name == "shards":
            share = None if shard is None else Share.parse(shard)
            engine = ShardsEngine(share=share, expires_s=lease_s, expected_s=expected_s)
        if engine_name == "ray":
            engine = RayEngine(address=ray_address, expected_s=expected_s, lease_s=lease_s)
        return command(engine=engine, **parameters)

    return cast("C", with_engine)
