"""The last word on a proof, from a worker that never ran a search.

A certifier's worker that is broken, or was made to lie, can say anything. These checks do not make
what it says true; they refuse a certificate that would be worth nothing even if all of it were true.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Self, TypeVar

import attrs

from leanebm._cancelled import in_thread
from leanebm._shown import named_repr, shown
from leanebm.core.certificate import ACCEPTED_AXIOMS, Certificate, CertificationRejected, CertificationResult
from leanebm.core.limits import MAX_FILE_CHARACTERS, objection_to_length, objection_to_theorem
from leanebm.core.proof_script import Proof, indented, tactic_blocks
from leanebm.core.theorem import Theorem
from leanebm.core.theorem_text import split_binders
from leanebm.errors import (
    CommandRefused,
    PoolClosed,
    StaleState,
    WorkerDied,
    WorkerLost,
    WorkerStartError,
    WorkerTimeout,
)
from leanebm.lean._file_replies import CertifiedFile, FileRefused
from leanebm.lean._frontend_certificate import audited, objection, verdict
from leanebm.lean._library_proof import LibraryProof
from leanebm.lean._replies import INTERRUPTED, MISUSE, CertifiedReply, CertifyRejectedReply, UnitMessages
from leanebm.lean._tasks import Servants, serving
from leanebm.lean._worker import LeanWorker
from leanebm.lean.backends.base import Dialect, WorkerCommand
from leanebm.lean.config import LeanPoolConfig
from leanebm.lean.requests import (
    CERTIFIER_LIMIT,
    declarations,
    env_apart,
    expr_echo,
    file_certify,
    frontend_process,
    lean_version,
    loaded_modules,
    module_of,
    printed_type,
    proof_certify,
    scope_lines,
)

T = TypeVar("T")

_SORRY = "sorryAx"


def audit(theorem: Theorem, reply: CertifiedReply | CertifyRejectedReply) -> CertifiedReply | CertifyRejectedReply:
    """``reply``, or a rejection if its own words rule it out as a certificate for ``theorem``."""
    if isinstance(reply, CertifyRejectedReply):
        return reply
    named = {*reply.axioms, *reply.constants, *reply.trusted_constants}
    if _SORRY in named:
        return CertifyRejectedReply("sorry", f"the certificate itself names {_SORRY}")
    if foreign := sorted(set(reply.axioms) - ACCEPTED_AXIOMS):
        return CertifyRejectedReply("axioms", f"the certificate itself names the axioms {', '.join(foreign)}")
    if theorem.copy_from in named:
        return CertifyRejectedReply("self_reference", f"the certificate itself names {theorem.copy_from}")
    if not reply.statement.strip() or not reply.fingerprint.strip():
        return CertifyRejectedReply("elaboration", "the certificate does not say what was proved")
    return reply


_INDENT = "  "

_WHY_APART = "-- Tactics are not to find the theorem itself."

_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


def declaration_name(theorem: Theorem) -> str:
    """The name under which the proof declares the theorem: ASCII, no dots, and unlikely in any library.

    A name that some tactic also uses would make the proof refer to itself, hence the prefix.
    """
    return f"leanebm_{_UNSAFE_IN_NAMES.sub('_', theorem.name).strip('_') or 'theorem'}"


def assemble(theorem: Theorem, proof: Proof, statement: str | None = None, apart: Sequence[str] = ()) -> str:
    r"""The text of a proof, without import lines: header and context, statement, and one indented block per step.

    Args:
        theorem: What was proved. One from the library is stated as ``type_of% @Name``, so that no
            printing and reading back can change its meaning.
        proof: Its steps, in order: tactics, or :class:`~leanebm.core.ProofStep` where there are bullets.
        statement: The library theorem's type in print, for a comment above it.
        apart: Commands that keep tactics from finding the library theorem; they come first.

    >>> print(assemble(Theorem(name="two", statement="1 + 1 = 2"), ["rfl"]), end="")
    theorem leanebm_two : 1 + 1 = 2 := by
      rfl
    """
    hiding = "\n".join([_WHY_APART, *apart]) if apart else ""
    blocks = [hiding, theorem.preamble.strip(), _claim(theorem, proof, statement)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def lean_file(imports: Sequence[str], source: str) -> str:
    """The whole file: import lines, then ``source``."""
    return "".join(f"import {module}\n" for module in imports) + "\n" + source


def _claim(theorem: Theorem, proof: Proof, statement: str | None) -> str:
    lines = []
    if theorem.copy_from is not None and statement:
        lines.append(indented(f"{theorem.copy_from} : {statement}", "-- "))
    claim = theorem.statement if theorem.statement is not None else f"type_of% @{theorem.copy_from}"
    # A statement of several lines keeps its own layout, all of it moved to the right.
    several = "\n" in claim.strip()
    stated = "\n" + indented(claim, 2 * _INDENT) if several else f" {claim.strip()}"
    # A comment at its end must not swallow what follows.
    by = f"\n{2 * _INDENT}:= by" if "--" in claim else " := by"
    colon = "" if split_binders(claim)[0] else " :"
    lines.append(f"theorem {declaration_name(theorem)}{colon}{stated}{by}")
    lines.extend(indented(block, _INDENT) for block in tactic_blocks(proof))
    return "\n".join(lines)


_log = logging.getLogger(__name__)

# One worker may have been killed from outside. A second that is lost to the same proof was most likely lost to its
# text, and Lean would do the same to a third. A worker that does not even start says nothing about any proof.
_WORKERS_PER_PROOF = 2

_STARTS_PER_WORKER = 3


@attrs.frozen
class _Claim:
    """A proof to decide about: tactics to put together, or a text to take as it is."""

    theorem: Theorem
    tactics: tuple[str, ...]
    name: str
    text: str | None = None

    def source(self, statement: str | None = None, apart: Sequence[str] = ()) -> str:
        """The text to elaborate; ``statement`` is a library theorem's type in print, ``apart`` what hides it."""
        return assemble(self.theorem, self.tactics, statement, apart) if self.text is None else self.text

    def objection(self) -> str | None:
        """Why no worker is asked."""
        return objection_to_theorem(self.theorem) or objection_to_length(
            self.source(), MAX_FILE_CHARACTERS, what="file"
        )


class Certifier:
    """Elaborates found proofs from text and has the kernel check them. A :class:`~leanebm.core.ProofCertifier`.

    It has one worker of its own, started when the first proof comes and replaced by the limits of the
    configuration; proofs are certified one after the other.

    .. code-block:: python

        async with Certifier(LeanPoolConfig.auto()) as certifier:
            result = await certifier.certify(Theorem(name="two", statement="1 + 1 = 2"), ["rfl"])
    """

    def __init__(self, config: LeanPoolConfig, *, deadline_s: float = 120.0, max_certifications: int = 200) -> None:
        """Starts nothing yet.

        Args:
            config: Backend, imports and limits; its ``num_workers`` does not matter here.
            deadline_s: Seconds one certification may take.
            max_certifications: Proofs after which the worker is replaced.
        """
        self.config = config
        self._deadline_s = deadline_s
        self._max_certifications = max_certifications
        self._life = AsyncExitStack()
        self._servants: Servants | None = None
        self._turn = asyncio.Lock()
        self._command: WorkerCommand | None = None
        self._worker: LeanWorker | None = None
        self._certifications = 0
        self._header = ""

    __repr__ = named_repr("config")

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as life:
            life.push_async_callback(self._dismiss)
            self._servants = await life.enter_async_context(serving())
            self._life = life.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End the worker."""
        self._servants = None
        await self._life.aclose()

    async def certify(self, theorem: Theorem | str, proof: Proof) -> CertificationResult:
        """Decide whether ``proof``, a list of tactics or a tree of steps, proves ``theorem``.

        A worker that is lost meanwhile says nothing about the proof, for it may have been killed from outside:
        another one is tried, once. A start that fails is tried up to three times.

        Raises:
            WorkerLost: the second worker was lost, too; the proof is neither accepted nor rejected.
            CommandRefused: of kind ``timeout``: Lean did not get through with it in time; nothing is known, either.
            WorkerStartError: no worker could be started.
            LeanInstallError: the backend is not usable.
        """
        theorem = Theorem.read(theorem)
        return await self._decide(_Claim(theorem, tactic_blocks(proof), declaration_name(theorem)))

    async def certify_text(self, theorem: Theorem, text: str, *, name: str) -> CertificationResult:
        """Decide whether ``text`` proves ``theorem``. The text is elaborated as it is.

        Args:
            theorem: What the text is said to prove.
            text: Everything after the import lines: the theorem's header and context, and the theorem with its proof.
            name: What the text calls the theorem.

        Raises:
            WorkerLost, CommandRefused, WorkerStartError, LeanInstallError: as :meth:`certify`.
        """
        return await self._decide(_Claim(theorem, (), name, text))

    async def certify_file(
        self, source: str, *, original: str | None = None, theorems: Sequence[str] | None = None
    ) -> CertifiedFile | FileRefused:
        """Decide about theorems of a file, each where it stands.

        Args:
            source: everything after the import lines, with blanks in their place if places are to mean something.
            original: what the file was before. Each theorem must say what the one of its name says there.
            theorems: names of those to decide about; ``None`` for all.

        Raises:
            CommandRefused: this Lean's server cannot read files.
            WorkerLost, WorkerStartError, LeanInstallError: as :meth:`certify`.
        """
        if (objection := objection_to_length(source, MAX_FILE_CHARACTERS, what="file")) is not None:
            return FileRefused("length", objection)

        async def ask(worker: LeanWorker) -> CertifiedFile | FileRefused:
            def judge(name: str, statement: str, reply: CertifiedReply | CertifyRejectedReply) -> CertificationResult:
                claim = _Claim(Theorem(name=name, statement=statement), (), name, source)
                return self._result(worker, claim, source, reply)

            request = file_certify(source, judge, original=original, theorems=theorems)
            return await worker.request(request, deadline_s=self._deadline_s)

        return await self._asking("a file", ask)

    async def _decide(self, claim: _Claim) -> CertificationResult:
        if (objection := claim.objection()) is not None:
            return self._rejection(claim, claim.source(), CertifyRejectedReply("length", objection))
        header = scope_lines(claim.theorem.header) + declarations(claim.theorem)
        return await self._asking(shown(claim.theorem.name), partial(self._certify, claim=claim), header=header)

    async def _asking(self, what: str, ask: Callable[[LeanWorker], Awaitable[T]], *, header: str = "") -> T:
        """Ask the worker about ``what``; another one, once, if it is lost meanwhile."""
        async with self._turn:
            for attempt in range(1, _WORKERS_PER_PROOF + 1):
                worker = await self._ready_worker(header)
                self._certifications += 1
                try:
                    return await ask(worker)
                except StaleState as stale:
                    loss: WorkerLost = WorkerDied(str(stale))
                except WorkerLost as lost:
                    loss = lost
                _log.warning("certifying %s, worker %d of %d: %s", what, attempt, _WORKERS_PER_PROOF, loss)
            raise loss

    async def _certify(self, worker: LeanWorker, claim: _Claim) -> CertificationResult:
        theorem, source = claim.theorem, claim.source()
        try:
            statement = theorem.statement or ""
            if theorem.copy_from is not None:
                statement = await worker.request(printed_type(theorem.copy_from))
                plain = worker.command.dialect is Dialect.PANTOGRAPH
                apart = () if plain else await worker.request(env_apart(theorem.copy_from))
                source = claim.source(statement, apart)
            reply = await self._ask(worker, claim, source, statement)
        except UnicodeEncodeError:
            reply = CertifyRejectedReply("elaboration", "the text holds a lone surrogate, which is not text")
        except CommandRefused as refusal:
            if refusal.kind in MISUSE:
                raise
            if refusal.description == INTERRUPTED:
                raise self._out_of_time(theorem, refusal.command) from refusal
            reply = CertifyRejectedReply("elaboration", f"{refusal.kind}: {refusal.description}")
        return self._result(worker, claim, source, reply)

    async def _ask(
        self, worker: LeanWorker, claim: _Claim, source: str, statement: str
    ) -> CertifiedReply | CertifyRejectedReply:
        if worker.command.dialect is Dialect.PANTOGRAPH:
            return await self._read_messages(worker, claim, source, statement)
        request = proof_certify(claim.theorem, source=source, name=claim.name, timeout_s=self._deadline_s)
        # Lean, interrupted, is given time to say so before its worker is given up.
        return await worker.request(request, deadline_s=self._deadline_s + self.config.tactic_grace_s)

    async def _read_messages(
        self, worker: LeanWorker, claim: _Claim, source: str, statement: str
    ) -> CertifiedReply | CertifyRejectedReply:
        theorem = claim.theorem
        if (rejection := objection(theorem, source, claim.name)) is not None:
            return rejection
        if theorem.statement is not None:
            # Refused unless it is one whole term: it must not end early and go on as something else.
            await worker.request(expr_echo(theorem.statement, theorem))
        # The worker knows the context by now. The text has it once more, and so begins with the imports anew.
        anew = bool(theorem.context.strip())
        text = lean_file(self.config.imports, source) if anew else source

        def process(text: str) -> Awaitable[UnitMessages]:
            return self._processed(worker, text, anew=anew)

        said = await process(audited(text, theorem, claim.name))
        version = await worker.request(lean_version()) or worker.command.lean_version
        judged = verdict(said, claim.name, source=text, statement=statement, lean_version=version)
        if theorem.copy_from is None or isinstance(judged, CertifyRejectedReply):
            return judged
        modules = await worker.request(loaded_modules())
        proof = LibraryProof(
            theorem=theorem.copy_from,
            name=claim.name,
            again=lambda helpers: process(audited(text, theorem, claim.name, helpers)),
            process=partial(self._processed, worker),
            place=lambda name: worker.request(module_of(name)),
            modules=modules,
        )
        circular = await proof.objection(said)
        return judged if circular is None else CertifyRejectedReply("self_reference", circular)

    async def _processed(self, worker: LeanWorker, text: str, *, anew: bool = False) -> UnitMessages:
        try:
            return await worker.request(frontend_process(text, anew=anew), deadline_s=self._deadline_s)
        except WorkerTimeout as timeout:  # it takes no time limit that it would keep by itself
            raise CommandRefused("io", INTERRUPTED, command=timeout.command) from timeout

    def _out_of_time(self, theorem: Theorem, command: str) -> CommandRefused:
        return CommandRefused(
            "timeout",
            f"the proof of {shown(theorem.name)} was not checked within {self._deadline_s:g} s ({CERTIFIER_LIMIT}), so "
            "it is neither accepted nor rejected. Raise that if the machine is slow or busy; else the proof asks too "
            "much of Lean",
            command=command,
        )

    def _rejection(self, claim: _Claim, source: str, reply: CertifyRejectedReply) -> CertificationRejected:
        return CertificationRejected(
            theorem=claim.theorem,
            source=lean_file(self.config.imports, source),
            tactics=claim.tactics,
            reason=reply.reason,
            message=reply.message,
        )

    def _result(
        self, worker: LeanWorker, claim: _Claim, source: str, reply: CertifiedReply | CertifyRejectedReply
    ) -> CertificationResult:
        reply = audit(claim.theorem, reply)
        if isinstance(reply, CertifyRejectedReply):
            return self._rejection(claim, source, reply)
        return Certificate(
            theorem=claim.theorem,
            source=lean_file(self.config.imports, source),
            tactics=claim.tactics,
            statement=reply.statement,
            fingerprint=reply.fingerprint,
            axioms=reply.axioms,
            constants=reply.constants,
            trusted_constants=reply.trusted_constants,
            lean_version=reply.lean_version,
            backend=worker.command.backend,
            imports=self.config.imports,
        )

    async def _ready_worker(self, header: str) -> LeanWorker:
        if self._servants is None:
            raise PoolClosed("the certifier is used with 'async with Certifier(config) as certifier:'")
        worker = self._worker
        if worker is not None and (
            worker.is_due
            or self._certifications >= self._max_certifications
            or (worker.command.dialect is Dialect.PANTOGRAPH and self._header not in {"", header})
        ):
            await self._dismiss()
        if self._worker is None:
            if self._command is None:
                self._command = await in_thread(self.config.prepare)
            self._worker = await self._started_worker(self._command, self._servants)
            self._certifications, self._header = 0, ""
        # What Pantograph opened for one theorem, notation say, stays open: no other may be certified on top of that.
        self._header = header
        return self._worker

    async def _started_worker(self, command: WorkerCommand, servants: Servants) -> LeanWorker:
        for attempt in range(1, _STARTS_PER_WORKER + 1):
            try:
                return await LeanWorker.start(command, self.config, index=0, servants=servants)
            except WorkerStartError as failed:
                failure = failed
                if failed.is_lasting:
                    break
            _log.warning("starting the certifier, attempt %d of %d: %s", attempt, _STARTS_PER_WORKER, failure)
        raise failure

    async def _dismiss(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.aclose()
