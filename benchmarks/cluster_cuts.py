"""Workers that share a folder are cut off from the policy server again and again: is a cut ever taken for a verdict?

.. code-block:: text

    python benchmarks/cluster_cuts.py [--cuts 30] [--workers 3] [--longest-s 8] [--json FILE]

Needs Linux, root and iproute2. Each worker of ``leanebm search --engine shards`` runs in a network namespace of its
own, with one link to the host, where ``leanebm serve`` proposes tactics. At random moments one link is taken down, and
healed after up to ``--longest-s`` seconds, which is longer than a worker waits for an answer in all its attempts. What
is still lost when the workers are done (all of them were cut off at it) is tried again after a merge, as a user would.
It is required that each folder ends as an undisturbed run did, theorem by theorem, each counted once, with its proof's
file, and that no worker fails. Lean is a process that answers by a hash (``_chance_worker.py``).
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import click
from _under_fire import Findings, adopt_orphans, end_with
from cluster_faults import Cluster, undisturbed
from kill_main import chance_job

from leanebm.pipeline import merge, summarise_run

PATIENCE = "[policy]\ndeadline_s = 2.0\nconnect_timeout_s = 2.0\nmax_attempts = 2\nconnect_patience_s = 60.0\n"


@attrs.frozen
class Link:
    """A namespace's only way out."""

    number: int

    def address(self, end: int) -> str:
        """Of the host's end, 1, or of the worker's, 2."""
        return f"10.213.{self.number}.{end}"

    @property
    def name(self) -> str:
        """Of the namespace, and of the host's end."""
        return f"leanebm{self.number}"

    def set(self, state: str) -> None:
        """Cut it (``down``), or heal it (``up``)."""
        _ip("link", "set", self.name, state)

    @contextmanager
    def laid(self) -> Iterator[None]:
        """Have it for the length of the block."""
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            _ip("addr", "add", f"{self.address(1)}/30", "dev", self.name)
            self.set("up")
            _ip("-n", self.name, "addr", "add", f"{self.address(2)}/30", "dev", "eth0")
            _ip("-n", self.name, "link", "set", "eth0", "up")
            yield
        finally:
            _ip("netns", "del", self.name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)  # noqa: S607 - where it is differs


@attrs.define(kw_only=True)
class CutOff(Cluster):
    """Workers who lose their link, and not their lives."""

    links: Sequence[Link]
    port: int
    longest_s: float
    cut_s: float = 0.0
    lost: int = 0
    """Theorems that nobody who was not cut off could try again."""

    def judge(self, output: Path, expected: dict[str, str]) -> None:
        """Have what was lost tried again, and hold all of it against the undisturbed run."""
        if lost := [record for record in summarise_run(output).records if not record.is_final]:
            self.lost += len(lost)
            merge([output])
            self.running = [self._start(output)]
            self.running[0].wait()
            self._collect()
        super().judge(output, expected)

    def _look_for_orphans(self, output: Path) -> None:
        """Nobody is killed; and the policy server is a child of ours."""

    def _strike(self, _: Path) -> None:
        link, heals_s = self.rng.choice(self.links), self.rng.uniform(0.0, self.longest_s)
        link.set("down")
        time.sleep(heals_s)
        link.set("up")
        self.findings.kills += 1
        self.cut_s += heals_s

    def _command(self, output: Path) -> Sequence[str]:
        link = self.links[len(self.running) % len(self.links)]
        url = f"http://{link.address(1)}:{self.port}"
        return ["ip", "netns", "exec", link.name, *super()._command(output), "--server-url", url]


@click.command()
@click.option("--cuts", default=30, show_default=True)
@click.option("--workers", default=3, show_default=True)
@click.option("--longest-s", default=8.0, show_default=True)
@click.option("--theorems", "count", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Who is cut off, when and for how long.")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(*, cuts: int, workers: int, longest_s: float, count: int, seed: int, json_file: Path | None) -> None:
    """Search with links that fail, then compare."""
    adopt_orphans()
    folder = Path(tempfile.mkdtemp(prefix="cluster-cuts-"))
    links = [Link(number) for number in range(workers)]
    with ExitStack() as stack, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        for link in links:
            stack.enter_context(link.laid())
        hosts = [word for link in links for word in ("--allow-host", link.address(1))]
        serve = [sys.executable, "-m", "leanebm", "serve", "--host", "0.0.0.0", "--port", str(port), *hosts]  # noqa: S104
        server = stack.enter_context(subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        stack.callback(server.terminate)
        job = chance_job(count, folder)
        (folder / "settings.toml").write_text((folder / "settings.toml").read_text() + PATIENCE)
        job = attrs.evolve(job, arguments=(*job.arguments, "--num-workers", "1"))
        direct = attrs.evolve(job, arguments=(*job.arguments, "--server-url", f"http://127.0.0.1:{port}"))
        expected, usual_s = undisturbed(direct, folder, folder / "log")
        findings, rng = Findings(), random.Random(seed)  # noqa: S311 - who is hit is no secret
        cluster = CutOff(
            job, "shards", workers, findings, rng, folder / "log", links=links, port=port, longest_s=longest_s
        )
        while findings.kills < cuts and not findings.faults:
            place = folder / f"run-{findings.completed_runs}"
            cluster.run(place, cuts, usual_s / 4)  # several cuts in each run
            cluster.judge(place, expected)
    report = {"workers": workers, "theorems": len(expected), "outcomes": dict(Counter(map(str, expected.values())))}
    report |= {"cuts": findings.kills, "seconds cut off": round(cluster.cut_s), "seconds undisturbed": round(usual_s)}
    report |= {"runs completed": findings.completed_runs, "of these equal": findings.equal_runs}
    report |= {"searched again": cluster.searched_again, "of these after a merge": cluster.lost}
    report |= {"faults": findings.faults, "seed": seed, "folder": str(folder)}
    end_with(report, json_file, is_clean=not findings.faults)


if __name__ == "__main__":
    main()
