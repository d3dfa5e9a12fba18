"""A policy server of ours in a process of its own, which may be slow, full for a while, or have other weights.

``python policy_process.py --delay-s S --full-for N --weights V`` prints its address once it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Self

import attrs

from leanebm.serve import PolicyServer, ServeConfig, TemplateBackend
from leanebm.serve._admission import QueueFull
from leanebm.serve.backends import Backend, BackendDescription


class Tampered(Backend):
    """The template backend, behind faults."""

    def __init__(self, *, delay_s: float, full_for: int, weights: str) -> None:
        self._real = TemplateBackend()
        self._delay_s = delay_s
        self._full_for = full_for
        self._weights = weights

    @property
    def description(self) -> BackendDescription:
        return attrs.evolve(self._real.description, weight_version=self._weights)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    async def generate(self, prompts: Any, params: Any, *, adapter: str | None = None) -> Any:
        if self._full_for > 0:
            self._full_for -= 1
            raise QueueFull
        await asyncio.sleep(self._delay_s)
        return await self._real.generate(prompts, params, adapter=adapter)

    async def encode(self, prompts: Any, *, adapter: str | None = None) -> Any:
        return await self._real.encode(prompts, adapter=adapter)

    async def flush_cache(self) -> None:
        pass

    async def check_health(self) -> bool:
        return True


@attrs.frozen
class PolicyProcess:
    """One that listens."""

    url: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def policy_processes(*faults: Mapping[str, object]) -> Iterator[list[PolicyProcess]]:
    """Start one for each row of faults, all at once, and see that they end."""
    with ExitStack() as stack:
        started = [stack.enter_context(_process(row)) for row in faults]
        yield [PolicyProcess(_address(process), process) for process in started]


@contextmanager
def _process(faults: Mapping[str, object]) -> Iterator[subprocess.Popen[str]]:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in faults.items()]
    argv = [sys.executable, __file__, *options]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url, "the server did not start"
    return url


async def _serve(arguments: argparse.Namespace) -> None:
    backend = Tampered(delay_s=arguments.delay_s, full_for=arguments.full_for, weights=arguments.weights)
    async with PolicyServer(ServeConfig(), backend) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        # If who started us is gone, so is the other end of our input.
        await asyncio.get_running_loop().run_in_executor(None, os.read, 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--full-for", type=int, default=0)
    parser.add_argument("--weights", default="w1")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
