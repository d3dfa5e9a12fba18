"""A trained head in a folder: weights in safetensors, what is known of them in JSON, nothing pickled.

.. code-block:: text

    DIR/
      head.json                  the header; it names the weights' file and their SHA-256
      head-0f3c….safetensors     the weights, named by their hash

The header is what commits: weights are written under a name of their own first, then the header replaces
the old one in one step. A reader, or a crash at any moment, meets the old checkpoint or the new one whole.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import safetensors
import safetensors.torch
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from leanebm._shown import fitting_repr, reason, shown, shown_json, writer
from leanebm._strict import mistakes_in, parse_json, strict_converter
from leanebm.core import EncoderIdentity
from leanebm.energy.checkpoint_header import (
    CHECKPOINT_SCHEMA_VERSION,
    Calibration,
    CheckpointHeader,
    JsonScalar,
    TunedWeights,
)
from leanebm.energy.config import EnergyHeadConfig
from leanebm.energy.head import EnergyHead
from leanebm.errors import EnergyError
from leanebm.storage import MAX_DATA_BYTES, SCRATCH_SUFFIX, read_regular, write_atomically

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class WeightsFile:
    """Which file beside the header holds the weights."""

    name: str
    """Without a folder."""

    sha256: str
    """Of the whole file, in hexadecimal."""


def header_to_json(header: CheckpointHeader, weights: WeightsFile) -> str:
    """The text of ``head.json``; plain ASCII, one field per line."""
    document = {
        "schema_version": header.schema_version,
        "weights": attrs.asdict(weights),
        "encoder_fingerprint": header.encoder.fingerprint,
        **_CONVERTER.unstructure(header),
    }
    document["metrics"] = {name: None if math.isnan(value) else value for name, value in header.metrics.items()}
    if header.tuned is None:  # a head that nobody tuned has the header that it always had
        del document["tuned"]
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def header_from_json(text: str) -> tuple[CheckpointHeader, WeightsFile]:
    """Read what :func:`header_to_json` wrote.

    Raises:
        ValueError: it is something else; the message says what is wrong, and where.
    """
    document = _object(parse_json(text))
    version = document.get("schema_version")
    if version != CHECKPOINT_SCHEMA_VERSION:
        training = document.get("training")
        wrote = writer(training.get("leanebm_version") if isinstance(training, dict) else None)
        raise ValueError(
            f"it has schema version {shown_json(version)}; this leanebm reads and writes {CHECKPOINT_SCHEMA_VERSION}. "
            f"Read it with {wrote}, or train again"
        )
    weights = _structure(document.pop("weights", None), WeightsFile, "$.weights")
    fingerprint = document.pop("encoder_fingerprint", None)
    if isinstance(metrics := document.get("metrics"), dict):
        document["metrics"] = {name: math.nan if value is None else value for name, value in metrics.items()}
    header = _structure(document, CheckpointHeader, "$")
    if fingerprint != header.encoder.fingerprint:
        raise ValueError(
            f"its encoder's fingerprint is {header.encoder.fingerprint}, "
            f"but $.encoder_fingerprint says {shown_json(fingerprint)}"
        )
    return header, weights


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"it is not a JSON object but {shown_json(value)}")
    return value


def _structure(value: object, kind: type[_T], path: str) -> _T:
    try:
        return _CONVERTER.structure(value, kind)
    except Exception as error:
        raise ValueError("; ".join(mistakes_in(error, path))) from error


_CONVERTER: Final = strict_converter()
_CONVERTER.register_structure_hook_func(lambda kind: kind == JsonScalar, lambda value, _: value)


HEADER_NAME: Final = "head.json"
"""The file that makes a folder a checkpoint."""

_WEIGHTS_PATTERN: Final = "head-*.safetensors"

_SCRATCH_PATTERN: Final = f".head*{SCRATCH_SUFFIX}"

_READS: Final = 3
"""Times a reader looks again when a writer replaced the checkpoint under its eyes."""


@attrs.frozen(kw_only=True, eq=False)
class EnergyCheckpoint:
    """A head, and what is known of it."""

    header: CheckpointHeader
    head: EnergyHead

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if self.header.config != self.head.config:
            raise EnergyError(f"The header describes another head: {self.header.config}, not {self.head.config}.")


def save_checkpoint(folder: Path | str, checkpoint: EnergyCheckpoint) -> None:
    """Put a checkpoint into ``folder``, in the place of one that is there. One writer per folder.

    Whether the head was frozen is not kept.

    Raises:
        EnergyError: a weight is not finite, or not float32; the checkpoint that is there stays.
        OSError: the disk is full, the folder cannot be written …; the checkpoint that is there stays.
    """
    folder = Path(folder)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.head.state_dict().items()}
    if problems := tuple(_problems(state, checkpoint.header.config)):
        raise _listed(f"The head cannot be saved to {folder}:", problems)
    data = safetensors.torch.save(state)
    digest = hashlib.sha256(data).hexdigest()
    weights = WeightsFile(name=f"head-{digest[:16]}.safetensors", sha256=digest)
    write_atomically(folder / weights.name, data)
    write_atomically(folder / HEADER_NAME, header_to_json(checkpoint.header, weights).encode())
    for stale in (*folder.glob(_WEIGHTS_PATTERN), *folder.glob(_SCRATCH_PATTERN)):
        if stale.name != weights.name:
            stale.unlink(missing_ok=True)


def load_header(folder: Path | str) -> CheckpointHeader:
    """Read what a checkpoint says of its weights, without them.

    Raises:
        EnergyError: there is none, or it is damaged or of another schema version.
    """
    header, _ = _read_header(Path(folder) / HEADER_NAME)
    return header


def amend_header(
    folder: Path | str, *, calibration: Calibration | None = None, tuned: TunedWeights | None = None
) -> None:
    """Write units, or weights that were tuned, into the header of the head in ``folder``; its numbers stay as they are.

    What is ``None`` stays as it is, too.

    Raises:
        EnergyError: there is no checkpoint, another process writes there, or the folder cannot be written; what is
            there stays.
    """
    folder = Path(folder)
    _read_header(folder / HEADER_NAME)  # before a lock is left where there is no head
    try:
        with sole_writer(folder):
            header, weights = _read_header(folder / HEADER_NAME)
            new = attrs.evolve(header, calibration=calibration or header.calibration, tuned=tuned or header.tuned)
            write_atomically(folder / HEADER_NAME, header_to_json(new, weights).encode())
    except OSError as error:
        raise EnergyError(f"{folder / HEADER_NAME} cannot be written: {reason(error)}.") from error


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Be the one process that writes into the head's ``folder``, which exists.

    Raises:
        EnergyError: another one does.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise EnergyError(f"another process is training into {folder}; wait for it, or stop it") from error
    try:
        yield
    finally:
        lock.release()


def load_checkpoint(folder: Path | str, *, encoder: EncoderIdentity | None = None) -> EnergyCheckpoint:
    """Read a checkpoint; nothing in it is ever executed.

    Args:
        folder: where :func:`save_checkpoint` put it.
        encoder: whose vectors the head is going to score; ``None`` if that is not known yet.

    Returns:
        The checkpoint, its head on the CPU, in ``eval()`` mode and not frozen.

    Raises:
        EnergyError: there is none, a file is damaged or of another schema version, or the head was trained on
            another encoder's vectors.
    """
    header, data, path = _read(Path(folder))
    if encoder is not None and (differences := header.encoder.differences(encoder)):
        raise _listed(
            f"The head in {folder} was trained on vectors of encoder {header.encoder.fingerprint} (here), not of "
            f"{encoder.fingerprint} (there): its energies would mean nothing. Serve the one (or name it, if it is "
            "a part of your own: --state-encoder), or train on the other:",
            differences,
        )
    try:
        state = safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise EnergyError(f"{path} is not a safetensors file: {error}.") from error
    if problems := tuple(_problems(state, header.config)):
        raise _listed(f"{path} does not hold the head that {HEADER_NAME} describes:", problems)
    head = _blank(header.config)
    head.load_state_dict(state, assign=True)
    return EnergyCheckpoint(header=header, head=head.eval())


def _read(folder: Path) -> tuple[CheckpointHeader, bytes, Path]:
    """The header, and the weights that it names, unharmed."""
    for _ in range(_READS):
        header, weights = _read_header(folder / HEADER_NAME)
        path = folder / Path(weights.name).name  # whatever it says, never outside the folder
        try:
            data = read_regular(path, max_bytes=MAX_DATA_BYTES)
        except FileNotFoundError:
            continue  # a writer may have put another checkpoint in place meanwhile
        except (OSError, ValueError) as error:  # ValueError: no file can have such a name
            raise EnergyError(
                f"{shown(str(path))}, the weights of {folder}, cannot be read: {reason(error)}."
            ) from error
        if (digest := hashlib.sha256(data).hexdigest()) != weights.sha256:
            raise EnergyError(
                f"{path} is damaged: its SHA-256 is {digest}, but {HEADER_NAME} says {weights.sha256}. "
                "Restore it, or train again."
            )
        return header, data, path
    raise EnergyError(f"{path} is missing, although {folder / HEADER_NAME} names it. Restore it, or train again.")


def _read_header(path: Path) -> tuple[CheckpointHeader, WeightsFile]:
    try:
        return header_from_json(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise EnergyError(
            f"{path.parent} holds no energy head ({path.name}: {reason(error)}). "
            "Name the folder that `leanebm train-ebm --output-dir` wrote."
        ) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise EnergyError(f"{path} cannot be used: {error}.") from error


def _listed(summary: str, problems: Iterable[str]) -> EnergyError:
    return EnergyError("\n  - ".join((summary, *problems)))


def _blank(config: EnergyHeadConfig) -> EnergyHead:
    """A head without storage: whatever a damaged header claims, it costs no memory."""
    with torch.device("meta"):
        return EnergyHead(config)


def _problems(state: Mapping[str, Tensor], config: EnergyHeadConfig) -> Iterator[str]:
    """What keeps ``state`` from being that of a head of this configuration."""
    expected = _blank(config).state_dict()
    yield from (f"{name} is missing" for name in sorted(expected.keys() - state.keys()))
    yield from (f"{name} is unknown" for name in sorted(state.keys() - expected.keys()))
    for name in sorted(expected.keys() & state.keys()):
        found, wanted = state[name], expected[name]
        if found.shape != wanted.shape:
            yield f"{name} has shape {list(found.shape)}, should have {list(wanted.shape)}"
        elif found.dtype != wanted.dtype:
            yield f"{name} is {found.dtype}, should be {wanted.dtype}"
        elif not found.isfinite().all():
            yield f"{name} holds numbers that are not finite"
