from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import leanebm
from leanebm._viewer import TREE_COLUMNS, as_json, asset, notebook_frame, short_key, viewer_page
from leanebm.errors import LeanEbmError
from leanebm.lean.embedded.node import find_node

ASSETS = Path(leanebm.__file__).parent / "_viewer_page"

RUN = {"name": "</script><b>", "about": "", "notes": [], "theorems": []}


def block(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/octet-stream" id="{name}">([^<]*)</script>', page)
    assert found is not None
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def test_text_in_the_data_is_no_markup() -> None:
    tree = {column: ["</script><script>alert(1)</script>"] for column in TREE_COLUMNS}
    page = viewer_page([RUN], [("tree-0-0", tree)])
    assert "alert(1)" not in page
    assert block(page, "index") == [RUN]
    assert block(page, "tree-0-0") == tree


@pytest.mark.parametrize("mode", ["file", "served"])
def test_only_our_scripts_may_run_and_only_a_served_page_asks_anyone(mode: Any) -> None:
    page = viewer_page([RUN], [], mode=mode)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    directives = dict(each.strip().split(" ", 1) for each in policy[1].split(";"))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts]
    assert len(scripts) == 8
    assert directives["script-src"].split() == hashes
    assert directives["default-src"] == "'none'"
    assert "unsafe" not in policy[1]
    assert directives.get("connect-src") == ("'self'" if mode == "served" else None)
    assert not re.findall(r'(?:src|href)="?(?!data:)[a-z]+:', page.replace(scripts[0], ""))


def test_no_script_of_ours_makes_markup_of_text() -> None:
    for script in ASSETS.glob("*.js"):
        code = script.read_text(encoding="utf-8")
        assert not re.findall(
            r"\.(innerHTML|outerHTML)\b|insertAdjacentHTML|document\.write|\beval\(|new Function", code
        )


def test_what_json_has_no_word_for_becomes_text() -> None:
    assert json.loads(as_json({"a": [1.5, float("-inf")], "b": (float("nan"),)})) == {"a": [1.5, "-inf"], "b": ["nan"]}
    assert as_json("⊢ \ud800") == '"\\u22a2 \\ud800"'
    assert len({short_key("a"), short_key("b"), short_key("\ud800")}) == 3


def test_a_notebook_gets_a_frame_or_nothing() -> None:
    run = RUN | {"theorems": [{"id": "tree-0-0"}]}
    small = notebook_frame(run, {"parent": [-1]})
    assert small.startswith('<iframe sandbox="allow-scripts" srcdoc="&lt;!doctype html&gt;')
    assert "<script" not in small
    noise = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(200_000)]
    assert notebook_frame(run, {"state_text": noise}) == ""


def test_the_drawing_library_is_the_pinned_one() -> None:
    folder = ASSETS / "d3-hierarchy"
    pin = tomllib.loads((folder / "pin.toml").read_text(encoding="utf-8"))
    content = (folder / Path(pin["file"]).name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == pin["sha256"]
    assert f"v{pin['version']} ".encode() in content
    assert "Permission to use, copy, modify" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_the_repository_names_the_same_pin() -> None:
    vendored = Path(__file__).parents[1] / "vendor" / "d3-hierarchy.toml"
    assert vendored.read_text(encoding="utf-8") == (ASSETS / "d3-hierarchy" / "pin.toml").read_text(encoding="utf-8")


def in_node(code: str) -> Any:
    """What ``code`` makes of the page's functions that need no document, in a real Node."""
    try:
        node = find_node().executable
    except LeanEbmError as error:
        pytest.skip(f"there is no Node: {error}")
    names = ("d3-hierarchy/d3-hierarchy.min.js", "model.js", "layout.js")
    # In a page d3 makes itself a global; Node would take it for a module.
    script = "\n".join(["const module = undefined, exports = undefined;", *map(asset, names), code])
    done = subprocess.run([node, "-"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


TREE = """
const columns = (rows) => ({
  parent: rows.map((r) => r.parent), expansion: rows.map((r) => r.expansion ?? -1),
  attempts: rows.map((r) => r.tried ?? []), status: rows.map((r) => r.status ?? 'open'),
  depth: rows.map((r) => r.depth ?? 0), found_s: rows.map((r, n) => n / 10), tactic: rows.map(() => null),
  on_proof_path: rows.map((r) => r.proof ?? false), state_text: rows.map((r) => r.state ?? ''),
  state_key: rows.map((r, n) => `k${n}`), energy: rows.map(() => null), priority: rows.map(() => null),
});
const went = (target, fate = 'advanced') => ['simp', -1, fate, target, 'its words', 0.1];
const refused = (words) => ['omega', -2, 'rejected', -1, words, 0];
const tree = new SearchTree(columns([
  { parent: -1, expansion: 0, status: 'expanded', proof: true, tried: [went(1), went(2), refused('Omega FAILED')] },
  { parent: 2, depth: 2, expansion: 2, status: 'dead', tried: [refused('')] },
  { parent: 0, depth: 1, expansion: 1, status: 'expanded', proof: true,
    tried: [went(1, 'merged'), went(3, 'finished'), went(0, 'cyclic')] },
  { parent: 2, depth: 2, status: 'proved', proof: true, state: '' },
  { parent: 2, depth: 2 },
]));
const say = (value) => console.log(JSON.stringify(value));
"""


def test_the_replay_tells_what_was_known_after_each_expansion() -> None:
    told = in_node(TREE + """
    say({
      figures: [0, 1, 2, 3].map((step) => tree.figuresAt(step)),
      known: [0, 1, 2, 3].map((step) => [0, 1, 2, 3, 4].filter((node) => tree.isKnown(node, step))),
      then: [tree.statusAt(1, 2), tree.statusAt(1, 3), tree.statusAt(2, 1), tree.statusAt(3, 2)],
      from: tree.foundFrom[1], moved: [tree.wasMoved(1), tree.wasMoved(2)], untold: tree.untold,
      path: tree.path(1), proof: tree.proof, fates: tree.fates(2), steps: tree.steps,
    });""")  # fmt: skip
    assert [[each[name] for name in ("nodes", "open", "calls")] for each in told["figures"]] == [
        [1, 1, 0],
        [3, 2, 3],
        [5, 2, 6],
        [5, 1, 7],
    ]
    assert told["known"] == [[0], [0, 1, 2], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert told["then"] == ["open", "dead", "open", "proved"]
    assert (told["from"], told["moved"], told["untold"]) == (0, [True, False], 1)
    assert (told["path"], told["proof"]) == ([0, 2, 1], [0, 2, 3])
    assert told["fates"] == {"merged": 1, "finished": 1, "cyclic": 1}
    assert told["steps"] == 3


def test_nodes_are_found_by_what_lean_said_and_by_number() -> None:
    told = in_node(
        TREE + "say([tree.find('omega failed'), tree.find('#3'), tree.find(''), tree.withKey('k2'), tree.withKey('')]);"
    )
    assert told == [[0], [3], [], 2, -1]


def test_what_is_hidden_takes_its_subtree_along_and_what_is_folded_stays() -> None:
    told = in_node(TREE + """
    const rows = (options) => laidOut(tree, options).order.toSorted();
    const hidden = Object.values(HIDING).map((hides) => rows({ hides }));
    say([rows({}), rows({ folded: new Set([2]) }), ...hidden]);""")  # fmt: skip
    everything = [0, 1, 2, 3, 4]
    assert told[:3] == [everything, [0, 2], everything]
    assert told[3:] == [[0, 2, 3, 4], [0, 1, 2, 3], everything, [0, 2, 3]]


def test_a_large_tree_fits_and_zooming_keeps_what_is_pointed_at() -> None:
    told = in_node(TREE + """
    const rows = [{ parent: -1, expansion: 0 }];
    for (let n = 1; n < 1000; n++) rows.push({ parent: n - 1, depth: n });
    for (let n = 1000; n < 5000; n++) rows.push({ parent: n % 1000, depth: (n % 1000) + 1 });
    const large = new SearchTree(columns(rows));
    const layout = laidOut(large);
    const camera = new Camera();
    camera.fit(layout, 800, 600);
    const corners = [camera.x(0), camera.x(layout.depth), camera.y(0), camera.y(layout.rows)];
    const before = [(400 - camera.left) / camera.column, (300 - camera.top) / camera.row];
    camera.zoom(8, 400, 300);
    const after = [(400 - camera.left) / camera.column, (300 - camera.top) / camera.row];
    const places = new Set(layout.order.map((node) => `${large.depth[node]}:${layout.row[node].toFixed(3)}`));
    say({ corners, before, after, apart: places.size, column: camera.column });""")  # fmt: skip
    assert told["corners"][2] >= 0
    assert told["corners"][3] <= 600
    assert told["before"] == pytest.approx(told["after"])
    assert told["apart"] == 5000, "no two nodes stand in one place"


def test_theorems_are_filtered_sorted_and_paired() -> None:
    told = in_node("""{
    const record = (name, outcome, nodes) => (
      { name, outcome, nodes, expansions: nodes, tactic_calls: 1, wall_s: nodes / 2, statement: `${name} = 1` });
    const one = { theorems: [record('b', 'proved', 5), record('a', 'exhausted', 20), record('c', 'proved', 7)] };
    const two = { theorems: [record('b', 'exhausted', 9), record('a', 'exhausted', 20)] };
    const list = (runs, text, sort = 'name', left = []) =>
      chosen(paired(runs), { text, sort, groups: new Set(left) }).map((entry) => entry.name).join('');
    console.log(JSON.stringify([
      list([one], ''), list([one], '', 'order of search'), list([one], '', 'nodes'), list([one], 'nodes>5 seconds<10'),
      list([one], 'C'), list([one], '', 'name', ['proved']), list([one, two], '', 'name', ['only in one run']),
      paired([one, two]).map(groupOf), readHash(writeHash({ t: 'a&n=1 #', n: 3, k: null })),
      [shown('a\\u202eb\\u001b'), oneLine('a\\n b', 80), oneLine('x'.repeat(9), 5)],
      [figure(null), figure(0.5), figure('-inf'), figure(12345), figure(-0)],
    ]));}""")  # fmt: skip
    assert told[:7] == ["abc", "bac", "acb", "c", "c", "a", "ab"]
    assert told[7] == ["proved by the first", "proved by neither", "only in one run"]
    assert told[8] == {"t": "a&n=1 #", "n": "3"}
    assert told[9] == ["a\\u202eb\\u001b", "a b", "xxxx…"]
    assert told[10] == ["–", "0.500", "-inf", "12,345", "0"]
