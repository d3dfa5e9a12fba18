'use strict';
/**
 * Writes down Lean's memory as it is when a worker is about to be ready, so that workers need not make it.
 *
 *   LEAN_PATH=LIBRARY:FOLDER_OF_THE_COMPILED_REPL node launch_image.js SCRIPT REPL_MODULE OUT.image IMPORT...
 */

const path = require('node:path');
const { boot, run } = require('./runtime.js');

run(async () => {
  const [script, replModule, out, ...imports] = process.argv.slice(2);
  const leanPath = process.env.LEAN_PATH.split(':');
  const lean = await boot({ folder: path.dirname(script) });
  lean.initialize({ readOnly: leanPath, leanPath });
  const program = lean.importModules([replModule]);
  const environment = lean.call(program, 'environmentOver', [lean.strings(imports)]);
  lean.writeImage(out, [program, environment]);
  return 0;
});
