"""The energy head: how far a proof state is from being proved, as one number.

Shapes: ``D`` width of an embedding, ``N`` states.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Self, cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what everyone calls it

from leanebm.energy.config import EnergyHeadConfig, SpectralNormMode
from leanebm.energy.spectral import SpectralLinear, SpectralReport
from leanebm.errors import EnergyError

LOG_SCALE_RANGE: Final = (-3.0, 5.0)
"""Bounds of the logarithm of the head's scale, inclusive."""

_ACTIVATIONS: Final[Mapping[str, tuple[Callable[[Tensor], Tensor], float]]] = {
    "gelu": (F.gelu, 1.1290),
    "relu": (F.relu, 1.0),
    "silu": (F.silu, 1.0999),
    "tanh": (torch.tanh, 1.0),
}
"""Each with its steepest slope, rounded up."""

_CONSTANT: Final = 1e-6
"""Spread of a dimension, as a share of the widest one's, below which it carries nothing but rounding."""


class EnergyHead(nn.Module):
    r"""A multilayer perceptron from an embedding to an energy; lower = more provable.

    .. math:: E(z) = e^{s}\; \bar W_{n+1}\, \phi(\bar W_n \cdots \phi(\bar W_1 \tilde z + b_1) \cdots + b_n),
              \qquad \tilde z = (z - \mu) / \varsigma,
              \qquad \bar W = W / \hat\sigma(W)

    The layers cannot stretch (:math:`\bar W` has norm 1, up to the estimate of σ), so that the one learnable
    scale :math:`s` alone says how sharply energies tell states apart.

    By default (:attr:`SpectralNormMode.RANDOM`) each forward pass estimates σ anew from random vectors, in
    ``eval()`` as well as in ``train()``: two passes over the same states differ slightly.
    :meth:`freeze_spectral` bakes the exact σ in instead; the same states in the same batch then give the same
    bits, at the cost of a plain perceptron.

    **Randomness.** First weights, dropout and the vectors of spectral normalisation are functions of
    ``config.seed``, the mode and the number of forward passes made in it, never of torch's global generator.
    What is drawn during a forward is drawn on the head's device, and CUDA's numbers are not the CPU's: there, an
    energy differs as between two forwards. First weights are the same everywhere.
    The two counts are part of ``state_dict()``, so a run that is resumed from it goes on bit for bit, and
    scoring in between changes nothing for training.

    Energies are computed in float32, under ``torch.autocast`` too: they are compared across forward passes,
    and bfloat16 would leave them three digits. (Gradients are coarsened where ``backward()`` itself is called
    under autocast, which torch advises against.)

    Args:
        config: sizes and normalisation.
    """

    mean: Tensor
    """``μ [D]``, from the training split; zeros until :meth:`set_standardization`."""

    std: Tensor
    """``ς [D]``, from the training split; ones until :meth:`set_standardization`."""

    def __init__(self, config: EnergyHeadConfig) -> None:
        super().__init__()
        self.config = config
        self._activation, self._steepest = _ACTIVATIONS[config.activation]
        self._forwards = {True: 0, False: 0}  # made in training and in evaluation
        self._frozen_versions: tuple[int, ...] | None = None
        generator = _seeded_generator(config.seed, "weights", 0, torch.device("cpu"))
        widths = (config.d_in, *config.hidden, 1)
        self.layers = nn.ModuleList(
            SpectralLinear(
                d_in,
                d_out,
                bias=i < len(config.hidden),
                mode=config.spectral_norm,
                iterations=config.power_iterations,
                generator=generator,
            )
            for i, (d_in, d_out) in enumerate(itertools.pairwise(widths))
        )
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.register_buffer("mean", torch.zeros(config.d_in))
        self.register_buffer("std", torch.ones(config.d_in))
        self._layers = cast("tuple[SpectralLinear, ...]", tuple(self.layers))  # without the cost of a ModuleList
        self._parameters_in_use = tuple(self.parameters())
        self.register_load_state_dict_pre_hook(_unfreeze_before_loading)  # type: ignore[no-untyped-call]

    # --- energies -------------------------------------------------------------------------------

    def forward(self, embeddings: Tensor) -> Tensor:
        """The energies of states.

        Args:
            embeddings: ``[..., D]``, of any floating-point type, as the encoder gave them.

        Returns:
            ``[...]``, float32.

        Raises:
            EnergyError: the embeddings are not ``D`` wide, or no floating-point numbers; or the head is
                frozen and its weights have been changed since.
        """
        self._check_inputs(embeddings)
        with _float32(embeddings.device):
            rows = embeddings.reshape(-1, self.config.d_in).to(self.mean.dtype)
            if self.config.standardize:
                rows = (rows - self.mean).div_(self.std)
            energies = self._forward(rows) if self._frozen_versions is None else self._frozen_forward(rows)
        return energies.reshape(embeddings.shape[:-1])

    def _forward(self, rows: Tensor) -> Tensor:
        generator = self._next_generator(rows.device)
        *hidden, last = self._layers
        for layer in hidden:
            rows = self._dropout(self._activation(layer(rows, generator)), generator)
        return cast("Tensor", last(rows, generator)) * self.scale

    def _frozen_forward(self, rows: Tensor) -> Tensor:
        if self._frozen_versions != self._versions():
            raise EnergyError(
                "The head's weights have changed since freeze_spectral(), so its frozen energies are stale. A frozen "
                "head cannot be trained: call train() or unfreeze_spectral() first, and freeze again afterwards."
            )
        *hidden, last = self._layers
        for layer in hidden:
            rows = self._activation(layer.frozen_forward(rows))
        return last.frozen_forward(rows)

    def _check_inputs(self, embeddings: Tensor) -> None:
        if embeddings.ndim == 0 or embeddings.shape[-1] != self.config.d_in:
            raise EnergyError(
                f"The head takes embeddings of width {self.config.d_in}, got a tensor of shape "
                f"{list(embeddings.shape)}. Another encoder made these."
            )
        if not embeddings.is_floating_point():
            raise EnergyError(f"Embeddings are floating-point numbers, got {embeddings.dtype}.")

    def _dropout(self, rows: Tensor, generator: Generator) -> Tensor:
        if not self.training or self.config.dropout == 0.0:
            return rows
        keep = 1.0 - self.config.dropout
        return rows * torch.empty_like(rows).bernoulli_(keep, generator=generator).div_(keep)

    # --- scale and standardisation --------------------------------------------------------------

    @property
    def scale(self) -> Tensor:
        """``exp(log_scale)``, a scalar, with :data:`LOG_SCALE_RANGE` enforced.

        The gradient passes the bounds as if they were not there; else a ``log_scale`` that a step carried
        beyond one could never come back.
        """
        clamped = self.log_scale.detach().clamp(*LOG_SCALE_RANGE)
        return torch.exp(self.log_scale - self.log_scale.detach() + clamped)

    @torch.no_grad()
    def set_standardization(self, mean: Tensor, std: Tensor) -> None:
        """Centre and scale embeddings from now on; measure both on the training split only.

        A dimension that hardly varies (a millionth of the widest one's spread) is centred, not scaled.

        Args:
            mean: ``[D]``.
            std: ``[D]``, at least 0.

        Raises:
            EnergyError: a shape is wrong, a number is not finite or negative, all are constant, or the head was
                configured with ``standardize=False``.
        """
        if not self.config.standardize:
            raise EnergyError("The head was configured with standardize=False: it takes embeddings as they are.")
        for name, given in (("mean", mean), ("std", std)):
            if given.shape != self.mean.shape:
                raise EnergyError(f"{name} must have shape [{self.config.d_in}], got {list(given.shape)}.")
            if not given.isfinite().all():
                raise EnergyError(f"{name} holds a number that is not finite.")
        if (std < 0.0).any() or not (std > 0.0).any():
            raise EnergyError("std must be at least 0 everywhere and above 0 somewhere: are all embeddings the same?")
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > _CONSTANT * std.max(), std, torch.ones_like(std)))

    @torch.no_grad()
    def initialise_scale(self, embeddings: Tensor) -> float:
        """Choose ``log_scale`` so that energies of these states have a standard deviation of 1.

        Meant for the first few thousand training states, after :meth:`set_standardization` and before the first
        step. Without it energies start so close together that a softmax over them is flat.

        Args:
            embeddings: ``[N, D]``, at least two.

        Returns:
            The new ``log_scale``, within :data:`LOG_SCALE_RANGE`.

        Raises:
            EnergyError: the energies are all the same, or not finite.
        """
        was_training = self.training
        self.eval()
        try:
            spread = float((self(embeddings) / self.scale).std(correction=0))
        finally:
            self.train(was_training)
        if not (math.isfinite(spread) and spread > 0.0):
            raise EnergyError(
                f"The energies of {len(embeddings)} states spread by {spread}: there is no scale to choose. "
                "Are the embeddings all the same, zero, or not finite?"
            )
        low, high = LOG_SCALE_RANGE
        log_scale = min(max(-math.log(spread), low), high)
        self.log_scale.fill_(log_scale)
        return log_scale

    # --- frozen spectral normalisation ----------------------------------------------------------

    @property
    def is_frozen(self) -> bool:
        """Whether :meth:`freeze_spectral` is in force."""
        return self._frozen_versions is not None

    @torch.no_grad()
    def freeze_spectral(self) -> SpectralReport:
        """Divide each weight by its exact σ, once, and keep the quotient: scoring becomes deterministic.

        Switches to ``eval()``. Lasts until :meth:`unfreeze_spectral`, ``train()`` or ``load_state_dict()``.
        Takes about a second for 4096 → 2048 → 1024 → 512 → 1 on one core.

        Returns:
            The exact σ of each layer, and what a forward pass's estimate would have missed.
        """
        self.eval()
        generator = self._next_generator(self.mean.device)
        estimated = tuple(float(layer.estimate(generator).sigma) for layer in self._layers)
        exact = tuple(layer.freeze() for layer in self._layers)
        *_, last = self._layers
        cast("Tensor", last.frozen_weight).mul_(self.scale)
        self._frozen_versions = self._versions()
        norms = math.prod(exact) if self.config.spectral_norm is SpectralNormMode.NONE else 1.0
        slopes = self._steepest ** len(self.config.hidden)
        return SpectralReport(exact=exact, estimated=estimated, lipschitz_bound=norms * slopes * float(self.scale))

    def unfreeze_spectral(self) -> None:
        """Return to estimating σ at each forward pass; without effect on a head that is not frozen."""
        self._frozen_versions = None
        for layer in self._layers:
            layer.unfreeze()

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation, as for any module; training unfreezes the head."""
        if mode:
            self.unfreeze_spectral()
        return super().train(mode)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if self.is_frozen:  # a copy has parameters of its own, whose history starts now
            self._frozen_versions = self._versions()

    def _versions(self) -> tuple[int, ...]:
        """How often each parameter has been written to; what was frozen holds only while none has."""
        return tuple(parameter._version for parameter in self._parameters_in_use)  # noqa: SLF001 - torch has no other name

    # --- randomness and state -------------------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """Forward passes made so far in training and in evaluation; part of ``state_dict()``."""
        return torch.tensor([self._forwards[True], self._forwards[False]], dtype=torch.int64)

    def set_extra_state(self, state: Any) -> None:
        """Go on from the counts of :meth:`get_extra_state`."""
        self._forwards[True], self._forwards[False] = (int(count) for count in state)

    def _next_generator(self, device: torch.device) -> Generator:
        """The generator of the coming forward pass."""
        count = self._forwards[self.training]
        self._forwards[self.training] = count + 1
        return _seeded_generator(self.config.seed, "train" if self.training else "eval", count, device)


def _seeded_generator(seed: int, purpose: str, count: int, device: torch.device) -> Generator:
    digest = hashlib.blake2b(f"{seed}/{purpose}/{count}".encode(), digest_size=8).digest()
    # The CPU's generator looks at 32 bits only: hashing makes them all depend on everything.
    return Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def _float32(device: torch.device) -> AbstractContextManager[Any]:
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def _unfreeze_before_loading(head: nn.Module, *_: object) -> None:
    cast("EnergyHead", head).unfreeze_spectral()
