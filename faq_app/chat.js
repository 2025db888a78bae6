// Runs once in the page: `element` is the transcript; `trigger`, `watch`, `server` are Gradio's.
const EVENTS = ['ask', 'choose', 'rate'];
const turns = () => element.querySelectorAll('.turn');
let shown = 0;

// The greeting and what people ask most as they are now, not as the server started. No event of
// Gradio's, whose reply is the whole transcript: a late one would put the empty page over what was
// asked and answered meanwhile.
server.greet().then(([welcome, chips]) => {
  element.querySelector('.welcome b').textContent = welcome;
  const place = element.querySelector('.welcome .chips');
  if (!place.firstChild) place.outerHTML = chips;  // else a reply has brought them
});

function toLast() {
  const last = [...turns()].pop();
  if (!last) return;
  // A long answer is read from its question on; a short one is simply at the end.
  if (last.offsetHeight > innerHeight - 220) last.scrollIntoView({block: 'start'});
  else scrollTo(0, document.documentElement.scrollHeight);
}

// The question appears at once; the server's transcript then takes its place, node by node.
function pending(text) {
  const turn = document.createElement('article');
  turn.className = 'turn pending';
  turn.innerHTML = '<div class="said" translate="no"></div>'
    + '<div class="card"><span class="dots">●●●</span></div>';
  turn.firstChild.textContent = text;
  element.querySelector('.log').append(turn);
  toLast();
  setTimeout(() => {
    if (!turn.classList.contains('pending')) return;
    turn.classList.remove('pending');
    turn.lastChild.textContent = '还没有收到回复，请检查网络后重试。';
  }, 15000);
}

let clicked = null;
element.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (link) { link.target = '_blank'; link.rel = 'noopener'; }
  clicked = event.target.closest('button');
  const data = {...clicked?.dataset};
  if (!EVENTS.includes(data.event) || element.querySelector('.pending')) return;
  if (data.text) pending(data.text);
  trigger(data.event, data);
});

watch('value', () => {
  if (turns().length > shown) toLast();
  else clicked?.closest('.card')?.querySelector('.thanks')?.scrollIntoView({block: 'nearest'});
  shown = turns().length;
});

// Gradio drops what is sent while it waits for a reply: keep it in the box until then.
const box = '#box textarea', send = '#box button';
const unready = () =>
  element.querySelector('.pending') || !document.querySelector(box).value.trim();
// Emptied here, not by the reply: that would wipe out what was typed meanwhile.
window.faqSent = (text) => {
  pending(text);
  const field = document.querySelector(box);
  if (field.value !== text) return;
  field.value = '';
  field.dispatchEvent(new Event('input', {bubbles: true}));
};
function stop(event) { event.preventDefault(); event.stopImmediatePropagation(); }

document.addEventListener('click', (event) => {
  if (event.target.closest(send) && unready()) stop(event);
}, true);

// Gradio sends on Enter even while an input method composes: that Enter only picks a word.
let composed = 0;
document.addEventListener('compositionend', (event) => { composed = event.timeStamp; }, true);
for (const name of ['keydown', 'keypress'])
  document.addEventListener(name, (event) => {
    if (event.key !== 'Enter' || event.shiftKey || !event.target.matches(box)) return;
    // Safari ends the composition just before the key that ended it.
    const composing = event.isComposing || event.keyCode === 229
      || event.timeStamp - composed < 30;
    if (composing) event.stopImmediatePropagation();
    else if (unready()) stop(event);
  }, true);
