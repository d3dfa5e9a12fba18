'use strict';
/**
 * Serves the REPL over standard input and output, on one thread.
 *
 *   LEAN_PATH=LIBRARY:FOLDER_OF_THE_COMPILED_REPL node launch.js SCRIPT REPL_MODULE IMPORT...
 *
 * SCRIPT is the patched `lean.js`. Only lines of the protocol reach standard output; whatever else is
 * printed (by the build, or by a tactic) goes to standard error. Orders to the watchdog come from the
 * REPL on standard error and stop here.
 */

const path = require('node:path');
const { boot, run, writeAll } = require('./runtime.js');
const { Watchdog } = require('./watchdog.js');

const OPENING_BRACE = 0x7b;
const BANNER = Buffer.from('ready.\n');
const ORDER = 'leanebm:';

run(async () => {
  const [script, replModule, ...imports] = process.argv.slice(2);
  const leanPath = process.env.LEAN_PATH.split(':');
  let watchdog;

  const onStderrLine = (line) => {
    const text = line.toString();
    if (!text.startsWith(ORDER)) return writeAll(2, line);
    const [verb, timeoutMs, address] = text.slice(ORDER.length).trim().split(' ');
    if (verb === 'arm') watchdog.arm(Number(timeoutMs), Number(address));
    else watchdog.disarm();
  };
  const onStdoutLine = (line) => {
    const isProtocol = line[0] === OPENING_BRACE || line.equals(BANNER);
    if (isProtocol) writeAll(1, line);
    else onStderrLine(line);
  };

  const lean = await boot({ folder: path.dirname(script), onStdoutLine, onStderrLine });
  watchdog = new Watchdog(lean.memory);
  lean.initialize({ readOnly: leanPath, leanPath });
  return lean.runMain(lean.importModules([replModule]), ['--embedded', ...imports]);
});
