"""What a proof file was certified as: a small JSON file beside it, enough to check the proof again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import attrs

from leanebm.core import Certificate, Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline.settings import structure_settings

__all__ = ["CertificateRecord", "record_path"]

_FORMAT: Final = 1
_BY_MESSAGES: Final = "text."
"""How fingerprints begin that a backend without our REPL makes: of the statement's text, not of its meaning."""

_SAME_FOR_THE_SAME_LEAN: Final = ("statement", "axioms", "constants", "trusted_constants")


def record_path(proof_file: Path) -> Path:
    """Where the record of ``proof_file`` is: ``NAME.certificate.json`` beside ``NAME.lean``."""
    return proof_file.with_suffix(".certificate.json")


@attrs.frozen(kw_only=True)
class CertificateRecord:
    """A certificate without the proof, which is the file beside it."""

    theorem: Theorem
    """What was asked for."""

    statement: str
    """The certified type, as Lean prints it."""

    fingerprint: str
    """Its fingerprint: equal for statements that are equal up to bound names."""

    source_sha256: str
    """SHA-256 of the proof file, in hexadecimal."""

    axioms: tuple[str, ...]
    """The logical axioms the proof depends on."""

    constants: tuple[str, ...]
    """Library constants that it uses directly."""

    trusted_constants: tuple[str, ...]
    """Those of them that were taken on trust of the library's hash."""

    imports: tuple[str, ...]
    """Modules that it was checked over."""

    lean_version: str
    """The Lean that accepted it."""

    backend: str
    """How that Lean was run."""

    leanebm_version: str
    """The leanebm whose certifier decided."""

    format: int = attrs.field(default=_FORMAT, validator=attrs.validators.in_((_FORMAT,)))
    """Version of this file's layout."""

    @classmethod
    def of(cls, certificate: Certificate) -> Self:
        """The record of ``certificate``."""
        own = {attribute.name for attribute in attrs.fields(cls)} - {"format"}
        return cls(**{name: getattr(certificate, name) for name in own})

    @classmethod
    def read(cls, proof_file: Path) -> Self | None:
        """The record beside ``proof_file``, or ``None`` if there is none.

        Raises:
            ConfigError: it cannot be read, or is of another format.
        """
        path = record_path(proof_file)
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"cannot read {path}: {error}") from error
        return structure_settings(table, cls, source=str(path))

    def to_json(self) -> str:
        """The text of its file."""
        return json.dumps(attrs.asdict(self), ensure_ascii=False, indent=2) + "\n"

    def objection_to(self, content: bytes) -> str | None:
        """Why ``content`` is not the file that was certified; ``None`` if it is."""
        digest = hashlib.sha256(content).hexdigest()
        if digest == self.source_sha256:
            return None
        return f"the file is not the one that was certified: its SHA-256 is {digest}, recorded is {self.source_sha256}"

    def differences(self, certificate: Certificate) -> Iterator[str]:
        """What this check found otherwise than the recorded one, in words."""
        comparable = self.fingerprint.startswith(_BY_MESSAGES) == certificate.fingerprint.startswith(_BY_MESSAGES)
        if comparable and self.fingerprint != certificate.fingerprint:
            yield (
                f"it states {certificate.statement!r} (Lean {certificate.lean_version}), "
                f"recorded is {self.statement!r} (Lean {self.lean_version})"
            )
        if self.imports != certificate.imports:
            yield f"it imports {', '.join(certificate.imports)}, recorded is {', '.join(self.imports)}"
        # Another Lean may print otherwise, and knows other axioms behind the library's lemmas.
        if (self.lean_version, self.backend) == (certificate.lean_version, certificate.backend):
            for name in _SAME_FOR_THE_SAME_LEAN:
                found, recorded = getattr(certificate, name), getattr(self, name)
                if found != recorded:
                    yield f"its {name.replace('_', ' ')}: {found!r}, recorded is {recorded!r}"
