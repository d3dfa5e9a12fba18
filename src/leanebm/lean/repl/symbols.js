'use strict';
/**
 * Where the pinned build keeps a function or a datum of a given name; the installer puts this file beside `lean.js`.
 *
 * `lean.symbols` is written by `leanebm.lean.embedded._lean_wasm`, where its form is said. Every thread reads it.
 */

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const HASH_BYTES = 16;
const HEADER_BYTES = 4;

const rows = fs.readFileSync(path.join(__dirname, 'lean.symbols'));
const count = rows.readUInt32LE(0);
const values = HEADER_BYTES + HASH_BYTES * count;

/** A function's place in the table, or the address of data; 0 where the build has nothing of this name. */
function address(name) {
  const hash = crypto.createHash('sha256').update(name).digest();
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const start = HEADER_BYTES + HASH_BYTES * middle;
    const order = hash.compare(rows, start, start + HASH_BYTES, 0, HASH_BYTES);
    if (order === 0) return rows.readUInt32LE(values + 4 * middle);
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return 0;
}

module.exports = { address };
