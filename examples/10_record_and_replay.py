"""Record a search in a file, and replay it without the world it searched; another search asks what nobody asked."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from leanebm.cassette import Cassette
from leanebm.core import SearchResult, StateScorer, Theorem
from leanebm.errors import CassetteMiss
from leanebm.search import BestFirstSearch, CumulativeLogProb, DepthFirst
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

THEOREM = Theorem(name="from_13", statement="13")


async def record(file: Path) -> SearchResult:
    world = ToyWorld.countdown(16)
    with Cassette.record(file) as tape:
        search = BestFirstSearch(
            policy=tape.policy(ScriptedPolicy.over(world)),
            environment=tape.environment(world),
            certifier=tape.certifier(ToyCertifier(world)),
            scorer=CumulativeLogProb(),
        )
        return await search.run(THEOREM)


async def replay(file: Path, scorer: StateScorer) -> SearchResult:
    tape = Cassette.replay(file)  # it has the world's answers, and no world
    search = BestFirstSearch(
        policy=tape.policy(), environment=tape.environment(), certifier=tape.certifier(), scorer=scorer
    )
    return await search.run(THEOREM)


async def main(file: Path) -> None:
    recorded = await record(file)
    replayed = await replay(file, CumulativeLogProb())
    print(recorded.outcome.sentence)
    print("replayed with the same certificate:", replayed.certificate == recorded.certificate)
    try:
        await replay(file, DepthFirst())
    except CassetteMiss as miss:
        print("in another order:", miss)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder) / "session.jsonl.gz"))
