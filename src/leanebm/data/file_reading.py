"""How to read a file of theorems or tactic pairs whose name and columns do not say it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from leanebm._shown import fitting_repr
from leanebm.data._records import FileFormat


@attrs.frozen(kw_only=True)
class FileReading:
    """What ``--format``, ``--field`` and ``--split`` say.

    Raises:
        ValueError: there is no such format.
    """

    format: FileFormat | None = attrs.field(default=None, converter=attrs.converters.optional(FileFormat))
    """How it is written; ``None`` goes by its suffix."""

    fields: Mapping[str, str] = attrs.field(factory=dict)
    """The column that holds the ``statement``, ``name``, ``header``, ``context`` or ``split``, by these words."""

    split: str | None = None
    """Take only the rows of this split."""

    __repr__ = fitting_repr
