'use strict';
/** Draws one tree on a canvas, and says what is pointed at. */

const STATUS_COLOURS = {
  light: { open: '#8a8f99', partial: '#7d6bb0', expanded: '#2f5fb3', dead: '#b3382c', unexpandable: '#a2720b', pruned: '#8f897c', finished: '#a2720b', proved: '#2f7d4f', rejected: '#c05a16' },
  dark: { open: '#7b818c', partial: '#a795dc', expanded: '#86aef0', dead: '#ec7f72', unexpandable: '#dcae4e', pruned: '#7a7568', finished: '#dcae4e', proved: '#6cc28f', rejected: '#f0a060' },
};

/** From the least value to the largest: the part of plasma, which colour-blind people can read, that stands out from the paper. */
const SCALE = {
  light: [[13, 8, 135], [92, 1, 166], [156, 23, 158], [203, 70, 121], [225, 100, 98]],
  dark: [[177, 42, 144], [211, 81, 113], [237, 121, 83], [251, 179, 50], [240, 249, 33]],
};

/** What colours may stand for: each gives a number, or null where nothing was recorded. */
const MEASURES = {
  'energy': (tree, node) => tree.energy[node],
  'priority': (tree, node) => tree.priority[node],
  'log-probability of the path': (tree, node) => tree.path_log_prob[node],
  'order of expansion': (tree, node) => (tree.step[node] > 0 ? tree.step[node] : null),
  'time found': (tree, node) => tree.found_s[node],
  'seconds of the tactic': (tree, node) => tree.tactic_s[node],
};

const FONT = '12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

const themeName = () => document.documentElement.dataset.theme;

function shade(share) {
  const scale = SCALE[themeName()];
  const at = Math.min(Math.max(share, 0), 1) * (scale.length - 1);
  const [from, to] = [scale[Math.floor(at)], scale[Math.ceil(at)]];
  return `rgb(${from.map((value, index) => Math.round(value + (to[index] - value) * (at - Math.floor(at)))).join(' ')})`;
}

class TreeCanvas {
  #context;
  #frame = 0;
  #pointers = new Map();
  #moved = false;

  /** `told` is called with a node that was clicked, and whether it was to be folded. */
  constructor(holder, told) {
    this.canvas = document.createElement('canvas');
    this.canvas.setAttribute('role', 'img');
    holder.append(this.canvas);
    this.#context = this.canvas.getContext('2d');
    this.camera = new Camera();
    this.told = told;
    this.tree = null;
    /** Whether the whole tree is to be seen, also in a window of another size. */
    this.isFitted = true;
    this.view = { step: Infinity, node: 0, found: new Set(), colour: 'status', merges: false, folded: new Set(), hides: undefined };
    new ResizeObserver(() => this.#resized()).observe(holder);
    this.#listen();
  }

  show(tree, keeps = false) {
    this.tree = tree;
    if (!keeps) this.view.folded = new Set();
    this.arrange();
    if (!keeps || this.isFitted) this.fit();
  }

  arrange() {
    if (this.tree) this.layout = laidOut(this.tree, this.view);
    this.draw();
  }

  /** Fold what is below a node, or unfold it; the node itself stays where it is seen. */
  fold(node) {
    if (!this.tree.children[node].length) return;
    const [, before] = this.placeOf(node);
    if (!this.view.folded.delete(node)) this.view.folded.add(node);
    this.arrange();
    this.#pan(0, before - this.placeOf(node)[1]);
  }

  fit() {
    this.isFitted = true;
    if (!this.tree) return;
    this.camera.fit(this.layout, this.width, this.height);
    this.draw();
  }

  /** Bring a node into view; `near` also zooms in. */
  reveal(node, near = false) {
    if (!this.tree || Number.isNaN(this.layout.row[node])) return;
    const place = [this.tree.depth[node], this.layout.row[node], this.width, this.height];
    const moved = near ? this.camera.approach(...place) : this.camera.reveal(...place);
    if (moved) this.isFitted = false;
    this.draw();
  }

  /** Where a node is, in pixels of the page's layout; for whoever wants to point at it. */
  placeOf(node) {
    return [this.camera.x(this.tree.depth[node]), this.camera.y(this.layout.row[node])];
  }

  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #resized() {
    const box = this.canvas.getBoundingClientRect();
    [this.width, this.height] = [box.width, box.height];
    const ratio = window.devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.isFitted) this.fit();
    this.#draw();
  }

  #draw() {
    const { tree, view } = this;
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(name).trim();
    this.colours = { paper: ink('--paper'), ink: ink('--ink'), muted: ink('--muted'), faint: ink('--faint'), good: ink('--good'), accent: ink('--accent'), fair: ink('--fair') };
    this.#context.clearRect(0, 0, this.width, this.height);
    if (!tree || !tree.size) return;
    const known = this.layout.order.filter((node) => tree.isKnown(node, view.step));
    this.#edges(known);
    if (view.merges) for (const node of known) this.#merges(node);
    else this.#merges(view.node);
    this.#nodes(known);
    this.#labels(known);
  }

  #isNear(row) {
    const y = this.camera.y(row);
    return y > -40 && y < this.height + 40;
  }

  #curve(from, to) {
    const { row } = this.layout;
    const [x0, y0] = [this.camera.x(this.tree.depth[from]), this.camera.y(row[from])];
    const [x1, y1] = [this.camera.x(this.tree.depth[to]), this.camera.y(row[to])];
    this.#context.moveTo(x0, y0);
    // From far away nobody sees the curve, and lines are drawn several times as fast.
    if (this.camera.row < 3) this.#context.lineTo(x1, y1);
    else this.#context.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1, y1);
  }

  #stroke(pairs, colour, width, dash = []) {
    const context = this.#context;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    for (const [from, to] of pairs) this.#curve(from, to);
    context.stroke();
    context.setLineDash([]);
  }

  #edges(known) {
    const { tree, view, layout, colours } = this;
    const [plain, proof, once] = [[], [], []];
    for (const node of known) {
      const parent = tree.parent[node];
      if (parent < 0) continue;
      const [low, high] = [Math.min(layout.row[node], layout.row[parent]), Math.max(layout.row[node], layout.row[parent])];
      if (this.camera.y(high) < -40 || this.camera.y(low) > this.height + 40) continue;
      if (tree.isKnown(parent, view.step) && tree.stepOf(parent) <= view.step) (tree.on_proof_path[node] ? proof : plain).push([parent, node]);
      else if (!Number.isNaN(layout.row[tree.foundFrom[node]])) once.push([tree.foundFrom[node], node]);
    }
    this.#stroke(plain, colours.faint, 1);
    this.#stroke(once, colours.muted, 1, [2, 3]);
    this.#stroke(proof, colours.good, 2.5);
    const path = tree.path(view.node).filter((node) => !Number.isNaN(layout.row[node]));
    this.#stroke(path.slice(1).map((node, index) => [path[index], node]), colours.accent, 1.6);
  }

  /** Tactics that led to a state known before. */
  #merges(node) {
    const { tree, layout, view } = this;
    if (Number.isNaN(layout.row[node]) || tree.stepOf(node) > view.step) return;
    const pairs = tree.attempts[node]
      .filter(([, , fate, target]) => (fate === 'merged' || fate === 'cyclic') && target >= 0 && !Number.isNaN(layout.row[target]))
      .map((attempt) => [node, attempt[3]]);
    this.#stroke(pairs, this.colours.fair, 1, [5, 4]);
  }

  /** Whether colours stand for a measure, and it was recorded for the node. */
  #isMeasured(node) {
    return typeof MEASURES[this.view.colour]?.(this.tree, node) === 'number';
  }

  /** The colour of a node. */
  colourOf(node) {
    const { tree, view } = this;
    const [measure, colours] = [MEASURES[view.colour], STATUS_COLOURS[themeName()]];
    if (!measure) return colours[tree.statusAt(node, view.step)] ?? this.colours.muted;
    if (!this.#isMeasured(node)) return colours.open;
    const [value, [least, most]] = [measure(tree, node), this.range()];
    return shade(most > least ? (value - least) / (most - least) : 0.5);
  }

  /** The least and the largest value of what colours stand for. */
  range() {
    const [tree, name] = [this.tree, this.view.colour];
    if (this.ranged?.tree !== tree || this.ranged.name !== name) {
      let [least, most] = [Infinity, -Infinity];
      for (let node = 0; node < tree.size; node++) {
        const value = MEASURES[name](tree, node);
        if (typeof value === 'number') [least, most] = [Math.min(least, value), Math.max(most, value)];
      }
      this.ranged = { tree, name, values: [least, most] };
    }
    return this.ranged.values;
  }

  #nodes(known) {
    const { tree, view, layout, colours } = this;
    const context = this.#context;
    const radius = Math.max(1.2, Math.min(5, this.camera.row * 0.28));
    const current = tree.expanded[Math.min(view.step, tree.steps) - 1];
    for (const node of known) {
      if (!this.#isNear(layout.row[node])) continue;
      const [x, y] = this.placeOf(node);
      context.fillStyle = context.strokeStyle = this.colourOf(node);
      this.#shape(x, y, radius, this.#markOf(node));
      if (view.folded.has(node)) {
        context.font = FONT;
        context.textBaseline = 'middle';
        context.fillText(`+${tree.children[node].length}`, x - 8, y + radius + 14);
      }
      const ring = node === view.node ? colours.accent : view.found.has(node) ? colours.fair : node === current && view.step < tree.steps ? colours.ink : null;
      if (ring) this.#ring(x, y, radius + 4, ring, node === view.node ? 2.5 : 2);
    }
  }

  /** What a node's shape stands for: its status, or where colours stand for something else, whether there is a value. */
  #markOf(node) {
    const status = this.tree.statusAt(node, this.view.step);
    if (this.view.colour === 'status' || status === 'dead' || TERMINAL.has(status)) return status;
    return this.#isMeasured(node) ? 'expanded' : 'open';
  }

  /** The mark of a status as #shape draws it; for the legend. */
  legendMark(status, colour) {
    const ratio = window.devicePixelRatio || 1;
    const mark = element('canvas', { width: 12 * ratio, height: 12 * ratio });
    const context = mark.getContext('2d');
    context.scale(ratio, ratio);
    context.fillStyle = context.strokeStyle = colour;
    this.#shape(6, 6, 3.6, status, context);
    return mark;
  }

  #shape(x, y, radius, status, context = this.#context) {
    const isSmall = radius <= 2.5; // cannot be told from a disc
    const size = TERMINAL.has(status) ? radius * 1.5 : radius;
    context.lineWidth = status === 'dead' || TERMINAL.has(status) ? 2 : 1.3;
    context.beginPath();
    if (isSmall || status === 'proved') context.fillRect(x - size, y - size, 2 * size, 2 * size);
    else if (TERMINAL.has(status)) context.strokeRect(x - size + 1, y - size + 1, 2 * size - 2, 2 * size - 2);
    else if (status === 'dead') {
      for (const slope of [1, -1]) {
        context.moveTo(x - radius * 0.8, y - slope * radius * 0.8);
        context.lineTo(x + radius * 0.8, y + slope * radius * 0.8);
      }
      context.stroke();
    } else if (status === 'expanded') {
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    } else {
      context.arc(x, y, radius, Math.PI / 2, 1.5 * Math.PI);
      if (status === 'partial') context.fill();
      context.arc(x, y, radius, 1.5 * Math.PI, 2.5 * Math.PI);
      if (status === 'pruned') context.lineTo(x, y - radius);
      context.stroke();
    }
  }

  #ring(x, y, radius, colour, width) {
    this.#context.strokeStyle = colour;
    this.#context.lineWidth = width;
    this.#context.beginPath();
    this.#context.arc(x, y, radius, 0, 2 * Math.PI);
    this.#context.stroke();
  }

  /** Labels where there is room for them: the chosen node's first, then the proof's, then what was expanded, then the rest. */
  #labels(known) {
    const { tree, view, layout, colours, camera } = this;
    const context = this.#context;
    const rank = (node) => (node === view.node ? 0 : tree.on_proof_path[node] ? 1 : view.found.has(node) ? 2 : tree.step[node] > 0 ? 3 : 4);
    const candidates = known.filter((node) => this.#isNear(layout.row[node]) && camera.x(tree.depth[node]) < this.width && camera.x(tree.depth[node]) > -FULL_COLUMN);
    const isAlone = camera.column < 45;
    if (isAlone) candidates.splice(0, Infinity, ...candidates.filter((node) => rank(node) === 0));
    const taken = new Set();
    context.textBaseline = 'middle';
    context.lineJoin = 'round';
    // Beside the edges that begin at the node.
    const height = (node) => camera.y(layout.row[node]) - (tree.children[node].length && tree.stepOf(node) <= view.step ? 8 : 0);
    const spot = (depth, y, shift = 0) => `${depth}:${Math.round(y / 6) + shift}`;
    const spotsNear = (depth, y) => [-2, -1, 0, 1, 2].map((shift) => spot(depth, y, shift)); // what a line of text there would touch
    const stands = new Set(candidates.flatMap((node) => [spot(tree.depth[node], camera.y(layout.row[node])), spot(tree.depth[node], height(node))]));
    const ordered = camera.row >= 14 ? candidates : candidates.map((node) => [rank(node), node]).sort(([one], [other]) => one - other).map(([, node]) => node);
    for (const node of ordered) {
      const [depth, x, y] = [tree.depth[node], camera.x(tree.depth[node]), height(node)];
      if (camera.row < 14 && spotsNear(depth, y).some((each) => taken.has(each))) continue;
      taken.add(spot(depth, y));
      const isFree = isAlone || !spotsNear(depth + 1, y).some((each) => stands.has(each));
      const room = Math.min(Math.max(camera.column - 20, 22) + (isFree ? 100 : 0), this.width - x - 12);
      if (room < 22) continue;
      context.font = `${tree.on_proof_path[node] ? '600 ' : ''}${FONT}`;
      const text = oneLine(tree.tactic[node] ?? tree.state_text[node].slice(0, 400).split('⊢').at(-1), Math.floor(room / 7.3));
      this.#text(text, x + 9, y, tree.on_proof_path[node] ? colours.good : colours.ink);
      if (camera.row >= 30) {
        context.font = '10px system-ui, sans-serif';
        this.#text(this.#note(node), x + 9, y + 13, colours.muted);
      }
    }
  }

  #note(node) {
    const { tree } = this;
    const said = [`#${node}`];
    if (tree.stepOf(node)) said.push(`expanded ${figure(tree.stepOf(node))}`);
    said.push(`log p ${figure(tree.log_prob[node])}`);
    if (tree.energy[node] !== null) said.push(`E ${figure(tree.energy[node])}`);
    if (tree.priority[node] !== null) said.push(`prio ${figure(tree.priority[node])}`);
    return said.join('  ');
  }

  #text(text, x, y, colour) {
    const context = this.#context;
    context.strokeStyle = this.colours.paper;
    context.lineWidth = 3;
    context.strokeText(text, x, y);
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }

  /** The node nearest to a place, if one is near. */
  at(x, y) {
    let [best, distance] = [-1, 14];
    for (const node of this.layout?.order ?? []) {
      if (!this.tree.isKnown(node, this.view.step)) continue;
      const [nodeX, nodeY] = this.placeOf(node);
      const away = Math.hypot(nodeX - x, nodeY - y);
      if (away < distance) [best, distance] = [node, away];
    }
    return best;
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      if (event.shiftKey) this.#pan(-event.deltaY, 0);
      else if (event.deltaX && !event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.#pan(-event.deltaX, 0);
      else this.#zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0022)), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#pointers.set(event.pointerId, event);
      if (this.#pointers.size === 1) this.#moved = false;
    });
    canvas.addEventListener('pointermove', (event) => this.#dragged(event));
    for (const end of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(end, (event) => {
        this.#pointers.delete(event.pointerId);
        if (end === 'pointerup' && !this.#moved && this.tree) this.told(this.at(event.offsetX, event.offsetY), false);
      });
    }
    canvas.addEventListener('dblclick', (event) => this.tree && this.told(this.at(event.offsetX, event.offsetY), true));
  }

  #dragged(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    if (!this.#moved && Math.hypot(dx, dy) < 3) return;
    this.#moved = true;
    const other = [...this.#pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) {
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      this.#zoom(apart(event) / apart(before), event.offsetX, event.offsetY);
    } else this.#pan(dx, dy);
    this.#pointers.set(event.pointerId, event);
  }

  #pan(dx, dy) {
    this.isFitted = false;
    this.camera.left += dx;
    this.camera.top += dy;
    this.draw();
  }

  #zoom(factor, x, y) {
    this.isFitted = false;
    this.camera.zoom(factor, x, y);
    this.draw();
  }
}
