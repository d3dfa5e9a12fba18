"""``leanebm finetune``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from leanebm._extras import extra_needed
from leanebm.cli._echo import echo
from leanebm.cli._options import RUN, Setting, model_folder, overrides, shared_addresses
from leanebm.cli._running import name_options, run_to_end, saying_when_stopped
from leanebm.cli._sections import Choice, decorated, output_option, writable_before_any_work
from leanebm.errors import ConfigError, PolicyUnavailable

if TYPE_CHECKING:
    from leanebm.pipeline import FinetuneConfig
    from leanebm.pipeline.finetune.finetune_run import FinetuneReport


def _all_of_them(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> list[str] | None:
    return list(names) or None


_SETTINGS: Final = (
    Setting("--continue-from", "continue_from", click.Path(exists=True, file_okay=False),
            "Go on from this adapter, in its shape; without it, begin a fresh one.", "ADAPTER"),
    Setting("--whole", "whole", bool, "Let the whole model learn, and make no adapter.", is_flag=True),
    Setting("--learn", "learn", Choice(["proofs", "goals", "whole_proofs", "accepted"]),
            "What to learn: steps of certified proofs; with goals also a step for each goal that a search closed; "
            "whole_proofs, those goals with their proofs; or accepted, all tactics that led on.  [default: proofs]"),
    Setting("--renamed-copies", "renamed_copies", int,
            "Copies of each pair with variables under one another's names.  [default: 0]", "N"),
    Setting("--prompt-format", "prompt_format", str, "How states are shown.  [default: state_comment]", "NAME"),
    Setting("--prompt-weight", "prompt_weight", float,
            "Weight of the loss on the prompt itself, for a model from nothing.  [default: 0]", "W"),
    Setting("--unlikelihood", "unlikelihood", float,
            "Weight of the loss on tactics that Lean refused.  [default: 0]", "W"),
    Setting("--epochs", "epochs", float, "How often each pair is seen.  [default: 3]", "E"),
    Setting("--steps", "max_steps", int, "Training steps, in place of --epochs.", "N"),
    Setting("--learning-rate", "learning_rate", float, "The learning rate at its height.  [default: 0.0002]", "R"),
    Setting("--batch-size", "batch_size", int, "Pairs per training step.  [default: 16]", "N"),
    Setting("--max-tokens", "max_tokens", int,
            "Longest prompt with its tactic; a longer prompt loses its beginning.  [default: 1024]", "N"),
    Setting("--max-batch-tokens", "max_batch_tokens", int,
            "Tokens per pass; fewer take less memory.  [default: 2048]", "N"),
    Setting("--rank", "rank", int, "Rank of the matrices added to each layer.  [default: 16]", "R"),
    Setting("--alpha", "alpha", int, "Scale of these matrices, as A / R.  [default: twice the rank]", "A"),
    Setting("--target-module", "target_modules", str,
            "A layer to add to, such as q_proj; repeatable.  [default: all linear ones]", "NAME", gather=_all_of_them),
    Setting("--qlora", "qlora", bool,
            "Keep the model in 4 bits during training; needs CUDA and bitsandbytes.", is_flag=True),
    Setting("--gradient-checkpointing", "gradient_checkpointing", bool,
            "Use less memory, but compute twice.", is_flag=True),
    Setting("--patience", "patience", int, "Evaluations without improvement after which training ends.", "N"),
    Setting("--seed", "seed", int, "Seed of all that is random.  [default: 0]", "N"),
    Setting("--device", "device", str, "cpu, cuda, cuda:1 …; auto takes CUDA where there is one.", "NAME"),
    Setting("--dtype", "dtype", Choice(["auto", "float32", "bfloat16", "float16"]), "Format of the weights."),
    Setting("--trust-remote-code", "trust_remote_code", bool,
            "Let Python code in the model's folder run.", is_flag=True),
)  # fmt: skip

_OPTION_OF: Final = {
    **{setting.path: setting.option for setting in _SETTINGS},
    "base": "what --model holds",
    "lessons": "what RUN and --pairs hold",
}
"""What a person gave for a setting that a folder keeps."""


@click.command()
@click.argument("runs", metavar="[RUN...]", nargs=-1, type=RUN)
@click.option(
    "--model",
    required=True,
    metavar="PATH",
    help="Folder of a Hugging Face causal language model, or 'logic', which comes with leanebm.",
)
@click.option(
    "--pairs",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="A file that export wrote; repeatable.",
)
@output_option("Where the adapter or the model, and the report go.")
@click.option("--merge", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              callback=writable_before_any_work,
              help="Write the model with the adapter added into it, too.")  # fmt: skip
@click.option("--load-into", multiple=True, callback=shared_addresses, metavar="URL",
              help="Have the policy server there load the adapter at the end; repeatable.")  # fmt: skip
@click.option("--adapter-name", metavar="NAME", help="What that server is to call it.  [default: OUTPUT's name]")
@click.option(
    "--api-key", metavar="KEY", envvar="LEANEBM_API_KEY", show_envvar=True, help="The key that this server asks for."
)
@partial(decorated, options=[setting.decorate for setting in _SETTINGS])
def finetune(
    *,
    model: str,
    runs: tuple[Path, ...],
    pairs: tuple[Path, ...],
    output: Path,
    merge: Path | None,
    load_into: str | None,
    adapter_name: str | None,
    api_key: str | None,
    **settings: Any,
) -> None:
    """Fine-tune a language model on tactics of certified proofs, into a LoRA adapter.

    Each RUN is a run's folder, its trajectory, or one shard of it. Some theorems are held out; OUTPUT/adapter is
    what did best on them, or OUTPUT/model with --whole, and OUTPUT/report.json says how well, and whether the
    embeddings still tell states apart. Stop it with Ctrl-C at any time; the same command goes on.
    """
    from leanebm.cli._display import open_display

    with extra_needed("serve", "fine-tuning"):
        from leanebm.pipeline.finetune.finetune_run import FinetuneRun, merge_adapter
        from leanebm.pipeline.finetune.merge import require_vacant
    from leanebm.pipeline import FinetuneSources

    if settings["whole"] and (merge is not None or load_into is not None):
        raise ConfigError("with --whole there is no adapter to merge or to load: serve the model that is made")
    if adapter_name is not None and load_into is None:
        raise click.UsageError("--adapter-name is for the server of --load-into: name that, or leave it out")
    if merge is not None:
        require_vacant(merge)
    name = adapter_name or output.resolve().name
    if load_into is not None:
        try:
            run_to_end(_offer(load_into, api_key, name, output / "adapter", is_made=False))
        except PolicyUnavailable as absent:
            echo(f"{absent}. It may be started meanwhile: it is told of the adapter at the end", err=True)
    sources = FinetuneSources(trajectories=runs, pairs=pairs)
    config = _config(model, settings)
    name_options(_OPTION_OF)
    stopped = f"\nStopped. Kept in {output}; the same command goes on."
    with saying_when_stopped(lambda: stopped), open_display() as display:
        report = run_to_end(FinetuneRun(config, sources, output, observer=display).run())
    _print(report, output)
    if merge is not None:
        merge_adapter(model, report.adapter, merge, trust_remote_code=config.trust_remote_code)
        echo(f"merged model: {merge}")
    if load_into is not None:
        try:
            run_to_end(_offer(load_into, api_key, name, Path(report.adapter).resolve(), is_made=True))
        except PolicyUnavailable as absent:
            kept = "the adapter is made and kept; start the server, and give the same command again"
            raise PolicyUnavailable(f"{absent}: {kept}") from absent
        echo(f"loaded as {name}; search with --server-url {load_into} --adapter {name}")


def _print(report: FinetuneReport, output: Path) -> None:
    for line in report.lines():
        echo(line)
    echo(f"report:  {output / 'report.json'}")
    echo(f"{Path(report.adapter).name}: {report.adapter}; search with --prompt-format {report.prompt_format}")


async def _offer(url: str, api_key: str | None, name: str, adapter: Path, *, is_made: bool) -> None:
    """See that the server has no other adapter under the name, and have it load this one once it is made.

    Raises:
        ConfigError: it has another one.
    """
    from leanebm.policy import PolicyClient, PolicyClientConfig
    from leanebm.serve.backends.hf.folder import adapter_hash

    async with PolicyClient(PolicyClientConfig(url=url, api_key=api_key)) as client:
        loaded = (await client.model_info()).adapters.get(name)
        if loaded is None and is_made:
            await client.load_adapter(name, str(adapter))
    if loaded is not None and loaded != adapter_hash(adapter):
        raise ConfigError(
            f"the server at {url} has another adapter called {name}:",
            ["choose another name, or unload that one there @ --adapter-name"],
        )


def _config(model: str, given: Mapping[str, Any]) -> FinetuneConfig:
    """The settings that were given, laid over the defaults."""
    from leanebm.pipeline import FinetuneConfig, Override, structure_with

    found = overrides({setting: given[setting.parameter] for setting in _SETTINGS})
    return structure_with([Override("model", model_folder(model), "--model"), *found], {}, FinetuneConfig)
