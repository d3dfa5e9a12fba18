"""Runs as tables: for pandas, polars, Arrow, Hugging Face datasets, and files."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
from attrs.validators import ge, instance_of

from leanebm._extras import extra_needed
from leanebm._shown import fitting_repr, hint, printable
from leanebm.core import TacticFate
from leanebm.core.proof_script import is_turned
from leanebm.data import KnownProof, write_tactic_pairs
from leanebm.data.tactic_pairs import row_of
from leanebm.errors import ConfigError
from leanebm.pipeline._rendering import fenced, rendered, written
from leanebm.pipeline.contrastive.certified_proofs import certified_proofs
from leanebm.pipeline.result_table import ResultTable, schema_of
from leanebm.pipeline.run_folder import as_paths
from leanebm.policy import PROMPT_FORMATS, PromptFormat
from leanebm.storage import remove_scratch, write_atomically
from leanebm.trajectory import TrajectoryRow, read_trajectory

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl

_CONVERSES: Final = frozenset({ResultTable.CHAT, ResultTable.CHAT_PREFERENCES})
_ROWS_AT_A_TIME: Final = 10_000
_NO_GOALS: Final = "no goals"


@final
@attrs.frozen
class Results:
    """What runs found, as tables.

    .. code-block:: python

        frame = Results("runs/demo").pandas("tactics")

    Every table is read anew. Training sets are made of certified proofs only, each theorem's shortest one, and of
    tactics that Lean itself refused; what infrastructure broke, and what ran into a limit, is in none of them.
    """

    paths: tuple[Path, ...] = attrs.field(converter=as_paths)
    """Folders of runs, trajectories, or single shards."""

    prompt_format: str | None = attrs.field(default=None, kw_only=True)
    """How a state is shown in training sets, by its word; ``None`` for ``chat`` in conversations, and for
    ``state_comment`` elsewhere, as a run's default is."""

    max_rejected: int = attrs.field(default=4, kw_only=True, validator=[instance_of(int), ge(1)])
    """Refused tactics of each state in ``preferences``, the likeliest ones."""

    max_state_chars: int = attrs.field(default=16_000, kw_only=True, validator=[instance_of(int), ge(256)])
    """Longest state that is shown; longer ones are shortened as for a policy server."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if self.prompt_format is not None and self.prompt_format not in PROMPT_FORMATS:
            close = hint(self.prompt_format, PROMPT_FORMATS)
            raise ConfigError(
                f"there is no prompt format {self.prompt_format!r}{close}",
                [f"choose one of {', '.join(PROMPT_FORMATS)}"],
            )

    def arrow(self, table: ResultTable | str = ResultTable.THEOREMS) -> pa.Table:
        """A table of PyArrow's.

        Raises:
            ConfigError: there is no such table, or no path was given.
            TrajectoryError: a shard is damaged or of another version.
        """
        table = ResultTable.named(table)
        rows, schema = iter(self._rows(table)), schema_of(table)
        # A row takes ten times the room as a dictionary: never all of them at once.
        some = iter(lambda: list(islice(rows, _ROWS_AT_A_TIME)), [])
        return pa.Table.from_batches((pa.RecordBatch.from_pylist(each, schema=schema) for each in some), schema)

    def pandas(self, table: ResultTable | str = ResultTable.THEOREMS) -> pd.DataFrame:
        """A data frame of pandas. Raises as :meth:`arrow`, and :class:`MissingExtra` without pandas."""
        with extra_needed("data", "a pandas data frame"):
            import pandas as pd  # noqa: F401 - Arrow imports it by itself, and says less where it is absent
        return self.arrow(table).to_pandas(use_threads=False)  # see read_parquet

    def polars(self, table: ResultTable | str = ResultTable.THEOREMS) -> pl.DataFrame:
        """A data frame of polars. Raises as :meth:`arrow`, and :class:`MissingExtra` without polars."""
        with extra_needed("data", "a polars data frame"):
            import polars as pl
        return pl.DataFrame(self.arrow(table))

    def dataset(self, table: ResultTable | str = ResultTable.THEOREMS) -> datasets.Dataset:
        """A data set of Hugging Face's, in memory. Raises as :meth:`arrow`, and :class:`MissingExtra` without it."""
        with extra_needed("data", "a Hugging Face data set"):
            import datasets
        return datasets.Dataset(datasets.table.InMemoryTable(self.arrow(table)))

    def write(self, table: ResultTable | str, path: str | os.PathLike[str]) -> int:
        """Write a table to a file, atomically, as its suffix says: ``.jsonl``, ``.json``, ``.csv`` or ``.parquet``.

        Returns:
            How many rows were written.

        Raises:
            ConfigError: there is nothing to write, or the file's form cannot hold it.
            OSError: the file cannot be written. Otherwise as :meth:`arrow`.
        """
        table, path = ResultTable.named(table), Path(path)
        suffix = path.suffix.lower()
        if suffix not in _WRITERS:
            raise ConfigError(
                f"{path} has no ending that says how to write it", [f"choose one of {', '.join(_WRITERS)}"]
            )
        if suffix == ".csv" and any(pa.types.is_nested(field.type) for field in schema_of(table)):
            raise ConfigError(f"{table.value} has columns of lists, which CSV cannot hold: write .jsonl or .parquet")
        if table is ResultTable.PAIRS and suffix == ".jsonl":
            pairs = [pair for proof in certified_proofs(self.paths) for pair in proof.pairs]
            write_tactic_pairs(path, pairs)
            return len(pairs)
        found = self.arrow(table)
        if not found.num_rows:
            raise ConfigError(f"there are no rows of {table.value} to write to {path}")
        remove_scratch(path.parent, path.name)
        write_atomically(path, _WRITERS[suffix](found))
        return int(found.num_rows)

    def proof_lengths(self) -> Counter[int]:
        """How many certified proofs there are of each length. Raises as :meth:`arrow`."""
        return Counter(proof.num_steps for proof in certified_proofs(self.paths))

    # --- rows ---------------------------------------------------------------------------------------

    def _rows(self, table: ResultTable) -> Iterator[Mapping[str, Any]]:
        if not self.paths:
            raise ConfigError("there is no run to take results from")
        match table:
            case ResultTable.THEOREMS:
                return self._theorems()
            case ResultTable.NODES:
                return self._nodes()
            case ResultTable.TACTICS:
                return self._tactics()
            case ResultTable.PAIRS:
                return (row_of(pair) for proof in certified_proofs(self.paths) for pair in proof.pairs)
            case ResultTable.LEANDOJO:
                return map(_traced, certified_proofs(self.paths))
            case ResultTable.COMPLETION | ResultTable.CHAT:
                return self._lessons(_Shape.of(self, table))
            case ResultTable.PREFERENCES | ResultTable.CHAT_PREFERENCES:
                return self._preferences(_Shape.of(self, table))

    def _theorems(self) -> Iterator[Mapping[str, Any]]:
        names = set(schema_of(ResultTable.THEOREMS).names)
        for path in self.paths:
            for record in read_trajectory(path).records:
                values = {name: getattr(record, name) for name in names if hasattr(record, name)}
                certificate = record.certificate
                yield values | {
                    "run": printable(str(path)),
                    "theorem": record.theorem.name,
                    "statement": record.theorem.display,
                    "header": record.theorem.header,
                    "context": record.theorem.context,
                    "outcome": record.outcome.value,
                    "rejections": len(record.rejections),
                    "tactics": None if certificate is None else list(certificate.tactics),
                    "axioms": None if certificate is None else list(certificate.axioms),
                }

    def _nodes(self) -> Iterator[Mapping[str, Any]]:
        for path in self.paths:
            for table in read_trajectory(path).tables():
                for row in table.drop_columns(["attempts"]).to_pylist():
                    yield {"run": printable(str(path)), **row}

    def _tactics(self) -> Iterator[Mapping[str, Any]]:
        for path in self.paths:
            for row in read_trajectory(path).rows():
                of_node = {
                    "run": printable(str(path)),
                    "run_id": row.run_id,
                    "theorem": row.theorem,
                    "outcome": row.outcome.value,
                    "node": row.node,
                    "depth": row.depth,
                    "state": row.state_text,
                }
                for attempt in row.attempts:
                    yield of_node | attrs.asdict(attempt) | {"kind": attempt.kind.value}

    def _lessons(self, shape: _Shape) -> Iterator[Mapping[str, Any]]:
        for proof in certified_proofs(self.paths):
            for step, (state, tactic) in enumerate(zip(proof.states, proof.tactics, strict=True)):
                lesson = shape.lesson(state, tactic)
                if lesson is not None:
                    yield lesson | {"theorem": proof.theorem.name, "step": step}

    def _preferences(self, shape: _Shape) -> Iterator[Mapping[str, Any]]:
        for path in self.paths:
            for name, rows in groupby(read_trajectory(path).rows(), key=lambda row: row.theorem):
                for step, (row, chosen) in enumerate(_proof_path(list(rows))):
                    for rejected, message in _refused(row)[: self.max_rejected]:
                        preference = shape.preference(row.state_text, chosen, rejected)
                        if preference is not None:
                            yield preference | {"message": message, "theorem": name, "step": step}


def _proof_path(rows: Sequence[TrajectoryRow]) -> list[tuple[TrajectoryRow, str]]:
    """The states of a certified proof, each with the tactic that the proof goes on with."""
    path = sorted((row for row in rows if row.on_proof_path), key=lambda row: row.depth)
    return [
        (row, after.tactic) for row, after in pairwise(path) if after.tactic is not None and after.parent == row.node
    ]


def _refused(row: TrajectoryRow) -> list[tuple[str, str]]:
    """Tactics that Lean refused at a node of a proof, the likeliest first; each with Lean's words.

    A text that also did something else there, such as timing out, is not one of them.
    """
    other = {attempt.tactic.strip() for attempt in row.attempts if attempt.kind is not TacticFate.REJECTED}
    found = {
        attempt.tactic: attempt
        for attempt in row.attempts
        if attempt.kind is TacticFate.REJECTED and not is_turned(attempt.tactic)
    }
    kept = [each for each in found.values() if each.tactic.strip() not in other]
    return [(each.tactic, each.message) for each in sorted(kept, key=lambda each: (-each.log_prob, each.tactic))]


@attrs.frozen
class _Shape:
    """How lessons are written: as text or as messages, and in which prompt format."""

    prompt_format: PromptFormat
    converses: bool
    max_state_chars: int

    @classmethod
    def of(cls, results: Results, table: ResultTable) -> _Shape:
        converses = table in _CONVERSES
        name = results.prompt_format or ("chat" if converses else "state_comment")
        return cls(PROMPT_FORMATS[name], converses, results.max_state_chars)

    def lesson(self, state: str, tactic: str) -> dict[str, Any] | None:
        """One row of a set for supervised fine-tuning; ``None`` where the format cannot show it."""
        prompt, answer = self._prompt(state), self._answer(tactic)
        if prompt is None or answer is None:
            return None
        if self.converses:
            return {"messages": [_message("user", prompt), _message("assistant", answer)]}
        return {"prompt": prompt, "completion": answer}

    def preference(self, state: str, chosen: str, rejected: str) -> dict[str, Any] | None:
        """One row of a set for preference training; ``None`` where the format cannot show it."""
        prompt, good, bad = self._prompt(state), self._answer(chosen), self._answer(rejected)
        if prompt is None or good is None or bad is None:
            return None
        if self.converses:
            return {
                "prompt": [_message("user", prompt)],
                "chosen": [_message("assistant", good)],
                "rejected": [_message("assistant", bad)],
            }
        return {"prompt": prompt, "chosen": good, "rejected": bad}

    def _prompt(self, state: str) -> str | None:
        return rendered(state, self.prompt_format, self.max_state_chars)

    def _answer(self, tactic: str) -> str | None:
        block = fenced(tactic, self.prompt_format) if self.converses else None
        return block or written(tactic, self.prompt_format)


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _traced(proof: KnownProof) -> dict[str, Any]:
    after = [*proof.states[1:], _NO_GOALS]
    return {
        "url": "",
        "commit": "",
        "file_path": f"{proof.module.replace('.', '/')}.lean" if proof.module else "",
        "full_name": proof.theorem.copy_from or proof.theorem.name,
        "theorem_statement": proof.theorem.display,
        "traced_tactics": [
            {"tactic": tactic, "state_before": state, "state_after": then}
            for state, tactic, then in zip(proof.states, proof.tactics, after, strict=True)
        ],
    }


# --- files ------------------------------------------------------------------------------------------


def _as_jsonl(table: pa.Table) -> bytes:
    rows = (row for batch in table.to_batches() for row in batch.to_pylist())
    return b"".join(json.dumps(row, ensure_ascii=False).encode(errors="replace") + b"\n" for row in rows)


def _as_json(table: pa.Table) -> bytes:
    return json.dumps(table.to_pylist(), ensure_ascii=False, indent=1).encode(errors="replace") + b"\n"


def _as_csv(table: pa.Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.column_names)
    writer.writerows(row.values() for row in table.to_pylist())
    return text.getvalue().encode(errors="replace")


def _as_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


_WRITERS: Final[Mapping[str, Callable[[pa.Table], bytes]]] = {
    ".jsonl": _as_jsonl,
    ".json": _as_json,
    ".csv": _as_csv,
    ".parquet": _as_parquet,
}
