"""What all theorems of one run have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from leanebm._shown import fitting_repr


def settings_leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    """Each plain value with its path, such as ``("$.config.seed", 0)``.

    Args:
        path: where ``value`` stands, such as ``$.config``.
        value: JSON values, or mappings of them.
    """
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from settings_leaves(f"{path}.{key}", below)
    else:
        yield path, list(value) if isinstance(value, tuple) else value  # JSON knows no tuples


class _Absent:
    """Stands for a setting that only the other side has; equal to nothing that is written down."""

    def __repr__(self) -> str:
        return "nothing"


_ABSENT: Final = _Absent()

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def _told(value: object) -> str:
    """A value for a person, who cannot read a hash anyway."""
    return f"{value[:8]}…" if isinstance(value, str) and _SHA256.fullmatch(value) else repr(value)


def settings_differences(ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    """Where two sets of settings differ, by path: each as ``$.path: ours, not theirs``, or ``nothing`` for either."""
    return [
        f"{path}: {_told(ours.get(path, _ABSENT))}, not {_told(theirs.get(path, _ABSENT))}"
        for path in sorted({*ours, *theirs})
        if ours.get(path, _ABSENT) != theirs.get(path, _ABSENT)
    ]


_CODE: Final = re.compile(r"(\$.*?part_origins\.)(.+?)(\.(?:package|sources\..+?): .*)")
"""What says of a part that its package or a source file is another, in a line of :func:`settings_differences`."""


def one_line_per_change(differences: Iterable[str]) -> list[str]:
    """``differences`` with each change of code told once, and not for every part that comes from there."""
    changes = dict[tuple[str, str], list[str]]()
    for line in differences:
        found = _CODE.fullmatch(line)
        before, part, change = (line, "", "") if found is None else found.groups()
        changes.setdefault((before, change), []).append(part)
    return [
        f"{before}{first}{change}" + (f" (and of {', '.join(others)})" if others else "")
        for (before, change), (first, *others) in changes.items()
    ]


def differences_from_folder(kept: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One phrase per setting that a folder keeps and that differs, such as ``$.seed: 0 in the folder, 1 now``."""
    theirs, ours = dict(settings_leaves("$", kept)), dict(settings_leaves("$", now))
    return [
        f"{path}: {_told(theirs.get(path))} in the folder, {_told(ours.get(path))} now"
        for path in sorted({*theirs, *ours})
        if theirs.get(path) != ours.get(path)
    ]


@attrs.frozen(kw_only=True)
class RunInfo:
    """One invocation that searched theorems and wrote down what it found."""

    run_id: str
    """Unique to the invocation; one that resumes another has an id of its own."""

    started_unix_s: float
    """When it began, in seconds since 1970-01-01 UTC."""

    seed: int
    """What its random choices were seeded with."""

    backend: str
    """Which Lean it ran: ``embedded``, ``native`` or ``pantograph``."""

    lean_version: str
    leanebm_version: str

    config: Mapping[str, Any]
    """Every setting that its results depend on, as JSON values."""

    resumed_despite: tuple[str, ...] = ()
    """What differed from the run that it resumed, where its user said to go on all the same; each as
    :meth:`differences` says it."""

    __repr__ = fitting_repr

    def differences(self, other: RunInfo) -> list[str]:
        """What keeps the results of the two runs from being pooled, each as ``$.path: ours, not theirs``.

        Ids, times and leanebm's own version may differ.
        """
        return settings_differences(dict(self._leaves()), dict(other._leaves()))

    def _leaves(self) -> Iterator[tuple[str, object]]:
        yield "$.seed", self.seed
        yield "$.backend", self.backend
        yield "$.lean_version", self.lean_version
        yield from settings_leaves("$.config", self.config)
