"""Options that several commands share, each bound to the setting that it overrides."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, final

import attrs
import click

from leanebm._fields import EMBEDDED_WORKER_MIB, MAX_RSS_MIB_WITH_MORE
from leanebm.cli._echo import echo
from leanebm.cli._running import name_options, with_options
from leanebm.cli._sections import Choice, SectionOption, decorated
from leanebm.cli._tape import Tape
from leanebm.errors import ConfigError

if TYPE_CHECKING:
    from leanebm.pipeline import Override, RunConfig

ENCODERS = ("encode_pooled", "sglang_hidden_states", "sglang_encode", "openai_embeddings")
"""As :class:`~leanebm.policy.EncoderBackend` has them; to import it would load what talks to servers."""

_APIS = ("auto", "sglang", "openai", "openai-chat")
"""As :class:`~leanebm.policy.PolicyApi` has them."""

PROMPT_FORMAT_WORDS = (
    "bfs_prover",
    "chat",
    "first_goal",
    "goal_digest",
    "internlm2_5_step",
    "internlm2_math",
    "internlm2_step",
    "llmstep",
    "ntp",
    "prefix",
    "reprover",
    "state_comment",
)
"""As :data:`~leanebm.policy.PROMPT_FORMATS` has them."""

C = TypeVar("C", bound=Callable[..., Any])


_SECTIONS = (
    ("lean", "Lean"),
    *((start, "Energy") for start in ("energy", "parts.energy_model", "parts.encoder", "policy.encoder")),
    *((start, "Policy and its server") for start in ("policy", "parts.policy", "without")),
    ("", "Search"),
)
"""In which section of ``--help`` an option is, by how the setting's path begins."""


@attrs.frozen
class Setting:
    """An option of the command line that stands for a setting of the file."""

    option: str
    path: str
    kind: click.ParamType[Any] | type
    help: str
    metavar: str | None = None
    read: Callable[[Any], object] = lambda value: value
    envvar: str | None = None
    is_flag: bool = False
    gather: Callable[..., object] | None = None
    """Makes one value of all that were given, for an option that may be repeated; a callback of click's."""

    @property
    def parameter(self) -> str:
        return self.option.removeprefix("--").replace("-", "_")

    def decorate(self, command: C) -> C:
        option = click.option(
            self.option,
            self.parameter,
            cls=SectionOption,
            section=next(title for start, title in _SECTIONS if self.path.startswith(start)),
            type=self.kind,
            is_flag=self.is_flag,
            default=None,
            metavar=self.metavar,
            help=self.help,
            envvar=self.envvar,
            show_envvar=self.envvar is not None,
            multiple=self.gather is not None,
            callback=self.gather,
        )
        return option(command)


def shared_addresses(_: click.Context, __: click.Parameter, urls: tuple[str, ...]) -> str | None:
    """An option that may be repeated, as the setting that it stands for; ``None`` where it was not given."""
    if len(urls) > 1 and any(url.startswith("file:") for url in urls):
        raise click.BadParameter("give either addresses or one file of them, not both")
    return ",".join(urls) or None


SERVERS_HELP = "May be repeated for servers that share the work; file:FILE is a list of them, read again meanwhile."

RUN = click.Path(exists=True, path_type=Path)
"""A run: its folder, its trajectory, or one shard of it."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error."
)

dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Start nothing: make each part once, say what would be done, and print the settings for --config. Neither "
    "Lean nor a server is asked, and of an energy head only the header is read.",
)


def refuse_json(*, dry_run: bool, as_json: bool) -> None:
    """A dry run prints settings in TOML, and finds nothing."""
    if dry_run and as_json:
        raise click.UsageError("--json is for what is found: leave it out, or --dry-run")


def show_plan(plan: str, settings: Any) -> None:
    """Print what would be done to standard error, and the settings, which are then alone, to standard output."""
    from leanebm.pipeline import to_toml

    echo(plan, err=True)
    echo(to_toml(settings), nl=False)


resume_anyway_option = click.option(
    "--resume-anyway",
    is_flag=True,
    help="Go on with it although settings, Lean or a part's code differ; what differs is written down.",
)


def part(text: str) -> dict[str, Any]:
    """The table that a part's word and its settings stand for."""
    from leanebm.pipeline import part_table

    return part_table(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


@final
class _HeadFolder(click.Path):
    """A head's folder; a word stands for one that is shipped."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from leanebm.pipeline import SHIPPED_HEAD, SHIPPED_MODEL_HEAD

        shipped = {"logic": SHIPPED_HEAD, "logic-model": SHIPPED_MODEL_HEAD}
        return super().convert(shipped.get(value, value), param, ctx)


def model_folder(word: str) -> str:
    """A language model's folder; a word stands for the one that is shipped."""
    from leanebm.serve import SHIPPED_POLICY

    return str(SHIPPED_POLICY) if word == "logic" else word


PART = "KIND[:key=value,…]"
"""How an option is shown that takes a part."""

_BACKEND = (
    Setting("--lean", "lean.backend", str,
            "Which Lean: embedded, native, pantograph, auto for the best that is here, or your own.  [default: auto]",
            PART, read=part),
    Setting("--project", "lean.backend.project", click.Path(exists=True, file_okay=False, path_type=Path),
            "A built Lake project whose modules theorems may use, for the native Lean or --lean pantograph.", read=str),
)  # fmt: skip

_LEAN = (
    *_BACKEND,
    Setting("--imports", "lean.imports", str, "Modules the theorems may use.  [default: Init]", "A,B", read=_names),
    Setting("--num-workers", "lean.num_workers", int,
            f"Lean processes, up to {EMBEDDED_WORKER_MIB} MiB each if embedded. Over Mathlib each shows up to 7 GB, "
            f"most of it shared, and may grow to {MAX_RSS_MIB_WITH_MORE} MiB; 2 start at a time, a start may take "
            "600 s, and a tactic 20 s instead of 5.  [default: 2]", "N"),
)  # fmt: skip

_PARTS = tuple(
    Setting(
        option,
        path,
        str,
        f"{what}: a word, or package.module:Name for your own.  [default: {default}]",
        PART,
        read=part,
    )
    for option, path, what, default in (
        ("--scorer", "scorer", "What chooses the next state", "length_normalised"),
        ("--policy", "parts.policy", "What proposes tactics", "the policy server"),
        ("--search", "parts.search", "The search's algorithm", "best_first"),
        ("--energy-model", "parts.energy_model", "What gives states energies", "the head of --ebm-path"),
        ("--state-encoder", "parts.encoder", "What makes vectors for that head", "the policy server"),
    )
)

_RUN = (
    Setting("--budget", "search.budget.max_expansions", int,
            "Expansions per theorem: states the policy is asked about.  [default: 100]", "N"),
    Setting("--wall-s", "search.budget.max_wall_s", float, "Seconds per theorem.  [default: no limit]", "S"),
    Setting("--candidates", "search.candidates_per_state", int,
            "Tactics to ask for per expansion.  [default: 16]", "N"),
    Setting("--parallel-expansions", "search.parallel_expansions", int,
            "Expansions of one theorem under way at once, for a slow policy and several workers.  [default: 1]", "K"),
    Setting("--server-url", "policy.url", str,
            f"The policy server; without it, a symbolic one is started here. {SERVERS_HELP}",
            "URL", gather=shared_addresses),
    Setting("--api", "policy.api", Choice(_APIS),
            "What the policy server speaks: SGLang's API, or OpenAI's completions or chat, as vLLM and llama.cpp do.  "
            "[default: auto]"),
    Setting("--model", "policy.model", str, "Which model of an OpenAI-compatible server.", "NAME"),
    Setting("--encode-url", "policy.encoder.url", str,
            "The server that makes embeddings, if it is not the policy's. May be repeated, too.",
            "URL", gather=shared_addresses),
    Setting("--encoder", "policy.encoder.backend", Choice(ENCODERS),
            "How that server is asked for embeddings.  [default: encode_pooled]"),
    Setting("--api-key", "policy.api_key", str, "The key that the servers ask for.", "KEY", envvar="LEANEBM_API_KEY"),
    Setting("--patience", "policy.connect_patience_s", float,
            "Seconds to go on trying a policy server that is not there yet.  [default: 10]", "S"),
    Setting("--temperature", "policy.temperature", float, "Sampling temperature.  [default: 1.0]", "T"),
    Setting("--samples-per-candidate", "policy.samples_per_candidate", int,
            "Samples to draw for each candidate, for a model that repeats itself.  [default: 1]", "K"),
    Setting("--without", "without", str, "Tactics the symbolic policy must not propose.", "A,B", read=_names),
    Setting("--adapter", "policy.adapter", str, "The LoRA adapter that the policy server is to sample with.", "NAME"),
    Setting("--prompt-format", "policy.prompt_format", Choice(PROMPT_FORMAT_WORDS),
            "How a state is shown to the policy.  [default: state_comment]"),
    Setting("--whole-proofs", "policy.whole_proofs", bool,
            "Ask for proofs to their end, and keep them, for --search whole_proofs.", is_flag=True),
    Setting("--max-tactic-tokens", "policy.max_tactic_tokens", int, "Longest tactic asked for, or proof.", "N"),
    Setting("--ebm-path", "energy.path", _HeadFolder(exists=True, file_okay=False, path_type=Path),
            "An energy head to guide the search: what train-ebm made, or one that comes with leanebm, 'logic' or "
            "'logic-model'.",
            "DIR", read=str),
    Setting("--ebm-device", "energy.device", str, "Where the head computes, such as cuda.  [default: cpu]", "NAME"),
    Setting("--beta", "energy.beta", float,
            "Weight of the energy.  [default: as tuned, or else as fitted in training]", "B"),
    Setting("--freeze-spectral", "energy.freeze_spectral", bool,
            "Score with exact spectral norms, computed once: faster, and the same at every forward.", is_flag=True),
    *_PARTS,
    *_LEAN,
)  # fmt: skip

_PLACES = ("config.", "config.run.")
"""Where a run's record and that of ``generate-negatives`` hold the settings."""

_CONCURRENCY = Setting("--concurrency", "concurrency", int, "Theorems searched at a time.  [default: 4]", "N")


def options_of_runs(*places: str) -> dict[str, str]:
    """The options that shape a search, by the setting that each stands for.

    Args:
        places: where the settings of a run stand, such as ``config.``, among others that a message may speak of.
    """
    return {
        **{f"{place}{setting.path}": setting.option for place in places for setting in (*_RUN, _CONCURRENCY)},
        "backend": "--lean",
        "lean_version": "Lean's version",
    }


def run_options(*, many: bool, without: Collection[str] = ()) -> Callable[[C], C]:
    """Add the options that shape a search; the command gets them as one ``config``.

    Args:
        many: whether the command searches many theorems, so that ``--concurrency`` means something.
        without: options whose settings the command chooses itself.
    """
    settings = (*_RUN, _CONCURRENCY) if many else _RUN
    return _options(tuple(setting for setting in settings if setting.option not in without))


def lean_options(*, many: bool) -> Callable[[C], C]:
    """Add the options that choose a Lean; the command gets them as one ``config``.

    Args:
        many: whether the command runs several workers, over modules that the user chooses.
    """
    return _options((*_LEAN, _CONCURRENCY) if many else _BACKEND)


def numbers_option(name: str, help_: str) -> Callable[[C], C]:
    """Add an option that takes numbers such as ``8,16``; the command gets a tuple, or ``None``."""

    def read(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...] | None:
        try:
            return None if text is None else tuple(float(number) for number in text.split(","))
        except ValueError:
            raise click.BadParameter(f"{text!r} is not a list of numbers such as 8,16") from None

    return click.option(name, callback=read, metavar="A,B", help=help_)


_COSTS = {
    "expansions": "expansions",
    "tactic-calls": "tactic_calls",
    "policy-calls": "policy_calls",
    "energy-calls": "energy_calls",
    "model-calls": "model_calls",
    "seconds": "wall_s",
}
"""As :class:`~leanebm.trajectory.Cost` has them."""


def cost_option(command: C) -> C:
    """Add ``--by``; the command gets a value of :class:`~leanebm.trajectory.Cost` as ``by``."""
    return click.option(
        "--by",
        type=Choice(list(_COSTS)),
        default="expansions",
        show_default=True,
        callback=lambda _, __, name: _COSTS[name],
        help="What a budget counts. Energy calls are states that a head was asked about, each encoded once; model "
        "calls are these and the policy's together. Seconds depend on what else the machine did.",
    )(command)


def tell(sentence: str) -> None:
    """Print what a person should know of the input to standard error."""
    echo(sentence, err=True)


def overrides(given: Mapping[Setting, Any]) -> list[Override]:
    """What was given for settings; ``None`` stands for what was not.

    Raises:
        ConfigError: some of it is nothing that the setting could be.
    """
    from leanebm.pipeline import Override

    found, mistakes = [], []
    for setting, value in given.items():
        try:
            if value is not None:
                found.append(Override(setting.path, setting.read(value), setting.option))
        except ValueError as error:
            mistakes.append(f"{error} @ {setting.option}")
    if mistakes:
        raise ConfigError("the command line is wrong:", mistakes)
    return found


def arm_options(command: C) -> C:
    """Add ``--arm``, and the options that shape every arm's search; the command gets the settings as ``arms``."""
    settings = (*_RUN, _CONCURRENCY)

    @functools.wraps(command)
    def with_arms(*, config_file: Path | None, arm: tuple[str, ...], **parameters: Any) -> Any:
        from leanebm.pipeline import read_run_config

        _name_settings(config_file)
        shared = overrides({setting: parameters.pop(setting.parameter) for setting in settings})
        own = dict(map(_named_arm, arm))
        if len(own) < len(arm):
            raise click.BadParameter("two arms have one name", param_hint="--arm")
        arms: dict[str, RunConfig] = {}
        for name, options in own.items():
            typed = overrides(_parsed(name, options, settings))
            with _naming_arm(name, typed):
                arms[name] = read_run_config(config_file, [*shared, *typed])
        _tell_idle(arms.values())
        return command(arms=arms, **parameters)

    help_ = "An arm: its name, and the options of `search` that are its own, in quotes. May be repeated."
    option = click.option("--arm", required=True, multiple=True, metavar="NAME=OPTIONS", help=help_)
    return cast("C", option(_with_settings(with_arms, settings)))


@contextmanager
def _naming_arm(name: str, typed: Sequence[Override]) -> Iterator[None]:
    """Say of a mistake in an option that an arm has of its own whose it is."""
    try:
        yield
    except ConfigError as error:
        places = tuple(f" @ {override.option}" for override in typed)
        problems = [
            f"{each}, of --arm {name}" if any(map(each.__contains__, places)) else each for each in error.problems
        ]
        raise ConfigError(error.summary, problems) from None


def _name_settings(config_file: Path | None) -> None:
    """Have messages speak of options; of the settings themselves where a file gave them."""
    name_options(options_of_runs(*_PLACES, *([""] if config_file is None else [])))


def _tell_idle(configs: Iterable[RunConfig]) -> None:
    """Say, once, what is set and changes nothing."""
    for sentence in dict.fromkeys(sentence for config in configs for sentence in config.without_effect):
        tell(f"note: {with_options(sentence, options_of_runs(''))}")


def _named_arm(text: str) -> tuple[str, str]:
    name, separator, options = text.partition("=")
    if not separator:
        raise click.BadParameter(
            f"{text!r} is not NAME=OPTIONS, such as 'deep=--scorer length_normalised:alpha=1'", param_hint="--arm"
        )
    return name.strip(), options


def _parsed(name: str, options: str, settings: tuple[Setting, ...]) -> dict[Setting, Any]:
    """What an arm's options say; those that it leaves out are ``None``.

    An arm has no key of its own: all ask the same servers, and what the environment says is for all of them, below what
    is typed.
    """
    settings = tuple(setting for setting in settings if setting.envvar is None)
    returning = decorated(lambda **given: given, [setting.decorate for setting in settings])
    command = click.command(f"--arm {name}", add_help_option=False)(returning)
    try:
        given = command.main(shlex.split(options), prog_name=f"--arm {name}", standalone_mode=False)
    except ValueError as error:  # a quote that is not closed
        raise click.BadParameter(f"{options!r}: {error}", param_hint=f"--arm {name}") from None
    return {setting: given[setting.parameter] for setting in settings}


def _options(settings: tuple[Setting, ...]) -> Callable[[C], C]:
    def decorate(command: C) -> C:
        @functools.wraps(command)
        def with_config(*, config_file: Path | None, **parameters: Any) -> Any:
            from leanebm.pipeline import read_run_config

            _name_settings(config_file)
            given = {setting: parameters.pop(setting.parameter) for setting in settings}
            below = ""
            if "replay" in parameters:
                parameters["tape"] = tape = Tape.of(parameters.pop("record"), parameters.pop("replay"))
                below = tape.settings
                if tape.replay is not None and any(
                    setting.path == "policy.url" and url is not None for setting, url in given.items()
                ):
                    raise click.UsageError("a replay asks no server: leave out --server-url, or --replay")
            config = read_run_config(config_file, overrides(given), below=below)
            _tell_idle([config])
            return command(config=config, **parameters)

        return cast("C", _with_settings(with_config, settings))

    return decorate


def _with_settings(command: Any, settings: tuple[Setting, ...]) -> Any:
    """``command``, with an option per setting and with ``--config``."""
    command = decorated(command, [setting.decorate for setting in settings])
    path = click.Path(path_type=Path)
    help_ = "Settings in TOML, or the folder of a run that was made with them; options given here outweigh them."
    return click.option("--config", "config_file", type=path, metavar="FILE", help=help_)(command)
