// Runs once for each place of HTML: what is clicked in it fires the event it names, with its data
// and what is not ticked beside it.
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-event]');
  if (!button || button.disabled || !EVENTS.includes(button.dataset.event)) return;
  const boxes = button.closest('article')?.querySelectorAll('input:not(:checked)') ?? [];
  trigger(button.dataset.event, {...button.dataset, without: [...boxes].map((box) => box.value)});
  // On a narrow page what was opened is below the list.
  const panel = element.closest('.row')?.querySelector('.sheet');
  if (button.tagName === 'BUTTON' && button.className === 'link' && panel
      && panel.getBoundingClientRect().top > element.getBoundingClientRect().bottom - 10)
    panel.scrollIntoView({behavior: 'smooth'});
});
