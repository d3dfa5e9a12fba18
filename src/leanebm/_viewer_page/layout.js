'use strict';
/** Where nodes stand: rows from d3-hierarchy, columns by depth; and the window through which they are looked at. */

/**
 * Lays out what is not hidden. A node that is left out takes everything below it along; a folded one stays.
 *
 * Returns { row, order, rows, depth }: each node's row (NaN if it is left out), the nodes that are in, and the extent.
 */
function laidOut(tree, { hides = () => false, folded = new Set() } = {}) {
  const root = d3.hierarchy(0, (node) => (folded.has(node) ? null : tree.children[node].filter((child) => !hides(tree, child))));
  d3.tree().nodeSize([1, 1]).separation((one, other) => (one.parent === other.parent ? 1 : 1.3))(root);
  const row = new Float64Array(tree.size).fill(NaN);
  const order = [];
  let [least, most, depth] = [Infinity, -Infinity, 0];
  root.eachBefore((place) => {
    row[place.data] = place.x;
    order.push(place.data);
    least = Math.min(least, place.x);
    most = Math.max(most, place.x);
    depth = Math.max(depth, place.depth);
  });
  for (const node of order) row[node] -= least;
  return { row, order, rows: most - least, depth };
}

const FULL_ROW = 22;
const LARGEST_ROW = 60;
const FULL_COLUMN = 240;
const MARGIN = 26;

/**
 * The window: `row` pixels a row and `column` pixels a step, and where row 0 of the root is.
 *
 * Rows are stretched much more than columns: a tree of thousands of rows is a few dozen steps deep, so that one
 * factor for both would make it a thread.
 */
class Camera {
  constructor() {
    this.left = MARGIN;
    this.top = MARGIN;
    this.row = FULL_ROW;
    this.column = FULL_COLUMN;
    this.fitted = { row: FULL_ROW, column: FULL_COLUMN };
  }

  x(depth) {
    return this.left + depth * this.column;
  }

  y(row) {
    return this.top + row * this.row;
  }

  /** Show all of it. */
  fit(layout, width, height) {
    const label = Math.min(180, width / 4);
    this.fitted.row = Math.min(FULL_ROW * 1.3, Math.max(height - 2 * MARGIN, 40) / Math.max(layout.rows, 1));
    this.fitted.column = Math.min(FULL_COLUMN, Math.max((width - MARGIN - label) / Math.max(layout.depth, 1), 12));
    this.#to(this.fitted.row);
    this.left = MARGIN;
    this.top = (height - layout.rows * this.row) / 2;
  }

  /** Zoom by a factor, with what is at (x, y) staying there. */
  zoom(factor, x, y) {
    const [depth, row] = [(x - this.left) / this.column, (y - this.top) / this.row];
    this.#to(Math.min(LARGEST_ROW, Math.max(this.fitted.row * 0.5, this.row * factor)));
    this.left = x - depth * this.column;
    this.top = y - row * this.row;
  }

  /** Move a place into the middle if it is near the edge or beyond; returns whether it was. */
  reveal(depth, row, width, height) {
    const [x, y] = [this.x(depth), this.y(row)];
    const [isAside, isOutside] = [x < MARGIN / 2 || x > width - MARGIN, y < MARGIN / 2 || y > height - MARGIN / 2];
    if (isAside) this.left += width / 2.5 - x;
    if (isOutside) this.top += height / 2 - y;
    return isAside || isOutside;
  }

  /** Close enough to read; returns true, for it moves. */
  approach(depth, row, width, height) {
    if (this.row < FULL_ROW) this.#to(FULL_ROW);
    this.left = width / 2.5 - depth * this.column;
    this.top = height / 2 - row * this.row;
    return true;
  }

  /** Sets the height of a row, and the width of a step between the fitted and the full one accordingly. */
  #to(row) {
    this.row = row;
    const { row: from, column } = this.fitted;
    const share = from >= FULL_ROW ? 0 : (Math.log(row) - Math.log(from)) / (Math.log(FULL_ROW) - Math.log(from));
    this.column = column + (FULL_COLUMN - column) * Math.min(1, Math.max(0, share));
  }
}
