"""Could transformers' own continuous batching stand in for the scheduler, cache and sampler of our ``hf`` backend?

.. code-block:: text

    python benchmarks/continuous_batching.py [--hidden 256] [--layers 4] [--requests 64] [--tokens 32]

First, everything that the server promises is asked of a fresh manager: log-probabilities of the temperature-scaled
distribution, temperature 0, a seed per request, and so on; then architectures that the server takes. Then both engines
answer the same requests in this process, without HTTP, and are timed: a Llama with random weights, prompts of 50 to
400 tokens, greedy, so that the tokens can be compared. ``docs/decisions/0015-our-own-batching.md`` holds the answer.
"""

from __future__ import annotations

import asyncio
import logging
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import click
import torch
import transformers
from _tiny_llama import tiny_llama
from rich.console import Console
from rich.table import Table
from transformers import ContinuousBatchingConfig, GenerationConfig

from leanebm.serve import HfBackend, HfConfig, SamplingParams

AT_ONCE: Final = (1, 8, 32)
SAMPLES: Final = 8
BLOCK_TOKENS: Final = 32
PROMPT: Final = [0, 5, 9, 17]
NEVER: Final = -1
"""An end token that no model draws, so that every completion is as long as asked for."""

_SIZES: Final = {"vocab_size": 369, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
_GATED: Final = {"intermediate_size": 64, "num_key_value_heads": 2}
ARCHITECTURES: Final[dict[str, dict[str, Any]]] = {
    "Llama": _GATED,
    "Mistral": {**_GATED, "sliding_window": 8},
    "Gemma2": {**_GATED, "sliding_window": 8, "head_dim": 8},
    "GPT2": {},
    "Bloom": {},
    "Llama4Text": {**_GATED, "head_dim": 8, "num_local_experts": 2, "attention_chunk_size": 8, "moe_layers": [1]},
    "DeepseekV3": {"moe_intermediate_size": 16, "n_routed_experts": 4, "n_group": 2, "topk_group": 1, "q_lora_rank": 8}
    | {"num_experts_per_tok": 2, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8},
}

Ids = list[int]
Complete = Callable[[Ids], Awaitable[Ids]]


class Manager:
    """A running continuous-batching manager with the settings that suit it best on a CPU."""

    def __init__(self, folder: Path, *, blocks: int = 64, samples: int = 1, **generation: Any) -> None:
        auto: Any = transformers.AutoModelForCausalLM
        self.model = auto.from_pretrained(str(folder)).eval()
        sampling = generation or {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 0}
        untyped: Any = GenerationConfig
        config = untyped(eos_token_id=NEVER, num_return_sequences=samples, **sampling)
        batching = ContinuousBatchingConfig(
            return_logprobs=True,
            per_request_processors=True,
            auto_switch_to_flash=False,  # it would download kernels
            seed=0,
            page_size=BLOCK_TOKENS,
            num_blocks=blocks,
            max_batch_tokens=8192,
        )
        self._manager: Any = self.model.init_continuous_batching(config, batching)

    def __enter__(self) -> Manager:
        self._manager.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.is_alive:
            self._manager.stop(hard_stop=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs; a request can only be answered while it does."""
        return bool(self._manager.is_running())

    @property
    def active(self) -> list[str]:
        """Requests that grow."""
        processor = self._manager.batch_processor  # made by its thread
        return [] if processor is None else list(processor.scheduler.active_requests)

    def ask(self, prompt: Ids | None = None, *, tokens: int = 8, **more: Any) -> str:
        """Send a request; its name."""
        return str(self._manager.add_request(prompt or PROMPT, max_new_tokens=tokens, **more))

    def cancel(self, name: str) -> None:
        """Ask it to drop a request."""
        self._manager.cancel_request(name)

    def answers(self, count: int, patience_s: float = 5.0) -> dict[str, Any]:
        """So many answers by name; fewer if its thread dies or patience ends first."""
        found: dict[str, Any] = {}
        deadline_s = time.monotonic() + patience_s
        while len(found) < count and time.monotonic() < deadline_s:
            answer = self._manager.get_result(timeout=0.1)
            if answer is not None:
                found[answer.request_id] = answer
            elif not self.is_alive:
                break
        return found

    async def complete(self, prompt: Ids, tokens: int, samples: int) -> Ids:
        """A request's tokens, once all its samples are whole."""
        loop = asyncio.get_running_loop()
        name = f"request {time.monotonic_ns()}"
        names = [name, *(f"{name}__child#{child}" for child in range(samples - 1))]
        futures = [loop.create_future() for _ in names]
        for one, future in zip(names, futures, strict=True):
            self._manager.register_result_handler(one, future.set_result)
        self._manager.add_request(prompt, request_id=name, max_new_tokens=tokens)
        first, *_ = await asyncio.gather(*futures)
        return list(first.generated_tokens)


# --- what is asked of it ---


def log_probs(folder: Path, top_p: float) -> str:
    """How far they are from those of the temperature-scaled distribution."""
    with Manager(folder) as manager:
        name = manager.ask(temperature=0.5, top_p=top_p)
        answer = manager.answers(1)[name]
        tokens = answer.generated_tokens
        with torch.inference_mode():
            logits = manager.model(torch.tensor([PROMPT + tokens])).logits[0, len(PROMPT) - 1 : -1]
    expected = torch.log_softmax(logits / 0.5, dim=-1)[torch.arange(len(tokens)), tokens]
    return f"off by {float((expected - torch.tensor(answer.logprobs)).abs().max()):.1g} nats"


def setting(folder: Path, **more: Any) -> str:
    """What it says when a request brings a setting of its own."""
    with Manager(folder) as manager:
        name = manager.ask(**more)
        error = manager.answers(1)[name].error
    return "taken" if error is None else f"refused: {error[:48]}"


def company(folder: Path) -> str:
    """Whether a seed fixes a request's tokens when others run beside it."""
    drawn = []
    for others in (0, 3):
        with Manager(folder) as manager:
            for other in range(others):
                manager.ask([0, 7 + other])
            name = manager.ask()
            drawn.append(manager.answers(others + 1)[name].generated_tokens)
    return "the same tokens in company" if drawn[0] == drawn[1] else "other tokens in company"


def neighbour(folder: Path, spoil: Callable[[Manager], object]) -> str:
    """What becomes of a long request when another one goes wrong."""
    with Manager(folder) as manager:
        innocent = manager.ask(tokens=400)
        spoil(manager)
        answer = manager.answers(2).get(innocent)
        fate = "never answered" if answer is None else "served" if answer.error is None else "failed"
        return f"its neighbour is {fate}, the manager is {'alive' if manager.is_alive else 'dead'}"


def cancelled(folder: Path) -> str:
    """What is left of a request with three samples once it was cancelled."""
    with Manager(folder, samples=3) as manager:
        name = manager.ask(tokens=2000)
        while len(manager.active) < 3:
            time.sleep(0.01)
        manager.cancel(name)
        while name in manager.active:
            time.sleep(0.01)
        return f"{len(manager.active)} of 3 samples go on"


def architecture(name: str, settings: dict[str, Any], tokenizer: Path) -> str:
    """Whether its greedy tokens are those of the same model run alone."""
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        auto: Any = transformers.AutoModelForCausalLM
        ends = {"bos_token_id": 0, "eos_token_id": None, "pad_token_id": None, "initializer_range": 0.3}
        auto.from_config(getattr(transformers, f"{name}Config")(**_SIZES, **ends, **settings)).save_pretrained(folder)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (Path(folder) / file).write_bytes((tokenizer / file).read_bytes())
        prompts = [[7, *range(20, 20 + length)] for length in (3, 11, 20)]
        alone = [greedy(auto.from_pretrained(folder).eval(), prompt, 12) for prompt in prompts]
        ours = asyncio.run(greedily_ours(Path(folder), prompts, 12)) == alone
        try:
            with Manager(Path(folder), do_sample=False) as manager:
                names = [manager.ask(prompt, tokens=12) for prompt in prompts]
                answers = manager.answers(len(names))
            said = next((answer.error for answer in answers.values() if answer.error), None)
            tokens = [answers[name].generated_tokens for name in names]
            theirs = f"fails: {said[:40]}" if said else "right" if tokens == alone else "wrong tokens"
        except ValueError as error:
            theirs = f"refused: {str(error)[:40]}"
    return f"theirs {theirs}; ours {'right' if ours else 'wrong'}"


@torch.inference_mode()
def greedy(model: Any, prompt: Ids, tokens: int) -> Ids:
    """The likeliest token each time, without a cache or company."""
    ids = list(prompt)
    for _ in range(tokens):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


async def greedily_ours(folder: Path, prompts: list[Ids], tokens: int) -> list[Ids]:
    """The same of our backend, all prompts at once."""
    async with HfBackend(HfConfig(model=str(folder))) as backend:
        return list(await asyncio.gather(*(complete_ours(backend, tokens, 1, prompt) for prompt in prompts)))


def promises(folder: Path) -> dict[str, str]:
    """What became of each."""

    def spoil_weights(manager: Manager) -> None:
        manager.model.lm_head.weight.data.fill_(float("nan"))

    asked: dict[str, Callable[[], str]] = {
        "log-probabilities, top_p 1": lambda: log_probs(folder, 1.0),
        "log-probabilities, top_p 0.5": lambda: log_probs(folder, 0.5),
        "min_p of a request": lambda: setting(folder, min_p=0.1),
        "seed of a request": lambda: setting(folder, seed=3),
        "stop texts of a request": lambda: setting(folder, stop_strings="\n"),
        "n of a request": lambda: setting(folder, num_return_sequences=3),
        "LoRA adapter of a request": lambda: setting(folder, adapter="a"),
        "one seed for all": lambda: company(folder),
        "temperature 0 of a request": lambda: neighbour(folder, lambda manager: manager.ask(temperature=0.0)),
        "prompt longer than the cache": lambda: neighbour(folder, lambda manager: manager.ask([5] * 3000)),
        "logits that are not finite": lambda: neighbour(folder, spoil_weights),
        "cancellation": lambda: cancelled(folder),
    }
    found = {what: ask() for what, ask in asked.items()}
    return found | {name: architecture(name, settings, folder) for name, settings in ARCHITECTURES.items()}


# --- how fast it is ---


@attrs.frozen(kw_only=True)
class Speed:
    """Requests answered per second, and seconds until one is answered."""

    at_once: int
    samples: int
    per_s: float
    median_s: float
    slowest_s: float
    tokens: list[Ids]


async def complete_ours(backend: HfBackend, tokens: int, samples: int, prompt: Ids) -> Ids:
    """A request's tokens, from our backend."""
    temperature = 0.0 if samples == 1 else 1.0
    params = SamplingParams(n=samples, temperature=temperature, max_new_tokens=tokens, ignore_eos=True)
    (completions,) = await backend.generate([tuple(prompt)], params)
    return [token.token_id for token in completions[0].tokens]


async def timed(complete: Complete, prompts: list[Ids], at_once: int, samples: int) -> Speed:
    """Answer every prompt, with ``at_once`` of them under way."""
    slots = asyncio.Semaphore(at_once)
    took_s = []

    async def one(prompt: Ids) -> Ids:
        async with slots:
            began_s = time.perf_counter()
            tokens = await complete(prompt)
            took_s.append(time.perf_counter() - began_s)
            return tokens

    started_s = time.perf_counter()
    tokens = list(await asyncio.gather(*map(one, prompts)))
    return Speed(
        at_once=at_once,
        samples=samples,
        per_s=len(prompts) / (time.perf_counter() - started_s),
        median_s=statistics.median(took_s),
        slowest_s=max(took_s),
        tokens=tokens,
    )


async def speeds(folder: Path, rounds: list[list[Ids]], tokens: int) -> list[tuple[Speed, Speed, str]]:
    """The fastest round of each engine, theirs first, and in how many requests the tokens were the same."""
    found = []
    for at_once, samples in [*((n, 1) for n in AT_ONCE), (1, SAMPLES)]:
        sampling: dict[str, Any] = {"do_sample": False} if samples == 1 else {"do_sample": True, "top_k": 0}
        theirs: list[Speed] = []
        ours: list[Speed] = []
        with Manager(folder, blocks=1024, samples=samples, **sampling) as manager:
            async with HfBackend(HfConfig(model=str(folder))) as backend:
                engines: list[tuple[Complete, list[Speed]]] = [
                    (partial(manager.complete, tokens=tokens, samples=samples), theirs),
                    (partial(complete_ours, backend, tokens, samples), ours),
                ]
                for prompts in rounds:  # new ones each time, for theirs remembers prompts
                    for complete, speed in engines:
                        speed.append(await timed(complete, prompts, at_once, samples))
        pairs = zip(_tokens(theirs), _tokens(ours), strict=True)
        same = f"{sum(one == two for one, two in pairs)} of {len(_tokens(ours))}" if samples == 1 else "drawn"
        found.append((max(theirs, key=_per_s), max(ours, key=_per_s), same))
    return found


def _per_s(speed: Speed) -> float:
    return speed.per_s


def _tokens(speeds: list[Speed]) -> list[Ids]:
    return [tokens for speed in speeds for tokens in speed.tokens]


def made_up_prompts(count: int, seed: int) -> list[Ids]:
    """As long as Lean states are."""
    rng = random.Random(seed)  # noqa: S311 - made-up data
    return [[0, *(rng.randrange(2, 360) for _ in range(rng.randint(50, 400)))] for _ in range(count)]


@click.command(help=__doc__)
@click.option("--hidden", default=256, show_default=True, type=click.IntRange(min=8))
@click.option("--layers", default=4, show_default=True, type=click.IntRange(min=1))
@click.option("--requests", default=64, show_default=True, type=click.IntRange(min=1))
@click.option("--tokens", default=32, show_default=True, type=click.IntRange(min=1))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="Of which the fastest counts.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
def main(hidden: int, layers: int, requests: int, tokens: int, rounds: int, threads: int) -> None:  # noqa: D103
    torch.set_num_threads(threads)
    logging.getLogger("ContinuousBatchingLogger").setLevel(logging.CRITICAL + 1)
    console = Console(width=120)
    console.print(f"torch {torch.__version__}, transformers {transformers.__version__}, {threads} thread(s), float32")
    with tempfile.TemporaryDirectory() as name:
        table = Table("what is asked of transformers' continuous batching", "what became of it")
        for what, became in promises(tiny_llama(Path(name) / "tiny", context=4096)).items():
            table.add_row(what, became)
        console.print(table)
        folder = tiny_llama(Path(name) / "timed", hidden=hidden, layers=layers, context=4096, spread=0.1)
        prompts = [made_up_prompts(requests, seed) for seed in range(rounds)]
        table = Table("at once", "samples", "requests/s", "median s", "slowest s", "the same tokens")
        for theirs, ours, same in asyncio.run(speeds(folder, prompts, tokens)):
            pairs = [(theirs.per_s, ours.per_s), (theirs.median_s, ours.median_s), (theirs.slowest_s, ours.slowest_s)]
            cells = [f"theirs {a:.2f}, ours {b:.2f}" for a, b in pairs]
            table.add_row(str(ours.at_once), str(ours.samples), *cells, same)
        console.print(table)


if __name__ == "__main__":
    main()
