"""Prove one statement: by searching, or by replaying tactics that are given."""

from __future__ import annotations

import html
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, final

import attrs
from attrs.validators import instance_of

from leanebm._shown import counted, cut, fitting_repr, named_repr, printable, reason, shown
from leanebm.core import (
    Candidate,
    Certificate,
    CertificationRejected,
    Node,
    ProofAdvanced,
    ProofFinished,
    ProofSession,
    ProofState,
    SearchOutcome,
    SearchResult,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.core.theorem_text import imported_modules, is_covered, lean_commands, normalized, split_binders
from leanebm.data import theorem_problems
from leanebm.errors import ConfigError, LeanError, StatementError
from leanebm.lean.absent_modules import WITHOUT_MATHLIB
from leanebm.pipeline.config import Parts, RunConfig
from leanebm.pipeline.energy.guidance import EnergyConfig
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.workbench import Workbench, WorkbenchOpener, open_workbench
from leanebm.search import LengthNormalisedLogProb, SearchBudget, SearchConfig, SearchProgress
from leanebm.storage import read_regular

_MAX_SHOWN_CHARS: Final = 20_000
"""Of a proof, in a notebook, which would choke on more."""

_FILE: Final = re.compile(r"\S+\.(?:lean|txt|jsonl?|csv|parquet|md)")

_EXAMPLE: Final = "`∀ n : Nat, n + 0 = n`"

_ADVICE: Final = (
    (r"\$|[^\\]*\\[a-z]", "That is LaTeX: write Lean"),
    (r"by\s", "That is a proof: write what is to be proved"),
    (r"@?[\w'!?]+(?:\.[\w'!?]+)+$", "That is a name: write out what is to be proved"),
    (
        r"(?i:prove|show)\s|(?!forall|exists|fun|let|have|if)[A-Za-z]+(?: [a-z]{2,}){2}",
        "A statement is written in Lean",
    ),
)
"""What a person may have typed in place of a proposition, by how it begins, and what to type instead."""


@attrs.frozen(kw_only=True)
class ProofAttempt:
    """How an attempt at one statement ended."""

    theorem: Theorem
    outcome: SearchOutcome = attrs.field(validator=instance_of(SearchOutcome))

    sentence: str
    """The outcome in words, with what to do next."""

    certificate: Certificate | None = None
    """The proof; present exactly if it is certified."""

    rejections: tuple[CertificationRejected, ...] = ()
    nodes: int = 0
    """Proof states met."""

    tactic_calls: int = 0
    """Tactics that Lean ran."""

    wall_s: float = 0.0
    """Seconds from opening the proof to the verdict on it: certification is in them, starting Lean is not."""

    search: SearchResult | None = attrs.field(default=None, repr=False, eq=False)
    """The search and its tree; ``None`` if tactics were replayed."""

    @property
    def is_proved(self) -> bool:
        """Whether there is a certificate."""
        return self.certificate is not None

    @property
    def cost(self) -> str:
        """What it took, in words."""
        return f"{counted(self.nodes, 'node')}, {counted(self.tactic_calls, 'tactic call')}, {self.wall_s:.1f} s"

    def __str__(self) -> str:
        """The proof as a Lean file, or why there is none; with axioms and cost."""
        return printable("\n".join([*self._text(), self.cost]))

    __repr__ = fitting_repr

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        certificate = self.certificate
        colour, word = ("#1a7f37", "certified") if certificate is not None else ("#9a6700", "no proof")
        statement = html.escape(cut(self.theorem.display, _MAX_SHOWN_CHARS))
        text = html.escape(cut("\n".join(self._text()), _MAX_SHOWN_CHARS))
        words = printable(
            f'<div><b style="color: {colour}">{word}</b> <code>{statement}</code></div>'
            f"<pre>{text}</pre><div><small>{html.escape(self.cost)}</small></div>"
        )
        if self.search is None:
            return words
        return f"{words}<details><summary>the search</summary>{self.search._repr_html_()}</details>"

    def _text(self) -> list[str]:
        certificate = self.certificate
        if certificate is None:
            return [self.sentence, *(f"  rejected ({each.reason}): {each.message}" for each in self.rejections)]
        trusted = ", ".join(certificate.trusted_constants)
        return [
            certificate.source.rstrip(),
            "",
            self.sentence,
            f"axioms: {', '.join(certificate.axioms) or 'none'}",
            *(
                [f"library facts not checked again, since the package's hash vouches for them: {trusted}"]
                if trusted
                else []
            ),
            f"checked by Lean {certificate.lean_version} ({certificate.backend})",
            f"vouched for by {certificate.vouched_for_by}",
        ]


def theorem_of(
    statement: str, *, name: str | None = None, header: str = "", context: str = "", imports: Sequence[str] = ()
) -> Theorem:
    """A theorem from what a person typed.

    Args:
        statement: a Lean proposition, or a whole theorem (see :meth:`Theorem.of <leanebm.core.Theorem.of>`).
        name: how results refer to it; the text's own if ``None``, or made from the statement.
        header: ``open``, ``universe`` and ``set_option`` lines.
        context: definitions and other commands that the statement needs.
        imports: modules that the run imports; the text may import these, too.

    Raises:
        ConfigError: something is wrong that can be seen without Lean; everything is listed.
    """
    try:
        theorem = Theorem.of(statement, name=name, header=header, context=context, imports=imports)
    except ValueError as error:
        raise ConfigError(f"this cannot be proved: {error}") from error
    if _FILE.fullmatch(statement):
        raise ConfigError(
            f"this cannot be proved: {shown(statement)} is a file's name. `leanebm search --theorems` proves what a "
            "file states, `leanebm fill` the `sorry`s of a .lean file"
        )
    if problems := list(theorem_problems(theorem)):
        raise ConfigError("this cannot be proved:", problems)
    return theorem


def read_context(path: str | os.PathLike[str], imports: Sequence[str] = ()) -> str:
    """The commands of a file, for a theorem's context; without its imports.

    Raises:
        ConfigError: the file cannot be read, is not text, or imports modules that are not among ``imports``.
    """
    try:
        text = normalized(read_regular(path).decode())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the context {os.fspath(path)}: {reason(error)}") from error
    commands = lean_commands(text)
    found = imported_modules(commands)
    if absent := [module for module in found if not is_covered(module, imports)]:
        raise ConfigError(
            f"the context {os.fspath(path)} imports modules that this run does not: name them by --imports",
            [f"{shown(module)} @ {os.fspath(path)}" for module in absent],
        )
    return "\n\n".join(command.text for command in commands if command.keyword != "import") if found else text


@final
class ProofRun:
    """One attempt at one theorem: the parts are started, it is proved or not, the parts are stopped.

    Args:
        config: how to search; one Lean worker is started, whatever it says.
        theorem: what to prove, a theorem or its text; :func:`theorem_of` says more of what may be wrong with a text.
        tactics: are replayed instead of searching, if there are any.
        observer: is told what happens.
        opening: starts the policy, Lean and the certifier.
    """

    def __init__(
        self,
        config: RunConfig,
        theorem: Theorem | str,
        *,
        tactics: Sequence[str] = (),
        observer: Observer | None = None,
        opening: WorkbenchOpener = open_workbench,
    ) -> None:
        self._config = for_one_proof(_without_search(config) if tactics else config)
        given = theorem
        self._theorem = given if isinstance(given, Theorem) else Theorem.of(given, imports=config.lean.imports)
        self._tactics = tactics
        self._observer = LogObserver() if observer is None else observer
        self._opening = opening

    __repr__ = named_repr("_theorem")

    async def run(self) -> ProofAttempt:
        """Replay the tactics if there are any, else search.

        Raises:
            StatementError: the statement or header does not elaborate.
            LeanError, PolicyError: something broke; nothing is known about the theorem.
        """
        async with self._opening(self._config, self._observer) as bench:
            return await attempt(
                self._theorem, bench, search=self._config.search, tactics=self._tactics, observer=self._observer
            )


def for_one_proof(config: RunConfig) -> RunConfig:
    """``config`` with one Lean worker: one proof lives on one worker, and a second would only cost its start."""
    return attrs.evolve(config, lean=attrs.evolve(config.lean, num_workers=1))


def _without_search(config: RunConfig) -> RunConfig:
    """``config`` without anything that only a search asks: a replay waits for no server and loads no head."""
    return attrs.evolve(
        config,
        scorer=LengthNormalisedLogProb(),
        parts=Parts(policy=_NeverAsked()),
        energy=EnergyConfig(),
        without=(),
    )


@attrs.frozen
class _NeverAsked:
    """The policy of a replay."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        raise AssertionError(f"a replay asks no policy, and this one was asked for {n} tactics on {state}")


async def attempt(
    theorem: Theorem, bench: Workbench, *, search: SearchConfig, tactics: Sequence[str], observer: Observer
) -> ProofAttempt:
    """Replay ``tactics`` if there are any, else search. Raises what :meth:`ProofRun.run` does."""
    try:
        if tactics:
            return await _replay(theorem, tactics, bench, observer)
        with stage(observer, "searching") as searching:
            result = await bench.start_search(search, _Reporter(searching)).run(theorem)
        found = _attempt_of(result)
    except StatementError as error:
        said = f"{error.description.rstrip()}\n{_advice(theorem, error)}".rstrip()
        raise StatementError(error.kind, said, command=error.command, place=error.place) from error
    if result.outcome not in (SearchOutcome.EXHAUSTED, SearchOutcome.BUDGET_SPENT):
        return found
    with stage(observer, "refuting"):
        refutation = await _refutation(theorem, bench)
    if refutation is not None:
        return attrs.evolve(found, sentence=f"Not proved, and false: `{refutation}` proves its negation.")
    return attrs.evolve(found, sentence=_shortfall(result, search.budget))


def _advice(theorem: Theorem, error: StatementError) -> str:
    """What to do about a statement that Lean refused; nothing where the refusal says it."""
    if WITHOUT_MATHLIB in error.description:
        return ""
    text = (theorem.statement or "").strip()
    found = next((advice for pattern, advice in _ADVICE if re.match(pattern, text)), None)
    if found is None and error.description.lower().startswith("unknown identifier"):
        return f"Name only what Lean knows or what the statement binds itself, as `∀ n : Nat,` binds n in {_EXAMPLE}."
    if found is None and error.description.startswith("expected end of input"):
        return "One proposition is expected: `leanebm search --theorems FILE` takes several, one per line."
    return f"{found or 'A statement is a Lean proposition'}, for example {_EXAMPLE}."


_VALUES: Final = ("0", "1", "10", "0 0", "0 1", "1 0", "2 3", "False", "True", "False True", "True False")

_REFUTATIONS: Final = (
    *("decide", "simp", "omega"),
    *(f"exact fun h => absurd (h {values}) (by decide)" for values in _VALUES),
)
"""Tried on the negation of what was not proved: all of them together take less than a second, mostly."""


async def _refutation(theorem: Theorem, bench: Workbench) -> str | None:
    """A tactic that proves the negation; ``None`` if none of a few does, or Lean cannot be asked."""
    if theorem.statement is None:
        return None
    binders, proposition = split_binders(theorem.statement)
    closed = f"∀ {binders}, {proposition}" if binders else proposition
    negation = attrs.evolve(theorem, statement=f"¬ ({closed})")
    with suppress(LeanError):  # what it is asked for is a hint: no statement may be the worse for it
        async with bench.environment.open(negation) as session:
            for tactic in _REFUTATIONS:
                if isinstance(await session.run_tactic(session.root, tactic), ProofFinished):
                    return tactic
    return None


def _shortfall(result: SearchResult, budget: SearchBudget) -> str:
    """Why there is no proof, with the advice that fits how the search ended."""
    spent = result.statistics
    if result.outcome is SearchOutcome.EXHAUSTED:
        if len(result.nodes) > 1:
            return f"{result.outcome.sentence} A larger budget changes nothing."
        return (
            f"Not proved: Lean refused all that the policy proposed for the statement itself "
            f"({counted(spent.tactic_calls, 'tactic')}), so a larger budget changes nothing. If it is true, ask for "
            "more --candidates, or another policy."
        )
    reached = [f"{counted(budget.max_expansions, 'expansion')} (--budget)"] * (
        spent.expansions >= budget.max_expansions
    )
    if budget.max_tactic_calls is not None and spent.tactic_calls >= budget.max_tactic_calls:
        reached.append(f"{counted(budget.max_tactic_calls, 'tactic call')} (max_tactic_calls)")
    if budget.max_wall_s is not None and spent.wall_s >= budget.max_wall_s:
        reached.append(f"{budget.max_wall_s:g} s (--wall-s)")
    if not reached:
        return "Not proved: some states were left out, because too many were open or a prompt was too long."
    return f"Not proved within {' and '.join(reached)}; states were left to try. If it is true, more may help."


@attrs.frozen
class _Reporter:
    """Reports to a stage how far the search is."""

    searching: Stage

    def on_expansion(self, progress: SearchProgress, node: Node) -> None:  # noqa: ARG002 - no figure depends on it
        """Report nodes and tactic calls so far."""
        nodes, calls = len(progress.tree.nodes), progress.meter.tactic_calls
        self.searching.progressed(counts=f"{counted(nodes, 'node')} · {counted(calls, 'tactic call')}")


def _attempt_of(result: SearchResult) -> ProofAttempt:
    if result.outcome is SearchOutcome.INFRASTRUCTURE and result.error is not None:
        raise result.error
    return ProofAttempt(
        theorem=result.theorem,
        outcome=result.outcome,
        sentence=result.outcome.sentence,
        certificate=result.certificate,
        rejections=result.rejections,
        nodes=result.statistics.nodes,
        tactic_calls=result.statistics.tactic_calls,
        wall_s=result.statistics.wall_s,
        search=result,
    )


async def _replay(theorem: Theorem, tactics: Sequence[str], bench: Workbench, observer: Observer) -> ProofAttempt:
    started_s = time.monotonic()
    async with bench.environment.open(theorem) as session:
        replayed = await _run_all(session, tactics)
    attempt = ProofAttempt(
        theorem=theorem,
        outcome=SearchOutcome.INCOMPLETE,
        sentence=replayed.shortfall,
        nodes=replayed.nodes,
        tactic_calls=replayed.tactic_calls,
        wall_s=time.monotonic() - started_s,
    )
    if replayed.shortfall:
        return attempt
    with stage(observer, "certifying"):
        verdict = await bench.certifier.certify(theorem, tactics)
    attempt = attrs.evolve(attempt, wall_s=time.monotonic() - started_s)
    if isinstance(verdict, Certificate):
        proved = SearchOutcome.PROVED
        return attrs.evolve(attempt, outcome=proved, sentence=proved.sentence, certificate=verdict)
    rejected = SearchOutcome.REJECTED
    return attrs.evolve(attempt, outcome=rejected, sentence=rejected.sentence, rejections=(verdict,))


@attrs.define
class _Replayed:
    """What became of tactics that were run one after the other."""

    shortfall: str = ""
    """Why they do not prove it, in words; empty if they do."""

    nodes: int = 1
    tactic_calls: int = 0


async def _run_all(session: ProofSession, tactics: Sequence[str]) -> _Replayed:
    state: ProofState = session.root
    replayed = _Replayed()
    for number, tactic in enumerate(tactics, start=1):
        if state.is_solved:
            rest = ", ".join(f"`{each}`" for each in tactics[number - 1 :])
            replayed.shortfall = f"The proof is complete after tactic {number - 1}; leave out {rest}."
            return replayed
        outcome = await session.run_tactic(state, tactic)
        replayed.tactic_calls += 1
        match outcome:
            case TacticRejected(message=message) | TacticTimedOut(message=message):
                replayed.shortfall = f"Tactic {number}, `{tactic}`, failed:\n{message}\nIt was tried on:\n{state}"
                return replayed
            case ProofAdvanced(state=state) | ProofFinished(state=state):
                replayed.nodes += 1
    if not state.is_solved:
        replayed.shortfall = f"All tactics ran, and goals are left:\n{state}"
    return replayed
