"""Checks that a Lean backend of your own keeps the contract of :class:`~leanebm.lean.backends.base.LeanBackend`."""

from __future__ import annotations

from leanebm.core import Theorem
from leanebm.errors import LeanError
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.lean.backends.base import LeanBackend, WorkerCommand
from leanebm.testing.contracts import (
    SAMPLE_PROOF,
    SAMPLE_REJECTED,
    SAMPLE_THEOREM,
    ContractBroken,
    check_certifier,
    check_environment,
    report,
)


async def check_backend(
    backend: LeanBackend,
    *,
    imports: tuple[str, ...] = ("Init",),
    theorem: Theorem = SAMPLE_THEOREM,
    proof: tuple[str, ...] = SAMPLE_PROOF,
    rejected: str = SAMPLE_REJECTED,
) -> None:
    """Check that ``backend`` starts workers that run tactics, tell right proofs from wrong ones, and bear its name.

    Args:
        backend: what to check. Two of its workers are started, one after the other.
        imports: modules that ``theorem`` needs.
        theorem: one that it can open.
        proof: tactics that prove it, at least two.
        rejected: a tactic that fails at its root.

    Raises:
        ContractBroken: it does not.
    """
    if not str(backend.name).strip():
        report(backend, [f"its name is {backend.name!r}: certificates and logs need a word"])
    config = LeanPoolConfig(backend=backend, num_workers=1, imports=imports)
    problems: list[str] = []
    try:
        command = backend.prepare(imports)
        if not isinstance(command, WorkerCommand):
            report(backend, [f"prepare gives {type(command).__name__}, not a WorkerCommand"])
        if command.backend != backend.name:
            problems.append(f"prepare says {command.backend!r} where the backend is called {backend.name!r}")
        async with LeanPool(config) as pool:
            await check_environment(ReplayingEnvironment(pool), theorem, proof=proof, rejected=rejected)
        async with Certifier(config) as certifier:
            await check_certifier(certifier, theorem, proof=proof)
    except ContractBroken as broken:
        problems += broken.problems
    except LeanError as error:
        problems.append(f"its workers cannot be used: {type(error).__name__}: {error}")
    report(backend, problems)
