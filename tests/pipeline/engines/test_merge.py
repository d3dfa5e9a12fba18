from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import attrs
import pytest
import toy_workers as toy
from toy_workers import THEOREMS, toy_worker

from leanebm.core import Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import (
    CertificateRecord,
    LocalEngine,
    RunFolder,
    SearchRun,
    ShardsEngine,
    Share,
    merge,
    read_run_config,
    summarise_run,
)
from leanebm.trajectory import read_trajectory


async def searched(folder: Path, number: int, of: int, **changes: Any) -> Path:
    """The folder of a machine that did one share, and has not seen the others."""
    config = attrs.evolve(toy.CONFIG, **changes)
    theorems, engine = THEOREMS[:8], ShardsEngine(share=Share(number, of))
    await SearchRun(config, theorems, folder, engine=engine, opening=toy.open_slow).run()
    return folder


def records(folder: Path) -> dict[str, Any]:
    return {record.theorem.name: record for record in summarise_run(folder).records}


async def test_machines_that_share_nothing_make_one_ordinary_run(tmp_path: Path) -> None:
    parts = [await searched(tmp_path / f"machine-{number}", number, 2) for number in (1, 2)]
    before = records(parts[0]) | records(parts[1])
    merged = merge(parts, tmp_path / "merged")
    assert merged == tmp_path / "merged"
    assert records(merged) == before
    assert read_run_config(merged) == toy.CONFIG
    await SearchRun(toy.CONFIG, THEOREMS[:8], merged, resume=True, opening=toy.open_slow).run()
    assert records(merged) == before, "there was nothing left to search"
    assert all(records(part).keys() < before.keys() for part in parts), "they stay as they were"


async def test_the_proof_files_are_those_of_the_records_that_count(tmp_path: Path) -> None:
    folder = RunFolder(await searched(tmp_path, 1, 1))
    proved = [record for record in records(tmp_path).values() if record.certificate is not None]
    assert len(proved) >= 3
    missing, other, half = (folder.proof_of(record.theorem.name) for record in proved[:3])
    missing.unlink()
    other.write_text("another worker's")
    half.with_suffix(".certificate.json").write_bytes(missing.with_suffix(".certificate.json").read_bytes())
    merge([tmp_path])
    for record in proved:
        path = folder.proof_of(record.theorem.name)
        assert path.read_text() == record.certificate.source
        assert CertificateRecord.read(path) == CertificateRecord.of(record.certificate)
    assert not list(tmp_path.glob("trajectory/*/"))


async def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    one = await searched(tmp_path / "one", 1, 4)
    other = await searched(tmp_path / "other", 2, 4, seed=1)
    with pytest.raises(ConfigError, match="seed: 0, not 1"):
        merge([one, other])
    with pytest.raises(ConfigError, match="is not empty"):
        merge([one], other)
    with pytest.raises(ConfigError, match=r"no results @ .*nothing"):
        merge([one, tmp_path / "nothing"])
    again = tmp_path / "again"
    theorems = [Theorem(name=THEOREMS[0].name, statement="2")]
    await SearchRun(toy.CONFIG, theorems, again, opening=toy.open_slow).run()
    with pytest.raises(ConfigError, match=rf"another statement, header or context @ {THEOREMS[0].name}"):
        merge([one, again])
    (one / "attempt-2").mkdir()
    with pytest.raises(ConfigError, match="several times"):
        merge([one])


async def test_a_merge_into_another_folder_that_was_stopped_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [await searched(tmp_path / f"machine-{number}", number, 2) for number in (1, 2)]
    before, into = records(parts[0]) | records(parts[1]), tmp_path / "merged"
    for most in range(12):  # files that are put in place before it is stopped

        def stumble(path: Path, target: Path, left: list[None] = [None] * most, replace: Any = Path.replace) -> Path:
            if not left:
                raise KeyboardInterrupt
            left.pop()
            moved: Path = replace(path, target)
            return moved

        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(Path, "replace", stumble)
            merge(parts, into)
    for _ in range(2):
        assert merge(parts, into) == into
        assert records(into) == before
        assert read_run_config(into) == toy.CONFIG
    assert len(read_trajectory(into).shards) == len([shard for part in parts for shard in shards_with_records(part)])
    (into / "notes.txt").write_text("mine")
    merge(parts, into)
    with pytest.raises(ConfigError, match="is not empty"):
        merge(parts[:1], into)


def shards_with_records(folder: Path) -> list[Any]:
    return [shard for shard in read_trajectory(folder).shards if shard.records]


async def test_a_folder_with_other_things_is_not_merged_into(tmp_path: Path) -> None:
    part = await searched(tmp_path / "machine", 1, 2)
    (tmp_path / "photos" / "2026").mkdir(parents=True)
    (tmp_path / "photos" / "2026" / "me.jpg").touch()
    with pytest.raises(ConfigError, match="is not empty"):
        merge([part], tmp_path / "photos")


async def test_a_run_whose_workers_found_nothing_is_merged_and_gone_on_with(tmp_path: Path) -> None:
    folder = await searched(tmp_path / "one", 9, 9)  # there are eight theorems
    (folder / "config.toml").unlink()
    for into in (tmp_path / "other", folder):
        assert merge([folder], into) == into
        assert records(into) == {}
        await searched(into, 1, 4)
        assert records(into)


async def test_a_run_of_one_process_is_merged_into_itself(tmp_path: Path) -> None:
    await toy_worker(tmp_path, LocalEngine()).run()
    before = [(path.name, path.read_bytes()) for path in sorted(tmp_path.glob("**/*.*")) if path.is_file()]
    assert merge([tmp_path]) == tmp_path
    assert [(path.name, path.read_bytes()) for path in sorted(tmp_path.glob("**/*.*")) if path.is_file()] == before
    assert len(read_trajectory(tmp_path).runs) == 1
