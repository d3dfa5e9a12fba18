'use strict';
/**
 * Boots the pinned WebAssembly build of Lean in this Node process and speaks its C interface.
 *
 * Theory of operation. `lean.js` (patched by `leanebm.lean.embedded`) takes its settings from
 * `globalThis.leanModule` and hands back what we need as `leanModule.leanInternals()`. `main` is
 * never run: it would start threads, and a thread has to ask the main thread for every system call,
 * which makes `import Lean` take 15 s instead of one. We call the exported functions ourselves.
 *
 * Everything below the public class is the ABI of one pinned build: object headers are eight bytes
 * (reference count, size, number of object fields, constructor tag), pointers four, and a small
 * number n is boxed as 2n + 1. Arities are compared before anything is called, so another build is
 * refused, not crashed.
 */

const fs = require('node:fs');
const path = require('node:path');
const workerThreads = require('node:worker_threads');

/** Lean's own stack in linear memory; the build's default of a few MB is overrun by `repeat skip`. */
const LEAN_STACK_BYTES = 128 << 20;
/** Native stack of a pooled thread: more than the 8 MB of linear stack that Lean gives it can use up. */
const THREAD_STACK_MB = 64;
const NEWLINE = 0x0a;
const NOISE = Buffer.from('[DEBUG:');
const INDENTATION = Buffer.from('  ');
const READ_ONLY_FILE_SYSTEM = 69; // EROFS, as Emscripten numbers it
const IMAGE_HEADER_BYTES = 4096;
const WASM_PAGE_BYTES = 1 << 16;

const ARITIES = {
  l_Lean_Elab_process: 4,
  l_Lean_MessageLog_hasErrors: 1,
  l_Lean_MessageLog_toList: 1,
  l_Lean_Message_toString: 2,
  l_Lean_importModules: 8,
  lean_initialize: 0,
  lean_init_search_path: 0,
  lean_init_task_manager_using: 1,
  lean_run_main: 3,
};

const never = new Int32Array(new SharedArrayBuffer(4));

/** Repeats a system call while a non-blocking descriptor (a parent may have set one) has nothing for us. */
function untilReady(call) {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(never, 0, 0, 1);
    }
  }
}

/**
 * Standard input as `read` has it: what there is, at most `length` bytes, and none only at the end of the file.
 * (Emscripten's own way, a byte at a time, cannot tell the end of a line from the end of the file where a line
 * ends together with the reader's buffer.)
 */
function inputReader(fd) {
  const buffer = Buffer.alloc(1 << 16);
  let position = 0;
  let end = 0;
  return (_stream, memory, offset, length) => {
    if (length > 0 && position === end) {
      position = 0;
      end = untilReady(() => fs.readSync(fd, buffer, 0, buffer.length));
    }
    const bytes = buffer.subarray(position, Math.min(end, position + length));
    memory.set(bytes, offset);
    position += bytes.length;
    return bytes.length;
  };
}

/** Writes all of `bytes`, however often the pipe is full. */
function writeAll(fd, bytes) {
  for (let start = 0; start < bytes.length; ) {
    start += untilReady(() => fs.writeSync(fd, bytes, start));
  }
}

/** Fills `bytes` with what comes next in a file. */
function readAll(fd, bytes) {
  for (let start = 0; start < bytes.length; ) {
    const count = fs.readSync(fd, bytes, start, bytes.length - start, null);
    if (count === 0) throw new Error('it ends too early');
    start += count;
  }
}

function startsWith(bytes, prefix) {
  return bytes.subarray(0, prefix.length).equals(prefix);
}

/**
 * An output stream, a byte at a time, handed on line by line (with the line's end). The build's
 * debugging lines, and the indented ones that continue them, are dropped.
 */
function lineWriter(onLine) {
  let buffer = Buffer.alloc(1 << 16);
  let length = 0;
  let isNoise = false;
  return (byte) => {
    if (length === buffer.length) buffer = Buffer.concat([buffer], 2 * length);
    buffer[length++] = byte;
    if (byte !== NEWLINE) return;
    const line = buffer.subarray(0, length);
    length = 0;
    isNoise = startsWith(line, isNoise ? INDENTATION : NOISE) || startsWith(line, NOISE);
    if (!isNoise) onLine(line);
  };
}

/** Lean, ready to be called. Every number passed around here is a pointer to (or a boxed) Lean object. */
class Lean {
  #internals;
  #symbols;
  #stack;

  constructor(internals, symbols) {
    this.#internals = internals;
    this.#symbols = symbols;
    const functions = {};
    this.exports = new Proxy(functions, { get: (_, name) => (functions[name] ??= this.#function(name)) });
    this.memory = internals.memory;
    for (const [name, arity] of Object.entries(ARITIES)) {
      const found = this.exports[name]?.length;
      if (found !== arity) throw new Error(`not the pinned build of Lean: ${name} takes ${found} arguments, not ${arity}`);
    }
  }

  /** Gives the main thread a deep stack, shows Lean the host's folders, and runs its initialisers. */
  initialize({ readOnly, writable = [], leanPath }) {
    const { exports } = this;
    const { ENV } = this.#internals;
    const bottom = exports.malloc(LEAN_STACK_BYTES);
    this.#useStack({ bottom, top: (bottom + LEAN_STACK_BYTES - 16) & ~15 });
    ENV.LEAN_PATH = leanPath.join(':');
    this.#show(readOnly, writable);
    exports.lean_initialize();
    this.#value(exports.lean_init_search_path(), 'setting the search path');
    exports.lean_enable_initializer_execution();
    exports.lean_init_task_manager_using(1);
    exports.lean_io_mark_end_initialization();
  }

  /** The environment that holds `modules` and all they import. */
  importModules(modules) {
    const exportedOnly = [0, 1, 0]; // importAll, isExported, isMeta
    const imports = modules.map((module) => this.#object(0, [this.name(module)], exportedOnly));
    const result = this.exports.l_Lean_importModules(
      this.array(imports), this.noOptions(), 0 /* trust nothing */, this.array([]) /* plugins */,
      0 /* do not leak */, 1 /* load extensions */, 2 /* private level */, this.box(1) /* no artifacts */);
    return this.#value(result, `importing ${modules.join(', ')}`);
  }

  /**
   * Writes down Lean's memory, for `restore`; `kept` are the objects that whoever restores it will ask for. Not all of Lean's
   * state is there, but the rest (globals, the function table, what the script knows) is as every start makes it, as long as no
   * thread was started and no file is open. The stack is left out: nothing is on it between two calls.
   */
  writeImage(file, kept) {
    const { bottom, top } = this.#stack;
    const bytes = Buffer.from(this.#internals.memory.buffer);
    const header = Buffer.alloc(IMAGE_HEADER_BYTES, ' ');
    header.write(JSON.stringify({ bottom, top, end: bytes.length, kept }));
    const fd = fs.openSync(file, 'wx');
    for (const part of [header, bytes.subarray(0, bottom), bytes.subarray(top)]) writeAll(fd, part);
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  }

  /** Goes on where the process was that wrote the image, instead of `initialize`; returns what was kept. */
  restore(file, { readOnly }) {
    try {
      return this.#restore(file, readOnly);
    } catch (error) {
      throw new Error(`${file} cannot be used (${error.message}): remove its folder, and it is prepared anew`);
    }
  }

  #restore(file, readOnly) {
    const { memory } = this.#internals;
    const fd = fs.openSync(file, 'r');
    const header = Buffer.alloc(IMAGE_HEADER_BYTES);
    readAll(fd, header);
    const { bottom, top, end, kept } = JSON.parse(header.toString());
    memory.grow((end - memory.buffer.byteLength) / WASM_PAGE_BYTES);
    readAll(fd, this.#bytes().subarray(0, bottom));
    readAll(fd, this.#bytes().subarray(top, end));
    fs.closeSync(fd);
    this.#useStack({ bottom, top });
    this.#show(readOnly);
    return kept;
  }

  /** Elaborates commands on top of an environment (which it consumes); returns the new one. */
  elaborate(text, environment) {
    const fileName = this.box(0); // none
    const result = this.exports.l_Lean_Elab_process(this.string(text), environment, this.noOptions(), fileName);
    const pair = this.#value(result, 'elaborating');
    const messages = this.#field(pair, 1);
    if (this.exports.l_Lean_MessageLog_hasErrors(messages)) throw new Error(this.#messageTexts(messages).join(''));
    return this.#field(pair, 0);
  }

  /** Interprets the environment's `main`; returns its exit status. */
  runMain(environment, args) {
    return this.exports.lean_run_main(environment, this.noOptions(), this.strings(args));
  }

  /** Runs the environment's function `name`, an `IO` action of at least one argument; returns its value. */
  call(environment, name, args) {
    const found = this.exports.lean_eval_const(environment, this.noOptions(), this.name(name));
    if (this.#bytes()[found + 7] !== 1) throw new Error(`the program has no ${name}`);
    const apply = this.exports[`lean_apply_${args.length + 1}`];
    return this.#value(apply(this.#field(found, 0), ...args, this.box(0)), `running ${name}`);
  }

  strings(texts) {
    return this.list(texts.map((text) => this.string(text)));
  }

  box(number) {
    return (number << 1) | 1;
  }

  string(text) {
    const bytes = Buffer.from(`${text}\0`, 'utf8');
    const pointer = this.exports.malloc(bytes.length);
    this.#bytes().set(bytes, pointer);
    const string = this.exports.lean_mk_string(pointer);
    this.exports.free(pointer);
    return string;
  }

  name(text) {
    return this.exports.l_String_toName(this.string(text));
  }

  list(items) {
    return items.reduceRight((tail, head) => this.#object(1, [head, tail]), this.box(0));
  }

  array(items) {
    return this.exports.lean_array_mk(this.list(items));
  }

  #bytes() {
    return new Uint8Array(this.#internals.memory.buffer); // asked for anew: memory that grew has a new buffer
  }

  #words() {
    return new Uint32Array(this.#internals.memory.buffer);
  }

  noOptions() {
    return this.#words()[this.#symbols.address('l_Lean_Options_empty') >> 2];
  }

  /** A function of the script's own is exported, one of Lean's has a place in the table. */
  #function(name) {
    return this.#internals.exports[name] ?? this.#internals.table.get(this.#symbols.address(name));
  }

  /** A constructor object with fields that are objects and, after them, bytes. */
  #object(tag, fields, scalars = []) {
    const size = (8 + 4 * fields.length + scalars.length + 7) & ~7;
    const object = this.exports.lean_alloc_object(size);
    const words = this.#words();
    words[object >> 2] = 1;
    this.#bytes().set([size, 0, fields.length, tag], object + 4);
    words.set(fields, (object + 8) >> 2);
    this.#bytes().set(scalars, object + 8 + 4 * fields.length);
    return object;
  }

  #field(object, index) {
    return this.#words()[(object + 8 + 4 * index) >> 2];
  }

  /** The value of an `IO` result; an error is shown on standard error and ends the process. */
  #value(result, doing) {
    if (this.#bytes()[result + 7] !== 0) {
      this.exports.lean_io_result_show_error(result);
      throw new Error(`Lean failed while ${doing}`);
    }
    return this.#field(result, 0);
  }

  #messageTexts(log) {
    const texts = [];
    for (let list = this.exports.l_Lean_MessageLog_toList(log); list !== this.box(0); list = this.#field(list, 1)) {
      const withoutEndPosition = 0;
      const string = this.exports.l_Lean_Message_toString(this.#field(list, 0), withoutEndPosition);
      const bytes = this.#words()[(string + 8) >> 2] - 1; // its size counts the zero at its end
      texts.push(Buffer.from(this.#bytes().slice(string + 20, string + 20 + bytes)).toString());
    }
    return texts;
  }

  #useStack({ bottom, top }) {
    this.#stack = { bottom, top };
    this.exports.emscripten_stack_set_limits(top, bottom);
    this.exports._emscripten_stack_restore(top);
  }

  #show(readOnly, writable = []) {
    for (const folder of new Set([...readOnly, ...writable])) this.#mount(folder);
    if (writable.length === 0) this.#refuseWriting();
  }

  #mount(folder) {
    const { FS, NODEFS } = this.#internals;
    FS.mkdirTree(folder);
    FS.mount(NODEFS, { root: folder }, folder);
  }

  /** A worker runs tactics that a language model wrote: it may read the library and nothing else. */
  #refuseWriting() {
    const { FS, NODEFS } = this.#internals;
    const refuse = () => {
      throw new FS.ErrnoError(READ_ONLY_FILE_SYSTEM);
    };
    for (const operation of ['mknod', 'rename', 'unlink', 'rmdir', 'symlink', 'setattr']) {
      NODEFS.node_ops[operation] = refuse;
    }
    NODEFS.stream_ops.write = refuse;
    NODEFS.stream_ops.msync = refuse;
  }
}

/** Threads get a native stack that matches Lean's; `lean.js` takes the class from this module. */
function giveThreadsDeepStacks() {
  workerThreads.Worker = class extends workerThreads.Worker {
    constructor(file, options = {}) {
      super(file, { ...options, resourceLimits: { stackSizeMb: THREAD_STACK_MB } });
    }
  };
}

const toDescriptor = (fd) => (line) => writeAll(fd, line);

/** Starts the runtime in `folder` (`lean.js` and `lean.wasm`) with so many threads waiting; resolves to a `Lean`. */
function boot({ folder, threads = 0, onStdoutLine = toDescriptor(1), onStderrLine = toDescriptor(2) }) {
  console.log = () => {}; // the build reports its every step there
  if (threads > 0) giveThreadsDeepStacks();
  return new Promise((resolve) => {
    globalThis.leanModule = {
      noInitialRun: true,
      threads,
      stdout: lineWriter(onStdoutLine),
      stderr: lineWriter(onStderrLine),
      instantiateWasm(imports, done) {
        const bytes = fs.readFileSync(path.join(folder, 'lean.wasm'));
        const wasm = new WebAssembly.Module(bytes);
        bytes.buffer.transfer(0); // V8 has a copy of its own; this one would wait for a collection that never comes
        done(new WebAssembly.Instance(wasm, imports), wasm);
      },
      onRuntimeInitialized() {
        const internals = this.leanInternals();
        const stdin = internals.FS.getStream(0);
        stdin.stream_ops = { ...stdin.stream_ops, read: inputReader(0) };
        resolve(new Lean(internals, require(path.join(folder, 'symbols.js'))));
      },
    };
    require(path.join(folder, 'lean.js'));
  });
}

/** Runs a launcher to its exit status; a failure is told in one line on standard error. */
function run(launcher) {
  launcher().then(
    (status) => process.exit(status),
    (error) => {
      fs.writeSync(2, `${error instanceof Error ? error.message : `Lean threw ${error}`}\n`);
      process.exit(1);
    },
  );
}

module.exports = { boot, run, writeAll };
