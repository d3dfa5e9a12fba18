'use strict';
/**
 * Serves the REPL over standard input and output, on one thread.
 *
 *   LEAN_PATH=LIBRARY:FOLDER_OF_THE_COMPILED_REPL node launch.js SCRIPT REPL_MODULE IMPORT...
 *
 * SCRIPT is the patched `lean.js`. Of what is printed, `keyed.js` lets the REPL's own answers through.
 */

const fs = require('node:fs');
const path = require('node:path');
const { bootKeyed } = require('./keyed.js');
const { run } = require('./runtime.js');

run(async () => {
  const [script, replModule, ...imports] = process.argv.slice(2);
  const leanPath = process.env.LEAN_PATH.split(':');

  const gone = [path.dirname(script), ...leanPath].find((folder) => !fs.existsSync(folder));
  if (gone) throw new Error(`${gone} is gone, with a part of Lean in it: start again, and it is prepared anew`);

  const { lean, key } = await bootKeyed(script, leanPath);
  return lean.runMain(lean.importModules([replModule]), ['--embedded', key, ...imports]);
});
