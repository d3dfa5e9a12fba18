'use strict';
/**
 * Serves the double of Pantograph over standard input and output; see Double.lean.
 *
 *   LEAN_PATH=LIBRARY:FOLDER_OF_THE_COMPILED_DOUBLE node launch.js REPL_SOURCES SCRIPT VERSION IMPORT...
 *
 * The double's entrance is not called `main`: the REPL that it imports has one.
 */

const path = require('node:path');

const [sources, script, version, ...imports] = process.argv.slice(2);
const { bootKeyed } = require(path.join(sources, 'keyed.js'));
const { run } = require(path.join(sources, 'runtime.js'));

run(async () => {
  const { lean, key } = await bootKeyed(script, process.env.LEAN_PATH.split(':'));
  const words = () => new Uint32Array(lean.memory.buffer);
  const found = lean.exports.lean_eval_const(lean.importModules(['DoubleProgram']), lean.noOptions(), lean.name('doubleMain'));
  const entrance = words()[(found + 8) >> 2];
  const args = ['--embedded', key, version, ...imports].map((text) => lean.string(text));
  const result = lean.exports.lean_apply_2(entrance, lean.list(args), lean.box(0));
  const failed = new Uint8Array(lean.memory.buffer)[result + 7] !== 0;
  if (failed) lean.exports.lean_io_result_show_error(result);
  return failed ? 1 : 0;
});
