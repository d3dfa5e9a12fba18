'use strict';
/**
 * Serves the double of Pantograph over standard input and output; see Double.lean.
 *
 *   LEAN_PATH=LIBRARY:FOLDER_OF_THE_COMPILED_DOUBLE node launch.js REPL_SOURCES SCRIPT VERSION IMPORT...
 *
 * The double's entrance is not called `main`: the REPL that it imports has one.
 */

const crypto = require('node:crypto');
const path = require('node:path');

const [sources, script, version, ...imports] = process.argv.slice(2);
const { boot, run, writeAll } = require(path.join(sources, 'runtime.js'));
const { Watchdog } = require(path.join(sources, 'watchdog.js'));

run(async () => {
  const leanPath = process.env.LEAN_PATH.split(':');
  const key = crypto.randomBytes(16).toString('hex');
  let watchdog;

  const withoutKey = (line) => (line.toString('latin1', 0, key.length) === key ? line.subarray(key.length) : null);
  const onStderrLine = (line) => {
    const order = withoutKey(line);
    if (order === null) return writeAll(2, line);
    const [verb, timeoutMs, address] = order.toString().trim().split(' ');
    if (verb === 'arm') watchdog.arm(Number(timeoutMs), Number(address));
    else watchdog.disarm();
  };
  const onStdoutLine = (line) => {
    const answer = withoutKey(line);
    writeAll(answer === null ? 2 : 1, answer ?? line);
  };

  const lean = await boot({ folder: path.dirname(script), onStdoutLine, onStderrLine });
  watchdog = new Watchdog(lean.memory);
  lean.initialize({ readOnly: leanPath, leanPath });
  const words = () => new Uint32Array(lean.memory.buffer);
  const noOptions = words()[lean.exports.l_Lean_Options_empty.value >> 2];
  const found = lean.exports.lean_eval_const(lean.importModules(['Double']), noOptions, lean.name('doubleMain'));
  const entrance = words()[(found + 8) >> 2];
  const args = ['--embedded', key, version, ...imports].map((text) => lean.string(text));
  const result = lean.exports.lean_apply_2(entrance, lean.list(args), lean.box(0));
  const failed = new Uint8Array(lean.memory.buffer)[result + 7] !== 0;
  if (failed) lean.exports.lean_io_result_show_error(result);
  return failed ? 1 : 0;
});
