"""Requests that a worker understands: a command, its payload, and what its reply means.

``await pool.ask(lean_version())`` sends one; a request of your own is another :class:`Request`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import partial
from typing import Generic, Protocol, TypeVar

import attrs

from leanebm.core.proof_state import ProofState, StateRef
from leanebm.core.theorem import Theorem
from leanebm.lean._file_replies import (
    CertifiedFile,
    FileRefused,
    FileSorries,
    Judge,
    file_verdicts_reply,
    sorries_reply,
)
from leanebm.lean._replies import (
    CertifiedReply,
    CertifyRejectedReply,
    JsonObject,
    LibraryPage,
    LimitReached,
    TacticFailed,
    UnitMessages,
    UnusableState,
    apart_reply,
    certify_reply,
    library_reply,
    module_reply,
    modules_reply,
    print_reply,
    refuse_if_error,
    start_reply,
    tactic_reply,
    text_reply,
    units_reply,
)
from leanebm.lean.backends.base import Dialect

R = TypeVar("R")

TacticReply = ProofState | UnusableState | TacticFailed | LimitReached

_TACTIC_LIMIT = "tactic_timeout_s + tactic_grace_s, or request_deadline_s"


@attrs.frozen
class Request(Generic[R]):
    """One command for a worker."""

    command: str
    """The protocol's name for it, such as ``goal.tactic``."""

    payload: JsonObject
    """Its arguments."""

    decode: Callable[[JsonObject], R] = attrs.field(repr=False)
    """What the reply means. It raises ``CommandRefused`` for a refusal and ``ValueError`` for nonsense."""

    makes_state: bool = False
    """Whether the state that a reply is about was not there before."""

    about: str = ""
    """What the command is asked of, such as the tactic's text, for messages; empty where that says nothing."""

    limit: str = "request_deadline_s"
    """What the seconds that an answer may take are called where they are set."""

    header: str | None = None
    """The lines under which it is to be understood, for plain Pantograph, which keeps one header for all commands;
    ``None`` where that does not matter."""

    context: str | None = None
    """The definitions on top of which it is to be understood, for plain Pantograph; ``None`` where that does not
    matter, as where a state has them."""

    parts: tuple[str, ...] = ()
    """What is asked for one by one, where each part has an answer of its own; empty for a request with one answer."""


class StartRequest(Protocol):
    """Makes the request that opens a proof: :func:`goal_start`, or another one with the same reply."""

    def __call__(
        self, theorem: Theorem, dialect: Dialect, *, epoch: int, timeout_s: float | None
    ) -> Request[ProofState | StateRef]:
        """The request; Lean gives up after ``timeout_s``."""
        ...


def stat() -> Request[None]:
    """Ask for next to nothing: a worker that answers is alive."""
    return _acknowledged("stat", {})


def goal_start(
    theorem: Theorem, dialect: Dialect = Dialect.LEANEBM, *, epoch: int, timeout_s: float | None = None
) -> Request[ProofState | StateRef]:
    """Open a proof of ``theorem`` on the worker ``epoch``; Lean gives its statement up after ``timeout_s``.

    A library theorem is proved without itself: tactics do not find it, what was made along with it or what has the same
    statement, and one that uses any of these fails.

    Plain Pantograph cannot do that, and takes no header, context or time here; it takes the names of the universe
    levels instead, and the ``open`` lines beforehand.
    """
    scope: JsonObject = {"levels": universe_levels(theorem.header)}
    if dialect is Dialect.LEANEBM:
        apart = {} if theorem.copy_from is None else {"apart": True}
        scope = {**_in_front(theorem), **_timeout(timeout_s), **apart}
    payload = {**_subject(theorem), **scope, "goals": True, "prop": True}
    decode = partial(start_reply, epoch=epoch)
    about = theorem.statement or theorem.copy_from or ""
    return Request(
        "goal.start",
        payload,
        decode,
        makes_state=True,
        about=about,
        header=scope_lines(theorem.header),
        context=declarations(theorem),
    )


def goal_tactic(ref: StateRef, tactic: str, *, timeout_s: float, header: str = "") -> Request[TacticReply]:
    """Run ``tactic`` on the first goal of the state at ``ref``; Lean gives it up after ``timeout_s``.

    ``header`` is that of the theorem, which plain Pantograph does not keep with the state.
    """
    payload = {"stateId": ref.state_id, "tactic": tactic, **_timeout(timeout_s)}
    return Request(
        "goal.tactic",
        payload,
        partial(tactic_reply, epoch=ref.epoch),
        makes_state=True,
        about=tactic,
        limit=_TACTIC_LIMIT,
        header=scope_lines(header),
    )


def goal_tactics(
    ref: StateRef, tactics: Sequence[str], *, timeout_s: float, within_s: float | None = None
) -> Request[TacticReply]:
    """Run ``tactics`` on the first goal of the state at ``ref``, one by one; each has an answer and a limit of its own.

    None is begun after one that ends the proof, nor ``within_s`` after the first. Only our REPL knows this command.
    """
    within = {} if within_s is None else {"within": max(0, round(within_s * 1000))}
    payload = {"stateId": ref.state_id, "tactics": list(tactics), **_timeout(timeout_s), **within}
    return Request(
        "goal.tactics",
        payload,
        partial(tactic_reply, epoch=ref.epoch),
        makes_state=True,
        limit=_TACTIC_LIMIT,
        parts=tuple(tactics),
    )


def time_left(within_s: float | None, since_s: float) -> float | None:
    """What is left of ``within_s`` since the event loop's clock showed ``since_s``, at least 0; ``None``: no limit."""
    return None if within_s is None else max(0.0, within_s - (asyncio.get_running_loop().time() - since_s))


def goal_print(ref: StateRef, *, header: str = "") -> Request[ProofState]:
    """Print the state at ``ref``, for a worker that does not show a new state by itself."""
    payload = {"stateId": ref.state_id, "goals": True, "rootExpr": False}
    return Request("goal.print", payload, partial(print_reply, ref=ref), header=scope_lines(header))


def goal_delete(refs: Iterable[StateRef]) -> Request[None]:
    """Forget states."""
    return _acknowledged("goal.delete", {"stateIds": sorted(ref.state_id for ref in refs)})


class LibraryIndex(StrEnum):
    """What Lean makes once per process, the first time that a tactic searches the library; it takes seconds."""

    TERMS = "exact?"
    """For ``exact?``, ``apply?`` and their like."""

    REWRITES = "rw?"
    """For ``rw?``."""


_SEARCHES = {
    LibraryIndex.TERMS: re.compile(r"(?<![\w.])(exact|apply|have|observe)\?"),
    LibraryIndex.REWRITES: re.compile(r"(?<![\w.])rw\?|rw_search"),
}


def indexes_for(tactic: str) -> tuple[LibraryIndex, ...]:
    """The indexes that ``tactic`` may look into, as far as its words tell."""
    return tuple(index for index, searches in _SEARCHES.items() if searches.search(tactic))


def warm(index: LibraryIndex, *, timeout_s: float) -> Request[None]:
    """Have ``index`` made now; Lean gives that up after ``timeout_s``."""
    payload = {"tactic": index.value, **_timeout(timeout_s)}
    return attrs.evolve(_acknowledged("warm", payload), about=index.value, limit="startup_deadline_s")


CERTIFIER_LIMIT = "deadline_s of the certifier"


def proof_certify(
    theorem: Theorem, *, source: str, name: str, timeout_s: float
) -> Request[CertifiedReply | CertifyRejectedReply]:
    """Check a whole text, without its import lines, that declares ``name`` to be ``theorem``.

    Lean gives its elaboration up after ``timeout_s``.
    """
    payload = {"source": source, "name": name, **_subject(theorem), **_in_front(theorem), **_timeout(timeout_s)}
    return Request("proof.certify", payload, certify_reply, about=theorem.name, limit=CERTIFIER_LIMIT)


def file_sorries(source: str) -> Request[FileSorries | FileRefused]:
    """Read a whole text, without its import lines, and find every ``sorry`` in it."""
    return Request("file.sorries", {"source": source}, sorries_reply)


def file_start(source: str, place: int) -> StartRequest:
    """How a proof of what is missing at the ``sorry`` is opened that begins at byte ``place`` of ``source``."""

    def request(
        theorem: Theorem,
        dialect: Dialect,  # noqa: ARG001 - whoever found the place speaks ours
        *,
        epoch: int,
        timeout_s: float | None,
    ) -> Request[ProofState | StateRef]:
        payload = {"source": source, "sorry": place, **_timeout(timeout_s)}
        decode = partial(start_reply, epoch=epoch)
        return Request("file.start", payload, decode, makes_state=True, about=theorem.statement or "")

    return request


def file_certify(
    source: str, judge: Judge, *, original: str | None = None, theorems: Sequence[str] | None = None
) -> Request[CertifiedFile | FileRefused]:
    """Judge theorems of a whole text, without its import lines: those of the names ``theorems``, or all of them.

    Each must say what the theorem of its name says in ``original``, if that is given.
    """
    payload: dict[str, object] = {"source": source}
    if original is not None:
        payload["original"] = original
    if theorems is not None:
        payload["theorems"] = list(theorems)
    return Request("file.certify", payload, partial(file_verdicts_reply, judge=judge), limit=CERTIFIER_LIMIT)


def frontend_process(source: str, *, inherit: bool = False, anew: bool = False) -> Request[UnitMessages]:
    """Process a whole text; throw the resulting environment away, or ``inherit`` it.

    It is understood on top of what was inherited before, or, ``anew``, of what its own import lines ask for.
    """
    # Every flag is sent: Lean's derived decoders do not know a field's default.
    flags = ("newConstants", "sorrys", "typeErrorsAsGoals")
    payload = {"file": source, **dict.fromkeys(flags, False), "readHeader": anew, "inheritEnv": inherit}
    return Request("frontend.process", payload, units_reply, limit=CERTIFIER_LIMIT)


def printed_type(name: str) -> Request[str]:
    """The type of the library constant ``name``, as Lean prints it."""
    payload = {"name": name, "value": False, "dependency": False, "source": False}
    return Request("env.inspect", payload, text_reply("env.inspect", "type", "pp"))


def module_of(name: str) -> Request[str | None]:
    """The module that declares the constant ``name``; ``None`` where there is no such constant."""
    payload = {"name": name, "value": False, "dependency": False, "source": False}
    return Request("env.inspect", payload, module_reply)


def loaded_modules() -> Request[tuple[str, ...]]:
    """All modules that a worker loaded, none before what it imports."""
    return Request("env.describe", {}, modules_reply)


def expr_echo(expr: str, under: Theorem) -> Request[str]:
    """Have one whole term read and elaborated where the statement of ``under`` is; its type, as Lean prints it."""
    return Request(
        "expr.echo",
        {"expr": expr, "levels": universe_levels(under.header)},
        text_reply("expr.echo", "type", "pp"),
        header=scope_lines(under.header),
        context=declarations(under),
    )


def lean_version() -> Request[str]:
    """The worker's Lean version; empty where the worker does not say."""
    return Request("env.describe", {}, text_reply("env.describe", "leanVersion"))


def env_apart(name: str) -> Request[tuple[str, ...]]:
    """The commands by which a text keeps its tactics from finding the library theorem ``name``; only our REPL knows."""
    return Request("env.apart", {"name": name}, apart_reply)


def env_theorems(prefixes: Sequence[str], *, offset: int = 0, limit: int = 200) -> Request[LibraryPage]:
    """Look at ``limit`` constants of the modules under ``prefixes`` from ``offset`` on, and list the theorems."""
    payload = {"prefixes": list(prefixes), "offset": offset, "limit": limit}
    return Request("env.theorems", payload, library_reply)


def statement_fingerprint(theorem: Theorem) -> Request[str]:
    """The fingerprint that a certificate of ``theorem`` would bear; only our REPL knows."""
    payload = {**_subject(theorem), **_in_front(theorem)}
    return Request("statement.fingerprint", payload, text_reply("statement.fingerprint", "fingerprint"))


def universe_levels(header: str) -> list[str]:
    """The names that the header's ``universe`` lines declare."""
    lines = [line.split() for line in header.splitlines()]
    return [name for line in lines if line[:1] in (["universe"], ["universes"]) for name in line[1:]]


def _subject(theorem: Theorem) -> dict[str, str | None]:
    return {"copyFrom": theorem.copy_from} if theorem.statement is None else {"expr": theorem.statement}


def scope_lines(header: str) -> str:
    """The header's ``open`` and ``set_option`` lines."""
    return "".join(f"{line}\n" for line in header.splitlines() if line.split()[:1] in (["open"], ["set_option"]))


def declarations(theorem: Theorem) -> str:
    """The context's text with the universes that it may name; empty where there is no context."""
    if not theorem.context.strip():
        return ""
    universes = (line for line in theorem.header.splitlines() if line.split()[:1] == ["universe"])
    return "".join(f"{line}\n" for line in (*universes, theorem.context))


def _in_front(theorem: Theorem) -> dict[str, str]:
    texts = {"header": theorem.header, "context": theorem.context}
    return {name: text for name, text in texts.items() if text.strip()}


def _timeout(timeout_s: float | None) -> dict[str, int]:
    return {} if timeout_s is None else {"timeout": round(timeout_s * 1000)}


def _acknowledged(command: str, payload: JsonObject) -> Request[None]:
    return Request(command, payload, lambda reply: refuse_if_error(reply, command))
