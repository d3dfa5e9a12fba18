"""Runs what the pages tell a reader to type: every shell line and every Python block, whole, in order.

``python docs/run_pages.py FOLDER`` runs README, then docs/*.md, in a fresh copy of the tree in FOLDER;
``--page docs/tutorial.md`` runs one page.

All blocks share one folder, as a reader's do: what README's lines left in ``runs/`` is there for the pages that
read it. A ``sh`` block is one script, a ``console`` block the lines after ``$``, a ``python`` block a file of its
own, and a ``toml`` block settings that ``leanebm search --config`` must take. The ``python`` blocks of
docs/notebooks.md are the cells of one notebook. A block behind
``<!-- not run: REASON -->`` is left out, and the output says so. One behind
``<!-- run with: OLD => NEW; OLD => NEW -->`` is run with these replacements, of whole words, which must all
apply: the same commands and options, with less to do. Beyond README, a command that does not say how many Lean workers
it wants gets one: what a short run takes is mostly the start of its workers. A line that installs something is run
once, whichever pages have it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
RUNNABLE = ("sh", "console", "python", "toml")
README, NOTEBOOK = "README.md", "docs/notebooks.md"

_FENCE = re.compile(r"^```(?P<language>\w*)\s*$")
_NOT_RUN = re.compile(r"^<!-- not run: (?P<reason>.+) -->$")
_HEEDED = re.compile(r"^\s*<!--\s*(not run|run with)\b")
_RUN_WITH = re.compile(r"^<!-- run with: (?P<replacements>.+) -->$")
_WITH_WORKERS = re.compile(
    r"^((?:\$ | *)leanebm (?:check-theorems|conjecture|eval|generate-negatives|probe|search|tune)\b)"
    r"(?!.*--(?:num-workers|replay|dry-run)\b)",
    re.MULTILINE,
)
_WHOLE_WORDS = r"(?<![\w.-]){}(?![\w-]|\.\w)"
"""``--budget 1`` is no part of ``--budget 16``, of ``--budget 1.5`` and of ``--max-budget 1``."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    """Where its fence stands, counted from 1."""

    language: str
    text: str
    not_run: str = ""
    """Why it cannot be run here; empty if it can."""

    run_with: str = ""
    """What is replaced in it before it is run."""

    @property
    def smaller(self) -> Block:
        """The same with less to do: as the page says, and with one Lean worker.

        Raises:
            SystemExit: there is nothing in it to replace.
        """
        text = self.text
        for replacement in filter(None, self.run_with.split("; ")):
            old, _, new = replacement.partition(" => ")
            text, count = re.subn(_WHOLE_WORDS.format(re.escape(old)), lambda _, new=new: new, text)
            if not new or not count:
                raise SystemExit(f"{self.page}:{self.line}: {replacement!r} replaces nothing in this block")
        if self.page != README:
            text = _WITH_WORKERS.sub(r"\1 --num-workers 1", text)
        return self._replace(text=text)


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """The blocks of ``text`` that a reader would type, in order.

    Raises:
        SystemExit: a comment looks like one that this program heeds, and is not written as one.
    """
    language, start, body, reason, run_with = "", 0, [""], "", ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if language:
            if line == "```":
                if language in RUNNABLE:
                    yield Block(page, start, language, "\n".join(body), reason, run_with)
                language, reason, run_with = "", "", ""
            else:
                body.append(line)
        elif line.startswith("```"):
            language, start, body = fence["language"] if fence else "other", number, []
        elif line.strip():
            reason = marked["reason"] if (marked := _NOT_RUN.match(line)) else ""
            run_with = marked["replacements"] if (marked := _RUN_WITH.match(line)) else ""
            if _HEEDED.match(line) and not (reason or run_with):
                raise SystemExit(f"{page}:{number}: write <!-- not run: REASON --> or <!-- run with: OLD => NEW -->")


def as_notebook(blocks: list[Block]) -> Block:
    """The cells of a page as one block, in their order."""
    return blocks[0]._replace(language="notebook", text="\n\n".join(block.text for block in blocks))


def without_repeats(text: str, installed: set[str]) -> str:
    """``text`` without lines that install what was ``installed`` before; what it installs itself is added to that."""
    lines = []
    for line in text.splitlines():
        command = line.removeprefix("$ ").partition("#")[0].strip()
        if command not in installed:
            lines.append(line)
        if command.startswith("python -m pip install"):
            installed.add(command)
    return "\n".join(lines)


def script_of(block: Block) -> str:
    """What bash is given for a block of shell."""
    if block.language == "sh":
        return block.text
    lines, goes_on = [], False
    for line in block.text.splitlines():
        if goes_on or line.startswith("$ "):
            lines.append(line if goes_on else line[2:])
            goes_on = line.endswith("\\")
    return "\n".join(lines)


def command_of(block: Block, scratch: Path) -> list[str]:
    """The command that runs ``block``."""
    if block.language in ("sh", "console"):
        return ["bash", "-euo", "pipefail", "-c", script_of(block)]
    file = scratch / f"block_{block.line}.{'toml' if block.language == 'toml' else 'py'}"
    file.write_text(block.text, encoding="utf-8")
    if block.language == "notebook":
        return [sys.executable, "docs/run_notebook.py", os.fspath(file)]
    if block.language == "python":
        return [sys.executable, os.fspath(file)]
    settings = ["--config", os.fspath(file), "--output", os.fspath(scratch / "run")]
    return [sys.executable, "-m", "leanebm", "search", "--theorems", "bundled", *settings, "--dry-run"]


def copy_tree(folder: Path) -> Path:
    """The files that git tracks or would track, as they are now, in ``folder``."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def _cpu_s() -> float:
    """What the processors did for blocks that have ended: on a busy machine this says more than the clock does."""
    times = os.times()
    return times.children_user + times.children_system


def _took(spent_s: float, cpu_s: float) -> str:
    return f"{spent_s:.0f} s, {cpu_s:.0f} s of CPU"


def main() -> int:
    """Run the pages; 0 if everything worked."""
    parser = argparse.ArgumentParser(description="Run what the pages tell a reader to type.")
    parser.add_argument("folder", type=Path, help="an empty folder to work in")
    parser.add_argument("--page", action="append", help="only this page, such as docs/tutorial.md; may be repeated")
    parser.add_argument("--skip", action="append", default=[], metavar="LINE", help="a line that is run elsewhere")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tree, scratch = copy_tree(options.folder / "leanebm"), options.folder / "blocks"
    scratch.mkdir(exist_ok=True)
    pages = options.page or [README, *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
    blocks: list[Block] = []
    for page in pages:
        found = list(blocks_of(page, (ROOT / page).read_text(encoding="utf-8")))
        blocks += [as_notebook(found)] if page == NOTEBOOK else found
    installed: set[str] = set()
    spent_s: dict[str, float] = {}
    cpu_s: dict[str, float] = {}
    for block in blocks:
        reason = block.not_run or ("it is run elsewhere" if block.text.strip() in options.skip else "")
        note = f": not run: {reason}" if reason else f": run with {block.run_with}" if block.run_with else ""
        print(f"\n=== {block.page}:{block.line} ({block.language}){note}", flush=True)
        if reason:
            continue
        smaller = block.smaller
        smaller = smaller._replace(text=without_repeats(smaller.text, installed))
        print(smaller.text, flush=True)
        started_s, started_cpu_s = time.monotonic(), _cpu_s()
        done = subprocess.run(command_of(smaller, scratch), cwd=tree, stdin=subprocess.DEVNULL, check=False)
        place = f"{block.page}:{block.line}"
        spent_s[place], cpu_s[place] = time.monotonic() - started_s, _cpu_s() - started_cpu_s
        print(f"--- status {done.returncode} after {_took(spent_s[place], cpu_s[place])}", flush=True)
        if done.returncode:
            print(f"\n{place} does not work as it is written", file=sys.stderr)
            return 1
    took = _took(sum(spent_s.values()), sum(cpu_s.values()))
    print(f"\n{len(spent_s)} blocks ran in {took}, {len(blocks) - len(spent_s)} did not. Most was for:")
    for place in sorted(cpu_s, key=cpu_s.__getitem__, reverse=True)[:10]:
        print(f"  {place}  {_took(spent_s[place], cpu_s[place])}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
