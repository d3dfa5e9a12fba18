from __future__ import annotations

from collections.abc import Callable

import pytest

from leanebm.core.limits import MAX_FILE_CHARACTERS
from leanebm.errors import CommandRefused
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig
from leanebm.lean.files import FileRefused, LeanFiles

FakeConfig = Callable[..., LeanPoolConfig]


async def test_a_file_that_is_too_long_is_refused_before_lean_sees_it(fake_config: FakeConfig) -> None:
    text = "-" * (MAX_FILE_CHARACTERS + 1)
    async with LeanPool(fake_config()) as pool, Certifier(fake_config()) as certifier:
        files = LeanFiles(pool, certifier)
        for found in (await files.sorries(text), await files.certify(text)):
            assert isinstance(found, FileRefused)
            assert found.reason == "length"


async def test_a_server_that_reads_no_files_says_so(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool, Certifier(fake_config()) as certifier:
        files = LeanFiles(pool, certifier)
        with pytest.raises(CommandRefused):
            await files.sorries("theorem t : p := sorry")
        with pytest.raises(CommandRefused):
            await files.certify("theorem t : p := sorry")
