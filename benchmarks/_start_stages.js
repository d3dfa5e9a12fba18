'use strict';
/**
 * The start of an embedded worker, step by step: after each, the time and the memory so far, as one line of JSON.
 *
 *   LEAN_PATH=LIBRARY:FOLDER_OF_THE_COMPILED_REPL node _start_stages.js SOURCES SCRIPT REPL_MODULE IMPORT...
 */

const fs = require('node:fs');
const path = require('node:path');

const [sources, script, replModule, ...imports] = process.argv.slice(2);
const { boot, run, writeAll } = require(path.join(sources, 'runtime.js'));

const MIB = 1024;

function memory() {
  const rollup = fs.readFileSync('/proc/self/smaps_rollup', 'utf8');
  const mib = (name) => Number(new RegExp(`^${name}: *(\\d+) kB`, 'm').exec(rollup)[1]) / MIB;
  return { rss_mib: mib('Rss'), uss_mib: mib('Private_Clean') + mib('Private_Dirty') };
}

let lean;
function mark(stage) {
  const { user, system } = process.cpuUsage();
  const linear = lean ? lean.memory.buffer.byteLength / 2 ** 20 : 0;
  const row = { stage, wall_s: process.uptime(), cpu_s: (user + system) / 1e6, linear_mib: linear, ...memory() };
  writeAll(1, Buffer.from(`${JSON.stringify(row)}\n`));
}

run(async () => {
  mark('Node');
  const leanPath = process.env.LEAN_PATH.split(':');
  const onStdoutLine = (line) => line.toString() === 'ready.\n' && mark('the REPL, up to ready.');
  lean = await boot({ folder: path.dirname(script), onStdoutLine });
  mark('the module, compiled as far as needed, and the script');
  const image = path.join(leanPath.at(-1), 'Init.image');
  if (imports.join() === 'Init' && fs.existsSync(image)) {
    const [program, environment] = lean.restore(image, { readOnly: leanPath });
    mark("Lean's memory, from its image");
    lean.call(program, 'serveLater', [environment, lean.string(''), lean.strings(leanPath)]);
    return 0;
  }
  lean.initialize({ readOnly: leanPath, leanPath });
  mark("Lean's initialisers");
  const environment = lean.importModules([replModule]);
  mark("the import of the REPL's code");
  return lean.runMain(environment, ['--embedded', '', ...imports]);
});
