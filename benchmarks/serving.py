"""What batching between requests brings, and what it costs in agreement with the model run alone.

.. code-block:: text

    python benchmarks/serving.py [--size tiny|1b] [--device auto] [--dtype auto] [--requests 64] [--tokens 64]

A Llama with random weights is served over loopback HTTP, and the same requests are sent one at a time, eight at a time
and all at once; transformers' own ``generate``, one prompt after the other, is the measure. Then each completion's
log-probabilities and each text's vector are compared with those that transformers gives for that text alone, on the
same device and in the same number format. ``1b`` has the shape of a model of 1.1 billion parameters.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs
import click
import torch
import transformers
from _tiny_llama import tiny_llama
from rich.console import Console
from rich.table import Table
from torch import Tensor

from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig

SHAPES: Final[dict[str, dict[str, Any]]] = {
    "tiny": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32},
}
VOCABULARY: Final = 32_000
PROMPT_TOKENS: Final = (50, 400)
AT_ONCE: Final = (1, 8, 64)
Ids = list[int]


@attrs.frozen(kw_only=True)
class Speed:
    """Requests answered in a second, by how many were sent at once."""

    what: str
    alone: float
    """By transformers, without a server, one after the other."""
    served: dict[int, float]


@attrs.frozen(kw_only=True)
class Agreement:
    """Distance between what was served in company and what transformers gives alone."""

    what: str
    median: float
    largest: float


@attrs.frozen(kw_only=True)
class Figures:
    """What was measured, and on what."""

    machine: str
    parameters: int
    dtype: str
    requests: int
    tokens: int
    seed: int
    speeds: list[Speed]
    agreements: list[Agreement]


class Alone:
    """The model run by transformers, one text at a time, without padding."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        auto: Any = transformers.AutoModelForCausalLM
        self.model = auto.from_pretrained(str(folder), dtype=dtype).to(device).eval()
        self._device = device

    @torch.inference_mode()
    def complete(self, prompt: Ids, tokens: int) -> None:
        """Sample exactly ``tokens`` tokens."""
        ids = torch.tensor([prompt], device=self._device)
        mask = torch.ones_like(ids)
        self.model.generate(
            ids, attention_mask=mask, do_sample=True, min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=0
        )

    @torch.inference_mode()
    def log_probs(self, prompt: Ids, completion: Ids) -> Tensor:
        """Of each of the completion's tokens."""
        logits = self.model(torch.tensor([prompt + completion], device=self._device)).logits[0, len(prompt) - 1 : -1]
        log_probs = torch.log_softmax(logits.float(), dim=-1)
        return log_probs.gather(-1, torch.tensor(completion, device=self._device)[:, None])[:, 0].cpu()

    @torch.inference_mode()
    def embedding(self, text: Ids) -> Tensor:
        """The mean of the last hidden state."""
        hidden: Tensor = self.model.model(torch.tensor([text], device=self._device)).last_hidden_state[0]
        return hidden.float().mean(dim=0).cpu()


def write_model(folder: Path, size: str, dtype: torch.dtype, device: torch.device, seed: int) -> None:
    """A Llama of that shape with random weights."""
    tiny_llama(folder)  # for its tokenizer
    config = transformers.LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=VOCABULARY,
        num_key_value_heads=SHAPES[size]["num_attention_heads"] // 4,
        max_position_embeddings=8192,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        tie_word_embeddings=False,
        **SHAPES[size],
    )
    torch.manual_seed(seed)
    auto: Any = transformers.AutoModelForCausalLM
    with torch.device(device):
        model = auto.from_config(config, dtype=dtype)
    model.save_pretrained(folder)


def texts(count: int, seed: int) -> list[Ids]:
    """Token ids, as long as the texts of Lean states are."""
    rng = random.Random(seed)  # noqa: S311 - made-up data
    return [[0, *(rng.randrange(2, VOCABULARY) for _ in range(rng.randint(*PROMPT_TOKENS)))] for _ in range(count)]


async def rate(ask: Callable[[int], Awaitable[Any]], count: int, at_once: int) -> tuple[float, list[Any]]:
    """Requests a second, and the replies, with ``at_once`` of them under way."""
    slots = asyncio.Semaphore(at_once)

    async def one(index: int) -> Any:
        async with slots:
            return await ask(index)

    started_s = time.perf_counter()
    replies = await asyncio.gather(*map(one, range(count)))
    return count / (time.perf_counter() - started_s), replies


def rate_alone(work: Callable[[int], object], count: int) -> float:
    """Pieces of work a second, one after the other."""
    started_s = time.perf_counter()
    for index in range(count):
        work(index)
    return count / (time.perf_counter() - started_s)


async def measure(size: str, device_name: str, dtype_name: str, requests: int, tokens: int, seed: int) -> Figures:
    """Serve the model, ask it in all manners, and compare."""
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(automatic if device_name == "auto" else device_name)
    automatic = "bfloat16" if device.type == "cuda" else "float32"
    dtype: torch.dtype = getattr(torch, automatic if dtype_name == "auto" else dtype_name)
    prompts = texts(requests, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder, size, dtype, device, seed)
        alone = Alone(folder, device, dtype)
        config = HfConfig(model=name, device=str(device), dtype=str(dtype).removeprefix("torch."), seed=seed)
        server = PolicyServer(ServeConfig(), HfBackend(config))
        async with server, aiohttp.ClientSession(server.url) as session:
            speeds, completions, vectors = await served(session, alone, prompts, tokens)
    return Figures(
        machine=f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else 'cpu'}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}",
        parameters=sum(parameter.numel() for parameter in alone.model.parameters()),
        dtype=str(dtype),
        requests=requests,
        tokens=tokens,
        seed=seed,
        speeds=speeds,
        agreements=agreements(alone, prompts, completions, vectors),
    )


async def served(
    session: aiohttp.ClientSession, alone: Alone, prompts: Sequence[Ids], tokens: int
) -> tuple[list[Speed], list[Any], list[Any]]:
    """How fast requests are answered; and the answers to those that were sent all at once."""

    async def ask(path: str, body: dict[str, Any]) -> Any:
        async with session.post(path, json=body) as response:
            response.raise_for_status()
            return await response.json()

    def generate(index: int, length: int = tokens) -> Awaitable[Any]:
        params = {"max_new_tokens": length, "ignore_eos": True, "sampling_seed": index}
        return ask("/generate", {"input_ids": prompts[index], "return_logprob": True, "sampling_params": params})

    def encode(index: int) -> Awaitable[Any]:
        return ask("/encode", {"input_ids": prompts[index]})

    work_alone: dict[str, Callable[[int], object]] = {
        "/generate": lambda index: alone.complete(prompts[index], tokens),
        "/encode": lambda index: alone.embedding(prompts[index]),
    }
    speeds, replies = [], []
    for at_once in AT_ONCE:  # kernels are loaded, and memory taken, at the first pass of a size
        await rate(partial(generate, length=4), min(at_once, len(prompts)), at_once)
        await rate(encode, len(prompts), at_once)
    for what, work in (("/generate", generate), ("/encode", encode)):
        rates = {at_once: await rate(work, len(prompts), at_once) for at_once in AT_ONCE}
        work_alone[what](0)
        alone_rate = await asyncio.to_thread(rate_alone, work_alone[what], len(prompts))
        speeds.append(Speed(what=what, alone=alone_rate, served={n: per_s for n, (per_s, _) in rates.items()}))
        replies.append(rates[AT_ONCE[-1]][1])
    return speeds, replies[0], replies[1]


def agreements(alone: Alone, prompts: Sequence[Ids], completions: list[Any], vectors: list[Any]) -> list[Agreement]:
    """How far what was served is from what transformers says."""
    of_tokens = []
    for prompt, reply in zip(prompts, completions, strict=True):
        given = torch.tensor([entry[0] for entry in reply["meta_info"]["output_token_logprobs"]])
        of_tokens += (given - alone.log_probs(prompt, reply["output_ids"])).abs().tolist()
    of_vectors = []
    for prompt, reply in zip(prompts, vectors, strict=True):
        expected = alone.embedding(prompt)
        given = torch.tensor(reply["embedding"])
        of_vectors.append(float((given - expected).norm() / expected.norm()))
    return [
        Agreement(
            what="log-probability of a token, in nats", median=statistics.median(of_tokens), largest=max(of_tokens)
        ),
        Agreement(what="vector, over its length", median=statistics.median(of_vectors), largest=max(of_vectors)),
    ]


def show(figures: Figures) -> None:
    """Print a table of speeds and one of distances."""
    console = Console(width=120)
    console.print(
        f"{figures.machine}; {figures.parameters / 1e6:.1f} M parameters, {figures.dtype}; {figures.requests} requests "
        f"of {PROMPT_TOKENS[0]}-{PROMPT_TOKENS[1]} tokens, {figures.tokens} new ones each; seed {figures.seed}"
    )
    speeds = Table("requests/s", "transformers alone", *(f"{n} at once" for n in AT_ONCE))
    for speed in figures.speeds:
        speeds.add_row(speed.what, f"{speed.alone:.2f}", *(f"{per_s:.2f}" for per_s in speed.served.values()))
    distances = Table(f"in company of {AT_ONCE[-1]}, against transformers alone", "median", "largest")
    for agreement in figures.agreements:
        distances.add_row(agreement.what, f"{agreement.median:.2g}", f"{agreement.largest:.2g}")
    console.print(speeds, distances)


@click.command(help=__doc__)
@click.option("--size", type=click.Choice(list(SHAPES)), default="tiny", show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto", show_default=True
)
@click.option("--requests", default=64, show_default=True, type=click.IntRange(min=1))
@click.option("--tokens", default=64, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(  # noqa: D103
    size: str, device: str, dtype: str, requests: int, tokens: int, seed: int, json_path: Path | None
) -> None:
    figures = asyncio.run(measure(size, device, dtype, requests, tokens, seed))
    show(figures)
    if json_path is not None:
        json_path.write_text(json.dumps(attrs.asdict(figures), indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
