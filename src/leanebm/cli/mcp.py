"""``leanebm mcp``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leanebm.cli._options import run_options
from leanebm.cli._running import run_to_end
from leanebm.cli._sections import SectionedCommand, count_option, seconds_option

if TYPE_CHECKING:
    from leanebm.pipeline import RunConfig


@click.command(cls=SectionedCommand)
@count_option("--max-sessions", 8, "Proofs that may be open at a time.")
@seconds_option("--idle-s", 900.0, "Seconds after which a proof that nobody asks about is closed.")
@run_options(many=False)
def mcp(*, max_sessions: int, idle_s: float, config: RunConfig) -> None:
    """Serve proofs to an agent, by the Model Context Protocol over standard input and output.

    Its tools are open, step, close, prove and certify. It ends when the client hangs up.
    """
    from leanebm.pipeline import ServiceLimits, serve_mcp

    run_to_end(serve_mcp(config, limits=ServiceLimits(max_sessions=max_sessions, idle_s=idle_s)))
