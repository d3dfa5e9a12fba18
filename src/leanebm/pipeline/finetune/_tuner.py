"""A model that learns; each step is a function of its number, so that a killed training goes on exactly."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import attrs
import numpy as np
import safetensors
import torch
from cattrs.preconf.json import make_converter
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from leanebm.errors import ConfigError
from leanebm.pipeline.finetune._adapter import AdaptedModel, device_of
from leanebm.pipeline.finetune._examples import Example, Tokenised, epoch_batches, passes, renamed_copies, tokenised
from leanebm.pipeline.finetune._objective import Batch, learnt_log_probs, unlikelihood
from leanebm.pipeline.finetune._whole import WholeModel
from leanebm.pipeline.finetune.collapse import EmbeddingFigures, LabelledStates, measure_embeddings
from leanebm.pipeline.finetune.config import FinetuneConfig
from leanebm.pipeline.finetune.lessons import Lessons, Side
from leanebm.pipeline.finetune.report import Look, Measured
from leanebm.pipeline.iteration.policy_step import NothingToLearn
from leanebm.policy import prompt_format_of, truncate_text
from leanebm.serve.backends.hf.pooling import pooled_states
from leanebm.serve.backends.hf.tokenizer import PromptTokenizer
from leanebm.storage import differences_from_folder, write_atomically

_STATE_NAME: Final = "training_state.safetensors"
_WARMUP: Final = 0.05
_MAX_SKIPPED: Final = 10
_LEAST_PROBED: Final = 8
"""Fewer embeddings do not show whether they were drawn together."""

_json = make_converter(forbid_extra_keys=True)


@attrs.define(kw_only=True)
class Progress:
    """How far a training has come; on the disk it is in the same file as the tensors, so that all is of one moment."""

    settings: Mapping[str, Any]
    before: Measured
    embeddings_before: EmbeddingFigures | None
    step: int = 0
    skipped: int = 0
    best_step: int = 0
    best: float = math.inf
    """The objective after ``best_step``."""

    looks: list[Look] = attrs.field(factory=list)
    training_loss: float = 0.0
    """Sum over the steps since the last look that were not skipped."""

    counted: int = 0
    """How many those are."""

    seconds: float = 0.0
    is_finished: bool = False

    def require_same(self, settings: Mapping[str, Any], folder: Path) -> None:
        """See that it is the same training that is to go on.

        Raises:
            ConfigError: it is not; every difference is listed.
        """
        if problems := differences_from_folder(self.settings, settings):
            raise ConfigError(f"{folder} belongs to another fine-tuning; to begin again here, delete it", problems)


@attrs.frozen(kw_only=True)
class _Read:
    """One side's examples, by what is to be done with them."""

    proofs: Tokenised
    rejected: Tokenised

    @classmethod
    def of(cls, side: Side, config: FinetuneConfig, tokenizer: PromptTokenizer, context: int, copies: int = 0) -> Self:
        def read(lessons: Any) -> Tokenised:
            return tokenised(
                lessons,
                prompt_format_of(config.prompt_format, whole_proofs=config.writes_whole_proofs),
                tokenizer,
                max_tokens=min(config.max_tokens, context),
                max_state_chars=config.max_state_chars,
            )

        proofs = renamed_copies(side.proofs, copies, seed=config.seed)
        return cls(proofs=read(proofs), rejected=read(side.rejected if config.unlikelihood else ()))

    def apart_from(self, other: Self) -> Self:
        """Without what reads like something of the other side."""
        return attrs.evolve(
            self,
            proofs=self.proofs.apart_from(other.proofs),
            rejected=self.rejected.apart_from(other.rejected),
        )


class Tuner:
    """A model, or an adapter on it, what that learns from, and the folder where it is kept."""

    def __init__(self, config: FinetuneConfig, lessons: Lessons, folder: Path, settings: Mapping[str, Any]) -> None:
        self._config, self._lessons, self._folder, self._settings = config, lessons, folder, settings
        self._tokenizer = PromptTokenizer.load(Path(config.model), trust_remote_code=config.trust_remote_code)
        self._device = device_of(config)
        with self._drawing(0):
            self._learner = WholeModel(config) if config.whole else AdaptedModel(config)
        self._model: Any = self._learner.model
        text_config: Any = self._model.config.get_text_config(decoder=True)
        self._context = int(getattr(text_config, "max_position_embeddings", None) or 2048)
        read = partial(_Read.of, config=config, tokenizer=self._tokenizer, context=self._context)
        training = read(lessons.training)
        self.validation = read(lessons.validation).apart_from(training)
        if config.renamed_copies:
            training = read(lessons.training, copies=config.renamed_copies)
        self.training = training.apart_from(self.validation)  # a renamed copy may read like what is held out
        if not self.training.proofs.examples or not self.validation.proofs.examples:
            raise NothingToLearn("no pair is left to learn from, or to be judged on:", self._reasons())
        self._parameters = self._learner.trainable
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        per_epoch = -(-len(self.training.proofs.examples) // config.batch_size)
        self.steps = config.max_steps or max(1, math.ceil(config.epochs * per_epoch))
        self._order: dict[tuple[str, int], list[tuple[int, ...]]] = {}
        self.progress = self._restored() or self._begun()

    @property
    def adapter(self) -> Path:
        """The folder that a server loads."""
        return self._folder / self._learner.folder_name

    def _reasons(self) -> list[str]:
        return [
            f"{name.replace('_', ' ')}: {count} of the {side} pairs"
            for side, read in (("training", self.training), ("held-out", self.validation))
            for name, count in read.proofs.left_out.items()
            if count
        ]

    # --- beginning, and going on ---

    def _begun(self) -> Progress:
        before, embeddings = self.measured()
        if not math.isfinite(before.loss):
            raise ConfigError(
                f"the loss of {self._config.model} is not finite before it learnt anything: {before.loss}"
            )
        progress = Progress(settings=self._settings, before=before, embeddings_before=embeddings, best=before.objective)
        self._learner.write_settings(self.adapter, self._settings["base"])
        self._learner.write_weights(self.adapter)
        self._save(progress)
        return progress

    def _save(self, progress: Progress) -> None:
        moments = {
            f"optimizer.{index}.{key}": value
            for index, state in self._optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }
        tensors = {**{f"adapter.{name}": value for name, value in self._parameters.items()}, **moments}
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        text = json.dumps(_json.unstructure(progress))
        write_atomically(self._folder / _STATE_NAME, save(plain, {"progress": text}))

    def _restored(self) -> Progress | None:
        path = self._folder / _STATE_NAME
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                progress = _json.loads(file.metadata()["progress"], Progress)
            tensors = load_file(path)
        except Exception as error:
            raise ConfigError(f"{path} cannot be read ({error}); restore it, or train into another folder") from error
        progress.require_same(self._settings, self._folder)
        self.use_best()  # those of ``tensors`` take their place; were they gone, it would show when all is done
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(tensors[f"adapter.{name}"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                index, _, key = rest.partition(".")
                moments.setdefault(int(index), {})[key] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        return progress

    # --- learning ---

    def train(self, notify: Callable[[Progress], None]) -> None:
        """Make the steps that are left. ``notify`` is called after each, and may raise to stop: nothing is lost then.

        Raises:
            ConfigError: too many steps were not finite.
        """
        looks = min(self._config.evaluations, self.steps)
        progress, saved_s = self.progress, time.monotonic()
        with self._drawing(1):
            while not progress.is_finished:
                started_s = time.monotonic()
                self._step(progress)
                is_last = progress.step >= self.steps
                is_look = progress.step * looks // self.steps > (progress.step - 1) * looks // self.steps
                if is_look:
                    self._look(progress)
                    progress.is_finished |= is_last
                progress.seconds += time.monotonic() - started_s
                if is_look or time.monotonic() - saved_s >= self._config.save_every_s:
                    self._save(progress)
                    saved_s = time.monotonic()
                try:
                    notify(progress)
                except BaseException:
                    self._save(progress)
                    raise

    def _step(self, progress: Progress) -> None:
        config, number = self._config, progress.step
        torch.manual_seed(config.seed * 1_000_003 + number)
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._pull_up(self._batch("proofs", self.training.proofs.examples, number))
        self._push_down(self._batch("rejected", self.training.rejected.examples, number))
        norm = clip_grad_norm_(self._parameters.values(), config.grad_clip)
        if math.isfinite(loss) and bool(torch.isfinite(norm)):
            for group in self._optimizer.param_groups:
                group["lr"] = self._rate(number)
            self._optimizer.step()
            progress.training_loss += loss
            progress.counted += 1
        else:
            progress.skipped += 1
            if progress.skipped > _MAX_SKIPPED:
                raise ConfigError(
                    f"in {progress.skipped} steps loss or gradient was not finite:",
                    [f"try a third of {config.learning_rate:g} @ $.learning_rate"],
                )
        progress.step += 1

    def _pull_up(self, proofs: Sequence[Example]) -> float:
        """Add the gradient of the proofs' tactics, and of their prompts; the tactics' mean loss, in nats per token."""
        weight = self._config.prompt_weight
        tokens = sum(len(example.tokens) - example.start for example in proofs)
        prompt_tokens = max(1, sum(example.start - 1 for example in proofs))
        total = 0.0
        for group in passes(proofs, self._config.max_batch_tokens):
            batch = Batch.of(group, self._device, with_prompts=weight > 0)
            log_probs = learnt_log_probs(self._model, batch)
            loss = -log_probs[batch.is_completion].sum() / tokens
            prompts = -log_probs[~batch.is_completion].sum() / prompt_tokens
            (loss + weight * prompts).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total

    def _push_down(self, rejected: Sequence[Example]) -> None:
        """Add the gradient against the tactics that Lean refused."""
        for group in passes(rejected, self._config.max_batch_tokens):
            losses = unlikelihood(learnt_log_probs(self._model, Batch.of(group, self._device)))
            (self._config.unlikelihood * losses.sum() / len(rejected)).backward()  # type: ignore[no-untyped-call]

    def _batch(self, kind: str, examples: Sequence[Example], number: int) -> list[Example]:
        if not examples:
            return []
        size = self._config.batch_size
        epoch, index = divmod(number, -(-len(examples) // size))
        if (kind, epoch) not in self._order:
            lengths = [len(example.tokens) for example in examples]
            self._order = {key: order for key, order in self._order.items() if key[0] != kind}
            self._order[kind, epoch] = epoch_batches(lengths, size, seed=self._config.seed, epoch=epoch)
        return [examples[i] for i in self._order[kind, epoch][index]]

    def _rate(self, number: int) -> float:
        warmup = max(1.0, _WARMUP * self.steps)
        fallen = 0.5 * (1.0 + math.cos(math.pi * number / self.steps))
        return self._config.learning_rate * min((number + 1) / warmup, 1.0) * fallen

    def _look(self, progress: Progress) -> None:
        found = self._on_held_out()
        mean = progress.training_loss / progress.counted if progress.counted else None
        progress.looks.append(Look(step=progress.step, training_loss=mean, validation=found))
        progress.training_loss, progress.counted = 0.0, 0
        if found.objective < progress.best:
            progress.best_step, progress.best = progress.step, found.objective
            self._learner.write_weights(self.adapter)
        patience = self._config.patience
        stale = sum(look.step > progress.best_step for look in progress.looks)
        progress.is_finished |= patience is not None and stale >= patience

    # --- measuring ---

    def use_best(self) -> None:
        """Put the weights that were kept in the place of the last ones.

        Raises:
            ConfigError: they are gone, or damaged.
        """
        try:
            self._learner.read_weights(self.adapter)
        except Exception as error:
            raise ConfigError(
                f"what was trained cannot be read in {self.adapter} ({error}); restore it, or delete {self._folder} to "
                "train again"
            ) from error

    def measured(self) -> tuple[Measured, EmbeddingFigures | None]:
        """What held-out theorems say of the model as it is, and what their states' embeddings look like."""
        return self._on_held_out(), self._embeddings()

    @torch.no_grad()
    def _on_held_out(self) -> Measured:
        self._model.eval()
        proofs, rejected = self.validation.proofs.examples, self.validation.rejected.examples
        tokens = sum(len(example.tokens) - example.start for example in proofs)
        loss = -math.fsum(float(log_probs.sum()) for log_probs in self._log_probs(proofs)) / tokens
        if not rejected:
            return Measured(loss=loss, objective=loss)
        refused = torch.cat([log_probs.sum(dim=1) for log_probs in self._log_probs(rejected)])
        term = self._config.unlikelihood * float(unlikelihood(refused[:, None]).mean())
        return Measured(loss=loss, objective=loss + term, rejected_probability=float(refused.exp().mean()))

    def _log_probs(self, examples: Sequence[Example]) -> Iterator[Tensor]:
        for group in passes(examples, self._config.max_batch_tokens):
            yield learnt_log_probs(self._model, Batch.of(group, self._device))

    @torch.no_grad()
    def _embeddings(self) -> EmbeddingFigures | None:
        self._model.eval()
        side, most = self._lessons.validation, self._config.probe_states
        plain = _thinned(sorted({lesson.state for lesson in side.proofs}), most)
        groups = _thinned(side.groups, most // 2)
        labelled = [(group.positive_text, True, group.theorem) for group in groups]
        labelled += [(one.text, False, group.theorem) for group in groups for one in group.negatives[:2]]
        texts = sorted({*plain, *(text for text, *_ in labelled)})
        if len(texts) < _LEAST_PROBED:
            return None
        rows = self._tokenizer.encode([truncate_text(text, self._config.max_state_chars) for text in texts])
        vectors: dict[tuple[int, ...], Any] = {}
        by_row = {text: Example(row[: self._context], 0) for text, row in zip(texts, rows, strict=True)}
        for group in passes(dict.fromkeys(by_row.values()), self._config.max_batch_tokens):
            pooled = pooled_states(self._model, [example.tokens for example in group]).cpu().numpy()
            vectors |= {example.tokens: row for example, row in zip(group, pooled, strict=True)}
        vector = {text: vectors[example.tokens] for text, example in by_row.items()}
        table = LabelledStates(
            embeddings=np.array([vector[text] for text, *_ in labelled]),
            is_on_path=np.array([is_on_path for _, is_on_path, _ in labelled], dtype=bool),
            theorem=[theorem for *_, theorem in labelled],
        )
        return measure_embeddings(np.array(list(vector.values())), table if labelled else None)

    @contextmanager
    def _drawing(self, purpose: int) -> Iterator[None]:
        """Draw random numbers from a seed of one's own, and leave everyone else's as they were."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self._config.seed * 2 + purpose)
            yield


def _thinned(items: Sequence[Any], most: int) -> list[Any]:
    """At most ``most`` of them, spread evenly."""
    return list(items[:: max(1, -(-len(items) // most))])
