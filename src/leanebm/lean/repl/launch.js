'use strict';
/**
 * Serves the REPL over standard input and output, on one thread.
 *
 *   LEAN_PATH=LIBRARY:FOLDER_OF_THE_COMPILED_REPL node launch.js SCRIPT REPL_MODULE IMPORT...
 *
 * SCRIPT is the patched `lean.js`. Of what is printed, `keyed.js` lets the REPL's own answers through. Over `Init`,
 * Lean's memory is read from the image that `launch_image.js` wrote, where there is one, instead of made.
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

  const image = path.join(leanPath.at(-1), 'Init.image');
  const isOfImage = imports.join() === 'Init' && fs.existsSync(image);
  const { lean, key, kept } = await bootKeyed(script, leanPath, isOfImage ? image : undefined);
  if (kept) {
    const [program, environment] = kept;
    lean.call(program, 'serveLater', [environment, lean.string(key), lean.strings(leanPath)]);
    return 0;
  }
  return lean.runMain(lean.importModules([replModule]), ['--embedded', key, ...imports]);
});
