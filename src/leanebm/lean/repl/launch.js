'use strict';
/**
 * Serves the REPL over standard input and output, on one thread.
 *
 *   LEAN_PATH=LIBRARY:FOLDER_OF_THE_COMPILED_REPL node launch.js SCRIPT REPL_MODULE IMPORT...
 *
 * SCRIPT is the patched `lean.js`. The REPL begins every line that it means for us with a key that is made
 * up here and known to nobody else: answers on standard output, and orders to the watchdog on standard
 * error, which stop here. So a tactic that prints can forge neither; what it prints goes to standard error.
 */

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { boot, run, writeAll } = require('./runtime.js');
const { Watchdog } = require('./watchdog.js');

run(async () => {
  const [script, replModule, ...imports] = process.argv.slice(2);
  const leanPath = process.env.LEAN_PATH.split(':');
  const key = crypto.randomBytes(16).toString('hex');
  let watchdog;

  const gone = [path.dirname(script), ...leanPath].find((folder) => !fs.existsSync(folder));
  if (gone) throw new Error(`${gone} is gone, with a part of Lean in it: start again, and it is prepared anew`);

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
  return lean.runMain(lean.importModules([replModule]), ['--embedded', key, ...imports]);
});
