"""From search trees to an energy head that is trained, weighed and diagnosed."""

from __future__ import annotations

import asyncio
import copy
import functools
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final, final

import attrs
import numpy as np
import torch
from attrs.validators import ge, gt, instance_of, lt, optional

from leanebm._cancelled import check_wanted, in_thread
from leanebm._fields import torch_device
from leanebm._shown import named_repr
from leanebm.core import EncoderIdentity, StateEncoder
from leanebm.energy import (
    CheckpointHeader,
    EnergyCheckpoint,
    EnergyHead,
    EnergyHeadConfig,
    SpectralNormMode,
    amend_header,
    load_checkpoint,
    save_checkpoint,
)
from leanebm.energy.diagnostics import (
    DiagnosisConfig,
    Estimate,
    HeadReport,
    SiblingSet,
    diagnose,
    fit_calibration,
    probe_embeddings,
    save_validation,
)
from leanebm.energy.diagnostics.report import write_report
from leanebm.energy.training import (
    MAX_SHARED_FRACTION,
    TWIN_NAME,
    ContrastiveData,
    EnergyTrainer,
    EnergyTrainerConfig,
    GroupSplit,
    StepMade,
    TrainingEvent,
    TrainingResult,
    TrainingStarted,
    ValidationMeasured,
    hold_apart,
    split_groups,
    state_energies,
    state_texts,
)
from leanebm.errors import EnergyError
from leanebm.pipeline._oversight import OverseenEncoder
from leanebm.pipeline._readiness import refuse_unready
from leanebm.pipeline._rehearsal import SAMPLE_STATE
from leanebm.pipeline.config import EMBEDDED_SERVER_URL
from leanebm.pipeline.energy.sources import EnergySources, Lessons, RecordedQueue, frontier_set
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.parts import FAMILIES, Part, as_part, enter_part, is_part_of
from leanebm.pipeline.workbench import start_embedded_server
from leanebm.policy import PolicyClient, PolicyClientConfig

__all__ = ["EnergyTrainingConfig", "EnergyTrainingRun"]

_ENCODE_ROUND: Final = 256
"""Texts asked for between two reports of progress."""

_PROBES: Final = 64
"""States encoded a second time, to see whether the encoder says the same again."""

_REPORT_EVERY_S: Final = 1.0
"""Seconds between two reports of how far the training is."""

_NARROW: Final = 64
_WIDE: Final = 1024
"""From this width of embedding on, the head is the settled one for language models."""

Embeddings = Mapping[str, np.ndarray[tuple[int], np.dtype[np.float32]]]


@attrs.frozen(kw_only=True)
class EnergyTrainingConfig:
    """Everything that shapes a head and its judgement; what it learns from is :class:`EnergySources`'."""

    hidden: tuple[int, ...] | None = attrs.field(default=None)
    """Widths of the head's hidden layers; ``None`` for 2048, 1024, 512 on embeddings of 1024 numbers and
    more, 32, 16 on fewer than 64, and 512, 256, 128 on anything else. None at all makes a linear probe."""

    spectral_norm: SpectralNormMode = attrs.field(default=SpectralNormMode.RANDOM)
    """How the head's layers are normalised."""

    encoder: StateEncoder | Part[StateEncoder] | None = attrs.field(
        default=None, converter=as_part, validator=is_part_of(StateEncoder)
    )
    """What makes vectors of states; ``None`` asks the server of ``policy``. It may name ``encoder``, which is that
    server, to say more than it does. ``counts`` sees eight counts of a state: sizes, goals, hypotheses, symbols. What a
    head on embeddings adds to such a *ruler* is what it has understood."""

    dropout: float = attrs.field(default=0.1, validator=[ge(0.0), lt(1.0)])
    """Share of hidden units left out in a training step, in [0, 1)."""

    threads: int | None = attrs.field(default=None, validator=optional([instance_of(int), ge(1)]))
    """Threads that torch computes with while it trains; ``None`` for one with a head for embeddings narrower than
    1024, which more of them slow down, and torch's own choice otherwise. Another number may round differently."""

    trainer: EnergyTrainerConfig = attrs.field(factory=EnergyTrainerConfig)
    """How it is trained."""

    diagnosis: DiagnosisConfig = attrs.field(factory=DiagnosisConfig)
    """How it is judged."""

    policy: PolicyClientConfig = attrs.field(factory=lambda: PolicyClientConfig(url=EMBEDDED_SERVER_URL))
    """The server whose encoder the head is for."""

    validation_fraction: float = attrs.field(default=0.15, validator=[gt(0.0), lt(1.0)])
    """Share of modules held out where held-out theorems have no folders of their own, in (0, 1)."""

    max_queues_per_theorem: int = attrs.field(default=32, validator=[instance_of(int), ge(1)])
    """Pops of one search that the weight is fitted on, spread evenly; each state in them has to be encoded."""

    @hidden.validator
    def _check_hidden(self, _: object, value: tuple[int, ...] | None) -> None:
        if value is not None:
            EnergyHeadConfig(hidden=value)

    def __attrs_post_init__(self) -> None:
        if not self.asks_server and self.policy.url != EMBEDDED_SERVER_URL:
            raise ValueError("the encoder asks no server: leave out --server-url (policy.url)")

    @property
    def asks_server(self) -> bool:
        """Whether vectors come from the server of ``policy``, by themselves or through an encoder that wraps it."""
        return self.encoder is None or (isinstance(self.encoder, Part) and self.encoder.wants("encoder"))

    def head_for(self, width: int) -> EnergyHeadConfig:
        """The head's configuration for embeddings of ``width`` numbers."""
        usual = (32, 16) if width < _NARROW else (2048, 1024, 512) if width >= _WIDE else (512, 256, 128)
        return EnergyHeadConfig(
            d_in=width,
            hidden=usual if self.hidden is None else self.hidden,
            dropout=self.dropout,
            spectral_norm=self.spectral_norm,
            seed=self.trainer.seed,
        )

    def threads_for(self, width: int) -> int:
        """The number of threads to train a head for embeddings of ``width`` numbers with."""
        return self.threads or (1 if width < _WIDE else torch.get_num_threads())


@final
class EnergyTrainingRun:
    """One invocation that makes an energy head out of what searches found.

    The folder holds the head, its training, ``diagnosis.json`` and ``report.html``; a search takes it as it
    is. Stopped at any moment, the same call goes on with the training.

    Args:
        config: how.
        sources: what to learn from.
        folder: where the head goes.
        observer: receives what happens.
    """

    def __init__(
        self,
        config: EnergyTrainingConfig,
        sources: EnergySources,
        folder: Path | str,
        *,
        observer: Observer | None = None,
    ) -> None:
        self._config = config
        self._sources = sources
        self._folder = Path(folder)
        self._observer = LogObserver() if observer is None else observer

    __repr__ = named_repr("_folder")

    async def run(self) -> HeadReport:
        """Read, encode, train, weigh and diagnose.

        Raises:
            ConfigError: there is nothing to learn from, torch does not see the device, the encoder is not ready, or
                the server makes no such embeddings.
            PartBroken: an encoder of the user's own gave what are no vectors.
            TrajectoryError: a source is damaged.
            EnergyError: the sources do not suffice, the folder belongs to another training, or the encoder changed.
            PolicyError: the encoder could not answer.
        """
        torch_device(self._config.trainer.device)  # before hours are spent on embeddings
        refuse_unready(self._config)
        split, queues, seen = await asyncio.to_thread(self._read)
        texts = _distinct((*state_texts((*split.training, *split.validation)), *_texts(queues)))
        identity, embeddings, probe = await self._embed(texts)
        result = await self._train(split, embeddings, identity)
        with stage(self._observer, "diagnosing the energy head"):
            return await asyncio.to_thread(self._judge, split, queues, embeddings, probe, result, seen)

    async def try_encoder(self) -> None:
        """Start the encoder, have it encode a state, and end it: long before there is anything to learn from.

        Raises:
            ConfigError, PolicyError, PartBroken: as :meth:`run`.
        """
        with stage(self._observer, "trying the encoder"):
            async with self._server() as server, self._encoder(server) as encoder:
                await encoder.identity()
                await encoder.encode([SAMPLE_STATE.text])

    # --- reading ---

    def _read(self) -> tuple[GroupSplit, tuple[RecordedQueue, ...], Lessons]:
        """Both sides of the groups, the queues of held-out theorems, and all that there is to learn from."""
        sources, config = self._sources, self._config
        with stage(self._observer, "reading what searches found"):
            seen = Lessons.read(sources.trajectories, sources.negatives)
            if sources.names_validation:
                held_out = Lessons.read(sources.val_trajectories, sources.val_negatives)
                split = hold_apart(seen.groups, held_out.groups)
            else:
                split = split_groups(
                    seen.groups, validation_fraction=config.validation_fraction, seed=config.trainer.seed
                )
                held_out = seen.restricted_to(frozenset(group.theorem for group in split.validation))
        return split, _thinned(held_out.queues, config.max_queues_per_theorem), seen

    # --- encoding ---

    async def _embed(self, texts: Sequence[str]) -> tuple[EncoderIdentity, Embeddings, dict[str, Estimate]]:
        """Which encoder it is, its vectors, and what a look at them found."""
        async with self._server() as server, self._encoder(server) as encoder:
            identity = await encoder.identity()
            embeddings = await self._encode(encoder, texts, identity)
            if server is None:  # nothing remembers what it said, so it need not be started again
                found = await _probe(encoder, embeddings)
            else:
                async with self._encoder(_past_caches(server)) as afresh:
                    found = await _probe(afresh, embeddings)
                    await _require_same(afresh, identity)
        if self._config.encoder is not None:  # it may have few numbers, and say the same of many states
            found = {"emb_cosine_probe": found["emb_cosine_probe"]}
        return identity, embeddings, found

    @asynccontextmanager
    async def _encoder(self, server: PolicyClientConfig | None) -> AsyncIterator[StateEncoder]:
        """The server's encoder, or the one that is configured, around the server's if it names that."""
        async with AsyncExitStack() as stack:
            client = None if server is None else await stack.enter_async_context(PolicyClient(server))
            if self._config.encoder is not None:
                own = await enter_part(stack, FAMILIES[StateEncoder], self._config.encoder, encoder=client)
                yield OverseenEncoder(own)
            elif client is not None:
                yield client

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[PolicyClientConfig | None]:
        """How to reach the server, if one is asked, once it is there; the embedded one is started."""
        config = self._config.policy
        if not self._config.asks_server:
            yield None
            return
        if config.url == EMBEDDED_SERVER_URL:
            async with start_embedded_server() as url:
                yield attrs.evolve(config, url=url)
            return
        with stage(self._observer, "reaching the encoder", f"of {config.url}") as reaching:
            async with PolicyClient(config) as client:
                await client.wait_ready(reaching.progressed, tactics=False)
        yield config

    async def _encode(self, encoder: StateEncoder, texts: Sequence[str], identity: EncoderIdentity) -> Embeddings:
        embeddings: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
        with stage(self._observer, "encoding proof states") as encoding:
            for start in range(0, len(texts), _ENCODE_ROUND):
                asked = texts[start : start + _ENCODE_ROUND]
                vectors = await encoder.encode(asked)
                await _require_same(encoder, identity)
                embeddings |= {
                    text: np.array(vector, dtype=np.float32) for text, vector in zip(asked, vectors, strict=True)
                }
                encoding.progressed(done=len(embeddings), total=len(texts))
        return embeddings

    # --- training ---

    async def _train(self, split: GroupSplit, embeddings: Embeddings, identity: EncoderIdentity) -> TrainingResult:
        width = len(next(iter(embeddings.values())))
        trainer = EnergyTrainer(self._config.trainer, self._config.head_for(width))
        notes: dict[str, str | int] = {"leanebm_version": version("leanebm"), **_counts(split)}

        def fit() -> TrainingResult:
            max_shared = MAX_SHARED_FRACTION if self._config.encoder is None else 1.0
            training = ContrastiveData.from_groups(split.training, embeddings, max_shared=max_shared)
            validation = ContrastiveData.from_groups(split.validation, embeddings, max_shared=max_shared)
            with _torch_threads(self._config.threads_for(width)):
                return trainer.fit(training, validation, self._folder, encoder=identity, run=notes, observer=watcher)

        with stage(self._observer, "training the energy head") as stage_:
            watcher = _Watcher(stage_, asyncio.get_running_loop())
            return await in_thread(fit, to_its_end=True)

    # --- judging ---

    def _judge(
        self,
        split: GroupSplit,
        queues: Sequence[RecordedQueue],
        embeddings: Embeddings,
        probe: Mapping[str, Estimate],
        result: TrainingResult,
        seen: Lessons,
    ) -> HeadReport:
        """Diagnose the best head, and keep with it the units and the weight that a search is to use."""
        header, head = result.checkpoint.header, result.checkpoint.head
        energies = _energies(head, embeddings, _distinct((*state_texts(split.validation), *_texts(queues))))
        siblings = SiblingSet.from_groups(split.validation, energies)
        frontiers = frontier_set(queues, energies) if queues else None
        # Of a copy: what is kept must not depend on how often it was judged, and freezing draws a vector.
        shortfall = copy.deepcopy(head).freeze_spectral().max_shortfall
        facts = attrs.evolve(
            result.facts,
            sigma_shortfall=shortfall,
            audited_negatives=seen.audited_negatives,
            provable_negatives=seen.provable_negatives,
        )
        diagnosis = diagnose(
            siblings,
            frontiers=frontiers,
            twin=result.twin_pairwise,
            embeddings=probe,
            facts=facts,
            data=_counts(split),
            about=_about(header, result),
            config=self._config.diagnosis,
        )
        kept = attrs.evolve(header, calibration=diagnosis.calibration)
        save_checkpoint(self._folder, EnergyCheckpoint(header=kept, head=head))
        save_validation(self._folder, siblings, frontiers)
        diagnosis.write(self._folder)
        write_report(self._folder)
        if result.twin_pairwise is not None:
            self._weigh_twin(split, queues, embeddings)
        return diagnosis

    def _weigh_twin(self, split: GroupSplit, queues: Sequence[RecordedQueue], embeddings: Embeddings) -> None:
        """Give the twin units, too, so that a search with it can be compared with one that has the head."""
        twin = self._folder / TWIN_NAME
        texts = _distinct((*state_texts(split.validation), *_texts(queues)))
        energies = _energies(load_checkpoint(twin).head, embeddings, texts)
        siblings = SiblingSet.from_groups(split.validation, energies)
        frontiers = frontier_set(queues, energies) if queues else None
        fit = fit_calibration(siblings, frontiers, self._config.diagnosis.calibration)
        amend_header(twin, calibration=fit.calibration)


@final
class _Watcher:
    """Carries what the training thread reports to the event loop."""

    def __init__(self, training: Stage, loop: asyncio.AbstractEventLoop) -> None:
        self._training, self._loop = training, loop
        self._total = 0
        self._found = "no look at held-out theorems yet"
        self._reported_s = -math.inf

    def notify(self, event: TrainingEvent) -> None:
        """Called in the thread that trains."""
        check_wanted()  # a thread cannot be cancelled: it ends by itself, between two steps
        match event:
            case TrainingStarted(step=step, max_steps=max_steps):
                self._total = max_steps
                self._report(step)
            case ValidationMeasured(step=step, metrics=metrics):
                self._found = f"held-out sibling accuracy {metrics['pairwise_sibling']:.3f} after {step} steps"
                self._report(step)
            case StepMade(step=step) if time.monotonic() - self._reported_s >= _REPORT_EVERY_S:
                self._report(step)
            case _:
                pass

    def _report(self, step: int) -> None:
        self._reported_s = time.monotonic()
        report = functools.partial(self._training.progressed, done=step, total=self._total, counts=self._found)
        self._loop.call_soon_threadsafe(report)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Let torch compute with ``count`` threads in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _past_caches(config: PolicyClientConfig) -> PolicyClientConfig:
    """The same server, asked for one text at a time, with nothing remembered."""
    return attrs.evolve(config, encoder=attrs.evolve(config.encoder, batch_size=1, cache_entries=0, cache_file=None))


async def _require_same(encoder: StateEncoder, identity: EncoderIdentity) -> None:
    now = await encoder.identity()
    if now != identity:
        raise EnergyError(
            "the encoder changed while it encoded, and no head can be trained on the vectors of two: "
            f"{'; '.join(now.differences(identity))} (at the start). Whoever runs its server gave it other weights, "
            "or another adapter under that name: train again when it stays the same"
        )


async def _probe(encoder: StateEncoder, embeddings: Embeddings) -> dict[str, Estimate]:
    """Encode some states again, each alone."""
    texts = list(embeddings)[:: max(1, len(embeddings) // _PROBES)][:_PROBES]
    again = np.stack([np.array(vector) for text in texts for vector in await encoder.encode([text])])
    before = np.stack([embeddings[text] for text in texts])
    return probe_embeddings(np.stack(list(embeddings.values())), before=before, again=again)


def _energies(head: EnergyHead, embeddings: Embeddings, texts: Sequence[str]) -> dict[str, float]:
    states = torch.from_numpy(np.stack([embeddings[text] for text in texts]))
    return dict(zip(texts, state_energies(head, states).tolist(), strict=True))


def _about(header: CheckpointHeader, result: TrainingResult) -> dict[str, str]:
    encoder = header.encoder
    return {
        "encoder": f"{encoder.model} ({encoder.pooling}, {encoder.dim} numbers), {encoder.fingerprint}",
        "steps": f"{result.best_step} of {result.steps}" + (", stopped early" if result.stopped_early else ""),
        "seed": str(header.config.seed),
        "leanebm": version("leanebm"),
    }


def _counts(split: GroupSplit) -> dict[str, int]:
    """How much there is on both sides, such as ``training_theorems``."""
    sides = {"training": split.summary.training, "validation": split.summary.validation}
    return {f"{side}_{name}": count for side, found in sides.items() for name, count in attrs.asdict(found).items()}


def _texts(queues: Iterable[RecordedQueue]) -> tuple[str, ...]:
    return tuple(row.state_text for queue in queues for row in queue.nodes)


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _thinned(queues: Sequence[RecordedQueue], most: int) -> tuple[RecordedQueue, ...]:
    """At most ``most`` queues of each theorem, spread evenly over its search."""
    by_theorem: dict[str, list[RecordedQueue]] = {}
    for queue in queues:
        by_theorem.setdefault(queue.theorem, []).append(queue)
    return tuple(queue for own in by_theorem.values() for queue in own[:: -(-len(own) // most)])
