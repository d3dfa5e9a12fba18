"""Files of tactic pairs: what ``--tactic-pairs`` reads, and what a policy is fine-tuned on.

One JSON object per line, one line per step::

    {"theorem": "add_zero", "statement": "∀ n : Nat, n + 0 = n", "step": 0, "num_steps": 2,
     "state": "⊢ ∀ n : Nat, n + 0 = n", "tactic": "intro n"}

``copy_from`` stands in place of ``statement`` where the theorem is the library's; ``header`` (``open``,
``universe`` and ``set_option`` lines), ``context`` (other commands) and ``module`` may be left out. All steps of a
proof must be there, in any order of lines. Whatever else is known of a step may stand under ``meta``; any other key
is a mistake.

A file may also be a JSON array, CSV or Parquet, as its suffix says. Pairs as others publish them are taken, too:
LeanDojo's ``traced_tactics``, and rows of a ``state`` and a ``tactic`` without the number of their step. Such a proof
is that of the library theorem it has the name of; without a name, of what its first state shows.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs
from attrs.validators import ge, min_len

from leanebm._shown import fitting_repr, sentence
from leanebm.core import Theorem
from leanebm.core.theorem_text import with_line_feeds
from leanebm.data._published_pairs import PublishedProof, are_published_pairs, published_proofs
from leanebm.data._reading import MAX_LINE_BYTES, BadLine, fields_of, is_text, theorem_problems
from leanebm.data._records import FileFormat, format_of, problem_list, read_opened, read_records
from leanebm.errors import ConfigError
from leanebm.storage import remove_scratch, write_atomically

_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class TacticPair:
    """One step of a proof.

    Raises:
        ValueError: the step lies outside the proof, the tactic is blank, or the state has no goal.
    """

    theorem: Theorem
    module: str = ""
    """The library module the theorem was taken from; empty if it is from no library."""

    step: int = attrs.field(validator=ge(0))
    """Which step of the proof, from 0."""

    num_steps: int = attrs.field(validator=ge(1))
    """Steps of the whole proof."""

    state: str = attrs.field(validator=min_len(1), converter=with_line_feeds)
    """All goals before the tactic, as Lean prints them; line feeds end its lines."""

    tactic: str = attrs.field(converter=with_line_feeds)

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if self.step >= self.num_steps:
            raise ValueError(f"step {self.step} of {self.num_steps} does not exist: steps are counted from 0")
        if not self.tactic.strip():
            raise ValueError("the tactic is empty")


def pairs_of(theorem: Theorem, module: str, steps: Sequence[tuple[str, str]]) -> tuple[TacticPair, ...]:
    """The pairs of a proof whose ``steps`` are a state and the tactic that was run on it, in order."""
    return tuple(
        TacticPair(theorem=theorem, module=module, step=step, num_steps=len(steps), state=state, tactic=tactic)
        for step, (state, tactic) in enumerate(steps)
    )


_KINDS: Final[dict[str, type]] = dict.fromkeys(
    ("theorem", "statement", "copy_from", "header", "context", "module", "state", "tactic"), str
) | dict.fromkeys(("step", "num_steps"), int)

_REQUIRED: Final = ("theorem", "step", "num_steps", "state", "tactic")

_MAX_SHOWN_STEPS: Final = 10

_EXAMPLE: Final = '{"theorem": …, "statement": …, "step": 0, "num_steps": 2, "state": …, "tactic": …}'

_Numbered = tuple[int, TacticPair]
"""A pair and the number of its line."""


def read_tactic_pairs(
    path: str | os.PathLike[str], *, tell: Callable[[str], None] = _log.info
) -> tuple[TacticPair, ...]:
    """The pairs of a file, in its order; :func:`~leanebm.data.proofs_of` makes proofs of them.

    Args:
        path: the file.
        tell: is called with a sentence about what a file of a published form was taken for, and what was left out.

    Raises:
        ConfigError: the file cannot be read, holds no pair, or is of our own form and holds mistakes; every one of them
            is listed as ``what @ file:line``.
    """
    path = Path(path)
    file_format = format_of(path)
    is_parquet = file_format is FileFormat.PARQUET
    pairs = read_opened(path, "tactic pairs in", partial(_read, path, file_format, tell), is_parquet=is_parquet)
    if not pairs:
        raise ConfigError(f"{path} holds no tactic pair")
    return pairs


def write_tactic_pairs(path: str | os.PathLike[str], pairs: Iterable[TacticPair]) -> None:
    """Write pairs, atomically; :func:`read_tactic_pairs` gives them back equal. One writer per file.

    Raises:
        ConfigError: there is nothing to write, or there are pairs that could not be read back; every
            one of them is listed.
        OSError: the file cannot be written.
    """
    path = Path(path)
    numbered = list(enumerate(pairs, start=1))
    if not numbered:
        raise ConfigError(f"there are no tactic pairs to write to {path}")
    lines = [_json_line(pair) for _, pair in numbered]
    too_long = [
        f"a line of more than {MAX_LINE_BYTES} bytes @ pair {number}"
        for (number, _), line in zip(numbered, lines, strict=True)
        if len(line) > MAX_LINE_BYTES
    ]
    if problems := too_long + [f"{what} @ pair {number}" for number, what in _problems(numbered)]:
        raise ConfigError(f"{path} was not written: not all pairs could be read back from it", problems)
    remove_scratch(path.parent, path.name)
    write_atomically(path, b"".join(lines))


def _read(path: Path, file_format: FileFormat, tell: Callable[[str], None], file: BinaryIO) -> tuple[TacticPair, ...]:
    found = read_records(file, file_format, example=_EXAMPLE)
    if are_published_pairs(found.columns):
        proofs, problems = published_proofs(found)
        tell(_about(path, proofs, problem_list(path, problems, place=found.place)))
        return tuple(pair for proof in proofs for pair in pairs_of(proof.theorem, proof.module, proof.steps))
    numbered: list[_Numbered] = []
    problems = list(found.problems)
    for record in found.records:
        try:
            numbered.append((record.number, _parse(record.values)))
        except BadLine as error:
            problems.append((record.number, str(error)))
    if not problems:  # where lines could not be read, which steps are missing says nothing
        problems = list(_problems(numbered))
    if problems:
        raise ConfigError(
            f"the tactic pairs in {path} hold mistakes ({len(problems)}); mend them and start again",
            problem_list(path, problems, place=found.place),
        )
    return tuple(pair for _, pair in numbered)


def _about(path: Path, proofs: Sequence[PublishedProof], refused: Sequence[str]) -> str:
    of_library = sum(proof.theorem.copy_from is not None for proof in proofs)
    told = f"{path}: proofs: {len(proofs)}, of library theorems that Lean must have: {of_library}"
    return f"{told}; left out: {len(refused)}, such as: {refused[0]}" if refused else told


def _parse(values: Mapping[str, object]) -> TacticPair:
    given = fields_of(values, _KINDS, required=_REQUIRED)
    theorem = {"name": given.pop("theorem")}
    theorem |= {key: given.pop(key) for key in ("statement", "copy_from", "header", "context") if key in given}
    try:
        return TacticPair(theorem=Theorem(**theorem), **given)
    except ValueError as error:
        raise BadLine(sentence(error)) from error


def _problems(numbered: Sequence[_Numbered]) -> Iterator[tuple[int, str]]:
    by_name: dict[str, list[_Numbered]] = {}
    for number, pair in numbered:
        by_name.setdefault(pair.theorem.name, []).append((number, pair))
    for name, steps in by_name.items():
        number, first = steps[0]
        for problem in theorem_problems(first.theorem):
            yield number, problem
        garbled = (at for at, pair in steps if not is_text(f"{pair.state}{pair.tactic}{pair.module}"))
        yield from ((at, "a text holds a lone surrogate") for at in garbled)
        for number, pair in steps[1:]:
            if (pair.theorem, pair.module, pair.num_steps) != (first.theorem, first.module, first.num_steps):
                yield number, f"{name!r} has another statement, module or number of steps than at {steps[0][0]}"
        yield from _step_problems(name, steps)


def _step_problems(name: str, steps: Sequence[_Numbered]) -> Iterator[tuple[int, str]]:
    count = Counter(pair.step for _, pair in steps)
    for number, pair in steps:
        if count[pair.step] > 1:
            yield number, f"step {pair.step} of {name!r} occurs {count[pair.step]} times"
    number, first = steps[0]
    # Lazily: a file may claim more steps than fit into memory.
    absent = (step for step in range(first.num_steps) if step not in count)
    if missing := list(islice(absent, _MAX_SHOWN_STEPS)):
        yield number, f"the proof of {name!r} lacks step {', '.join(map(str, missing))}"


def row_of(pair: TacticPair) -> dict[str, Any]:
    """The pair's values by name, as files and tables hold them."""
    theorem = pair.theorem
    return {
        "theorem": theorem.name,
        "statement": theorem.statement,
        "copy_from": theorem.copy_from,
        "header": theorem.header,
        "context": theorem.context,
        "module": pair.module,
        "step": pair.step,
        "num_steps": pair.num_steps,
        "state": pair.state,
        "tactic": pair.tactic,
    }


def _json_line(pair: TacticPair) -> bytes:
    given = {key: value for key, value in row_of(pair).items() if value not in (None, "")}
    return json.dumps(given, ensure_ascii=False).encode(errors="replace") + b"\n"
