'use strict';
/**
 * Compiles the REPL once per installation, so that a worker only has to import it.
 *
 *   node launch_compile.js RUNTIME_FOLDER LIBRARY_FOLDER COMPILER.lean SOURCE.lean OUT.olean
 *
 * The compiler is Lean code too. It is elaborated here, on the main thread and with the library
 * already imported, instead of by `lean --run`: that takes a third of the time and half the memory.
 * Elaboration hands work to tasks, so one thread waits for them.
 */

const fs = require('node:fs');
const path = require('node:path');
const { boot, run } = require('./runtime.js');

run(async () => {
  const [runtime, library, compiler, source, out] = process.argv.slice(2).map((argument) => path.resolve(argument));
  const lean = await boot({ folder: runtime, threads: 1 });
  lean.initialize({ readOnly: [library], writable: [path.dirname(out)], leanPath: [library, path.dirname(out)] });
  const text = fs.readFileSync(compiler, 'utf8').replace(/^import Lean$/m, '');
  const environment = lean.elaborate(text, lean.importModules(['Lean']));
  return lean.runMain(environment, [fs.readFileSync(source, 'utf8'), path.basename(source), out]);
});
