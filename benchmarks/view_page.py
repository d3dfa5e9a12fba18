"""How large, and how quick, the page of ``leanebm view`` is: a run of 1 000 theorems, and a tree of 5 000 nodes.

The searches are real, and their world is a toy, so that this takes a minute without Lean. Where there is a browser, the
page is opened in it, without a window, and steps of the replay are timed until they are drawn. ``--pictures FOLDER``
keeps what it showed. Last, the large tree is written as a run does that goes on, for ``leanebm view --serve``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from leanebm.core import Node, Theorem
from leanebm.pipeline import Observer, RunConfig, SearchRun, Workbench, summarise_run, write_view
from leanebm.pipeline.search.live_trees import LiveTrees
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig, SearchProgress
from leanebm.search.scorers import BreadthFirst
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from browser import find_browser, open_browser

_STEPS = 20


async def search(folder: Path, numbers: Iterable[int], largest: int, budget: int, *, broad: bool = False) -> Path:
    """Bring numbers down to 1, as :meth:`ToyWorld.countdown` has it."""
    world = ToyWorld.countdown(largest)

    @asynccontextmanager
    async def opening(config: RunConfig, _: Observer) -> AsyncIterator[Workbench]:
        policy, certifier = ScriptedPolicy.over(world), ToyCertifier(world)
        yield Workbench(policy=policy, scorer=config.scorer, environment=world, certifier=certifier, lean_version="toy")

    config = RunConfig(concurrency=2, search=SearchConfig(budget=SearchBudget(max_expansions=budget)))
    theorems = [Theorem(name=f"n{number}", statement=str(number)) for number in numbers]
    if broad:
        config = attrs.evolve(config, scorer=BreadthFirst())
    await SearchRun(config, theorems, folder, opening=opening).run()
    return folder


async def look(name: str, pages: Path, run: Path, pictures: Path | None, beside: Path | None = None) -> None:
    """Write a page, open it, and say what that took."""
    totals = summarise_run(run).totals
    started_s = time.perf_counter()
    page_file = write_view(run, beside=beside, output=pages / f"{name}.html")
    told = f"{name}: {totals.attempted} theorems, {totals.nodes} nodes, {page_file.stat().st_size / 1e6:.2f} MB"
    print(f"{told}, written in {time.perf_counter() - started_s:.1f} s", flush=True)
    if find_browser() is None:
        print("  there is no browser to open it in")
        return
    async with open_browser(pages / f"profile-{name}") as new_page:
        page = await new_page()
        started_s = time.perf_counter()
        await page.go(page_file.as_uri())
        opened_s = time.perf_counter() - started_s
        await page.value("app.active.choose(0)")
        step_ms = await page.value(
            "(async () => { const began = performance.now(); for (let at = 0; at < %d; at++) { "
            "app.active.goTo(Math.floor(at * app.active.tree.steps / %d)); await new Promise(requestAnimationFrame); } "
            "return (performance.now() - began) / %d; })()".replace("%d", str(_STEPS))
        )
        print(f"  opened in {opened_s:.1f} s; {step_ms:.0f} ms per step of the replay; errors: {page.errors or 'none'}")
        for theme in ("light", "dark") if pictures else ():
            await page.value(f"app.theme('{theme}'), app.active.goTo(app.active.tree.steps / 2 | 0)")
            await page.picture(Path(str(pictures)) / f"{name}-{theme}.png")


async def write_growing(folder: Path, number: int, largest: int, budget: int) -> None:
    """Write a tree whose search goes on, as :class:`LiveTrees` does, and say what that took."""
    world, growing = ToyWorld.countdown(largest), dict[str, SearchProgress]()

    class Watched(BestFirstSearch):
        def on_node(self, progress: SearchProgress, node: Node) -> None:  # noqa: ARG002
            growing["n"] = progress

    parts: dict[str, Any] = {
        "policy": ScriptedPolicy.over(world),
        "environment": world,
        "certifier": ToyCertifier(world),
    }
    config = SearchConfig(budget=SearchBudget(max_expansions=budget))
    await Watched(**parts, config=config).run(str(number))
    trees = LiveTrees(folder / "growing", "run", growing)
    started_s = time.perf_counter()
    await trees.write_some()
    took_s = time.perf_counter() - started_s
    [file] = (folder / "growing").iterdir()
    told = f"growing: {len(growing['n'].tree.nodes)} nodes, {file.stat().st_size / 1e6:.2f} MB"
    print(f"{told}, written in {took_s:.3f} s")


async def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep pictures of the pages")
    pictures: Path | None = parser.parse_args().pictures
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nobody waits
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        await look("small", folder, await search(folder / "small", [24], 64, 40), pictures)
        run = await search(folder / "large", [99_999], 120_000, 3_900)
        await look("large", folder, run, pictures)
        broad = await search(folder / "broad", [99_999], 120_000, 3_900, broad=True)
        await look("beside", folder, run, pictures, beside=broad)
        await look("many", folder, await search(folder / "many", range(1, 1_001), 1_100, 60), pictures)
        await write_growing(folder, 99_999, 120_000, 3_900)


if __name__ == "__main__":
    asyncio.run(main())
