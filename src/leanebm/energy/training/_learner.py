"""A head together with what trains it.

Shapes: ``B`` groups, ``K`` negatives per group, ``N`` states, ``D`` width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, assert_never

import attrs
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_

from leanebm.energy.config import EnergyHeadConfig
from leanebm.energy.head import EnergyHead
from leanebm.energy.losses import (
    ContrastiveLoss,
    DepthReadout,
    bradley_terry,
    centring,
    info_nce,
    listwise,
    margin,
    path_order,
    remaining_depth,
)
from leanebm.energy.training.config import EnergyTrainerConfig, ObjectiveConfig, RankingLoss
from leanebm.energy.training.contrastive_data import ContrastiveData
from leanebm.energy.training.sampler import GroupBatch, GroupSampler
from leanebm.errors import EnergyError


@attrs.frozen(kw_only=True, eq=False)
class Objective:
    r"""The terms of one batch, scalars, and their weighted sum.

    .. math:: L = L_\text{ranking} + \lambda_p L_\text{path} + \lambda_d L_\text{depth} + \lambda_c L_\text{center}
    """

    total: Tensor
    ranking: Tensor
    path: Tensor
    depth: Tensor
    center: Tensor
    positive: Tensor
    """Energies of the positives, ``[B]``, detached."""

    negative: Tensor
    """Energies of the negatives, ``[B, K]``, detached; arbitrary where the batch's mask is false."""

    @classmethod
    def of(
        cls, head: EnergyHead, readout: DepthReadout, states: Tensor, batch: GroupBatch, config: ObjectiveConfig
    ) -> Objective:
        """Score the batch's states in one forward, and compare them.

        Args:
            head: the head, in training mode.
            readout: turns its energies into remaining depths.
            states: embeddings ``[N, D]`` that the batch's numbers are rows of.
            batch: what to look at.
            config: which terms, and how much of each.
        """
        device = states.device
        rows = torch.from_numpy(batch.rows).to(device)
        mask = torch.from_numpy(batch.mask).to(device)
        positive, negative, along_path = head(states[rows]).split(batch.sizes)
        negative = negative.view(mask.shape)
        remaining = torch.from_numpy(batch.remaining_depth).to(device)
        is_later = torch.from_numpy(batch.along_path_remaining < batch.remaining_depth).to(device)
        ranking = _ranking_loss(config)(positive, negative, mask, torch.from_numpy(batch.weight).to(device))
        path = path_order(
            torch.where(is_later, positive, along_path),
            torch.where(is_later, along_path, positive),
            torch.from_numpy(batch.has_path).to(device),
            label_smoothing=config.label_smoothing,
        )
        depth = remaining_depth(readout(positive), remaining)
        center = centring(torch.cat([positive, negative[mask]]))
        return cls(
            total=ranking + config.path_weight * path + config.depth_weight * depth + config.center_weight * center,
            ranking=ranking.detach(),
            path=path.detach(),
            depth=depth.detach(),
            center=center.detach(),
            positive=positive.detach(),
            negative=negative.detach(),
        )

    def figures(self, batch: GroupBatch) -> dict[str, float]:
        """What to log of the batch."""
        mask = torch.from_numpy(batch.mask).to(self.negative.device)
        is_sibling = torch.from_numpy(batch.is_sibling & batch.mask).to(self.negative.device)
        gaps = (self.negative - self.positive[:, None])[is_sibling]
        negative = self.negative[mask]
        of_all = torch.cat([self.positive, negative])
        figures = {
            "loss": self.total.detach(),
            "ranking": self.ranking,
            "path": self.path,
            "depth": self.depth,
            "center": self.center,
            "e_pos_mean": self.positive.mean(),
            "e_std": of_all.std(correction=0),
        }
        if len(negative):
            figures["e_neg_mean"] = negative.mean()
        if len(gaps):
            figures["pairwise_sibling"] = (gaps > 0).float().mean() + 0.5 * (gaps == 0).float().mean()
        return {name: float(value) for name, value in figures.items()}


def _ranking_loss(config: ObjectiveConfig) -> ContrastiveLoss:
    match config.loss:
        case RankingLoss.BRADLEY_TERRY:
            return partial(bradley_terry, label_smoothing=config.label_smoothing)
        case RankingLoss.INFO_NCE:
            return partial(info_nce, temperature=config.temperature)
        case RankingLoss.MARGIN:
            return partial(margin, width=config.margin)
        case RankingLoss.LISTWISE:
            return partial(listwise, temperature=config.temperature)
        case _:
            assert_never(config.loss)


SCALE_SAMPLE: Final = 4096
"""Training states by which the head's first scale is chosen."""


class StepOutcome(NamedTuple):
    """What a step was about."""

    batch: GroupBatch
    objective: Objective
    grad_norm: Tensor
    """Length of the gradient before clipping."""

    def figures(self) -> dict[str, float]:
        """What to log of the step."""
        return {**self.objective.figures(self.batch), "grad_norm": float(self.grad_norm)}


class Learner:
    """An :class:`EnergyHead`, the one optimizer of all its parameters, what it learns from and what it is judged on.

    Args:
        name: tells its tensors from another learner's in a saved state.
        data: what it learns from, on the device it is to learn on.
        validation: what it is judged on.
        head: configuration of the head.
        config: of the training.
    """

    def __init__(
        self,
        name: str,
        data: ContrastiveData,
        validation: ContrastiveData,
        head: EnergyHeadConfig,
        config: EnergyTrainerConfig,
    ) -> None:
        self.name = name
        self.data = data
        self.validation = validation
        self.head = EnergyHead(head).to(data.states.device)
        self.skipped = 0
        self._readout = DepthReadout().to(data.states.device)
        self._config = config
        self._sampler = GroupSampler(data, config.sampler, seed=config.seed)
        self._parameters = [*self.head.parameters(), *self._readout.parameters()]
        # Fused, because a small head's step is otherwise spent in sixty little loops over its parameters.
        self._optimizer = torch.optim.AdamW(
            _parameter_groups(self._parameters, config.weight_decay), lr=0.0, fused=True
        )

    def initialise(self) -> None:
        """Fit standardisation and scale to the data; once, before the first step."""
        states = self.data.states
        if self.head.config.standardize:
            std, mean = torch.std_mean(states, dim=0, correction=0)
            self.head.set_standardization(mean, std)
        self.head.initialise_scale(states[:SCALE_SAMPLE])

    def step(self, number: int, learning_rate: float) -> StepOutcome:
        """Make step ``number``, unless its loss or gradient is not finite; then count it as skipped.

        Raises:
            EnergyError: too many steps have been skipped.
        """
        batch = self._sampler.batch(number)
        self.head.train()
        objective = Objective.of(self.head, self._readout, self.data.states, batch, self._config.objective)
        self._optimizer.zero_grad(set_to_none=True)
        objective.total.backward()  # type: ignore[no-untyped-call]
        grad_norm = clip_grad_norm_(self._parameters, self._config.grad_clip)
        if torch.isfinite(objective.total) and torch.isfinite(grad_norm):
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
            self._optimizer.step()
        else:
            self._skip(learning_rate)
        return StepOutcome(batch, objective, grad_norm)

    def _skip(self, learning_rate: float) -> None:
        self.skipped += 1
        if self.skipped > self._config.max_skipped:
            widest = float(self.data.states.abs().max())
            raise EnergyError(
                f"in {self.skipped} steps loss or gradient was not finite, and {self._config.max_skipped} are allowed. "
                f"The likeliest cause is the learning rate, {learning_rate:.1e} at this step: try a third of it. "
                f"If these were the first steps, look at the embeddings, whose largest number is {widest:.3g}."
            )

    def tensors(self) -> dict[str, Tensor]:
        """Weights, counts of random draws and optimizer moments, under names that no other learner uses."""
        moments = {
            f"{self.name}.optimizer.{index}.{key}": value
            for index, state in self._optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }
        return {
            **{f"{self.name}.head.{key}": value for key, value in self.head.state_dict().items()},
            **{f"{self.name}.readout.{key}": value for key, value in self._readout.state_dict().items()},
            **moments,
        }

    def restore(self, tensors: Mapping[str, Tensor], skipped: int) -> None:
        """Go on from what :meth:`tensors` gave."""
        self.head.load_state_dict(_below(f"{self.name}.head.", tensors))
        self._readout.load_state_dict(_below(f"{self.name}.readout.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(f"{self.name}.optimizer.", tensors).items():
            index, _, moment = key.partition(".")
            moments.setdefault(int(index), {})[moment] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.skipped = skipped


def _parameter_groups(parameters: Sequence[Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Weight matrices decay; biases, the scale and the read-out, which only place energies, do not."""
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim >= 2], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim < 2], "weight_decay": 0.0},
    ]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
