"""Fine-tuning as the policy's part of an iteration."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Final, final

import attrs

from leanebm._shown import named_repr
from leanebm.errors import ConfigError
from leanebm.pipeline.config import EMBEDDED_SERVER_URL, RunConfig
from leanebm.pipeline.events import Observer
from leanebm.pipeline.finetune._adapter import check_files
from leanebm.pipeline.finetune.config import FinetuneConfig, LessonKind
from leanebm.pipeline.finetune.finetune_run import FinetuneRun
from leanebm.pipeline.finetune.lessons import FinetuneSources
from leanebm.policy import PolicyClient
from leanebm.serve.backends.hf.folder import adapter_hash, model_hash

__all__ = ["FinetuneStep"]

_OWN_VERSION: Final = re.compile(r"[0-9a-f]{16}|template-\d+")
"""What our own server calls weights to which nobody gave a name."""


@final
class FinetuneStep:
    """A :class:`~leanebm.pipeline.PolicyStep`: each round a fresh adapter on the proofs of all rounds so far.

    The policy server must serve the model that is fine-tuned, and see the iteration's folder: it is told to load the
    adapter, under a name that tells one from another. Embeddings stay those of the model alone.

    Args:
        config: how each round's adapter is made.
        observer: receives what happens.

    Raises:
        ConfigError: the config asks for what no round can give: a whole model; or unlikelihood, or lessons beside
            those of proofs, which need searches. Or the model, or an adapter, is not there.
    """

    def __init__(self, config: FinetuneConfig, *, observer: Observer | None = None) -> None:
        asked = [name for name in ("whole", "unlikelihood") if getattr(config, name)]
        asked += ["learn"] if config.learn is not LessonKind.PROOFS else []
        if asked:
            raise ConfigError(
                "each round makes an adapter out of proofs alone:",
                [f"leave it out @ $.finetune.{name}" for name in asked],
            )
        try:
            check_files(config)
        except ConfigError as error:
            places = [each.replace(" @ $.", " @ ").replace(" @ ", " @ $.finetune.") for each in error.problems]
            raise ConfigError(error.summary, places) from error
        self._config = config
        self._observer = observer

    __repr__ = named_repr("_config")

    async def check_server(self, run: RunConfig) -> None:
        """See that the server is there, and that it serves the model that is fine-tuned, as far as it says.

        Raises:
            ConfigError: it serves another one, or shows states otherwise.
            PolicyError: it could not answer.
        """
        async with _base_of(run) as client:
            info = await client.wait_ready()
        served, made = info.encoder, self._config.model
        if served is None or served.weights is None or not _OWN_VERSION.fullmatch(served.weights):
            return  # it has a name for its weights, or none
        if served.weights != await asyncio.to_thread(model_hash, Path(made), served.dtype or ""):
            raise ConfigError(
                f"the server at {run.policy.url} serves {served.model}, which is not the model that would learn:",
                [f"start it with --backend hf --model {made}, or name the model that it serves @ $.finetune.model"],
            )

    async def learn(
        self, aggregate: str | os.PathLike[str], folder: str | os.PathLike[str], run: RunConfig
    ) -> RunConfig:
        """Fine-tune into ``folder``, unless it is done there, and have the server load the adapter.

        Raises:
            ConfigError: searches ask no server of their own, or as :meth:`FinetuneRun.run`.
            PolicyError: the server could not load the adapter.
        """
        if run.policy.url == EMBEDDED_SERVER_URL:
            raise ConfigError(
                "the embedded policy is symbolic, and learns nothing:",
                ["serve the model that is fine-tuned, and name its server @ run.policy.url"],
            )
        sources = FinetuneSources(pairs=(Path(aggregate) / "proofs.jsonl",))
        report = await FinetuneRun(self._config, sources, Path(folder), observer=self._observer).run()
        name, adapter = _named(Path(folder), Path(report.adapter))
        async with _base_of(run) as client:
            await client.ensure_adapter(name, adapter)
        policy = attrs.evolve(run.policy, adapter=name, adapter_path=adapter, prompt_format=self._config.prompt_format)
        return attrs.evolve(run, policy=policy)


def _base_of(run: RunConfig) -> PolicyClient:
    """Asks the server for its model alone."""
    return PolicyClient(attrs.evolve(run.policy, adapter=None, adapter_path=None))


def _named(folder: Path, adapter: Path) -> tuple[str, str]:
    """A name for the adapter that no other one has, and where it is."""
    return f"{folder.name}-{adapter_hash(adapter)[:8]}", str(adapter.resolve())
