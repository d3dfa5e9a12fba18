"""What a worker can answer, as values."""

from __future__ import annotations

import attrs

from leanebm.core.proof_state import Goal

__all__ = [
    "CertifiedReply",
    "CertifyRejectedReply",
    "LibraryPage",
    "LibraryTheoremReply",
    "LimitReached",
    "NewState",
    "PrintedState",
    "StartedProof",
    "TacticFailed",
    "UnitMessages",
]


@attrs.frozen
class NewState:
    """A state that the worker keeps under a new id."""

    state_id: int
    goals: tuple[Goal, ...]
    key: str
    objection: str | None = None
    """Why the state must not be used although it exists; ``None`` for a sound one."""


@attrs.frozen
class TacticFailed:
    """Lean refused the tactic; no state was made."""

    message: str


@attrs.frozen
class LimitReached:
    """The tactic ran into Lean's own limits; no state was made and the worker is usable."""

    message: str


@attrs.frozen
class StartedProof:
    """A proof was opened. ``state`` is missing where the worker has to be asked for it."""

    state_id: int
    state: NewState | None


@attrs.frozen
class PrintedState:
    """A stored state in print."""

    goals: tuple[Goal, ...]
    key: str
    root: str | None
    """The proof term so far, ``None`` before the first tactic."""

    root_has_sorry: bool
    root_has_unsafe: bool
    root_has_mvar: bool


@attrs.frozen
class CertifiedReply:
    """The worker's word for a certificate."""

    statement: str
    fingerprint: str
    axioms: tuple[str, ...]
    constants: tuple[str, ...]
    trusted_constants: tuple[str, ...]
    lean_version: str


@attrs.frozen
class CertifyRejectedReply:
    """The worker's word against one."""

    reason: str
    message: str


@attrs.frozen
class LibraryTheoremReply:
    """A theorem of the library that a person would state."""

    name: str
    module: str
    statement: str
    fingerprint: str


@attrs.frozen
class LibraryPage:
    """Some theorems of the library, and where to go on."""

    theorems: tuple[LibraryTheoremReply, ...]
    next_offset: int | None


@attrs.frozen
class UnitMessages:
    """The commands of a processed text, and everything Lean said about them."""

    messages: tuple[tuple[str, str], ...]
    """Severity and text of each."""

    starts: tuple[int, ...]
    """Where each command begins, in bytes of the text."""
