"""Rewriting the package's ``lean.js`` so that a worker starts in seconds.

The script that Emscripten generated is 89 MB long. All but 0.7 MB is one declaration and one
assignment for each of 201 109 exported functions (``_x=Module["_x"]=wasmExports["x"];``), of which
the script itself uses 49. Parsing that took most of the start, and again in every thread. What is done:

* only the exports that the script uses keep their variables; ours are taken from ``wasmExports``;
* ``dlsym`` scanned the list of exports at each look-up, and put what it found into the function table, in each thread
  one by one; now everything has its place there, and ``lean.symbols`` says which (see :mod:`._lean_wasm`);
* every export was given a slot in the function table in case somebody asks for it by name, and every function
  in the table an object, to know it again; now only what the module imports by address gets a slot, and
  it exports nothing of that;
* the number of threads waiting in the pool, and the standard streams, are read from
  ``globalThis.leanModule``, so that one file serves the worker (no thread) and the compiler (one).

Each place that is touched must be there exactly once. Anything else is another build, and is refused.
"""

from __future__ import annotations

import re
from typing import Final

from leanebm.errors import LeanInstallError

_IDENTIFIER: Final = r"[A-Za-z_$][\w$]*"

_EXPORTS_START: Final = re.compile(
    rf"var (?:{_IDENTIFIER},)*wasmTable;function assignWasmExports\(wasmExports\)\{{", re.ASCII
)

_EXPORT: Final = re.compile(
    rf'({_IDENTIFIER})=Module\["{_IDENTIFIER}"\]=(?:wasmTable=)?wasmExports\["[^"]+"\](?:\.value)?;?', re.ASCII
)

_HOOKS: Final = (
    'var leanSymbols=require("./symbols.js");'
    "Module.leanInternals=()=>({exports:wasmExports,table:wasmTable,memory:wasmMemory,FS,NODEFS,ENV});"
)
"""``repl/symbols.js``, which the installer puts beside the script, and what ``repl/runtime.js`` needs."""

_PATCHES: Final = (
    (
        'var Module=typeof Module!="undefined"?Module:{};',
        f"var Module=globalThis.leanModule??{{threads:1}};{_HOOKS}",  # a pooled thread is given no settings
    ),
    (
        "var pthreadPoolSize=4;",
        "var pthreadPoolSize=Module.threads;",
    ),
    (
        "newSymIndex=Object.keys(lib.exports).indexOf(symbol);",
        "return leanSymbols.address(symbol);",
    ),
    (
        "functionsInTableMap=new WeakMap;updateTableMap(0,wasmTable.length)",
        "functionsInTableMap=new WeakMap",
    ),
    (
        "for(var symName in exports){if(isInternalSym(symName)){continue}",
        "for(var symName in exports){if(!(symName in GOT)||isInternalSym(symName)){continue}",
    ),
)


def patch_lean_script(source: str) -> str:
    """``source`` rewritten, some hundred times shorter.

    Raises:
        LeanInstallError: this is not the build we know.
    """
    script = _keep_used_exports(source)
    for site, replacement in _PATCHES:
        _require_one(script.count(site), site)
        script = script.replace(site, replacement)
    return script


def _keep_used_exports(source: str) -> str:
    starts = list(_EXPORTS_START.finditer(source))
    _require_one(len(starts), "assignWasmExports")
    start = starts[0]
    exports = []
    end = start.end()
    while export := _EXPORT.match(source, end):
        exports.append(export)
        end = export.end()
    if not exports or not source.startswith("}", end):
        raise _unknown_build("assignWasmExports does something else than assigning exports")
    before, after = source[: start.start()], source[end:]
    used = set(re.findall(_IDENTIFIER, before, re.ASCII)).union(re.findall(_IDENTIFIER, after, re.ASCII))
    kept = [export for export in exports if export[1] in used]
    names = "".join(f"{export[1]}," for export in kept)
    assignments = "".join(f"{export[0].rstrip(';')};" for export in kept)
    return f"{before}var {names}wasmTable;function assignWasmExports(wasmExports){{{assignments}{after}"


def _require_one(count: int, site: str) -> None:
    if count != 1:
        raise _unknown_build(f"{site!r} is found {count} times")


def _unknown_build(detail: str) -> LeanInstallError:
    return LeanInstallError(
        f"the package's lean.js is not the build that leanebm knows how to start ({detail}). "
        "This should not happen with the pinned package: please report it."
    )
