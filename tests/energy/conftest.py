"""What all tests of the energy head share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(
    params=["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"))]
)
def device(request: pytest.FixtureRequest) -> str:
    """Each device that torch may compute on; what is tested on it holds on all."""
    name: str = request.param
    return name


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Matrices here are small: beside another busy process, threads that wait for one another cost tenfold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
