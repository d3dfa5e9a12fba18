// Serve the REPL from the WebAssembly build of Lean, on one thread, over standard input and output.
//
//   node --stack-size=… launch.js SCRIPT REPL_MODULE IMPORT…
//
// SCRIPT is the build's glue code as our installer patched it. LEAN_PATH names the folders that hold the
// library's and the REPL's .olean files. What is done here and why:
//
// * `main` is not run. Lean's own entry point imports modules on a second thread, where every file access
//   is proxied to the first one: 12 s where this takes 1. So the runtime is brought up by hand.
// * The stack moves to a region of its own: the default one is overrun by deep recursion, and an overrun
//   kills the process instead of raising "maximum recursion depth".
// * Standard input blocks, and reports "nothing more for now" after each chunk, so that a line is handed
//   over as soon as it is complete.
// * Only lines of the protocol reach standard output. The build prints debugging lines of its own.
// * There is no second thread to interrupt a tactic that runs too long, so a worker thread of Node
//   watches the clock and sets the cancel token in the shared memory.
"use strict";
const fs = require("fs");
const path = require("path");
const { Worker } = require("worker_threads");

const [, , script, replModule, ...imports] = process.argv;
const STACK_BYTES = 128 << 20;

// --- standard streams ---------------------------------------------------------------------------

/** Block until `use` succeeds: a pipe set to non-blocking by its other end answers EAGAIN. */
function retrying(use) {
  const nap = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      return use();
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(nap, 0, 0, 1);
    }
  }
}

function writeAll(fd, bytes) {
  for (let start = 0; start < bytes.length; ) {
    start += retrying(() => fs.writeSync(fd, bytes, start));
  }
}

function byteReader() {
  const chunk = Buffer.alloc(1 << 16);
  let filled = 0;
  let next = 0;
  let owesPause = false;
  return () => {
    if (next < filled) return chunk[next++];
    if (owesPause) {
      owesPause = false;
      return null; // end of what was at hand: lets getLine return
    }
    filled = retrying(() => {
      try {
        return fs.readSync(0, chunk, 0, chunk.length);
      } catch (error) {
        if (error.code === "EOF") return 0;
        throw error;
      }
    });
    next = 0;
    if (filled === 0) return null;
    owesPause = true;
    return chunk[next++];
  };
}

/** A byte sink that hands over whole lines. */
function lineWriter(onLine) {
  let line = [];
  return (byte) => {
    if (byte === null || byte === 10) {
      if (line.length > 0) onLine(Buffer.from(line));
      line = [];
    } else {
      line.push(byte);
    }
  };
}

const NEWLINE = Buffer.from("\n");

function onStdoutLine(line) {
  const isProtocol = line[0] === 0x7b || line.equals(Buffer.from("ready.")); // 0x7b is {
  if (isProtocol) writeAll(1, Buffer.concat([line, NEWLINE]));
  else onStderrLine(line);
}

function onStderrLine(line) {
  const text = line.toString();
  if (text.startsWith("leanebm:")) watchdog.obey(text.slice("leanebm:".length));
  else if (!text.startsWith("[DEBUG")) writeAll(2, Buffer.concat([line, NEWLINE]));
}

// --- the watchdog -------------------------------------------------------------------------------

// One shared word says what is going on: an even number means idle, an odd one armed, its negative that
// the watchdog is writing right now. Disarming waits for a write under way, so that the token is never
// touched after Lean has let go of it.
const watchdogThread = `
  const { workerData } = require("worker_threads");
  const { control, memory } = workerData;
  const BOXED_TRUE = 3, VALUE_OFFSET = 8;
  for (;;) {
    const turn = Atomics.load(control, 0);
    if (turn % 2 === 0) { Atomics.wait(control, 0, turn); continue; }
    const verdict = Atomics.wait(control, 0, turn, control[1]);
    if (verdict !== "timed-out" || Atomics.compareExchange(control, 0, turn, -turn) !== turn) continue;
    Atomics.store(new Int32Array(memory.buffer), (control[2] + VALUE_OFFSET) >> 2, BOXED_TRUE);
    Atomics.store(control, 0, turn + 1);
    Atomics.notify(control, 0);
  }`;

const watchdog = {
  control: new Int32Array(new SharedArrayBuffer(12)),
  thread: null,
  memory: null,
  obey(order) {
    const [verb, timeoutMs, address] = order.split(" ");
    if (verb === "arm") this.arm(Number(timeoutMs), Number(address));
    else if (verb === "disarm") this.disarm();
  },
  arm(timeoutMs, address) {
    if (this.thread === null) {
      const workerData = { control: this.control, memory: this.memory };
      this.thread = new Worker(watchdogThread, { eval: true, workerData });
      this.thread.unref();
    }
    this.control[1] = timeoutMs;
    this.control[2] = address;
    Atomics.add(this.control, 0, 1);
    Atomics.notify(this.control, 0);
  },
  disarm() {
    const turn = Math.abs(Atomics.load(this.control, 0));
    if (turn % 2 === 0) return; // it fired, and is idle again
    if (Atomics.compareExchange(this.control, 0, turn, turn + 1) === turn) {
      Atomics.notify(this.control, 0);
      return;
    }
    while (Atomics.load(this.control, 0) === -turn) Atomics.wait(this.control, 0, -turn);
  },
};

// --- Lean objects -------------------------------------------------------------------------------

/** Objects of the one pinned build; the installer checks the package's hash before anything runs. */
function objects(M) {
  const memory = M.leanInternals;
  const CONSTRUCTOR_HEADER = 8;
  const box = (n) => (n << 1) | 1;
  const constructor = (tag, fields, scalarBytes = []) => {
    const size = (CONSTRUCTOR_HEADER + 4 * fields.length + scalarBytes.length + 7) & ~7;
    const object = M._lean_alloc_object(size);
    const words = memory.HEAPU32();
    const bytes = memory.HEAPU8();
    words[object >> 2] = 1; // reference count
    bytes.set([size, 0, fields.length, tag], object + 4);
    fields.forEach((field, i) => (words[((object + CONSTRUCTOR_HEADER) >> 2) + i] = field));
    bytes.fill(0, object + CONSTRUCTOR_HEADER + 4 * fields.length, object + size);
    bytes.set(scalarBytes, object + CONSTRUCTOR_HEADER + 4 * fields.length);
    return object;
  };
  const string = (text) => {
    const utf8 = Buffer.from(text, "utf8");
    const start = M._malloc(utf8.length + 1);
    memory.HEAPU8().set(utf8, start);
    memory.HEAPU8()[start + utf8.length] = 0;
    const object = M._lean_mk_string(start);
    M._free(start);
    return object;
  };
  const list = (items) => items.reduceRight((tail, item) => constructor(1, [item, tail]), box(0));
  const array = (items) => {
    const fromList = M._lean_list_to_array;
    return fromList ? fromList(box(0), list(items)) : M._lean_array_mk(list(items));
  };
  // structure Import: module name, then three flags (importAll, isExported, isMeta).
  const importOf = (name) => constructor(0, [M._l_String_toName(string(name))], [0, 1, 0]);
  const isError = (result) => memory.HEAPU8()[result + 7] !== 0;
  const valueOf = (result) => memory.HEAPU32()[(result + CONSTRUCTOR_HEADER) >> 2];
  return { box, string, list, array, importOf, isError, valueOf };
}

/** The build's functions take trailing arguments that differ between Lean versions; fill them with unit. */
function call(name, f, args, expected, unit) {
  if (f.length !== expected) fail(`${name} takes ${f.length} arguments, not ${expected}: another build of Lean`);
  return f(...args, ...Array(Math.max(0, expected - args.length)).fill(unit));
}

function fail(message) {
  writeAll(2, Buffer.from(`leanebm: ${message}\n`));
  process.exit(3);
}

// --- bringing Lean up ---------------------------------------------------------------------------

function moveStack(M) {
  const low = M._malloc(STACK_BYTES);
  if (low === 0) fail("no memory for the stack");
  const high = (low + STACK_BYTES - 16) & ~15;
  M._emscripten_stack_set_limits(high, low);
  M.leanInternals.stackRestore(high);
}

function importRepl(M, lean) {
  const TRUST_LEVEL = 0;
  const KEEP_ENVIRONMENT = 0;
  const LOAD_EXTENSIONS = 1;
  const PRIVATE_LEVEL = 2;
  const noOptions = lean.box(0);
  const noPlugins = lean.array([]);
  const noArtifacts = lean.box(1); // the empty tree is its second constructor
  const args = [lean.array([lean.importOf(replModule)]), noOptions, TRUST_LEVEL, noPlugins,
    KEEP_ENVIRONMENT, LOAD_EXTENSIONS, PRIVATE_LEVEL, noArtifacts];
  const result = call("importModules", M._l_Lean_importModules, args, 8, lean.box(0));
  if (lean.isError(result)) {
    M._lean_io_result_show_error(result);
    fail(`cannot import the compiled REPL ${replModule}; LEAN_PATH is ${process.env.LEAN_PATH}`);
  }
  return lean.valueOf(result);
}

function serve() {
  const M = globalThis.leanModule;
  watchdog.memory = M.leanInternals.memory();
  moveStack(M);
  M.leanInternals.mount(mountPoints());
  const lean = objects(M);
  M._lean_initialize();
  M._lean_init_search_path();
  M._lean_enable_initializer_execution();
  M._lean_init_task_manager_using(1);
  M._lean_io_mark_end_initialization();
  const env = importRepl(M, lean);
  const args = lean.list(["--embedded", ...imports].map(lean.string));
  const status = call("runMain", M._lean_run_main, [env, lean.box(0), args], 3, lean.box(0));
  process.exit(status);
}

/** Top folders of the host that hold something Lean must read. */
function mountPoints() {
  const folders = [process.cwd(), ...(process.env.LEAN_PATH ?? "").split(path.delimiter)];
  const tops = folders.filter(Boolean).map((folder) => "/" + path.resolve(folder).split(path.sep)[1]);
  return [...new Set(tops)];
}

console.log = () => {};
globalThis.leanModule = {
  noInitialRun: true,
  arguments: [],
  stdin: byteReader(),
  stdout: lineWriter(onStdoutLine),
  stderr: lineWriter(onStderrLine),
  locateFile: (name) => path.join(path.dirname(script), name),
  onRuntimeInitialized: serve,
};
process.argv = [process.argv[0], script];
require(script);
