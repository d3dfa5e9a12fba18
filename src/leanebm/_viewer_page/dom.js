'use strict';
/** Makes elements. Text from outside only ever becomes text: there is no innerHTML in these files. */

const $ = (id) => document.getElementById(id);

/** `element('p', { className: 'quiet' }, 'text', child, …)`; what is null is left out. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name.includes('-') || name === 'role') made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : shown(child))));
  return made;
}

function options(select, names, value) {
  select.replaceChildren(...names.map((name) => element('option', { value: name }, name)));
  select.value = value;
}

const OUTCOMES = {
  'proved': ['✓', 'good'],
  'budget_spent': ['○', 'quiet'], // not dots, which before a name look as if it were cut
  'exhausted': ['∅', 'quiet'],
  'rejected': ['!', 'bad'],
  'infrastructure': ['⚡', 'bad'],
  'searching': ['▸', 'fair'],
  'silent': ['☾', 'bad'],
};

function outcomeMark(record) {
  const [mark, tone] = record ? (OUTCOMES[record.outcome] ?? ['?', 'quiet']) : ['–', 'quiet'];
  const title = record ? record.outcome.replace('_', ' ') : 'not searched in this run';
  return element('span', { className: `mark ${tone}`, title }, mark);
}
