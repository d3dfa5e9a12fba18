"""Settings of a fine-tuning."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
from attrs.validators import and_, ge, gt, in_, instance_of, lt, matches_re, min_len, optional

from leanebm._fields import DEVICE, FINITE, SAME_RESULTS
from leanebm._shown import fitting_repr
from leanebm.policy import PROMPT_FORMATS, prompt_format_of

_SERVER_WRAPPED: Final = "chat"
"""The one format that a server puts into a chat template, so that nobody here sees the whole prompt."""

_COUNT: Final[Any] = and_(instance_of(int), ge(1))

DTYPES: Final[tuple[Any, ...]] = ("auto", "float32", "bfloat16", "float16")


class LessonKind(enum.StrEnum):
    """What is learnt from searches."""

    PROOFS = "proofs"
    """The steps of certified proofs."""

    GOALS = "goals"
    """These, and of every goal that a search closed the first step, as of a theorem of its own, proved or not what was
    searched: hindsight."""

    WHOLE_PROOFS = "whole_proofs"
    """Each of these goals with its proof to the end, and nothing else."""

    ACCEPTED = "accepted"
    """Every tactic that led on, wherever it led: first lessons for a model from nothing, which has to learn what Lean
    takes before it can learn what helps."""


def _is_trainable_format(_: object, attribute: attrs.Attribute[str], value: str) -> None:
    in_(tuple(PROMPT_FORMATS))(None, attribute, value)
    if value == _SERVER_WRAPPED:
        raise ValueError(
            f"{attribute.name!r} must not be {value!r}: the server puts such a prompt into a chat template. "
            "Choose a format that is the whole prompt"
        )


def _as_names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _are_names(_: object, attribute: attrs.Attribute[Any], names: tuple[str, ...] | None) -> None:
    if names is not None and not (names and all(names)):
        raise ValueError(f"{attribute.name!r} must name at least one layer, and no name may be empty")


@attrs.frozen(kw_only=True)
class FinetuneConfig:
    """Which model is fine-tuned, and how; what it learns from is :class:`FinetuneSources`'."""

    model: str = attrs.field(validator=min_len(1))
    """Folder of a causal language model, as ``leanebm serve --backend hf`` takes it; nothing is ever downloaded."""

    continue_from: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Folder of an adapter to go on from, in its own shape; ``None`` begins a fresh one."""

    prompt_format: str = attrs.field(default="state_comment", validator=_is_trainable_format)
    """How states are shown: a name of :data:`~leanebm.policy.PROMPT_FORMATS`, and the one to search with later."""

    whole: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether all weights of the model learn, and no adapter is made: for small models, and those from scratch."""

    # --- the adapter ---

    rank: int | None = attrs.field(default=None, validator=optional(_COUNT))
    """Of the matrices that are added to each layer; ``None`` is 16, or that of the adapter that is gone on from."""

    alpha: int | None = attrs.field(default=None, validator=optional(_COUNT))
    """What is added is scaled by ``alpha / rank``; ``None`` is twice the rank, or that of the earlier adapter."""

    target_modules: tuple[str, ...] | None = attrs.field(default=None, converter=_as_names, validator=_are_names)
    """Names of the layers that are added to; ``None`` takes all linear ones but the last, which makes the logits."""

    dropout: float = attrs.field(default=0.05, validator=[ge(0.0), lt(1.0)])
    """Share of an added layer's inputs left out in a step, in [0, 1); of a fresh adapter."""

    qlora: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether the model's own weights are kept in 4 bits meanwhile. Needs CUDA and the package bitsandbytes."""

    # --- what it sees ---

    max_tokens: int = attrs.field(default=1024, validator=[instance_of(int), ge(16)])
    """Longest prompt with its tactic; a longer prompt loses its beginning, a tactic never loses anything."""

    max_state_chars: int = attrs.field(default=16_000, validator=[instance_of(int), ge(256)])
    """Longest state shown, in characters, as :class:`~leanebm.policy.PolicyClientConfig` has it."""

    learn: LessonKind = attrs.field(default=LessonKind.PROOFS, converter=LessonKind)
    """What is learnt; anything but ``proofs`` is found in trajectories alone."""

    renamed_copies: int = attrs.field(default=0, validator=[instance_of(int), ge(0)])
    """Copies of each training lesson in which variables of one type bear one another's names."""

    validation_fraction: float = attrs.field(default=0.1, validator=[gt(0.0), lt(1.0)])
    """Expected share of theorems held out, in (0, 1)."""

    max_rejected_per_state: int = attrs.field(default=4, validator=_COUNT)
    """Tactics that Lean refused in one state, the likeliest first, that unlikelihood looks at."""

    probe_states: int = attrs.field(default=256, validator=[instance_of(int), ge(8)])
    """Held-out states whose embeddings are looked at before and after."""

    # --- how it learns ---

    prompt_weight: float = attrs.field(default=0.0, validator=[ge(0.0), FINITE])
    """Weight of the loss on the prompt's own tokens, beside that on the tactic's, each the mean of its tokens. A model
    from nothing learns from it what states look like, long before tactics alone could teach it."""

    unlikelihood: float = attrs.field(default=0.0, validator=[ge(0.0), FINITE])
    """Weight of the loss on tactics that Lean refused; 0 leaves them out. It needs trajectories."""

    epochs: float = attrs.field(default=3.0, validator=[gt(0.0), FINITE])
    """How often each pair is seen, on average."""

    max_steps: int | None = attrs.field(default=None, validator=optional(_COUNT))
    """Steps, whatever ``epochs`` says."""

    batch_size: int = attrs.field(default=16, validator=_COUNT)
    """Pairs of one step."""

    learning_rate: float = attrs.field(default=2e-4, validator=[gt(0.0), FINITE])
    """At its height; it rises over the first twentieth of the steps and falls to 0 as a cosine does."""

    weight_decay: float = attrs.field(default=0.0, validator=[ge(0.0), FINITE])
    grad_clip: float = attrs.field(default=1.0, validator=gt(0.0))
    """Longest gradient of a step."""

    evaluations: int = attrs.field(default=10, validator=_COUNT)
    """Looks at held-out theorems, spread evenly; the adapter is the one that did best at one of them."""

    patience: int | None = attrs.field(default=None, validator=optional(_COUNT))
    """Looks without improvement after which it ends; ``None`` goes on to the last step."""

    seed: int = attrs.field(default=0, validator=[instance_of(int), ge(0)])
    """Of the first weights, the order of pairs, dropout and which theorems are held out."""

    # --- with what ---

    max_batch_tokens: int = attrs.field(default=2048, validator=_COUNT)
    """Tokens of one pass, padding included; a step of more makes several passes, and one long sequence a pass of its
    own. What a pass keeps for its gradient takes most of the memory."""

    gradient_checkpointing: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether a pass is computed twice, in a fraction of the memory."""

    save_every_s: float = attrs.field(default=300.0, validator=ge(0.0), metadata=SAME_RESULTS)
    """Seconds after which a killed training has lost nothing; it is kept after each look in any case."""

    device: str = attrs.field(default="auto", validator=matches_re(f"auto|{DEVICE}"))
    """``cpu``, ``cuda`` or ``cuda:1``; ``auto`` takes CUDA where there is one."""

    dtype: str = attrs.field(default="auto", validator=in_(DTYPES))
    """Number format of the model's own weights; ``auto`` is float32 on a CPU, and the checkpoint's own elsewhere."""

    attention: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Implementation that transformers uses; ``None`` leaves it to choose."""

    trust_remote_code: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether Python code in the model's folder may run. It can do anything: read it first."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        self._check_whole()
        prompt_format_of(self.prompt_format, whole_proofs=self.writes_whole_proofs)
        if self.writes_whole_proofs and self.unlikelihood:
            raise ValueError("whole_proofs learns from proofs alone: leave out unlikelihood (--unlikelihood)")
        shaped = [name for name in ("rank", "alpha", "target_modules") if getattr(self, name) is not None]
        if self.continue_from is not None and shaped:
            raise ValueError(f"an adapter that is gone on from keeps its shape: leave out {' and '.join(shaped)}")

    @property
    def writes_whole_proofs(self) -> bool:
        """Whether the model learns to write proofs to their end, and not single tactics."""
        return self.learn is LessonKind.WHOLE_PROOFS

    def _check_whole(self) -> None:
        adapters = [name for name in ("continue_from", "rank", "alpha", "target_modules") if getattr(self, name)]
        adapters += ["qlora"] if self.qlora else []
        if self.whole and adapters:
            raise ValueError(f"where the whole model learns there is no adapter: leave out {' and '.join(adapters)}")
