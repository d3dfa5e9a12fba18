"""What an iteration did, stage by stage: each stage's folder says so itself, and one file gathers them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, Self, TypeVar

import attrs
from attrs.validators import in_, instance_of

from leanebm._shown import fitting_repr, reason, writer
from leanebm.errors import ConfigError
from leanebm.pipeline.run_folder import write_text
from leanebm.storage import one_line_per_change, read_regular, settings_differences, settings_leaves

T = TypeVar("T")

MANIFEST_NAME: Final = "manifest.json"

_STAGE_NAME: Final = "stage.json"
_FORMAT: Final = 1


_is_mapping: Any = instance_of(Mapping)


def digest_of(value: object) -> str:
    """SHA-256, in hexadecimal, of plain values; the order of keys makes no difference."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


class _Figures(dict[str, Any]):
    """What a stage wrote down; what is asked for and not there, another leanebm left out."""

    def __init__(self, values: Mapping[str, Any], place: str, wrote: object) -> None:
        super().__init__(
            (name, _Figures(value, f"{place}, {name}", wrote) if isinstance(value, Mapping) else value)
            for name, value in values.items()
        )
        self._place, self._wrote = place, wrote

    def __missing__(self, name: str) -> NoReturn:
        raise ConfigError(
            f"what an iteration wrote down of {self._place} has no {name!r}, which this leanebm needs:",
            [f"go on with {writer(self._wrote)}, or iterate anew into another folder"],
        )


@attrs.frozen(kw_only=True)
class StageRecord:
    """One stage of an iteration, done."""

    stage: str = attrs.field(validator=instance_of(str))
    """Its folder within the iteration's, such as ``rounds/1/head``."""

    seed: int
    inputs: Mapping[str, str] = attrs.field(validator=_is_mapping)
    """SHA-256 of what it was given, by name."""

    output: str
    """Of what it found: the same whether or not the stage was ever killed."""

    result: Mapping[str, Any] = attrs.field(validator=_is_mapping)
    """Its figures."""

    versions: Mapping[str, str] = attrs.field(validator=_is_mapping)
    """Of the programs that made it."""

    cost: Mapping[str, float] = attrs.field(validator=_is_mapping)
    """``cpu_s`` and ``wall_s``: seconds of the invocation that ended it, workers included."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        for name in ("result", "cost"):
            figures = _Figures(getattr(self, name), self.stage, self.versions.get("leanebm"))
            object.__setattr__(self, name, figures)

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self | None:
        """The record in a stage's folder; ``None`` if the stage is not done.

        Raises:
            ConfigError: it cannot be read.
        """
        path = Path(folder) / _STAGE_NAME
        return _read(path, cls)

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Say in its folder that the stage is done."""
        _write_json(Path(folder) / _STAGE_NAME, attrs.asdict(self))


def _as_records(records: Iterable[StageRecord | Mapping[str, Any]]) -> tuple[StageRecord, ...]:
    return tuple(record if isinstance(record, StageRecord) else StageRecord(**record) for record in records)


@attrs.frozen(kw_only=True)
class IterationManifest:
    """Everything that an iteration did, with what, and what came of it."""

    settings: Mapping[str, Any] = attrs.field(validator=_is_mapping)
    """What results depend on; the number of rounds does not count, for more of them may follow."""

    theorems: Mapping[str, str] = attrs.field(validator=_is_mapping)
    """SHA-256 of each set of theorems."""

    stages: tuple[StageRecord, ...] = attrs.field(default=(), converter=_as_records)
    """Those that are done, in their order."""

    format: int = attrs.field(default=_FORMAT, validator=in_((_FORMAT,)))
    """Version of this file's layout."""

    __repr__ = fitting_repr

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self | None:
        """The manifest of an iteration's folder; ``None`` if it is none.

        Raises:
            ConfigError: it cannot be read, or is of another format.
        """
        path = Path(folder) / MANIFEST_NAME
        return _read(path, cls)

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Put it in place of an older one."""
        _write_json(Path(folder) / MANIFEST_NAME, attrs.asdict(self))

    def differences(self, other: IterationManifest) -> list[str]:
        """In which settings and theorems the two differ, each as ``$.path: ours, not theirs``."""
        return one_line_per_change(settings_differences(_given(self), _given(other)))


def _given(manifest: IterationManifest) -> dict[str, Any]:
    # As it comes back from a file, where there are no tuples.
    given = json.loads(json.dumps({**manifest.settings, "theorems": manifest.theorems}))
    return dict(settings_leaves("$", given))


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return kind(**json.loads(read_regular(path)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        told = reason(error)
        raise ConfigError(
            f"{path} cannot be read: {told}; restore it, or delete this file and go on with --resume"
        ) from error


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
