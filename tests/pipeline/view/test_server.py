from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from leanebm.pipeline.view.server import ViewServer

MakeSearched = Callable[..., Awaitable[Path]]


async def test_a_run_that_goes_on_is_followed(searched: MakeSearched, tmp_path: Path) -> None:
    async with ViewServer([tmp_path / "run"]) as server, aiohttp.ClientSession(server.url) as session:

        async def names() -> list[str]:
            async with session.get("/index") as answer:
                assert answer.headers["Cache-Control"] == "no-cache"
                return [each["name"] for run in await answer.json() for each in run["theorems"]]

        assert await names() == []
        await searched("run", {"n8": "8"})
        assert await names() == ["n8"]
        await searched("run", {"n8": "8", "n31": "31"}, resume=True)
        assert await names() == ["n8", "n31"]
        async with session.get("/tree", params={"run": "0", "theorem": "n31"}) as answer:
            assert len((await answer.json())["parent"]) > 5
        async with session.get("/") as answer:
            assert 'data-mode="served"' in await answer.text()


async def test_what_is_not_there_or_broken_is_said(searched: MakeSearched) -> None:
    run = await searched("run", {"n8": "8"})
    async with ViewServer([run]) as server, aiohttp.ClientSession(server.url) as session:
        for number in ("1", "-1", "x", "٠"):
            async with session.get("/tree", params={"run": number, "theorem": "n8"}) as answer:
                assert answer.status == 404
        (run / "trajectory" / "part-000009.parquet").write_bytes(b"no shard")
        async with session.get("/index") as answer:
            assert answer.status == 500
            assert "part-000009.parquet cannot be read as Parquet" in await answer.text()


async def test_another_sites_name_for_this_machine_is_refused(searched: MakeSearched) -> None:
    run = await searched("run", {"n8": "8"})
    async with ViewServer([run]) as server, aiohttp.ClientSession(server.url) as session:
        for host, status in (("evil.example:80", 421), ("", 421), ("localhost:1", 200), ("127.0.0.1", 200)):
            async with session.get("/index", headers={"Host": host}) as answer:
                assert answer.status == status, host


async def test_it_ends_with_its_block(searched: MakeSearched) -> None:
    run = await searched("run", {"n8": "8"})
    async with ViewServer([run]) as server:
        url = server.url
    assert server.url == ""
    async with aiohttp.ClientSession() as session:
        try:
            await session.get(url)
        except aiohttp.ClientConnectorError:
            return
    raise AssertionError("it still listens")
