// Runs once for each place of HTML: what is clicked in it fires the event it names, with its data.
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-event]');
  if (button && !button.disabled && EVENTS.includes(button.dataset.event))
    trigger(button.dataset.event, {...button.dataset});
});
