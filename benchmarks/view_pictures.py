"""Make the pictures of ``docs/viewing.md`` anew: searches with the embedded Lean, a tree of 5 000 nodes, and a browser.

It takes a few minutes. With ``--runs FOLDER`` the runs are kept there, and are not made again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from view_page import search

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from browser import NAMES, Page, find_browser, open_browser
from PIL import Image

from leanebm.pipeline import write_view
from leanebm.pipeline.view.run_view import RunView

_IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"

_SEARCH = (
    "search", "--theorems", "logic:test", "--max-theorems", "8", "--without", "grind,omega,simp_all,decide,simp",
    "--budget", "40", "--concurrency", "2",
)  # fmt: skip

_MAX_BYTES = 120_000

_COLOURS = 128
"""In a picture: few enough that it is small, and enough for smooth letters."""


def make_runs(folder: Path) -> None:
    """Search without and with the energy head that comes with the package, and in a toy world."""
    for name, options in (("plain", ()), ("guided", ("--ebm-path", "logic"))):
        if not (folder / name).exists():
            subprocess.run([sys.executable, "-m", "leanebm", *_SEARCH, *options, "--output", folder / name], check=True)
    if not (folder / "large").exists():
        asyncio.run(search(folder / "large", [99_999], 120_000, 3_900))


async def save(page: Page, name: str, url: str, *, theme: str) -> None:
    """Open an address, and keep what it shows."""
    features = [{"name": "prefers-color-scheme", "value": theme}]
    await page.send("Emulation.setEmulatedMedia", features=features)
    await page.go(url)
    path = _IMAGES / f"view-{name}.png"
    await page.picture(path)
    picture = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    picture = picture.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {size / 1000:.0f} kB of {url}")
    if size > _MAX_BYTES or page.errors:
        raise SystemExit(f"{path} is larger than {_MAX_BYTES} bytes, or the page told of errors: {page.errors}")


async def take_pictures(folder: Path) -> None:
    """Of a proof, of the large tree in the dark, and of the formula with which the head helped most."""
    plain, guided = (
        {each["name"]: each for each in RunView(folder / name).as_json()["theorems"]} for name in ("plain", "guided")
    )
    proved = [name for name, each in plain.items() if each["outcome"] == guided[name]["outcome"] == "proved"]
    if not proved:
        raise SystemExit("no formula was proved in both runs, so there is nothing to show")
    helped = max(proved, key=lambda name: plain[name]["expansions"] - guided[name]["expansions"])
    shown = min(proved, key=lambda name: abs(plain[name]["nodes"] - 40))
    for name in proved:
        print(f"{name}: {plain[name]['expansions']} expansions without the head, {guided[name]['expansions']} with it")
    pages = {
        "proved": write_view(folder / "plain", output=folder / "proved.html"),
        "large": write_view(folder / "large", output=folder / "large.html"),
        "beside": write_view(folder / "plain", beside=folder / "guided", output=folder / "beside.html"),
    }
    node = next(
        at
        for at, tried in enumerate(RunView(folder / "plain").tree(shown)["attempts"])
        if any(each[4] for each in tried)
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with open_browser(Path(profile), width=1400, height=780) as new_page:
            page = await new_page()
            await save(page, "proved", f"{pages['proved'].resolve().as_uri()}#t={shown}&n={node}", theme="light")
            await save(page, "large", f"{pages['large'].resolve().as_uri()}#k=1950", theme="dark")
            await save(page, "beside", f"{pages['beside'].resolve().as_uri()}#t={helped}&c=energy&r=1", theme="light")


def main() -> None:
    """Make them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it ends what it runs, too
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="keep the runs there, or take them from there")
    runs: Path | None = parser.parse_args().runs
    if find_browser() is None:
        raise SystemExit(f"there is no browser on PATH to take the pictures with: install one of {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = runs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        make_runs(folder)
        with contextlib.chdir(folder):  # the pages show paths as they were given
            asyncio.run(take_pictures(Path()))


if __name__ == "__main__":
    main()
