// What was typed or moved and is not saved yet is not lost unasked: not to another entry, not to
// another page that fills the form anew, not to a closed browser.
// A form is whatever has the class guarded; it is saved when a ✓ appears in it, or when it is filled.
const unsaved = new Set();
// What fills which form anew, or leaves it.
const DROPS = [
  ['#entry-list [data-event=pick], #entry-warnings [data-event=pick], #entry-new button, '
    + '#entry-new, #entry-switch, #entry-delete, #entry-notice [data-event=undo], '
    + '[data-event=edit], [data-event=create]', '#entry-form'],
  ['#word-list [data-event=pick], #word-suggestions [data-event=pick], '
    + '#word-notice [data-event=undo], [data-event=weigh]', '#word-form'],
  ['#user-list [data-event=pick]', '#user-form'],
];
// Forms of a page that is filled anew whenever it is opened.
const REFILLED = '#threshold-form, #wording, #signals, #gate';
// What one types in these and does not save is no loss: a query, a word to look at.
const LOOKED_UP = '#word, #word-query, #user-role';

const guarded = (node) => node.closest?.('.guarded');
const mark = (event) => {
  if (!event.isTrusted || event.target.closest(LOOKED_UP)) return;
  const form = guarded(event.target);
  if (form) unsaved.add(form);
};
document.addEventListener('input', mark, true);
document.addEventListener('change', mark, true);
document.addEventListener('mousedown', (event) => {
  if (event.target.closest('[role=option]')) mark(event);
}, true);

// Filled: the title of an entry or user is new. Saved: it says so.
new MutationObserver((changes) => {
  for (const {target, addedNodes} of changes) {
    const form = target.nodeType === 1 && guarded(target);
    if (!form || !unsaved.has(form)) continue;
    const filled = target.closest('#entry-title, #user-title');
    const done = [...addedNodes].some((node) =>
      node.nodeType === 1 && (node.matches('.done') || node.querySelector('.done')));
    if (filled || done) unsaved.delete(form);
  }
}).observe(document.body, {childList: true, subtree: true});

const isOpen = (form) => form.isConnected;
const leaving = (target) => {
  const forms = DROPS.filter(([what]) => target.closest(what))
    .map(([, form]) => document.querySelector(form));
  if (target.closest('#tabs > .tab-wrapper [role=tab], #tabs > .tab-wrapper .overflow-menu button'))
    forms.push(...document.querySelectorAll(REFILLED));
  return forms.filter((form) => form && unsaved.has(form));
};
document.addEventListener('click', (event) => {
  const forms = leaving(event.target);
  if (!forms.length) return;
  const question = '有改动还没有保存。要放弃这些改动, 继续吗?';
  if (window.confirm(window.inEnglish?.(question) ?? question)) {
    for (const form of forms) unsaved.delete(form);
  } else {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

window.addEventListener('beforeunload', (event) => {
  if ([...unsaved].some(isOpen)) event.preventDefault();
});
