"""Makes sure that nothing but the run's own certifier makes a theorem proved, whoever wrote the search.

A search is given a certifier that remembers what it certified, and its result is compared with that; and an environment
that remembers what it refused, so that nothing else makes a statement a bad one. It is a guard
against mistakes and shortcuts. A part runs in our process, so one that is out to deceive could reach into anything
here; ``leanebm certify`` checks the written proofs again, in processes that never load it.
"""

from __future__ import annotations

import asyncio
import copy
import math
from array import array
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from typing import Any, Final

import attrs

from leanebm._cancelled import uninterrupted
from leanebm._shown import shown
from leanebm._whereabouts import where_task_is
from leanebm.core import (
    Candidate,
    Certificate,
    CertificationResult,
    EncoderIdentity,
    Leaf,
    NodeStatus,
    Proof,
    ProofCertifier,
    ProofEnvironment,
    ProofSearch,
    ProofSession,
    ProofState,
    SearchOutcome,
    SearchResult,
    StateEncoder,
    Theorem,
)
from leanebm.errors import PartBroken, PolicyError, StatementError
from leanebm.search.answers import answer_of, blaming, energies_of, part_broken, proposals_of, scores_of

CANCELLATION_S: Final = 20.0
"""What a search may take to end once it is cancelled: its proof is closed, and Lean is asked for that."""

MAY_BE_RAISED: Final = (Exception, SystemExit, GeneratorExit)
"""What code that is not ours may raise; an interrupt is a person's."""


@attrs.define(eq=False)
class OverseenEncoder:
    """An encoder that is named where it raises what it may not, or gives what are no vectors."""

    encoder: StateEncoder
    _width: int | None = attrs.field(init=False, default=None)
    """Of its vectors: as it says itself, or else as the first ones were."""

    async def identity(self) -> EncoderIdentity:
        """Which encoder it is.

        Raises:
            PartBroken: it does not say.
            PolicyError: it asks a server, which could not answer.
        """
        with blaming(f"{self._name}, asked which encoder it is,", PolicyError):
            found = await answer_of(self.encoder, "identity")
        if not isinstance(found, EncoderIdentity):
            raise PartBroken(f"{self._name}.identity must return an EncoderIdentity; it gave {shown(found)}")
        if found.dim is not None:
            self._width = found.dim
        return found

    async def encode(self, texts: Sequence[str]) -> list[array[float]]:
        """One vector per text.

        Raises:
            PartBroken: it raised, or its vectors are not as many as the texts, of one width and finite.
            PolicyError: it asks a server, which could not answer.
        """
        with blaming(f"{self._name}, asked for vectors,", PolicyError):
            vectors = [array("f", vector) for vector in await answer_of(self.encoder, "encode", texts)]
        widths = {len(vector) for vector in vectors}
        is_finite = all(map(math.isfinite, chain.from_iterable(vectors)))
        if len(vectors) != len(texts) or len(widths) > 1 or 0 in widths or not is_finite:
            raise PartBroken(
                f"{self._name} must give one vector per text, all of one width and finite; for {len(texts)} texts it "
                f"gave {len(vectors)}, {_widths(widths)}"
            )
        if self._width is None:
            self._width = next(iter(widths), None)
        if widths - {self._width}:
            raise PartBroken(
                f"{self._name} gave vectors {_widths(widths)}, and {self._width} is what those before had, or the dim "
                "of its identity: all must be of one width"
            )
        return vectors

    @property
    def _name(self) -> str:
        return type(self.encoder).__name__


class _Overseen:
    """A part that is named where it raises what it may not, whoever asks it; all else is the part's own.

    Our searches look at what they are answered. One with a loop of its own need not, and what it lets through would be
    laid at Lean's door.
    """

    def __init__(self, part: Any) -> None:
        self._part = part

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The part's, so that ``isinstance`` says of it what it would say of the part."""
        return type(self._part)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_part":  # which copying looks for before there is a part
            raise AttributeError(name)
        return getattr(self._part, name)

    def __repr__(self) -> str:
        return repr(self._part)


class OverseenPolicy(_Overseen):
    """A policy, as a search is given it."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """Raises as :func:`~leanebm.search.answers.proposals_of`."""
        return await proposals_of(self._part, state, n)


class OverseenScorer(_Overseen):
    """A scorer, as a search is given it."""

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """Raises as :func:`~leanebm.search.answers.scores_of`."""
        return await scores_of(self._part, leaves)


class OverseenEnergyModel(_Overseen):
    """An energy model, as a search is given it."""

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        """Raises as :func:`~leanebm.search.answers.energies_of`."""
        return await energies_of(self._part, states)


def _widths(widths: Collection[int]) -> str:
    return "of no width" if not widths else f"of {' and '.join(map(str, sorted(widths)))} numbers"


@attrs.define(eq=False)
class IssuingCertifier:
    """A certifier that remembers which certificates it gave."""

    certifier: ProofCertifier
    _issued: dict[Certificate, Certificate] = attrs.field(init=False, factory=dict)

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        """Certify, and keep a copy of the certificate: what is done to the one that is given away changes nothing."""
        verdict = await self.certifier.certify(theorem, proof)
        if isinstance(verdict, Certificate):
            issued = copy.deepcopy(verdict)
            self._issued[issued] = issued
        return verdict

    def issued(self, certificate: Certificate) -> Certificate | None:
        """Its own copy of ``certificate``; ``None`` if it never gave one that says the same."""
        return self._issued.get(certificate)


@attrs.define(eq=False)
class RefusingEnvironment:
    """An environment that remembers which theorems it refused."""

    environment: ProofEnvironment
    refused: set[Theorem] = attrs.field(init=False, factory=set)

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ProofSession]:
        """Open a proof, as :meth:`ProofEnvironment.open <leanebm.core.ProofEnvironment.open>` says."""
        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(self.environment.open(theorem))
            except StatementError:
                self.refused.add(theorem)
                raise
            yield session


@attrs.frozen
class OverseenSearch:
    """A search whose results are believed only as far as the certifier's word goes."""

    search: ProofSearch
    certifier: IssuingCertifier
    """The one that ``search`` was given."""

    environment: RefusingEnvironment
    """The one that ``search`` was given."""

    cancellation_s: float = CANCELLATION_S
    """Seconds that it may take to end once it is cancelled."""

    async def run(self, theorem: Theorem | str) -> SearchResult:
        """Search for a proof of ``theorem``, a theorem or a statement such as ``"1 + 1 = 2"``.

        Raises:
            StatementError: the environment refused the theorem's statement or header.
            PartBroken: a part raised what its contract does not name, or the search claims a proof that was not
                certified, answers another question, gives a tree that is not one, or goes on although it
                was cancelled.
        """
        theorem = Theorem.read(theorem)
        result = await self._run(theorem)
        try:
            certificate = self._certificate(result, theorem)
        except ValueError as error:
            raise PartBroken(
                f"{type(self.search).__qualname__} broke the contract of a search on {theorem.name!r}: {error}. "
                "This result was not recorded. It is a mistake in the search; `leanebm check` tries it alone"
            ) from None
        # What is recorded is the certifier's own copy, whatever the search sent.
        return attrs.evolve(result, theorem=theorem, certificate=certificate)

    async def _run(self, theorem: Theorem) -> SearchResult:
        """Run the search. Once cancelled it may not go on: not for ever, and not with the next theorem."""
        task = asyncio.ensure_future(self._search(theorem))
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await uninterrupted(asyncio.wait({task}, timeout=self.cancellation_s))
            if task.done():
                if not task.cancelled():
                    task.exception()  # seen, so that asyncio does not log it: who cancelled does not ask any more
                raise
            place = where_task_is(task)
            raise PartBroken(
                f"the search for a proof of {theorem.name!r} goes on, {self.cancellation_s:g} s after it was cancelled"
                f"{f', in {place}' if place else ''}. Parts must let asyncio.CancelledError through"
            ) from None
        if task.cancelled():
            raise PartBroken(
                f"the search for a proof of {theorem.name!r} was cancelled from within, and nobody had cancelled it: a "
                "part raised asyncio.CancelledError, cancelled the task that it runs in, or awaited a task that was "
                "cancelled. `leanebm check` tries each part alone"
            )
        return task.result()

    async def _search(self, theorem: Theorem) -> SearchResult:
        """Run the search; what its contract does not name becomes an error that names the part."""
        what = f"the search for a proof of {theorem.name!r}"
        try:
            with blaming(what, StatementError):
                found: SearchResult = await answer_of(self.search, "run", copy.deepcopy(theorem))
                return found
        except StatementError as error:
            if theorem in self.environment.refused:
                raise
            raise part_broken(what, error) from error  # of another statement, or made up

    def _certificate(self, result: object, theorem: Theorem) -> Certificate | None:
        """The certificate that ``result`` rests on.

        Raises:
            ValueError: it says otherwise than the certifier, or is about another theorem.
        """
        if type(result) is not SearchResult:
            raise ValueError(f"it returned {type(result).__name__}, not a SearchResult")
        if result.theorem != theorem:
            raise ValueError(f"it answered about another theorem, {result.theorem.name!r}")
        if problems := result.tree_problems():
            raise ValueError("; ".join(problems))
        claimed, is_proved = result.certificate, result.outcome is SearchOutcome.PROVED
        if is_proved != (claimed is not None):
            raise ValueError(f"it says {result.outcome.value!r} {'without' if is_proved else 'with'} a certificate")
        if claimed is None:
            if any(node.status is NodeStatus.PROVED for node in result.nodes):
                raise ValueError("it calls a node proved, but has no certificate")
            return None
        issued = self.certifier.issued(claimed)
        if issued is None:
            raise ValueError("its certificate does not come from the run's certifier")
        if issued.theorem != theorem:
            raise ValueError(f"its certificate is for another theorem, {issued.theorem.name!r}")
        return issued
