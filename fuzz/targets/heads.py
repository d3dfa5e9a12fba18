"""Files of the energy head: its header, its weights, what is known of it, and a training to go on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from fuzz.target import Finding, Target, refusals, scratch_folder
from leanebm.core import EncoderIdentity
from leanebm.energy import (
    CheckpointHeader,
    EnergyCheckpoint,
    EnergyHead,
    EnergyHeadConfig,
    load_checkpoint,
    save_checkpoint,
)
from leanebm.energy.diagnostics import HeadReport, SiblingSet, diagnose
from leanebm.energy.training._training_state import TrainingState
from leanebm.errors import EnergyError
from leanebm.storage import differences_from_folder

__all__ = [
    "TARGETS",
    "fuzz_checkpoint_header",
    "fuzz_checkpoint_weights",
    "fuzz_diagnosis",
    "fuzz_training_state",
]


def fuzz_checkpoint_header(data: bytes) -> None:
    """``head.json`` over good weights: a head that scores, or an error that names the folder."""
    folder = _checkpoint()[0]
    (folder / "head.json").write_bytes(data)
    _load(folder)


def fuzz_checkpoint_weights(data: bytes) -> None:
    """Weights of any kind, and a header that vouches for them: a head that scores, or an error that names them."""
    folder, header, _ = _checkpoint()
    document = json.loads(header)
    path = folder / "head-forged.safetensors"
    path.write_bytes(data)
    document["weights"] = {"name": path.name, "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "head.json").write_text(json.dumps(document))
    _load(folder)


def _load(folder: Path) -> None:
    with refusals(EnergyError, naming=str(folder)):
        checkpoint = load_checkpoint(folder)
        energies = checkpoint.head(torch.zeros(2, checkpoint.header.config.d_in))
        if energies.shape != (2,):
            raise Finding(f"energies of shape {energies.shape}")


def fuzz_diagnosis(data: bytes) -> None:
    """``diagnosis.json``: a diagnosis that can be used, or an error that names the file."""
    folder = scratch_folder()
    (folder / "diagnosis.json").write_bytes(data)
    with refusals(EnergyError, naming="diagnosis.json"):
        diagnosis = HeadReport.read(folder)
        _ = diagnosis.calibration


def fuzz_training_state(data: bytes) -> None:
    """A training that was interrupted: its state, or an error that names the file."""
    path = scratch_folder() / "training.safetensors"
    path.write_bytes(data)
    with refusals(EnergyError, naming=str(path)):
        state, _ = TrainingState.load(path)
        differences_from_folder(state.settings, {"seed": 0})


@cache
def _checkpoint() -> tuple[Path, str, bytes]:
    """A folder with a head, and what was in it before any target damaged it: the header and the weights."""
    folder = scratch_folder() / "head"
    config = EnergyHeadConfig(d_in=4, hidden=(3, 2))
    encoder = EncoderIdentity(model="tiny", pooling="mean", is_normalized=False, dim=4, dtype="float32")
    header = CheckpointHeader(config=config, encoder=encoder, training={"step": 1}, metrics={"auc": 0.75})
    save_checkpoint(folder, EnergyCheckpoint(header=header, head=EnergyHead(config)))
    (weights,) = folder.glob("head-*.safetensors")
    return folder, (folder / "head.json").read_text(encoding="utf-8"), weights.read_bytes()


def _header_seeds() -> Sequence[bytes]:
    return [_checkpoint()[1].encode()]


def _weights_seeds() -> Sequence[bytes]:
    return [_checkpoint()[2]]


def _diagnosis_seeds() -> Sequence[bytes]:
    return [diagnose(SiblingSet.from_groups([], {})).write(scratch_folder() / "diagnosis").read_bytes()]


def _training_seeds() -> Sequence[bytes]:
    path = scratch_folder() / "seed-training.safetensors"
    TrainingState(settings={"a": {"b": 1}}, step=7, skipped={"head": 1}, best=None).save(path, {"w": torch.zeros(2, 3)})
    return [path.read_bytes()]


TARGETS = (
    Target(fuzz_checkpoint_header, _header_seeds, ('"weights"', '"sha256"', '"config"', '"hidden"', '".."', "head-")),
    Target(
        fuzz_checkpoint_weights, _weights_seeds, ('"F32"', '"F8_E4M3"', '"BOOL"', '"data_offsets"', '"shape"', "[0]")
    ),
    Target(
        fuzz_diagnosis, _diagnosis_seeds, ('"metrics"', '"verdict"', '"grade"', '"schema_version"', '"calibration"')
    ),
    Target(fuzz_training_state, _training_seeds, ('"__metadata__"', '"dtype"', '"F32"', '"data_offsets"', "state")),
)
