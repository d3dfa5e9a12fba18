from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from click.testing import Result

from leanebm.cli.serve import _serve
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import ServeConfig

Leanebm = Callable[..., Result]


async def test_it_says_where_it_serves_and_serves_there(capsys: pytest.CaptureFixture[str]) -> None:
    task = asyncio.create_task(_serve(ServeConfig(), seed=0))
    url = ""
    while not url:
        await asyncio.sleep(0)
        url = capsys.readouterr().out.partition("template policy at ")[2].partition("\n")[0]
    async with PolicyClient(PolicyClientConfig(url=url)) as client:
        await client.wait_ready()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_taken_port_is_bad_input(leanebm_command: Leanebm) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = leanebm_command("serve", "--port", str(port))
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
