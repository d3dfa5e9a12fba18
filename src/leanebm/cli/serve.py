"""``leanebm serve``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from leanebm._shown import reason, sentence
from leanebm.cli._echo import echo
from leanebm.cli._options import model_folder
from leanebm.cli._running import Interrupted, run_to_end
from leanebm.cli._sections import Choice, decorated
from leanebm.errors import ConfigError

if TYPE_CHECKING:
    from leanebm.serve import Backend, ServeConfig

_MODEL_OPTIONS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (
        "--model",
        {
            "metavar": "PATH",
            "help": "Folder of a Hugging Face causal language model; or 'logic', which ships.",
        },
    ),
    ("--dtype", {"type": Choice(["auto", "float32", "bfloat16", "float16"]), "help": "Format of its weights."}),
    ("--device", {"metavar": "NAME", "help": "cpu, cuda, cuda:1 …; auto takes CUDA where there is one."}),
    ("--attention", {"metavar": "NAME", "help": "Implementation of attention, as transformers names it."}),
    ("--adapter", {"metavar": "NAME=PATH", "multiple": True, "help": "A LoRA adapter to load; may be repeated."}),
    ("--weight-version", {"metavar": "TEXT", "help": "What to call the weights.  [default: a hash of their files]"}),
    ("--max-context", {"type": int, "metavar": "N", "help": "Longest prompt with its completion, in tokens."}),
    ("--max-sequences", {"type": int, "metavar": "N", "help": "Completions made at a time.  [default: 64]"}),
    ("--max-batch-tokens", {"type": int, "metavar": "N", "help": "Tokens of one pass over prompts.  [default: 8192]"}),
    (
        "--max-cache-tokens",
        {"type": int, "metavar": "N", "help": "Tokens whose keys and values are kept.  [default: half the memory]"},
    ),
    ("--trust-remote-code", {"is_flag": True, "default": None, "help": "Let Python code in the model's folder run."}),
)
"""What only a model has; those left out stay at their defaults."""


@click.command()
@click.option(
    "--backend",
    type=Choice(["template", "hf"]),
    default="template",
    show_default=True,
    help="What proposes the tactics.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=30000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="Another host name that requests may be sent to, as behind a proxy; may be repeated. "
    "Without a key, only this machine's names will do.",
)
@click.option("--api-key", envvar="LEANEBM_API_KEY", show_envvar=True, help="The key that clients must send.")
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of sampling.  [default: 0 with template, a fresh one with hf]"
)
@partial(decorated, options=[click.option(name, **settings) for name, settings in _MODEL_OPTIONS])
def serve(
    *,
    backend: str,
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
    api_key: str | None,
    seed: int | None,
    **model: Any,
) -> None:
    """Serve a policy over HTTP, with the wire contract of SGLang.

    The template backend is symbolic: it looks at the goal and proposes tactics by rule; there is no model to
    load. The hf backend samples from a language model, and gives the states' embeddings that an energy head
    is trained on.
    """
    from leanebm.serve import ServeConfig

    try:
        config = ServeConfig(host=host, port=port, allowed_hosts=allowed_hosts, api_key=api_key)
    except ValueError as error:
        raise ConfigError(sentence(error)) from error
    given = {name: value for name, value in model.items() if value not in (None, ())}
    try:
        run_to_end(_serve(config, _backend(backend, seed, given)))
    except Interrupted:
        echo("Stopped.", err=True)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {reason(error)}") from error


def _backend(name: str, seed: int | None, given: dict[str, Any]) -> Backend:
    from leanebm.serve import HfBackend, HfConfig, TemplateBackend

    if name == "template":
        if given:
            options = ", ".join(f"--{option.replace('_', '-')}" for option in sorted(given))
            raise ConfigError(f"the template backend has no model: {options} is for --backend hf")
        return TemplateBackend(seed=seed or 0)
    if "model" not in given:
        raise ConfigError("--backend hf needs a model: give its folder with --model PATH, or --model logic")
    given["model"] = model_folder(given["model"])
    adapters = _adapters(given.pop("adapter", ()))
    try:
        return HfBackend(HfConfig(**given, adapters=adapters, seed=seed))
    except (ValueError, TypeError) as error:
        raise ConfigError(sentence(error)) from error


def _adapters(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    problems = [
        f"{text!r} is not NAME=PATH" for text, (name, _, path) in zip(given, pairs, strict=True) if not (name and path)
    ]
    names = [name for name, _, _ in pairs]
    problems += [f"{name!r} is given twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if problems:
        raise ConfigError("--adapter is wrong", problems)
    return {name: path for name, _, path in pairs}


async def _serve(config: ServeConfig, backend: Backend) -> None:
    from leanebm.serve import PolicyServer

    async with PolicyServer(config, backend) as server:
        echo(f"serving {backend.description.model_path} at {server.url}")
        form = backend.prompt_formats.get("")
        shown = "" if form is None else f" --prompt-format {form}"
        echo(f"try:  leanebm prove 'True ∧ True' --server-url {server.url}{shown}", err=True)
        echo("stop it with Ctrl-C", err=True)
        await server.serve_forever()
