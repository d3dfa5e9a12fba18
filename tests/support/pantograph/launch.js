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
  lean.call(lean.importModules(['DoubleProgram']), 'doubleMain', [lean.strings(['--embedded', key, version, ...imports])]);
  return 0;
});
