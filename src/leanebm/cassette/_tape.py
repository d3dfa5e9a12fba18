"""The two sides of a cassette: a file that is written as questions are answered, and one that answers them."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import logging
import zlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, final

import attrs

from leanebm._shown import cut, named_repr, reason, shown, writer
from leanebm.cassette._codec import Question, error_answer, error_from, json_of
from leanebm.errors import CassetteMiss, ConfigError, LeanEbmError
from leanebm.storage import open_regular

T = TypeVar("T")

VERSION: Final = 2

MAX_LINE_BYTES: Final = 64 * 2**20
"""Longest line of a cassette: no answer of Lean or of a server comes near it."""

_LINES_PER_FLUSH: Final = 16
"""So much may be lost if the process is killed."""

_log = logging.getLogger(__name__)


@final
class Recording:
    """Asks the real parts, and writes down what they said."""

    def __init__(self, file: BinaryIO, *, max_bytes: int) -> None:
        self._file = gzip.GzipFile(fileobj=file, mode="wb", mtime=0)
        self._room = max_bytes
        self._json = json_of(self)
        self._shelf: set[tuple[str, str]] = set()
        self._answers = 0
        self._left_out = 0
        self._failure: OSError | None = None
        self._numbers = itertools.count()
        self.about: dict[str, Any] = {}
        self.broken_off_by: str | None = None
        self._write({"leanebm_cassette": VERSION, "leanebm_version": version("leanebm")})
        self._file.flush()

    __repr__ = named_repr("_answers")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked."""
        return self._answers == 0 == self._left_out

    def note(self, facts: Mapping[str, Any]) -> None:
        self.about |= facts
        self._write({"about": dict(facts)})
        self._guarded(self._file.flush)  # without its settings, what a killed process wrote would be of no use

    def put(self, kind: str, digest: str, value: Mapping[str, Any]) -> None:
        if (kind, digest) not in self._shelf and self._write({kind: digest, "is": value}):
            self._shelf.add((kind, digest))

    def get(self, kind: str, digest: str) -> Mapping[str, Any]:
        raise KeyError(kind, digest)

    async def answers(
        self, questions: Sequence[Question], ask: Callable[[], Awaitable[Sequence[T]]], kind: Any
    ) -> list[T]:
        """One answer for each question.

        Args:
            questions: what is asked, together.
            ask: asks the real part.
            kind: the type of an answer.
        """
        numbered = [(next(self._numbers), question) for question in questions]
        try:
            found = list(await ask())
        except LeanEbmError as error:
            for number, question in numbered:
                self._keep(number, question, "error", error_answer(error))
            raise
        if len(found) == len(questions):  # else whoever asked says what is wrong with that
            for (number, question), answer in zip(numbered, found, strict=True):
                self._keep(number, question, "answer", self._json.unstructure(answer, unstructure_as=kind))
        return found

    async def effect(self, question: Question, act: Callable[[], Awaitable[None]]) -> None:
        """Do something that is answered only if it fails."""
        number = next(self._numbers)
        try:
            await act()
        except LeanEbmError as error:
            self._keep(number, question, "error", error_answer(error))
            raise

    def close(self) -> None:
        """End the file.

        Raises:
            OSError: it could not be written whole.
        """
        if self._left_out and self._failure is None:
            _log.warning(
                "the recording is full: %d answers are on it and %d are not; a replay stops at the first of those",
                self._answers,
                self._left_out,
            )
        self._room += MAX_LINE_BYTES
        self._write(
            {"end": {"answers": self._answers, "left_out": self._left_out, "broken_off_by": self.broken_off_by}}
        )
        try:
            self._file.close()
        except OSError as error:
            self._failure = self._failure or error
        if self._failure is not None:
            raise self._failure

    def _keep(self, number: int, question: Question, how: str, value: Any) -> None:
        # Once something is missing, so is all that follows: a tape with holes would mislead.
        line = {"ask": question.kind, "of": question.asked, "at": question.at, "nth": number, how: value}
        if self._left_out or not self._write(line):
            self._left_out += 1
            return
        self._answers += 1
        if self._answers % _LINES_PER_FLUSH == 0:
            self._guarded(self._file.flush)

    def _write(self, value: Mapping[str, Any]) -> bool:
        line = json.dumps(value, default=_of_numpy).encode() + b"\n"
        if len(line) > min(self._room, MAX_LINE_BYTES):
            self._room = 0
            return False
        self._room -= len(line)
        return self._guarded(lambda: self._file.write(line))

    def _guarded(self, work: Callable[[], object]) -> bool:
        """A full disk ends the recording, not what is recorded; :meth:`close` says so."""
        if self._failure is None:
            try:
                work()
            except OSError as error:
                self._failure = error
        return self._failure is None


def _of_numpy(number: Any) -> Any:
    """A number of NumPy's or torch's, which a part of somebody's own may answer with."""
    if not hasattr(number, "item"):
        raise TypeError(f"a cassette holds only JSON values, and this is not one: {shown(number)}")
    return number.item()


@attrs.define
class _Kept:
    """An answer on the tape."""

    at: tuple[int, int] | None
    nth: int
    """Its question's place among all that were asked; answers came, and stand on the tape, in another order."""

    line: int
    answer: Any
    is_error: bool


@final
class Replay:
    """Answers from a file, and asks nobody."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._json = json_of(self)
        self._shelf: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._kept: defaultdict[str, list[_Kept]] = defaultdict(list)
        self._given: Counter[str] = Counter()
        self._end: Mapping[str, Any] | None = None
        self.about: dict[str, Any] = {}
        self._load(max_bytes)

    __repr__ = named_repr("_path")

    def note(self, facts: Mapping[str, Any]) -> None:
        """A replay has been told everything already."""

    def put(self, kind: str, digest: str, value: Mapping[str, Any]) -> None:
        """A replay keeps nothing."""

    def get(self, kind: str, digest: str) -> Mapping[str, Any]:
        return self._shelf[kind, digest]

    async def answers(
        self,
        questions: Sequence[Question],
        ask: Callable[[], Awaitable[Sequence[T]]],  # noqa: ARG002 - the other side needs it
        kind: Any,
    ) -> list[T]:
        await asyncio.sleep(0)  # as with any real part, others run meanwhile, and a cancellation arrives
        # All are taken before an error is raised, as they were when they were recorded.
        return [self._read(each, kind) for each in [self._take(question) for question in questions]]

    async def effect(self, question: Question, act: Callable[[], Awaitable[None]]) -> None:  # noqa: ARG002
        await asyncio.sleep(0)
        kept = self._next(question)
        if kept is not None:
            self._read(kept, Any)

    def _take(self, question: Question) -> _Kept:
        kept = self._next(question)
        if kept is None:
            raise self._miss(question)
        return kept

    def _next(self, question: Question) -> _Kept | None:
        """The first answer that was not given yet: to this very instance of the state, or else to an equal one."""
        left = self._kept.get(question.key)
        if not left:
            return None
        self._given[question.key] += 1
        return left.pop(next((place for place, kept in enumerate(left) if kept.at == question.at), 0))

    def _read(self, kept: _Kept, kind: Any) -> Any:
        error: LeanEbmError | None = None
        try:
            if not kept.is_error:
                return self._json.structure(kept.answer, kind)
            error = error_from(kept.answer)
        except Exception as damage:
            raise ConfigError(
                f"{self._path} is damaged", [f"an answer that cannot be read: {reason(damage)} @ line {kept.line}"]
            ) from damage
        raise error

    def _miss(self, question: Question) -> CassetteMiss:
        times = self._given[question.key]
        if times:
            why = f"it was asked {'once' if times == 1 else f'{times} times'} when it was recorded, and now once more"
        elif self._end is None:
            why = "the recording ended early, without its last line: the process that made it was killed"
        elif self._end.get("left_out"):
            why = f"the recording was full; {self._end['left_out']} answers were left out of it"
        elif self._end.get("broken_off_by"):
            why = f"what was recorded had been broken off by then ({self._end['broken_off_by']}), or never asked this"
        else:
            why = "this was not asked when it was recorded: replay it with the settings it was made with"
        return CassetteMiss(f"{self._path} holds no answer to what was asked: {cut(question.words, 2000)}\n{why}")

    # --- reading ------------------------------------------------------------------------------------

    def _load(self, max_bytes: int) -> None:
        number = 0
        try:
            with open_regular(self._path, max_bytes=max_bytes) as file:
                for number, line in enumerate(self._lines(file, max_bytes), start=1):
                    self._add(number, line)
        except OSError as error:
            raise ConfigError(f"cannot read the cassette {self._path}: {reason(error)}") from error
        if number == 0:
            raise ConfigError(f"{self._path} is not a cassette: its first line does not say that it is one")
        for kept in self._kept.values():
            kept.sort(key=lambda each: each.nth)

    def _lines(self, file: BinaryIO, max_bytes: int) -> Iterator[bytes]:
        """Whole lines only: what a killed process wrote may end within one."""
        left = max_bytes
        with gzip.GzipFile(fileobj=file) as lines:
            while True:
                try:
                    line = lines.readline(MAX_LINE_BYTES + 1)
                except gzip.BadGzipFile as error:
                    raise ConfigError(f"{self._path} is not a cassette: {reason(error)}") from error
                except zlib.error as error:
                    raise ConfigError(f"the cassette {self._path} is damaged: {reason(error)}") from error
                except EOFError:
                    return
                if not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
                    return
                left -= len(line)
                if left < 0 or len(line) > MAX_LINE_BYTES:
                    raise ConfigError(
                        f"the cassette {self._path} holds more than {max_bytes} bytes, the most that is read"
                    )
                yield line

    def _add(self, number: int, line: bytes) -> None:
        try:
            value = json.loads(line)
            if number == 1:
                told = value if isinstance(value, dict) else {}
                found = told.get("leanebm_cassette")
                if type(found) is not int or found != VERSION:
                    raise ConfigError(
                        f"{self._path} is not a cassette that this leanebm reads: its version is {shown(found)}, "
                        f"not {VERSION}. Replay it with {writer(told.get('leanebm_version'))}"
                    )
                self.about["leanebm_version"] = value.get("leanebm_version")
                return
            self._shelve(number, value)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ConfigError(f"the cassette {self._path} is damaged", [f"{reason(error)} @ line {number}"]) from error

    def _shelve(self, number: int, value: Any) -> None:
        match value:
            case {"ask": str(kind), "of": dict(asked), "at": place}:
                spot = None if place is None else (int(place[0]), int(place[1]))
                is_error = "error" in value
                answer = value["error"] if is_error else value["answer"]
                key = Question(kind, asked, spot, "").key
                self._kept[key].append(_Kept(spot, int(value.get("nth", number)), number, answer, is_error))
            case {"about": dict(facts)}:
                self.about |= facts
            case {"end": dict(end)}:
                self._end = end
            case {"state": str(digest), "is": dict(content)}:
                self._shelf["state", digest] = content
            case {"theorem": str(digest), "is": dict(content)}:
                self._shelf["theorem", digest] = content
            case _:
                raise ValueError("a line that holds neither a question nor an answer")
