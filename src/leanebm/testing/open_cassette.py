"""A cassette for a test: replayed where it is, recorded where that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leanebm.cassette import Cassette
from leanebm.errors import ConfigError


@contextmanager
def open_cassette(path: str | os.PathLike[str], *, record: bool = False) -> Iterator[Cassette]:
    """Replay the cassette at ``path``; or record it, in place of one that may be there.

    The old one stays until the new one is whole, and if the block raises.

    Args:
        path: of the file.
        record: whether to record.

    Raises:
        ConfigError: there is no cassette to replay, or it is damaged.
    """
    path = Path(path)
    if not record:
        if not path.exists():
            raise ConfigError(f"there is no cassette {path} yet: record it first, with the real parts")
        yield Cassette.replay(path)
        return
    fresh = path.with_name(f".{path.name}-{os.getpid()}.part")
    try:
        with Cassette.record(fresh) as cassette:
            yield cassette
        if fresh.exists():
            fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
