"""What a fine-tuning did."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.pipeline.finetune.collapse import EmbeddingFigures
from leanebm.storage import write_atomically

REPORT_NAME: Final = "report.json"


@attrs.frozen(kw_only=True)
class Measured:
    """What held-out theorems say of the model at one moment."""

    loss: float
    """Mean negative log-probability of a token of a proof's tactic, in nats."""

    objective: float
    """What training makes small: ``loss``, and with unlikelihood its weighted term; it says which adapter is best."""

    rejected_probability: float | None = None
    """Mean probability that the model proposes a tactic that Lean refused; ``None`` where there is none."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class Look:
    """One look at held-out theorems on the way."""

    step: int
    training_loss: float | None
    """Mean over the steps since the last look, in nats per token; ``None`` if all of them were skipped."""

    validation: Measured

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class FinetuneReport:
    """What went in, what came out, and whether the embeddings survived it."""

    model: str
    adapter: str
    """The folder that a server loads."""

    prompt_format: str
    data: Mapping[str, int]
    """Theorems, pairs and refused tactics of each side; what was cut and what left out, by reason."""

    steps: int
    best_step: int
    """After how many steps the adapter was kept; 0 if training made it only worse."""

    stopped_early: bool
    skipped: int
    """Steps left out because loss or gradient was not finite."""

    seconds: float
    """Of training, over all invocations."""

    before: Measured
    after: Measured
    looks: tuple[Look, ...]
    embeddings_before: EmbeddingFigures | None
    embeddings_after: EmbeddingFigures | None
    alarms: tuple[str, ...]
    """What is wrong with it; empty is good."""

    __repr__ = fitting_repr

    def to_json(self) -> str:
        """The text of its file."""
        return json.dumps(_plain(attrs.asdict(self)), ensure_ascii=False, indent=2) + "\n"

    def write(self, folder: Path) -> None:
        """Write it as ``report.json``."""
        write_atomically(folder / REPORT_NAME, self.to_json().encode())

    def lines(self) -> Iterator[str]:
        """For a person."""
        data = self.data
        yield (
            f"learnt from {data['training_pairs']} pairs of {data['training_theorems']} theorems, held out "
            f"{data['validation_pairs']} of {data['validation_theorems']}"
        )
        unusual = {name: count for name, count in data.items() if count and name.startswith(("cut_", "left_out_"))}
        if unusual:
            yield "  " + ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in unusual.items())
        yield (
            f"held-out loss {self.before.loss:.4f} → {self.after.loss:.4f} nats per token, "
            f"best after {self.best_step} of {self.steps} steps, {self.seconds:.0f} s"
        )
        if self.before.rejected_probability is not None and self.after.rejected_probability is not None:
            was, now = self.before.rejected_probability, self.after.rejected_probability
            yield f"held-out tactics that Lean refused: probability {was:.4f} → {now:.4f}"
        if self.embeddings_before is not None and self.embeddings_after is not None:
            yield _embedding_line(self.embeddings_before, self.embeddings_after)
        else:
            yield "embeddings were not compared: too few states are held out"
        yield from (f"ALARM: {alarm}" for alarm in self.alarms)


def _plain(value: object) -> object:
    """The value, with ``None`` where JSON has no word for a number."""
    if isinstance(value, Mapping):
        return {name: _plain(below) for name, below in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(below) for below in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _embedding_line(before: EmbeddingFigures, after: EmbeddingFigures) -> str:
    line = (
        f"embeddings of {after.states} held-out states: "
        f"mean cosine {before.mean_cosine:.3f} → {after.mean_cosine:.3f}, "
        f"effective rank {before.effective_rank:.1f} → {after.effective_rank:.1f}"
    )
    if before.separability is None or after.separability is None:
        return line
    return f"{line}, separability {before.separability:.3f} → {after.separability:.3f}"
