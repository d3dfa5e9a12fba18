"""A trained energy head, brought into a search."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs.validators import ge, instance_of, matches_re, optional

from leanebm._fields import DEVICE, SAME_RESULTS, torch_device
from leanebm._shown import fitting_repr, reason
from leanebm.core import EnergyModel, StateEncoder, StateScorer
from leanebm.data.conjectures import SHIPPED_LOGIC
from leanebm.errors import ConfigError
from leanebm.pipeline.energy.counting_encoder import COUNTS, CountingEncoder
from leanebm.search import LengthNormalisedLogProb, NegativeEnergy, WeightedSum, WeightedTerm
from leanebm.storage import read_regular

if TYPE_CHECKING:
    from leanebm.energy import Calibration, CheckpointHeader

_log = logging.getLogger(__name__)

SHIPPED_HEAD: Final = SHIPPED_LOGIC.with_name("logic_head")
"""The folder of the head that comes with leanebm: trained on ``logic:train``, for the embedded server's encoder."""

SHIPPED_MODEL_HEAD: Final = SHIPPED_LOGIC.with_name("logic_model_head")
"""The folder of another one, for embeddings of the small model that comes with leanebm, too."""

_HEADER_NAME = "head.json"
"""As :mod:`leanebm.energy.checkpoint` has it; to import it would load torch."""


def _as_path(path: Any) -> Path | None:
    return None if path is None else Path(path)


@attrs.frozen(kw_only=True)
class EnergyConfig:
    """Which energy head guides a search, and how."""

    path: Path | None = attrs.field(default=None, converter=_as_path, metadata=SAME_RESULTS)
    """Folder that ``train-ebm`` wrote; ``None`` searches without a head."""

    beta: float | None = attrs.field(default=None, validator=optional(ge(0.0)))
    """Weight of the energy in standard units; ``None`` takes the one that ``leanebm tune`` wrote into the head, else
    the one that training fitted on validation theorems."""

    freeze_spectral: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether exact spectral norms are computed once, so that scoring is faster and never moves;
    otherwise they are estimated afresh at every forward, as in training."""

    device: str = attrs.field(default="cpu", validator=matches_re(DEVICE), metadata=SAME_RESULTS)
    """Where the head computes: ``cpu``, ``cuda`` or ``cuda:1``."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        fields = attrs.fields_dict(type(self))
        idle = [name for name in ("beta", "freeze_spectral", "device") if getattr(self, name) != fields[name].default]
        if self.path is None and idle:
            raise ValueError(
                f"there is no energy head for {' and '.join(idle)} to apply to: name the folder of one "
                "(--ebm-path, or path in the settings)"
            )

    @property
    def digest(self) -> str | None:
        """Tells one trained head from another, wherever its folder stands; ``None`` without a head.

        Where :attr:`beta` is given, it does not depend on whether somebody tuned the head.

        Raises:
            ConfigError: the folder holds no head.
        """
        if self.path is None:
            return None
        header = self.path / _HEADER_NAME
        try:
            data = read_regular(header)
            if self.beta is not None:
                data = _untuned(data)
            return hashlib.sha256(data).hexdigest()[:16]
        except OSError as error:
            raise ConfigError(
                f"there is no energy head in {self.path}: {reason(error)}: {header.name}. "
                "Name the folder that `leanebm train-ebm --output-dir` wrote"
            ) from error

    @property
    def tuned_alpha(self) -> float | None:
        """The exponent of the path's length that ``leanebm tune`` wrote into the head.

        ``None`` if it did not, or there is no head that can be read.
        """
        alpha = self._header_says("tuned", "alpha")
        return float(alpha) if isinstance(alpha, int | float) else None

    @property
    def needs_encoder(self) -> bool:
        """Whether there is a head, and it is one for embeddings that a server makes."""
        return self.path is not None and self._header_says("encoder", "model") != COUNTS.model

    def _header_says(self, *keys: str) -> object:
        """What stands in the head's header; ``None`` if it is not there, or there is no head that can be read."""
        if self.path is None:
            return None
        try:
            found: Any = json.loads(read_regular(self.path / _HEADER_NAME))
            for key in keys:
                found = found[key]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None  # whoever loads the head says what is wrong with it
        return found


def _untuned(header: bytes) -> bytes:
    """The header as it was before somebody tuned the head."""
    try:
        document = json.loads(header)
        del document["tuned"]
        return (json.dumps(document, indent=2) + "\n").encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return header


@attrs.frozen(kw_only=True)
class Guidance:
    """What a head brings to a search."""

    energy: EnergyModel
    scorer: StateScorer
    """Trades the energy against the policy's opinion, each in its own standard units."""

    __repr__ = fitting_repr


@asynccontextmanager
async def open_guidance(
    config: EnergyConfig, policy_scorer: StateScorer, encoder: StateEncoder | None
) -> AsyncIterator[Guidance]:
    """Load the head, put its encoder in front of it, and add its opinion to ``policy_scorer``'s.

    That is ``encoder``; a head that was trained on counts brings its own.

    Raises:
        ConfigError: no head is configured, torch is not installed or does not see the device, or the head was
            calibrated beside another scorer.
        EnergyError: the head cannot be read, or was trained with another encoder.
        PolicyError: the encoder could not answer.
    """
    if config.path is None:
        raise ConfigError("no energy head is configured:", ["name the folder that train-ebm wrote @ --ebm-path"])
    from leanebm.energy import HeadEnergyModel, load_checkpoint

    device = torch_device(config.device)
    if encoder is None and not config.needs_encoder:
        encoder = CountingEncoder()
    if encoder is None:
        raise ConfigError(f"the energy head in {config.path} needs an encoder, and this run has none")
    checkpoint = load_checkpoint(config.path, encoder=await encoder.identity())
    head = checkpoint.head.to(device)
    if config.freeze_spectral:
        head.freeze_spectral()
    scorer = _guided(config, checkpoint.header, policy_scorer)
    if not getattr(policy_scorer, "reads_energy", False):
        _say_if_idle(config, checkpoint.header)
    async with HeadEnergyModel(head, encoder) as energy:
        yield Guidance(energy=energy, scorer=scorer)


def check_guidance(config: EnergyConfig, policy_scorer: StateScorer) -> None:
    """See whether the head, if there is one, can be added to ``policy_scorer``; only its header is read.

    Raises:
        ConfigError: torch is not installed, or the head was calibrated beside another scorer.
        EnergyError: there is no head, or its header is damaged.
    """
    if config.path is not None:
        from leanebm.energy import load_header

        _guided(config, load_header(config.path), policy_scorer)


def _guided(config: EnergyConfig, header: CheckpointHeader, policy_scorer: StateScorer) -> StateScorer:
    is_alone = getattr(policy_scorer, "reads_energy", False)
    beta = 1.0 if is_alone else _weight(config, header, policy_scorer)
    return guided_scorer(policy_scorer, header.calibration, beta=beta)


def guided_scorer(policy_scorer: StateScorer, calibration: Calibration | None, *, beta: float) -> StateScorer:
    """``policy_scorer`` minus ``beta`` times the energy, each in standard deviations over open validation nodes.

    The policy's unit is the one at the exponent that was calibrated, also where ``policy_scorer`` has another one.
    With ``beta = 0`` the priorities are ``policy_scorer``'s, to the last bit. A scorer that says that it
    ``reads_energy`` stays alone: it has the energy in it already.

    Raises:
        ConfigError: there is no calibration, or it holds for another scorer.
    """
    if getattr(policy_scorer, "reads_energy", False):
        return policy_scorer
    if beta == 0.0:
        return WeightedSum((WeightedTerm(scorer=policy_scorer), WeightedTerm(scorer=NegativeEnergy(), weight=0.0)))
    if calibration is None:
        raise ConfigError(
            "the energy head has no calibration, so there are no units to weigh it in:",
            ["leave the weight out, or train with validation theorems that have open nodes @ --beta"],
        )
    if not isinstance(policy_scorer, LengthNormalisedLogProb):
        fitted = LengthNormalisedLogProb(alpha=calibration.alpha)
        raise ConfigError(
            "the energy head was calibrated beside another scorer:",
            [f"it is to be added to {fitted}, not to {policy_scorer}; or give it weight 0 @ scorer"],
        )
    policy = WeightedTerm(scorer=policy_scorer, scale=calibration.policy_sd)
    energy = WeightedTerm(
        scorer=NegativeEnergy(), weight=beta, centre=-calibration.energy_mean, scale=calibration.energy_sd
    )
    return WeightedSum((policy, energy))


def _weight(config: EnergyConfig, header: CheckpointHeader, policy_scorer: StateScorer) -> float:
    """The weight that was given, else the tuned one, else the fitted one; these hold beside one exponent only."""
    if config.beta is not None:
        return config.beta
    chosen, how = header.tuned or header.calibration, "tuned" if header.tuned else "fitted"
    if chosen is None or chosen.beta == 0.0:
        return 0.0
    alpha = getattr(policy_scorer, "alpha", None)
    if alpha is not None and alpha != chosen.alpha:
        raise ConfigError(
            f"the energy head's weight was {how} beside another exponent:",
            [f"it is {chosen.beta:g} at alpha = {chosen.alpha:g}; at {alpha:g}, give one of your own @ --beta"],
        )
    return chosen.beta


def _say_if_idle(config: EnergyConfig, header: CheckpointHeader) -> None:
    """Warn of a head that has no say although nobody asked for that."""
    chosen = header.tuned or header.calibration
    if config.beta is None and (chosen is None or chosen.beta == 0.0):
        _log.warning(
            "the energy head in %s gets weight 0: %s. Every state is still scored and recorded; see its report, or set "
            "a weight with --beta",
            config.path,
            "with it, searches proved no more when it was tuned"
            if header.tuned
            else "its training found it no better than chance on siblings, or had too little to tell",
        )
