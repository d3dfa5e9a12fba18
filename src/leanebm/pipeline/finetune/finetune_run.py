"""From proofs that were certified to an adapter that a server loads."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import attrs
from filelock import FileLock, Timeout

from leanebm._cancelled import check_wanted, in_thread
from leanebm._extras import extra_needed
from leanebm._shown import named_repr
from leanebm.errors import ConfigError
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.finetune.config import FinetuneConfig, LessonKind
from leanebm.pipeline.finetune.lessons import FinetuneSources, Lessons
from leanebm.pipeline.settings import settings_that_matter
from leanebm.storage import remove_scratch

with extra_needed("serve", "fine-tuning"):
    from leanebm.pipeline.finetune._adapter import check_files, device_of
    from leanebm.pipeline.finetune._tuner import Progress, Tuner
    from leanebm.pipeline.finetune.collapse import EmbeddingFigures, collapse_alarms
    from leanebm.pipeline.finetune.merge import merge_adapter
    from leanebm.pipeline.finetune.report import FinetuneReport, Look, Measured
    from leanebm.serve.backends.hf.folder import base_hash

__all__ = ["EmbeddingFigures", "FinetuneReport", "FinetuneRun", "Look", "Measured", "merge_adapter"]


@final
class FinetuneRun:
    """One invocation that makes a LoRA adapter, or with ``whole`` a model, out of what was proved.

    .. code-block:: text

        FOLDER/
          adapter/                    the adapter that did best on held-out theorems: peft's two files, and ours; with
                                      ``whole``, model/, which is a model's folder
          report.json                 what it did
          training_state.safetensors  what an interrupted training goes on from

    Stopped at any moment, the same call goes on, and with as many torch threads ends with the same adapter as if it
    had never been stopped. Called again when it is complete, it trains no further.

    Args:
        config: how.
        sources: what to learn from.
        folder: where the adapter goes; made if it is not there.
        observer: receives what happens.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        sources: FinetuneSources,
        folder: Path | str,
        *,
        observer: Observer | None = None,
    ) -> None:
        self._config = config
        self._sources = sources
        self._folder = Path(folder)
        self._observer = LogObserver() if observer is None else observer

    __repr__ = named_repr("_folder")

    async def run(self) -> FinetuneReport:
        """Read, train, and measure before and after.

        Raises:
            ConfigError: the model or an adapter cannot be read, there is nothing to learn from, something that a
                setting needs is not there, the folder belongs to another fine-tuning, or the loss would not stay
                finite.
            TrajectoryError: a source is damaged.
        """
        config = self._config
        device_of(config)
        await asyncio.to_thread(check_files, config)
        with stage(self._observer, "reading what was proved"):
            lessons = await asyncio.to_thread(self._read)
        with self._locked():
            with stage(self._observer, "loading the model", f"in {config.model}"):
                tuner = await asyncio.to_thread(self._load, lessons)
            with stage(self._observer, "fine-tuning", f"into {self._folder}") as training:
                await self._train(tuner, training)
            with stage(self._observer, "measuring what it learnt"):
                return await asyncio.to_thread(self._report, lessons, tuner)

    def _read(self) -> Lessons:
        config = self._config
        if config.learn is not LessonKind.PROOFS and not self._sources.trajectories:
            raise ConfigError(
                f"{config.learn.value!r} is looked for in what searches tried:",
                ["give runs of a search @ RUN, or leave it out @ --learn"],
            )
        if config.writes_whole_proofs and self._sources.pairs:
            raise ConfigError("a pair holds one tactic, and whole proofs are learnt:", ["leave it out @ --pairs"])
        lessons = Lessons.read(
            self._sources,
            validation_fraction=config.validation_fraction,
            max_rejected_per_state=config.max_rejected_per_state,
            seed=config.seed,
            learn=config.learn,
        )
        if config.unlikelihood and not lessons.training.rejected:
            raise ConfigError(
                "there is no refused tactic to unlearn:",
                ["give runs of a search @ RUN, or leave it out @ --unlikelihood"],
            )
        return lessons

    def _load(self, lessons: Lessons) -> Tuner:
        settings = settings_that_matter(self._config)
        del settings["model"]  # which may move
        settings |= {"base": base_hash(Path(self._config.model)), "lessons": _digest(lessons)}
        return Tuner(self._config, lessons, self._folder, settings)

    async def _train(self, tuner: Tuner, training: Stage) -> None:
        loop = asyncio.get_running_loop()

        def notify(progress: Progress) -> None:
            """Called in the thread that trains, after each step."""
            if not progress.is_finished:
                check_wanted()
            found = f"held-out loss {progress.looks[-1].validation.loss:.3f}" if progress.looks else ""
            report = functools.partial(training.progressed, done=progress.step, total=tuner.steps, counts=found)
            loop.call_soon_threadsafe(report)

        await in_thread(functools.partial(tuner.train, notify), to_its_end=True)

    def _report(self, lessons: Lessons, tuner: Tuner) -> FinetuneReport:
        progress = tuner.progress
        tuner.use_best()
        after, embeddings = tuner.measured()
        alarms: list[str] = []
        if progress.best_step == 0:
            alarms.append("no look at held-out theorems found it better than before, so the adapter is as it began")
        if progress.embeddings_before is not None and embeddings is not None:
            alarms += collapse_alarms(progress.embeddings_before, embeddings)
        report = FinetuneReport(
            model=self._config.model,
            adapter=str(tuner.adapter),
            prompt_format=self._config.prompt_format,
            data=_counts(lessons, tuner),
            steps=progress.step,
            best_step=progress.best_step,
            stopped_early=progress.step < tuner.steps,
            skipped=progress.skipped,
            seconds=progress.seconds,
            before=progress.before,
            after=after,
            looks=tuple(progress.looks),
            embeddings_before=progress.embeddings_before,
            embeddings_after=embeddings,
            alarms=tuple(alarms),
        )
        report.write(self._folder)
        return report

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._folder / ".lock", timeout=0):
                for folder in (self._folder, self._folder / "adapter", self._folder / "model"):
                    remove_scratch(folder)
                yield
        except Timeout as error:
            raise ConfigError(f"another process is fine-tuning into {self._folder}; wait for it, or stop it") from error


def _digest(lessons: Lessons) -> str:
    """Tells one set of lessons from another."""
    digest = hashlib.sha256()
    for side in (lessons.training, lessons.validation):
        for lesson in (*side.proofs, None, *side.rejected, None):
            digest.update(repr(lesson and attrs.astuple(lesson)).encode(errors="replace"))
    return digest.hexdigest()[:16]


def _counts(lessons: Lessons, tuner: Tuner) -> dict[str, int]:
    counts: dict[str, int] = {}
    sides: Any = (("training", lessons.training, tuner.training), ("validation", lessons.validation, tuner.validation))
    for name, side, read in sides:
        counts |= {
            f"{name}_theorems": side.num_theorems,
            f"{name}_pairs": len(read.proofs.examples),
            f"{name}_rejected": len(read.rejected.examples),
        }
    for _, _, read in sides:
        for part in (read.proofs, read.rejected):
            counts["cut_prompts"] = counts.get("cut_prompts", 0) + part.cut_prompts
            for reason, count in part.left_out.items():
                counts[f"left_out_{reason}"] = counts.get(f"left_out_{reason}", 0) + count
    return counts
