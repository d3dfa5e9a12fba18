"""A reward for reinforcement learning: Lean's verdict on whole proofs."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, Self, final

import attrs

from leanebm._background import LazyBackground
from leanebm._shown import shown
from leanebm.core import Certificate, ProofCertifier, Theorem
from leanebm.core.limits import MAX_FILE_CHARACTERS
from leanebm.core.theorem_text import split_theorem
from leanebm.data import theorem_problems
from leanebm.errors import ConfigError, LeanError, LeanInstallError, PoolClosed
from leanebm.lean import Certifier, LeanPoolConfig
from leanebm.pipeline._concurrently import together
from leanebm.pipeline.events import LogObserver
from leanebm.pipeline.workbench import prepare_lean

_FENCED: Final = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_CLAIM: Final = re.compile(r"^[ \t]*+(?:@\[[^\]\n]*+\]\s*+)?(?:theorem|lemma|example)\b", re.MULTILINE)
_BY: Final = re.compile(r"\s*+(?::=)?\s*+by\b[ \t]*+")
_PARTS: Final = ("name", "copy_from", "header", "context")

_log = logging.getLogger(__name__)


@final
class ProofReward:
    """What TRL's ``GRPOTrainer`` takes as a reward function: 1.0 for a certified proof, 0.0 for a refused one.

    .. code-block:: python

        with ProofReward() as reward:
            GRPOTrainer(model=model, reward_funcs=reward, train_dataset=dataset).train()

    The data set has a column ``statement``, or ``copy_from`` for library theorems, and may have ``name``, ``header``
    and ``context``, as a :class:`~leanebm.core.Theorem` has them. A statement may be a whole theorem with its `sorry`,
    as :meth:`~leanebm.core.Theorem.of` reads it. A completion is a whole proof: tactics, or a theorem
    with its proof, in a code block or not, as text or as a conversation. What is certified is the data set's statement
    with the completion's proof, so that a completion gains nothing by stating something else.

    Where Lean broke, or had no time, nothing is known of the proof: the reward is ``None``, which TRL leaves out of
    account, and never 0.

    Certifiers are started by the first call, and ended by :meth:`close`, by the block's end, or with the last
    reference.
    May be called from several threads.

    Args:
        config: which Lean; ``num_workers`` certifiers work at the same time.
        deadline_s: seconds that one proof may take. One that takes longer has no reward.
    """

    def __init__(self, config: LeanPoolConfig | None = None, *, deadline_s: float = 60.0) -> None:
        self.__name__ = "proof_reward"  # under which TRL logs it
        if not isinstance(config, LeanPoolConfig | None):
            raise TypeError(f"expected a LeanPoolConfig, which says which Lean to use, got {shown(config)}")
        if not 0 < deadline_s < math.inf:
            raise ValueError(f"a proof needs a finite time above 0 s, not {deadline_s}")
        self._config = LeanPoolConfig.auto() if config is None else config
        self._background = LazyBackground(partial(_certifiers, self._config, deadline_s), name="the reward")

    def __repr__(self) -> str:
        return f"<ProofReward: {self._background.state}>"

    def __enter__(self) -> Self:
        self._background.started()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close it."""
        self.close()

    def __call__(
        self,
        prompts: Sequence[Any],  # noqa: ARG002 - TRL hands them over by this name
        completions: Sequence[Any],
        **columns: Any,
    ) -> list[float | None]:
        """One reward for each completion, in order.

        Args:
            prompts: are not looked at.
            completions: texts, or lists of messages, of which the last one counts.
            columns: those of the data set, a value for each completion; others than those named above are passed over.

        Raises:
            ConfigError: the columns do not say what is to be proved; every mistake is listed.
            LeanInstallError, WorkerStartError: no usable Lean could be found or prepared, or none would ever start.
            PoolClosed: it was closed.
        """
        theorems = _theorems(len(completions), columns, self._config.imports)
        texts = [_text(completion) for completion in completions]
        background = self._background.started()
        return background.call(background.value.rewards(theorems, [proof_in(text) for text in texts]))

    def close(self) -> None:
        """End the certifiers. Closing twice is allowed."""
        self._background.close()


@asynccontextmanager
async def _certifiers(config: LeanPoolConfig, deadline_s: float) -> AsyncIterator[_Certifiers]:
    await prepare_lean(config, LogObserver())
    async with AsyncExitStack() as stack:
        yield _Certifiers(
            [
                await stack.enter_async_context(Certifier(config, deadline_s=deadline_s))
                for _ in range(config.num_workers)
            ]
        )


@final
class _Certifiers:
    """Certifiers that share the work."""

    def __init__(self, certifiers: Sequence[ProofCertifier]) -> None:
        self._idle: asyncio.Queue[ProofCertifier] = asyncio.Queue()
        for certifier in certifiers:
            self._idle.put_nowait(certifier)

    async def rewards(self, theorems: Sequence[Theorem], proofs: Sequence[str]) -> list[float | None]:
        """Equal questions are asked once."""
        asked = dict.fromkeys(zip(theorems, proofs, strict=True))
        async with together() as tasks:
            answers = {question: tasks.create_task(self._reward(*question)) for question in asked}
        return [answers[question].result() for question in zip(theorems, proofs, strict=True)]

    async def _reward(self, theorem: Theorem, proof: str) -> float | None:
        if not proof.strip():
            return 0.0
        certifier = await self._idle.get()
        try:
            verdict = await certifier.certify(theorem, [proof])
        except LeanError as error:
            if isinstance(error, LeanInstallError | PoolClosed) or getattr(error, "is_lasting", False):
                raise  # so would every other one end, and nothing would be learned for as long as the training goes on
            _log.warning("no reward for a proof of %s: %s", theorem.name, error)
            return None
        finally:
            self._idle.put_nowait(certifier)
        return 1.0 if isinstance(verdict, Certificate) else 0.0


def proof_in(completion: str) -> str:
    """The tactics of a completion: of its last code block, and of the theorem in it, where it has them."""
    blocks = _FENCED.findall(completion)
    text: str = blocks[-1] if blocks else completion
    if len(text) > MAX_FILE_CHARACTERS:
        return text  # it will be refused for its length, unread
    if _CLAIM.search(text):
        try:
            text = split_theorem(text).proof or ""
        except ValueError:
            return ""
        if _BY.match(text) is None and text.strip():
            return f"exact ({text.strip()})"  # a proof by a term
    begun = _BY.match(text)
    return (text[begun.end() :] if begun is not None else text).strip("\n").rstrip()


def _text(completion: object) -> str:
    """What the model wrote."""
    if isinstance(completion, str):
        return completion
    match completion:
        case [*_, {"content": str(content)}]:
            return content
        case [*_, {"role": str(), "content": None}]:
            return ""  # it called a tool, and said nothing
    raise ConfigError(f"a completion is a text or a list of messages, not {shown(completion)}")


def _theorems(count: int, columns: Mapping[str, Any], imports: Sequence[str]) -> list[Theorem]:
    problems: list[str] = []
    found: list[Theorem] = []
    given = {name: columns[name] for name in ("statement", *_PARTS) if columns.get(name) is not None}
    if not {"statement", "copy_from"} & given.keys():
        raise ConfigError("the reward needs to know what is to be proved: give a column statement, or copy_from")
    problems += [
        f"{len(values)} values for {count} completions @ {name}"
        for name, values in given.items()
        if len(values) != count
    ]
    for number in range(0 if problems else count):
        parts = {name: values[number] for name, values in given.items() if values[number] is not None}
        try:
            found.append(_theorem(parts, imports))
        except ValueError as error:
            problems.append(f"{error} @ completion {number}")
    if problems:
        raise ConfigError("the data set does not say what is to be proved:", problems)
    return found


def _theorem(parts: Mapping[str, Any], imports: Sequence[str]) -> Theorem:
    if wrong := [f"{name} is {shown(part)}, no text" for name, part in parts.items() if not isinstance(part, str)]:
        raise ValueError("; ".join(wrong))
    if "copy_from" in parts or "statement" not in parts:
        theorem = Theorem(**{"name": "completion", **parts})
    else:
        rest = dict(parts)
        theorem = Theorem.of(rest.pop("statement"), imports=imports, **rest)
    # Any name will do: it is not part of what Lean is given.
    if problems := list(theorem_problems(attrs.evolve(theorem, name="completion"))):
        raise ValueError("; ".join(problems))
    return theorem
