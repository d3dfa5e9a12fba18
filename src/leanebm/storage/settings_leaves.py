"""Nested settings, leaf by leaf, so that two of them can be compared and the places named where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["settings_leaves"]


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
