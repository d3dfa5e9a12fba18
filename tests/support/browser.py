"""A real browser without a window, driven over its debugging protocol: Chromium, where the machine has one."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_KEYS = {
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Enter": 13,
    "Escape": 27,
    "Home": 36,
    "End": 35,
}


def find_browser() -> str | None:
    """The program, or ``None``."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. ``errors`` holds what went wrong in it: exceptions, errors on the console, what was refused."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.errors: list[str] = []
        self.asked: list[str] = []
        """Addresses that the page asked for."""

    async def listen(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                waiting = self._waiting.pop(told["id"])
                if not waiting.done():
                    waiting.set_result(told)
            else:
                self._note(told.get("method"), told.get("params", {}))

    def _note(self, method: str | None, about: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.errors.append(str(details.get("exception", {}).get("description") or details))
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.errors.append(str([argument.get("value", argument.get("description")) for argument in about["args"]]))
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.asked.append(about["request"]["url"])

    async def send(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        told = await asyncio.wait_for(answer, 60)
        assert "error" not in told, told
        return told["result"]

    async def go(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.until("document.body && document.body.dataset.ready")

    async def value(self, expression: str) -> Any:
        """What JavaScript says; a promise is waited for."""
        told = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait for ``expression`` to be true, looking at it with each frame that the browser draws."""
        return await self.value(
            f"new Promise((done) => {{ const look = () => {{ const seen = ({expression}); "
            "seen ? done(seen) : setTimeout(look, 15); }; look(); })"
        )

    async def click(self, x: float, y: float, *, times: int = 1) -> None:
        for count, kind in itertools.product(range(1, times + 1), ("mousePressed", "mouseReleased")):
            await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    async def click_on(self, selector: str) -> None:
        """Click in the middle of the first element that fits."""
        await self.value(f"document.querySelector({selector!r}).scrollIntoView({{block: 'nearest'}})")
        box = await self.value(
            f"(() => {{ const box = document.querySelector({selector!r}).getBoundingClientRect(); "
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        await self.click(*box)

    async def press(self, *keys: str) -> None:
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = _KEYS.get(key, 0)
            await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
            await self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def picture(self, path: Path) -> None:
        shot = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def open_browser(profile: Path, *, width: int = 1400, height: int = 850) -> AsyncIterator[Callable[[], Any]]:
    """Start the browser; yields what opens a new :class:`Page`. Everything that it started ends with the block."""
    program = find_browser()
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb",
        f"--window-size={width},{height}", f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        address = ""
        async with asyncio.timeout(60):
            while "DevTools listening on ws://" not in address:
                address = (await process.stderr.readline()).decode()
                assert address, "the browser ended before it listened"
        host = address.split("ws://")[1].split("/")[0]
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(_drain(process.stderr))
            listening: list[asyncio.Task[None]] = [draining]

            async def new_page() -> Page:
                async with session.put(f"http://{host}/json/new?about:blank") as answer:
                    target = await answer.json()
                page = Page(await session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0))
                listening.append(tasks.create_task(page.listen()))
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.send(f"{domain}.enable")
                size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
                await page.send("Emulation.setDeviceMetricsOverride", **size)
                return page

            yield new_page
            for task in listening:
                task.cancel()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass
