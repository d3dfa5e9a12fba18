"""Damage done to good input: what a disk, a proxy, a hurried person or an attacker would do to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

__all__ = ["mutated"]

_ODD_VALUES: Final[tuple[str, ...]] = (
    "null", "true", "0", "-1", "2", "1.5", "1e999", "-1e-400", "NaN", "-Infinity", str(2**63), "9" * 400,
    "-" + "9" * 400, "9" * 5000, '""', '"a"', '"5"', '"\\ud800"', '"\\u0000"', '"∀✝"', '"none"', "[]", "[[]]", "{}",
    '{"":0}', "[0,0]", '["a","a"]', "[" * 400 + "]" * 400, "[" * 900 + "]" * 900, '{"a":' * 450 + "0" + "}" * 450,
    "[" * 100_000, "[" + "0," * 3000 + "0]",
)  # fmt: skip
"""JSON, and nearly JSON, that readers tend not to think of."""

_ODD_BYTES: Final[tuple[bytes, ...]] = (
    b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b"\\", b"[", b"{", b"(", b"\x1b[2J",
    b"\xf0\x9d\x94\xb8", "✝".encode(), "⊢ ".encode(), b"'" * 50, b"(" * 300, b" " * 300, b"\n\n" * 50, b"9" * 5000,
    "¬".encode() * 500,
)  # fmt: skip


def mutated(data: bytes, rng: Random, words: Sequence[str] = ()) -> bytes:
    """``data`` with one to four things wrong."""
    for _ in range(rng.randint(1, 4)):
        data = _changed_json(data, rng) or rng.choice(_EDITS)(data, rng, words)
    return data


def _changed_json(data: bytes, rng: Random) -> bytes | None:
    """One value, or one key, of one line replaced; ``None`` if there is no JSON here, or now and then."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    whole = rng.random() < 0.5
    try:
        document = json.loads(data if whole else lines[at])
    except (ValueError, RecursionError):
        return None
    if rng.random() < 0.2:
        return None
    places = list(_places(document, []))
    marker = "\ue000here\ue000"
    if not places:
        return rng.choice(_ODD_VALUES).encode()
    container, key = rng.choice(places)
    fate = rng.random()
    if fate < 0.15:
        del container[key]
    elif fate < 0.25 and isinstance(container, dict):
        container[rng.choice(("", "kind", "a\0", "∀"))] = container.pop(key)
    else:
        container[key] = marker
    text = json.dumps(document, ensure_ascii=False).replace(f'"{marker}"', rng.choice(_ODD_VALUES))
    lines[at] = text.encode(errors="surrogatepass")
    return lines[at] if whole else b"\n".join(lines)


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every container with a key or index in it."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        keys = (
            container if isinstance(container, dict) else range(len(container)) if isinstance(container, list) else ()
        )
        found += [(container, key) for key in keys]
        waiting += [container[key] for key in keys]
    return found


def _flip(data: bytes, rng: Random, _: Sequence[str]) -> bytes:
    at = rng.randrange(len(data) + 1)
    flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1])
    return data[:at] + flipped + data[at + 1 :]


def _cut(data: bytes, rng: Random, _: Sequence[str]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _remove(data: bytes, rng: Random, _: Sequence[str]) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randint(1, 16) :]


def _insert(data: bytes, rng: Random, words: Sequence[str]) -> bytes:
    at = rng.randrange(len(data) + 1)
    choices = [*_ODD_BYTES, *(value.encode() for value in _ODD_VALUES), *(word.encode() for word in words)]
    return data[:at] + rng.choice(choices) + data[at:]


def _repeat(data: bytes, rng: Random, _: Sequence[str]) -> bytes:
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice((1, 4, 32, 256))]
    return data[:start] + piece * rng.choice((2, 3, 50, 500)) + data[start + len(piece) :]


def _zero(data: bytes, rng: Random, _: Sequence[str]) -> bytes:
    start = rng.randrange(len(data) + 1)
    count = min(rng.choice((1, 8, 512)), len(data) - start)
    return data[:start] + b"\0" * count + data[start + count :]


_EDITS: Final[tuple[Callable[[bytes, Random, Sequence[str]], bytes], ...]] = (
    _flip, _flip, _cut, _remove, _insert, _insert, _repeat, _zero,
)  # fmt: skip
