// Puts the pages' own words into English as they appear: what the server sends stays Chinese. Before
// it stands SENTENCES: Chinese → English; {} stands for anything, {n} for a number, and {0}, {1} … in
// the English for the first, the second … of them. What people wrote (translate="no") is left alone.
(() => {
'use strict';
const HAN = /[\u3400-\u9fff]/;
const NUMBER = '[-+\\d.,:%\u00a0 ]+';
const SKIPPED = '[translate=no], textarea, script, style';
const ATTRIBUTES = ['placeholder', 'aria-label', 'title', 'data-placeholder'];

const whole = new Map();
const patterns = new Map();  // by the character that they begin with; '' for any
for (const [chinese, english] of Object.entries(SENTENCES)) {
  if (!/\{n?\}/.test(chinese)) { whole.set(chinese, english); continue; }
  const parts = chinese.split(/(\{n?\})/).map((part) =>
    part === '{}' ? '([^]+?)' : part === '{n}' ? `(${NUMBER})`
      : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const first = /^\{n?\}/.test(chinese) ? '' : chinese[0];
  const literal = chinese.replace(/\{n?\}/g, '').length;
  const entry = {match: new RegExp(`^${parts.join('')}$`), english, literal};
  patterns.set(first, [...patterns.get(first) ?? [], entry]);
}
// What says more is tried before what would match nearly everything.
for (const found of patterns.values()) found.sort((a, b) => b.literal - a.literal);

const known = new Map();
function translated(text) {
  if (!HAN.test(text)) return text;
  if (known.has(text)) return known.get(text);
  const [, before, said, after] = /^(\s*)([^]*?)(\s*)$/.exec(text);
  let english = whole.get(said);
  if (english === undefined)
    for (const {match, english: form} of [...patterns.get(said[0]) ?? [], ...patterns.get('') ?? []]) {
      const values = match.exec(said)?.slice(1);
      if (!values) continue;
      english = form.replace(/\{(\d)\}/g, (_, number) => translated(values[number]));
      break;
    }
  const result = english === undefined ? text : before + english + after;
  if (known.size > 5000) known.clear();
  known.set(text, result);
  return result;
}

function text(node) {
  const parent = node.parentElement;
  if (!parent || !HAN.test(node.data) || parent.closest(SKIPPED)) return;
  const english = translated(node.data);
  if (english !== node.data) node.data = english;
}
function attributes(element) {
  for (const name of ATTRIBUTES) {
    const value = element.getAttribute?.(name);
    if (value && HAN.test(value)) {
      const english = translated(value);
      if (english !== value) element.setAttribute(name, english);
    }
  }
}
function under(root) {
  if (root.nodeType === Node.TEXT_NODE) { text(root); return; }
  if (root.nodeType !== Node.ELEMENT_NODE) return;
  attributes(root);
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walk.nextNode(); node; node = walk.nextNode())
    if (node.nodeType === Node.TEXT_NODE) text(node);
    else attributes(node);
}

function begin() {
  document.documentElement.lang = 'en';
  document.title = translated(document.title);
  under(document.body);
  new MutationObserver((changes) => {
    for (const {type, target, addedNodes} of changes)
      if (type === 'childList') addedNodes.forEach(under);
      else if (type === 'characterData') text(target);
      else attributes(target);
  }).observe(document.body, {
    childList: true, characterData: true, subtree: true, attributes: true,
    attributeFilter: ATTRIBUTES,
  });
}
window.inEnglish = translated;  // for what a script says by itself
if (document.body) begin();
else document.addEventListener('DOMContentLoaded', begin);
})();
