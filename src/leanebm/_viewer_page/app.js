'use strict';
/** Puts the parts together: which theorem, node and step are shown, the keys, the address, and a run that goes on. */

/** One run's search of the theorem: its tree, and the bar that replays it. */
class Pane {
  #timer = 0;

  constructor(number, app) {
    this.number = number;
    this.app = app;
    this.tree = null;
    this.ending = element('p', {});
    this.note = element('p', { className: 'quiet', hidden: true });
    this.slider = element('input', { type: 'range', min: 0, max: 0, value: 0, 'aria-label': 'expansions', oninput: () => this.goTo(Number(this.slider.value)) });
    this.said = element('output', {});
    const button = (text, title, onclick) => element('button', { type: 'button', title, onclick }, text);
    this.playing = button('play', 'play (space)', () => this.play());
    const step = (text, title, by) => button(text, title, () => this.goTo(this.step + by));
    const bar = element('div', { className: 'replay' }, step('◂', 'a step back (,)', -1), this.playing, step('▸', 'a step on (.)', 1), this.slider, this.said);
    const holder = element('div', { className: 'canvas' });
    this.element = element('section', { className: 'pane', onpointerdown: () => app.activate(this) }, this.ending, this.note, holder, bar);
    this.canvas = new TreeCanvas(holder, (node, folds) => this.#clicked(node, folds));
  }

  get step() {
    return Math.min(this.canvas.view.step, this.tree?.steps ?? 0);
  }

  /** `keeps`: it is the same search, which has gone on; what is looked at, and from where, stays. */
  show(tree, record, keeps = false) {
    const wasAtEnd = this.step >= (this.tree?.steps ?? 0);
    if (!keeps || wasAtEnd) this.#stop();
    this.tree = tree;
    this.ending.replaceChildren(...(this.app.runs.length > 1 ? [element('b', { title: shown(this.app.runs[this.number].name) }, `${this.app.runs[this.number].name.split('/').at(-1)}: `)] : []), ...endingOf(record));
    this.#tell(record);
    this.slider.max = tree?.steps ?? 0;
    const { step, node } = this.canvas.view;
    const stays = keeps && tree?.size > node;
    Object.assign(this.canvas.view, { step: Infinity, node: stays ? node : 0, found: new Set() });
    this.canvas.show(tree?.size ? tree : null, stays);
    this.goTo(stays && !wasAtEnd ? step : (tree?.steps ?? 0), false);
  }

  /** Show what was known after so many expansions. */
  goTo(step, chooses = true) {
    if (!this.tree?.size) {
      this.said.textContent = '';
      this.canvas.draw();
      return;
    }
    const at = Math.min(Math.max(step, 0), this.tree.steps);
    this.canvas.view.step = at;
    this.slider.value = at;
    const { nodes, open, calls, time } = this.tree.figuresAt(at);
    this.said.textContent = `expansion ${figure(at)} of ${figure(this.tree.steps)} · ${counted(nodes, 'node')} · ${figure(open)} open · ${counted(calls, 'call')} · ${seconds(time)}`;
    this.canvas.canvas.setAttribute('aria-label', `search tree: ${this.said.textContent}`);
    if (chooses) this.choose(at > 0 ? this.tree.expanded[at - 1] : 0);
    else this.canvas.draw();
  }

  choose(node) {
    if (!this.tree?.size || !(node >= 0 && node < this.tree.size)) return;
    if (!this.tree.isKnown(node, this.canvas.view.step)) this.goTo(this.tree.foundAt[node], false);
    this.canvas.view.node = node;
    this.canvas.reveal(node);
    this.canvas.draw();
    this.app.chose(this);
  }

  play() {
    if (this.#timer) {
      this.#stop();
      return;
    }
    if (!this.tree?.steps) return;
    if (this.step >= this.tree.steps) this.goTo(0);
    const by = Math.max(1, Math.round(this.tree.steps / 150)); // whatever its size, in some ten seconds
    this.playing.textContent = 'stop';
    this.#timer = setInterval(() => {
      this.goTo(this.step + by);
      if (this.step >= this.tree.steps) this.#stop();
    }, 70);
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.playing.textContent = 'play';
  }

  #tell(record) {
    const notes = [];
    if (this.tree && this.tree.untold) notes.push(`No recorded tactic led to ${figure(this.tree.untold)} of the nodes; they appear with their parent’s expansion.`);
    if (record?.outcome === 'proved' && this.tree?.size && !this.tree.proof.length) notes.push('The certified proof is put together from several paths, so no single one is marked.');
    this.note.textContent = notes.join(' ');
    this.note.hidden = !notes.length;
  }

  #clicked(node, folds) {
    if (node < 0) return;
    if (folds) this.canvas.fold(node);
    this.choose(node);
  }
}

class App {
  constructor(source) {
    this.source = source;
    this.runs = source.runs;
    this.entries = [];
    this.entry = null;
    this.asked = 0;
    this.pushes = false;
    this.list = new TheoremList((entry) => this.open(entry, { pushes: true }));
    this.panes = this.runs.map((_, number) => new Pane(number, this));
    $('panes').append(...this.panes.map((pane) => pane.element));
    this.active = this.panes[0];
    this.#tools();
    this.#keys();
    window.addEventListener('hashchange', () => {
      clearTimeout(this.writing);
      this.writeNow = null;
      this.#fromHash();
    });
  }

  /** Take what is known of the runs; called again as a live run goes on. */
  async take(runs) {
    this.runs = runs;
    this.entries = paired(runs);
    $('runs').textContent = shown(runs.map((run) => (run.about ? `${run.name} (${run.about})` : run.name)).join('  |  '));
    $('runs').title = shown(runs.map((run) => [run.name, ...run.notes].join('\n')).join('\n\n'));
    this.list.show(this.entries);
    if (!this.entry) await this.#fromHash();
    else await this.#refresh();
    if (!this.entries.length) $('title').replaceChildren(element('p', { className: 'quiet' }, 'No theorem is known to be searched yet.'));
  }

  async open(entry, { node, step, pushes = false, keeps = false } = {}) {
    if (!entry) return;
    const turn = ++this.asked;
    const trees = await Promise.all(entry.records.map(async (record, run) => (record ? new SearchTree(await this.source.tree(run, record)) : null)));
    if (turn !== this.asked) return; // another one was asked for meanwhile
    this.entry = entry;
    this.pushes = pushes;
    this.list.mark(entry.name, !keeps);
    const { scrollTop } = $('details');
    showTitle($('title'), entry);
    if (!keeps) $('find-node').value = $('found').textContent = '';
    this.panes.forEach((pane, number) => pane.show(trees[number], entry.records[number], keeps));
    if (keeps) this.#find();
    if (!this.active.tree) this.active = this.panes.find((pane) => pane.tree) ?? this.active;
    if (step !== undefined) for (const pane of this.panes) pane.goTo(step, false);
    this.activate(this.active);
    if (node !== undefined) this.active.choose(node);
    else this.chose(this.active);
    if (keeps) $('details').scrollTop = scrollTop;
  }

  activate(pane) {
    this.active = pane;
    for (const each of this.panes) each.element.classList.toggle('active', this.panes.length > 1 && each === pane);
  }

  /** A pane's node was chosen: tell of it, and point at the same state in the other run. */
  chose(pane) {
    const { tree } = pane;
    const node = pane.canvas.view.node;
    const other = this.panes.find((each) => each !== pane && each.tree?.size);
    let there = null;
    if (other && tree?.size) {
      const twin = other.tree.withKey(tree.state_key[node]);
      there = { tree: other.tree, node: twin, go: (at) => { this.activate(other); other.choose(at); } };
      if (twin >= 0 && other.tree.isKnown(twin, other.canvas.view.step)) other.canvas.view.node = twin;
      other.canvas.draw();
    }
    this.activate(pane);
    showDetails($('details'), { tree, node, step: pane.canvas.view.step, go: (at) => pane.choose(at), other: there });
    this.#write();
  }

  #tools() {
    options($('colour'), ['status', ...Object.keys(MEASURES)], 'status');
    options($('show'), Object.keys(HIDING), 'everything');
    $('colour').addEventListener('change', () => this.#look());
    $('show').addEventListener('change', () => this.#look());
    $('merges').addEventListener('change', () => this.#look());
    $('fit').addEventListener('click', () => this.panes.forEach((pane) => pane.canvas.fit()));
    $('proof').addEventListener('click', () => this.#toProof());
    $('find-node').addEventListener('input', () => this.#find());
    $('find-node').addEventListener('keydown', (event) => event.key === 'Enter' && this.#nextFound(event.shiftKey ? -1 : 1));
    $('theme').addEventListener('click', () => this.theme(themeName() === 'dark' ? 'light' : 'dark'));
    $('help-open').addEventListener('click', () => $('help').showModal());
    const system = matchMedia('(prefers-color-scheme: dark)');
    this.theme(system.matches ? 'dark' : 'light');
    system.addEventListener('change', (event) => this.theme(event.matches ? 'dark' : 'light'));
  }

  theme(name) {
    document.documentElement.dataset.theme = name;
    document.documentElement.style.colorScheme = name;
    this.#look();
  }

  /** Draw again after another colour, filter or theme was chosen. */
  #look() {
    const hides = HIDING[$('show').value];
    for (const { canvas, tree } of this.panes) {
      const rearranged = canvas.view.hides !== hides;
      Object.assign(canvas.view, { colour: $('colour').value, merges: $('merges').checked, hides });
      if (!tree?.size) continue;
      if (rearranged) {
        canvas.arrange();
        canvas.fit();
      } else canvas.draw();
    }
    this.#legend();
    if (this.entry) this.#write();
  }

  #legend() {
    const { canvas, tree } = this.active;
    const entry = (status, colour, text, title = '') => element('span', { title }, canvas.legendMark(status, colour), text);
    const colours = STATUS_COLOURS[themeName()];
    if ($('colour').value === 'status') {
      const met = new Set(this.panes.flatMap((pane) => pane.tree?.status ?? []));
      $('legend').replaceChildren(...Object.keys(colours).filter((status) => met.has(status)).map((status) => entry(status, colours[status], status, STATUS_WORDS[status])));
      return;
    }
    if (!tree?.size) return;
    const [least, most] = canvas.range();
    const ends = least <= most ? [entry('expanded', shade(0), figure(least)), entry('expanded', shade(1), figure(most))] : [];
    const lacks = tree.parent.some((_, node) => typeof MEASURES[$('colour').value](tree, node) !== 'number');
    $('legend').replaceChildren(...ends, ...(lacks ? [entry('open', colours.open, 'not recorded')] : []));
  }

  #find() {
    for (const pane of this.panes) {
      pane.canvas.view.found = new Set(pane.tree?.size ? pane.tree.find($('find-node').value) : []);
      pane.canvas.draw();
    }
    const count = this.active.canvas.view.found.size;
    $('found').textContent = $('find-node').value.trim() ? `${counted(count, 'node')}${count ? '; Enter goes on' : ''}` : '';
  }

  #nextFound(by) {
    const found = [...this.active.canvas.view.found];
    if (!found.length) return;
    const at = found.indexOf(this.active.canvas.view.node);
    const next = found[(at + by + found.length) % found.length];
    this.active.choose(next);
    this.active.canvas.reveal(next, true);
  }

  #toProof() {
    for (const pane of this.panes) {
      if (!pane.tree?.proof.length) continue;
      pane.choose(pane.tree.proof[0]);
      pane.canvas.reveal(pane.tree.proof[0], true);
    }
  }

  #keys() {
    const pane = () => this.active;
    const near = (by) => {
      const { tree, canvas } = pane();
      const column = canvas.layout.order.filter((node) => tree.depth[node] === tree.depth[canvas.view.node] && tree.isKnown(node, canvas.view.step));
      column.sort((one, other) => canvas.layout.row[one] - canvas.layout.row[other]);
      return column[column.indexOf(canvas.view.node) + by];
    };
    const child = () => {
      const { tree, canvas } = pane();
      const known = tree.children[canvas.view.node].filter((node) => tree.isKnown(node, canvas.view.step) && !Number.isNaN(canvas.layout.row[node]));
      return known.find((node) => tree.on_proof_path[node]) ?? known[0];
    };
    const inTree = (action) => () => pane().tree?.size && action();
    const keys = {
      '/': ['find a theorem', () => $('find-theorem').focus()],
      's': ['find in the tree', () => $('find-node').focus()],
      '[': ['the theorem above', () => this.list.move(-1)],
      ']': ['the theorem below', () => this.list.move(1)],
      'ArrowLeft': ['to the parent', inTree(() => pane().choose(pane().tree.parent[pane().canvas.view.node]))],
      'ArrowRight': ['to a child', inTree(() => pane().choose(child()))],
      'ArrowUp': ['to the node above', inTree(() => pane().choose(near(-1)))],
      'ArrowDown': ['to the node below', inTree(() => pane().choose(near(1)))],
      ',': ['an expansion back', () => pane().goTo(pane().step - 1)],
      '.': ['an expansion on', () => pane().goTo(pane().step + 1)],
      'Home': ['before the first expansion', () => pane().goTo(0)],
      'End': ['after the last expansion', () => pane().goTo(Infinity)],
      ' ': ['play or stop', () => pane().play()],
      'f': ['the whole tree', () => pane().canvas.fit()],
      'z': ['close to the chosen node', () => pane().canvas.reveal(pane().canvas.view.node, true)],
      'p': ['to the proof', () => this.#toProof()],
      'm': ['show or hide merges', () => $('merges').click()],
      't': ['light or dark', () => $('theme').click()],
      'x': ['the other run', () => { this.chose(this.panes[(this.panes.indexOf(pane()) + 1) % this.panes.length]); this.#legend(); }],
      '?': ['these keys', () => $('help').showModal()],
    };
    const names = { ' ': 'space', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓' };
    $('keys').append(...Object.entries(keys).flatMap(([key, [meaning]]) => [element('dt', {}, element('kbd', {}, names[key] ?? key)), element('dd', {}, meaning)]));
    document.addEventListener('keydown', (event) => {
      const { target } = event;
      if (event.key === 'Escape' && target instanceof HTMLElement) target.blur();
      const isTheirs = target.type === 'range' ? event.key.startsWith('Arrow')
        : target.type === 'search' || target instanceof HTMLSelectElement || (event.key === ' ' && (target instanceof HTMLInputElement || target instanceof HTMLButtonElement));
      if (event.ctrlKey || event.metaKey || event.altKey || isTheirs || $('help').open || !keys[event.key]) return;
      event.preventDefault();
      keys[event.key][1]();
    });
    // A click on a button leaves the keyboard where it was, so that space still plays.
    document.addEventListener('mousedown', (event) => event.target.closest('button, .check') && event.preventDefault());
  }

  async #fromHash() {
    const { t: name, n: node, k: step, c: colour, s: show, r: run } = readHash(location.hash);
    if (colour && (colour === 'status' || Object.hasOwn(MEASURES, colour))) $('colour').value = colour;
    if (show && Object.hasOwn(HIDING, show)) $('show').value = show;
    if (this.panes[Number(run)]) this.activate(this.panes[Number(run)]);
    this.#look();
    const entry = this.entries.find((each) => each.name === name) ?? (this.entry && !name ? this.entry : this.list.shown[0]);
    const number = (text) => (text === undefined || !/^\d+$/.test(text) ? undefined : Number(text));
    if (!entry) return;
    if (entry === this.entry && this.hash === location.hash) return;
    await this.open(entry, { node: number(node), step: number(step) });
  }

  /** The theorem that is shown was searched again, or is still the same. */
  async #refresh() {
    const entry = this.entries.find((each) => each.name === this.entry.name);
    const told = (record) => record && `${record.outcome} ${record.searched}`;
    const same = entry && entry.records.every((record, run) => told(record) === told(this.entry.records[run]));
    if (same) {
      this.entry = entry;
      this.list.mark(entry.name, false);
    } else if (entry) await this.open(entry, { keeps: true });
  }

  /** Puts what is shown into the address; another theorem is a step that the browser can go back. */
  #write() {
    if (!this.entry) return;
    const { canvas, tree } = this.active;
    const isWhole = !tree || canvas.view.step >= tree.steps;
    this.hash = writeHash({
      t: this.entry.name,
      n: canvas.view.node || null,
      k: isWhole ? null : canvas.view.step,
      c: $('colour').value === 'status' ? null : $('colour').value,
      s: $('show').value === 'everything' ? null : $('show').value,
      r: this.panes.indexOf(this.active) || null,
    });
    this.#legend();
    if (location.protocol === 'about:') return; // a notebook's frame has no address of its own
    const { hash } = this;
    clearTimeout(this.writing);
    if (this.pushes) {
      this.writeNow?.();
      history.pushState(null, '', hash);
      this.pushes = false;
      this.writeNow = null;
      return;
    }
    // Browsers refuse addresses that change with each step of a replay.
    this.writeNow = () => history.replaceState(null, '', hash);
    this.writing = setTimeout(this.writeNow, ADDRESS_MS);
  }
}

/** A page that holds everything: one block of data a theorem, which is unpacked when the theorem is opened. */
const EMBEDDED = {
  async index() {
    return unpacked($('index').textContent);
  },
  async tree(run, record) {
    return unpacked($(record.id).textContent);
  },
};

/** A page that asks the program that serves it. */
const SERVED = {
  async index() {
    return SERVED.asked('index');
  },
  async tree(run, record) {
    return SERVED.asked(`tree?run=${run}&theorem=${encodeURIComponent(record.name)}`);
  },
  async asked(path) {
    const answer = await fetch(path, { cache: 'no-cache' });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  },
};

const POLL_MS = 1500;

/** For how long nothing else must be chosen until the address says what is shown. */
const ADDRESS_MS = 200;

/** The page, for whoever looks at it from the browser's console. */
let app = null;

async function begin() {
  const isServed = document.body.dataset.mode === 'served';
  const source = isServed ? SERVED : EMBEDDED;
  source.runs = await source.index();
  app = new App(source);
  await app.take(source.runs);
  document.body.dataset.ready = 'yes';
  if (isServed) await follow(app);
}

/** Looks again and again at what a run has finished. */
async function follow(app) {
  let before = JSON.stringify(app.runs);
  $('live').hidden = false;
  for (;;) {
    try {
      const runs = await SERVED.index();
      const now = JSON.stringify(runs);
      if (now !== before) await app.take(runs);
      before = now;
      $('live').textContent = 'following the run';
      $('live').className = 'good';
    } catch (error) {
      const why = error instanceof TypeError ? 'what serves this page has ended or does not answer' : error.message;
      $('live').textContent = `not following: ${oneLine(why, 200)}`;
      $('live').className = 'bad';
    }
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}

begin().catch((error) => {
  $('title').replaceChildren(element('p', { className: 'bad' }, `This page cannot show its data: ${error.message}`));
  throw error;
});
