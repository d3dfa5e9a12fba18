'use strict';
/**
 * Boots Lean for a program that serves us over standard input and output.
 *
 * The program begins every line that it means for us with a key that is made up here and known to nobody
 * else: answers on standard output, and orders to the watchdog on standard error, which stop here. So a
 * tactic that prints can forge neither; what it prints goes to standard error.
 */

const crypto = require('node:crypto');
const path = require('node:path');
const { boot, writeAll } = require('./runtime.js');
const { Watchdog } = require('./watchdog.js');

/**
 * Lean from SCRIPT, the patched `lean.js`, with its library at `leanPath`, the key for its program, and what the image of its
 * memory, if there is one, kept.
 */
async function bootKeyed(script, leanPath, image) {
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
  if (image !== undefined) return { lean, key, kept: lean.restore(image, { readOnly: leanPath }) };
  lean.initialize({ readOnly: leanPath, leanPath });
  return { lean, key };
}

module.exports = { bootKeyed };
