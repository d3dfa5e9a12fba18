'use strict';
/** Everything that was recorded of one node, and of one theorem. */

const FATE_WORDS = {
  advanced: ['→', 'led on', ''],
  merged: ['⤳', 'led to a state known before', 'fair'],
  cyclic: ['↺', 'led back', 'fair'],
  finished: ['■', 'closed the last goal', 'good'],
  rejected: ['✗', 'refused', 'bad'],
  timed_out: ['⧖', 'ran out of time', 'bad'],
};

const STATUS_WORDS = {
  open: 'never expanded: nobody knows what follows',
  partial: 'expanded in part: not all that was proposed was tried',
  expanded: 'expanded',
  dead: 'a dead end: every tactic that was tried failed',
  unexpandable: 'its prompt did not fit the policy’s context',
  pruned: 'dropped by the bounded frontier',
  finished: 'no goal left; the certifier has not answered',
  proved: 'no goal left, and the path is certified',
  rejected: 'no goal left, and the certifier did not accept the path',
};

/** A list of names and values; rows without a value are left out. */
function facts(rows) {
  const kept = rows.filter(([, value]) => value !== null && value !== undefined);
  return element('dl', { className: 'facts' }, ...kept.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
}

function nodeButton(node, go, text = `#${node}`) {
  return element('button', { type: 'button', className: 'node', onclick: () => go(node) }, text);
}

/** Fills the pane on the right. `go(node)` chooses another node; `other` is the same state in the other run, if it has it. */
function showDetails(holder, { tree, node, step, go, other }) {
  if (!tree) {
    holder.replaceChildren(element('p', { className: 'quiet' }, 'Choose a theorem.'));
    return;
  }
  if (!tree.size) {
    holder.replaceChildren(element('p', { className: 'quiet' }, 'There is no tree: the proof could not be opened, or the tree is too large to be shown before its search ends.'));
    return;
  }
  const solved = tree.num_goals[node] === 0;
  const hadKeyboard = holder.contains(document.activeElement);
  holder.replaceChildren(...[
    element('h2', { tabIndex: -1 }, `node #${node} `, tree.parent[node] >= 0 ? nodeButton(tree.parent[node], go, 'parent') : null),
    element('p', {}, tree.statusAt(node, step) === tree.status[node] ? (STATUS_WORDS[tree.status[node]] ?? tree.status[node]) : 'not expanded yet at this step'),
    tree.on_proof_path[node] ? element('p', { className: 'good' }, `on the certified proof, ${counted(tree.remaining_depth[node], 'tactic')} from its end`) : null,
    element('h3', {}, solved ? 'state' : `state: ${counted(tree.num_goals[node], 'goal')}`),
    element('pre', {}, solved ? 'no goals' : tree.state_text[node]),
    facts(nodeFacts(tree, node)),
    ...otherRun(other),
    ...wayTo(tree, node, go),
    element('h3', {}, triedHeading(tree, node)),
    ...tree.attempts[node].map((attempt) => attemptRow(attempt, go)),
  ].filter(Boolean));
  holder.scrollTop = 0;
  if (hadKeyboard) holder.querySelector('h2').focus();
}

function wayTo(tree, node, go) {
  if (!node) return [];
  const steps = tree.path(node).slice(1).map((at) => element('li', {}, nodeButton(at, go), ' ', element('code', {}, oneLine(tree.tactic[at] ?? '', 300))));
  return [element('h3', {}, 'the way here'), element('ol', {}, ...steps)];
}

function nodeFacts(tree, node) {
  const step = tree.stepOf(node);
  const when = step ? `number ${figure(step)} of ${figure(tree.steps)}` : 'not expanded';
  const found = tree.foundFrom[node];
  return [
    ['tactic', tree.tactic[node] === null ? null : element('code', {}, tree.tactic[node])],
    ['log p', node ? figure(tree.log_prob[node]) : null],
    ['log p of the path', node ? figure(tree.path_log_prob[node]) : null],
    ['priority', tree.priority[node] === null ? 'none recorded' : figure(tree.priority[node])],
    ['energy', tree.energy[node] === null ? 'none recorded' : figure(tree.energy[node])],
    ['expanded', when],
    ['found', node ? `at ${seconds(tree.found_s[node])}, in expansion ${figure(tree.foundAt[node])}` : 'at the beginning'],
    ['Lean took', node ? seconds(tree.tactic_s[node]) : null],
    ['depth', figure(tree.depth[node])],
    ['moved', tree.wasMoved(node) ? `found from #${found}; a better path was found later, when it was is not recorded` : null],
  ];
}

function otherRun(other) {
  if (!other) return [];
  const { tree, node, go } = other;
  if (node < 0) return [element('h3', {}, 'in the other run'), element('p', { className: 'quiet' }, 'this state was not met')];
  const step = tree.stepOf(node);
  return [
    element('h3', {}, 'the same state in the other run ', nodeButton(node, go)),
    facts([
      ['priority', figure(tree.priority[node])],
      ['energy', figure(tree.energy[node])],
      ['expanded', step ? `number ${figure(step)} of ${figure(tree.steps)}` : 'not expanded'],
      ['log p of the path', figure(tree.path_log_prob[node])],
    ]),
  ];
}

function triedHeading(tree, node) {
  const counts = Object.entries(tree.fates(node)).map(([fate, count]) => `${count} ${fate.replace('_', ' ')}`);
  return counts.length ? `tried here: ${counts.join(', ')}` : 'nothing was tried here';
}

function attemptRow([tactic, logProb, fate, target, message, elapsed], go) {
  const [mark, words, tone] = FATE_WORDS[fate] ?? ['?', fate, ''];
  return element(
    'div',
    { className: 'attempt' },
    element('span', { className: `mark ${tone}`, title: words }, mark),
    element('code', {}, tactic),
    element('div', { className: 'quiet' }, `log p ${figure(logProb)} · ${seconds(elapsed)} · ${words} `, target >= 0 ? nodeButton(target, go) : null),
    message ? element('pre', { className: 'words' }, message) : null,
  );
}

/** What is known of the theorem as a whole, above the trees. */
function showTitle(holder, entry) {
  const record = one(entry);
  holder.replaceChildren(
    element('h2', {}, entry.name),
    element('pre', { className: 'quiet' }, [record.header, record.context, record.statement].filter(Boolean).join('\n')),
  );
}

/** How one run's search of it ended, on one line. */
function endingOf(record) {
  if (!record) return [element('span', { className: 'quiet' }, 'not searched in this run')];
  const tone = record.outcome === 'proved' ? 'good' : record.outcome === 'infrastructure' || record.outcome === 'rejected' ? 'bad' : 'fair';
  const calls = (noun, value) => (value === null ? '' : ` · ${counted(value, noun)}`);
  const cost = `${counted(record.nodes, 'node')} · ${counted(record.expansions, 'expansion')} · ${counted(record.tactic_calls, 'tactic call')}`
    + `${calls('policy call', record.policy_calls)}${calls('energy call', record.energy_calls)}`
    + ` · ${seconds(record.wall_s)} (policy ${seconds(record.policy_s)}, Lean ${seconds(record.lean_s)}, scores ${seconds(record.score_s)}, certifying ${seconds(record.certify_s)})`;
  const proof = record.proof ? ` · proof: ${record.proof.join('; ')}` : '';
  const broken = record.error ? ` · ${record.error}` : '';
  const rejections = record.rejections.map((rejection) => ` · rejected: ${rejection}`).join('');
  return [element('b', { className: tone }, record.outcome.replace('_', ' ')), ' ', element('span', { className: 'quiet', title: `${cost}${proof}` }, oneLine(` · ${cost}${proof}${broken}${rejections}`, 900))];
}
