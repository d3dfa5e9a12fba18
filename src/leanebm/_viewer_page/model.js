'use strict';
/**
 * What was recorded, as values: no drawing, no document, so that Node can check it.
 *
 * A tree comes as columns, one entry a node, under the names of the trajectory's columns. `attempts` holds
 * for each node a list of [tactic, log-probability, fate, target, Lean's words, seconds].
 */

const MAX_TEXT = 20000;

const STEERING = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\u2028\u2029]/g;

/** Text that others wrote: what would turn it round or hide it is written out, and it is cut where nobody reads on. */
function shown(text) {
  const whole = String(text).replace(STEERING, (found) => '\\u' + found.charCodeAt(0).toString(16).padStart(4, '0'));
  return whole.length <= MAX_TEXT ? whole : `${whole.slice(0, MAX_TEXT)}…`;
}

/** The same on one line, of at most `limit` characters. */
function oneLine(text, limit) {
  const line = shown(text).replace(/\s+/g, ' ').trim();
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`;
}

/** A number with the digits that matter; what was not recorded is a dash, and infinities come as text. */
function figure(value) {
  if (value === null || value === undefined) return '–';
  if (typeof value !== 'number') return String(value);
  if (Number.isInteger(value)) return (value + 0).toLocaleString('en'); // -0 is 0
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en');
  return size < 0.001 ? value.toExponential(1) : value.toPrecision(3);
}

/** `3 nodes`, `1 node`. */
function counted(count, noun) {
  return `${figure(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Seconds, of which thousandths matter. */
function seconds(value) {
  return typeof value === 'number' ? `${value.toFixed(value < 10 ? 3 : 1)} s` : 'not recorded';
}

const LEADS_ON = new Set(['advanced', 'finished']);
const TERMINAL = new Set(['finished', 'proved', 'rejected']);
const NEVER_EXPANDED = new Set(['open', 'pruned', 'unexpandable']);

/** What is shown: each takes a tree and a node, and says whether to leave the node out. */
const HIDING = {
  'everything': () => false,
  'no dead ends': (tree, node) => tree.status[node] === 'dead',
  'only what was expanded': (tree, node) => NEVER_EXPANDED.has(tree.status[node]),
  'the proof and beside it': (tree, node) => node > 0 && !tree.on_proof_path[tree.parent[node]],
  'the proof': (tree, node) => node > 0 && !tree.on_proof_path[node],
};

/** One search: its nodes, and what was there after each expansion. */
class SearchTree {
  constructor(columns) {
    Object.assign(this, columns);
    this.size = this.parent.length;
    this.children = Array.from({ length: this.size }, () => []);
    for (let node = 0; node < this.size; node++) if (this.parent[node] >= 0) this.children[this.parent[node]].push(node);
    /** Nodes in the order in which they were expanded. */
    this.expanded = [...Array(this.size).keys()]
      .filter((node) => this.expansion[node] >= 0)
      .sort((one, other) => this.expansion[one] - this.expansion[other]);
    this.proof = [...Array(this.size).keys()].filter((node) => this.on_proof_path[node]).sort((a, b) => this.depth[a] - this.depth[b]);
    this.#replay();
  }

  /** How many expansions there were: the last step of the replay. */
  get steps() {
    return this.expanded.length;
  }

  /** In which step a node was expanded, counted from 1; 0 if it was not. */
  stepOf(node) {
    return this.step[node];
  }

  /** Whether a node was known after `step` expansions. */
  isKnown(node, step) {
    return this.foundAt[node] <= step;
  }

  /** What was known of a node then. Dropping and certifying are not timed, so they show at the end. */
  statusAt(node, step) {
    if (step >= this.steps || TERMINAL.has(this.status[node])) return this.status[node];
    return this.step[node] > 0 && this.step[node] <= step ? this.status[node] : 'open';
  }

  /** The path from the root to a node as it was in the end. */
  path(node) {
    const path = [];
    for (let at = node; at >= 0 && path.length <= this.size; at = this.parent[at]) path.push(at);
    return path.reverse();
  }

  /** Where a node hung when it was found; its better path came later where this is not its parent. */
  wasMoved(node) {
    return this.foundFrom[node] >= 0 && this.foundFrom[node] !== this.parent[node];
  }

  /** Nodes in whose state, tactics or messages all of the words occur. */
  find(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const found = [];
    for (let node = 0; node < this.size; node++) {
      const tried = this.attempts[node].map((attempt) => `${attempt[0]}\n${attempt[4]}`).join('\n');
      const said = `#${node}\n${this.state_text[node]}\n${this.tactic[node] ?? ''}\n${tried}`.toLowerCase();
      if (words.every((word) => said.includes(word))) found.push(node);
    }
    return found;
  }

  /** The node that holds the same state as `key`, up to names; -1 if there is none. */
  withKey(key) {
    return key ? this.state_key.indexOf(key) : -1;
  }

  /** What was tried on a node, counted by fate. */
  fates(node) {
    const counts = {};
    for (const [, , fate] of this.attempts[node]) counts[fate] = (counts[fate] ?? 0) + 1;
    return counts;
  }

  /** How a node that was found with others at a step compares: a few figures of the search after `step` expansions. */
  figuresAt(step) {
    return { nodes: this.nodesAt[step], open: this.openAt[step], calls: this.callsAt[step], time: this.secondsAt[step] };
  }

  /** Finds out from the tactics that were run when each node was met, and from where. */
  #replay() {
    this.step = new Int32Array(this.size);
    this.foundAt = new Int32Array(this.size).fill(-1);
    this.foundFrom = new Int32Array(this.size).fill(-1);
    this.foundAt[0] = 0;
    this.expanded.forEach((node, index) => {
      this.step[node] = index + 1;
      for (const [, , fate, target] of this.attempts[node]) {
        if (LEADS_ON.has(fate) && target > 0 && target < this.size && this.foundAt[target] < 0) {
          this.foundAt[target] = index + 1;
          this.foundFrom[target] = node;
        }
      }
    });
    /** Nodes that no recorded tactic led to, as a search of one's own may leave them: shown once their parent is expanded. */
    this.untold = 0;
    for (let node = 0; node < this.size; node++) {
      if (this.foundAt[node] >= 0) continue;
      this.untold += 1;
      this.foundAt[node] = Math.max(this.step[this.parent[node]] ?? 0, 0);
    }
    this.#count();
  }

  #count() {
    const fill = () => new Array(this.steps + 1).fill(0);
    [this.nodesAt, this.openAt, this.callsAt, this.secondsAt] = [fill(), fill(), fill(), fill()];
    for (let node = 0; node < this.size; node++) {
      const found = this.foundAt[node];
      this.nodesAt[found] += 1;
      if (!TERMINAL.has(this.status[node])) this.openAt[found] += 1;
      this.secondsAt[found] = Math.max(this.secondsAt[found], this.found_s[node]);
    }
    this.expanded.forEach((node, index) => {
      this.callsAt[index + 1] += this.attempts[node].length;
      this.openAt[index + 1] -= 1;
    });
    for (let step = 1; step <= this.steps; step++) {
      this.nodesAt[step] += this.nodesAt[step - 1];
      this.openAt[step] += this.openAt[step - 1];
      this.callsAt[step] += this.callsAt[step - 1];
      this.secondsAt[step] = Math.max(this.secondsAt[step], this.secondsAt[step - 1]);
    }
  }
}

/** Theorems of one or two runs, paired by name: [{ name, records: [record or null, …] }, …]. */
function paired(runs) {
  const byName = new Map();
  runs.forEach((run, number) => {
    for (const record of run.theorems) {
      if (!byName.has(record.name)) byName.set(record.name, { name: record.name, records: runs.map(() => null), order: byName.size });
      byName.get(record.name).records[number] = record;
    }
  });
  return [...byName.values()];
}

const COSTS = { nodes: 'nodes', expansions: 'expansions', calls: 'tactic_calls', seconds: 'wall_s' };

/** A test that a theorem passes if it fits what was typed: words of its name or statement, and terms such as nodes>100. */
function matcher(text) {
  const tests = text.split(/\s+/).filter(Boolean).map((word) => {
    const term = /^(nodes|expansions|calls|seconds)(<=|>=|<|>|=)([\d.]+)$/.exec(word);
    if (!term) return (entry) => `${entry.name}\n${one(entry).statement}`.toLowerCase().includes(word.toLowerCase());
    const [, cost, sign, number] = term;
    const holds = { '<': (a, b) => a < b, '>': (a, b) => a > b, '<=': (a, b) => a <= b, '>=': (a, b) => a >= b, '=': (a, b) => a === b }[sign];
    return (entry) => entry.records.some((record) => record && holds(record[COSTS[cost]], Number(number)));
  });
  return (entry) => tests.every((test) => test(entry));
}

/** A record of the theorem: the first run's, if it has one. */
function one(entry) {
  return entry.records.find(Boolean);
}

/** What stands for an outcome while there is none. */
const UNDER_WAY = new Set(['searching', 'silent']);

/** How a theorem is filed: by its outcome, or with two runs by which of them proved it. */
function groupOf(entry) {
  if (entry.records.length === 1) return one(entry).outcome;
  if (entry.records.some((record) => !record)) return 'only in one run';
  if (entry.records.some((record) => UNDER_WAY.has(record.outcome))) return 'searching';
  const [first, second] = entry.records.map((record) => record.outcome === 'proved');
  return first ? (second ? 'proved by both' : 'proved by the first') : second ? 'proved by the second' : 'proved by neither';
}

const SORTS = {
  'order of search': (entry) => entry.order,
  'name': (entry) => entry.name,
  'nodes': (entry) => -one(entry).nodes,
  'expansions': (entry) => -one(entry).expansions,
  'tactic calls': (entry) => -one(entry).tactic_calls,
  'seconds': (entry) => -one(entry).wall_s,
  'difference in expansions': (entry) => (entry.records[1] && entry.records[0] ? -Math.abs(entry.records[0].expansions - entry.records[1].expansions) : 0),
};

/** The entries that pass, in order. */
function chosen(entries, { text, groups, sort }) {
  const passes = matcher(text);
  const key = SORTS[sort];
  return entries
    .filter((entry) => !groups.has(groupOf(entry)) && passes(entry))
    .map((entry) => [key(entry), entry])
    .sort(([one], [other]) => (typeof one === 'string' ? one.localeCompare(other) : one - other))
    .map(([, entry]) => entry);
}

/** `#t=NAME&n=3&k=17` as an object of texts, and back. */
function readHash(hash) {
  return Object.fromEntries(new URLSearchParams(hash.replace(/^#/, '')));
}

function writeHash(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return `#${new URLSearchParams(kept.map(([name, value]) => [name, String(value)]))}`;
}

/** What base64 of gzip of JSON says. */
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}
