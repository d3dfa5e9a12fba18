'use strict';
/** The list of theorems: only the rows that are in sight exist. */

const ROW_PX = 44;

class TheoremList {
  /** `told` is called with an entry that was chosen. */
  constructor(told) {
    this.told = told;
    this.entries = [];
    this.shown = [];
    this.left = new Set();
    this.name = null;
    this.groups = '';
    options($('sort'), Object.keys(SORTS), 'order of search');
    $('find-theorem').addEventListener('input', () => this.filter());
    $('sort').addEventListener('change', () => this.filter());
    $('rows').addEventListener('scroll', () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe($('rows'));
    $('rows').addEventListener('keydown', (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
      if (by) {
        event.preventDefault();
        event.stopPropagation();
        this.move(by);
      }
    });
  }

  show(entries) {
    this.entries = entries;
    this.#groups();
    this.filter();
  }

  /** Choose the theorem that stands `by` rows below. */
  move(by) {
    if (!this.shown.length) return;
    const at = this.shown.findIndex((entry) => entry.name === this.name);
    this.told(this.shown[Math.min(Math.max(at + by, 0), this.shown.length - 1)]);
  }

  /** Mark a theorem as the one that is shown, and bring it into sight if somebody chose it. */
  mark(name, reveals = true) {
    this.name = name;
    const at = this.shown.findIndex((entry) => entry.name === name);
    const rows = $('rows');
    if (reveals && at >= 0 && (at * ROW_PX < rows.scrollTop || (at + 1) * ROW_PX > rows.scrollTop + rows.clientHeight)) {
      rows.scrollTop = at * ROW_PX - rows.clientHeight / 3;
    }
    this.#draw();
  }

  /** Look for a text in the names and statements. */
  find(text) {
    $('find-theorem').value = text;
    this.filter();
  }

  filter() {
    this.shown = chosen(this.entries, { text: $('find-theorem').value, groups: this.left, sort: $('sort').value });
    const count = `${figure(this.shown.length)} of ${counted(this.entries.length, 'theorem')}`;
    $('list-count').textContent = this.shown.length || !this.entries.length ? count : `${count}: none fits the words and endings above`;
    this.#draw();
  }

  #groups() {
    const counts = new Map();
    for (const entry of this.entries) counts.set(groupOf(entry), (counts.get(groupOf(entry)) ?? 0) + 1);
    const groups = [...counts.keys()].sort();
    const toggled = (group) => () => {
      if (!this.left.delete(group)) this.left.add(group);
      this.#groups();
      this.filter();
    };
    if (groups.join() !== this.groups) {
      const title = 'click to leave these out, or to have them back';
      $('outcomes').replaceChildren(...groups.map((group) => element('button', { type: 'button', title, onclick: toggled(group) })));
      this.groups = groups.join();
    }
    groups.forEach((group, at) => { // The buttons themselves stay, and so does the keyboard.
      const button = $('outcomes').children[at];
      button.textContent = `${group.replace('_', ' ')} ${figure(counts.get(group))}`;
      button.setAttribute('aria-pressed', String(!this.left.has(group)));
    });
  }

  #draw() {
    const rows = $('rows');
    $('rows-all').style.height = `${this.shown.length * ROW_PX}px`;
    const first = Math.max(Math.floor(rows.scrollTop / ROW_PX) - 3, 0);
    const last = Math.min(first + Math.ceil(rows.clientHeight / ROW_PX) + 6, this.shown.length);
    $('rows-all').replaceChildren(...this.shown.slice(first, last).map((entry, index) => this.#row(entry, first + index)));
    rows.setAttribute('aria-activedescendant', `row-${this.shown.findIndex((entry) => entry.name === this.name)}`);
  }

  #row(entry, index) {
    const record = one(entry);
    const each = (name) => entry.records.map((found) => (found ? figure(found[name]) : '–')).join(' | ');
    const time = entry.records.length === 1 ? ` · ${seconds(record.wall_s)}` : '';
    const row = element(
      'div',
      { id: `row-${index}`, className: 'theorem', role: 'option', 'aria-selected': String(entry.name === this.name), title: oneLine(`${entry.name}: ${record.statement}`, 400), onclick: () => this.told(entry) },
      element('div', { className: 'name' }, ...entry.records.map(outcomeMark), oneLine(entry.name, 200)),
      element('small', {}, `${each('nodes')} nodes · ${each('expansions')} exp${time}`),
    );
    row.style.top = `${index * ROW_PX}px`;
    return row;
  }
}
