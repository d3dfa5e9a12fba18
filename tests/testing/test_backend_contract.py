from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from fake_worker import fake_worker_argv

from leanebm.core import Theorem
from leanebm.lean import CommandBackend, EmbeddedBackend
from leanebm.lean.backends.base import WorkerCommand
from leanebm.testing import ContractBroken, check_backend

THEOREM = Theorem(name="toy", statement="P")
TOY: dict[str, Any] = {"theorem": THEOREM, "proof": ("step", "done"), "rejected": "fail"}


@pytest.mark.lean
@pytest.mark.usefixtures("embedded_lean")
async def test_the_embedded_backend_keeps_the_contract() -> None:
    await check_backend(EmbeddedBackend())


async def test_a_worker_that_knows_the_theorem_passes() -> None:
    await check_backend(CommandBackend(argv=fake_worker_argv()), **TOY)


@attrs.frozen
class Misnamed:
    name: str
    says: str = "other"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        return attrs.evolve(CommandBackend(argv=fake_worker_argv()).prepare(imports), backend=self.says)


@attrs.frozen
class Unfit:
    answer: Any
    name: str = "unfit"

    def prepare(self, _: Sequence[str]) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("backend", "problem"),
    [
        (Misnamed("mine"), "prepare says 'other' where the backend is called 'mine'"),
        (Misnamed(""), "its name is ''"),
        (Unfit(("lean", "--run")), "prepare gives tuple, not a WorkerCommand"),
        (
            Unfit(WorkerCommand(backend="unfit", argv=("/no/such/program",))),
            "its workers cannot be used: WorkerStartError",
        ),
    ],
)
async def test_a_backend_that_breaks_its_contract_is_told_how(backend: Any, problem: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check_backend(backend, **TOY)
    assert any(problem in each for each in caught.value.problems), caught.value.problems


async def test_a_worker_that_proves_too_much_is_caught() -> None:
    backend = CommandBackend(argv=fake_worker_argv())
    with pytest.raises(ContractBroken, match="is ProofAdvanced, not TacticRejected"):
        await check_backend(backend, theorem=THEOREM, proof=("step", "done"), rejected="step")
