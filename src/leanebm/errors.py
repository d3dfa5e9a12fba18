"""Every exception leanebm raises on purpose.

.. code-block:: text

    LeanEbmError
    ├── ConfigError               a setting or an input file is wrong: yours to mend, before any work starts
    │   ├── CassetteMiss          a replay asked what is not in its recording
    │   └── MissingExtra          an optional part of leanebm is not installed
    ├── LeanError                 talking to Lean
    │   ├── LeanInstallError      no usable Lean could be found or prepared
    │   ├── WorkerStartError      a worker process never became ready
    │   ├── WorkerLost            the world broke a worker: it died, hung, or flooded its pipe
    │   │   ├── WorkerDied
    │   │   ├── WorkerTimeout
    │   │   └── ProtocolError     it answered something that is not the protocol
    │   ├── StaleState            you used a proof state whose worker is gone
    │   ├── CommandRefused        the worker understood the request and said no
    │   │   └── StatementError    the theorem's statement or header does not elaborate
    │   └── PoolClosed            you used a pool outside its ``async with``
    ├── PolicyError               talking to a policy or encoder server
    │   ├── PolicyUnavailable     it cannot be reached, or its circuit is open
    │   ├── PolicyTimeout         the deadline passed
    │   ├── PolicyOverloaded      alive, but its queue stayed full until the deadline
    │   ├── PolicyBadRequest      it refused this request; sending it again cannot help
    │   │   └── PromptTooLong
    │   ├── PolicyUnauthorized    the API key is missing or wrong
    │   ├── PolicyProtocolError   it answered something that is not the contract
    │   └── EncoderError          an embedding is missing, of wrong width, zero or not finite
    ├── EnergyError               the energy head or its checkpoint
    ├── PartBroken                a part that you plugged in does not keep its contract: its author's to mend
    └── TrajectoryError           a file of trajectories or groups is unreadable, of another schema or run

A tactic that Lean rejects is not an error: it is a value (:mod:`leanebm.core.outcome`). An
exception means that *nothing is known* about the theorem, so it never becomes a training label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from leanebm._shown import printable

__all__ = [
    "CassetteMiss",
    "CommandRefused",
    "ConfigError",
    "EncoderError",
    "EnergyError",
    "LeanEbmError",
    "LeanError",
    "LeanInstallError",
    "MissingExtra",
    "PartBroken",
    "PolicyBadRequest",
    "PolicyError",
    "PolicyOverloaded",
    "PolicyProtocolError",
    "PolicyTimeout",
    "PolicyUnauthorized",
    "PolicyUnavailable",
    "PoolClosed",
    "PromptTooLong",
    "ProtocolError",
    "StaleState",
    "StatementError",
    "TrajectoryError",
    "WorkerDied",
    "WorkerLost",
    "WorkerStartError",
    "WorkerTimeout",
]

_SHOWN_PROBLEMS = 20


class LeanEbmError(Exception):
    """Base of every exception that leanebm raises on purpose.

    All of them survive :mod:`copy` and :mod:`pickle`, with their message and their attributes.
    """

    def __str__(self) -> str:
        return printable(super().__str__())  # it may quote what Lean, a server or a file said

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[type[Self], tuple[object, ...], dict[str, object]]]:
        # Past the constructor: it takes what the message is made of, not the message.
        return _restored, (type(self), self.args, dict(self.__dict__))


def what_it_says(value: object) -> object:
    """What values compare of the errors that they hold: its kind and its words. Anything else stays as it is."""
    return (type(value), str(value)) if isinstance(value, LeanEbmError) else value


class ConfigError(LeanEbmError):
    """A setting or an input file is wrong; nothing has been started yet.

    ``problems`` lists every mistake found, each as ``what @ where``
    (``$.search.budget.max_expansions``, ``theorems.txt:17``), not only the first. The message shows so many that a
    screen holds them, and says how many more there are: a picture taken for a file of theorems has one on each line.
    """

    def __init__(self, summary: str, problems: Sequence[str] = ()) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        more = len(self.problems) - _SHOWN_PROBLEMS
        rest = [f"  … and {more} more"] if more > 0 else []
        super().__init__(
            "\n".join([summary, *(f"  - {problem}" for problem in self.problems[:_SHOWN_PROBLEMS]), *rest])
        )


class CassetteMiss(ConfigError):
    """A replay was asked something that its recording holds no answer to; the message names it.

    It says nothing about the theorem, and is never recorded as how a search ended: the run stops.
    """


class MissingExtra(ConfigError, ImportError):
    """A part of leanebm was asked for that needs more than the base installation; the message says what to install.

    ``extra`` is the extra's name, such as ``energy``. It is an :class:`ImportError`, too, for that is what
    ``from leanebm import EnergyHead`` raises.
    """

    def __init__(self, summary: str, problems: Sequence[str] = (), *, extra: str = "") -> None:
        self.extra = extra
        super().__init__(summary, problems)


# --- Lean ---------------------------------------------------------------------------------------


class LeanError(LeanEbmError):
    """Something between us and Lean went wrong."""


class LeanInstallError(LeanError):
    """No usable Lean could be found or prepared; the message says what to install or run."""


class WorkerStartError(LeanError):
    """A worker process ended, or stayed silent, before it said it was ready.

    ``stderr_tail`` holds the last lines it wrote to standard error; ``is_lasting`` says that another start would
    end the same way: a module that it is to import is not there, say.
    """

    def __init__(self, message: str, *, stderr_tail: str = "", is_lasting: bool = False) -> None:
        self.stderr_tail = stderr_tail
        self.is_lasting = is_lasting
        super().__init__(_with_stderr(message, stderr_tail))


class WorkerLost(LeanError):
    """A worker broke under a request and was killed and replaced; the request has no answer.

    The theorem may be searched again on another worker; its proof states are gone.
    ``command`` is the request's name, ``worker`` the worker's index, ``epoch`` its incarnation,
    ``elapsed_s`` the seconds since the request was written.
    """

    def __init__(
        self,
        message: str,
        *,
        command: str = "",
        worker: int = -1,
        epoch: int = -1,
        elapsed_s: float = 0.0,
        stderr_tail: str = "",
    ) -> None:
        self.command = command
        self.worker = worker
        self.epoch = epoch
        self.elapsed_s = elapsed_s
        self.stderr_tail = stderr_tail
        super().__init__(_with_stderr(message, stderr_tail))


class WorkerDied(WorkerLost):
    """The worker's process ended while a request was open."""


class WorkerTimeout(WorkerLost):
    """No answer came before the deadline; the worker was killed, so no late answer can be read."""


class ProtocolError(WorkerLost):
    """The worker answered with something that is not one line of the protocol."""


class StaleState(LeanError):
    """The proof state was made by a worker that no longer exists, or was deleted.

    State ids mean something only in the process that gave them. Open the proof again, or use
    :class:`leanebm.lean.ReplayingEnvironment`, which replays the tactics for you.
    """


class CommandRefused(LeanError):
    """The worker answered ``{"error": kind, "desc": description}``; it is still usable.

    ``place`` is where the given text does not parse: its line, from 1, and how many characters are before that in it.
    """

    def __init__(self, kind: str, description: str, *, command: str = "", place: tuple[int, int] | None = None) -> None:
        self.place = place
        self.kind = kind
        self.description = description
        self.command = command
        super().__init__(f"Lean refused {command or 'a command'} ({kind}): {description}")


class StatementError(CommandRefused):
    """The theorem's statement, header or name does not elaborate; mend the theorem."""

    def __str__(self) -> str:
        return f"Lean does not accept the theorem: {self.description}"


class PoolClosed(LeanError):
    """The pool was used before ``async with`` was entered or after it was left."""


# --- policy and encoder servers -----------------------------------------------------------------


class PolicyError(LeanEbmError):
    """Something between us and a policy or encoder server went wrong.

    ``url`` is the server's address (never with a key in it), ``attempts`` how often we tried.
    """

    def __init__(self, message: str, *, url: str = "", attempts: int = 0) -> None:
        self.url = url
        self.attempts = attempts
        super().__init__(message)


class PolicyUnavailable(PolicyError):
    """The server cannot be reached, or failed so often that we stopped asking for a while."""


class PolicyTimeout(PolicyError):
    """The caller's deadline passed before an answer came."""


class PolicyOverloaded(PolicyError):
    """The server lives but its queue stayed full; ask for less at once, or give it more time."""


class PolicyBadRequest(PolicyError):
    """The server refused this very request (HTTP 400, 404 or 422); sending it again cannot help."""


class PromptTooLong(PolicyBadRequest):
    """The prompt does not fit the server's context; the state it renders cannot be expanded."""


class PolicyUnauthorized(PolicyError):
    """The server wants another API key (HTTP 401 or 403)."""


class PolicyProtocolError(PolicyError):
    """The server answered 200 with something that is not the contract; nothing in it was used."""


class EncoderError(PolicyError):
    """An embedding is missing, of wrong width, all zero or not finite; it was not cached."""


# --- parts, energy and trajectories --------------------------------------------------------------------


class EnergyError(LeanEbmError):
    """The energy head cannot do this: wrong dimension, wrong encoder, damaged checkpoint."""


class PartBroken(LeanEbmError):
    """A part that was plugged in does not keep its interface's contract; nothing it said was recorded.

    The mistake is in the part's code; ``leanebm check`` may show it without a run.
    """


class TrajectoryError(LeanEbmError):
    """A file of trajectories or contrastive groups is unreadable, of another version, or of another run."""


_E = TypeVar("_E", bound=LeanEbmError)


def _restored(kind: type[_E], args: tuple[object, ...], attributes: dict[str, object]) -> _E:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


def _with_stderr(message: str, tail: str) -> str:
    return f"{message}\n--- its standard error ended with:\n{tail}" if tail else message
