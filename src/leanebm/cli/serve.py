"""``leanebm serve``."""

from __future__ import annotations

import click

from leanebm.cli.running import Interrupted, run_to_end
from leanebm.errors import ConfigError
from leanebm.serve import PolicyServer, ServeConfig, TemplateBackend

__all__ = ["serve"]


@click.command()
@click.option("--backend", type=click.Choice(["template"]), default="template", show_default=True, help="What answers.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=30000, show_default=True, help="0 takes a free one.")
@click.option("--api-key", envvar="LEANEBM_API_KEY", show_envvar=True, help="What clients must show.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of sampling.")
def serve(*, backend: str, host: str, port: int, api_key: str | None, seed: int) -> None:  # noqa: ARG001
    """Serve a policy over HTTP, with the wire contract of SGLang.

    The template backend is symbolic: it looks at the goal and proposes tactics by rule; there is no model to
    load.
    """
    config = ServeConfig(host=host, port=port, api_key=api_key)
    try:
        run_to_end(_serve(config, seed))
    except Interrupted:
        click.echo("Stopped.")
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


async def _serve(config: ServeConfig, seed: int) -> None:
    async with PolicyServer(config, TemplateBackend(seed=seed)) as server:
        click.echo(f"serving the template policy at {server.url}")
        click.echo(f"try:  leanebm prove 'True ∧ True' --server-url {server.url}")
        click.echo("stop it with Ctrl-C")
        await server.serve_forever()
