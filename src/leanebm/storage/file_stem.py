"""What a file that is about a theorem is called."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import quote

_MAX_STEM_BYTES: Final = 200
"""File systems allow 255 bytes a name; the rest is for the ending and a temporary file's suffix."""

_SAFE: Final = "!'(),=@[]{} ~"  # not "+", which begins what says where the capitals are


def file_stem(name: str) -> str:
    """What files about a theorem are called; two theorems' never alike, even where a file system ignores case."""
    # A leading dot would hide the file, and "." and ".." are no files at all.
    stem = quote(name, safe=_SAFE)
    stem = f"%2E{stem[1:]}" if stem.startswith(".") else stem
    letters = (letter for letter in name if letter.isascii() and letter.isalpha())
    if capitals := sum(1 << place for place, letter in enumerate(letters) if letter.isupper()):
        stem = f"{stem}+{capitals:x}"
    # A name of the full length is cut, too, so that none that is kept whole can equal one that was cut.
    if len(stem) < _MAX_STEM_BYTES:
        return stem
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{stem[: _MAX_STEM_BYTES - 17]}-{digest}"
