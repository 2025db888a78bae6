// Puts the pages' own words into English as they appear: what the server sends stays Chinese. Before
// it stands SENTENCES, Chinese → English, with holes: {} for what people wrote, which stays as it is,
// {n} for a number, {s} for words of ours, which are put into English too. In the English {0}, {1} …
// are what filled the first, the second …; {0|entry|entries} is one word for 1 and another for more.
// "button: 停用" is what 停用 means on a button, where that is something else.
// Elements marked translate="no" hold what people wrote, and are left alone; so do dropdowns of the
// class theirs, but for the choice of all.
(() => {
'use strict';
const HAN = /[\u3400-\u9fff]/;
const HOLE = /(\{[ns]?\})/;
const FILLED = {'{}': '([^]*?)', '{s}': '([^]*?)', '{n}': '([-+\\d.,:%\u00a0 ]+)'};
const SKIPPED = '[translate=no], .file-preview, textarea, script, style';
const ALL = ['全部分类', '所有人'];
const ATTRIBUTES = ['placeholder', 'aria-label', 'title'];
const ON_BUTTON = 'button: ';
const MOST_KEPT = 5000;  // texts whose English is remembered

const whole = new Map();
const patterns = new Map();  // by the character that they begin with; '' for any
for (const [chinese, english] of Object.entries(SENTENCES)) {
  if (!HOLE.test(chinese)) { whole.set(chinese, english); continue; }
  const parts = chinese.split(HOLE);
  const match = new RegExp(`^${parts.map((part) =>
    FILLED[part] ?? part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('')}$`);
  const holes = parts.filter((part) => FILLED[part]);
  const said = parts.filter((part) => !FILLED[part]).join('');
  const first = parts[0].slice(0, 1);
  patterns.set(first, [...patterns.get(first) ?? [], {match, english, holes, said}]);
}
// What says more is tried before what would match nearly everything.
for (const found of patterns.values())
  found.sort((a, b) => b.said.length - a.said.length || a.holes.length - b.holes.length);

function sentence(text) {
  if (whole.has(text)) return whole.get(text);
  for (const {match, english, holes, said} of [
    ...patterns.get(text[0]) ?? [], ...patterns.get('') ?? [],
  ]) {
    const found = match.exec(text)?.slice(1);
    if (!found) continue;
    const values = found.map((value, place) => holes[place] === '{s}' ? translated(value) : value);
    // What merely joins sentences joins none that are not ours.
    const strange = (value, place) =>
      holes[place] === '{s}' && HAN.test(value) && value === found[place];
    if (!HAN.test(said) && values.some(strange)) continue;
    return english
      .replace(/\{(\d)\|([^|}]*)\|([^|}]*)\}/g, (_, number, one, more) =>
        values[number].trim() === '1' ? one : more)
      .replace(/\{(\d)\}/g, (_, number) => values[number]);
  }
  return text;
}

const known = new Map();
function translated(text) {
  if (!HAN.test(text)) return text;
  if (!known.has(text)) {
    const [, before, said, after] = /^(\s*)([^]*?)(\s*)$/.exec(text);
    if (known.size > MOST_KEPT) known.clear();
    known.set(text, before + sentence(said) + after);
  }
  return known.get(text);
}

const isChoiceOfTheirs = (element, said) =>
  element.closest('.theirs') && !ALL.includes(said.trim());

function text(node) {
  const parent = node.parentElement;
  if (!parent || !HAN.test(node.data) || parent.closest(SKIPPED)) return;
  if (parent.closest('[role=option]') && isChoiceOfTheirs(parent, node.data)) return;
  const english = (parent.closest('button') && whole.get(ON_BUTTON + node.data.trim()))
    ?? translated(node.data);
  if (english !== node.data) node.data = english;
}
function attributes(element) {
  for (const name of ATTRIBUTES) {
    const value = element.getAttribute(name);
    if (!value || !HAN.test(value)) continue;
    if (element.role === 'option' && isChoiceOfTheirs(element, value)) continue;
    const english = translated(value);
    if (english !== value) element.setAttribute(name, english);
  }
  if (element.role === 'combobox') element.value = element.value;
}
// What a dropdown shows is the value of an input, which no observer sees; what it is set to is not.
const input = HTMLInputElement.prototype;
const shown = Object.getOwnPropertyDescriptor(input, 'value');
Object.defineProperty(input, 'value', {
  ...shown,
  set(value) {
    const ours = this.role === 'combobox' && !isChoiceOfTheirs(this, String(value));
    shown.set.call(this, ours ? translated(String(value)) : value);
  },
});

function under(root) {
  if (root.nodeType === Node.TEXT_NODE) { text(root); return; }
  if (root.nodeType !== Node.ELEMENT_NODE) return;
  attributes(root);
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walk.nextNode(); node; node = walk.nextNode())
    if (node.nodeType === Node.TEXT_NODE) text(node);
    else attributes(node);
}

const page = document.documentElement;
page.lang = 'en';
new MutationObserver((changes) => {
  for (const {type, target, addedNodes} of changes)
    if (type === 'childList') addedNodes.forEach(under);
    else if (type === 'characterData') text(target);
    else attributes(target);
}).observe(page, {
  childList: true, characterData: true, subtree: true, attributes: true,
  attributeFilter: ATTRIBUTES,
});
under(page);
window.inEnglish = translated;  // for what a script says by itself
})();
