from __future__ import annotations

import asyncio
import html
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import NAMES, Page, find_browser, open_browser
from gated_policy import GatedPolicy

from leanebm.core import Theorem
from leanebm.pipeline.search import live_trees
from leanebm.pipeline.view.page import write_view
from leanebm.pipeline.view.run_view import RunView
from leanebm.pipeline.view.server import ViewServer
from leanebm.search import BestFirstSearch
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

MakeSearched = Callable[..., Awaitable[Path]]
Opened = Callable[[str], Any]

in_browser = pytest.mark.skipif(
    find_browser() is None, reason=f"there is no browser to look at the page with ({', '.join(NAMES)})"
)


@asynccontextmanager
async def opened(tmp_path: Path, url: str, *, theme: str = "light") -> AsyncIterator[Page]:
    """The page in a real browser, in which nothing may go wrong."""
    profile = tmp_path / "profile"
    async with open_browser(profile) as new_page:
        page = await new_page()
        features = [{"name": "prefers-color-scheme", "value": theme}]
        await page.send("Emulation.setEmulatedMedia", features=features)
        await page.go(url)
        yield page
        assert page.errors == []
    shutil.rmtree(profile, ignore_errors=True)


async def text(page: Page, selector: str) -> str:
    return str(await page.value(f"document.querySelector({selector!r}).innerText"))


async def type_into(page: Page, selector: str, said: str) -> None:
    await page.click_on(selector)
    await page.value(f"document.querySelector({selector!r}).select()")
    await page.send("Input.insertText", text=said)


async def choose(page: Page, selector: str, option: str) -> None:
    await page.value(
        f"(() => {{ const box = document.querySelector({selector!r}); box.value = {option!r}; "
        "box.dispatchEvent(new Event('change')); })()"
    )


async def click_node(page: Page, node: int, *, pane: int = 0, times: int = 1) -> None:
    """Click on a node where the page says that it is drawn."""
    await page.value(f"canvas = app.panes[{pane}].canvas, box = canvas.canvas.getBoundingClientRect()")
    place = await page.value(f"[box.x + canvas.placeOf({node})[0], box.y + canvas.placeOf({node})[1]]")
    await page.click(*place, times=times)


async def test_a_page_holds_every_theorem_of_one_or_two_runs(searched: MakeSearched, tmp_path: Path) -> None:
    run = await searched("run", {"n8": "8", "n31": "31"})
    other = await searched("other", {"n8": "8"}, breadth_first=True)
    assert write_view(run) == run / "view.html"
    page = write_view(str(run), beside=str(other), output=str(tmp_path / "both.html"))
    for name in ("index", "tree-0-0", "tree-0-1", "tree-1-0"):
        assert f'id="{name}"' in page.read_text(encoding="utf-8")
    only = write_view(run, theorem="n31", output=tmp_path / "one.html").read_text(encoding="utf-8")
    assert 'id="tree-0-0"' in only
    assert 'id="tree-0-1"' not in only


@in_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_hints_fit_their_boxes_and_the_legend_shows_the_marks_of_the_tree(
    searched: MakeSearched, tmp_path: Path, theme: str
) -> None:
    run = await searched("run", {"n31": "31"}, budget=20)
    async with opened(tmp_path, write_view(run).as_uri(), theme=theme) as page:
        for box in ("#find-theorem", "#find-node"):
            assert await page.value(
                f"(() => {{ const box = document.querySelector('{box}'); box.value = box.placeholder; "
                "const fits = box.scrollWidth <= box.clientWidth; box.value = ''; return fits; })()"
            )
        entries = await page.value("[...document.querySelectorAll('#legend span')].map((each) => each.innerText)")
        assert set(entries) == set(await page.value("app.panes[0].tree.status"))
        middles = await page.value(
            "Object.fromEntries([...document.querySelectorAll('#legend span')].map((each) => { "
            "const mark = each.querySelector('canvas'), half = mark.width / 2; "
            "return [each.innerText, mark.getContext('2d').getImageData(half, half, 1, 1).data[3]]; }))"
        )
        assert middles["open"] == 0  # as in the tree, a ring
        assert middles["expanded"] == 255
        await choose(page, "#colour", "priority")
        assert "not recorded" not in await text(page, "#legend")  # every node has one
        await choose(page, "#colour", "energy")
        assert await text(page, "#legend") == "not recorded"


@in_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_colour_of_a_node_stands_out_from_the_paper(
    searched: MakeSearched, tmp_path: Path, theme: str
) -> None:
    async with opened(tmp_path, write_view(await searched("run", {"n8": "8"})).as_uri(), theme=theme) as page:
        colours = await page.value(
            "(() => { const told = (colour) => { document.body.style.color = colour; "
            "return getComputedStyle(document.body).color.match(/[0-9]+/g).map(Number); }; "
            "return [getComputedStyle(document.body).backgroundColor, ...Object.values(STATUS_COLOURS[themeName()]), "
            "...[0, 0.25, 0.5, 0.75, 1].map(shade)].map(told); })()"
        )
        paper, *marks = [luminance(colour) for colour in colours]
        assert len(marks) == 14
        for mark in marks:
            low, high = sorted((paper, mark))
            assert (high + 0.05) / (low + 0.05) >= 3


def luminance(colour: list[int]) -> float:
    """As WCAG defines it; a contrast of 3 is what it asks of graphics."""
    linear = [each / 255 / 12.92 if each < 10.3 else ((each / 255 + 0.055) / 1.055) ** 2.4 for each in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@in_browser
async def test_no_label_is_cut_by_the_edge_and_a_folded_node_stays_where_it_is(
    searched: MakeSearched, tmp_path: Path
) -> None:
    async with opened(tmp_path, write_view(await searched("run", {"n31": "31"}, budget=20)).as_uri()) as page:
        canvas = "app.active.canvas"
        await page.value(
            "ends = [], draws = CanvasRenderingContext2D.prototype, whole = draws.fillText, draws.fillText = "
            "function (text, x, y) { ends.push(x + this.measureText(text).width); whole.call(this, text, x, y); }, 0"
        )
        for _ in range(3):
            await page.value(f"ends.length = 0, {canvas}.camera.left += 150, {canvas}.draw()")
            await page.until("ends.length")
            assert await page.value(f"Math.max(...ends) <= {canvas}.width")
        inner = await page.value("app.active.tree.children.findIndex((each, node) => node && each.length)")
        await page.press("f")
        place = await page.value(f"{canvas}.placeOf({inner})")
        await click_node(page, inner, times=2)
        assert await page.value(f"{canvas}.view.folded.has({inner})")
        assert await page.value(f"{canvas}.placeOf({inner})") == pytest.approx(place)


@in_browser
async def test_the_keyboard_stays_at_a_filter_and_in_the_pane_of_the_node(
    searched: MakeSearched, tmp_path: Path
) -> None:
    run = await searched("run", {"n8": "8", "n31": "31"}, budget=20)
    async with opened(tmp_path, write_view(run).as_uri()) as page:
        await page.value("document.querySelector('#outcomes button').focus()")
        await page.press(" ")
        assert await page.value("document.activeElement.getAttribute('aria-pressed')") == "false"
        assert "none fits" not in await text(page, "#list-count")
        await page.press(" ")
        assert await page.value("document.activeElement.getAttribute('aria-pressed')") == "true"
        await page.value("app.list.find('no such word')")
        assert await text(page, "#list-count") == "0 of 2 theorems: none fits the words and endings above"
        await page.value("document.querySelector('#details button').focus()")
        await page.press("Enter")
        assert await page.value("document.querySelector('#details').contains(document.activeElement)")


@in_browser
async def test_a_replay_does_not_change_the_address_with_each_step(searched: MakeSearched, tmp_path: Path) -> None:
    run = await searched("run", {"n8": "8", "n31": "31"}, budget=20)
    async with opened(tmp_path, f"{write_view(run).as_uri()}#t=n31") as page:
        await page.until("location.href.endsWith('#t=n31')")
        await page.value("written = [], history.replaceState = (...said) => written.push(said[2]), 0")
        await page.value("for (let step = 1; step <= 7; step++) app.active.goTo(step)")
        await page.until("written.at(-1)?.endsWith('&k=7')")
        assert len([address for address in await page.value("written") if "k=" in address]) == 1


@in_browser
async def test_everything_on_the_page_works(searched: MakeSearched, tmp_path: Path) -> None:
    run = await searched("run", {"n8": "8", "n31": "31", "n63": "63"}, budget=20)
    tree = RunView(run).tree("n31")
    async with opened(tmp_path, write_view(run).as_uri()) as page:
        assert await text(page, "#title h2") == "n8"
        assert "3 of 3 theorems" in await text(page, "#list-count")
        # The list: filters, search, keys.
        await type_into(page, "#find-theorem", "n3")
        assert "1 of 3 theorems" in await text(page, "#list-count")
        await page.press("Escape")
        await page.click_on(".theorem")
        await page.until("document.querySelector('#title h2').innerText === 'n31'")
        await page.value("app.list.find(''), app.list.mark('n31')")
        # The tree: a node, and everything that was recorded of it.
        refusing = next(node for node, tried in enumerate(tree["attempts"]) if any(each[4] for each in tried))
        await click_node(page, refusing)
        details = await text(page, "#details")
        assert f"node #{refusing}" in details
        for tactic, _, fate, _, message, _ in tree["attempts"][refusing]:
            assert tactic in details
            assert message in details
            assert {"rejected": "refused", "advanced": "led on"}.get(fate, "") in details
        # The replay, by its slider, its buttons and its keys.
        await page.press("Home")
        assert "expansion 0 of 20 · 1 node ·" in await text(page, ".replay output")
        await page.press(".", ".", ",")
        assert "expansion 1 of 20" in await text(page, ".replay output")
        await page.click_on(".replay button[title^='a step on']")
        assert "expansion 2 of 20" in await text(page, ".replay output")
        await page.value("Object.assign(app.active.slider, { value: 7 }).dispatchEvent(new Event('input'))")
        assert "expansion 7 of 20" in await text(page, ".replay output")
        await page.press(" ")
        await page.until("document.querySelector('.replay output').innerText.startsWith('expansion 20 of')")
        # The deep link says all of it; another page that is opened with it shows the same.
        await page.press("Home", ".", ".")
        await page.until(f"location.href.endsWith('#t=n31&n={tree['expansion'].index(1)}&k=2')")
        await page.press("]")
        await page.until("document.querySelector('#title h2').innerText === 'n63'")
        await page.value("history.back()")
        await page.until("document.querySelector('#title h2').innerText === 'n31'")
        assert "expansion 2 of 20" in await text(page, ".replay output")
        # Colours, filters, search in the tree, theme, help.
        for colour in await page.value("[...document.querySelectorAll('#colour option')].map((each) => each.value)"):
            await choose(page, "#colour", colour)
        for what in await page.value("[...document.querySelectorAll('#show option')].map((each) => each.value)"):
            await choose(page, "#show", what)
        await choose(page, "#show", "everything")
        await type_into(page, "#find-node", "unknown tactic")
        assert "nodes; Enter goes on" in await text(page, "#found")
        await page.press("Enter", "Enter", "Escape")
        assert await page.value("document.activeElement === document.body")
        for key in ("ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp", "f", "z", "p", "m", "m", "x", "[", "]"):
            await page.press(key)
        await page.press("t")
        assert await page.value("document.documentElement.dataset.theme") == "dark"
        await page.press("?")
        assert await page.value("document.querySelector('#help').open")
        assert "the whole tree" in await text(page, "#keys")
        await page.click_on("#help button")
        await page.value("plays = 0, app.active.play = () => { plays += 1; }, 0")
        for count, button in enumerate(("#fit", "#proof", "#theme", "#merges", ".replay input"), start=1):
            await page.click_on(button)
            await page.press(" ")
            assert await page.value("plays") == count, "space plays wherever a click was"
        asked = [url for url in page.asked if not url.startswith(("file:", "data:"))]
        assert asked == [], "the page asks nothing of a network"


@in_browser
async def test_a_link_opens_what_it_says_and_folding_hides_what_is_below(
    searched: MakeSearched, tmp_path: Path
) -> None:
    run = await searched("run", {"n8": "8", "n31": "31"}, budget=20)
    url = f"{write_view(run).as_uri()}#t=n31&n=2&k=9&c=priority&s=no+dead+ends"
    async with opened(tmp_path, url, theme="dark") as page:
        assert await text(page, "#title h2") == "n31"
        assert "expansion 9 of 20" in await text(page, ".replay output")
        assert "node #2" in await text(page, "#details")
        assert await page.value("[colour.value, show.value, document.documentElement.dataset.theme].join()") == (
            "priority,no dead ends,dark"
        )
        before = await page.value("app.active.canvas.layout.order.length")
        await click_node(page, 0, times=2)
        assert await page.value("app.active.canvas.layout.order.length") == 1 < before


@in_browser
async def test_a_link_with_words_that_name_nothing_shows_the_page(searched: MakeSearched, tmp_path: Path) -> None:
    run = await searched("turned\u202eround", {"a/b#c%d": "8"})
    async with opened(tmp_path, f"{write_view(run).as_uri()}#c=constructor&s=toString&r=__proto__&n=x") as page:
        assert await text(page, "#title h2") == "a/b#c%d"
        assert await page.value("[colour.value, show.value].join()") == "status,everything"
        assert (await text(page, "#runs")).partition(" (")[0].endswith("turned\\u202eround")
        await page.until("location.href.includes('#t=a%2Fb%23c%25d')")


@in_browser
async def test_text_from_outside_is_shown_and_does_nothing(
    searched: MakeSearched, hostile_world: ToyWorld, tmp_path: Path
) -> None:
    name = "<img src=x onerror=alert(1)>"
    run = await searched("run", {name: "start"}, world=hostile_world)
    async with opened(tmp_path, write_view(run).as_uri()) as page:
        await page.value("window.alert = () => { throw new Error('it ran') }")
        assert await text(page, "#title h2") == name
        for node in range(len(RunView(run).tree(name)["parent"])):
            await page.value(f"app.active.choose({node})")
        await page.value("app.active.choose(0)")
        details = await text(page, "#details")
        assert "</script><img src=x onerror=alert(1)>" in details
        assert "a\\u202eb\\u001b[2J" in details, "what turns text round is written out"
        assert await page.value("document.querySelectorAll('img, svg').length") == 0
        assert await page.value("document.querySelectorAll('script:not([type])').length") == 8


@in_browser
async def test_two_runs_point_at_the_same_state(searched: MakeSearched, tmp_path: Path) -> None:
    theorems = {"n8": "8", "n31": "31"}
    run = await searched("run", theorems, budget=20)
    other = await searched("other", theorems, budget=20, breadth_first=True)
    page_file = write_view(run, beside=other, output=tmp_path / "both.html")
    async with opened(tmp_path, f"{page_file.as_uri()}#t=n31") as page:
        assert await page.value("document.querySelectorAll('.canvas canvas').length") == 2
        one, two = RunView(run).tree("n31"), RunView(other).tree("n31")
        node = next(node for node, key in enumerate(one["state_key"]) if node > 3 and key in two["state_key"])
        await page.value(f"app.panes[0].choose({node})")
        twin = two["state_key"].index(one["state_key"][node])
        assert await page.value("app.panes[1].canvas.view.node") == twin
        assert "the same state in the other run" in await text(page, "#details")
        await click_node(page, 0, pane=1)
        assert await page.value("app.panes.indexOf(app.active)") == 1
        assert "proved by the first 1" in await text(page, "#outcomes")


@in_browser
async def test_a_page_that_is_served_follows_the_run(searched: MakeSearched, tmp_path: Path) -> None:
    async with ViewServer([tmp_path / "run"]) as server, opened(tmp_path, server.url) as page:
        assert "No theorem is known" in await text(page, "#title")
        await searched("run", {"n8": "8"})
        await page.until("document.querySelector('#title h2')?.innerText === 'n8'")
        await searched("run", {"n8": "8", "n31": "31"}, resume=True)
        await page.until("document.querySelector('#list-count').innerText.startsWith('2 of 2')")
        assert await text(page, "#title h2") == "n8", "what is looked at stays"
        await page.press("]")
        await page.until("document.querySelector('#title h2').innerText === 'n31'")
        assert all(url.startswith((server.url, "data:")) for url in page.asked)
        assert await text(page, "#live") == "following the run"
        await page.value("fetch = async () => { throw new TypeError('Failed to fetch'); }, 0")
        await page.until("live.innerText.includes('has ended or does not answer')")
        assert await page.value("live.className") == "bad"


@in_browser
async def test_a_page_that_is_served_shows_a_tree_as_it_grows(
    searched: MakeSearched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_trees, "_TICK_S", 0.05)
    policy = GatedPolicy(ToyWorld.countdown(64), 3)
    async with ViewServer([tmp_path / "run"]) as server, opened(tmp_path, server.url) as page:
        running = asyncio.ensure_future(searched("run", {"n31": "31"}, policy=policy))
        await page.until("document.querySelector('#title h2')?.innerText === 'n31'")
        await page.until("app.active.tree.steps === 4")
        assert "searching" in await text(page, ".pane p")
        assert await text(page, "#outcomes") == "searching 1"
        await page.value("app.active.choose(2)")
        await page.press("z")
        policy.allow(2)
        await page.until("app.active.tree.steps === 6")
        assert "node #2" in await text(page, "#details"), "what is looked at stays"
        assert await page.value("app.active.canvas.isFitted") is False
        assert "expansion 6 of 6" in await text(page, ".replay output"), "whoever looks at the end follows it"
        await page.press(",", ",")
        policy.allow()
        await page.until("document.querySelector('#outcomes').innerText === 'proved 1'")
        assert "expansion 4 of" in await text(page, ".replay output"), "whoever looks back is left there"
        assert await running == tmp_path / "run"


@in_browser
async def test_a_result_in_a_notebook_is_drawn_by_the_same_page(tmp_path: Path, hostile_world: ToyWorld) -> None:
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(hostile_world),
        environment=hostile_world,
        certifier=ToyCertifier(hostile_world),
    )
    result = await search.run(Theorem(name="<i>", statement="start"))
    cell = result._repr_html_()
    assert "<i>" not in cell
    framed = re.search(r'srcdoc="([^"]*)"', cell)
    assert framed is not None
    (tmp_path / "frame.html").write_text(html.unescape(framed[1]), encoding="utf-8")
    async with opened(tmp_path, (tmp_path / "frame.html").as_uri()) as page:
        assert await text(page, "#title h2") == "<i>"
        assert await page.value("app.active.tree.size") == len(result.nodes)
        await page.press("p")
        assert "on the certified proof" in await text(page, "#details")
        assert await page.value("getComputedStyle(document.querySelector('#list')).display") == "none"
