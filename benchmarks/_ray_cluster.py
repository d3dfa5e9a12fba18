"""A Ray cluster of several nodes on this machine, in a process of its own, for those who want to break it.

.. code-block:: text

    python benchmarks/_ray_cluster.py NODES

Ray's own utility starts a head without processors and ``NODES`` nodes of one processor each. The program writes a
line of JSON, the address and each node's daemon (raylet), whenever a line comes in; ``add`` adds a node first. At the
end of its input it stops everything. A daemon that was killed is reaped, as init would.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

_ATTEMPTS = 3
"""Ray gives a node 30 s to start, which a busy machine does not always keep."""

SMALL = {"object_store_memory": 80 * 2**20}
"""Bytes: hardly anything goes through it."""


class RayCluster:
    """The cluster, as those see it who use it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = ""
        self.raylets: tuple[int, ...] = ()
        self._ask("")

    def add(self) -> None:
        """Start one more node."""
        self._ask("add")

    def actors(self) -> dict[int, int]:
        """The worker processes that run our actors, each with its raylet."""
        return {
            child.pid: raylet
            for raylet in self.raylets
            if psutil.pid_exists(raylet)
            for child in _children(raylet)
            if child.name().startswith("ray::RayNode")
        }

    def _ask(self, line: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        state = json.loads(self._process.stdout.readline())
        self.address, self.raylets = state["address"], tuple(state["raylets"])


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children()
    return []


@contextmanager
def ray_cluster(nodes: int) -> Iterator[RayCluster]:
    """Start a cluster; stopped, with all that is left of it, at the end."""
    argv = [sys.executable, __file__, str(nodes)]
    for attempts_left in reversed(range(_ATTEMPTS)):
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        with _stopped_at_the_end(process):
            try:
                cluster = RayCluster(process)
            except (json.JSONDecodeError, BrokenPipeError):
                if attempts_left:
                    continue
                raise
            yield cluster
            return


@contextmanager
def _stopped_at_the_end(process: subprocess.Popen[str]) -> Iterator[None]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        process.stdout.close()


def serve(count: int) -> None:
    """Be the cluster until the end of input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Ray prints is not for our reader
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 otherwise: on a busy machine an import takes minutes
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL})
    nodes: list[Any] = [cluster.add_node(num_cpus=1, **SMALL) for _ in range(count)]
    for line in _lines(nodes):
        if line == "add":
            nodes.append(cluster.add_node(num_cpus=1, **SMALL))
        json.dump({"address": cluster.address, "raylets": [_raylet(node).pid for node in nodes]}, answers)
        answers.write("\n")
        answers.flush()
    cluster.shutdown()


def _lines(nodes: list[Any]) -> Iterator[str]:
    """Lines of standard input; meanwhile those of our children that ended are reaped."""
    while True:
        if select.select([0], [], [], 0.2)[0]:
            line = b""
            while not line.endswith(b"\n"):
                if not (piece := os.read(0, 1)):
                    return
                line += piece
            yield line.decode().strip()
        for node in nodes:
            if "raylet" in node.all_processes:
                _raylet(node).poll()


def _raylet(node: Any) -> subprocess.Popen[bytes]:
    process: subprocess.Popen[bytes] = node.all_processes["raylet"][0].process
    return process


if __name__ == "__main__":
    serve(int(sys.argv[1]))
