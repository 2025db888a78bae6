// The chat in somebody else's page: <script src="https://…/widget.js" defer></script>.
// Attributes: data-title, data-key (one made with --origin), data-color, data-side="left",
// data-lang="en". Other scripts may call faqWidget.open(), .close() and .ask(text).
(() => {
'use strict';
const script = document.currentScript;
if (!script || window.faqWidget) return;
const base = new URL('.', script.src);
const settings = script.dataset;
const english = !(settings.lang || navigator.language || 'zh').toLowerCase().startsWith('zh');
const say = english ? {
  title: 'Help', open: 'Ask a question', close: 'Close', send: 'Send', hint: 'Type your question…',
  clarify: 'Did you mean:', none: 'None of these', useful: 'Helpful', useless: 'Not helpful',
  helped: 'Did this help?', thanks: '✓ Noted, thank you', matched: 'Matched question: ',
  again: 'Try again', failed: 'No reply. Please check your connection.', gone: 'This entry has just been withdrawn. Please ask again.',
  busy: 'Too many questions at once. Please try again in a moment.', other: 'You may also look at:',
  rephrase: 'Try other words, and ask one thing at a time.', wanted: 'Please add this question',
  words: 'Please describe your question in words.', long: 'That is too long. Please shorten it.',
  note: 'Answers come from the FAQ, word for word; none is generated',
} : {
  title: '智能客服', open: '有问题问我', close: '关闭', send: '发送', hint: '请输入您的问题…',
  clarify: '您是不是想问：', none: '都不是', useful: '有用', useless: '没用',
  helped: '这个回答有帮助吗？', thanks: '✓ 已记录，谢谢', matched: '匹配问题：',
  again: '重试', failed: '没有收到回复，请检查网络后重试。', gone: '这个问题刚刚下架了，请重新提问。',
  busy: '问得太快了，请稍等片刻再试。', other: '也可以看看大家常问的：',
  rephrase: '可以换个说法，一次只问一件事更容易找到。', wanted: '希望补充这个问题',
  words: '没有看懂您的问题，请用文字描述一下。', long: '问题太长了，请简短地描述一件事。',
  note: '答案均为常见问题库原文，非 AI 生成',
};
const UNREAD = {empty: say.words, no_text: say.words, too_long: say.long};
const KEPT = 30;  // turns that a reload of the page brings back
const STORE = `faq-widget ${base.href}`;

// A strict page lets no script write HTML without a named policy.
const policy = window.trustedTypes?.createPolicy('faq-widget', {createHTML: (html) => html});
const written = (html) => policy ? policy.createHTML(html) : html;

function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== false) node.setAttribute(key, value === true ? '' : value);
  node.append(...children);
  return node;
}
const button = (text, onclick, more = {}) => make('button', {type: 'button', onclick, ...more}, text);

async function call(method, path, body) {
  const headers = {};
  if (settings.key) headers.authorization = `Bearer ${settings.key}`;
  if (body) headers['content-type'] = 'application/json';
  const stop = AbortSignal.timeout ? AbortSignal.timeout(15000) : undefined;
  const reply = await fetch(new URL(`api/v1/${path}`, base), {
    method, headers, body: body && JSON.stringify(body), signal: stop,
    credentials: 'omit', referrerPolicy: 'origin',
  });
  if (!reply.ok) throw Object.assign(new Error(reply.statusText), {status: reply.status});
  return reply.json();
}

// ---- what is on screen

// No div: the page's rules for those are not meant for it.
const host = make('faq-widget', {lang: english ? 'en' : 'zh-CN'});
const root = host.attachShadow({mode: 'open'});
const sheet = new CSSStyleSheet();
root.adoptedStyleSheets = [sheet];
if (settings.side === 'left') host.classList.add('left');
if (settings.color && CSS.supports('color', settings.color))
  host.style.setProperty('--faq-accent', settings.color);

const title = settings.title || say.title;
const log = make('div', {class: 'log', role: 'log', 'aria-live': 'polite'});
const box = make('textarea', {
  rows: 1, maxlength: 2000, placeholder: say.hint, 'aria-label': say.hint, role: 'combobox',
  'aria-expanded': 'false', 'aria-controls': 'suggested', 'aria-autocomplete': 'list',
});
const list = make('div', {class: 'suggested', id: 'suggested', role: 'listbox', hidden: true});
const panel = make('section', {class: 'panel', role: 'dialog', 'aria-label': title, hidden: true},
  make('header', {}, make('b', {}, title), button('✕', close, {'aria-label': say.close})),
  log,
  make('form', {onsubmit: (event) => { event.preventDefault(); send(); }},
    list, box, make('button', {type: 'submit'}, say.send)),
  make('p', {class: 'note'}, say.note));
const launcher = button('', toggle, {class: 'launcher', 'aria-expanded': 'false', 'aria-label': say.open});
launcher.append(make('i', {'aria-hidden': 'true'}, english ? '?' : '问'), say.open);
root.append(panel, launcher);

let turns = [], greeting = null, waiting = false;
try { turns = JSON.parse(sessionStorage.getItem(STORE)) || []; } catch { /* closed to us */ }
function keep() {
  turns = turns.slice(-KEPT);
  try { sessionStorage.setItem(STORE, JSON.stringify(turns)); } catch { /* full, or closed */ }
}

function chips(questions) {
  return make('div', {class: 'chips'}, ...questions.map((text) => button(text, () => ask(text))));
}

// The server has rendered the answer and let no tag of it through; only links are ours to mend.
function answer(html) {
  const body = make('div', {class: 'answer'});
  body.innerHTML = written(html);
  for (const link of body.querySelectorAll('a[href]')) {
    link.href = new URL(link.getAttribute('href'), base);
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  }
  for (const image of body.querySelectorAll('img[src]'))
    image.src = new URL(image.getAttribute('src'), base);
  return body;
}

function rating(turn, label, verdict) {
  const rate = async () => {
    try {
      await call('POST', 'feedback', {trace_id: turn.reply.trace_id, verdict});
    } catch { return; }  // the button stays as it was
    turn.verdict = verdict;
    keep();
    show(turn);
  };
  return button(label, rate, {'aria-pressed': String(turn.verdict === verdict)});
}

function card(turn) {
  const {reply, verdict} = turn;
  const thanks = verdict ? [make('span', {class: 'thanks'}, say.thanks)] : [];
  if (turn.failed)
    return [make('p', {}, turn.failed), button(say.again, () => turn.retry?.())];
  if (!reply) return [make('span', {class: 'dots'}, '●●●')];
  if (reply.decision === 'answer')
    return [answer(reply.answer_html), make('p', {class: 'soft'}, say.matched + reply.question),
      make('div', {class: 'rate'}, make('span', {class: 'soft'}, say.helped),
        rating(turn, say.useful, 'useful'), rating(turn, say.useless, 'useless'), ...thanks)];
  if (reply.decision === 'clarify')
    return [make('p', {}, say.clarify),
      make('div', {class: 'options'}, ...reply.options.map((option) =>
        button(option.question, () => choose(reply.trace_id, option))),
        rating(turn, say.none, 'none_of_these')), ...thanks];
  if (UNREAD[reply.reason]) return [make('p', {}, UNREAD[reply.reason])];
  const found = [make('p', {}, make('b', {}, greeting?.refusal || ''), ' ', say.rephrase)];
  if (greeting?.handoff_link)
    found.push(make('p', {}, make('a', {href: greeting.handoff_link, target: '_blank',
      rel: 'noopener noreferrer'}, greeting.handoff)));
  if (greeting?.frequent.length)
    found.push(make('p', {class: 'soft'}, say.other), chips(greeting.frequent.slice(0, 3)));
  found.push(make('div', {class: 'rate'}, rating(turn, say.wanted, 'none_of_these'), ...thanks));
  return found;
}

const nodes = new Map();
function show(turn) {
  const node = make('article', {}, make('div', {class: 'said'}, turn.said),
    make('div', {class: 'card'}, ...card(turn)));
  const old = nodes.get(turn);
  nodes.set(turn, node);
  if (old) old.replaceWith(node);
  else log.append(node);
  const tall = node.offsetHeight > log.clientHeight;
  log.scrollTop = tall ? node.offsetTop - log.offsetTop : log.scrollHeight;
}

// ---- what is asked

async function exchange(said, question) {
  if (waiting) return;
  waiting = true;
  const turn = {said};
  turns.push(turn);
  const attempt = async () => {
    delete turn.failed;
    waiting = true;
    show(turn);
    try {
      turn.reply = await question();
      delete turn.retry;
    } catch (error) {
      turn.failed = {429: say.busy, 404: say.gone}[error.status] || say.failed;
      turn.retry = attempt;
    }
    waiting = false;
    show(turn);
    keep();
  };
  await attempt();
}

const ask = (text) => exchange(text, () => call('POST', 'ask', {query: text}));
const choose = (trace, option) => exchange(option.question,
  () => call('POST', 'choose', {trace_id: trace, entry_id: option.entry_id}));

function send() {
  const text = box.value.trim();
  if (!text || waiting) return;  // what was typed stays in the box until it can be sent
  box.value = '';
  fit();
  suggest([]);
  ask(text);
}

// ---- what might be meant, while somebody types

let timer = 0, latest = 0, marked = -1;
function suggest(questions) {
  latest += 1;
  marked = -1;
  list.replaceChildren(...questions.map((text, number) =>
    make('div', {role: 'option', id: `suggested-${number}`, 'aria-selected': 'false',
      onmousedown: (event) => { event.preventDefault(); take(text); }}, text)));
  list.hidden = !questions.length;
  box.setAttribute('aria-expanded', String(!list.hidden));
  box.removeAttribute('aria-activedescendant');
}
function take(text) {
  box.value = '';
  fit();
  suggest([]);
  ask(text);
}
function mark(step) {
  const rows = [...list.children];
  marked = (marked + step + rows.length + 1) % (rows.length + 1);
  rows.forEach((row, number) => row.setAttribute('aria-selected', String(number === marked)));
  if (rows[marked]) box.setAttribute('aria-activedescendant', rows[marked].id);
  else box.removeAttribute('aria-activedescendant');
}
function fit() {
  box.style.height = 'auto';
  box.style.height = `${Math.min(box.scrollHeight, 96)}px`;
}
box.addEventListener('input', () => {
  fit();
  clearTimeout(timer);
  const text = box.value.trim();
  if (text.length < 2) { suggest([]); return; }
  timer = setTimeout(async () => {
    const number = ++latest;
    try {
      const found = await call('GET', `suggest?query=${encodeURIComponent(text)}&k=5`);
      if (number === latest) suggest(found.suggestions.map((one) => one.question));
    } catch { /* only a help */ }
  }, 150);
});
box.addEventListener('blur', () => suggest([]));

let composed = 0;
box.addEventListener('compositionend', (event) => { composed = event.timeStamp; });
box.addEventListener('keydown', (event) => {
  // An input method's Enter only picks a word; Safari ends composing just before that key.
  if (event.isComposing || event.keyCode === 229 || event.timeStamp - composed < 30) return;
  if (event.key === 'Enter' && !event.shiftKey) {
    event.preventDefault();
    const chosen = list.children[marked];
    if (chosen) take(chosen.textContent);
    else send();
  } else if (!list.hidden && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
    event.preventDefault();
    mark(event.key === 'ArrowDown' ? 1 : marked < 0 ? 0 : -1);
  }
});
panel.addEventListener('keydown', (event) => {
  // The page's own shortcuts are not meant while somebody types here.
  event.stopPropagation();
  if (event.key !== 'Escape') return;
  if (list.hidden) close();
  else suggest([]);
});

// ---- open and shut

async function open() {
  if (!panel.hidden) return;
  panel.hidden = false;
  launcher.setAttribute('aria-expanded', 'true');
  box.focus();
  if (greeting) return;
  try {
    greeting = await call('GET', 'greeting');
  } catch {
    greeting = null;
  }
  if (greeting)
    log.prepend(make('div', {class: 'card welcome'},
      make('p', {}, make('b', {}, greeting.welcome)), chips(greeting.frequent)));
  if (!nodes.size) turns.forEach(show);
}
function close() {
  panel.hidden = true;
  launcher.setAttribute('aria-expanded', 'false');
  launcher.focus();
}
function toggle() {
  if (panel.hidden) open();
  else close();
}

sheet.replaceSync(`
:host { --accent: var(--faq-accent, #0b7a6b); --ground: #f4f6f7; --card: #fff; --ink: #1d2729;
  --soft: #5b686b; --line: #dde3e5; all: initial; position: fixed !important; z-index: 2147483000 !important;
  right: 20px; bottom: 20px; font: 15px/1.6 system-ui, "PingFang SC", "Microsoft YaHei",
  "Noto Sans CJK SC", sans-serif; color: var(--ink);
  display: block !important; color-scheme: light dark; }
:host(.left) { right: auto; left: 20px; }
@media (prefers-color-scheme: dark) { :host { --accent: var(--faq-accent, #178f7d); --ground: #12181a;
  --card: #1c2426; --ink: #e8eeee; --soft: #a3b0b2; --line: #334043; } }
[hidden] { display: none !important; }
button { font: inherit; color: inherit; cursor: pointer; text-align: left; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; padding: 6px 12px; }
button:hover { border-color: var(--accent); }
button:focus-visible, textarea:focus-visible, a:focus-visible { outline: 2px solid var(--accent);
  outline-offset: 1px; }
.launcher { display: flex; align-items: center; gap: 8px; height: 48px; padding: 0 18px 0 8px;
  color: #fff; background: var(--accent); border: 0; border-radius: 24px;
  box-shadow: 0 4px 16px #0003; }
.launcher i { display: grid; place-items: center; width: 34px; height: 34px; font-style: normal;
  border-radius: 17px; background: #ffffff2e; }
.launcher[aria-expanded=true] { display: none; }
.panel { display: flex; flex-direction: column; width: 380px; height: min(600px, 100vh - 40px);
  overflow: hidden; background: var(--ground); border: 1px solid var(--line); border-radius: 16px;
  box-shadow: 0 8px 32px #0004; }
header { display: flex; justify-content: space-between; align-items: center; padding: 10px 10px 10px 16px;
  color: #fff; background: var(--accent); font-size: 16px; }
header button { color: inherit; background: none; border: 0; padding: 4px 10px; }
.log { position: relative; flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 14px;
  overflow-wrap: anywhere; }
.said { width: fit-content; max-width: 84%; margin: 14px 0 10px auto; padding: 8px 14px; color: #fff;
  background: var(--accent); border-radius: 14px 4px 14px 14px; white-space: pre-wrap; }
.card { width: fit-content; max-width: 94%; padding: 10px 14px; background: var(--card);
  border: 1px solid var(--line); border-radius: 4px 14px 14px 14px; box-sizing: border-box; }
p { margin: 0 0 8px; }
.card > p:last-child, .answer > :last-child { margin-bottom: 0; }
.answer > :first-child { margin-top: 0; }
.answer :is(ul, ol) { margin: 0 0 8px; padding-left: 1.5em; }
.answer :is(h1, h2, h3, h4) { font-size: 1.05em; margin: 10px 0 6px; }
.answer img { max-width: 100%; height: auto; }
.answer table { display: block; overflow-x: auto; border-collapse: collapse; }
.answer :is(td, th) { border: 1px solid var(--line); padding: 3px 8px; }
.answer pre { overflow-x: auto; }
a { color: var(--accent); }
@media (prefers-color-scheme: dark) { .card a { color: #4cc3af; } }
.soft, .note { color: var(--soft); font-size: 13px; }
.answer + .soft { margin: 8px 0 0; }
.thanks { font-size: 13px; color: var(--soft); }
.chips, .rate { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.rate { margin-top: 10px; padding-top: 8px; border-top: 1px solid var(--line); }
.rate button { padding: 2px 10px; font-size: 13px; }
.options { display: flex; flex-direction: column; gap: 6px; }
.options button:last-child { align-self: flex-start; color: var(--soft); }
button[aria-pressed=true] { border-color: var(--accent); }
.dots { letter-spacing: 3px; color: var(--soft); animation: dots 1s infinite alternate; }
@keyframes dots { from { opacity: .3; } }
@media (prefers-reduced-motion: reduce) { .dots { animation: none; } }
form { position: relative; display: flex; align-items: flex-end; gap: 8px; padding: 10px 12px 0;
  background: var(--card); border-top: 1px solid var(--line); }
textarea { flex: 1; resize: none; box-sizing: border-box; min-height: 40px; padding: 8px 12px;
  font: inherit; font-size: 16px; line-height: 22px; color: inherit; background: var(--ground);
  border: 1px solid var(--line); border-radius: 12px; }
textarea::placeholder { color: var(--soft); }
form > button { height: 40px; color: #fff; background: var(--accent); border: 0; }
.note { margin: 0; padding: 4px 12px 8px; text-align: center; font-size: 12px; background: var(--card); }
.suggested { position: absolute; inset: auto 12px 100% 12px; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; overflow: hidden; box-shadow: 0 -4px 16px #0002; }
.suggested div { padding: 7px 12px; cursor: pointer; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.suggested div:is(:hover, [aria-selected=true]) { background: var(--ground); }
@media (max-width: 480px) {
  .panel { position: fixed; inset: 0; width: auto; height: auto; border: 0; border-radius: 0; }
}`);

window.faqWidget = {open, close, ask: async (text) => { await open(); await ask(String(text)); }};
if (document.body) document.body.append(host);
else document.addEventListener('DOMContentLoaded', () => document.body.append(host));
})();
