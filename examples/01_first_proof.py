"""Search for a proof with real Lean and the bundled policy. Needs Lean: downloads it the first time."""

from __future__ import annotations

import asyncio

from leanebm import BestFirstSearch, LeanPool, LeanPoolConfig, PolicyClient, PolicyClientConfig, Theorem
from leanebm.lean import Certifier
from leanebm.pipeline import start_embedded_server
from leanebm.search.scorers import LengthNormalisedLogProb


async def main() -> None:
    theorem = Theorem(name="length_append", statement="∀ xs ys : List Nat, (xs ++ ys).length = ys.length + xs.length")
    config = LeanPoolConfig.embedded()
    async with (
        start_embedded_server() as url,
        PolicyClient(PolicyClientConfig(url=url)) as policy,
        LeanPool(config) as pool,
        Certifier(config) as certifier,
    ):
        search = BestFirstSearch(policy=policy, scorer=LengthNormalisedLogProb(), environment=pool, certifier=certifier)
        result = await search.run(theorem)
    print(result.outcome.sentence)
    if result.certificate is not None:
        print(result.certificate.source)


if __name__ == "__main__":
    asyncio.run(main())
