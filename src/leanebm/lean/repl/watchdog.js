'use strict';
/**
 * Interrupts a tactic that runs over its time.
 *
 * Lean polls a cancel token while it works, but here it has no second thread that could set one: the
 * only thread is busy with the tactic. So the REPL tells us where in memory the command's token lies,
 * and a worker thread of Node, which shares that memory, watches the clock and sets it.
 *
 * One shared word says what is going on: even is idle, odd is armed, and the negative of an odd number
 * means that the token is being set this very moment. Disarming waits for that, because afterwards Lean
 * lets go of the token and its memory may become something else.
 */

const { Worker } = require('node:worker_threads');

const TURN = 0;
const TIMEOUT_MS = 1;
const ADDRESS = 2;

const THREAD = `
  const { control, memory } = require('node:worker_threads').workerData;
  const HEADER_BYTES = 8, BOXED_TRUE = 3;
  for (;;) {
    const turn = Atomics.load(control, ${TURN});
    if (turn % 2 === 0) {
      Atomics.wait(control, ${TURN}, turn);
      continue;
    }
    const verdict = Atomics.wait(control, ${TURN}, turn, control[${TIMEOUT_MS}]);
    const isOurs = verdict === 'timed-out' && Atomics.compareExchange(control, ${TURN}, turn, -turn) === turn;
    if (!isOurs) continue;
    Atomics.store(new Int32Array(memory.buffer), (control[${ADDRESS}] + HEADER_BYTES) >> 2, BOXED_TRUE);
    Atomics.store(control, ${TURN}, turn + 1);
    Atomics.notify(control, ${TURN});
  }`;

class Watchdog {
  #control = new Int32Array(new SharedArrayBuffer(12));
  #thread = null;

  /** `memory`: the WebAssembly memory, shared. */
  constructor(memory) {
    this.memory = memory;
  }

  /** Sets the token at `address` unless disarmed within `timeoutMs`. */
  arm(timeoutMs, address) {
    this.#thread ??= this.#start();
    this.#control[TIMEOUT_MS] = timeoutMs;
    this.#control[ADDRESS] = address;
    Atomics.add(this.#control, TURN, 1);
    Atomics.notify(this.#control, TURN);
  }

  /** After this the token is not touched any more. */
  disarm() {
    const turn = Math.abs(Atomics.load(this.#control, TURN));
    if (turn % 2 === 0) return; // it has fired already
    if (Atomics.compareExchange(this.#control, TURN, turn, turn + 1) === turn) {
      Atomics.notify(this.#control, TURN);
      return;
    }
    while (Atomics.load(this.#control, TURN) === -turn) Atomics.wait(this.#control, TURN, -turn);
  }

  #start() {
    const thread = new Worker(THREAD, { eval: true, workerData: { control: this.#control, memory: this.memory } });
    thread.unref();
    return thread;
  }
}

module.exports = { Watchdog };
